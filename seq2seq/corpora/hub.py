"""Parallel datasets on the Hugging Face hub, or local folders with the same layout.

This is the only module that imports `datasets`, which finds the files of each split. Its CSV and
JSON readers infer quotes, missing values and types, and can thereby lose text; such files are read
by the readers of this package. Parquet and Arrow files are typed and are read by `datasets`.
"""

import glob
import hashlib
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq.config import Folder, Positive
from seq2seq.corpora.base import Corpus, Pair, by_name
from seq2seq.corpora.cache import cache_folder, unwritable
from seq2seq.corpora.delimited import COLUMN_KEYS, same_for_both, table_pairs
from seq2seq.corpora.hub_tables import form_of, instead_of_file, refuse_settings, refuse_twins
from seq2seq.corpora.lines import Defect, Place, Report, one_line, refuse
from seq2seq.corpora.objects import object_pairs
from seq2seq.corpora.places import Places
from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.console import bar

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

# Supported readers. Others infer types, need more libraries, or (pickle) could run code.
READERS = {"parquet", "json", "csv", "arrow", "cache"}
EXACT = {"json", "csv"}  # untyped formats, read by this package
TEXT_TYPES = {"string", "large_string", "null"}
ROWS = 1_000  # read at a time


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
    ) -> None:
        super().__init__(
            source=source,
            target=target,
            train=train,
            validation=validation,
            tests=by_name(tests, str),
            max_length=max_length,
            tokenized=tokenized,
        )
        self.path = path
        self.subset = subset
        self.revision = revision
        self.source_column = source_column
        self.target_column = target_column
        if self._columns[0] == self._columns[1]:
            raise same_for_both(f"the column {self._columns[0][-1]!r}", COLUMN_KEYS)
        self._fetched: dict[str, list[tuple[str, Path]]] = {}
        self._counts: dict[str, int] = {}
        self._places: dict[str, Places] = {}

    def read(self, split: str) -> Iterator[Pair]:
        """Stream the two columns; a null becomes an empty text, a line end a space."""
        return self.scan(split, refuse)

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the two columns, reporting defects of untyped files and nulls."""
        if self._builder.name in EXACT:
            spans = self._spans(split)
            for name, *_ in spans:
                self._files(name)
            return self._exact_pairs(split, spans, report)
        dataset = self._dataset(split)
        source = self._column(dataset, self.source_column, self.source)
        target = self._column(dataset, self.target_column, self.target)
        return _pairs(dataset, source, target, split, report)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """Return the files of the dataset (or the converted Arrow files) and the columns read."""
        if self._builder.name in EXACT:
            files = [path for name, *_ in self._spans(split) for _, path in self._files(name)]
            return (*files, self.part(split), repr(self._columns), repr(self._builder.config))
        dataset = self._dataset(split)
        columns = (
            self._column(dataset, self.source_column, self.source),
            self._column(dataset, self.target_column, self.target),
        )
        arrow = [Path(file["filename"]) for file in dataset.cache_files]
        return (*arrow, self.part(split), *columns)

    def place(self, split: str, row: int, side: int) -> Place:
        """Return the line in an untyped file, or else the row of the split."""
        if split in self._places:
            return self._places[split][row]
        return super().place(split, row, side)

    def where(self, split: str) -> str:
        """Return the name of the dataset and of its split."""
        return f"{self._name}, split {self.part(split)}"

    @property
    def _name(self) -> str:
        return f"{self.path}/{self.subset}" if self.subset else self.path

    @cached_property
    def _place(self) -> str:
        folder = Path(self.path).expanduser()
        # Absolute, because `datasets` interprets a bare name such as `csv` as one of its readers
        return plain_path(folder.absolute()) if folder.is_dir() else self.path

    @property
    def _columns(self) -> tuple[list[str], list[str]]:
        """Possible names of the column of each side."""
        return (
            [self.source_column] if self.source_column else names_of(self.source),
            [self.target_column] if self.target_column else names_of(self.target),
        )

    @cached_property
    def _builder(self) -> "DatasetBuilder":
        """The dataset builder, before any file is read."""
        import datasets

        if Path(self.path).expanduser().is_file():
            raise UserError(instead_of_file(Path(self.path)))
        _silence()
        try:
            with bar() as progress:
                progress.add_task(f"preparing {self._name}", total=None, unit="files")
                builder = datasets.load_dataset_builder(
                    self._place,
                    self.subset,
                    revision=self.revision,
                    cache_dir=_folder_cache(Path(self._place)),
                )
                if builder.name == self._place:  # a reader's name, which would read this folder
                    raise UserError(
                        f"data.path={self.path} is neither a folder nor a dataset (OWNER/NAME)"
                    )
                if builder.name not in READERS:
                    raise UserError(
                        f"{self._name} is stored as {builder.name}; only "
                        f"{', '.join(sorted(READERS - {'cache'}))} are supported"
                        + (" (data=files reads lines of text)" if builder.name == "text" else "")
                    )
        except UserError:
            raise
        except Exception as error:  # anything that the dependencies of `datasets` raise
            raise self._unloadable(error) from error
        if builder.name in EXACT:
            refuse_settings(self._name, builder.config)
            refuse_twins(builder.config.data_files or {})
        return builder

    @cached_property
    def _prepared(self) -> "DatasetBuilder":
        """The dataset builder, with the files downloaded and converted to Arrow."""
        builder = self._builder
        try:
            with bar() as progress:
                progress.add_task(f"preparing {self._name}", total=None, unit="files")
                builder.download_and_prepare()
        except Exception as error:  # anything that the dependencies of `datasets` raise
            raise self._unloadable(error) from error
        return builder

    def _files(self, name: str) -> list[tuple[str, Path]]:
        """Return name and path of each file of a whole split, downloading them if necessary."""
        import datasets

        if name not in self._fetched:
            named = [str(file) for file in self._builder.config.data_files[name]]
            try:
                paths = datasets.DownloadManager().download(named)
            except Exception as error:
                raise self._unloadable(error) from error
            folder = str(Path(self.path).expanduser().absolute())
            real = (Path(str(path).replace(self._place, folder, 1)) for path in paths)
            self._fetched[name] = list(zip(named, real, strict=True))
        return self._fetched[name]

    def _spans(self, split: str) -> list[tuple[str, int, int]]:
        """Resolve a split expression such as `a[:9]+b` into splits of the dataset and rows.

        Rows are counted only if a slice needs their number.

        Returns:
            Name of the split, first row and end row of each part.
        """
        import datasets

        part, splits = self.part(split), self._builder.config.data_files
        self._refuse_unknown(part, [str(name) for name in splits])
        rows = {
            str(name): self._count(str(name)) if f"{name}[" in part else sys.maxsize
            for name in splits
        }
        try:
            found = datasets.ReadInstruction.from_spec(part).to_absolute(rows)
            spans = [(one.splitname, one.from_, one.to) for one in found]
        except (ValueError, AssertionError) as error:
            raise UserError(f"{self._name} has no split {part!r}: {error}") from error
        if "[" in part and not any(last > first for _, first, last in spans):
            raise UserError(f"{self._name} has no split {part!r}: the slice is empty")
        return spans

    def _count(self, name: str) -> int:
        """Count the rows of a whole split."""
        if name not in self._counts:
            pairs = (self._file_pairs(*file, _ignore) for file in self._files(name))
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
                for named, path in self._files(name)
                for row in self._file_pairs(named, path, report)
            )
            for file, line, pair in islice(rows, first, last):
                places.append(file, line)
                yield pair

    def _file_pairs(self, name: str, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the pairs of one file with their line numbers."""
        config: Any = self._builder.config
        if self._builder.name == "json":
            return object_pairs(path, self._columns, report)
        return table_pairs(path, *form_of(config, name, self._columns), report)

    def _unloadable(self, error: Exception) -> UserError:
        reason = str(error.__cause__ or error).split("\n")[0] or type(error).__name__
        if isinstance(error, ConnectionError):
            return UserError(
                f"the hub cannot be reached for {self.path!r}: {reason}; "
                "use data.path=FOLDER for a local copy"
            )
        known = self._subsets() if isinstance(error, ValueError) else []
        if known and self.subset not in known:
            asked = f"has no subset {self.subset!r}" if self.subset else "needs a data.subset"
            return UserError(f"{self.path!r} {asked}; {did_you_mean(self.subset or '', known)}")
        return UserError(f"the dataset {self._name!r} cannot be loaded: {reason}")

    def _subsets(self) -> list[str]:
        import datasets

        try:
            names: list[str] = datasets.get_dataset_config_names(
                self._place, revision=self.revision
            )
        except Exception:  # the names only serve to explain another error, which is raised anyway
            return []
        return names

    def _dataset(self, split: str) -> "Dataset":
        part = self.part(split)
        self._refuse_unknown(part, list(self._prepared.info.splits or ()))
        try:
            dataset: Any = self._prepared.as_dataset(split=part)
        except (ValueError, AssertionError) as error:
            raise UserError(f"{self._name} has no split {part!r}: {error}") from error
        return dataset.flatten()

    def _refuse_unknown(self, part: str, known: list[str]) -> None:
        for name in re.findall(r"(?:^|\+)([^+\[]*)", part):
            if name not in known:
                raise UserError(f"{self._name} has no split {name!r}; {did_you_mean(name, known)}")

    def _column(self, dataset: "Dataset", column: str | None, language: str) -> str:
        """Return the given column, or the one of a language, which may be in `translation`."""
        names = dataset.column_names
        choices = [column] if column else names_of(language)
        if not {*choices} - {*names} and len(choices) > 1:
            raise UserError(
                f"{self._name} has both {choices[0]!r} and {choices[1]!r}: select one with "
                "data.source_column and data.target_column"
            )
        for name in choices:
            if name in names:
                if (kind := getattr(dataset.features[name], "dtype", "lists")) in TEXT_TYPES:
                    return name
                raise UserError(f"the column {name!r} of {self._name} holds {kind}, not text")
        if column:
            raise UserError(f"{self._name} has no column {column!r}; {did_you_mean(column, names)}")
        known = [name.removeprefix("translation.") for name in names]
        raise UserError(
            f"{self._name} has no column for {language!r}; {did_you_mean(language, known)}"
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


def plain_path(folder: Path) -> str:
    """Return a path to a folder that `datasets` does not interpret as a glob pattern.

    If the path contains `[`, `?` or `*`, this is a folder in the cache with links to all files.
    """
    if glob.escape(str(folder)) == str(folder):
        return str(folder)
    mirror = cache_folder() / "hub" / "links" / hashlib.sha256(str(folder).encode()).hexdigest()
    try:
        shutil.rmtree(mirror, ignore_errors=True)
        for path in folder.rglob("*"):
            if path.is_file():
                link = mirror / path.relative_to(folder)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)
    except OSError as error:
        raise unwritable(mirror, error) from error
    return str(mirror.resolve())


def _ignore(defect: Defect) -> None:
    """Ignore a defect: it is reported when the pairs are read."""


def _folder_cache(folder: Path) -> str | None:
    """Return the cache folder for converted files, named by a hash of the folder's content.

    `datasets` itself identifies files only by their names and times.
    """
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder)}\n{content}\n".encode())
    return str(cache_folder() / "hub" / digest.hexdigest())


def _silence() -> None:
    """Disable the progress bars and logs of `datasets`: this package shows its own."""
    import datasets
    import huggingface_hub.utils

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    huggingface_hub.utils.disable_progress_bars()  # type: ignore[attr-defined]
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
