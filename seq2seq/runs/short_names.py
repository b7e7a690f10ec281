"""Names of run folders in figures, reports and on the page."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from seq2seq.errors import UserError


def short_names(paths: Iterable[Path]) -> list[str]:
    """Return the shortest end of each path that no other path has.

    Raises:
        UserError: a run is given twice.
    """
    resolved = [path.resolve() for path in paths]
    for path, times in Counter(resolved).items():
        if times > 1:
            raise UserError(f"the run {path.name!r} is given {times} times: give it once")

    def end(path: Path, parts: int) -> str:
        return "/".join(path.parts[-parts:])

    names = []
    for path in resolved:
        parts = 1
        while sum(end(other, parts) == end(path, parts) for other in resolved) > 1:
            parts += 1
        names.append(end(path, parts))
    return names
