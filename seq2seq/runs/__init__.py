"""Run folders: their content, and how they are read safely."""
