"""The lexicon of the controlled corpus with inflected forms, read from data/controlled/*.tsv."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from seq2seq.package_data import data_folder
from seq2seq.system.text_lines import read_lines

PERSONS = ("je", "il", "nous", "ils")  # the order of French forms

# Verbs that form the passé composé with être; reflexive verbs do so as well.
WITH_ETRE = {
    "aller",
    "venir",
    "arriver",
    "partir",
    "entrer",
    "sortir",
    "rester",
    "tomber",
    "mourir",
}
WITH_ETRE |= {"rentrer", "revenir", "retourner"}

# Verbs of state: the English simple past is translated as imparfait (she knew, elle savait).
STATES = {"aimer", "détester", "connaître", "savoir", "croire", "penser", "espérer", "habiter"}


def lexicon_folder() -> Path:
    """Return the folder of the lexicon's files."""
    return data_folder("data/controlled")


@dataclass(frozen=True)
class Noun:
    """A noun: (singular, plural) in both languages, gender and classes of meaning."""

    english: tuple[str, str]
    french: tuple[str, str]
    feminine: bool
    classes: frozenset[str]


@dataclass(frozen=True)
class Adjective:
    """An adjective; French forms are (masculine, feminine), first singular, then plural."""

    english: str
    french: tuple[tuple[str, str], tuple[str, str]]
    positions: frozenset[str]
    classes: frozenset[str]

    def form(self, *, feminine: bool, plural: bool) -> str:
        """Return the French form for a gender and number."""
        return self.french[plural][feminine]


@dataclass(frozen=True)
class Verb:
    """A verb: English base, third person, past and participle; French forms by person."""

    english: tuple[str, str, str, str]
    particle: str  # "up" in "wake up"; empty for most verbs
    infinitive: str
    present: tuple[str, ...]  # in the order of PERSONS
    future: tuple[str, ...]
    participle: str
    reflexive: bool
    frame: str
    subjects: frozenset[str]
    objects: frozenset[str]

    @property
    def with_etre(self) -> bool:
        """Whether compound tenses use être, so that the participle agrees with the subject."""
        return self.reflexive or self.infinitive in WITH_ETRE

    @property
    def imperfect(self) -> tuple[str, ...] | None:
        """The imparfait of a verb of state, in the order of PERSONS; None for other verbs."""
        if self.infinitive not in STATES:
            return None
        stem = self.present[2].removesuffix("ons")
        return tuple(stem + end for end in ("ais", "ait", "ions", "aient"))


class Compound(NamedTuple):
    """An English noun modifier that follows the noun in French: gold, en or."""

    english: str
    french: tuple[str, ...]
    heads: frozenset[str]


