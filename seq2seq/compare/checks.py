"""Check that runs are comparable: same languages, test set and metrics, and unchanged files.

Every function raises `UserError` with a message that names the difference.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.compare.runs import Run
from seq2seq.errors import UserError, did_you_mean
from seq2seq.runs.nested import section
from seq2seq.runs.references import reference_files, references_sha256
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.files import read_lines_checked, sha256
from seq2seq.system.text_lines import read_lines
from seq2seq.text import markup

# Stored scores are unrounded, so a larger difference means that a file has changed
TOLERANCE = 1e-6
# Share of lines from which a file counts as markup; log lines may be mixed in with translations
MARKUP_SHARE = 0.5


def direction(runs: Sequence[Run]) -> tuple[str | None, str | None]:
    """Return the source and target language, each None if no run states it."""
    known: dict[str, tuple[str, str]] = {}  # "source" or "target" -> language, name of the run
    for run in runs:
        data = section(run.config, "data")
        for side in ("source", "target"):
            language = data.get(side)
            if not isinstance(language, str):
                continue
            first, name = known.setdefault(side, (language, run.name))
            if language != first:
                raise UserError(
                    f"runs with different languages cannot be compared: the {side} is {first!r} "
                    f"for {name!r} and {language!r} for {run.name!r}"
                )
    return known.get("source", (None,))[0], known.get("target", (None,))[0]


def shared_tests(runs: Sequence[Run], wanted: Sequence[str], *, alone: bool) -> list[str]:
    """Return the test sets that every run was scored on, restricted to those in `wanted`.

    Args:
        runs: evaluated runs.
        wanted: names of test sets; empty for all.
        alone: whether only one test set is allowed, as with a file of translations.
    """
    shared = sorted(set.intersection(*(set(run.scores) for run in runs)))
    if not shared:
        each = "; ".join(f"{run.name!r} on {', '.join(sorted(run.scores))}" for run in runs)
        raise UserError(
            f"the runs have no test set in common ({each}): "
            "score one with `seq2seq evaluate RUN --test NAME`"
        )
    for name in wanted:
        if name not in shared:
            raise UserError(
                f"--test {name}: not every run was scored on it: {did_you_mean(name, shared)}"
            )
    chosen = [test for test in shared if test in wanted] or shared
    if alone and len(chosen) > 1:
        raise UserError(
            f"--hyps needs a single test set, and the runs were scored on {', '.join(chosen)}: "
            "choose one with --test NAME"
        )
    return chosen


def refuse_difference(test: str, first: Run, run: Run) -> None:
    """Raise if a run's test set or metric signatures differ from those of the first run."""
    for key, what in (
        ("lines", "number of lines"),
        ("source_sha256", "source SHA-256"),
        ("reference_sha256", "reference SHA-256"),
    ):
        ours, theirs = first.stored(test, "test", key), run.stored(test, "test", key)
        if ours != theirs:
            raise UserError(
                f"{test!r} is not the same test set in all runs: the {what} is "
                f"{ours} in {first.name!r} and {theirs} in {run.name!r}"
            )
    for metric, ours in signatures(first.scores[test]).items():
        theirs = signatures(run.scores[test]).get(metric, ours)
        if ours != theirs:
            raise UserError(
                f"{metric} on {test!r} was computed with different settings: "
                f"{ours} in {first.name!r}, {theirs} in {run.name!r}"
            )


def texts(test: str, run: Run) -> tuple[list[str], list[str], list[str]]:
    """Read sources, references and translations of a run; raise if they changed since scoring."""
    assert run.folder is not None
    folder = run.folder.test(test)
    hashed = {
        folder / "source.txt": run.stored(test, "test", "source_sha256"),
    }
    if "model_sha256" in run.scores[test]:
        hashed[run.path / "model.safetensors"] = run.stored(test, "model_sha256")
    for file, expected in hashed.items():
        if not file.is_file():
            raise UserError(f"{file} is missing")
        if (digest := sha256(file)) != expected:
            raise UserError(
                f"{file} has changed since {test!r} was scored "
                f"(SHA-256 is {digest}, was {expected}): {run.again}"
            )
    if not (reference := folder / "reference.txt").is_file():
        raise UserError(f"{reference} is missing")
    expected = run.stored(test, "test", "reference_sha256")
    if (digest := references_sha256(folder)) != expected:
        files = ", ".join(str(file) for file in reference_files(folder))
        raise UserError(
            f"{files} has changed since {test!r} was scored "
            f"(SHA-256 is {digest}, was {expected}): {run.again}"
        )
    output = run.output(test)
    if not output.is_file():
        raise UserError(f"{output} is missing: {run.again}")
    sources = read_lines_checked(folder / "source.txt")
    references = read_lines_checked(folder / "reference.txt")
    hypotheses = read_lines_checked(output)
    if len(hypotheses) != len(references):
        raise UserError(
            f"{output} has {len(hypotheses)} lines but the reference has {len(references)}: "
            f"{run.again}"
        )
    if len(sources) != len(references):
        raise UserError(
            f"{folder / 'source.txt'} has {len(sources)} lines but the reference has "
            f"{len(references)}"
        )
    return sources, references, hypotheses


def translations(file: Path, test: str, references: list[str]) -> list[str]:
    """Read the translations of an outside system, one line per reference."""
    lines = list(read_lines(file))
    kind = markup.of_all(lines, share=MARKUP_SHARE)
    if kind is not None and kind != markup.of_all(references, share=MARKUP_SHARE):
        raise markup.refusal_of_markup(f"{file}", kind)
    if len(lines) != len(references):
        raise UserError(
            f"{file} has {len(lines)} lines but the test set {test!r} has {len(references)}: "
            "write one translation per line, in the same order"
        )
    return lines


def refuse_edited(test: str, run: Run, measured: dict[str, Statistics]) -> None:
    """Raise if stored scores differ from those computed from the stored translations."""
    where = f"of {str(run.path)!r} on {test!r}"
    for metric, now in measured.items():
        if metric != "bleu" and metric not in run.scores[test]:
            continue
        signature = run.stored(test, metric, "signature")
        if settings(signature) != settings(now.signature):
            raise UserError(
                f"{metric} {where} was computed as {signature}, but this version computes "
                f"{now.signature}: {run.again}"
            )
        score = run.stored(test, metric, "score")
        if not isinstance(score, int | float) or not abs(score - now.score) <= TOLERANCE:
            raise UserError(
                f"{metric} {where} is {score} in scores.json, but hypothesis.txt scores "
                f"{now.score}; one of the two files was edited: {run.again}"
            )


def settings(signature: object) -> set[str]:
    """Return the parts of a signature that affect the score: without version and resampling."""
    parts = str(signature).split("|")
    return {part for part in parts if part.split(":")[0] not in ("bs", "seed", "version")}


def signatures(stored: dict[str, Any]) -> dict[str, str]:
    """Return the signature of every metric that has one."""
    return {
        metric: str(score["signature"])
        for metric, score in stored.items()
        if isinstance(score, dict) and "signature" in score
    }
