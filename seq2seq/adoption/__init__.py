"""Models of other programs as run folders of this package."""
