"""What was read of files from end to end, remembered for as long as they do not change.

A file that has changed shows it by its number, its size or its times, of which the system keeps
one that nobody can set back. Only a file that changed a moment ago could change once more within
one tick of that clock: it is not relied on yet (as in git, which calls such files racily clean).
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.corpora.cache import cache_folder, replacing
from seq2seq.system import containers, text_lines

SETTLED = 2.0  # seconds since the last change; the coarsest clock in use ticks that often


class Content(NamedTuple):
    """What tells the pairs of a split from others, whatever files they came from."""

    sha256: str
    pairs: int  # so many


def remembered(origin: Sequence[Path | str], read: Callable[[], Content]) -> Content:
    """What `read` gives, which reads only where that is not known.

    Args:
        origin: the files that it reads, and words for how; nothing is remembered without files.
        read: reads them from end to end.
    """
    before = stamp(origin)
    path = cache_folder() / "known" / f"{before}.json"
    if before and (known := recall(path)):
        return Content(**known)
    found = read()
    if before and stamp(origin) == before:
        note(path, found._asdict())
    return found


def recall(path: Path) -> dict[str, Any] | None:
    """What was noted in a file of the cache; None where nothing was, or not to be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    except (OSError, ValueError):
        return None


def note(path: Path, facts: Mapping[str, Any]) -> None:
    """Write into a file of the cache what is to be recalled."""
    with replacing(path) as file:
        file.write(json.dumps(facts).encode())


def stamp(origin: Sequence[Path | str]) -> str | None:
    """A hash of how files are, of some words, and of the code that reads them; None if in doubt."""
    files = [part for part in origin if isinstance(part, Path)]
    try:
        stats = [file.stat() for file in files]
    except OSError:  # which the reader will explain
        return None
    if not stats or time.time() - max(stat.st_ctime for stat in stats) < SETTLED:
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
