"""A look at the validation set while training."""

import math
from dataclasses import dataclass
from typing import Literal

from seq2seq.corpora import Corpus, encode
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive
from seq2seq.scoring import metrics
from seq2seq.scoring.perplexity import mean_loss
from seq2seq.search.base import Search
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translator import translate


@dataclass(frozen=True)
class Validation:
    """What one look found."""

    step: int
    loss: float  # nats a target piece
    bleu: float  # greedy

    def ranking(self, by: Literal["bleu", "loss"]) -> tuple[float, float]:
        """The larger the better; the other number decides between equals."""
        return (self.bleu, -self.loss) if by == "bleu" else (-self.loss, self.bleu)


class Validator:
    """The whole validation set, none of it left out.

    Args:
        corpus: where it comes from.
        tokenizers: of the model.
        search: its longest lengths are kept; the search itself is greedy, for speed.
        target: how BLEU splits the target side; if None by the corpus's language.
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

    def validate(self, model: Autoregressive, step: int) -> Validation:
        """Loss and greedy BLEU of a model; it is left in training mode.

        Raises:
            UserError: the loss is not a number, so that nothing can be translated either.
        """
        model.eval()
        loss = mean_loss(model, self.encoded)
        if not math.isfinite(loss):
            raise UserError(
                f"the validation loss is {loss} at step {step}: lower train.learning_rate or set "
                "train.clip_norm"
            )
        found = translate(model, self.tokenizers, self.greedy, list(self.text.sources()))
        bleu = metrics.bleu(
            [best.text for best, *_ in found],
            list(self.text.targets()),
            **self.target._asdict(),
        )
        model.train()
        return Validation(step, loss, bleu)
