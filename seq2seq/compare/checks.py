"""What may stand side by side: one direction, one test set, one measure, files as they were scored.

A number in a table asks to be compared with its neighbours. What was not measured alike is refused,
and the sentence names the difference.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.compare.runs import Run, section
from seq2seq.errors import UserError, did_you_mean
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.files import read_back, sha256
from seq2seq.system.text_lines import read_lines
from seq2seq.text import markup

# Scores are stored unrounded: only a changed file moves them
TOLERANCE = 1e-6
MOST = 0.5  # of the lines of a file of translations, which may have others of a log between


def direction(runs: Sequence[Run]) -> tuple[str | None, str | None]:
    """The source and the target language, which may not differ where they are known."""
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
                    f"runs of different languages cannot be compared: the {side} is {first!r} "
                    f"for {name!r} and {language!r} for {run.name!r}"
                )
    return known.get("source", (None,))[0], known.get("target", (None,))[0]


def shared_tests(runs: Sequence[Run], wanted: Sequence[str], *, alone: bool) -> list[str]:
    """The test sets that all runs were scored on, or those of them that are wanted.

    Args:
        runs: scored ones.
        wanted: names; all if empty.
        alone: there may be only one, for a file of translations is of one test set.
    """
    shared = sorted(set.intersection(*(set(run.scores) for run in runs)))
    if not shared:
        each = "; ".join(f"{run.name!r} on {', '.join(sorted(run.scores))}" for run in runs)
        raise UserError(
            f"no test set was scored for every run ({each}): "
            "`seq2seq evaluate RUN --test NAME` adds one"
        )
    for name in wanted:
        if name not in shared:
            raise UserError(
                f"--test {name}: not every run was scored on it; {did_you_mean(name, shared)}"
            )
    chosen = [test for test in shared if test in wanted] or shared
    if alone and len(chosen) > 1:
        raise UserError(
            f"--hyps goes with one test set, and the runs were scored on {', '.join(chosen)}: "
            "say which by --test NAME"
        )
    return chosen


def refuse_difference(test: str, first: Run, run: Run) -> None:
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


def texts(test: str, run: Run) -> tuple[list[str], list[str], list[str]]:
    """Sources, references and translations of a run folder, unchanged since they were scored."""
    assert run.folder is not None
    folder = run.folder.test(test)
    hashed = {
        folder / "source.txt": run.stored(test, "test", "source_sha256"),
        folder / "reference.txt": run.stored(test, "test", "reference_sha256"),
    }
    if "model_sha256" in run.scores[test]:
        hashed[run.path / "model.safetensors"] = run.stored(test, "model_sha256")
    for file, expected in hashed.items():
        if not file.is_file():
            raise UserError(f"{file} is missing")
        if (digest := sha256(file)) != expected:
            raise UserError(
                f"{file} has changed since {test!r} was scored "
                f"(SHA-256 {digest}, then {expected}): {run.again}"
            )
    output = run.output(test)
    if not output.is_file():
        raise UserError(f"{output} is missing: {run.again}")
    sources, references = read_back(folder / "source.txt"), read_back(folder / "reference.txt")
    hypotheses = read_back(output)
    if len(hypotheses) != len(references):
        raise UserError(
            f"{output} has {len(hypotheses)} lines and the reference {len(references)}: {run.again}"
        )
    if len(sources) != len(references):
        raise UserError(
            f"{folder / 'source.txt'} has {len(sources)} lines and the reference {len(references)}"
        )
    return sources, references, hypotheses


def translations(file: Path, test: str, references: list[str]) -> list[str]:
    """The lines of an outside system's file, one for each reference."""
    lines = list(read_lines(file))
    kind = markup.of_all(lines, share=MOST)
    if kind is not None and kind != markup.of_all(references, share=MOST):
        raise markup.refusal(f"{file}", kind)
    if len(lines) != len(references):
        raise UserError(
            f"{file} has {len(lines)} lines and the test set {test!r} has {len(references)}: "
            "there must be one translation a line, in the same order"
        )
    return lines


def refuse_edited(test: str, run: Run, found: dict[str, Statistics]) -> None:
    """Refuse stored scores that do not follow from the translations beside them."""
    where = f"of {str(run.path)!r} on {test!r}"
    for metric, now in found.items():
        if metric != "bleu" and metric not in run.scores[test]:
            continue
        signature = run.stored(test, metric, "signature")
        if settings(signature) != settings(now.signature):
            raise UserError(
                f"{metric} {where} was measured as {signature}, which cannot be repeated here "
                f"({now.signature}): {run.again}"
            )
        score = run.stored(test, metric, "score")
        if not isinstance(score, int | float) or not abs(score - now.score) <= TOLERANCE:
            raise UserError(
                f"{metric} {where} is {score} in scores.json but {now.score} by hypothesis.txt, "
                f"so one of the two was edited: {run.again}"
            )


def settings(signature: object) -> set[str]:
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
