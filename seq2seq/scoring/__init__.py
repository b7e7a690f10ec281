"""Scores of translations: sacreBLEU's metrics, by length and distance, perplexity, COMET."""
