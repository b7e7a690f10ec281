"""Phrase pairs with word alignment, the rules that build them, and French contraction and elision.

The rules of a synchronous grammar rewrite both sides at once. A rule consists of two patterns:

    rule("the/1 {adjective} {noun}", "LE/1 {noun} {adjective}", adjective=..., noun=...)

The labels of a word follow a slash. Words of the two sides that share a label are linked; `?` makes
the link possible instead of sure. A slot in braces stands for the same phrase on both sides and
keeps the links of that phrase.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, NamedTuple

from seq2seq.alignment.gold import Gold, Link, Links

VOWELS = frozenset("aeiouhàâäéèêëîïôöùûüœæ")  # an h that forbids elision is marked: *héros

# Forms before a vowel. A word in capitals exists only in patterns; its form depends on the next
# word.
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
    """Words of both sides and the links between them; indices start at 0."""

    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    sure: tuple[Link, ...] = ()
    possible: tuple[Link, ...] = ()


class Rule(NamedTuple):
    """A parsed rule.

    Attributes:
        source: the items of the source pattern: (word or slot name, whether it is a slot).
        target: the items of the target pattern.
        links: (index of the source item, index of the target item, whether the link is sure).
    """

    source: tuple[tuple[str, bool], ...]
    target: tuple[tuple[str, bool], ...]
    links: tuple[tuple[int, int, bool], ...]


@cache
def parse_rule(source: str, target: str) -> Rule:
    """Parse the patterns of both sides."""
    source_items, source_labels = parse_pattern(source)
    target_items, target_labels = parse_pattern(target)
    links = [
        (a, b, source_sure and target_sure)
        for a, source_label, source_sure in source_labels
        for b, target_label, target_sure in target_labels
        if source_label == target_label
    ]
    return Rule(tuple(source_items), tuple(target_items), tuple(links))


def parse_pattern(text: str) -> tuple[list[tuple[str, bool]], list[tuple[int, str, bool]]]:
    """Return the items of a pattern, and its labels as (index of the item, label, whether sure)."""
    items, labels = [], []
    for i, item in enumerate(text.split()):
        word, _, marks = item.partition("/")
        is_slot = item.startswith("{")
        items.append((item[1:-1] if is_slot else word, is_slot))
        for mark in filter(None, marks.split(",")):
            labels.append((i, mark.removesuffix("?"), not mark.endswith("?")))
    return items, labels


def rule(source: str, target: str, **slots: Phrase) -> Phrase:
    """Apply a rule: two patterns, and a phrase for each slot."""
    return apply_rule(source, target, slots) if slots else apply_without_slots(source, target)


@cache
def apply_without_slots(source: str, target: str) -> Phrase:
    """Apply a rule without slots; cached, because most rules have none."""
    return apply_rule(source, target, {})


def apply_rule(source: str, target: str, slots: Mapping[str, Phrase]) -> Phrase:
    """Return the words of both sides with the links of the rule and of the phrases in its slots."""
    source_items, target_items, links = parse_rule(source, target)
    sources, source_starts, source_slots = fill_slots(source_items, slots, 0)
    targets, target_starts, target_slots = fill_slots(target_items, slots, 1)
    sure: list[Link] = []
    possible: list[Link] = []
    for a, b, is_sure in links:
        (sure if is_sure else possible).append((source_starts[a], target_starts[b]))
    for name, i in source_slots.items():
        j, phrase = target_slots[name], slots[name]
        sure += [(i + a, j + b) for a, b in phrase.sure]
        if phrase.possible:
            possible += [(i + a, j + b) for a, b in phrase.possible]
    return Phrase(tuple(sources), tuple(targets), tuple(sure), tuple(possible))


def fill_slots(
    items: tuple[tuple[str, bool], ...], slots: Mapping[str, Phrase], side: Literal[0, 1]
) -> tuple[list[str], list[int], dict[str, int]]:
    """Return the words of one side, the start index of each item, and that of each slot by name."""
    words: list[str] = []
    starts: list[int] = []
    slot_starts: dict[str, int] = {}
    for item, is_slot in items:
        starts.append(len(words))
        if is_slot:
            slot_starts[item] = len(words)
            words += slots[item][side]
        else:
            words.append(item)
    return words, starts, slot_starts


def french(phrase: Phrase) -> Phrase:
    """Apply French contraction (du, aux), elision (l', qu') and the forms before a vowel.

    A contracted word keeps the links of both words.
    """
    words: list[str] = []
    new_index = []  # of each original word
    source = phrase.target
    i = 0
    while i < len(source):
        after = source[i + 1] if i + 1 < len(source) else ""
        contraction = CONTRACTED.get((source[i], after))
        elided = after == "LE" and i + 2 < len(source) and starts_with_vowel(source[i + 2])
        if contraction and not elided:
            new_index += [len(words)] * 2
            i += 2
            following = source[i] if i < len(source) else ""
            de_before_vowel = contraction == "de" and starts_with_vowel(following)
            words.append("d'" if de_before_vowel else contraction)
            continue
        new_index.append(len(words))
        word = source[i]
        if word in BEFORE_VOWEL and starts_with_vowel(after):
            word = BEFORE_VOWEL[word]
        words.append(word.lower() if word.isupper() and len(word) > 1 else word)
        i += 1
    return Phrase(
        phrase.source,
        tuple(word.removeprefix("*") for word in words),
        tuple((a, new_index[b]) for a, b in phrase.sure),
        tuple((a, new_index[b]) for a, b in phrase.possible),
    )


def starts_with_vowel(word: str) -> bool:
    """Whether a word starts with a vowel sound, so that the word before it is elided."""
    return word[:1].lower() in VOWELS


def gold(phrase: Phrase) -> Gold:
    """Capitalize the first word of each side and remove duplicate links."""
    source, target = (
        [words[0][:1].upper() + words[0][1:], *words[1:]]
        for words in (phrase.source, phrase.target)
    )
    sure = frozenset(phrase.sure)
    return Gold(source, target, Links(sure, frozenset(phrase.possible) - sure))


def text(words: Sequence[str]) -> str:
    """Detokenize words: `girl 's`, `l' ami`, `cat .` become girl's, l'ami, cat."""
    line, before = "", ""
    for word in words:
        joined = not line or word in (".", ",", "'s", "'") or before[-1:] == "'" != before
        line += word if joined else f" {word}"
        before = word
    return line
