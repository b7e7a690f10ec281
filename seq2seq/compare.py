"""Run folders side by side: what was measured alike, with intervals and tests.

Reads files only and needs no model. What was not measured alike is refused, what cannot be compared
is marked: a number in a table asks to be compared with its neighbours.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.disk import read_lines, sha256
from seq2seq.errors import UserError
from seq2seq.progress import console
from seq2seq.run import RunFolder
from seq2seq.scores import RESAMPLES, Resampled, paired_bootstrap

# Scores are stored unrounded: only a changed file moves them
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Run:
    """An evaluated run: what the report calls it, its folder, its scores.json."""

    name: str
    folder: RunFolder
    scores: dict[str, Any]

    @property
    def again(self) -> str:
        """The end of a sentence about scores that are missing or stale."""
        return f"`seq2seq evaluate {self.folder.path}` writes them anew"

    def stored(self, test: str, *keys: str) -> Any:
        """A value of scores.json that must be there."""
        value = self.scores[test]
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                raise UserError(
                    f"the scores of {str(self.folder.path)!r} on {test!r} have no "
                    f"{'.'.join(keys)}: {self.again}"
                )
            value = value[key]
        return value


@dataclass(frozen=True)
class TestSet:
    """All runs on one test set; `resampled` holds `bleu` and `chrf` of each, in their order."""

    __test__ = False  # tells pytest that it is no test

    name: str
    resampled: list[dict[str, Resampled]]
    notes: list[str]


@dataclass(frozen=True)
class Comparison:
    """Runs measured alike.

    Attributes:
        runs: in the order given; differences are to the first.
        source: code of the language translated from; None if unknown.
        target: code of the language translated to; None if unknown.
        tests: the sets that all runs were scored on.
        incomparable: names of the runs whose perplexity is over other pieces than the first's.
        notes: what must be known to read the tables.
    """

    runs: list[Run]
    source: str | None
    target: str | None
    tests: list[TestSet]
    incomparable: set[str]
    notes: list[str]


def compare(paths: Sequence[str | Path]) -> Comparison:
    """Put runs side by side, on every test set that all of them were scored on.

    Args:
        paths: run folders; the first is the baseline.

    Raises:
        UserError: a run is given twice, is unfinished or not evaluated; no test
            set is shared; runs differ in language direction, test set or signature; or a run's
            files are no longer those that were scored. The sentence names the difference.
    """
    runs = _open(paths)
    source, target = _direction(runs)
    shared = sorted(set.intersection(*(set(run.scores) for run in runs)))
    if not shared:
        each = "; ".join(f"{run.name!r} on {', '.join(sorted(run.scores))}" for run in runs)
        raise UserError(
            f"no test set was scored for every run ({each}): "
            "`seq2seq evaluate RUN --test NAME` adds one"
        )
    with console.status(f"resampling the output of {len(runs)} runs {RESAMPLES} times"):
        tests = [_measure(test, runs, target) for test in shared]
    incomparable = _incomparable(runs)
    notes = _notes(runs, shared, incomparable)
    return Comparison(runs, source, target, tests, incomparable, notes)


# --- what may stand side by side ---------------------------------------------------------------


def _open(paths: Sequence[str | Path]) -> list[Run]:
    """The runs by their folders' names, or as much of their paths as tells them apart."""
    if not paths:
        raise UserError("there is nothing to compare: name one or more run folders")
    folders: dict[Path, RunFolder] = {}
    for path in paths:
        folder = RunFolder.open(path)
        if folder.path.resolve() in folders:
            raise UserError(f"the run {str(path)!r} is given twice")
        folders[folder.path.resolve()] = folder

    def tail(path: Path, depth: int) -> str:
        return "/".join(path.parts[-depth:])

    runs = []
    for path, folder in folders.items():
        depth = 1
        while sum(tail(other, depth) == tail(path, depth) for other in folders) > 1:
            depth += 1
        scores = folder.scores
        if not isinstance(scores, dict) or not scores:
            raise UserError(
                f"the run {str(folder.path)!r} is not evaluated yet: "
                f"`seq2seq evaluate {folder.path}` does it"
            )
        runs.append(Run(printable(tail(path, depth)), folder, scores))
    return runs


def _direction(runs: list[Run]) -> tuple[str | None, str | None]:
    """The source and the target language, which may not differ where they are known."""
    known: dict[str, tuple[str, str]] = {}  # "source" or "target" -> language, name of the run
    for run in runs:
        data = section(run.folder.config, "data")
        for side in ("source", "target"):
            language = data.get(side)
            if not isinstance(language, str):
                continue
            first, name = known.setdefault(side, (language, run.name))
            if language != first:
                raise UserError(
                    f"runs of different languages cannot be compared: the {side} is {first!r} "
                    f"for {name!r} and {language!r} for {run.name!r}"
                )
    return known.get("source", (None,))[0], known.get("target", (None,))[0]


def _measure(test: str, runs: list[Run], language: str | None) -> TestSet:
    """Check that all runs were measured alike on a test set, and resample their outputs."""
    for run in runs:
        _refuse_difference(test, runs[0], run)
    texts = [_texts(test, run) for run in runs]
    (_, references), outputs = texts[0], [hypotheses for hypotheses, _ in texts]
    resampled = paired_bootstrap(outputs[0], outputs[1:], references, language=language)
    for run, found in zip(runs, resampled, strict=True):
        _refuse_edited(test, run, found)
    return TestSet(test, resampled, _search_notes(test, runs))


