"""A comparison written down: terminal, Markdown, TeX, JSON, CSV and pictures."""
