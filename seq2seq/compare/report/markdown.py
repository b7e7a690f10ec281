"""A comparison as `report.md`, the way GitHub renders it."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.report import tables
from seq2seq.compare.report.formats import figures
from seq2seq.compare.report.tables import Table
from seq2seq.compare.sentences import beaten, shown_pairs
from seq2seq.compare.significance import RESAMPLES, TRIALS, signature
from seq2seq.compare.systems import System
from seq2seq.compare.verdict import verdict
from seq2seq.text.characters import printable


def markdown(comparison: Comparison, drawn: Sequence[Path] = ()) -> str:
    """The whole report: the tables, how they were measured, and of what.

    Args:
        comparison: what is reported.
        drawn: pictures beside the report, each shown with the test set that its name ends in, or
            before all tests where it ends in none.
    """
    lines = ["# Comparison", "", escape(" ".join(verdict(comparison))), ""]
    pictures = [picture for picture in drawn if picture.suffix == ".png"]
    for test in comparison.tests:
        lines += [f"## {escape(tables.title(comparison, test))}", ""]
        own = [one for one in pictures if one.stem.partition("-")[2] == test.name]
        lines += of_test(comparison, test, own)
    for picture in pictures:
        if "-" not in picture.stem:
            lines += ["## Course of training", "", f"![{picture.stem}]({picture.name})", ""]
    if settings := tables.configuration(comparison):
        lines += ["## Settings", "", *table(settings, settings.title + ":")]
    lines += same(comparison)
    lines += ["## How to read it", "", *(f"- {escape(note)}" for note in comparison.notes), ""]
    lines += ["## Runs", "", *table(tables.provenance(comparison))]
    return "\n".join(lines).rstrip("\n") + "\n"


def of_test(comparison: Comparison, test: TestSet, pictures: Sequence[Path]) -> Iterator[str]:
    """All that is said of one test set."""
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
        yield f"![{picture.stem}]({picture.name})"
        yield ""
    for further in (
        tables.further(comparison, test),
        tables.alignment(comparison, test),
        tables.cost(comparison, test),
    ):
        if further:
            yield from table(further, f"### {escape(further.title)}")
    if len(comparison.systems) > 1:
        yield "### Where they differ"
        yield ""
        for one in tables.ngrams(comparison, test):
            yield from folded(one.title, table(one))
        for ours, theirs in shown_pairs(comparison.systems):
            for better, worse in ((ours, theirs), (theirs, ours)):
                said = f"Sentences on which {better.name} beats {worse.name} most"
                yield from folded(said, sentences(test, better, worse))
    yield "### How it was measured"
    yield ""
    yield from (f"- {escape(note)}" for note in test.notes)
    for side in ("source", "reference"):
        yield f"- {side} SHA-256: {code(test.facts[f'{side}_sha256'])}"
    for metric, found in test.quality.signatures.items():
        yield f"- {metric}: {code(found)}"
    bleu = test.quality.signatures["bleu"]
    yield f"- interval, p by bootstrap: {code(signature(bleu, 'bs', RESAMPLES))}"
    yield f"- p by approximate randomisation: {code(signature(bleu, 'ar', TRIALS))}"
    yield ""


def sentences(test: TestSet, better: System, worse: System) -> Iterator[str]:
    """The sentences on which one system beats another most, both with their scores."""
    for one in beaten(better, worse, test.sentences):
        row = one.line - 1
        yield f"Line {one.line}: chrF {one.better:.1f} against {one.worse:.1f}"
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
    """What all systems and all runs have alike, said once."""
    alike = comparison.configuration.same | comparison.provenance.same
    if alike:
        yield from folded(
            "The same in all",
            ["| | |", "|:--|:--|"]
            + [f"| {escape(key)} | {escape(value)} |" for key, value in alike.items()]
            + [""],
        )


def folded(title: str, lines: Iterator[str] | Sequence[str]) -> list[str]:
    """Lines that open with a click; none if there are none."""
    inside = list(lines)
    head = ["<details>", f"<summary>{html(title)}</summary>", ""]
    return [*head, *inside, "</details>", ""] if inside else []


def table(found: Table, heading: str | None = None) -> Iterator[str]:
    """A table whose first column is text and whose others are numbers."""
    if heading:
        yield heading
        yield ""
    ruler = [":--", *("--:" for _ in found.head[1:])]
    body = [[escape(cell) for cell in row] for row in (found.head, *found.rows)]
    for cells in (body[0], ruler, *body[1:]):
        yield f"| {' | '.join(cells)} |"
    yield ""
    if found.note:
        yield escape(found.note)
        yield ""


def escape(string: str) -> str:
    """Text that Markdown shows as it is, in a table's cell too."""
    return re.sub(r"([\\`*_\[\]<>|~&$#])", r"\\\1", string)


def html(string: str) -> str:
    """Text inside a tag, whose Markdown is not read."""
    return string.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(value: object) -> str:
    """A hash or a signature, to be copied as it is."""
    return f"`{printable(str(value)).replace('`', chr(39))}`"
