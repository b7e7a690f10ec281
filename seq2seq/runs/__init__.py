"""The run folder: what is in it, and how it is read safely."""
