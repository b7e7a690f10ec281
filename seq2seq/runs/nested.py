"""Access to nested mappings that were read from the files of a run folder."""

from collections.abc import Mapping
from typing import Any


def section(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping at `key`; empty if it is missing or not a mapping."""
    part = mapping.get(key)
    return part if isinstance(part, dict) else {}


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys and their values, such as `model.dim`."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
