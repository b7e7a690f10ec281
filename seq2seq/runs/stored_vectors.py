"""Matrices between words as vectors of a safetensors file: written, read and checked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray


class MethodMap(NamedTuple):
    """The map of a method between words; its columns are the words of the source.

    Attributes:
        rows: the words of the target.
        values: the values: 255 is 1.0, or `limit` in a signed map, in which 0 is 128.
        limit: the largest absolute value of a signed map, in nats; None in a map without sign.
    """

    rows: list[str]
    values: UInt8[ndarray, "rows source"]
    limit: float | None = None

    @classmethod
    def of(
        cls, rows: list[str], values: Float[ndarray, "rows source"], *, signed: bool
    ) -> "MethodMap":
        """Round values to steps of 1/255, or of 1/127 of the largest absolute value if signed."""
        if not signed:
            return cls(rows, np.rint(255 * values).astype(np.uint8))
        limit = float(np.float32(np.abs(values).max(initial=0)))
        return cls(rows, np.rint(128 + 127 * values / (limit or 1.0)).astype(np.uint8), limit)


def joined(matrices: Sequence[UInt8[ndarray, "_ _"]]) -> UInt8[ndarray, " length"]:
    """Return the elements of all matrices as one vector."""
    return np.concatenate([np.empty(0, dtype=np.uint8), *(one.ravel() for one in matrices)])


def read_bytes(file: Any, name: str) -> UInt8[ndarray, " length"]:
    """Read a vector of bytes from an open file; its type and shape are checked before reading."""
    stored = file.get_slice(name)
    if stored.get_dtype() != "U8" or len(stored.get_shape()) != 1:
        raise ValueError(f"{name} is not a vector of bytes")
    return file.get_tensor(name)


def shares_of(
    weights: UInt8[ndarray, " length"], rows: int, columns: int, line: int
) -> UInt8[ndarray, "rows columns"]:
    """Return the first weights as a matrix; `line` is the number of the line, for messages."""
    part = reshaped(weights, rows, columns)
    if (part.sum(1, dtype=np.int64) > 256 + columns / 2).any():  # rounding: at most 0.5 a weight
        raise ValueError(f"a row of line {line} sums to more than one")
    return part


def reshaped(
    values: UInt8[ndarray, " length"], rows: int, columns: int
) -> UInt8[ndarray, "rows columns"]:
    """Return the first values as a matrix."""
    return values[: rows * columns].reshape(rows, columns)


def read_limits(file: Any, name: str, count: int) -> Float32[ndarray, " lines"]:
    """Read the largest values of the maps of a signed method."""
    stored = file.get_slice(name)
    if stored.get_dtype() != "F32" or stored.get_shape() != [count]:
        raise ValueError(f"{name} is not a vector of {count} numbers")
    limits: Float32[ndarray, " lines"] = file.get_tensor(name)
    if not (np.isfinite(limits) & (limits >= 0)).all():
        raise ValueError(f"{name} has a value that is not a positive number")
    return limits
