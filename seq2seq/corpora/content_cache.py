"""Cache facts that require reading whole files, for as long as the files do not change.

A changed file is detected by its inode, size, mtime or ctime; ctime cannot be set back by a
program. A file that changed a moment ago may change again within the same clock tick, so facts
about it are not cached yet (git calls such files "racily clean").
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.corpora.cache import cache_folder, replacing
from seq2seq.system import containers, text_lines

SETTLED = 2.0  # seconds since the last change: the resolution of the coarsest file system clocks


class Content(NamedTuple):
    """Hash and number of the pairs of a split, independent of the files they came from."""

    sha256: str
    pairs: int


def cached_content(
    origin: Sequence[Path | str], read: Callable[[], Content], *, pinned: bool = False
) -> Content:
    """Return the result of `read`, from the cache if the files have not changed.

    Args:
        origin: the files that `read` reads and the settings that affect it; nothing is cached if
            there are no files.
        read: function that reads the files.
        pinned: whether addresses in `origin` name content that never changes.
    """
    before = state_hash(origin, pinned=pinned)
    path = cache_folder() / "known" / f"{before}.json"
    if before and (known := read_cached(path)):
        return Content(**known)
    found = read()
    if before and state_hash(origin, pinned=pinned) == before:
        write_cached(path, found._asdict())
    return found


def read_cached(path: Path) -> dict[str, Any] | None:
    """Read the facts in a cache file; None if it is missing or unreadable."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    except (OSError, ValueError):
        return None


def write_cached(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts to a cache file."""
    with replacing(path) as file:
        file.write(json.dumps(facts).encode())


def state_hash(origin: Sequence[Path | str], *, pinned: bool = False) -> str | None:
    """Hash the state of files, settings, and the code that reads the files.

    Returns:
        The hash; None if there are no files (unless the origin is `pinned`), one is missing, or one
        changed a moment ago.
    """
    files = [part for part in origin if isinstance(part, Path)]
    try:
        stats = [file.stat() for file in files]
    except OSError:  # the reader reports it
        return None
    if not (stats or pinned):
        return None
    if time.time() - max((stat.st_ctime for stat in stats), default=0) < SETTLED:
        return None
    places = [str(part.absolute()) if isinstance(part, Path) else part for part in origin]
    states = [
        (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        for stat in stats
    ]
    digest = hashlib.sha256(repr((places, states)).encode())
    below = (Path(str(module.__file__)) for module in (containers, text_lines))
    for code in [*sorted(Path(__file__).parent.glob("*.py")), *below]:
        digest.update(code.read_bytes())
    return digest.hexdigest()
