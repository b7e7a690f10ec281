"""Systems side by side: how good they are, how sure that is, where they differ, what they cost.

Reads files only and needs no model: find and group what is compared (runs, systems), refuse what
was not measured alike (alike), count and test (counting, quality, significance), look closer (axes,
ngrams, sentences, cost), and write it all down (tables, then terminal, markdown, tex, record,
pictures, page).
"""

from seq2seq.compare.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
