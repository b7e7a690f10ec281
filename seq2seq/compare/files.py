"""Translations compared without any run: a source, its references and a file of each system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.compare.checks import MOST
from seq2seq.compare.runs import Run, named_files
from seq2seq.errors import UserError
from seq2seq.scoring import breakdown
from seq2seq.system.files import sha256
from seq2seq.system.text_lines import read_lines
from seq2seq.text import markup
from seq2seq.text.characters import printable


class Files(NamedTuple):
    """What is compared.

    Attributes:
        name: of the test set.
        facts: its number of lines and hashes.
        sources: a line a sentence.
        references: likewise, of each file of references.
        systems: one output each.
        outputs: by system, a line a sentence.
    """

    name: str
    facts: dict[str, Any]
    sources: list[str]
    references: list[list[str]]
    systems: list[Run]
    outputs: dict[str, list[str]]


def read_files(source: Path | None, references: Sequence[Path], hyps: Sequence[str]) -> Files:
    """Read a test set and translations of it.

    Raises:
        UserError: one is not given, is missing, or has another number of lines than the others.
    """
    if source is None or not references or not hyps:
        raise UserError(
            "give run folders, or files: --source FILE --reference FILE --hyps NAME=FILE, "
            "the last two as often as there are references and systems"
        )
    named = named_files(hyps, [])
    for option, file in (("source", source), *(("reference", file) for file in references)):
        if not file.is_file():
            raise UserError(f"--{option} {file}: there is no such file")
    first = lines_like(source, None)
    sides = [lines_like(file, (source, len(first))) for file in references]
    if not first:
        raise UserError(f"{source} has no lines")
    outputs = {
        printable(name): lines_like(file, (source, len(first))) for name, file in named.items()
    }
    facts = {
        "lines": len(first),
        "source_sha256": sha256(source),
        "reference_sha256": ", ".join(map(sha256, references)),
    }
    test = printable(source.stem).replace("/", "_")
    systems = []
    for (name, lines), file in zip(outputs.items(), named.values(), strict=True):
        scores: dict[str, Any] = {"test": facts}
        if len(sides) == 1:
            scores["exact_match"] = breakdown.exact_match(lines, sides[0])
        systems.append(Run(name, file, {}, {}, {test: scores}, None))
    return Files(test, facts, first, sides, systems, outputs)


def lines_like(file: Path, like: tuple[Path, int] | None) -> list[str]:
    """The lines of a file, as many as another has."""
    lines = list(read_lines(file))
    if (kind := markup.of_all(lines, share=MOST)) is not None:
        raise markup.refusal(f"{file}", kind)
    if like is not None and len(lines) != like[1]:
        raise UserError(
            f"{file} has {len(lines)} lines and {like[0]} has {like[1]}: they must have as many, "
            "in the same order"
        )
    return lines
