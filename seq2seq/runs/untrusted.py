"""Reading a run folder that a stranger may have made: plain data, of bearable size, inside it.

The files are JSON and YAML without tags, which hold values and nothing to run; interpolations such
as ${oc.env:HOME} are text to these readers. What else such a file could do is refused here.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from seq2seq.errors import UserError

MOST_YAML = 1 << 18  # bytes: a hundred times what a configuration needs
MOST_JSON = 1 << 26


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: it cannot be read, is too large, is damaged, or holds something else.
    """
    try:
        return _mapping(yaml.load(_text(path, MOST_YAML), _Loader))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise _unreadable(path, error) from error


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        UserError: it cannot be read, is too large, is damaged, or holds something else.
    """
    try:
        return _mapping(json.loads(_text(path, MOST_JSON), parse_int=_whole))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The mappings in a file of one JSON value a line; none where there is no file.

    Raises:
        UserError: it cannot be read, is too large, or a line is something else.
    """
    if not path.is_file():
        return []
    place, found = str(path), []
    try:
        for number, line in enumerate(_text(path, MOST_JSON).splitlines(), 1):
            place = f"{path}, line {number},"
            found.append(_mapping(json.loads(line, parse_int=_whole)))
    except (ValueError, RecursionError) as error:
        raise _unreadable(place, error) from error
    return found


def refuse_outside_links(folder: Path) -> None:
    """Refuse a folder that a link leads out of, or that has what is neither file nor folder.

    What is read through such a link would be shown as the run's own, and what is written through
    one would land elsewhere. The folder itself may be a link.

    Raises:
        UserError: there is such a thing; the sentence names it.
    """
    home = Path(os.path.realpath(folder))
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent) / name
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
                raise UserError(
                    f"{path} is a link to outside of its run folder, which is not followed: "
                    "put the file itself there"
                )
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                raise UserError(f"{path} is neither a file nor a folder: a run has no such thing")


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases, with which a few lines become billions of items (a YAML bomb)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*NAME), and no run is written with one")
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
    """A whole number of 64 bits: no size is larger, and Python will not print the largest."""
    value = int(number)
    if abs(value) >= 1 << 63:
        raise ValueError("it has a whole number of more than 64 bits")
    return value


def _text(path: Path, most: int) -> str:
    if (size := path.stat().st_size) > most:
        raise ValueError(f"it has {size:,} bytes, and {most:,} are more than any run needs")
    return path.read_text("utf-8")


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError("it is no mapping")
    return content


def _unreadable(place: Path | str, error: Exception) -> UserError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return UserError(f"{place} cannot be read: {' '.join(reason.split())}")
