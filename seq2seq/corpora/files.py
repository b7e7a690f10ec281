"""A user's own files, one for each language and split: PREFIX.en beside PREFIX.de."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from seq2seq.corpora.lines import Defect, Place, Report, missing, read_pairs
from seq2seq.corpora.places import LineNumbers
from seq2seq.corpora.segments import form_of, has_both_sides, segment_pairs
from seq2seq.corpora.splits import Keys, Splits
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.system.containers import SUFFIXES

PACKED = ("", *SUFFIXES)
MARKUP = (".xml", ".sgm", ".sgml")


class Files(Splits):
    """Two files a split, ROOT/PREFIX.LANGUAGE, plain or packed: line i with line i.

    Files with markup are known by their content: SGML and XML of WMT and IWSLT, and IWSLT's
    `train.tags`. They may end in .xml or .sgm after the language.

    Args:
        source: language translated from, the end of its files' names
        target: language translated into, the end of its files' names
        file: prefix of two files that are divided into all splits, or both names as SOURCE:TARGET
        train: prefix of the training files, or SOURCE:TARGET; null is train
        validation: prefix of the validation files; with data.file, pairs or a share such as 0.1
        tests: prefixes of the test sets' files, which are also their names; with data.file, sizes
    """

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__(**keys)
        self._lines: dict[str, tuple[LineNumbers, LineNumbers]] = {}

    def paths(self, split: str) -> tuple[Path, Path]:
        """The files of the source and the target side."""
        folder = Path(self.root).expanduser()
        return both_sides(folder, self.part(split), self.source, self.target)

    def name(self, part: str) -> str:
        """The prefix without its folder; of two names, the first."""
        return Path(part.partition(":")[0]).name

    def stream(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream line (or segment) i of one side with that of the other, as far as both go."""
        paths = self.paths(split)
        self._lines.pop(self.part(split), None)
        if form_of(paths[0]) == form_of(paths[1]) == "plain":
            yield from read_pairs(*paths, report)
            return
        numbers = self._lines[self.part(split)] = LineNumbers(), LineNumbers()
        for lines, pair in segment_pairs(paths, (self.source, self.target), report):
            for number, line in zip(numbers, lines, strict=True):
                number.append(line)
            yield pair

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """Both files, and the languages, which choose a side where one file has both."""
        return (*self.paths(split), self.source, self.target)

    def line(self, split: str, row: int, side: int) -> Place:
        """The line in the side's own file."""
        numbers = self._lines.get(self.part(split))
        return Place(self.paths(split)[side].name, numbers[side][row] if numbers else row + 1)

    def describe(self) -> list[str]:
        """How one file was divided, and which of several references is read."""
        lines = super().describe()
        for split in self.splits:
            paths = self.paths(split)
            if not {form_of(path) for path in paths} & {"xml", "sgml"}:
                continue
            noted: list[Defect] = []
            for _ in segment_pairs(paths, (self.source, self.target), noted.append):
                pass
            lines += [
                f"references: {defect.place.file} has several from line {defect.place.line} on; "
                f"the first of each document is {split}"
                for defect in noted
                if defect.kind == "several references"
            ]
        return lines

    def where(self, split: str) -> str:
        """Both files."""
        source, target = self.paths(split)
        return f"{source} and {target}" if source != target else f"{source}"


def both_sides(folder: Path, part: str, source: str, target: str) -> tuple[Path, Path]:
    """The two files that a prefix, the name of one of them, or SOURCE:TARGET means.

    Raises:
        UserError: they are not there, or in two forms.
    """
    found = [
        side(folder, (f"{part}.{source}", f"{part}-src.{source}")),
        side(folder, (f"{part}.{target}", f"{part}-ref.{target}")),
    ]
    if found[0] and found[1]:
        return found[0], found[1]
    if not any(found):
        if ":" in part:
            left, _, right = part.partition(":")
            return existing(folder / left), existing(folder / right)
        if both := side(folder, (part,)):
            if has_both_sides(both):
                return both, both
            for own, other in ((source, target), (target, source)):
                pattern = rf"(.*[.-]){re.escape(own)}((?:[.]\w+)*)"
                if not (match := re.fullmatch(pattern, both.name)):
                    continue
                stem = match[1]
                if own == source:
                    stem = stem.replace("-src.", "-ref.")
                else:
                    stem = stem.replace("-ref.", "-src.")
                twin = existing(folder / Path(part).parent / f"{stem}{other}{match[2]}")
                return (both, twin) if own == source else (twin, both)
            if form_of(both) != "plain":
                return both, both
    raise missing(folder / f"{part}.{target if found[0] else source}")


def side(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The file of one of these names, as it is or with an ending of markup or of packing.

    Raises:
        UserError: there are several.
    """
    endings = [f"{markup}{packed}" for markup in ("", *MARKUP) for packed in PACKED]
    paths = [folder / f"{name}{ending}" for name in names for ending in endings]
    there = [path for path in paths if path.exists()]
    if len(there) > 1:
        raise UserError(f"there are both {there[0]} and {there[1].name}: remove one of them")
    return there[0] if there else None


def existing(path: Path) -> Path:
    """The path of a file that is there.

    Raises:
        UserError: it is not.
    """
    if not path.exists():
        raise missing(path)
    return path
