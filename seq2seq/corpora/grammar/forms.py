"""All inflected forms of the words of the grammar, by lexeme."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from seq2seq.corpora.grammar.agreement import BE, FUTURE_BE, HAVE, MODALS, participle
from seq2seq.corpora.grammar.lexicon import Adjective, Lexicon, Verb, lexicon_folder
from seq2seq.corpora.grammar.phrase import BEFORE_VOWEL

LANGUAGES = ("en", "fr")
AGREEMENTS = ((False, False), (True, False), (False, True), (True, True))  # (feminine, plural)
# Determiners, pronouns and prepositions. A contraction is a form of its preposition (du of de), so
# that du and de la differ in form only; the article in it is not a word of its own.
FRENCH = (
    ("le", "la", "les", "l'"),  # the article and the object pronoun
    ("un", "une", "des", "de", "d'"),
    ("de", "d'", "du", "des"),
    ("à", "au", "aux"),
    ("ce", "cet", "cette", "ces"),
    ("mon", "ma", "mes"),
    ("son", "sa", "ses"),
    ("notre", "nos"),
    ("leur", "leurs"),
    ("il", "elle", "ils"),
    ("je", "j'"),
    ("me", "m'"),
    ("se", "s'"),
    ("ne", "n'"),
    ("que", "qu'"),
    ("assis", "assise", "assises"),
    ("allongé", "allongée", "allongés", "allongées"),
)
ENGLISH = (
    ("a", "an"),
    ("this", "these"),
    ("'s", "'"),
    ("I", "me", "my"),
    ("we", "us", "our"),
    ("he", "him", "his"),
    ("she", "her"),
    ("it", "its"),
    ("they", "them", "their"),
    ("am", "is", "are", "was", "were", "be", "been"),
    ("have", "has", "had"),
    ("do", "does", "did"),
)


@cache
def lexemes(language: str) -> tuple[tuple[str, ...], ...]:
    """Return the forms of each word of the built-in corpus that has several.

    Args:
        language: en or fr.
    """
    lexicon = Lexicon(lexicon_folder())
    found = french(lexicon) if language == "fr" else english(lexicon)
    unique = (tuple(dict.fromkeys(word.removeprefix("*") for word in forms)) for forms in found)
    return tuple(dict.fromkeys(forms for forms in unique if len(forms) > 1))


def english(lexicon: Lexicon) -> Iterator[tuple[str, ...]]:
    """Yield the forms of English words; they may repeat."""
    yield from ENGLISH
    for noun in lexicon.nouns:
        yield from [] if "name" in noun.classes else [noun.english]
    for verb in (*lexicon.verbs, *modals(lexicon)):
        yield verb.english if verb.english[0] not in ("can", "must") else ()


def french(lexicon: Lexicon) -> Iterator[tuple[str, ...]]:
    """Yield the forms of French words; they may repeat."""
    yield from FRENCH
    for noun in lexicon.nouns:
        yield from [] if "name" in noun.classes else [noun.french]
    for adjective in lexicon.adjectives:
        yield adjective_forms(adjective)
    for verb in lexicon.verbs:
        yield verb_forms(verb)
    for verb in modals(lexicon):
        yield (verb.infinitive, *verb.present)
    yield ("avoir", *HAVE[0], *HAVE[1], *lexicon.conjugated("avoir")[1], "eu")
    yield ("être", *BE[0], *BE[1], *FUTURE_BE, "été")


def modals(lexicon: Lexicon) -> Iterator[Verb]:
    """Yield the verbs before an infinitive."""
    for english_base, infinitive in MODALS.items():
        yield lexicon.verb(english_base, infinitive)


def adjective_forms(adjective: Adjective) -> tuple[str, ...]:
    """Return the four forms of a French adjective, and the one before a vowel if there is one."""
    forms = [form for number in adjective.french for form in number]
    special = BEFORE_VOWEL.get(forms[0].upper())
    return (*forms, *([special] if special else []))


def verb_forms(verb: Verb) -> tuple[str, ...]:
    """Return infinitive, finite forms and participles of a French verb."""
    participles = (participle(verb.participle, *at) for at in AGREEMENTS)
    finite = (*verb.present, *verb.future, *(verb.imperfect or ()))
    return (verb.infinitive, *finite, *participles)


# Determiners that show gender or number. Those before a vowel (l', cet, mon) hide the gender, and
# des is also a contraction.
DETERMINERS = (("le", "la", "les"), ("un", "une"), ("ce", "cette", "ces"))


class AgreeingDeterminer(NamedTuple):
    """A French determiner and the noun with which it agrees, as tokens of a sentence.

    Attributes:
        word: the determiner.
        noun: the noun.
        wrong: the determiners that would be wrong, in lower case.
    """

    word: int
    noun: int
    wrong: tuple[str, ...]


def agreeing_determiners(tokens: Sequence[str]) -> list[AgreeingDeterminer]:
    """Return the determiners of a French sentence of the corpus before a noun, with adjectives."""
    nouns, adjectives = noun_forms()
    found = []
    for place, token in enumerate(tokens):
        kind = next((one for one in DETERMINERS if token.lower() in one), ())
        noun = place + 1
        while noun < len(tokens) and tokens[noun] in adjectives - nouns:
            noun += 1
        if kind and noun < len(tokens) and tokens[noun] in nouns:
            wrong = tuple(one for one in kind if one != token.lower())
            found.append(AgreeingDeterminer(place, noun, wrong))
    return found


@cache
def noun_forms() -> tuple[frozenset[str], frozenset[str]]:
    """Return all forms of the French common nouns, and all forms of the adjectives."""
    lexicon = Lexicon(lexicon_folder())
    common = (noun.french for noun in lexicon.nouns if "name" not in noun.classes)
    nouns = frozenset(form.removeprefix("*") for forms in common for form in forms)
    return nouns, frozenset(form for one in lexicon.adjectives for form in adjective_forms(one))