def _refuse_difference(test: str, first: Run, run: Run) -> None:
    """Refuse a run whose test set or signatures are not the first's."""
    for key, what in (
        ("lines", "number of lines"),
        ("source_sha256", "source text's SHA-256"),
        ("reference_sha256", "reference's SHA-256"),
    ):
        ours, theirs = first.stored(test, "test", key), run.stored(test, "test", key)
        if ours != theirs:
            raise UserError(
                f"{test!r} is not the same test set in all runs: its {what} is "
                f"{ours} in {first.name!r} and {theirs} in {run.name!r}"
            )
    for metric, ours in signatures(first.scores[test]).items():
        theirs = signatures(run.scores[test]).get(metric, ours)
        if ours != theirs:
            raise UserError(
                f"{metric} on {test!r} was not measured alike: "
                f"as {ours} in {first.name!r}, as {theirs} in {run.name!r}"
            )


def _texts(test: str, run: Run) -> tuple[list[str], list[str]]:
    """Translations and references, refused where they are no longer those that were scored."""
    folder = run.folder.test(test)
    hashed = {
        folder / "source.txt": run.stored(test, "test", "source_sha256"),
        folder / "reference.txt": run.stored(test, "test", "reference_sha256"),
    }
    if "model_sha256" in run.scores[test]:
        hashed[run.folder.path / "model.safetensors"] = run.stored(test, "model_sha256")
    for file, expected in hashed.items():
        if not file.is_file():
            raise UserError(f"{file} is missing")
        if (digest := sha256(file)) != expected:
            raise UserError(
                f"{file} has changed since {test!r} was scored "
                f"(SHA-256 {digest}, then {expected}): {run.again}"
            )
    output = folder / "hypothesis.txt"
    if not output.is_file():
        raise UserError(f"{output} is missing: {run.again}")
    hypotheses, references = read_lines(output), read_lines(folder / "reference.txt")
    if len(hypotheses) != len(references):
        raise UserError(
            f"{output} has {len(hypotheses)} lines and the reference {len(references)}: {run.again}"
        )
    return hypotheses, references


def _refuse_edited(test: str, run: Run, found: dict[str, Resampled]) -> None:
    """Refuse stored scores that do not follow from the translations beside them."""
    where = f"of {str(run.folder.path)!r} on {test!r}"
    for metric, now in found.items():
        if metric != "bleu" and metric not in run.scores[test]:
            continue
        signature = run.stored(test, metric, "signature")
        if _settings(signature) != _settings(now.signature):
            raise UserError(
                f"{metric} {where} was measured as {signature}, which cannot be repeated here "
                f"({now.signature}): {run.again}"
            )
        score = run.stored(test, metric, "score")
        if not isinstance(score, int | float) or abs(score - now.score) > TOLERANCE:
            raise UserError(
                f"{metric} {where} is {score} in scores.json but {now.score} by hypothesis.txt, "
                f"so one of the two was edited: {run.again}"
            )


def _settings(signature: object) -> set[str]:
    """The parts of a signature that change a score: not its version, not its resampling."""
    parts = str(signature).split("|")
    return {part for part in parts if part.split(":")[0] not in ("bs", "seed", "version")}


def signatures(stored: dict[str, Any]) -> dict[str, str]:
    """The signature of every metric that has one."""
    return {
        metric: str(score["signature"])
        for metric, score in stored.items()
        if isinstance(score, dict) and "signature" in score
    }


# --- what a reader must know --------------------------------------------------------------------


def _search_notes(test: str, runs: list[Run]) -> list[str]:
    """How translations were searched for: said once where all agree, else run by run."""
    searches = {
        run.name: printable(json.dumps(run.scores[test].get("search"), sort_keys=True))
        for run in runs
    }
    if len(set(searches.values())) > 1:
        return [f"Run {name} searched with {search}." for name, search in searches.items()]
    return [] if (search := searches[runs[0].name]) == "null" else [f"Searched with {search}."]


def _incomparable(runs: list[Run]) -> set[str]:
    """The runs that are not known to cut the target language as the first does."""
    vocabularies = {run.name: section(run.folder.info, "tokenizer").get("target") for run in runs}
    first = vocabularies[runs[0].name]
    return {run.name for run in runs[1:] if first is None or vocabularies[run.name] != first}


def _notes(runs: list[Run], shared: list[str], incomparable: set[str]) -> list[str]:
    """How to read the tables, what the footnote signs mean, and which tests are not shown."""
    first = runs[0].name
    notes = [f"The interval is BLEU's 95 % bootstrap interval ({RESAMPLES} resamples)."]
    if len(runs) > 1:
        notes.append(
            f"The difference is in BLEU, to {first}; p is how often chance alone would make one "
            "at least this large (paired bootstrap resampling, Koehn 2004). A difference smaller "
            "than the intervals is noise unless p is below 0.05. One training run each: neither "
            "number tells what another seed would give."
        )
    notes += [
        f"\N{DAGGER} Run {run.name} is not known to be trained to its end (status: "
        f"{printable(str(run.folder.info.get('status', 'unknown')))})."
        for run in runs
        if unfinished(run)
    ]
    if incomparable:
        notes.append(
            f"* Perplexity is over other pieces than those of {first}, as far as is known: "
            "not to be compared with it."
        )
    for test in sorted(set().union(*(run.scores for run in runs)) - set(shared)):
        without = ", ".join(run.name for run in runs if test not in run.scores)
        notes.append(f"Left out is {printable(test)}, not scored for: {without}.")
    return notes


def unfinished(run: Run) -> bool:
    """Whether the training of a run did not end by itself."""
    return run.folder.info.get("status") != "finished"


def section(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    """A mapping inside a mapping; empty where it is missing or something else."""
    section = mapping.get(key)
    return section if isinstance(section, dict) else {}


def printable(string: str) -> str:
    r"""The string with what a terminal or an editor would obey spelled out, as \x1b or \u202e."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in string
    )
