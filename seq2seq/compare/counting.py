"""Counting what the metrics need in every output: the slow part, on all cores if it is much."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext

from seq2seq.scoring import metrics
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.console import track

MANY = 3000  # lines of output from which more processes are worth their start

Outputs = dict[str, list[str]]  # by run
Texts = tuple[list[str], list[str], Outputs]  # sources, references and all translations
Counted = dict[str, dict[str, Statistics]]  # by run and metric


def count_all(
    texts: Mapping[str, Texts],
    words: tuple[str | None, str | None],
    more: Sequence[list[str]] = (),
) -> dict[str, Counted]:
    """What the metrics count in every output, by test set and run; on all cores if it is much.

    Args:
        texts: of every test set.
        words: code of the target language and tokenizer of sacreBLEU.
        more: further references, of the only test set.
    """
    tasks = [
        (test, name, lines, references)
        for test, (_, references, outputs) in texts.items()
        for name, lines in outputs.items()
    ]
    forks = "fork" in multiprocessing.get_all_start_methods()
    much = forks and sum(len(lines) for _, _, lines, _ in tasks) >= MANY
    found: dict[str, Counted] = {test: {} for test in texts}
    with (
        ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork"))
        if much
        else nullcontext()
    ) as pool:
        counted = (pool.map if pool else map)(
            count_one, [(lines, [references, *more], words) for _, _, lines, references in tasks]
        )
        for (test, name, *_), statistics in zip(
            tasks,
            track(counted, "scoring", total=len(tasks), unit="outputs"),
            strict=True,
        ):
            found[test][name] = statistics
    return found


def count_one(
    task: tuple[list[str], list[list[str]], tuple[str | None, str | None]],
) -> dict[str, Statistics]:
    """What the metrics count in one output."""
    lines, (references, *more), (language, tokenizer) = task
    return metrics.statistics(lines, references, language=language, tokenizer=tokenizer, more=more)
