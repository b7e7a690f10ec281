"""What makes the host wait for a GPU, noticed on a CPU."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seq2seq.settings import config_files

aten: Any = torch.ops.aten
READS = {"cpu", "tolist", "item", "numpy", "nonzero", "__bool__", "__int__", "__float__"}
COPIES = {"tensor", "as_tensor", "asarray", "from_numpy", "cuda"}  # from pageable memory, waiting
COUNTS = {aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten._unique2, aten.equal}


BY_GRADIENTS = [name for name in config_files.model_names() if name != "word_for_word"]


def cases(settings: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return all models that learn by gradients with their defaults, and with these settings."""
    varied = [(name, words) for name, several in settings.items() for words in several]
    return [(name, "") for name in BY_GRADIENTS] + varied


def caller() -> str:
    """Return the place in the package, or else in torch, that called last."""
    own = [one for one in traceback.extract_stack() if "/tests/" not in one.filename]
    package = [one for one in own if "/seq2seq/" in one.filename]
    last = (package or own)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


class HostTensors:
    """The tensors that are in the memory of the CPU on every device: given ones, and what follows.

    On a CPU all tensors are there, so these are known by their origin.
    """

    def __init__(self, given: Sequence[Tensor]) -> None:
        self.known = WeakValueDictionary({id(one): one for one in given})

    def __contains__(self, one: Tensor) -> bool:
        return self.known.get(id(one)) is one

    def moved(self, one: Tensor) -> Tensor:
        copy = one.clone()
        self.known.pop(id(copy), None)
        return copy

    def add_results(self, arguments: Sequence[Any], results: Any) -> None:
        tensors = [one for one in arguments if isinstance(one, Tensor)]
        if tensors and all(one in self for one in tensors):
            for one in tree_leaves(results):
                if isinstance(one, Tensor):
                    self.known[id(one)] = one


class NoCalls(TorchFunctionMode):
    """Record the calls of torch that would make the host wait for a GPU."""

    def __init__(self, host: HostTensors, waits: list[str]) -> None:
        super().__init__()
        self.host, self.waits = host, waits

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name, leaves = getattr(func, "__name__", ""), tree_leaves((args, kwargs))
        result = func(*args, **kwargs)
        on_device = any(isinstance(one, Tensor) and one not in self.host for one in leaves)
        moves = name == "to" and any(isinstance(one, torch.device | str) for one in leaves)
        if (name in READS and on_device) or (name in COPIES and "device" in kwargs):
            self.waits.append(f"{name} at {caller()}")
        elif name in COPIES:
            self.host.known[id(result)] = result
        elif moves and any(isinstance(one, str) and one == "cpu" for one in leaves):
            self.waits.append(f"{name}('cpu') at {caller()}")
        elif moves and args[0] in self.host:
            if not kwargs.get("non_blocking"):
                self.waits.append(f"to without non_blocking at {caller()}")
            # On a CPU `to` returns its argument. The copy on a GPU is no longer on the host.
            return self.host.moved(args[0])
        self.host.add_results(leaves, result)
        return result


class NoOperations(TorchDispatchMode):
    """Record the operations, of any caller, whose result the host must have to continue."""

    def __init__(self, host: HostTensors, waits: list[str]) -> None:
        super().__init__()
        self.host, self.waits = host, waits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = tree_leaves((args, kwargs or {}))
        tensors = [one for one in leaves if isinstance(one, Tensor)]
        packet = func.overloadpacket
        if packet in COUNTS and not all(one in self.host for one in tensors):
            self.waits.append(f"{func} at {caller()}")
        if packet in (aten.index, aten.index_put, aten.index_put_) and any(
            one.dtype in (torch.bool, torch.uint8) for one in tensors[1:]
        ):
            self.waits.append(f"{func} with a mask at {caller()}")
        result = func(*args, **(kwargs or {}))
        self.host.add_results(leaves, result)
        if packet is aten._pack_padded_sequence:  # the numbers of rows at each time step
            self.host.known[id(result[1])] = result[1]
        return result


def waits_of(work: Callable[[], Any], host: Sequence[Tensor] = ()) -> list[str]:
    """Return what in this work would make the host wait for a GPU.

    Args:
        work: calls torch.
        host: tensors that are in the memory of the CPU on every device.
    """
    known, found = HostTensors(host), list[str]()
    with NoOperations(known, found), NoCalls(known, found):
        work()
    return found
