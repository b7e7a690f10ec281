"""Explanations of translations, and their evaluation.

Maps from target words to source words by several methods, word alignments read from them, and
scores of both: against gold links, against the words on which forms depend, and by hiding words.
"""
