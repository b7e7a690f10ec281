"""Words as sequences of pieces: where they begin, and how a text is divided into them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from seq2seq.text.special_ids import SpecialIds

WORD_START = "▁"  # begins a piece at the beginning of a word, as in SentencePiece
Word = tuple[int, ...]  # its pieces
LANGUAGE = re.compile(r"__\w+__")  # a language token, the first piece of a source of M2M100
CONTINUES, SPACE, SYMBOL = 0, 1, 2  # kinds of pieces; the last two begin a word


def language_token(code: str) -> str:
    """Return the piece that names a language; it stands for no text."""
    return f"__{code}__"


def begins_with_language(pieces: Sequence[str]) -> bool:
    """Whether the first piece is a language token.

    The first piece of a text is never one, since it begins with WORD_START.
    """
    return bool(pieces) and LANGUAGE.fullmatch(pieces[0]) is not None


def kinds_of(vocabulary: Sequence[str], special: SpecialIds) -> Word:
    """Return the kind of each piece, which decides where words begin."""
    return tuple(
        SPACE if i in special.pieces else kind_of(piece) for i, piece in enumerate(vocabulary)
    )


def spaced_of(vocabulary: Sequence[str], special: SpecialIds) -> Word:
    """Return, for each piece of letters, the id of the same piece after a space; else padding."""
    ids, pad = {piece: i for i, piece in enumerate(vocabulary)}, special.pad
    return tuple(
        ids.get(WORD_START + piece, pad) if i not in special.pieces and piece[0].isalpha() else pad
        for i, piece in enumerate(vocabulary)
    )


def kind_of(piece: str) -> int:
    """Return the kind of a piece."""
    text = piece.removeprefix(WORD_START)
    if text and not text[0].isalnum():
        return SYMBOL
    return SPACE if text != piece else CONTINUES


def split_words(ids: Iterable[int], kinds: Sequence[int]) -> list[Word]:
    """Divide the pieces of a sentence into words."""
    words: list[list[int]] = []
    for piece in ids:
        if not words or kinds[piece] != CONTINUES:
            words.append([])
        words[-1].append(piece)
    return [tuple(word) for word in words]


def split_symbol(word: Word, kinds: Sequence[int], spaced: Sequence[int], pad: int) -> list[Word]:
    """Divide a word of a symbol and letters in two; the letters get a space before them."""
    if len(word) == 1 or kinds[word[0]] != SYMBOL or spaced[word[1]] == pad:
        return [word]
    return [word[:1], (spaced[word[1]], *word[2:])]


def numbered(sentences: Iterable[Iterable[Word]]) -> dict[Word, int]:
    """Number the words from 0, the most frequent first, equally frequent ones as they occur."""
    counts = Counter(word for words in sentences for word in words)
    return {word: number for number, (word, _) in enumerate(counts.most_common())}


def usual_ends(sentences: Iterable[Iterable[Word]], size: int) -> Word:
    """Return, for each piece, 1 if at least half of the words with it end with it, else 0."""
    ends, inside = [0] * size, [0] * size
    for words in sentences:
        for word in words:
            ends[word[-1]] += 1
            for piece in word[:-1]:
                inside[piece] += 1
    return tuple(int(end >= other) for end, other in zip(ends, inside, strict=True))


def spelling(source: Sequence[str], target: Sequence[str], longest: int, unk: int) -> list[Word]:
    """Return each source piece in target pieces: the same piece if there is one, or characters."""
    ids = {piece: number for number, piece in enumerate(target)}

    def spell(piece: str) -> Word:
        whole = ids.get(piece)
        return (whole,) if whole is not None else tuple(ids.get(c, unk) for c in piece[:longest])

    return [spell(piece) for piece in source]


def without_padding(ids: Sequence[int], pad: int) -> Word:
    """Return ids up to the first `pad`."""
    return tuple(ids[: ids.index(pad)] if pad in ids else ids)
