"""The class that trains a model on a corpus."""

from seq2seq.corpora import Corpus
from seq2seq.errors import UserError
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import fits
from seq2seq.training.fitting import FittingLearner
from seq2seq.training.learner import Learner
from seq2seq.training.streaming import StreamLearner


def learner_class(config: Config, corpus: Corpus) -> type[Learner]:
    """Return the class that trains the configured model on a corpus.

    Raises:
        UserError: a text that is read while training cannot be used for it.
    """
    if fits(config.model):
        if corpus.streams:
            raise UserError(
                f"model={config.model['name']} learns from all pairs at once, which "
                "data.streaming=true does not store: set data.streaming=false"
            )
        return FittingLearner
    if corpus.streams and config.train.guided_attention:
        raise UserError(
            "train.guided_attention needs word links of all training pairs, which "
            "data.streaming=true does not store: set one of them to 0 or false"
        )
    return StreamLearner if corpus.streams else Learner
