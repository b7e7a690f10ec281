"""Parallel datasets of the Hugging Face hub, and folders like them; the only door to `datasets`."""

import hashlib
import logging
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq.config import Folder, Positive
from seq2seq.corpora.base import Corpus, Pair, by_name
from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.lines import one_line
from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.console import bar

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

# Readers of plain data. Others guess, need more libraries, or (pickle) could run code.
READERS = {"parquet", "json", "csv", "arrow", "cache"}
TEXT_TYPES = {"string", "large_string", "null"}
ROWS = 1_000  # read at a time


class Hub(Corpus):
    """A dataset with a `translation` column ({language: text}) or with two columns of text.

    Args:
        source: language translated from, as the dataset writes it
        target: language translated into, as the dataset writes it
        path: name of the dataset on the hub (OWNER/NAME), or a local folder of the same layout
        subset: part of a dataset that has several, often a pair of languages; null for the only one
        revision: version of the dataset on the hub, a tag or commit; null for the newest
        train: split to train on; slices such as train[2000:] work too
        validation: split to validate on
        tests: splits to test on, which are also the test sets' names
        source_column: column of the source side; null finds it by its language
        target_column: column of the target side; null finds it by its language
        max_length: longest pair to train on, in pieces a side
        tokenized: true if the text is already tokenised; tokenised BLEU is then measured too
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

    def read(self, split: str) -> Iterator[Pair]:
        """Stream the two columns; a null is an empty text, a line end inside a text a space."""
        dataset = self._dataset(split)
        source = self._column(dataset, self.source_column, self.source)
        target = self._column(dataset, self.target_column, self.target)
        return _pairs(dataset, source, target)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """The files that the dataset was converted to, and what is read of them."""
        dataset = self._dataset(split)
        columns = (
            self._column(dataset, self.source_column, self.source),
            self._column(dataset, self.target_column, self.target),
        )
        files = [Path(file["filename"]) for file in dataset.cache_files]
        return (*files, self.part(split), *columns)

    def where(self, split: str) -> str:
        """The dataset and the name of its split."""
        return f"{self._name}, split {self.part(split)}"

    @property
    def _name(self) -> str:
        return f"{self.path}/{self.subset}" if self.subset else self.path

    @property
    def _place(self) -> str:
        folder = Path(self.path).expanduser()
        return str(folder) if folder.is_dir() else self.path

    @cached_property
    def _prepared(self) -> "DatasetBuilder":
        """The dataset with its files fetched and converted to Arrow."""
        import datasets

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
                if builder.name not in READERS:
                    raise UserError(
                        f"{self._name} is stored as {builder.name}; "
                        f"only {', '.join(sorted(READERS - {'cache'}))} are read"
                    )
                builder.download_and_prepare()
        except UserError:
            raise
        except Exception as error:  # whatever the libraries below `datasets` raise
            raise self._unloadable(error) from error
        return builder

    def _unloadable(self, error: Exception) -> UserError:
        reason = str(error.__cause__ or error).split("\n")[0] or type(error).__name__
        if isinstance(error, ConnectionError):
            return UserError(
                f"the hub cannot be reached for {self.path!r}: {reason}; "
                "data.path=FOLDER takes a local copy"
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
        except Exception:  # asked only to explain another error, which is then told as it is
            return []
        return names

    def _dataset(self, split: str) -> "Dataset":
        part = self.part(split)
        known = list(self._prepared.info.splits or ())
        for name in re.findall(r"(?:^|\+)([^+\[]*)", part):
            if name not in known:
                raise UserError(f"{self._name} has no split {name!r}; {did_you_mean(name, known)}")
        try:
            dataset: Any = self._prepared.as_dataset(split=part)
        except (ValueError, AssertionError) as error:
            raise UserError(f"{self._name} has nothing at {part!r}: {error}") from error
        return dataset.flatten()

    def _column(self, dataset: "Dataset", column: str | None, language: str) -> str:
        """The column of this name, or of this language: its own, or inside `translation`."""
        names = dataset.column_names
        for name in [column] if column else [f"translation.{language}", language]:
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


def _pairs(dataset: "Dataset", source: str, target: str) -> Iterator[Pair]:
    for rows in dataset.select_columns(list({source, target})).iter(ROWS):
        for left, right in zip(rows[source], rows[target], strict=True):
            yield Pair(one_line(left or ""), one_line(right or ""))


def _folder_cache(folder: Path) -> str | None:
    """Where a folder is converted, by its content: `datasets` itself looks at names and times."""
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
    """One bar is enough, and what goes wrong comes as an error."""
    import datasets
    import huggingface_hub.utils

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    huggingface_hub.utils.disable_progress_bars()  # type: ignore[attr-defined]
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
