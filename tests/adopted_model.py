"""What tests of adopted models share: gold links of a test set, and damaged model folders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from seq2seq.alignment.gold import Gold, Links


def diagonal(folder: Path) -> list[Gold]:
    """Link the first words of each pair of a test set."""
    links = Links(frozenset({(0, 0)}), frozenset({(1, 1)}))
    sides = (
        (folder / f"{side}.txt").read_text("utf-8").splitlines() for side in ("source", "reference")
    )
    return [Gold(s.split(), t.split(), links) for s, t in zip(*sides, strict=True)]


def rewritten(file: str, **keys: Any) -> Callable[[Path], None]:
    """Return a function that changes keys of a JSON file; None removes one."""

    def change(folder: Path) -> None:
        content = json.loads((folder / file).read_text()) | keys
        content = {key: value for key, value in content.items() if value is not None}
        (folder / file).write_text(json.dumps(content))

    return change


def without(*files: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for file in files:
            (folder / file).unlink()

    return change


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def in_parts(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")


def truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return apply


def nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.encoder.layers.1.fc2.weight"][0, 0] = float("nan")
