"""Read files to compare without runs: a source, its references and one file per system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.compare.checks import MARKUP_SHARE
from seq2seq.compare.runs import Run, named_files
from seq2seq.errors import UserError
from seq2seq.scoring import breakdown
from seq2seq.system.files import sha256
from seq2seq.system.text_lines import read_lines
from seq2seq.text import markup
from seq2seq.text.characters import printable


class Files(NamedTuple):
    """A test set and translations of it.

    Attributes:
        name: name of the test set.
        facts: its number of lines and SHA-256 hashes.
        sources: source sentences, one per line.
        references: the lines of each reference file.
        systems: one run per file of translations.
        outputs: the lines of each system's file.
    """

    name: str
    facts: dict[str, Any]
    sources: list[str]
    references: list[list[str]]
    systems: list[Run]
    outputs: dict[str, list[str]]


def read_files(source: Path | None, references: Sequence[Path], hyps: Sequence[str]) -> Files:
    """Read the source, the references and the files of translations.

    Raises:
        UserError: one is not given, is missing, or differs from the source in number of lines.
    """
    if source is None or not references or not hyps:
        raise UserError(
            "give run folders, or files: --source FILE --reference FILE --hyps NAME=FILE, "
            "where --reference and --hyps can be repeated"
        )
    named = named_files(hyps, [])
    for option, file in (("source", source), *(("reference", file) for file in references)):
        if not file.is_file():
            raise UserError(f"--{option} {file}: there is no such file")
    sources = lines_like(source, None)
    texts = [lines_like(file, (source, len(sources))) for file in references]
    if not sources:
        raise UserError(f"{source} has no lines")
    outputs = {
        printable(name): lines_like(file, (source, len(sources))) for name, file in named.items()
    }
    facts = {
        "lines": len(sources),
        "source_sha256": sha256(source),
        "reference_sha256": ", ".join(map(sha256, references)),
    }
    test = printable(source.stem).replace("/", "_")
    systems = []
    for (name, lines), file in zip(outputs.items(), named.values(), strict=True):
        scores: dict[str, Any] = {"test": facts}
        if len(texts) == 1:
            scores["exact_match"] = breakdown.exact_match(lines, texts[0])
        systems.append(Run(name, file, {}, {}, {test: scores}, None))
    return Files(test, facts, sources, texts, systems, outputs)


def lines_like(file: Path, like: tuple[Path, int] | None) -> list[str]:
    """Read a file; raise if its number of lines is not that of `like`, a file and its count."""
    lines = list(read_lines(file))
    if (kind := markup.of_all(lines, share=MARKUP_SHARE)) is not None:
        raise markup.refusal_of_markup(f"{file}", kind)
    if like is not None and len(lines) != like[1]:
        raise UserError(
            f"{file} has {len(lines)} lines but {like[0]} has {like[1]}: write one line per "
            "source line, in the same order"
        )
    return lines
