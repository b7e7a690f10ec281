"""Safe readers for untrusted run folders: only plain data, of limited size, inside the folder.

The files are JSON, and YAML without tags, which cannot run code; interpolations such as
${oc.env:HOME} are not resolved. Oversized files, YAML aliases, deep nesting and links that lead
out of the folder are refused.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from seq2seq.errors import UserError

MAX_YAML_BYTES = 1 << 18  # maximum size in bytes, a hundred times the size of a configuration
MAX_JSON_BYTES = 1 << 26


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that contains a mapping.

    Raises:
        UserError: it cannot be read, is too large, is damaged, or does not contain a mapping.
    """
    try:
        return _mapping(yaml.load(_text(path, MAX_YAML_BYTES), _Loader))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise _unreadable(path, error) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that contains a mapping.

    Raises:
        UserError: it cannot be read, is too large, is damaged, or does not contain a mapping.
    """
    try:
        return _mapping(json.loads(_text(path, MAX_JSON_BYTES), parse_int=_whole))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON Lines file of mappings; empty if there is no file.

    Raises:
        UserError: it cannot be read, is too large, or a line is not a mapping.
    """
    if not path.is_file():
        return []
    place, mappings = str(path), []
    try:
        for number, line in enumerate(_text(path, MAX_JSON_BYTES).splitlines(), 1):
            place = f"{path}, line {number},"
            mappings.append(_mapping(json.loads(line, parse_int=_whole)))
    except (ValueError, RecursionError) as error:
        raise _unreadable(place, error) from error
    return mappings


def refuse_outside_links(folder: Path, root: Path | None = None) -> None:
    """Check that a folder contains only files, folders, and links that stay inside a folder.

    A link to the outside could disclose another file as part of the run, or let a command overwrite
    one. The folder itself may be a link.

    Args:
        folder: the run folder.
        root: the folder that links may not leave; the run folder itself if None.

    Raises:
        UserError: there is such a link, or a special file; the message names it.
    """
    inside = Path(os.path.realpath(root or folder))
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent) / name
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                raise UserError(
                    f"{path} is a link to a place outside the run folder, which is not followed: "
                    "replace the link with the file itself"
                )
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                raise UserError(f"{path} is neither a file nor a folder: delete it")


class _Loader(yaml.SafeLoader):
    """SafeLoader that rejects aliases, which can expand to billions of items (a YAML bomb)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*NAME), which is not allowed")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: Any) -> int:
        return _whole(super().construct_yaml_int(node))


TAG = "tag:yaml.org,2002:"
_Loader.add_constructor(f"{TAG}int", _Loader.construct_yaml_int)
# What JSON has as well, for it is stored again there: a date is text, and the rest is refused.
for _kind in ("timestamp", "binary", "set", "omap", "pairs"):
    del _Loader.yaml_constructors[TAG + _kind]
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{TAG}timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def _whole(number: str | int) -> int:
    """Parse an integer, at most 64 bits: no run needs more, and Python may not print it."""
    value = int(number)
    if abs(value) >= 1 << 63:
        raise ValueError("it has an integer of more than 64 bits")
    return value


def _text(path: Path, most: int) -> str:
    if (size := path.stat().st_size) > most:
        raise ValueError(f"it has {size:,} bytes, but the maximum is {most:,}")
    return path.read_text("utf-8")


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError("it is not a mapping")
    return content


def _unreadable(place: Path | str, error: Exception) -> UserError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return UserError(f"{place} cannot be read: {' '.join(reason.split())}")
