"""Map rows of a table to lines of files, where records may span lines."""

from array import array
from bisect import bisect_right

from seq2seq.system.text_lines import Place


class LineNumbers:
    """The line of each row, stored compactly for rows on mostly consecutive lines."""

    def __init__(self) -> None:
        self._count = 0
        self._rows, self._shifts = array("q", [0]), array("q", [1])

    def append(self, line: int) -> None:
        """Add the next row, which begins at this line."""
        if (shift := line - self._count) != self._shifts[-1]:
            self._rows.append(self._count)
            self._shifts.append(shift)
        self._count += 1

    def __getitem__(self, row: int) -> int:
        return row + self._shifts[bisect_right(self._rows, row) - 1]


class Places:
    """File and line of each row, stored compactly for rows on mostly consecutive lines."""

    def __init__(self) -> None:
        self._files: list[tuple[int, str, LineNumbers]] = []  # with the first row of each
        self._count = 0

    def append(self, file: str, line: int) -> None:
        """Add the next row, which begins at this line of this file."""
        if not self._files or self._files[-1][1] != file:
            self._files.append((self._count, file, LineNumbers()))
        self._files[-1][2].append(line)
        self._count += 1

    def __getitem__(self, row: int) -> Place:
        first, file, lines = next(one for one in reversed(self._files) if one[0] <= row)
        return Place(file, lines[row - first])
