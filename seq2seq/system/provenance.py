"""What a number comes from: versions, commit, machine."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seq2seq.version import __version__

if TYPE_CHECKING:
    pass

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


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    found = {"python": platform.python_version(), "seq2seq": __version__}
    for library in LIBRARIES:
        found[library] = importlib.metadata.version(library)
    return found


def commit() -> str | None:
    """The commit of this package's source, `+changes` if edited; None outside a git checkout."""
    home = Path(__file__).parents[2]
    if not (home / ".git").exists():  # an installed package inside somebody else's repository
        return None
    try:
        head = git(home, "rev-parse", "HEAD").strip()
        return head + ("+changes" if git(home, "status", "--porcelain", "--", "seq2seq") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def git(home: Path, *words: str) -> str:
    """What a git command prints."""
    return subprocess.run(
        ["git", "-C", str(home), *words], capture_output=True, text=True, check=True
    ).stdout


def machine() -> dict[str, Any]:
    """Where the numbers were made: no host name, no user."""
    found = {
        "system": platform.system(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
