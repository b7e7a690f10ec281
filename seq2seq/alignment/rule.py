"""Reading an alignment of words out of attention over pieces, by an explicit rule.

A model returns every matrix it has. Which of them is read, at which row, how pieces become words,
and when a word is linked, is decided here and stored beside every result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from seq2seq.alignment.links import Found
from seq2seq.errors import UserError
from seq2seq.text.tokenizer import WORD_START


@dataclass(frozen=True)
class Rule:
    """How attention is read as an alignment.

    A word of several pieces is the sum of its source pieces and the mean of its target pieces.

    Args:
        layer: decoder layer, from 1, or the mean of all. None is the one before the last, which
            Garg et al. (2019) found to align best in a Transformer; a single layer is the only one.
        head: attention head, from 1, or the mean of all (Garg et al. 2019).
        shift: read a piece at the row at which it is fed in, one below the row that predicts it;
            `</s>` is never fed in and has no row then. Chen et al. (2020) found this to align
            better in lower layers of deep Transformers; Bahdanau et al. (2014) and Garg et al.
            (2019) read the row that predicts. Which is right is a property of the model, and a
            wrong offset costs more than any other choice: measure it.
        end: whether `</s>` may be what a word looks at most, which leaves the word without a link
            (keep), or is left out of the choice (drop), or is left out and the other words' shares
            made to sum to one (renormalise).
        threshold: link all words whose share is at least this; None links the largest alone.
    """

    layer: int | Literal["mean"] | None = None
    head: int | Literal["mean"] = "mean"
    shift: bool = False
    end: Literal["keep", "drop", "renormalise"] = "drop"
    threshold: float | None = None

    def __post_init__(self) -> None:
        for what, number in (("layer", self.layer), ("head", self.head)):
            if isinstance(number, int) and number < 1:
                raise UserError(f"there is no {what} {number}: they are counted from 1")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(f"threshold={self.threshold} must be from 0 to 1")

    def resolve(self, layers: int, heads: int) -> "Rule":
        """The same rule for a model of so many layers and heads, nothing left open.

        Raises:
            UserError: the model has no such layer or head.
        """
        for what, number, count in (("layer", self.layer, layers), ("head", self.head, heads)):
            if isinstance(number, int) and not 1 <= number <= count:
                raise UserError(
                    f"there is no {what} {number}: this model has {count} (--{what}, or the run's "
                    "align/rule.json, says otherwise)"
                )
        layer = max(1, layers - 1) if self.layer is None else self.layer
        return replace(self, layer=1 if layers == 1 else layer, head=1 if heads == 1 else self.head)

    def read(self, attention: Float[Tensor, "layers heads tgt src"]) -> Float[ndarray, "rows src"]:
        """The chosen matrix over pieces; with a shift it has no row for `</s>`.

        Raises:
            UserError: the model has no such layer or head.
        """
        rule = self.resolve(*attention.shape[:2])
        layer = pick(attention.float().numpy(), rule.layer)
        head = pick(layer, rule.head)
        return head[1:] if rule.shift else head

    def choose(
        self, weights: Float[ndarray, "*any tgt src_and_end"]
    ) -> Bool[ndarray, "*any tgt src"]:
        """Which words are linked, of weights whose last column is `</s>`."""
        words = weights[..., :-1]
        if self.end == "renormalise":
            total = words.sum(-1, keepdims=True)
            words = np.divide(words, total, out=np.zeros_like(words), where=total > 0)
        if self.threshold is not None:
            return words >= self.threshold
        if not words.shape[-1]:
            return words > 0
        most = (weights if self.end == "keep" else words).argmax(-1, keepdims=True)
        return (np.arange(words.shape[-1]) == most) & (words > 0)

    def links(self, weights: Float[ndarray, "tgt src_and_end"]) -> Found:
        """The links of one pair, from weights whose last column is `</s>`."""
        return frozenset((int(i), int(j)) for j, i in np.argwhere(self.choose(weights)))


def pick(
    matrices: Float[ndarray, "count *rest"], number: int | Literal["mean"] | None
) -> Float[ndarray, "*rest"]:
    """The matrix of a number, from 1, or the mean of all."""
    return matrices[number - 1] if isinstance(number, int) else matrices.mean(0)


def words(pieces: Sequence[str]) -> list[str]:
    """The words that pieces spell; the last piece, `</s>`, is none of them."""
    return [word for word in "".join(pieces[:-1]).split(WORD_START) if word]


def bare(text: str) -> str:
    """A text without spaces, and without SentencePiece's marks for them."""
    return "".join(text.replace(WORD_START, " ").split())


def shares(pieces: Sequence[str], tokens: Sequence[str]) -> Float[ndarray, "pieces tokens_and_end"]:
    """Which share of each piece's characters lies in each token; `</s>` is last on both sides.

    Tokens are found by their characters, spaces ignored: whoever cut them may have cut elsewhere.
    A token is found only whole; one whose characters are not there has an empty column. A piece
    that is a mere mark of a space belongs to the token after it.

    Args:
        pieces: as the model read them, `</s>` last.
        tokens: in the spelling of the pieces, that is after their normalisation.
    """
    spelt, wanted = [bare(piece) for piece in pieces[:-1]], [bare(token) for token in tokens]
    owner = owners("".join(spelt), wanted)
    table, end = np.zeros((len(pieces), len(tokens) + 1), dtype=np.float32), 0
    for row, piece in zip(table, spelt, strict=False):
        start, end = end, end + len(piece)
        for token in owner[start : max(end, start + 1)]:
            if token is not None:
                row[token] += 1 / max(len(piece), 1)
    table[-1, -1] = 1
    return table


def owners(text: str, tokens: Sequence[str]) -> list[int | None]:
    """To which token each character of a text belongs; None where it is in none."""
    joined = "".join(tokens)
    if text == joined:
        return [number for number, token in enumerate(tokens) for _ in token]
    owner: list[int | None] = [None] * len(text)
    blocks = SequenceMatcher(None, text, joined, autojunk=False).get_matching_blocks()
    end = 0
    for number, token in enumerate(tokens):
        start, end = end, end + len(token)
        for block in blocks:
            if block.b <= start and end <= block.b + block.size:
                owner[block.a + start - block.b : block.a + end - block.b] = [number] * len(token)
    return owner


def pool(
    attention: Float[ndarray, "*any rows src"],
    source: Float[ndarray, "src source_tokens"],
    target: Float[ndarray, "tgt target_tokens"],
) -> Float[ndarray, "*any token_rows source_tokens"]:
    """Attention between tokens: the sum over source pieces, the mean over target pieces.

    Both are by `shares`; a piece that lies in two tokens counts in each by its share. Rows may lack
    `</s>`, as under a shift; the token rows lack it then too. A token without pieces has zeros.
    """
    if attention.shape[-2] < len(target):
        target = target[:-1, :-1]
    total = target.sum(0)
    means = np.divide(target, total, out=np.zeros_like(target), where=total > 0).T
    return means @ attention @ source
