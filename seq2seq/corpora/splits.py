"""File-based corpora: one file (or two) per split, or one file that is divided into splits.

Subclasses read files; this module decides which pairs of a file belong to a split.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.base import Corpus, Pair, by_name
from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.content_cache import read_cached, state_hash, write_cached
from seq2seq.corpora.cut import MAX_SPLITS, Cut, Size, cut
from seq2seq.corpora.first_pairs import first_pairs
from seq2seq.corpora.lines import Defect, Place, Report, refuse
from seq2seq.errors import UserError
from seq2seq.settings.ranges import Default, Folder, Positive

USUAL_PAIRS, USUAL_SHARE = 1000, 0.05  # default size of a split: the smaller of the two


class Keys(TypedDict):
    """The configuration keys of every file-based corpus.

    Args:
        source: language translated from
        target: language translated into
        root: folder of the files; with data.file, null is the working directory
        file: one file (for data=files a pair of files) that is divided into all splits
        train: training file; null is train with the default extension
        validation: validation file; with data.file, its size: pairs, or a share such as 0.1
        tests: test files, which also name the test sets; with data.file, their sizes
        split_seed: with data.file, seed of the split; null is 1
        train_pairs: train on the first pairs only, this many; null is all
        max_length: longest pair to train on, in pieces per side
        tokenized: true if the text is already tokenized; tokenized BLEU is then reported too
    """

    source: str
    target: str
    root: Folder | None
    file: NotRequired[str | None]
    train: str | None
    validation: str | None
    tests: list[str] | None
    split_seed: NotRequired[int | None]
    train_pairs: NotRequired[Annotated[Positive | None, Default(None)]]
    max_length: Positive
    tokenized: bool


class Splits(Corpus):
    """Splits in separate files, ROOT/FILE, or cut from one file.

    Without `file`, `train`, `validation` and `tests` are names of files. With `file`, `validation`
    and `tests` are sizes of splits of that file (or names of other files), and the rest of the file
    is the training split.
    """

    ending = ""  # extension of the default file names

    def __init__(self, **keys: Unpack[Keys]) -> None:
        self.root = keys["root"] if keys["root"] is not None else "."
        self.sizes: dict[str, Size] = {}
        file = keys.get("file")
        given = {"data.train": keys["train"], "data.split_seed": keys.get("split_seed")}
        if file is None:
            if keys["root"] is None:
                raise UserError(
                    "data.root must be given: the folder of the files (data.root=. is the working "
                    "directory); data.file names one file to divide into all splits"
                )
            if given["data.split_seed"] is not None:
                raise UserError(
                    "data.split_seed has no effect without data.file, the file to divide"
                )
            train, validation, tests = self.names(keys)
        else:
            if given["data.train"] is not None:
                raise UserError(
                    f"data.train={given['data.train']} has no effect with data.file={file}: the "
                    "training split is the rest of that file"
                )
            train, validation, tests = file, *self.cut_sizes(file, keys)
        seed = given["data.split_seed"]
        self.split_seed = 1 if seed is None else int(seed)
        if not 0 <= self.split_seed < 1 << 63:
            raise UserError(f"data.split_seed={self.split_seed} must be at least 0 and below 2**63")
        super().__init__(
            source=keys["source"],
            target=keys["target"],
            train=train,
            validation=validation,
            tests=tests,
            max_length=keys["max_length"],
            tokenized=keys["tokenized"],
        )
        self.train_pairs = keys.get("train_pairs")
        self._cut: tuple[object, Cut] | None = None
        self._refuse_root_file(train)
        self._refuse_test_on_train(train, tests)

    # Methods for subclasses to implement

    @abstractmethod
    def stream(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream every pair of the file that holds a split, including pairs of other splits.

        `report` is called with every defect before the pair that has it.
        """

    @abstractmethod
    def reads(self, split: str) -> tuple[Path | str, ...]:
        """Return the files that `stream` reads and the settings that affect it."""

    @abstractmethod
    def line(self, split: str, row: int, side: int) -> Place:
        """Return file and line of one side of a pair, given its row in `stream`."""

    def name(self, part: str) -> str:
        """Return the name of a test set, given its file."""
        return Path(part).name

    @classmethod
    def written_out(cls, data: dict[str, Any]) -> dict[str, Any]:
        """A section of a configuration with the names that null stands for, where each split has
        files of its own. Version 0.1.0 stored these names.
        """
        if data.get("file") is not None:
            return data
        names = {split: f"{split}{cls.ending}" for split in ("train", "validation")}
        names |= {"tests": [f"test{cls.ending}"]}  # type: ignore[dict-item]
        return data | {key: name for key, name in names.items() if data.get(key) is None}

    # Methods implemented here for all of them

    def read(self, split: str) -> Iterator[Pair]:
        """Stream the pairs of a split in file order."""
        return self.scan(split, refuse)

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the pairs of a split and report their defects."""
        read = partial(self._cut_pairs if self.is_cut(split) else self.stream, split)
        if split == "train" and self.train_pairs is not None:
            return first_pairs(read, self.train_pairs, report, self.where(split))
        return read(report)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """Return the files, the settings that affect reading, and the split settings."""
        own = self._file_origin(split)
        if split == "train" and self.train_pairs is not None:
            return (*own, "first", str(self.train_pairs))
        return own

    def _file_origin(self, split: str) -> tuple[Path | str, ...]:
        """Return what `origin` does for all pairs of a split."""
        if not self.is_cut(split):
            return self.reads(split)
        sizes = repr({name: size[1:] for name, size in self.sizes.items()})
        return (*self.reads(split), "split", split, sizes, str(self.split_seed))

    def place(self, split: str, row: int, side: int) -> Place:
        """Return the line in the file itself, also if the split is cut from it."""
        if self.is_cut(split):
            rows = self.cut().rows(split)
            past = max(0, row - len(rows) + 1)
            row = int(rows[row - past]) + past
        return self.line(split, row, side)

    def is_cut(self, split: str) -> bool:
        """Whether a split is cut from `file`."""
        return split in self.sizes or (split == "train" and bool(self.sizes))

    def cut(self) -> Cut:
        """Assign the pairs of `file` to splits; recomputed if the file has changed.

        Raises:
            UserError: the file cannot be read or has too few pairs.
        """
        paths = [part for part in self.reads("train") if isinstance(part, Path)]
        state = [(s.st_ino, s.st_size, s.st_mtime_ns) for s in map(_stat, paths) if s]
        if self._cut is None or self._cut[0] != state:
            refusals: list[UserError] = []
            pairs = self.stream("train", lambda defect: _keep_first(refusals, defect.refusal))
            try:
                self._cut = state, cut(pairs, self.sizes, self.split_seed, self.where("train"))
            except UserError:
                if refusals:  # unreadable records are the reason why too few pairs are left
                    raise refusals[0] from None
                raise
        return self._cut[1]

    def rows_of_file(self, split: str) -> tuple[NDArray[np.intp], int] | None:
        """Return the rows of a split that is a part of its file, and the number of all rows."""
        first = self.train_pairs if split == "train" else None
        if self.is_cut(split):
            found = self.cut()
            return found.rows(split)[:first], len(found.split_of)
        if first is None:
            return None
        return np.arange(first), sum(1 for _ in self.stream(split, refuse))

    def division(self) -> dict[str, Any] | None:
        """Describe how the file was divided, for run.json; None if each split has its own file."""
        if not self.sizes:
            return None
        key = state_hash((type(self).__qualname__, "division", *self._file_origin("train")))
        path = cache_folder() / "known" / f"{key}.json" if key else None
        if path and (known := read_cached(path)):
            return known
        found = self.cut()
        facts = {
            "file": self.part("train"),
            "seed": self.split_seed,
            "pairs": len(found.split_of),
            "splits": found.counts,
            "asked": found.wanted,
            "sources": found.sources,
            "repeated": found.repeated,
            "sha256": found.sha256,
        }
        if path:
            write_cached(path, facts)
        return facts

    def describe(self) -> list[str]:
        """Describe how the file was divided, and which pairs are used in training."""
        first = (
            [f"train: the first {self.train_pairs:,} pairs of {self.where('train')}"]
            if self.train_pairs is not None
            else []
        )
        facts = self.division()
        if facts is None:
            return first
        counts = [
            f"{name} {count:,}"
            + (f" (of {facts['asked'][name]:,} requested)" if short(facts, name) else "")
            for name, count in facts["splits"].items()
        ]
        return [
            f"split: {facts['pairs']:,} pairs of {facts['file']} with seed {facts['seed']}: "
            + ", ".join(counts),
            f"split: {facts['sources']:,} distinct sources; {facts['repeated']:,} pairs share "
            "their source with another pair and are in the same split (ignoring case, punctuation "
            "and spaces)",
            *first,
        ]

    def names(self, keys: Keys) -> tuple[str, str, dict[str, str]]:
        """Return the locations of the splits if each has its own files."""
        tests = keys["tests"] if keys["tests"] is not None else [f"test{self.ending}"]
        return (
            keys["train"] or f"train{self.ending}",
            keys["validation"] or f"validation{self.ending}",
            by_name(tests, self.name),
        )

    def cut_sizes(self, file: str, keys: Keys) -> tuple[str, dict[str, str]]:
        """Return the locations of the splits of one file, and set `sizes`.

        Test sets are cut first, so that they do not depend on the size of the validation split.
        """
        usual = Size(f"the default of {USUAL_SHARE:.0%}", USUAL_PAIRS, USUAL_SHARE)
        values = keys["tests"]
        found = (
            [usual]
            if values is None
            else [Size.parse(f"data.tests[{i}]", value) for i, value in enumerate(values)]
        )
        cut_off = [size for size in found if size]
        if len(cut_off) >= MAX_SPLITS:
            raise UserError(
                f"data.tests has {len(cut_off)} sizes, but at most {MAX_SPLITS - 1} are supported"
            )
        tests = by_name(
            [value for value, size in zip(values or [], found, strict=False) if not size],
            self.name,
        )
        for number, size in enumerate(cut_off, start=1):
            name = "test" if len(cut_off) == 1 else f"test_{number}"
            if name in tests:
                raise UserError(
                    f"the test sets {tests[name]!r} and {size.key} would both be {name!r}"
                )
            self.sizes[name] = size
        value = keys["validation"]
        own = usual if value is None else Size.parse("data.validation", value)
        if own:
            self.sizes["validation"] = own
        if not self.sizes:
            raise UserError(
                f"data.file={file} is the file to divide, but data.validation and data.tests are "
                "names of other files: use data.train instead, or give sizes such as "
                "data.validation=1000 data.tests=[1000]"
            )
        cut_tests = {name: file for name in self.sizes if name != "validation"}
        return (file if own else value or file), cut_tests | tests

    def _cut_pairs(self, split: str, report: Report) -> Iterator[Pair]:
        found = self.cut()
        number = found.names.index(split)
        pending: list[Defect] = []
        rows = 0
        for rows, pair in enumerate(self.stream(split, pending.append), start=1):
            if rows > len(found.split_of):
                break
            if found.split_of[rows - 1] == number:
                for defect in pending:
                    report(defect)
                yield pair
            pending.clear()
        if rows != len(found.split_of):
            raise UserError(
                f"{self.where(split)} changed while it was read: run the same command again"
            )
        if split == "train":
            for defect in pending:  # defects at the end of the file
                report(defect)

    def _refuse_root_file(self, train: str) -> None:
        """Reject a file given as the folder of the files."""
        if (path := Path(self.root).expanduser()).is_file():
            raise UserError(
                f"there is no file {path / train}: data.root={self.root} is a file, not a folder "
                f"of files: use data.file={self.root} to divide it into all splits, or "
                f"data.root={path.parent} data.train={path.name} with separate files for "
                "data.validation and data.tests"
            )

    def _refuse_test_on_train(self, train: str, tests: dict[str, str]) -> None:
        """Reject a test set that is the training file, also under another path."""
        own = Path(self.root).expanduser()
        for name, part in tests.items():
            if name not in self.sizes and (own / part).resolve() == (own / train).resolve():
                raise UserError(
                    f"the test set {part!r} is the training file: use data.file={part} to divide "
                    "one file into training, validation and test pairs "
                    "(data.validation=1000 data.tests=[1000])"
                )


def short(facts: dict[str, Any], name: str) -> bool:
    """Whether a split has fewer pairs than requested."""
    return bool(facts["splits"][name] < facts["asked"].get(name, 0))


def _keep_first(refusals: list[UserError], refusal: UserError | None) -> None:
    """Store the first error of a file; the others have the same cause or are reported later."""
    if refusal and not refusals:
        refusals.append(refusal)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # the reader reports it
        return None
