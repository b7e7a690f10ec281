"""The version of this package, read from here by the build, the command line and run folders."""

__version__ = "0.2.0"
