"""Parallel text in: where it lies, how it is read, and the memory-mapped forms that the rest reads.

`Corpus` is the contract; each plug-in is one file and one YAML in `configs/data`. `Text` holds a
split's pairs, `Encoded` their token ids; both are kept in a cache keyed by content.
"""

from seq2seq.corpora.base import Corpus, Pair, Text
from seq2seq.corpora.encoded import Encoded, TextEncoder, Usable, encode, usable

__all__ = ["Corpus", "Encoded", "Pair", "Text", "TextEncoder", "Usable", "encode", "usable"]
