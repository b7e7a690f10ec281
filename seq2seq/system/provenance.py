"""Provenance of results: library versions, commit, machine, time."""

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

from seq2seq.version import __version__

LIBRARIES = (
    "torch",
    "lightning-fabric",
    "sentencepiece",
    "sacrebleu",
    "datasets",
    "numpy",
    "hydra-core",
    "safetensors",
)


def environment() -> dict[str, Any]:
    """The software and hardware in use, as stored with each result: versions, commit, machine."""
    return {"versions": versions(), "commit": commit(), "machine": machine()}


def timestamp() -> str:
    """The local time in seconds with its offset from UTC, in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def versions() -> dict[str, str]:
    """The versions of Python, this package and its dependencies."""
    result = {"python": platform.python_version(), "seq2seq": __version__}
    for library in LIBRARIES:
        result[library] = importlib.metadata.version(library)
    return result


def commit() -> str | None:
    """The git commit of this package, with `+changes` if modified; None outside a git checkout."""
    home = Path(__file__).parents[2]
    if not (home / ".git").exists():  # e.g. a package installed inside another repository
        return None
    try:
        head = git(home, "rev-parse", "HEAD").strip()
        return head + ("+changes" if git(home, "status", "--porcelain", "--", "seq2seq") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def git(folder: Path, *args: str) -> str:
    """Run a git command and return its output."""
    return subprocess.run(
        ["git", "-C", str(folder), *args], capture_output=True, text=True, check=True
    ).stdout


def machine() -> dict[str, Any]:
    """A description of the hardware, without host name and user."""
    result = {
        "system": platform.system(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        result["gpu"] = torch.cuda.get_device_name()
    return result


def processor() -> str:
    """The name of the processor, as reported by the system."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
