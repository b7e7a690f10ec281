"""Pictures; the only folder that imports matplotlib."""
