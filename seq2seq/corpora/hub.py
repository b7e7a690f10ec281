"""Parallel datasets on the Hugging Face hub, or local folders with the same layout.

The `datasets` library finds the files of each split (`hub_dataset.py`). Its CSV and JSON readers
infer quotes, missing values and types, and can thereby lose text; such files are read by the
readers of this package. Parquet and Arrow files are typed and are read by `datasets`.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from seq2seq.corpora.base import Corpus, Pair, by_name
from seq2seq.corpora.delimited import COLUMN_KEYS, same_for_both, table_pairs
from seq2seq.corpora.hub_dataset import HubDataset
from seq2seq.corpora.hub_stream import FileStream, Part, Share, TypedStream
from seq2seq.corpora.hub_tables import form_of
from seq2seq.corpora.lines import Defect, Place, Report, one_line, refuse
from seq2seq.corpora.objects import object_pairs
from seq2seq.corpora.places import Places
from seq2seq.corpora.streams import PairStream
from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.ranges import Folder, Positive, Within

if TYPE_CHECKING:
    from seq2seq.corpora.hub_dataset import Dataset

TEXT_TYPES = {"string", "large_string", "null"}
ROWS = 1_000  # read at a time
BUFFER, SAMPLE = 100_000, 16  # pairs and MiB, defaults with streaming


def _ignore(defect: Defect) -> None:
    """Ignore a defect: it is reported when the pairs are read."""


class Hub(Corpus):
    """A dataset with a `translation` column ({language: text}) or with two columns of text.

    Args:
        source: language translated from, as the dataset writes it
        target: language translated into, as the dataset writes it
        path: name of the dataset on the hub (OWNER/NAME), or a local folder of the same layout
        subset: subset of the dataset, often a language pair; null if there is only one
        revision: version of the dataset on the hub, a tag or commit; null for the newest
        train: split to train on; slices such as train[2000:] work too
        validation: split to validate on
        tests: splits to test on, also the test set names
        source_column: column of the source side; null selects it by language
        target_column: column of the target side; null selects it by language
        max_length: longest pair to train on, in pieces per side
        tokenized: true if the text is already tokenized; tokenized BLEU is then reported too
        streaming: read training pairs while training, without storing the dataset
        buffer: with streaming, pairs in memory to shuffle and sort by length; null is 100,000
        sample: with streaming, MiB from the start to learn the vocabulary from; null is 16
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        path: Folder,
        subset: str | None,
        revision: str | None,
        train: str,
        validation: str,
        tests: list[str],
        source_column: str | None,
        target_column: str | None,
        max_length: Positive,
        tokenized: bool,
        streaming: bool = False,
        buffer: Annotated[int, Within(1, 10_000_000)] | None = None,
        sample: Annotated[int, Within(1, 4096)] | None = None,
    ) -> None:
        for key, value in (("buffer", buffer), ("sample", sample)):
            if value is not None and not streaming:
                raise UserError(f"data.{key}={value} has no effect without data.streaming=true")
        super().__init__(
            source=source,
            target=target,
            train=train,
            validation=validation,
            tests=by_name(tests, str),
            max_length=max_length,
            tokenized=tokenized,
        )
        self.dataset = HubDataset(path, subset, revision, streaming=streaming)
        self.streams = streaming
        self.buffer = BUFFER if buffer is None else buffer
        self.sample = SAMPLE if sample is None else sample
        self.source_column = source_column
        self.target_column = target_column
        if self._columns[0] == self._columns[1]:
            raise same_for_both(f"the column {self._columns[0][-1]!r}", COLUMN_KEYS)
        self._counts: dict[str, int] = {}
        self._places: dict[str, Places] = {}

    def read(self, split: str) -> Iterator[Pair]:
        """Stream the two columns; a null becomes an empty text, a line end a space."""
        return self.scan(split, refuse)

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the two columns, reporting defects of untyped files and nulls."""
        if self.streams:
            return self._stream(split, report=report).one_pass()
        if self.dataset.untyped:
            spans = self._spans(split)
            for name, *_ in spans:
                self.dataset.files(name)
            return self._exact_pairs(split, spans, report)
        rows = self.dataset.rows(self.part(split))
        return _pairs(rows, *self._sides(rows.features), split, report)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """Return the files of the dataset (or the converted Arrow files) and the columns read."""
        if self.streams:
            names = self.dataset.names(Part.parse(self.part(split)).name)
            files = [] if self.dataset.remote else [Path(name) for name in names]
            size = str(self.sample) if split == "train" else ""
            return (*files, *names, self.part(split), repr(self._columns), size)
        if self.dataset.untyped:
            names = [name for name, *_ in self._spans(split)]
            files = [path for name in names for _, path in self.dataset.files(name)]
            config = self.dataset.builder.config
            return (*files, self.part(split), repr(self._columns), repr(config))
        rows = self.dataset.rows(self.part(split))
        arrow = [Path(file["filename"]) for file in rows.cache_files]
        return (*arrow, self.part(split), *self._sides(rows.features))

    def training_stream(self, rank: int = 0, ranks: int = 1) -> PairStream:
        """Return the training pairs of one of several processes, read when they are needed.

        Raises:
            UserError: the dataset cannot be read without downloading it.
        """
        return self._stream("train", Share(rank, ranks))

    def _stream(
        self, split: str, share: Share | None = None, report: Report = refuse
    ) -> PairStream:
        """Return the pairs of a split, or a share of them, read when they are needed."""
        part = Part.parse(self.part(split))
        self.dataset.names(part.name)
        if not self.dataset.untyped:
            features: Any = self.dataset.iterable(part.name).features
            if features is None:
                raise UserError(f"{self.where(split)} does not name its columns")
            columns = self._sides(features.flatten())
            return TypedStream(self.dataset, part, columns, share or Share(), report)
        if self.dataset.remote:
            raise UserError(
                f"{self.dataset.name} is stored as {self.dataset.builder.name}, which cannot be "
                "read without downloading it: data.revision=refs/convert/parquet selects the "
                "Parquet files that the hub makes of most datasets, and data.streaming=false "
                "downloads the dataset"
            )
        files = self.dataset.files(part.name)
        return FileStream(
            self.where(split),
            files,
            part,
            lambda name, path: (pair for _, pair in self._file_pairs(name, path, report)),
            share or Share(),
        )

    @property
    def pinned(self) -> bool:  # type: ignore[override]
        """Whether the files are on the hub, with the commit in their addresses."""
        if not (self.streams and self.dataset.remote):
            return False
        names = self.dataset.names(Part.parse(self.part("train")).name)
        return all(re.search("@[0-9a-f]{40}/", name) for name in names)

    def stored(self, split: str) -> Iterator[Pair]:
        """Stream the pairs of a split; of a streamed training split, the first MiB."""
        return self._first() if split == "train" and self.streams else self.read(split)

    def _first(self) -> Iterator[Pair]:
        """Yield the first pairs of the training split, up to `sample` MiB."""
        size = 0
        for pair in self.read("train"):
            yield pair
            size += len(pair.source.encode()) + len(pair.target.encode()) + 2
            if size >= self.sample << 20:
                return

    def fingerprint(self) -> str:
        """Return a hash of the files of the training split and of the pairs in its sample."""
        part = Part.parse(self.part("train"))
        files: list[tuple[str, int]] = []
        for name in self.dataset.names(part.name):
            local = not self.dataset.remote
            files.append((Path(name).name, Path(name).stat().st_size) if local else (name, 0))
        facts = (files, part, self._columns, self.text("train").fingerprint)
        return sha256(repr(facts).encode()).hexdigest()

    def place(self, split: str, row: int, side: int) -> Place:
        """Return the line in an untyped file, or else the row of the split."""
        if split in self._places:
            return self._places[split][row]
        return super().place(split, row, side)

    def where(self, split: str) -> str:
        """Return the name of the dataset and of its split."""
        return f"{self.dataset.name}, split {self.part(split)}"

    @property
    def _columns(self) -> tuple[list[str], list[str]]:
        """Possible names of the column of each side."""
        return (
            [self.source_column] if self.source_column else names_of(self.source),
            [self.target_column] if self.target_column else names_of(self.target),
        )

    def _spans(self, split: str) -> list[tuple[str, int, int]]:
        """Return split of the dataset, first row and end row of each part of a split."""
        return self.dataset.spans(self.part(split), self._count)

    def _count(self, name: str) -> int:
        """Count the rows of a whole split."""
        if name not in self._counts:
            pairs = (self._file_pairs(*file, _ignore) for file in self.dataset.files(name))
            self._counts[name] = sum(sum(1 for _ in file) for file in pairs)
        return self._counts[name]

    def _exact_pairs(
        self, split: str, spans: list[tuple[str, int, int]], report: Report
    ) -> Iterator[Pair]:
        """Stream the pairs of untyped files and record the place of each."""
        places = self._places[split] = Places()
        for name, first, last in spans:
            rows = (
                (Path(named).name, *row)
                for named, path in self.dataset.files(name)
                for row in self._file_pairs(named, path, report)
            )
            for file, line, pair in islice(rows, first, last):
                places.append(file, line)
                yield pair

    def _file_pairs(self, name: str, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the pairs of one file with their line numbers."""
        config: Any = self.dataset.builder.config
        if self.dataset.builder.name == "json":
            return object_pairs(path, self._columns, report)
        return table_pairs(path, *form_of(config, name, self._columns), report)

    def _sides(self, features: Mapping[str, Any]) -> tuple[str, str]:
        """Return the column of each side, given the columns with nested ones written out."""
        return (
            self._column(features, self.source_column, self.source),
            self._column(features, self.target_column, self.target),
        )

    def _column(self, features: Mapping[str, Any], column: str | None, language: str) -> str:
        """Return the given column, or the one of a language, which may be in `translation`."""
        columns, dataset = [*features], self.dataset.name
        choices = [column] if column else names_of(language)
        if not {*choices} - {*columns} and len(choices) > 1:
            raise UserError(
                f"{dataset} has both {choices[0]!r} and {choices[1]!r}: select one with "
                "data.source_column and data.target_column"
            )
        for name in choices:
            if name in columns:
                if (kind := getattr(features[name], "dtype", "lists")) in TEXT_TYPES:
                    return name
                raise UserError(f"the column {name!r} of {dataset} holds {kind}, not text")
        if column:
            raise UserError(f"{dataset} has no column {column!r}; {did_you_mean(column, columns)}")
        known = [name.removeprefix("translation.") for name in columns]
        raise UserError(
            f"{dataset} has no column for {language!r}; {did_you_mean(language, known)}"
        )


def _pairs(
    dataset: "Dataset", source: str, target: str, split: str, report: Report
) -> Iterator[Pair]:
    number = 0
    for rows in dataset.select_columns(list({source, target})).iter(ROWS):
        for left, right in zip(rows[source], rows[target], strict=True):
            number += 1
            if left is None or right is None:
                report(Defect("null", Place(split, number)))
            yield Pair(one_line(left or ""), one_line(right or ""))


def names_of(language: str) -> list[str]:
    """Return the possible columns of a language: inside `translation`, or named after it."""
    return [f"translation.{language}", language]
