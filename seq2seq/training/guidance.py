"""Guided attention: the loss between one head of the decoder and word links.

Garg et al. (2019, "Multi-task Learning") add to the loss of the translation a weight times

    -1/R sum_i sum_j G_ij log A_ij

where A is the attention of one head of the layer before the last, G the distribution of each target
piece over the source pieces of the words that its word is linked with, and i runs over the R target
pieces with links. The row of a piece is the one that predicts it. R is that of a whole update, over
all its batches and processes, so that dividing it differently changes nothing; in the paper it is
that of a sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.alignment.piece_links import piece_links
from seq2seq.corpora import Corpus, Text
from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.settings.config import TrainConfig
from seq2seq.text.batching import Batch
from seq2seq.text.surfaces import known_pieces, surfaces
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.text.words import without_padding
from seq2seq.training.word_links import WordLinks, check_links, read_word_links
from seq2seq.translation.translation import END


@dataclass
class Guidance:
    """The links of the training pairs, the head that they guide, and its loss since the last log.

    Attributes:
        weight: weight of the loss.
        layer: the decoder layer, counted from 0.
        head: its head, counted from 0.
        links: the word links.
        text: the training text.
        tokenizers: of both sides.
        loss: the sum of the losses of updates since the last log line, in nats.
        rows: the number of their target pieces with links.
        last: the loss per row in the last log line.
    """

    weight: float
    layer: int
    head: int
    links: WordLinks
    text: Text
    tokenizers: Tokenizers
    loss: float = 0.0
    rows: int = 0
    last: float | None = None
    known: tuple[frozenset[str], frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        source, target = self.tokenizers
        self.known = known_pieces(source), known_pieces(target)

    @classmethod
    def of(
        cls,
        settings: TrainConfig,
        corpus: Corpus,
        text: Text,
        tokenizers: Tokenizers,
        model: Seq2Seq,
    ) -> "Guidance | None":
        """Read the links of a training; None if it has no guided attention.

        Raises:
            UserError: there are no links, or they do not fit the text.
        """
        if not settings.guided_attention or model.fits:
            return None
        layer, head = guided_head(settings, model)
        links = read_word_links(corpus, text, settings.guided_links)
        return cls(settings.guided_attention, layer - 1, head - 1, links, text, tokenizers)

    def attach(self, rows: NDArray[np.integer[Any]], batch: Batch) -> Batch:
        """Return a batch with the distributions of its target pieces.

        Args:
            rows: the rows of the training text that the batch was built from.
            batch: the batch, in any segmentation.
        """
        table = np.zeros((*batch.tgt_out.shape, batch.src.size(1)), dtype=np.float32)
        tokens = list(zip(*(self.links.tokens(row) for row in rows.tolist()), strict=True))
        normalized = [
            self.normalized(side, texts) for side, texts in zip((0, 1), tokens, strict=True)
        ]
        ids = (batch.src.tolist(), batch.tgt_out.tolist())
        for number, row in enumerate(rows.tolist()):
            if not (links := self.links[row]):
                continue
            sides = []
            for side in (0, 1):
                own = without_padding(ids[side][number], batch.pad)[:-1]
                pieces = surfaces(
                    self.tokenizers[side], own, self.text[row][side], self.known[side]
                )
                sides.append(([*pieces, END], normalized[side][number]))
            found = piece_links(links, sides[0], sides[1])
            table[number, : found.shape[0], : found.shape[1]] = found
        linked = int(table.any(-1).sum())
        return replace(batch, links=torch.from_numpy(table), num_linked=linked)

    def normalized(self, side: int, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """Normalize the tokens of each text like the pieces of a side."""
        flat = self.tokenizers[side].normalize([token for tokens in texts for token in tokens])
        found, start = [], 0
        for tokens in texts:
            found.append(flat[start : start + len(tokens)])
            start += len(tokens)
        return found

    def losses(self, model: Any, batch: Batch, smoothing: float, r_drop: float) -> tuple[Any, Any]:
        """Return both losses of a batch, summed over its rows.

        Args:
            model: the model, or its wrapper by Fabric.
            batch: a batch with links.
            smoothing: label smoothing.
            r_drop: weight of R-Drop, which applies to the translation only.
        """
        return model.guided_loss(batch, self.layer, self.head, smoothing, r_drop)

    def count(self, loss: float, rows: int) -> None:
        """Count an update: the sum of its losses, and its target pieces with links."""
        self.loss, self.rows = self.loss + loss, self.rows + rows

    def log_fields(self) -> dict[str, float | None]:
        """Return the field of a line of log.jsonl, in nats per target piece with links."""
        self.last = self.loss / self.rows if self.rows else None
        self.loss, self.rows = 0.0, 0
        return {"guided_loss": self.last}

    def describe(self, model: Mapping[str, Any]) -> list[str]:
        """Describe the links and the head for the user, with a remark on the initialization.

        Args:
            model: the section `model` of the configuration.
        """
        facts = self.links.facts()
        lines = [
            f"guided attention: head {self.head + 1} of decoder layer {self.layer + 1}, by "
            f"{facts['links']:,} links of {facts['linked_pairs']:,} pairs ({self.links.origin}); "
            "alignments of this run are read from that head unless another rule is chosen"
        ]
        if model.get("align_init") == "paper":
            lines.append(
                "guided attention hardly learns from model.align_init=paper, which is almost zero: "
                "set model.align_init=xavier"
            )
        return lines


def check_guidance(model: Seq2Seq, corpus: Corpus, settings: TrainConfig) -> None:
    """Check that a model can be guided and that there are links, without reading them.

    Raises:
        UserError: it cannot, or there are none.
    """
    if settings.guided_attention and not model.fits:
        guided_head(settings, model)
        check_links(corpus, settings.guided_links)


def guided_head(settings: TrainConfig, model: Seq2Seq) -> tuple[int, int]:
    """Return the layer and the head to guide, counted from 1.

    Raises:
        UserError: the model cannot be guided, or it has no such layer or head.
    """
    (layers, heads), kind = model.attention_shape, type(model).__name__
    key = f"train.guided_attention={settings.guided_attention}"
    if not layers:
        raise UserError(
            f"{key} has no effect on {kind}, which has no attention to the source: remove it"
        )
    if not model.teacher_forced:
        raise UserError(f"{key} is not supported for {kind}, which is trained on masked targets")
    for what, number, count in (
        ("layer", settings.guided_layer, layers),
        ("head", settings.guided_head, heads),
    ):
        if number is not None and number > count:
            raise UserError(
                f"train.guided_{what}={number}: the attention to the source has {count} "
                f"{what}{'s' * (count > 1)} in this model"
            )
    return settings.guided_layer or max(1, layers - 1), settings.guided_head or 1


def guided_total(
    loss: Tensor, guided: Tensor | None, share: float | Tensor, guided_share: float | Tensor
) -> Tensor:
    """Return the weighted sum of both losses; without guided attention, the first alone."""
    total = loss * share
    return total if guided is None else total + guided * guided_share
