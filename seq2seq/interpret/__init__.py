"""Where a model looked: attention as alignments of words, by one rule or layer by layer."""
