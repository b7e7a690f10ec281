"""Parallel text in: where it lies, how it is read, and the forms on disk that the rest reads.

`Corpus` is the contract; each plug-in is one file and one YAML in `configs/data`. `Text` holds a
split's pairs, `Encoded` their token ids; both are kept in a cache keyed by content. `check_corpus`
reads a corpus for its defects alone.
"""

from seq2seq.corpora.base import Corpus, Pair, Text
from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.checker import Findings
from seq2seq.corpora.checker import check as check_corpus
from seq2seq.corpora.encoded import Encoded, TextEncoder, Usable, encode, usable
from seq2seq.corpora.overlap import overlaps, same_as_training

__all__ = [
    "Corpus",
    "Encoded",
    "Findings",
    "Pair",
    "Text",
    "TextEncoder",
    "Usable",
    "cache_folder",
    "check_corpus",
    "encode",
    "overlaps",
    "same_as_training",
    "usable",
]
