"""Parallel files, one per language and split: PREFIX.en and PREFIX.de."""

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
    """Two files per split, ROOT/PREFIX.LANGUAGE, plain or compressed, aligned line by line.

    Files with markup are recognized by their content: SGML and XML of WMT and IWSLT, and IWSLT's
    `train.tags`. Their names may end in .xml or .sgm after the language.

    Args:
        source: language translated from, the suffix of its files
        target: language translated into, the suffix of its files
        file: prefix of two files that are divided into all splits, or both names as SOURCE:TARGET
        train: prefix of the training files, or SOURCE:TARGET; null is train
        validation: prefix of the validation files; with data.file, pairs or a share such as 0.1
        tests: prefixes of the test files, also the test set names; with data.file, sizes
    """

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__(**keys)
        self._lines: dict[str, tuple[LineNumbers, LineNumbers]] = {}

    def paths(self, split: str) -> tuple[Path, Path]:
        """Return the files of the source and the target side."""
        folder = Path(self.root).expanduser()
        return both_sides(folder, self.part(split), self.source, self.target)

    def name(self, part: str) -> str:
        """Return the prefix without its folder (for SOURCE:TARGET, the name of the source)."""
        return Path(part.partition(":")[0]).name

    def stream(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream line (or segment) i of both sides, up to the end of the shorter side."""
        paths = self.paths(split)
        self._lines.pop(self.part(split), None)
        plain = form_of(paths[0]) == form_of(paths[1]) == "plain"
        if plain and paths[0] == paths[1]:
            raise UserError(
                f"both sides are {paths[0]}: name two files as SOURCE:TARGET, or set data.source "
                "and data.target to the suffixes of two files"
            )
        if plain:
            yield from read_pairs(*paths, report)
            return
        numbers = self._lines[self.part(split)] = LineNumbers(), LineNumbers()
        for lines, pair in segment_pairs(paths, (self.source, self.target), report):
            for number, line in zip(numbers, lines, strict=True):
                number.append(line)
            yield pair

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """Return both files, and the languages, which select a side if one file has both."""
        return (*self.paths(split), self.source, self.target)

    def line(self, split: str, row: int, side: int) -> Place:
        """Return the line in the file of that side."""
        numbers = self._lines.get(self.part(split))
        return Place(self.paths(split)[side].name, numbers[side][row] if numbers else row + 1)

    def describe(self) -> list[str]:
        """Describe how one file was divided, and which of several references is read."""
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
                f"{split} uses the first of each document"
                for defect in noted
                if defect.kind == "several references"
            ]
        return lines

    def where(self, split: str) -> str:
        """Return the names of both files."""
        source, target = self.paths(split)
        return f"{source} and {target}" if source != target else f"{source}"


def both_sides(folder: Path, part: str, source: str, target: str) -> tuple[Path, Path]:
    """Find the two files for a prefix, the name of one of them, or SOURCE:TARGET.

    Raises:
        UserError: a file is missing, or exists in two forms.
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
                counterpart = existing(folder / Path(part).parent / f"{stem}{other}{match[2]}")
                return (both, counterpart) if own == source else (counterpart, both)
            if form_of(both) != "plain":
                return both, both
    raise missing(folder / f"{part}.{target if found[0] else source}")


def side(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Find the file with one of these names, with or without a markup or compression suffix.

    Raises:
        UserError: there are several such files.
    """
    endings = [f"{markup}{packed}" for markup in ("", *MARKUP) for packed in PACKED]
    paths = [folder / f"{name}{ending}" for name in names for ending in endings]
    there = [path for path in paths if path.exists()]
    if len(there) > 1:
        raise UserError(f"there are both {there[0]} and {there[1].name}: remove one of them")
    return there[0] if there else None


def existing(path: Path) -> Path:
    """Return the path if the file exists.

    Raises:
        UserError: the file does not exist.
    """
    if not path.exists():
        raise missing(path)
    return path
