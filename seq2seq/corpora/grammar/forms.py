"""All inflected forms of the words of the grammar, by lexeme."""

from collections.abc import Iterator
from functools import cache

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
