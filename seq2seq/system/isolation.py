"""Leave a process as a training found it, so that the next one in it starts from the same."""

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def restored(*, compiled: bool) -> Iterator[None]:
    """Inside, torch and the environment are a training's own; afterwards they are as before.

    That is: the number of threads, deterministic operations, cuDNN's choice of kernels, random
    states, what torch.compile has made, signal handlers, warning filters (so that each training
    gives its own warnings), the environment, and the group of processes with this one's rank in it,
    which Lightning leaves behind for the rest of the program.

    Args:
        compiled: whether torch.compile is used inside.
    """
    with ExitStack() as after:
        after.callback(torch.set_num_threads, torch.get_num_threads())
        after.callback(
            torch.use_deterministic_algorithms,
            torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        for owner, name in (
            (torch.backends.cudnn, "benchmark"),
            (torch.utils.deterministic, "fill_uninitialized_memory"),
        ):
            after.callback(setattr, owner, name, getattr(owner, name))
        after.callback(torch.set_rng_state, torch.get_rng_state())
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            after.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        if threading.current_thread() is threading.main_thread():  # no other may set them
            for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
                if number is not None and (handler := signal.getsignal(number)) is not None:
                    after.callback(signal.signal, number, handler)
        after.callback(set_environment, dict(os.environ))
        after.enter_context(warnings.catch_warnings())
        after.enter_context(one_process())
        if compiled:
            after.callback(torch.compiler.reset)
        yield


def set_environment(variables: dict[str, str]) -> None:
    """Make these all variables of the environment."""
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


@contextmanager
def one_process() -> Iterator[None]:
    """End the group of processes that is begun inside, and what Lightning remembers of it."""
    from lightning_fabric.utilities import rank_zero

    rank_zero_only: Any = rank_zero.rank_zero_only
    rank, begun = rank_zero_only.rank, in_a_group()
    try:
        yield
    finally:
        if in_a_group() and not begun:
            torch.distributed.destroy_process_group()
        rank_zero_only.rank = rank


def in_a_group() -> bool:
    """Whether this process is one of a group of torch's."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
