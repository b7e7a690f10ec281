"""Word alignment: gold links, AER, extraction rules and baselines; no model is needed."""
