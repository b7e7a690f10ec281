"""Checks that exports share."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder

NEVER = -1e4  # output bias of tokens that are never predicted: padding and BOS
POSITIONS = 1024  # maximum length in tokens, more than any sentence of a usual corpus


class Decoded(NamedTuple):
    """Greedy translations by two programs.

    Attributes:
        ours: the pieces of each translation by this package.
        theirs: the same by the other program.
    """

    ours: list[list[str]]
    theirs: list[list[str]]

    @property
    def different(self) -> list[int]:
        """The lines, counted from 1, that differ."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [line for line, (ours, theirs) in enumerate(pairs, 1) if ours != theirs]


def require(package: str) -> None:
    """Check that a package is installed, which is also the name of the extra that has it.

    Raises:
        UserError: it is not.
    """
    if find_spec(package) is None:
        raise UserError(
            f"this format needs the package {package}: pip install 'seq2seq-toolkit[{package}]'"
        )


def check_transformer(
    model: object, program: str, known: Mapping[str, Sequence[str]]
) -> TransformerEncoderDecoder:
    """Return the model if it is a Transformer with parts that a program has.

    Args:
        model: the model.
        program: the name of the program.
        known: the values that it has, by key of the model.

    Raises:
        UserError: it is another model, or has another value; the message names what it needs.
    """
    if not isinstance(model, TransformerEncoderDecoder):
        raise UserError(
            f"the export to {program} is for Transformer encoder-decoders, and this run is a "
            f"{type(model).__name__}: train model=transformer"
        )
    for key, values in known.items():
        value = getattr(model.parts, key)
        if value not in values:
            raise UserError(
                f"this run has model.{key}={value}, but the export to {program} is for "
                f"{' and '.join(values)}"
            )
    return model
