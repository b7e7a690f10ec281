"""What the properties of exercises are written with: random inputs and expectations."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seq2seq.exercises.values import Other

Student = Callable[..., Any]  # called with the name of a function and its arguments
DIGITS = 4


class PropertyError(Exception):
    """A property does not hold: the message says how, for the given inputs."""

    def __init__(self, message: str, inputs: dict[str, Any]) -> None:
        super().__init__(message)
        self.inputs = inputs


class Draw:
    """Random inputs with few digits, so that a printed input is the input.

    Args:
        seed: the seed.
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Return normally distributed numbers with one decimal, none of them zero."""
        numbers = (torch.randn(shape, generator=self.generator) * 10).round() / 10
        return torch.where(numbers == 0, torch.tensor(0.1), numbers)

    def matrix(self, rows: int, columns: int) -> Tensor:
        """Return a matrix of weights, scaled so that products keep their size."""
        return (self.normal(rows, columns) * 10 / rows**0.5).round() / 10

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return int(torch.randint(low, high + 1, (1,), generator=self.generator))

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Return a tensor of integers from low to high, both included."""
        return torch.randint(low, high + 1, shape, generator=self.generator)

    def words(self, choices: Sequence[str], count: int) -> list[str]:
        """Return random words."""
        return [choices[self.integer(0, len(choices) - 1)] for _ in range(count)]


def expect(condition: object, message: str, **inputs: Any) -> None:
    """Raise PropertyError with the message and inputs, unless the condition is true."""
    if not condition:
        raise PropertyError(message, inputs)


def tensor(value: Any, shape: Sequence[int], function: str, **inputs: Any) -> Tensor:
    """Return a result as a tensor of doubles.

    Raises:
        PropertyError: it is no tensor of this shape, or has numbers that are complex, NaN or
            infinite.
    """
    expect(
        isinstance(value, Tensor) and list(value.shape) == list(shape),
        f"{function} returned {described(value)}, where a tensor of shape {list(shape)} is "
        "expected",
        **inputs,
    )
    real = not value.is_complex()
    expect(real, f"{function} returned complex numbers, where real ones are expected", **inputs)
    expect(value.isfinite().all(), f"{function} returned NaN or infinite numbers", **inputs)
    return value.detach().double()


def parts(value: Any, count: int, function: str, **inputs: Any) -> Sequence[Any]:
    """Return a result that consists of several values.

    Raises:
        PropertyError: it does not.
    """
    expect(
        isinstance(value, tuple | list) and len(value) == count,
        f"{function} returned {described(value)}, where {count} values are expected",
        **inputs,
    )
    return value


def number(value: Any, function: str, **inputs: Any) -> float:
    """Return a result as a number.

    Raises:
        PropertyError: it is none, or NaN, infinite or too large for a float.
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    good = isinstance(value, int | float) and not isinstance(value, bool)
    expect(good, f"{function} returned {described(value)}, where a number is expected", **inputs)
    finite = abs(value) <= sys.float_info.max
    given = f"{value:.4g}" if isinstance(value, float) else described(value)
    expect(finite, f"{function} returned {given}, where a finite number is expected", **inputs)
    return float(value)


def close(actual: Tensor, expected: Tensor) -> bool:
    """Whether two tensors of one shape are equal up to rounding in single precision."""
    return torch.allclose(actual.double(), expected.double(), rtol=1e-4, atol=1e-5)


def equal(actual: Any, expected: Tensor, function: str, **inputs: Any) -> None:
    """Expect a result to be a tensor with these values.

    Args:
        actual: the result.
        expected: the values.
        function: the name of the function that returned it.
        inputs: the inputs that show a difference.
    """
    given = tensor(actual, expected.shape, function, **inputs)
    if not close(given, expected):
        place = int((given - expected.double()).abs().argmax())
        where = [int(one) for one in torch.unravel_index(torch.tensor(place), expected.shape)]
        index = f" at {where}" if where else ""
        values = given.flatten()[place], expected.flatten()[place]
        have, want = (rounded(float(one)) for one in values)
        raise PropertyError(f"{function} returned {have}{index}, where {want} is expected", inputs)


def described(value: Any) -> str:
    """Describe a result in a message."""
    if value is None:
        return "None (is a `return` missing?)"
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    if isinstance(value, Other):
        return value.description
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) < 60 else f"a value of type {type(value).__name__}"


def rounded(value: float) -> str:
    """Return a number with few digits."""
    return f"{value + 0.0:.{DIGITS}g}"  # without the sign of -0.0


def shown(value: Any) -> str:
    """Return an input as it is printed, on one line."""
    if isinstance(value, Tensor):
        return shown(value.tolist())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(one) for one in value) + "]"
    return rounded(value) if isinstance(value, float) else repr(value)
