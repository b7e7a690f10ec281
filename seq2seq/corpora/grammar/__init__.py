"""English and French from one grammar.

Words (lexicon), what agrees (agreement), rules with their links (phrase), chance, noun phrases
(nouns) and sentences.
"""

from seq2seq.corpora.grammar.lexicon import Lexicon, data_folder
from seq2seq.corpora.grammar.phrase import Phrase, french, gold, rule, text
from seq2seq.corpora.grammar.sentences import Dependency, Grammar

__all__ = [
    "Dependency",
    "Grammar",
    "Lexicon",
    "Phrase",
    "data_folder",
    "french",
    "gold",
    "rule",
    "text",
]
