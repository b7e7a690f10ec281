"""The text of each piece of a segmentation, also of unknown pieces."""

from collections.abc import Container, Sequence

from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.tokenizer import Tokenizer


def surfaces(
    tokenizer: Tokenizer, ids: Sequence[int], text: str, known: Container[str]
) -> list[str]:
    """Return the text of each piece of any segmentation; `Tokenizer.surfaces` has the best one.

    Consecutive characters that are not in the vocabulary are one unknown piece.

    Args:
        tokenizer: the tokenizer.
        ids: the pieces, without BOS and EOS.
        text: the text that was divided into these pieces.
        known: the pieces of the vocabulary.
    """
    pieces, unk = tokenizer.pieces(ids), tokenizer.special.unk
    if unk not in ids:
        return pieces
    (normalized,) = tokenizer.normalize([text])
    place = 0
    for number, piece in enumerate(ids):
        if piece == unk:
            end = place + 1
            while end < len(normalized) and normalized[end] not in known:
                end += 1
            pieces[number] = normalized[place:end]
        place += len(pieces[number])
    return pieces


def known_pieces(tokenizer: Tokenizer) -> frozenset[str]:
    """Return the pieces of the vocabulary that stand for text."""
    special: SpecialIds = tokenizer.special
    return frozenset(
        piece for number, piece in enumerate(tokenizer.vocabulary) if number not in special.pieces
    )
