"""The sizes of a model that a stranger configured, held against its file before they take memory.

A configuration of a few bytes can ask for any amount of memory, by its widths or by its number of
layers; the file of its weights cannot, for it has to be as large as what it holds.
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

FLOATS = ("F16", "BF16", "F32", "F64")  # as safetensors calls the types of weights
SPARE = 16  # parameters that a model may make while it is built beyond those that it keeps


def check_sizes(build: Callable[[], nn.Module], path: Path) -> None:
    """Refuse a model of other sizes than its weights, without memory for either.

    Args:
        build: makes the model.
        path: its weights, safetensors.

    Raises:
        UserError: they do not fit, the file is missing or is not safetensors.
    """
    stored = stored_sizes(path)
    with torch.device("meta"), UninitializedTensors(), at_most(2 * len(stored) + SPARE, path):
        parameters = dict(build().named_parameters())
    if odd := parameters.keys() ^ stored.keys():
        raise UserError(f"{path} is of another model: {min(odd)!r} is on one side only")
    for name, parameter in parameters.items():
        kind, shape = stored[name]
        if list(parameter.shape) != shape:
            raise UserError(
                f"{path} is of another model: {name} is {shape}, not {list(parameter.shape)}"
            )
        if kind not in FLOATS:
            raise UserError(f"{path} cannot be used: {name} is {kind}, not {', '.join(FLOATS)}")


class UninitializedTensors(TorchFunctionMode):
    """Inside, no weights are drawn: to draw none without memory, torch would load its compiler."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Leave a tensor as it is where `func` is of torch.nn.init, or a tensor's own draw."""
        given = kwargs or {}
        if func in (init.normal_, init.uniform_, init.kaiming_uniform_):
            return given["tensor"]
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        return func(*args, **given)


def stored_sizes(path: Path) -> dict[str, tuple[str, list[int]]]:
    """The type and shape of every tensor in a file; only its header is read.

    Raises:
        UserError: the file is missing, or its header does not fit its length.
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
    """Inside, no more than so many parameters can be made."""
    made = 0

    def one_more(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal made
        made += 1
        if made > count:
            raise UserError(f"{path} is of another model: this one has far more layers")

    handle = register_module_parameter_registration_hook(one_more)
    try:
        yield
    finally:
        handle.remove()
