"""A synchronous grammar that generates English-French sentence pairs with word alignments.

Modules: lexicon (words and their forms), agreement (determiners and verbs), phrase (rules with
alignment links), sampler (random choices), nouns (noun phrases) and sentences.
"""

from seq2seq.corpora.grammar.lexicon import Lexicon, lexicon_folder
from seq2seq.corpora.grammar.phrase import Phrase, french, gold, rule, text
from seq2seq.corpora.grammar.sentences import Dependency, Grammar

__all__ = [
    "Dependency",
    "Grammar",
    "Lexicon",
    "Phrase",
    "french",
    "gold",
    "lexicon_folder",
    "rule",
    "text",
]
