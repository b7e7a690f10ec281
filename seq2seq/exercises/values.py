"""Arguments and results as JSON, between the process that judges and that of the student's file.

Nothing is pickled: what the student's process sends is data, whatever it is. Finite and other
numbers keep all their digits.
"""

from typing import Any

import torch
from torch import Tensor

LARGEST_TENSOR = 100_000  # elements; results of exercises are far smaller
PLAIN = (str, bool, int, float, type(None))


class Other:
    """A result that is neither a tensor nor a number, text, list, tuple, set or dict of these.

    Attributes:
        description: what it is, for a message.
    """

    def __init__(self, description: str) -> None:
        self.description = description


def encode(value: Any, depth: int = 0) -> Any:
    """Convert a value to what JSON can represent."""
    if isinstance(value, Tensor):
        if value.numel() > LARGEST_TENSOR:
            return {"other": f"a tensor of shape {list(value.shape)}"}
        plain = value.detach().cpu()
        plain = plain.double() if plain.is_floating_point() else plain
        return {"tensor": plain.flatten().tolist(), "shape": list(value.shape),
                "dtype": str(value.dtype).removeprefix("torch.")}  # fmt: skip
    if type(value) in PLAIN:
        return value
    if isinstance(value, list | tuple | set | frozenset) and depth < 4 and len(value) < 10_000:
        return {"list": [encode(one, depth + 1) for one in value], "kind": kind(value)}
    if isinstance(value, dict) and depth < 4 and len(value) < 10_000:
        return {"dict": [[encode(part, depth + 1) for part in pair] for pair in value.items()]}
    if isinstance(value, int | float):  # a subclass, such as a number of NumPy
        return float(value) if isinstance(value, float) else int(value)
    return {"other": f"an object of type {type(value).__name__[:80]}"}


def kind(value: Any) -> str:
    """Return the name of the built-in collection that a value is."""
    return next(one.__name__ for one in (list, tuple, set, frozenset) if isinstance(value, one))


def decode(value: Any) -> Any:
    """Invert `encode`.

    Raises:
        Exception: of some kind; the value is not one that `encode` returns.
    """
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        dtype = getattr(torch, value["dtype"])
        if not isinstance(dtype, torch.dtype):
            raise ValueError("no data type")
        return torch.tensor(value["tensor"], dtype=dtype).view(value["shape"])
    if "list" in value:
        build: Any = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
        return build[value["kind"]](decode(one) for one in value["list"])
    if "dict" in value:
        return {decode(key): decode(one) for key, one in value["dict"]}
    return Other(str(value["other"])[:200])
