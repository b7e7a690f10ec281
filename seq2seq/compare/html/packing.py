"""Pack the maps of a page into compressed blocks of lines, of limited size in all."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zlib import compress

from jaxtyping import UInt8
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import WordAttention
from seq2seq.runs.stored_vectors import MethodMap
from seq2seq.system.console import track

CHUNK = 50  # lines per compressed block; a block is unpacked when first needed
MAX_WORDS = 1000  # maximum number of words per side of a heatmap in the page
MAX_BYTES = 1 << 25  # maximum size of all blocks of maps

File = tuple[int, int, Path]  # indices of test set and run, and the file of attention
Place = tuple[int, int]  # indices of test set and line


class Packed(NamedTuple):
    """The maps of one run on one test set.

    Attributes:
        maps: the names of the maps of self-attention.
        methods: the names of the methods.
        chunks: the blocks.
        cells: the number of values of each line.
        dropped: the number of lines that have maps but are left out.
    """

    maps: list[str]
    methods: list[str]
    chunks: list[str]
    cells: list[int]
    dropped: int = 0

    @property
    def size(self) -> int:
        """The size of the blocks in bytes."""
        return sum(map(len, self.chunks))


def fitting(files: Sequence[File], tests: Sequence[Mapping[str, Any]]) -> list[Packed]:
    """Pack the maps of all files; if they are too large, only those of some lines.

    The lines on which the scores of the runs differ most are kept.

    Args:
        files: the files.
        tests: the data of the test sets, with the scores of the lines.
    """
    work = "packing attention"
    found = [
        packed(file, tests[t]["lines"])
        for t, _, file in track(files, work, total=len(files), unit="files")
    ]
    size = sum(one.size for one in found)
    if size <= MAX_BYTES:
        return found
    cells: Counter[Place] = Counter()
    for (t, _, _), one in zip(files, found, strict=True):
        cells.update({(t, line): count for line, count in enumerate(one.cells) if count})
    # Compressed sizes are known only of blocks; that of a line is taken to be proportional.
    room = sum(cells.values()) * MAX_BYTES / size
    kept: set[Place] = set()
    for place in sorted(cells, key=lambda place: (-interest(tests[place[0]], place[1]), place)):
        room -= cells[place]
        if room >= 0:
            kept.add(place)
    return [
        packed(file, tests[t]["lines"], {line for test, line in kept if test == t})
        for t, _, file in track(files, work, total=len(files), unit="files")
    ]


def interest(test: Mapping[str, Any], line: int) -> float:
    """Return by how much the scores of the runs differ on a line; of one run, how bad it is."""
    scores = [output["score"][line] for output in test["outputs"].values()]
    return max(scores) - min(scores) if len(scores) > 1 else -sum(scores)


def too_large(dropped: int, lines: int, *, alone: bool) -> str:
    """Return a note on lines whose maps are left out; `alone` if there is one run only."""
    which = "with the highest scores" if alone else "on which the scores of the runs differ least"
    return (
        f"Heatmaps of {dropped:,} of {lines:,} lines are left out, since all of them would need "
        f"more than {MAX_BYTES >> 20} MiB: those {which}."
    )


def packed(path: Path, lines: int, kept: Collection[int] | None = None) -> Packed:
    """Read the maps of one run on one test set and compress them in blocks of CHUNK lines.

    Maps of more than MAX_WORDS words per side are left out; the page says so in their place.

    Args:
        path: the file of attention.
        lines: the number of lines of the test set.
        kept: the lines whose maps are packed; all if None.

    Raises:
        UserError: the file is damaged or of another test set.
    """
    attention = stored_attention.read(path)
    if len(attention) != lines:
        raise UserError(
            f"{path} has {len(attention)} lines but the test set has {lines}: "
            "run `seq2seq evaluate` again"
        )
    names = {name: None for line in attention for name in line.maps}
    methods = {stored_attention.method_of(path): None}
    methods |= {name: None for line in attention for name in line.methods}
    cells = [cells_of(line) for line in attention]
    left_out = {n for n, count in enumerate(cells) if count and kept is not None and n not in kept}
    entries = (None if n in left_out else _entry(line) for n, line in enumerate(attention))
    return Packed(list(names), list(methods), chunks_of(entries), cells, len(left_out))


def cells_of(line: WordAttention) -> int:
    """Return the number of values of all maps of a line that are small enough for the page."""
    matrices = [
        line.weights,
        *(one.weights for one in line.maps.values()),
        *(one.values for one in line.methods.values()),
    ]
    return sum(one.size for one in matrices if max(one.shape) <= MAX_WORDS)


def _entry(line: WordAttention) -> tuple[Any, ...]:
    """Return the words and maps of one line for JSON."""
    maps = {
        name: (one.rows, one.columns, _values(one.weights), one.border)
        for name, one in line.maps.items()
    }
    methods = {name: _method(one) for name, one in line.methods.items()}
    return line.source, line.target, _values(line.weights), maps, methods


def _method(one: MethodMap) -> tuple[Any, ...]:
    """Return the rows, values and limit of the map of a method; signed values are around 0."""
    values = _values(one.values)
    if one.limit is not None and values is not None:
        values = [value - 128 for value in values]
    return one.rows, values, one.limit


def _values(weights: UInt8[ndarray, "rows columns"]) -> list[int] | None:
    """Return the elements of a matrix row by row; None if it has more than MAX_WORDS per side."""
    return weights.ravel().tolist() if max(weights.shape) <= MAX_WORDS else None


def chunks_of(entries: Iterator[Any] | Sequence[Any]) -> list[str]:
    """Compress the data of lines in blocks of CHUNK lines."""
    lines, chunks = iter(entries), []
    while some := list(islice(lines, CHUNK)):
        chunks.append(pack(json.dumps(some, separators=(",", ":"))))
    return chunks


def pack(text: str) -> str:
    """Compress a text for `unpack` in dom.js."""
    return b64encode(compress(text.encode())).decode()
