"""Lightning Fabric; the only module that imports it.

Lightning imports torch's compiler (`torch._dynamo`), which takes as long to import as the rest of
torch, for one class: `torch.compile` returns a module of the class `OptimizedModule`, and Lightning
asks of each module whether it is one. While Lightning is imported, a stand-in takes the place of
the compiler; its class asks the compiler itself, once that has been imported.
"""

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import torch  # noqa: F401  (first, because parts of torch could import the compiler)

COMPILER = "torch._dynamo"


class KnownToCompiler(type):
    """Metaclass of `OptimizedModule` below."""

    def __instancecheck__(cls, instance: Any) -> bool:
        """Whether the compiler returned this object, which it cannot have before its import."""
        compiler = sys.modules.get(COMPILER)
        return compiler is not None and isinstance(instance, compiler.OptimizedModule)


class OptimizedModule(metaclass=KnownToCompiler):
    """Stand-in for the class of the modules that `torch.compile` returns."""


@contextlib.contextmanager
def without_compiler() -> Iterator[None]:
    """Context manager in which `from torch._dynamo import OptimizedModule` gets the stand-in.

    It has no effect if the compiler has been imported already.
    """
    if COMPILER in sys.modules:
        yield
        return
    stand_in: Any = ModuleType(COMPILER)
    stand_in.OptimizedModule = OptimizedModule
    sys.modules[COMPILER] = stand_in
    try:
        yield
    finally:
        sys.modules.pop(COMPILER, None)


def import_without_compiler(name: str) -> None:
    """Import a module, without torch's compiler if it needs no more of it than the stand-in has.

    If it needs more, the import with the stand-in fails, and it is repeated with the compiler.
    """
    with contextlib.suppress(ImportError, AttributeError), without_compiler():
        import_module(name)
        return
    import_module(name)


import_without_compiler("lightning_fabric")

from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.environments.cluster_environment import (
    ClusterEnvironment,
)
from lightning_fabric.plugins.environments.lightning import (
    LightningEnvironment,
    find_free_network_port,
)
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only

__all__ = [
    "ClusterEnvironment",
    "Fabric",
    "LightningEnvironment",
    "Logger",
    "SLURMEnvironment",
    "TensorBoardLogger",
    "TorchElasticEnvironment",
    "find_free_network_port",
    "rank_zero_only",
]
