"""Where an adopted model comes from: its files, its license and the program that wrote it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from seq2seq.runs.untrusted import read_json
from seq2seq.system.files import sha256

CARD = "README.md"
LONGEST_CARD = 1 << 20  # bytes


def origin(folder: Path, files: Iterable[Path], kind: str) -> dict[str, Any]:
    """Return the field of run.json that describes the origin of an adopted model.

    Args:
        folder: the folder of the model.
        files: the files that were read.
        kind: the kind of model: marian or m2m100.
    """
    version = read_json(folder / "config.json").get("transformers_version")
    return {
        "kind": kind,
        "folder": folder.resolve().name,
        "license": license_of(folder),
        "transformers": version if isinstance(version, str) else None,
        "sha256": {file.name: sha256(file) for file in sorted(files)},
    }


def license_of(folder: Path) -> str | None:
    """Return the license in the header of the model card; None if it states none."""
    card = folder / CARD
    if not card.is_file() or card.stat().st_size > LONGEST_CARD:
        return None
    lines = card.read_text("utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return None
    header = lines[1 : lines.index("---", 1)]
    # The header is not parsed as a whole, because cards often are not valid YAML.
    for line in header:
        key, colon, value = line.partition(":")
        if colon and key == "license":
            try:
                parsed = yaml.safe_load(value)
            except yaml.YAMLError:
                return None
            return parsed if isinstance(parsed, str) else None
    return None
