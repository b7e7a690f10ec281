"""Validation during training: loss and BLEU on the validation set."""

import math
from dataclasses import dataclass
from typing import Literal

from seq2seq.corpora import Corpus, encode
from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.scoring import metrics
from seq2seq.scoring.perplexity import mean_loss
from seq2seq.search.base import Search
from seq2seq.system.share import ALONE, Share
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.source_use import SourceUse, source_use
from seq2seq.translation.translator import translate


@dataclass(frozen=True)
class Validation:
    """The result of one validation."""

    step: int
    loss: float  # nats per target piece
    bleu: float  # with greedy search

    def ranking(self, by: Literal["bleu", "loss"]) -> tuple[float, float]:
        """A sort key, larger is better; the other metric breaks ties."""
        return (self.bleu, -self.loss) if by == "bleu" else (-self.loss, self.bleu)


class Validator:
    """Evaluates a model on the complete validation set.

    Args:
        corpus: the corpus with the validation set.
        tokenizers: the tokenizers of the model.
        search: the configured search; only its length limits are used, with greedy search for
            speed.
        target: language and tokenizer for BLEU; if None, those of the target language of the
            corpus.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizers: Tokenizers,
        search: Search,
        target: Target | None = None,
    ) -> None:
        self.text, self.tokenizers = corpus.text("validation"), tokenizers
        self.target = target or Target(corpus.target)
        self.encoded = encode(self.text, tokenizers.source, tokenizers.target)
        self.greedy = search.greedy()

    def validate(self, model: Seq2Seq, step: int, share: Share = ALONE) -> Validation:
        """Compute loss and greedy BLEU; the model is left in training mode.

        Args:
            model: the model.
            step: the number of updates so far.
            share: divides the batches among processes; the result is the same in each.

        Raises:
            UserError: the loss is NaN or infinite.
            Interrupted: `share` was interrupted, in any process.
        """
        model.eval()
        loss = mean_loss(model, self.encoded, share=share)
        if not math.isfinite(loss):
            raise UserError(
                f"the validation loss is {loss} at step {step}: lower train.learning_rate or set "
                "train.clip_norm"
            )
        sources = list(self.text.sources())
        translations = translate(model, self.tokenizers, self.greedy, sources, share=share)
        bleu = metrics.bleu(
            [best.text for best, *_ in translations],
            list(self.text.targets()),
            **self.target._asdict(),
        )
        model.train()
        return Validation(step, loss, bleu)

    def source_use(self, model: Seq2Seq) -> SourceUse | None:
        """Measure on the validation set whether the model uses its source (see `source_use`).

        None for a model that fits itself, which has no failed optimization.
        """
        if model.fits:
            return None
        model.eval()
        found = source_use(model, self.encoded)
        model.train()
        return found
