"""The configuration of a run: its YAML files, keys and values, and their checks."""
