"""Read files to compare without runs: a source, its references and one file per system."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.compare.checks import MARKUP_SHARE
from seq2seq.compare.runs import Run, named_files
from seq2seq.errors import UserError, did_you_mean
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
        exact = breakdown.exact_match(lines, texts[0], more=texts[1:])
        scores: dict[str, Any] = {"test": facts, "exact_match": exact}
        systems.append(Run(name, file, {}, {}, {test: scores}, None))
    return Files(test, facts, sources, texts, systems, outputs)


def more_references(
    values: Sequence[Path], sources: Mapping[str, list[str]]
) -> dict[str, list[tuple[Path, list[str]]]]:
    """Read further references of the test sets of runs.

    Args:
        values: `TEST=FILE` each.
        sources: the source sentences by test set.

    Returns:
        The files of each test set with their lines.

    Raises:
        UserError: a value is not `TEST=FILE`, there is no such test set or file, or a file has
            another number of lines.
    """
    found: dict[str, list[tuple[Path, list[str]]]] = {}
    for value in map(str, values):
        test, equals, file = value.partition("=")
        if not (test and equals and file):
            raise UserError(
                f"--reference {value} cannot be used with run folders, which have references of "
                "their own: give --reference TEST=FILE to add one to a test set"
            )
        if test not in sources:
            raise UserError(
                f"--reference {value}: the test sets of this command do not include {test!r}: "
                + did_you_mean(test, list(sources))
            )
        path = Path(file)
        if not path.is_file():
            raise UserError(f"--reference {value}: there is no file {file!r}")
        lines = lines_like(path, None)
        if len(lines) != len(sources[test]):
            raise UserError(
                f"{path} has {len(lines)} lines but the test set {test!r} has "
                f"{len(sources[test])}: write one line per source line, in the same order"
            )
        found.setdefault(test, []).append((path, lines))
    return found


def with_references(facts: Any, added: Sequence[tuple[Path, list[str]]]) -> Any:
    """Return the facts of a test set with the hashes of further references."""
    if not added:
        return facts
    hashes = [facts["reference_sha256"], *(sha256(path) for path, _ in added)]
    return {**facts, "reference_sha256": ", ".join(map(str, hashes))}


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
