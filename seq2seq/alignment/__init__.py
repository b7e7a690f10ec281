"""Word alignments without a model: gold links, AER, extraction rules, baselines."""
