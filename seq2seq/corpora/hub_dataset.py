"""Find, download and convert datasets with the `datasets` library, for `data=hub`.

This is the only module that imports `datasets`.
"""

import glob
import hashlib
import logging
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq.corpora.cache import cache_folder, unwritable
from seq2seq.corpora.hub_tables import instead_of_file, refuse_settings, refuse_twins
from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.console import bar

if TYPE_CHECKING:
    from datasets import Dataset as Dataset  # hub.py imports the type from here
    from datasets import DatasetBuilder, IterableDataset

# Supported readers. Others infer types, need more libraries, or (pickle) could run code.
READERS = {"parquet", "json", "csv", "arrow", "cache"}
EXACT = {"json", "csv"}  # untyped formats, read by this package


class HubDataset:
    """A dataset on the hub or in a local folder.

    Args:
        path: name of the dataset on the hub (OWNER/NAME), or a local folder
        subset: subset of the dataset; None if there is only one
        revision: tag or commit on the hub; None for the newest
        streaming: whether rows are read without storing them, so that nothing is converted
    """

    def __init__(
        self, path: str, subset: str | None, revision: str | None, *, streaming: bool = False
    ) -> None:
        self.path, self.streaming = path, streaming
        self.subset = subset
        self.revision = revision
        self._fetched: dict[str, list[tuple[str, Path]]] = {}

    @property
    def name(self) -> str:
        """The path and subset, for messages."""
        return f"{self.path}/{self.subset}" if self.subset else self.path

    @property
    def untyped(self) -> bool:
        """Whether its files are in an untyped format, which this package reads itself."""
        return self.builder.name in EXACT

    @cached_property
    def _place(self) -> str:
        folder = Path(self.path).expanduser()
        # Absolute, because `datasets` interprets a bare name such as `csv` as one of its readers
        return plain_path(folder.absolute()) if folder.is_dir() else self.path

    @cached_property
    def builder(self) -> "DatasetBuilder":
        """The dataset builder, before any file is read."""
        import datasets

        if Path(self.path).expanduser().is_file():
            raise UserError(instead_of_file(Path(self.path)))
        try:
            with quiet(), bar() as progress:
                progress.add_task(f"preparing {self.name}", total=None, unit="files")
                builder = datasets.load_dataset_builder(
                    self._place,
                    self.subset,
                    revision=self.revision,
                    cache_dir=None if self.streaming else folder_cache(Path(self._place)),
                )
                if builder.name == self._place:  # a reader's name, which would read this folder
                    raise UserError(
                        f"data.path={self.path} is neither a folder nor a dataset (OWNER/NAME)"
                    )
                if builder.name not in READERS:
                    raise UserError(
                        f"{self.name} is stored as {builder.name}; only "
                        f"{', '.join(sorted(READERS - {'cache'}))} are supported"
                        + (" (data=files reads lines of text)" if builder.name == "text" else "")
                    )
        except UserError:
            raise
        except Exception as error:  # anything that the dependencies of `datasets` raise
            raise self._unloadable(error) from error
        if builder.name in EXACT:
            refuse_settings(self.name, builder.config)
            refuse_twins(builder.config.data_files or {})
        return builder

    def files(self, name: str) -> list[tuple[str, Path]]:
        """Return name and path of each file of a whole split, downloading them if necessary."""
        import datasets

        if name not in self._fetched:
            named = [str(file) for file in self.builder.config.data_files[name]]
            try:
                with quiet():
                    paths = datasets.DownloadManager().download(named)
            except Exception as error:
                raise self._unloadable(error) from error
            folder = str(Path(self.path).expanduser().absolute())
            real = (Path(str(path).replace(self._place, folder, 1)) for path in paths)
            self._fetched[name] = list(zip(named, real, strict=True))
        return self._fetched[name]

    def spans(self, part: str, count: Callable[[str], int]) -> list[tuple[str, int, int]]:
        """Resolve a split expression such as `a[:9]+b` into splits of the dataset and rows.

        Args:
            part: the expression.
            count: counts the rows of a split; called only if a slice needs their number.

        Returns:
            Name of the split, first row and end row of each part.

        Raises:
            UserError: there is no such split, or the slice is empty.
        """
        import datasets

        splits = self.builder.config.data_files
        self._refuse_unknown(part, [str(name) for name in splits])
        rows = {
            str(name): count(str(name)) if f"{name}[" in part else sys.maxsize for name in splits
        }
        try:
            found = datasets.ReadInstruction.from_spec(part).to_absolute(rows)
            spans = [(one.splitname, one.from_, one.to) for one in found]
        except (ValueError, AssertionError) as error:
            raise UserError(f"{self.name} has no split {part!r}: {error}") from error
        if "[" in part and not any(last > first for _, first, last in spans):
            raise UserError(f"{self.name} has no split {part!r}: the slice is empty")
        return spans

    @property
    def remote(self) -> bool:
        """Whether its files are on the hub."""
        return not Path(self.path).expanduser().is_dir()

    def names(self, name: str) -> list[str]:
        """Return the files of a split, as paths or addresses.

        Raises:
            UserError: there is no such split.
        """
        splits = self.builder.config.data_files or {}
        self._refuse_unknown(name, [str(known) for known in splits])
        return [str(file) for file in splits[name]]

    def iterable(
        self, name: str, first: int = 0, last: int = sys.maxsize, rank: int = 0, ranks: int = 1
    ) -> "IterableDataset":
        """Return the rows `first` to `last` (exclusive) of a split, read when they are needed.

        If several processes share them, the one with number `rank` gets its own part.
        """
        from datasets.distributed import split_dataset_by_node

        self.names(name)
        try:
            with quiet():
                rows: Any = self.builder.as_streaming_dataset(split=name)
                rows = rows.skip(first) if first else rows
                rows = rows.take(last - first) if last < sys.maxsize else rows
                return split_dataset_by_node(rows, rank, ranks) if ranks > 1 else rows
        except Exception as error:  # anything that the dependencies of `datasets` raise
            raise self._unloadable(error) from error

    def rows(self, part: str) -> "Dataset":
        """Return the rows of a split expression, with nested columns as `translation.en`.

        Raises:
            UserError: there is no such split.
        """
        self._refuse_unknown(part, list(self._converted.info.splits or ()))
        try:
            dataset: Any = self._converted.as_dataset(split=part)
        except (ValueError, AssertionError) as error:
            raise UserError(f"{self.name} has no split {part!r}: {error}") from error
        return dataset.flatten()

    @cached_property
    def _converted(self) -> "DatasetBuilder":
        """The dataset builder, with the files downloaded and converted to Arrow."""
        builder = self.builder
        try:
            with quiet(), bar() as progress:
                progress.add_task(f"preparing {self.name}", total=None, unit="files")
                builder.download_and_prepare()
        except Exception as error:  # anything that the dependencies of `datasets` raise
            raise self._unloadable(error) from error
        return builder

    def _refuse_unknown(self, part: str, known: list[str]) -> None:
        for name in re.findall(r"(?:^|\+)([^+\[]*)", part):
            if name not in known:
                raise UserError(f"{self.name} has no split {name!r}; {did_you_mean(name, known)}")

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
        return UserError(f"the dataset {self.name!r} cannot be loaded: {reason}")

    def _subsets(self) -> list[str]:
        import datasets

        try:
            with quiet():
                names: list[str] = datasets.get_dataset_config_names(
                    self._place, revision=self.revision
                )
        except Exception:  # the names only serve to explain another error, which is raised anyway
            return []
        return names


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


def folder_cache(folder: Path) -> str | None:
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


@contextmanager
def quiet() -> Iterator[None]:
    """Disable the progress bars and logs of `datasets` meanwhile: this package shows its own."""
    import datasets
    import huggingface_hub.utils

    hub: Any = huggingface_hub.utils
    hub_log, hub_bars = logging.getLogger("huggingface_hub"), not hub.are_progress_bars_disabled()
    level, verbosity = hub_log.level, datasets.logging.get_verbosity()
    bars = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    hub.disable_progress_bars()
    hub_log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        hub_log.setLevel(level)
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()
        if hub_bars:
            hub.enable_progress_bars()
