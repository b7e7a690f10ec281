"""Ranges of numbers, and other annotations of the types of keys."""

from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
)

from seq2seq.errors import UserError


@dataclass(frozen=True)
class Within:
    """The range of a number, as an annotation of its type: `Annotated[int, Within(1, 9)]`.

    Attributes:
        low: the smallest allowed value.
        high: the largest allowed value.
        above: exclusive lower bound.
        below: exclusive upper bound.
    """

    low: int | float | None = None
    high: int | float | None = None
    above: int | float | None = None
    below: int | float | None = None

    def broken(self, value: int | float) -> str | None:
        """Return the bound that a value violates, such as "at least 1"; None if it is in range."""
        if self.low is not None and value < self.low:
            return f"at least {self.low}"
        if self.above is not None and value <= self.above:
            return f"above {self.above}"
        if self.high is not None and value > self.high:
            return f"at most {self.high}"
        if self.below is not None and value >= self.below:
            return f"below {self.below}"
        return None

    def __str__(self) -> str:
        names = {"low": "at least", "above": "above", "high": "at most", "below": "below"}
        given = {word: getattr(self, name) for name, word in names.items()}
        return ", ".join(f"{word} {bound}" for word, bound in given.items() if bound is not None)


class Home:
    """Annotation of a text that is a path: a leading `~/` is the user's home folder."""


@dataclass(frozen=True)
class Default:
    """Annotation of a key of a TypedDict: the value of an absent key.

    In a constructor, the default of the keyword has this meaning.
    """

    value: Any


# The upper bounds are far above realistic values. They catch typing errors before these use all
# memory or run forever.
Width = Annotated[int, Within(1, 1 << 20)]  # units of a layer
Layers = Annotated[int, Within(1, 1000)]
Share = Annotated[float, Within(0, below=1)]  # such as a dropout probability
Positive = Annotated[int, Within(1)]
Natural = Annotated[int, Within(0)]
Folder = Annotated[str, Home()]


def at_least(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values below their bound; None is allowed."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value < bound:
            raise UserError(f"{section}.{key}={value} must be at least {bound}")


def at_most(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values above their bound; None is allowed."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value > bound:
            raise UserError(f"{section}.{key}={value} must be at most {bound}")


def above(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values at or below their bound; None is allowed."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value <= bound:
            raise UserError(f"{section}.{key}={value} must be above {bound}")


def below(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values at or above their bound."""
    for key, bound in bounds.items():
        if getattr(settings, key) >= bound:
            raise UserError(f"{section}.{key}={getattr(settings, key)} must be below {bound}")
