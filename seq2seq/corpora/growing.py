"""Sentences of the built-in grammar that grow clause by clause, with gold word alignments."""

from functools import lru_cache

from seq2seq.alignment.gold import Gold
from seq2seq.corpora.controlled import LANGUAGES, Example, example
from seq2seq.corpora.grammar import Grammar, Lexicon, Phrase, lexicon_folder, rule
from seq2seq.corpora.grammar.agreement import Tense
from seq2seq.corpora.grammar.sentences import CONJUNCTIONS
from seq2seq.errors import UserError

SHORTEST, LONGEST = 5, 8  # budget of a clause, in English words


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Return the lexicon of the grammar, read once."""
    return Lexicon(lexicon_folder())


def growing(seed: int, clauses: int) -> Example:
    """Return a random sentence with a number of clauses, English and French.

    The sentence with one clause more is the same sentence, continued.

    Args:
        seed: the random seed of the sentence.
        clauses: the number of clauses, at least 1.
    """
    grammar = Grammar(lexicon(), seed)
    tense: Tense = grammar.weighted_choice(past=5, present=3, future=2)  # type: ignore[assignment]
    body = grammar.clause(grammar.between(SHORTEST, LONGEST), tense)
    for _ in range(clauses - 1):
        english, french = grammar.choose(CONJUNCTIONS)
        more = grammar.clause(grammar.between(SHORTEST, LONGEST), tense)
        body = rule(f"{{a}} {english} {{b}}", f"{{a}} {french} {{b}}", a=body, b=more)
    sentence: Phrase = rule("{body} ./1", "{body} ./1", body=body)
    return example(sentence)


def in_direction(pair: Example, source: str, target: str) -> tuple[tuple[str, str], Gold]:
    """Return the texts and the gold links of a pair, from `source` to `target`.

    Raises:
        UserError: the languages are not those of the grammar.
    """
    if sorted((source, target)) != sorted(LANGUAGES):
        raise UserError(f"the built-in grammar has no sentences from {source} to {target}")
    gold = pair.gold
    if source == LANGUAGES[0]:
        return pair.texts, gold
    return pair.texts[::-1], Gold(gold.target, gold.source, gold.links.swapped())
