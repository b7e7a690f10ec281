"""Checks of the settings of a training against the model, before anything is trained."""

from torch import nn

from seq2seq.errors import UserError
from seq2seq.layers.positions import LearnedPositions
from seq2seq.models.base import Seq2Seq
from seq2seq.models.recurrent_source import RecurrentSource
from seq2seq.settings.config import Config


def check_model(model: Seq2Seq, config: Config) -> None:
    """Check that a model can be compiled if it is to be, and that its options have an effect.

    Raises:
        UserError: it cannot, or word dropout, R-Drop or reversing the source has no effect on it.
    """
    if model.fits:
        return
    settings, kind = config.train, type(model).__name__
    if config.trainer.compile and not model.compilable:
        raise UserError(
            f"trainer.compile=true is not supported for {kind}: its loop over time steps would be "
            "recompiled for every length; remove the option"
        )
    if isinstance(model, RecurrentSource) and model.reverse and model.encoder.directions == 2:
        raise UserError(
            "model.reverse=true has no effect with model.bidirectional=true, which reads in both "
            "directions: remove one of them"
        )
    for key, value in (
        ("target_word_dropout", settings.target_word_dropout),
        ("r_drop", settings.r_drop),
    ):
        if value and not model.teacher_forced:
            raise UserError(
                f"train.{key}={value} has no effect on {kind}, which is trained on masked targets: "
                "remove it"
            )
    if settings.r_drop and not has_dropout(model):
        raise UserError(
            f"train.r_drop={settings.r_drop} has no effect without dropout, because both passes "
            "are then the same: set model.dropout, or remove it"
        )


def has_dropout(model: nn.Module) -> bool:
    """Whether two passes in training mode differ."""
    return any(
        (isinstance(one, nn.Dropout) and one.p > 0)
        or (isinstance(one, nn.RNNBase) and one.dropout > 0)
        for one in model.modules()
    )


def has_learned_positions(model: nn.Module) -> bool:
    """Whether a model has no position after the last one that it learns."""
    return any(isinstance(one, LearnedPositions) for one in model.modules())
