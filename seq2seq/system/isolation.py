"""Restore process-wide settings after a training, so that the next one is not affected."""

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
    """Restore process-wide settings of torch and Python on exit.

    These are: the number of threads, deterministic operations, cudnn.benchmark, TF32, random
    states, compiled code of torch.compile, signal handlers, warning filters (so that each training
    issues its own warnings), environment variables, and the process group and rank, which Lightning
    does not reset.

    Args:
        compiled: whether torch.compile is used inside the context.
    """
    with ExitStack() as after:
        after.callback(torch.set_num_threads, torch.get_num_threads())
        after.callback(torch.set_deterministic_debug_mode, torch.get_deterministic_debug_mode())
        for owner, name in (
            (torch.backends.cudnn, "benchmark"),
            (torch.utils.deterministic, "fill_uninitialized_memory"),
        ):
            after.callback(setattr, owner, name, getattr(owner, name))
        if torch.cuda.is_available():
            after.enter_context(tf32_restored())
        after.callback(torch.set_rng_state, torch.get_rng_state())
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            after.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        if threading.current_thread() is threading.main_thread():  # others cannot set handlers
            for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
                if number is not None and (handler := signal.getsignal(number)) is not None:
                    after.callback(signal.signal, number, handler)
        after.callback(set_environment, dict(os.environ))
        after.enter_context(warnings.catch_warnings())
        after.enter_context(one_process())
        if compiled:
            after.callback(torch.compiler.reset)
            # As above, but also for the compiler, which this function imports.
            after.callback(
                torch.use_deterministic_algorithms,
                torch.are_deterministic_algorithms_enabled(),
                warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
            )
        yield


@contextmanager
def tf32_restored() -> Iterator[None]:
    """Restore whether products of float32 matrices may use TensorFloat-32."""
    with warnings.catch_warnings():  # some versions of torch announce other names of both
        warnings.simplefilter("ignore")
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]


def set_environment(variables: dict[str, str]) -> None:
    """Set the environment to exactly these variables."""
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


@contextmanager
def one_process() -> Iterator[None]:
    """Destroy a process group created inside the context, and restore Lightning's rank."""
    from seq2seq.system import lightning

    rank_zero_only: Any = lightning.rank_zero_only
    rank, existed = rank_zero_only.rank, has_process_group()
    try:
        yield
    finally:
        if has_process_group() and not existed:
            torch.distributed.destroy_process_group()
        rank_zero_only.rank = rank


def has_process_group() -> bool:
    """Whether torch.distributed is initialized in this process."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
