"""A comparison as people read it: tables in the terminal, `report.md`, and `report.json`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seq2seq import details
from seq2seq.compare import Comparison, TestSet, printable, section, signatures, unfinished
from seq2seq.disk import replacing, write_json
from seq2seq.errors import UserError

SCHEMA = 1  # of report.json; raised when a reader of it would have to change

COLUMNS = {  # as called in the terminal, where 80 columns must do: as called in Markdown
    "run": "run",
    "params": "parameters",
    "min": "training minutes",
    "tok/s": "target tokens/s",
    "BLEU": "BLEU",
    "95 %": "95 % interval",
    "chrF": "chrF",
    "ppl": "perplexity per piece",
    "diff": "difference",
    "p": "p",
}


def write(comparison: Comparison, out: Path) -> list[Path]:
    """Write report.md, report.json and the figures into a folder and return their paths.

    Raises:
        UserError: `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"the report cannot go to {str(out)!r}: it is a file, not a folder")
    drawn = details.figures(comparison, out)
    with replacing(out / "report.md") as file:
        file.write(markdown(comparison, drawn))
    write_json(out / "report.json", report(comparison))
    return [out / "report.md", out / "report.json", *drawn]


def render(comparison: Comparison) -> RenderableType:
    """The tables for a terminal of 80 columns or more; only a run's name may wrap."""
    parts: list[RenderableType] = []
    for test in comparison.tests:
        table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        for column in COLUMNS:
            if column == "run":
                table.add_column(column, overflow="fold", min_width=8)
            else:
                table.add_column(column, justify="right", no_wrap=True)
        for row in _rows(comparison, test):
            table.add_row(*map(Text, row))
        parts += [Text(_title(comparison, test), style="bold"), table]
        for title, head, rows in details.tables(comparison, test):
            finer = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
            finer.add_column(head[0], overflow="fold", min_width=8)
            for column in head[1:]:
                finer.add_column(column, justify="right", overflow="fold")
            for row in rows:
                finer.add_row(*map(Text, row))
            parts += [Text(title), finer]
        notes = [test.resampled[0]["bleu"].signature, *test.notes, ""]
        parts += map(Text, notes)
    return Group(*parts, *map(Text, comparison.notes))


def markdown(comparison: Comparison, drawn: Sequence[Path] = ()) -> str:
    """The report as GitHub renders it: the tables, how they were measured, and of what.

    Args:
        comparison: what is reported.
        drawn: pictures beside the report, each shown with the test set that its name ends in.
    """
    lines = ["# Comparison", ""]
    for test in comparison.tests:
        first = comparison.runs[0]
        lines += [f"## {_escape(_title(comparison, test))}", ""]
        lines += _markdown_table(list(COLUMNS.values()), _rows(comparison, test))
        for title, head, rows in details.tables(comparison, test):
            lines += ["", f"{_escape(title)}:", "", *_markdown_table(head, rows)]
        for picture in drawn:
            if picture.stem.partition("-")[2] == test.name:
                lines += ["", f"![{picture.stem}]({picture.name})"]
        lines += ["", *(f"- {_escape(note)}" for note in test.notes)]
        lines += [
            f"- {side} SHA-256: {_code(first.stored(test.name, 'test', f'{side}_sha256'))}"
            for side in ("source", "reference")
        ]
        lines += [
            f"- {_escape(printable(metric))}: {_code(signature)}"
            for metric, signature in signatures(first.scores[test.name]).items()
        ]
        lines += [f"- interval and p: {_code(test.resampled[0]['bleu'].signature)}", ""]
    lines += ["## How to read it", "", *(f"- {_escape(note)}" for note in comparison.notes), ""]
    facts = ("seed", "steps", "parameters", "minutes", "status", "commit")
    lines += ["## Runs", ""]
    lines += _markdown_table(
        ["run", *facts, "folder"],
        [
            [run.name, *(_fact(run.folder.info.get(key)) for key in facts), text(run.folder.path)]
            for run in comparison.runs
        ],
    )
    return "\n".join(lines) + "\n"


def report(comparison: Comparison) -> dict[str, Any]:
    """The report as JSON: all that was stored, and what resampling adds to it."""
    first = comparison.runs[0]
    return {
        "schema": SCHEMA,
        "source": comparison.source,
        "target": comparison.target,
        "runs": [
            {"name": run.name, "folder": text(run.folder.path), "info": run.folder.info}
            for run in comparison.runs
        ],
        "tests": {
            test.name: {
                "test": first.stored(test.name, "test"),
                "signatures": signatures(first.scores[test.name]),
                "results": [
                    {
                        "run": run.name,
                        "scores": run.scores[test.name],
                        "perplexity_comparable": run.name not in comparison.incomparable,
                        "bootstrap": {name: value._asdict() for name, value in found.items()},
                    }
                    for run, found in zip(comparison.runs, test.resampled, strict=True)
                ],
                "notes": test.notes,
            }
            for test in comparison.tests
        },
        "notes": comparison.notes,
    }


def _title(comparison: Comparison, test: TestSet) -> str:
    lines = comparison.runs[0].stored(test.name, "test", "lines")
    return (
        f"{printable(test.name)}, {lines} lines, "
        f"{text(comparison.source)} to {text(comparison.target)}"
    )


def _rows(comparison: Comparison, test: TestSet) -> list[list[str]]:
    """The table of a test set: a row for each run, a string for each of COLUMNS."""
    rows = []
    for run, found in zip(comparison.runs, test.resampled, strict=True):
        info, stored, bleu = run.folder.info, run.scores[test.name], found["bleu"]
        perplexity = section(stored, "perplexity").get("score")
        rows.append(
            [
                run.name + ("\N{DAGGER}" if unfinished(run) else ""),
                _count(info.get("parameters")),
                _short(info.get("minutes")),
                _count(info.get("target_tokens_per_second")),
                f"{bleu.score:.2f}",
                f"{bleu.low:.1f}-{bleu.high:.1f}",
                _number(section(stored, "chrf").get("score"), ".2f"),
                _short(perplexity) + ("*" if run.name in comparison.incomparable else ""),
                _number(bleu.difference, "+.2f"),
                _number(bleu.p, ".4f"),
            ]
        )
    return rows


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table whose first column is text and whose others are numbers."""
    ruler = [":--", *("--:" for _ in head[1:])]
    body = [[_escape(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in (head, ruler, *body)]


def _escape(string: str) -> str:
    """Text that Markdown shows as it is, in a table's cell too."""
    return re.sub(r"([\\`*_\[\]<>|~&$#])", r"\\\1", string)


def _code(value: object) -> str:
    """A hash or a signature, to be copied as it is."""
    return f"`{text(value).replace('`', chr(39))}`"


def text(value: object) -> str:
    """A value for reading; "-" where there is none."""
    return "-" if value is None else printable(str(value))


def _fact(value: object) -> str:
    """A value of run.json for reading: whole numbers whole, others to two places."""
    return f"{value:.2f}" if isinstance(value, float) else text(value)


def _number(value: object, form: str) -> str:
    """A number in the given format; "-" where there is none."""
    return format(value, form) if isinstance(value, int | float) else "-"


def _short(value: object) -> str:
    """A number in at most seven characters, as 20.04, 123.5 or 1.2e+07; "-" where there is none."""
    if not isinstance(value, int | float):
        return "-"
    for bound, form in ((100, ".2f"), (1000, ".1f"), (1e6, ".0f")):
        if value < bound:
            return format(value, form)
    return format(value, ".1e")


def _count(value: object) -> str:
    """A count in at most six characters, as 950, 12.3k or 45.0M; "-" where there is none."""
    if not isinstance(value, int | float):
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.99995 * size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"
