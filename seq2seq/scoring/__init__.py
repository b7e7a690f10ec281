"""Translation scores: BLEU, chrF and TER (sacreBLEU), by length and distance; perplexity; COMET."""
