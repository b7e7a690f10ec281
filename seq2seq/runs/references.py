"""The references of a test set of a run: reference.txt, reference.2.txt, reference.3.txt, ..."""

from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.system.files import read_lines_checked, sha256, write_lines


def reference_files(folder: Path) -> list[Path]:
    """Return the reference files of a test set that exist; the first one always."""
    further = (folder / f"reference.{number}.txt" for number in count(2))
    return [folder / "reference.txt", *takewhile(Path.is_file, further)]


def read_references(folder: Path) -> list[list[str]]:
    """Return the lines of all references of a test set.

    Raises:
        UserError: a file cannot be read, or has another number of lines than the first one.
    """
    files = reference_files(folder)
    references = [read_lines_checked(file) for file in files]
    for file, lines in zip(files, references, strict=True):
        if len(lines) != len(references[0]):
            raise UserError(
                f"{file} has {len(lines)} lines, but {files[0].name} has {len(references[0])}"
            )
    return references


def references_sha256(folder: Path) -> str:
    """Return the SHA-256 of each reference file, separated by commas."""
    return ", ".join(map(sha256, reference_files(folder)))


def write_further_references(folder: Path, references: Sequence[Sequence[str]]) -> None:
    """Store the references after the first one, in place of those that were stored before.

    Args:
        folder: the folder of the test set.
        references: the lines of each, as many as reference.txt has.
    """
    for file in reference_files(folder)[1:]:
        file.unlink()
    for number, lines in enumerate(references, start=2):
        write_lines(folder / f"reference.{number}.txt", lines)
