"""Writers for a comparison: terminal, HTML, Markdown, TeX, JSON, CSV and figures."""
