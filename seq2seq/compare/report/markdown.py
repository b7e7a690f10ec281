"""Write a comparison as GitHub-flavored Markdown, `report.md`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.report import tables
from seq2seq.compare.report.formats import Table, figures
from seq2seq.compare.sentences import largest_differences, shown_pairs
from seq2seq.compare.significance import RESAMPLES, TRIALS, signature
from seq2seq.compare.systems import System
from seq2seq.compare.verdict import verdict
from seq2seq.text.characters import printable


def markdown(comparison: Comparison, drawn: Sequence[Path] = ()) -> str:
    """Return the whole report.

    Args:
        comparison: the comparison.
        drawn: figures in the folder of the report. A figure named `AXIS-TEST.png` is shown with
            test set TEST, one without a hyphen after all test sets.
    """
    lines = ["# Comparison", ""]
    for paragraph in verdict(comparison):
        lines += [escape(paragraph), ""]
    pictures = [picture for picture in drawn if picture.suffix == ".png"]
    for test in comparison.tests:
        lines += [f"## {escape(tables.title(comparison, test))}", ""]
        own = [one for one in pictures if one.stem.partition("-")[2] == test.name]
        lines += of_test(comparison, test, own)
    for picture in pictures:
        if "-" not in picture.stem:
            lines += ["## Learning curves", "", f"![{picture.stem}]({picture.name})", ""]
    if settings := tables.configuration(comparison):
        lines += ["## Settings", "", *table(settings, settings.title + ":")]
    lines += same(comparison)
    lines += [
        "## Notes",
        "",
        *(f"- {escape(note)}" for note in comparison.notes),
        "",
    ]
    lines += ["## Runs", "", *table(tables.provenance(comparison))]
    return "\n".join(lines).rstrip("\n") + "\n"


def of_test(comparison: Comparison, test: TestSet, pictures: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of one test set."""
    yield from table(tables.quality(comparison, test))
    if len(comparison.systems) > 1:
        for metric in test.quality.pairs:
            one = tables.matrix(comparison, test, metric)
            yield from table(one, f"### {escape(one.title)}")
    yield "### Every run"
    yield ""
    yield from table(tables.every_run(comparison, test))
    for one in tables.axes(test):
        yield from table(one, f"### {escape(one.title)}")
    for picture in pictures:
        yield f"![{escape(picture.stem)}]({quote(picture.name)})"
        yield ""
    for one in tables.optional(comparison, test):
        yield from table(one, f"### {escape(one.title)}")
    if len(comparison.systems) > 1:
        yield "### Where they differ"
        yield ""
        for one in tables.ngrams(comparison, test):
            yield from folded(one.title, table(one))
        for ours, theirs in shown_pairs(comparison.systems):
            for better, worse in ((ours, theirs), (theirs, ours)):
                summary = f"Sentences on which {better.name} is furthest ahead of {worse.name}"
                yield from folded(summary, sentences(test, better, worse))
    yield "### How it was measured"
    yield ""
    yield from (f"- {escape(note)}" for note in test.notes)
    for side in ("source", "reference"):
        yield f"- {side} SHA-256: {code(test.facts[f'{side}_sha256'])}"
    for metric, stored in test.quality.signatures.items():
        yield f"- {metric}: {code(stored)}"
    bleu = test.quality.signatures["bleu"]
    yield f"- intervals and p of the bootstrap: {code(signature(bleu, 'bs', RESAMPLES))}"
    yield f"- p of approximate randomization: {code(signature(bleu, 'ar', TRIALS))}"
    yield ""


def sentences(test: TestSet, better: System, worse: System) -> Iterator[str]:
    """Yield the sentences on which `better` is furthest ahead, with both outputs and scores."""
    for one in largest_differences(better, worse, test.sentences):
        row = one.line - 1
        yield f"Line {one.line}: chrF {one.better:.1f} and {one.worse:.1f}"
        yield ""
        sides = {"source": test.sources[row], "reference": test.references[row]}
        for system in (better, worse):
            first = system.runs[0]
            seed = f" (seed {figures(first.seed, '.0f')})" if len(system.runs) > 1 else ""
            sides[system.name + seed] = test.outputs[first.name][row]
        for name, side in sides.items():
            yield f"- {escape(name)}: {escape(printable(side.strip()))}"
        yield ""


def same(comparison: Comparison) -> Iterator[str]:
    """Yield the settings and provenance that are the same for all systems and runs."""
    shared = comparison.configuration.same | comparison.provenance.same
    if shared:
        yield from folded(
            "Same for all runs",
            ["| | |", "|:--|:--|"]
            + [f"| {escape(key)} | {escape(value)} |" for key, value in shared.items()]
            + [""],
        )


def folded(title: str, lines: Iterator[str] | Sequence[str]) -> list[str]:
    """Return lines inside a collapsed section; [] if there are no lines."""
    inside = list(lines)
    head = ["<details>", f"<summary>{html(title)}</summary>", ""]
    return [*head, *inside, "</details>", ""] if inside else []


def table(cells: Table, heading: str | None = None) -> Iterator[str]:
    """Yield a Markdown table; the first column is text, the others are numbers."""
    if heading:
        yield heading
        yield ""
    ruler = [":--", *("--:" for _ in cells.head[1:])]
    body = [[escape(cell) for cell in row] for row in (cells.head, *cells.rows)]
    for row in (body[0], ruler, *body[1:]):
        yield f"| {' | '.join(row)} |"
    yield ""
    if cells.note:
        yield escape(cells.note)
        yield ""


def escape(string: str) -> str:
    """Escape text so that Markdown shows it literally, including in table cells."""
    return re.sub(r"([\\`*_\[\]<>|~&$#])", r"\\\1", string)


def html(string: str) -> str:
    """Escape text for the inside of an HTML element."""
    return string.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(value: object) -> str:
    """Format a hash or signature as inline code."""
    return f"`{printable(str(value)).replace('`', chr(39))}`"
