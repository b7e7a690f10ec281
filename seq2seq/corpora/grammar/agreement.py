"""Grammatical agreement: determiners and participles with nouns, verbs with their subject.

Everything here is deterministic and builds both languages at once.
"""

from dataclasses import dataclass
from typing import Literal

from seq2seq.corpora.grammar.lexicon import Noun, Verb, article
from seq2seq.corpora.grammar.phrase import Phrase, rule

Tense = Literal["present", "past", "future", "pluperfect"]

NEGATIONS = {"not": "pas", "never": "jamais", "no longer": "plus"}
MODALS = {"can": "pouvoir", "must": "devoir", "want": "vouloir"}
NUMERALS = {
    "two": "deux",
    "three": "trois",
    "four": "quatre",
    "five": "cinq",
    "six": "six",
    "seven": "sept",
    "eight": "*huit",
    "ten": "dix",
}
# Present and imparfait, each in the order of lexicon.PERSONS.
HAVE = (("ai", "a", "avons", "ont"), ("avais", "avait", "avions", "avaient"))
BE = (("suis", "est", "sommes", "sont"), ("étais", "était", "étions", "étaient"))
REFLEXIVE = ("me", "se", "nous", "se")


@dataclass(frozen=True)
class Nominal:
    """A noun phrase or a pronoun, with its gender, number, person and classes of meaning."""

    phrase: Phrase
    feminine: bool
    plural: bool
    kinds: frozenset[str]
    first: bool = False  # I, we

    @property
    def person(self) -> int:
        """Index into the forms of a French verb (lexicon.PERSONS)."""
        return 2 * self.plural + (not self.first)

    @property
    def third_singular(self) -> bool:
        """Whether an English verb in the present takes -s."""
        return not (self.plural or self.first)


def pronoun(english: str, french: str, *, feminine: bool, plural: bool, first: bool) -> Nominal:
    """Build a subject pronoun."""
    phrase = rule(f"{english}/1", f"{french}/1")
    return Nominal(phrase, feminine, plural, frozenset({"person"}), first)


PRONOUNS = (
    pronoun("I", "je", feminine=False, plural=False, first=True),
    pronoun("he", "il", feminine=False, plural=False, first=False),
    pronoun("she", "elle", feminine=True, plural=False, first=False),
    pronoun("we", "nous", feminine=False, plural=True, first=True),
    pronoun("they", "ils", feminine=False, plural=True, first=False),
)


@dataclass(frozen=True)
class Clitic:
    """An object pronoun: after the verb in English, before it in French.

    The participle of a compound tense agrees with a direct object pronoun.
    """

    english: str
    french: str
    direct: bool
    feminine: bool = False
    plural: bool = False


DIRECT = (
    Clitic("him", "le", direct=True),
    Clitic("her", "la", direct=True, feminine=True),
    Clitic("them", "les", direct=True, plural=True),
)
INDIRECT = (
    Clitic("him", "lui", direct=False),
    Clitic("her", "lui", direct=False, feminine=True),
    Clitic("them", "leur", direct=False, plural=True),
)


def possessive(owner: Nominal, owned: Noun, plural: bool) -> tuple[str, str]:
    """Return the English and French possessive; the French one agrees with the noun owned."""
    if owner.first:
        english = "our" if owner.plural else "my"
    elif owner.plural:
        english = "their"
    elif "person" in owner.kinds:
        english = "her" if owner.feminine else "his"
    else:
        english = "its"
    if owner.plural:
        forms = ("notre", "nos") if owner.first else ("leur", "leurs")
        return english, forms[plural]
    letter = "m" if owner.first else "s"
    if plural:
        return english, letter + "es"
    return english, letter.upper() + "A" if owned.feminine else letter + "on"


def determiner(
    kind: str, noun: Noun, plural: bool, inner: Phrase, *, before: bool, negated: bool
) -> tuple[str, str]:
    """Return the patterns of an article, a demonstrative or `every` on both sides.

    Args:
        kind: definite, indefinite, this or every.
        noun: the noun.
        plural: whether the noun is plural.
        inner: the noun with its adjectives.
        before: whether a French adjective precedes the noun, which changes des to de.
        negated: whether the noun is the object of a negated verb, which changes un and des to de.
    """
    if kind == "indefinite":
        if plural:
            french = "de" if before or negated else "DES"
            return "any/1" if negated else "some/1", f"{french}/1"
        french = "de" if negated else "une" if noun.feminine else "un"
        return f"{article(inner.source[0])}/1", f"{french}/1"
    if kind == "this":
        french = "ces" if plural else "cette" if noun.feminine else "CE"
        return "these/1" if plural else "this/1", f"{french}/1"
    if kind == "every":
        return "every/1", "chaque/1"
    return "the/1", f"{definite(noun, plural)}/1"


def definite(noun: Noun, plural: bool) -> str:
    """Return the French definite article."""
    return "LES" if plural else "LA" if noun.feminine else "LE"


