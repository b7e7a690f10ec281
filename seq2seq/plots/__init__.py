"""Figures: the only subpackage that imports matplotlib."""
