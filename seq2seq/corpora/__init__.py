"""Reading, validating, caching and encoding parallel text.

`Corpus` is the interface; each plug-in is one module and one YAML file in `configs/data`. `Text`
holds the sentence pairs of a split and `Encoded` their token ids; both are stored in a cache keyed
by content. `check_corpus` reports the defects of a corpus.
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
