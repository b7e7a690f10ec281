"""Rules that extract word alignments from attention, or another map, between subword pieces.

A map has values for all layers and heads. A rule names the method that computes it, selects the
matrix and the rows, and decides which words are linked. The rule is stored with every result.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from seq2seq.alignment.links import LinkSet
from seq2seq.alignment.method_names import (
    WITHOUT_HEADS,
    WITHOUT_LAYERS,
    Hide,
    MethodName,
    hides_words,
)
from seq2seq.errors import UserError
from seq2seq.text.words import WORD_START, begins_with_language


@dataclass(frozen=True)
class Rule:
    """Rule for extracting a word alignment from attention.

    The attention between words is the sum over source pieces and the mean over target pieces.

    Args:
        layer: decoder layer, counted from 1, or the mean of all layers. None is the last but one,
            which aligned best in the Transformers of Garg et al. (2019); of a single layer, that.
        head: attention head, counted from 1, or the mean of all heads (Garg et al. 2019).
        shift: for each target piece, read the row in which it is the decoder's input (one below the
            row that predicts it); `</s>` is never an input and has no row then. This aligned better
            in lower layers of deep Transformers (Chen et al. 2020); Bahdanau et al. (2014) and Garg
            et al. (2019) read the row that predicts the piece. The right choice depends on the
            model: measure it.
        end: treatment of attention to `</s>`. keep: a word that attends most to `</s>` has no link;
            drop: `</s>` is ignored; renormalise: `</s>` is ignored and the other weights are scaled
            to sum to one.
        threshold: link all words with at least this weight; None links only the largest.
        method: what computes the map, see `seq2seq.interpret.methods`.
        hide: how the method `occlusion` hides a word; other methods ignore it.
    """

    layer: int | Literal["mean"] | None = None
    head: int | Literal["mean"] = "mean"
    shift: bool = False
    end: Literal["keep", "drop", "renormalise"] = "drop"
    threshold: float | None = None
    method: MethodName = "attention"
    hide: Hide = "drop"

    def __post_init__(self) -> None:
        for what, number in (("layer", self.layer), ("head", self.head)):
            if isinstance(number, int) and number < 1:
                raise UserError(f"there is no {what} {number}: {what}s are counted from 1")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(f"threshold={self.threshold} must be from 0 to 1")

    def record(self) -> dict[str, Any]:
        """Return the values by name, for JSON; a method is absent if it is attention.

        Older versions have no other methods: they read such a rule, and refuse the others.
        """
        values = asdict(self)
        if not hides_words(self.method):
            del values["hide"]
        if self.method == "attention":
            del values["method"]
        return values

    def resolve(self, layers: int, heads: int, owner: str | None = None) -> "Rule":
        """Return the rule with explicit layer and head numbers for a model.

        Args:
            layers: the number of layers of the map.
            heads: the number of heads of the map.
            owner: what has these, for the message, if it is not the map to the source.

        Raises:
            UserError: the model has no such layer or head.
        """
        for what, number, count, without in (
            ("layer", self.layer, layers, WITHOUT_LAYERS),
            ("head", self.head, heads, WITHOUT_HEADS),
        ):
            if isinstance(number, int) and not 1 <= number <= count:
                own = "this model" if self.method == "attention" else f"the map of {self.method}"
                option = f"--{what}" if self.method not in without else ""
                places = [option, "" if owner else "the run's align/rule.json"]
                raise UserError(
                    f"there is no {what} {number}: {owner or own} has {count} (change "
                    f"{', or '.join(filter(None, places))})"
                )
        layer = max(1, layers - 1) if self.layer is None else self.layer
        return replace(self, layer=1 if layers == 1 else layer, head=1 if heads == 1 else self.head)

    def read(self, attention: Float[Tensor, "layers heads tgt src"]) -> Float[ndarray, "rows src"]:
        """Return the selected matrix over pieces; with `shift` it has no row for `</s>`.

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
        """Decide which words are linked; the last column of the weights is `</s>`."""
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

    def links(self, weights: Float[ndarray, "tgt src_and_end"]) -> LinkSet:
        """Return the links of one pair; the last column of the weights is `</s>`."""
        return frozenset((int(i), int(j)) for j, i in np.argwhere(self.choose(weights)))


def positive_shares(values: Float[ndarray, "*any src"]) -> Float[ndarray, "*any src"]:
    """Return the positive part of signed values, each row divided by its sum.

    Rules read this of a signed map: a source word that makes a target word less probable is not
    linked with it. A row without positive values is zero.
    """
    positive = np.maximum(values, 0)
    total = positive.sum(-1, keepdims=True)
    return np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)


def pick(
    matrices: Float[ndarray, "count *rest"], number: int | Literal["mean"] | None
) -> Float[ndarray, "*rest"]:
    """Return the matrix with a number, counted from 1, or the mean of all."""
    return matrices[number - 1] if isinstance(number, int) else matrices.mean(0)


def words(pieces: Sequence[str]) -> list[str]:
    """Join pieces to words; the last piece, `</s>`, and a language token are omitted."""
    text = "".join(pieces[begins_with_language(pieces) : -1])
    return [word for word in text.split(WORD_START) if word]


def without_spaces(text: str) -> str:
    """Remove spaces, and the symbols of SentencePiece for them."""
    return "".join(text.replace(WORD_START, " ").split())


def shares(pieces: Sequence[str], tokens: Sequence[str]) -> Float[ndarray, "pieces tokens_and_end"]:
    """Return the share of each piece's characters that is in each token.

    Pieces and tokens are matched by their characters without spaces, since the tokenizations may
    differ. A token is matched only as a whole; one whose characters are not in the text has a
    column of zeros. A piece that only marks a space belongs to the following token. `</s>` is the
    last row and the last column. A language token before the text (M2M100) is no part of it and has
    the column of `</s>`, so that attention to it is attention to no word.

    Args:
        pieces: the pieces of the model, `</s>` last.
        tokens: the tokens, normalized like the pieces.
    """
    before = int(begins_with_language(pieces))
    piece_texts = [without_spaces(piece) for piece in pieces[before:-1]]
    token_texts = [without_spaces(token) for token in tokens]
    owner = owners("".join(piece_texts), token_texts)
    table, end = np.zeros((len(pieces), len(tokens) + 1), dtype=np.float32), 0
    for row, piece in zip(table[before:], piece_texts, strict=False):
        start, end = end, end + len(piece)
        for token in owner[start : max(end, start + 1)]:
            if token is not None:
                row[token] += 1 / max(len(piece), 1)
    table[[*range(before), -1], -1] = 1
    return table


def owners(text: str, tokens: Sequence[str]) -> list[int | None]:
    """Return the index of the token of each character of a text; None if it is in no token."""
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
    """Pool attention to tokens: the sum over source pieces, the mean over target pieces.

    A piece in two tokens is weighted by its shares. If the rows do not include `</s>` (with
    `shift`), the rows of the result do not either. A token without pieces has zeros.

    Args:
        attention: attention between pieces.
        source: the result of `shares` for the source.
        target: the result of `shares` for the target.
    """
    if attention.shape[-2] < len(target):
        target = target[:-1, :-1]
    total = target.sum(0)
    means = np.divide(target, total, out=np.zeros_like(target), where=total > 0).T
    return means @ attention @ source
