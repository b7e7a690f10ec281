"""A user's own files, one for each language and split: PREFIX.en beside PREFIX.de."""

from collections.abc import Iterator
from pathlib import Path

from seq2seq.config import Folder, Positive
from seq2seq.corpora.base import Corpus, Pair, by_name
from seq2seq.corpora.lines import Place, Report, missing, read_pairs, refuse
from seq2seq.errors import UserError


class Files(Corpus):
    """Two files a split, ROOT/PREFIX.LANGUAGE, plain or gzip (then maybe with .gz at the end).

    Args:
        source: language translated from, the end of its files' names
        target: language translated into, the end of its files' names
        root: folder of the files
        train: prefix of the training files
        validation: prefix of the validation files
        tests: prefixes of the test sets' files, which are also their names
        max_length: longest pair to train on, in pieces a side
        tokenized: true if the text is already tokenised; tokenised BLEU is then measured too
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        root: Folder,
        train: str,
        validation: str,
        tests: list[str],
        max_length: Positive,
        tokenized: bool,
    ) -> None:
        super().__init__(
            source=source,
            target=target,
            train=train,
            validation=validation,
            tests=by_name(tests, lambda prefix: Path(prefix).name),
            max_length=max_length,
            tokenized=tokenized,
        )
        self.root = root

    def paths(self, split: str) -> tuple[Path, Path]:
        """The files of the source and the target side."""
        folder, prefix = Path(self.root).expanduser(), self.part(split)
        return side(folder, f"{prefix}.{self.source}"), side(folder, f"{prefix}.{self.target}")

    def read(self, split: str) -> Iterator[Pair]:
        """Stream line i of one side with line i of the other."""
        return self.scan(split, refuse)

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """The same, as far as both files go."""
        return read_pairs(*self.paths(split), report)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """Both files."""
        return self.paths(split)

    def place(self, split: str, row: int, side: int) -> Place:
        """The line in the side's own file."""
        return Place(self.paths(split)[side].name, row + 1)

    def where(self, split: str) -> str:
        """Both files."""
        source, target = self.paths(split)
        return f"{source} and {target}"


def side(folder: Path, name: str) -> Path:
    """The file of this name, or of this name with .gz.

    Raises:
        UserError: there is neither, or both.
    """
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.exists() and packed.exists():
        raise UserError(f"there are both {plain} and {packed.name}: remove one of them")
    if packed.exists():
        return packed
    if plain.exists():
        return plain
    raise missing(plain)