class Lexicon:
    """All words of the controlled corpus.

    Args:
        folder: the folder with the .tsv files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._english = {row[0]: (row[0], row[1], row[2], row[3]) for row in self._rows("english")}
        self._french = {row[0]: tuple(row[1:]) for row in self._rows("french")}

    def _rows(self, name: str) -> Iterator[list[str]]:
        for line in read_lines(self.folder / f"{name}.tsv"):
            if not line.startswith("#"):
                yield line.split("\t")

    @cached_property
    def nouns(self) -> list[Noun]:
        """Common nouns and proper names; a proper name has the class `name` and no plural."""
        return [
            Noun(
                numbers(english, english_plural),
                numbers(french, french_plural),
                gender == "f",
                classes(kinds),
            )
            for english, french, gender, kinds in self._rows("nouns")
        ]

    @cached_property
    def adjectives(self) -> list[Adjective]:
        """Adjectives with their positions."""
        return [
            Adjective(english, adjective_forms(french), classes(positions), classes(kinds))
            for english, french, positions, kinds in self._rows("adjectives")
        ]

    @cached_property
    def verbs(self) -> list[Verb]:
        """Verbs with their frames and the classes of their subjects and objects."""
        return [self.verb(*row) for row in self._rows("verbs")]

    @cached_property
    def compounds(self) -> list[Compound]:
        """English noun modifiers whose translation follows the French noun."""
        return [
            Compound(english, tuple(french.split("_")), classes(heads))
            for english, french, heads in self._rows("compounds")
        ]

    @cached_property
    def adverbs(self) -> dict[str, list[tuple[str, str]]]:
        """Patterns of both sides of every adverb, by kind."""
        adverbs: dict[str, list[tuple[str, str]]] = {}
        for english, french, kind in self._rows("adverbs"):
            pair = (english.replace("_", " "), french.replace("_", " "))
            if "/" not in english:
                pair = (f"{english}/1", f"{french}/1")
            adverbs.setdefault(kind, []).append(pair)
        return adverbs

    def verb(
        self, english: str, french: str, frame: str = "", subjects: str = "", objects: str = ""
    ) -> Verb:
        """Build a verb with all its forms."""
        base, _, particle = english.partition("_")
        reflexive = french.startswith(("se_", "s_"))
        infinitive = french.split("_")[-1]
        present, future, participle = self.conjugated(infinitive)
        return Verb(
            self._english.get(base) or english_verb(base),
            particle,
            infinitive,
            present,
            future,
            participle,
            reflexive,
            frame,
            classes(subjects),
            classes(objects),
        )

    def conjugated(self, infinitive: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """Return present, future (in the order of PERSONS) and past participle of a French verb.

        The regular verbs follow models 6, 19 and 53 of the Bescherelle.
        """
        if infinitive in self._french:
            *present, future, participle = self._french[infinitive]
        else:
            stem, ending = infinitive[:-2], infinitive[-2:]
            soft = {"g": stem + "e", "c": stem[:-1] + "ç"}.get(stem[-1], stem)
            future = infinitive.removesuffix("e") + "a"
            if ending == "er":
                present = [stem + "e", stem + "e", soft + "ons", stem + "ent"]
                participle = stem + "é"
            elif ending == "ir":
                present = [stem + end for end in ("is", "it", "issons", "issent")]
                participle = stem + "i"
            else:
                present = [stem + end for end in ("s", "", "ons", "ent")]
                participle = stem + "u"
        stem = future.removesuffix("a")
        return tuple(present), tuple(stem + end for end in ("ai", "a", "ons", "ont")), participle


def classes(text: str) -> frozenset[str]:
    """Split comma-separated class names; `-` means no class."""
    return frozenset(text.split(",")) - {"-", ""}


def numbers(text: str, plural: Callable[[str], str]) -> tuple[str, str]:
    """Return singular and plural; the plural is regular unless given after a slash."""
    singular, _, given = text.partition("/")
    return singular, given or plural(singular)


def english_plural(noun: str) -> str:
    """Return the regular plural."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def french_plural(noun: str) -> str:
    """Return the regular plural."""
    if noun.endswith(("s", "x", "z")):
        return noun
    return noun + ("x" if noun.endswith(("eau", "eu")) else "s")


def adjective_forms(text: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return (masculine, feminine) of singular and plural; forms that are not given are regular."""
    masculine, *given = text.split("/")
    feminine = given[0] if given else masculine if masculine[-1] == "e" else masculine + "e"
    plural = given[1] if len(given) > 1 else french_plural(masculine)
    return (masculine, feminine), (plural, feminine + "s")


def english_verb(base: str) -> tuple[str, str, str, str]:
    """Return base, third person, past and participle of a regular verb."""
    third = english_plural(base)
    if base.endswith("e"):
        past = base + "d"
    elif base.endswith("y") and base[-2] not in "aeiou":
        past = base[:-1] + "ied"
    else:
        past = base + "ed"
    return base, third, past, past


def article(word: str) -> str:
    """Return `a` or `an` depending on the first sound of the next word."""
    vowel = word[0].lower() in "aeiou" or word.startswith("hon")
    return "an" if vowel and not word.startswith(("Eu", "uni", "use")) else "a"
