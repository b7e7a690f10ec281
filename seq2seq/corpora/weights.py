"""The weights of the parts of a mixture."""

from collections.abc import Iterable
from typing import NamedTuple

from seq2seq.text.part_draws import shares_of


class Weights(NamedTuple):
    """What the shares of the parts of a mixture depend on.

    Attributes:
        names: the parts.
        weights: their weights; None stands for their numbers of pairs.
        temperature: the temperature of the shares.
    """

    names: list[str]
    weights: list[float] | None
    temperature: float

    def shares(self, pairs: Iterable[int]) -> list[float]:
        """Return the share of each part, given their numbers of pairs."""
        return shares_of(self.weights or [*map(float, pairs)], self.temperature)