def participle(verb: str, feminine: bool, plural: bool) -> str:
    """Return the form of a participle for a gender and number."""
    form = verb + "e" * feminine
    return form + "s" if plural and not form.endswith("s") else form


def verb_group(
    verb: Verb,
    subject: Nominal,
    tense: Tense,
    *,
    negation: str = "",
    clitic: Clitic | None = None,
    preceding: tuple[bool, bool] | None = None,
    modal: Verb | None = None,
    adverb: tuple[str, str] | None = None,
) -> Phrase:
    """Build the verb group: auxiliaries, negation, object pronoun, adverb, verb and particle.

    Args:
        verb: the verb.
        subject: the subject, with which the verb agrees.
        tense: present, past (passé composé, or imparfait for verbs of state), future or pluperfect;
            with a modal, the tense of the modal.
        negation: not, never, no longer, or empty.
        clitic: an object pronoun.
        preceding: gender and number (feminine, plural) of a direct object before the verb, as in a
            relative clause; the participle agrees with it.
        modal: can, must or want before the verb, in the present.
        adverb: an adverb of frequency, both sides; only without negation.
    """
    english = english_group(verb, subject, tense, negation, modal)
    if adverb:
        english = f"{adverb[0]} {english}"
    if verb.particle:
        english += f" {verb.particle}/v"
    if clitic:
        english += f" {clitic.english}/c"
    agrees = (clitic.feminine, clitic.plural) if clitic and clitic.direct else preceding
    forms = french_forms(verb, subject, tense, agrees)
    pronoun = f"{clitic.french}/c " if clitic else ""
    if verb.reflexive:
        pronoun = f"{REFLEXIVE[subject.person]}/v? "
    if modal:
        finite, rest = f"{modal.present[subject.person]}/m", f"{pronoun}{verb.infinitive}/v"
    else:
        finite, rest = pronoun + forms[0], " ".join(forms[1:])
    between = ""
    if negation:
        finite, between = f"ne/n {finite}", f"{NEGATIONS[negation]}/n"
    elif adverb:
        between = adverb[1]
    return rule(english, f"{finite} {between} {rest}")


def english_group(
    verb: Verb, subject: Nominal, tense: Tense, negation: str, modal: Verb | None
) -> str:
    """Return the pattern of the English side."""
    base, third, past, done = (f"{form}/v" for form in verb.english)
    words = "".join(f"{word}/n " for word in negation.split())
    present = third if subject.third_singular else base
    do = "does/v?,n?" if subject.third_singular else "do/v?,n?"
    if modal:
        name = modal.english[0]
        if name == "can":
            return f"cannot/m,n {base}" if negation == "not" else f"can/m {words}{base}"
        if name == "must":
            return f"must/m {words}{base}"
        if negation == "not":
            return f"{do} not/n want/m to/v? {base}"
        return f"{words}{modal.english[subject.third_singular]}/m to/v? {base}"
    if tense == "future":
        return f"will/v? {words}{base}"
    if tense == "pluperfect":
        return f"had/h {words}{done}"
    if negation == "not":
        return f"{'did/v?,n?' if tense == 'past' else do} not/n {base}"
    return words + (past if tense == "past" else present)


def french_forms(
    verb: Verb, subject: Nominal, tense: Tense, preceding: tuple[bool, bool] | None
) -> list[str]:
    """Return the patterns of the finite verb, or of the auxiliary and the participle."""
    if tense in ("present", "future"):
        forms = verb.present if tense == "present" else verb.future
        return [f"{forms[subject.person]}/v"]
    if tense == "past" and verb.imperfect:
        return [f"{verb.imperfect[subject.person]}/v"]
    auxiliary = (BE if verb.with_etre else HAVE)[tense == "pluperfect"][subject.person]
    agrees = (subject.feminine, subject.plural) if verb.with_etre else preceding or (False, False)
    mark = "/h" if tense == "pluperfect" else "/v?"
    return [auxiliary + mark, f"{participle(verb.participle, *agrees)}/v"]


def be_group(subject: Nominal, tense: Tense, *, negation: str = "") -> Phrase:
    """Build the copula: is, was (était, because it is a state), will be or had been."""
    words = "".join(f"{word}/n " for word in negation.split())
    first = subject.first and not subject.plural
    if tense == "future":
        english, french = f"will/b? {words}be/b", [f"{FUTURE_BE[subject.person]}/b"]
    elif tense == "pluperfect":
        english = f"had/h {words}been/b"
        french = [f"{HAVE[1][subject.person]}/h", "été/b"]
    elif tense == "past":
        english = f"{'were' if subject.plural else 'was'}/b {words}"
        french = [f"{BE[1][subject.person]}/b"]
    else:
        english = f"{'are' if subject.plural else 'am' if first else 'is'}/b {words}"
        french = [f"{BE[0][subject.person]}/b"]
    if negation:
        french = ["ne/n", french[0], f"{NEGATIONS[negation]}/n", *french[1:]]
    return rule(english, " ".join(french))


FUTURE_BE = ("serai", "sera", "serons", "seront")
