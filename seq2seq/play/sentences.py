"""Sentences to try: those of the test sets of a run, and those of the built-in grammar."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.alignment.gold import FILES, Gold, read_gold
from seq2seq.corpora.growing import growing, in_direction
from seq2seq.errors import UserError
from seq2seq.play.asked import Grown
from seq2seq.play.limits import CHARACTERS
from seq2seq.play.loaded import LoadedRun
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import read_lines_checked
from seq2seq.text.characters import harmful

SETS, EACH = 12, 12  # test sets, and sentences of each
LARGEST_FILE = 1 << 24  # bytes of a file of a test set that is read
FIRST = ("examples", "test")


def directions(runs: Sequence[LoadedRun]) -> tuple[str | None, str | None]:
    """Return the languages of the runs; None if it is unknown or differs.

    Raises:
        UserError: the runs translate from different languages.
    """
    sources = {run.run.config["data"].get("source") for run in runs} - {None}
    targets = {run.run.config["data"].get("target") for run in runs} - {None}
    if len(sources) > 1:
        raise UserError(
            f"the runs translate from different languages ({', '.join(sorted(sources))}), so one "
            "sentence does not fit all: start the page with runs of one source language"
        )
    return tuple(  # type: ignore[return-value]
        next(iter(side)) if len(side) == 1 else None for side in (sources, targets)
    )


def of_grammar(run: LoadedRun) -> bool:
    """Whether a run was trained on the built-in grammar."""
    return run.run.config["data"].get("name") == "controlled"


def grown(direction: tuple[str, str], asked: Grown) -> dict[str, Any]:
    """Return a sentence of the built-in grammar with its reference and gold links."""
    texts, gold = in_direction(growing(asked.seed, asked.clauses), *direction)
    return shown(*texts, gold)


def shown(text: str, reference: str, gold: Gold | None) -> dict[str, Any]:
    """Return a sentence to try as JSON."""
    return {
        "text": text,
        "reference": reference,
        "gold": gold and {"source": gold.source, "target": gold.target, "links": str(gold.links)},
    }


def examples(run: RunFolder) -> list[dict[str, Any]]:
    """Return a few sentences of each test set of a run; a damaged test set has none."""
    names = [name for name in FIRST if name in run.tests]
    names += [name for name in run.tests if name not in FIRST]
    found = []
    for name in names[:SETS]:
        try:
            sentences = of_test(run, name)
        except (UserError, OSError):
            continue
        if sentences:
            found.append({"test": name, "sentences": sentences})
    return found


def of_test(run: RunFolder, name: str) -> list[dict[str, Any]]:
    """Return evenly spaced sentences of a test set, which the page can show."""
    folder = run.test(name)
    files = [folder / f"{side}.txt" for side in ("source", "reference")]
    gold_files = filter(Path.is_file, (folder / name for name in FILES))
    if any(file.stat().st_size > LARGEST_FILE for file in (*files, *gold_files)):
        return []
    sources, references = map(read_lines_checked, files)
    golds = read_gold(folder)
    if len(sources) != len(references) or (golds and len(golds) != len(sources)):
        return []
    step = max(1, len(sources) // EACH)
    chosen = range(0, len(sources), step)[:EACH]
    return [
        shown(sources[i], references[i], golds[i] if golds else None)
        for i in chosen
        if usable(sources[i]) and usable(references[i])
    ]


def usable(text: str) -> bool:
    """Whether the page accepts a text as it is."""
    return 0 < len(text.strip()) <= CHARACTERS and not any(map(harmful, text))
