"""Compare the configured sizes of an untrusted model with its weights, before allocating memory.

A small configuration can request any amount of memory, by its widths or its number of layers. The
file of the weights cannot, because it is as large as the weights.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.nn import init
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from seq2seq.errors import UserError

FLOATS = ("F16", "BF16", "F32", "F64")  # safetensors' names of floating-point types
INTEGERS = ("I32",)  # of tables of ids
SPARE = 16  # temporary parameters that a model may create during construction


def check_sizes(build: Callable[[], nn.Module], path: Path) -> None:
    """Check that a model has the same parameters as its file, without allocating either.

    Args:
        build: constructs the model.
        path: the weights (safetensors).

    Raises:
        UserError: they differ, or the file is missing or is not safetensors.
    """
    stored = stored_sizes(path)
    with torch.device("meta"), UninitializedTensors(), at_most(2 * len(stored) + SPARE, path):
        parameters = dict(build().named_parameters())
    if unmatched := parameters.keys() ^ stored.keys():
        raise UserError(f"{path} does not fit the model: only one of them has {min(unmatched)!r}")
    for name, parameter in parameters.items():
        kind, shape = stored[name]
        if list(parameter.shape) != shape:
            raise UserError(
                f"{path} does not fit the model: {name} is {shape}, not {list(parameter.shape)}"
            )
        kinds = FLOATS if parameter.is_floating_point() else INTEGERS
        if kind not in kinds:
            raise UserError(f"{path} cannot be used: {name} is {kind}, not {', '.join(kinds)}")


class UninitializedTensors(TorchFunctionMode):
    """Context manager that skips random initialization.

    On the meta device, torch would otherwise load its compiler for it.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the tensor unchanged if `func` is a random initialization."""
        given = kwargs or {}
        if func in (init.normal_, init.uniform_, init.kaiming_uniform_):
            return given["tensor"]
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        return func(*args, **given)


def stored_sizes(path: Path) -> dict[str, tuple[str, list[int]]]:
    """Return the type and shape of every tensor in a file, reading only its header.

    Raises:
        UserError: the file is missing, or its header does not match its length.
    """
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}
    except FileNotFoundError as error:
        raise UserError(f"the weights {path} are missing") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors: {error}") from error


@contextmanager
def at_most(count: int, path: Path) -> Iterator[None]:
    """Context manager that raises UserError if more than `count` parameters are created."""
    created = 0

    def check_count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal created
        created += 1
        if created > count:
            raise UserError(f"{path} does not fit the model: the model has far more layers")

    handle = register_module_parameter_registration_hook(check_count)
    try:
        yield
    finally:
        handle.remove()
