"""A reader of French that knows nothing of the grammar finds no fault in the controlled corpus.

It takes genders and stems from the lexicon's tables, and number, elision and agreement from rules
of its own; gold links tell it nouns from verbs (`la porte`). That it can find faults is seen where
faults are put in.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import pytest

from seq2seq.alignment.gold import Gold, Links
from seq2seq.corpora.controlled import Controlled

TABLES = Path(__file__).parents[2] / "data" / "controlled"
SPLITS = (
    "train",
    "validation",
    "test",
    "test_long",
    "test_agreement",
    "test_pronoun",
    "examples",
)
M, F, S, P = "m", "f", "s", "p"
ANY = frozenset(product((M, F), (S, P)))
Features = tuple[str, str]  # gender, number


def listed(text: str) -> list[str]:
    return text.split()


# An h that forbids elision.
ASPIRATED = ("héros", "hibou", "hérisson", "hache", "haricot", "huit")
ELIDED = {word[:-1] + "'": word for word in ("de", "ne", "que", "je", "me", "se")} | {"l'": "le"}
SHORTENED = {"bel": "beau", "nouvel": "nouveau", "vieil": "vieux", "cet": "ce"}
FULL = {*ELIDED.values(), *SHORTENED.values(), "la", "ma", "sa"}
UNCONTRACTED = set(product(("de", "à"), ("le", "les"))) | {("de", "des"), ("de", "de")}
DETERMINERS = {
    **{word: {(M, S)} for word in ("le", "un", "du", "au", "ce", "cet")},
    **{word: {(F, S)} for word in ("la", "une", "cette", "ma", "sa")},
    **{word: {(M, S), (F, S)} for word in ("l'", "chaque", "notre", "leur", "mon", "son")},
    **{word: {(M, P), (F, P)} for word in listed("les des aux ces mes ses nos leurs plusieurs")},
    **{word: {(M, P), (F, P)} for word in listed("deux trois quatre cinq six sept huit dix")},
    **dict.fromkeys(("de", "d'"), ANY),
}
PRONOUNS = {"je": (M, S), "j'": (M, S), "il": (M, S), "elle": (F, S), "nous": (M, P), "ils": (M, P)}
FIRST = ("je", "j'", "nous")
OBJECTS = {"le": {(M, S)}, "la": {(F, S)}, "l'": {(M, S), (F, S)}}
BE = listed("suis est sommes sont étais était étions étaient serai sera serons seront")
HAVE = ["ai", "a", "avons", "ont", "avais", "avait", "avions", "avaient"]
BETWEEN = {"pas", "jamais", "plus", "souvent", "toujours", "parfois", "rarement", "aussi"}
SAID = listed(
    "pense pensent pensait pensaient sait savent savait savaient croit croient croyait croyaient "
    "espère espèrent espérait espéraient dit disent affirme affirment affirmé remarque remarquent "
    "remarqué oublie oublient oublié explique expliquent expliqué annonce annoncent annoncé "
    "pensé su cru espéré"
)


def table(name: str) -> list[list[str]]:
    with (TABLES / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row for row in rows if not row[0].startswith("#")]


def plural(word: str) -> str:
    if word[-1] in "sxz":
        return word
    return word + ("x" if word.endswith("eau") else "s")


def four(masculine: str, feminine: str = "", many: str = "") -> dict[str, set[Features]]:
    """The forms of an adjective or a participle, with what each can be."""
    feminine = feminine or (masculine if masculine.endswith("e") else masculine + "e")
    forms = {(M, S): masculine, (F, S): feminine, (F, P): feminine + "s"}
    forms[M, P] = many or plural(masculine)
    return {form: {at for at in forms if forms[at] == form} for form in forms.values()}


NOUNS: dict[tuple[str, str], Features] = {}  # by English and French form
ENGLISH_NOUNS = set()
NAMES = set()
for english, french, gender, kinds in table("nouns"):
    one, _, given = french.replace("*", "").partition("/")
    first, _, many = english.partition("/")
    many = many or next(
        first[: len(first) - cut] + end
        for cut, end, fits in (
            (1, "ies", first[-1] == "y" and first[-2] not in "aeiou"),
            (0, "es", first.endswith(("s", "x", "sh", "ch"))),
            (0, "s", True),
        )
        if fits
    )
    NOUNS[first, one] = gender, S
    NOUNS[many, given or plural(one)] = gender, P
    NOUNS.setdefault((first, given or plural(one)), (gender, P))  # an apple pie has several
    ENGLISH_NOUNS |= {first, many}
    if kinds == "name":
        NAMES.add(one)

ADJECTIVES: dict[str, set[Features]] = {}
BEFORE: dict[str, set[Features]] = {}
for _, french, place, _ in table("adjectives"):
    (BEFORE if place == "before" else ADJECTIVES).update(four(*french.split("/")))
BEFORE |= {short: {(M, S)} for short in SHORTENED if short != "cet"}

FINITE: dict[str, set[int]] = {}  # persons: je, il, nous, ils
PARTICIPLES: dict[str, set[Features]] = {}
INFINITIVES = set()
IRREGULAR = {row[0]: row[1:] for row in table("french")}
for infinitive in [row[1].split("_")[-1] for row in table("verbs")] + list(IRREGULAR):
    stem, ending = infinitive[:-2], infinitive[-2:]
    nous = {"g": stem + "e", "c": stem[:-1] + "ç"}.get(stem[-1], stem) + "ons"
    regular = {
        "er": [stem + "e", stem + "e", nous, stem + "ent", infinitive + "a", stem + "é"],
        "ir": [stem + end for end in ("is", "it", "issons", "issent", "ira", "i")],
        "re": [stem + end for end in ("s", "", "ons", "ent", "ra", "u")],
    }
    *present, future, done = IRREGULAR.get(infinitive) or regular.get(ending, regular["re"])
    ahead = [future + "i", future, future[:-1] + "ons", future[:-1] + "ont"]
    lasting = [present[2][:-3] + end for end in ("ais", "ait", "ions", "aient")]
    for forms in (present, ahead, lasting):
        for person, form in enumerate(forms):
            FINITE.setdefault(form, set()).add(person)
    INFINITIVES.add(infinitive)
    PARTICIPLES.update(four(done))
for form_of in (BE, HAVE):
    for place, form in enumerate(form_of):
        FINITE[form] = {place % 4}
FINITE["suis"] |= {0}
PREDICATES = {**PARTICIPLES, **ADJECTIVES, **four("assis"), **four("allongé")}


@dataclass
class Clause:
    """What has been read of a clause."""

    subject: Features | None = None
    first: bool = False
    verb: bool = False
    object: Features | None = None  # what followed the verb
    ahead: Features | None = None  # the antecedent of que


def vowel(word: str) -> bool:
    return word[:1].lower() in "aeiouâàéèêëîïôöûùüœh" and not word.startswith(ASPIRATED)


def sound(words: list[str]) -> list[str]:
    """Faults between neighbours: elision, contraction, forms before a vowel."""
    faults = []
    for word, after in pairwise(words):
        cut = word in ELIDED or word in SHORTENED
        if cut and not vowel(after):
            faults.append(f"elision before a consonant: {word} {after}")
        many = word == "vieux" and after[-1] in "sx"
        if word in FULL and vowel(after) and not many:
            faults.append(f"no elision: {word} {after}")
        if (word, after) in UNCONTRACTED:
            faults.append(f"no contraction: {word} {after}")
    return faults


def reading(gold: Gold) -> dict[int, Features]:
    """Where nouns are: gender and number."""
    linked: dict[int, list[int]] = {}
    for i, j in sorted(gold.links.sure):
        linked.setdefault(j, []).append(i)
    found = {}
    for j, word in enumerate(gold.target):
        for i in linked.get(j, []):
            for english in (gold.source[i], gold.source[i].lower()):
                if (features := NOUNS.get((english, word))) and j not in found:
                    found[j] = features
    return found


def objections(gold: Gold) -> list[str]:
    """All that a French speaker would correct."""
    words = [gold.target[0].lower(), *gold.target[1:]]
    if gold.target[0] in NAMES:
        words[0] = gold.target[0]
    nouns = reading(Gold(gold.source, words, gold.links))
    faults = sound(words)
    attributes = compounds(gold, nouns)
    starts: dict[int, int] = {}  # where the group of a noun begins
    for j, features in nouns.items():
        if words[j] in NAMES or j in attributes:
            starts[j] = j
            continue
        k = j - 1
        while words[k] in BEFORE:
            if features not in BEFORE[words[k]]:
                faults.append(f"adjective: {words[k]} {words[j]}")
            k -= 1
        starts[j] = k - (words[k - 1] == "beaucoup")
        if features not in DETERMINERS.get(words[k], ()):
            faults.append(f"determiner: {words[k]} {words[j]}")
        k = j + 1
        while words[k] in ADJECTIVES:
            if features not in ADJECTIVES[words[k]]:
                faults.append(f"adjective: {words[j]} {words[k]}")
            k += 1
    heads = {j: at for j, at in nouns.items() if j not in attributes}
    return faults + clauses(gold, words, heads, starts)


def compounds(gold: Gold, nouns: dict[int, Features]) -> set[int]:
    """Nouns that stand before another in English, where French has them behind it."""
    at = {j: {i for i, other in gold.links.sure if other == j} for j in nouns}
    return {
        j
        for j, places in at.items()
        for head in nouns
        if head < j and any(i + 1 in at[head] for i in places)
    }


def clauses(
    gold: Gold, words: list[str], heads: dict[int, Features], starts: dict[int, int]
) -> list[str]:
    """Faults between subjects, verbs and objects."""
    faults: list[str] = []
    stack = [Clause()]
    last: Features | None = None
    it = {j for i, j in gold.links.sure if gold.source[i] == "it"}
    j = 0
    while j < len(words):
        start = j
        word, before = words[j], words[j - 1] if j else ""
        top = stack[-1]
        if j in heads:
            last = heads[j]
            joined = starts[j] > 0 and words[starts[j] - 1] == "et"
            if top.subject is None:
                top.subject = last
            elif not top.verb and joined:
                top.subject = (F if top.subject[0] == last[0] == F else M), P
            elif top.verb and top.object is None:
                top.object = last
        elif word in PRONOUNS and top.subject is None and words[j + 1] != "y":
            top.subject, top.first = PRONOUNS[word], word in FIRST
        elif word == "qui":
            stack.append(Clause(subject=last))
        elif word in ("que", "qu'", "où", "quand") or (word in ("et", "mais") and before == ","):
            relative = word in ("que", "qu'") and before not in (*SAID, "parce")
            stack.append(Clause(ahead=last if relative else None))
        elif word in FINITE and before != "y":
            clause = next((c for c in reversed(stack) if c.subject and not c.verb), None)
            second = clause is None
            if clause is None:
                clause = next(c for c in reversed(stack) if c.subject)
            else:
                del stack[next(i for i, c in enumerate(stack) if c is clause) + 1 :]
            clause.verb = True
            new, j = verb(gold, words, j, clause, second=second)
            faults += new
        j += 1
        for k in it.intersection(range(start, j)):
            faults += antecedent(words[k], stack)
    return faults


def antecedent(word: str, stack: list[Clause]) -> list[str]:
    """The fault of the translation of "it", if it has not the gender of its antecedent.

    That is the subject of the first clause for a subject, and for an object the object of its own
    clause or else of the first one.
    """
    if word in ("il", "elle"):
        right = PRONOUNS[word] == stack[0].subject
    else:
        own = next(clause for clause in reversed(stack) if clause.subject)
        right = (own.object or stack[0].object) in OBJECTS[word]
    return [] if right else [f"pronoun: {word}"]


def verb(
    gold: Gold, words: list[str], j: int, clause: Clause, *, second: bool
) -> tuple[list[str], int]:
    """Faults of a finite verb and what belongs to it, and where that ends."""
    faults = []
    word = words[j]
    assert clause.subject
    person = 2 * (clause.subject[1] == P) + (not clause.first)
    if person not in FINITE[word]:
        faults.append(f"verb: {word}")
    end = j + 1
    skipped = []
    while words[end] in BETWEEN:
        skipped.append(words[end])
        end += 1
    follows = words[j + len(skipped) + 1]
    if word in HAVE and follows == "été":
        end += 1
        follows = words[end]
        word = "est"
    if word in BE and follows in PREDICATES:
        if clause.subject not in PREDICATES[follows]:
            faults.append(f"after être: {follows}")
        end += 1
    elif word in HAVE:
        clitic = words[j - 1] if words[j - 1] in ("le", "la", "les", "l'") else ""
        expected = clause.ahead or (M, S)
        if clitic:
            english = {gold.source[i] for i, other in gold.links.sure if other == j - 1}
            expected = (F if "her" in english else M), (P if "them" in english else S)
            if second and clause.object:
                expected = clause.object
        if expected not in PARTICIPLES.get(follows, ()):
            faults.append(f"after avoir: {follows}")
        end += 1
    if {"pas", "jamais", "plus"} & set(skipped) and word not in BE:
        while words[end] in INFINITIVES or words[end] in ("le", "la", "l'", "les", "lui", "leur"):
            if words[end] not in INFINITIVES and words[end + 1] not in INFINITIVES:
                break
            end += 1
        if words[end] in ("un", "une", "des"):
            faults.append(f"after a negation: {words[end]}")
    return faults, end - 1


# --- the corpus -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def golds(controlled: Controlled) -> dict[str, list[Gold]]:
    """Every split of a small corpus."""
    return {split: list(controlled.gold(split)) for split in SPLITS}


@pytest.mark.parametrize("split", SPLITS)
def test_a_reader_finds_no_fault(golds, split):
    faults = {" ".join(gold.target): objections(gold) for gold in golds[split]}
    assert {text: found for text, found in faults.items() if found} == {}


# --- faults put in --------------------------------------------------------------------------------

Spoil = Callable[[list[str], int], str]  # what to write for a word; as it was where it cannot be
OTHER = {"le": "la", "la": "le", "un": "une", "une": "un", "ce": "cette", "les": "la"}
NUMBER = {"est": "sont", "sont": "est", "a": "ont", "ont": "a", "était": "étaient"}


def ending(words: list[str], j: int, forms: dict[str, set[Features]], after: object) -> str:
    """The feminine of a masculine form behind one of these words."""
    word = words[j]
    fits = j and words[j - 1] in after and forms.get(word) == {(M, S)} and word + "e" in forms
    return word + "e" if fits else word


def unagreed(words: list[str], j: int) -> str:
    """The participle without its ending, whose object came before."""
    word = words[j]
    agreed = j and words[j - 1] in HAVE and (M, S) not in PARTICIPLES.get(word, {(M, S)})
    return word[:-1] if agreed else word


def undone(words: list[str], j: int) -> str:
    return {**ELIDED, **SHORTENED}.get(words[j], words[j])


def aspirated(words: list[str], j: int) -> str:
    found = words[j] in ("le", "la") and words[j + 1].startswith(ASPIRATED)
    return "l'" if found else words[j]


def apart(words: list[str], j: int) -> str:
    return {"du": "de le", "au": "à le", "aux": "à les"}.get(words[j], words[j])


def positive(words: list[str], j: int) -> str:
    """The article that a negated verb does not let stand."""
    denied = j > 1 and words[j] == "de" and words[j - 2] == "pas" and words[j - 1] in PARTICIPLES
    return "une" if denied and words[j - 3] in HAVE else words[j]


SPOILS: dict[str, tuple[str, Spoil]] = {
    "gender of an adjective": ("adjective", lambda w, j: ending(w, j, ADJECTIVES, AFTER_NOUN)),
    "agreement with the subject": ("after être", lambda w, j: ending(w, j, PARTICIPLES, BE)),
    "agreement with nothing": ("after avoir", lambda w, j: ending(w, j, PARTICIPLES, HAVE)),
    "no agreement with an object before": ("after avoir", unagreed),
    "number of a verb": ("verb", lambda w, j: NUMBER.get(w[j], w[j]) if w[j - 1] != "y" else w[j]),
    "elision undone": ("no elision", undone),
    "elision before an aspirated h": ("elision before a consonant", aspirated),
    "contraction undone": ("no contraction", apart),
    "article after a negation": ("after a negation", positive),
}
AFTER_NOUN = {french for _, french in NOUNS}
SWAPPED = {"il": "elle", "elle": "il", "le": "la", "la": "le"}


def spoiled(gold: Gold, j: int, word: str) -> Gold:
    """The pair with another word, or two, in the place of this one."""
    new = word.split()
    links = [frozenset((i, k + (len(new) - 1) * (k > j)) for i, k in some) for some in gold.links]
    return gold._replace(
        target=[*gold.target[:j], *new, *gold.target[j + 1 :]], links=Links(*links)
    )


@pytest.mark.parametrize("kind", SPOILS)
def test_the_reader_finds_every_fault_put_in(golds, kind):
    name, spoil = SPOILS[kind]
    tried = 0
    for gold in (gold for split in SPLITS for gold in golds[split]):
        for j, word in enumerate(gold.target):
            if j and (wrong := spoil(gold.target, j)) != word:
                found = objections(spoiled(gold, j, wrong))
                assert any(fault.startswith(name) for fault in found), (gold.target, wrong, found)
                tried += 1
        if tried > 40:
            break
    assert tried > 5


def test_the_reader_finds_every_wrong_determiner(golds):
    tried = 0
    for gold in golds["test"]:
        for j, noun in enumerate(gold.target[:-1]):
            before = gold.target[j - 1] if j > 1 else ""
            if j in reading(gold) and before in OTHER and not vowel(noun):
                found = objections(spoiled(gold, j - 1, OTHER[before]))
                # "de la" becomes "de le" where the noun is part of a compound.
                assert {f"determiner: {OTHER[before]} {noun}", "no contraction: de le"} & {*found}
                tried += 1
    assert tried > 100


def test_the_reader_finds_every_wrong_pronoun(golds):
    for gold in golds["test_pronoun"]:
        for i, j in gold.links.sure:
            if gold.source[i] == "it":
                wrong = SWAPPED[gold.target[j]]
                assert f"pronoun: {wrong}" in objections(spoiled(gold, j, wrong)), gold.target
