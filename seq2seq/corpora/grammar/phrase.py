"""Two languages side by side: words, links between them, and how French words meet.

The rules of a synchronous grammar rewrite both sides at once. Here a rule is two patterns:

    rule("the/1 {adjective} {noun}", "LE/1 {noun} {adjective}", adjective=..., noun=...)

A word carries the numbers of its links behind a slash, and words of both sides with a number in
common are linked; `?` makes the link merely possible. A slot in braces stands for the same phrase
on both sides, whose links come with it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, NamedTuple

from seq2seq.alignment.gold import Gold, Link, Links

VOWELS = frozenset("aeiouhàâäéèêëîïôöùûüœæ")  # an h that forbids elision is marked: *héros

# French words in capitals are the grammar's: their form depends on the next word.
BEFORE_VOWEL = {
    **dict.fromkeys(("LE", "LA", "le", "la"), "l'"),
    **{word: word[:-1] + "'" for word in ("de", "ne", "que", "je", "me", "se")},
    "MA": "mon",
    "SA": "son",
    "CE": "cet",
    "BEAU": "bel",
    "NOUVEAU": "nouvel",
    "VIEUX": "vieil",
}
CONTRACTED = {
    ("de", "LE"): "du",
    ("de", "LES"): "des",
    ("de", "DES"): "de",
    ("de", "de"): "de",
    ("à", "LE"): "au",
    ("à", "LES"): "aux",
}


class Phrase(NamedTuple):
    """Words of both sides and the links between them, counted from 0."""

    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    sure: tuple[Link, ...] = ()
    possible: tuple[Link, ...] = ()


class Rule(NamedTuple):
    """Two patterns read.

    Attributes:
        source: words and names of slots in order, each with whether it is a slot.
        target: the same for the other side.
        links: (item of the source, item of the target, whether the link is sure).
    """

    source: tuple[tuple[str, bool], ...]
    target: tuple[tuple[str, bool], ...]
    links: tuple[tuple[int, int, bool], ...]


@cache
def read(source: str, target: str) -> Rule:
    """Read the patterns of both sides."""
    (left, left_labels), (right, right_labels) = read_side(source), read_side(target)
    links = [
        (a, b, one_sure and other_sure)
        for a, label, one_sure in left_labels
        for b, other, other_sure in right_labels
        if label == other
    ]
    return Rule(tuple(left), tuple(right), tuple(links))


def read_side(text: str) -> tuple[list[tuple[str, bool]], list[tuple[int, str, bool]]]:
    """Items of a pattern, and (item, number, whether sure) of every label in it."""
    items, labels = [], []
    for i, item in enumerate(text.split()):
        word, _, marks = item.partition("/")
        slot = item.startswith("{")
        items.append((item[1:-1] if slot else word, slot))
        for mark in filter(None, marks.split(",")):
            labels.append((i, mark.removesuffix("?"), not mark.endswith("?")))
    return items, labels


def rule(source: str, target: str, **slots: Phrase) -> Phrase:
    """Apply a rule of the grammar: two patterns, and the phrases that stand in its slots."""
    return filled(source, target, slots) if slots else words_only(source, target)


@cache
def words_only(source: str, target: str) -> Phrase:
    """A rule without slots, which is most of them."""
    return filled(source, target, {})


def filled(source: str, target: str, slots: Mapping[str, Phrase]) -> Phrase:
    """The words of both sides with the links of the rule and of what stands in its slots."""
    left, right, links = read(source, target)
    sources, source_at, source_slots = lay(left, slots, 0)
    targets, target_at, target_slots = lay(right, slots, 1)
    sure: list[Link] = []
    possible: list[Link] = []
    for a, b, certain in links:
        (sure if certain else possible).append((source_at[a], target_at[b]))
    for name, i in source_slots.items():
        j, phrase = target_slots[name], slots[name]
        sure += [(i + a, j + b) for a, b in phrase.sure]
        if phrase.possible:
            possible += [(i + a, j + b) for a, b in phrase.possible]
    return Phrase(tuple(sources), tuple(targets), tuple(sure), tuple(possible))


def lay(
    items: tuple[tuple[str, bool], ...], slots: Mapping[str, Phrase], side: Literal[0, 1]
) -> tuple[list[str], list[int], dict[str, int]]:
    """The words of one side, where each item of its pattern begins, and where each slot does."""
    words: list[str] = []
    at: list[int] = []
    slots_at: dict[str, int] = {}
    for item, is_slot in items:
        at.append(len(words))
        if is_slot:
            slots_at[item] = len(words)
            words += slots[item][side]
        else:
            words.append(item)
    return words, at, slots_at


def french(phrase: Phrase) -> Phrase:
    """Let French words meet: contraction (du, aux), elision (l', qu'), the forms before a vowel.

    Where two words become one, it keeps the links of both.
    """
    words: list[str] = []
    moved = []  # where each word has gone
    source = phrase.target
    i = 0
    while i < len(source):
        after = source[i + 1] if i + 1 < len(source) else ""
        one = CONTRACTED.get((source[i], after))
        if one and not (after == "LE" and i + 2 < len(source) and vowel(source[i + 2])):
            moved += [len(words)] * 2
            i += 2
            following = source[i] if i < len(source) else ""
            words.append("d'" if one == "de" and vowel(following) else one)
            continue
        moved.append(len(words))
        word = source[i]
        if word in BEFORE_VOWEL and vowel(after):
            word = BEFORE_VOWEL[word]
        words.append(word.lower() if word.isupper() and len(word) > 1 else word)
        i += 1
    return Phrase(
        phrase.source,
        tuple(word.removeprefix("*") for word in words),
        tuple((a, moved[b]) for a, b in phrase.sure),
        tuple((a, moved[b]) for a, b in phrase.possible),
    )


def vowel(word: str) -> bool:
    """Whether a word begins with a vowel's sound, so that the word before it is cut short."""
    return word[:1].lower() in VOWELS


def gold(phrase: Phrase) -> Gold:
    """A finished sentence: a capital letter at its beginning, no link twice."""
    source, target = (
        [words[0][:1].upper() + words[0][1:], *words[1:]]
        for words in (phrase.source, phrase.target)
    )
    sure = frozenset(phrase.sure)
    return Gold(source, target, Links(sure, frozenset(phrase.possible) - sure))


def text(words: Sequence[str]) -> str:
    """Words as they are written: `girl 's`, `l' ami`, `cat .` become girl's, l'ami, cat."""
    line, before = "", ""
    for word in words:
        joined = not line or word in (".", ",", "'s", "'") or before[-1:] == "'" != before
        line += word if joined else f" {word}"
        before = word
    return line
