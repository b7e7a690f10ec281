"""Compute the sentence statistics of the metrics, in parallel if there are many lines.

Each worker process is a new interpreter: a fork of a process with threads, such as one that has
trained a model, can deadlock on a lock that a thread of the parent holds.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import MappingProxyType

from seq2seq.scoring import metrics
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.console import track
from seq2seq.text.languages import Target

MANY = 3000  # lines of output from which starting worker processes is faster

Outputs = dict[str, list[str]]  # run -> translations
Texts = tuple[list[str], list[str], Outputs]  # sources, references, translations of all runs
Counted = dict[str, dict[str, Statistics]]  # run -> metric -> statistics
Task = tuple[list[str], list[list[str]], Target]  # translations, all references, target language


def count_all(
    texts: Mapping[str, Texts],
    target: Target,
    more: Mapping[str, Sequence[list[str]]] = MappingProxyType({}),
) -> dict[str, Counted]:
    """Compute the statistics of every output, by test set, run and metric.

    Uses all cores if there are `MANY` lines or more.

    Args:
        texts: texts by test set.
        target: the target language and the sacreBLEU tokenizer.
        more: additional references by test set.
    """
    tasks = [
        (test, name, lines, references)
        for test, (_, references, outputs) in texts.items()
        for name, lines in outputs.items()
    ]
    parallel = bool(sys.executable) and sum(len(lines) for _, _, lines, _ in tasks) >= MANY
    counted: dict[str, Counted] = {test: {} for test in texts}
    # Each thread starts one process and waits for it.
    with ThreadPoolExecutor(os.cpu_count()) if parallel else nullcontext() as pool:
        work = [
            (lines, [references, *more.get(test, ())], target)
            for test, _, lines, references in tasks
        ]
        results = pool.map(count_in_process, work) if pool else map(count_one, work)
        for (test, name, *_), statistics in zip(
            tasks,
            track(results, "scoring", total=len(tasks), unit="outputs"),
            strict=True,
        ):
            counted[test][name] = statistics
    return counted


def count_one(task: Task) -> dict[str, Statistics]:
    """Compute the statistics of one output."""
    lines, (references, *more), target = task
    return metrics.statistics(lines, references, **target._asdict(), more=more)


def count_in_process(task: Task) -> dict[str, Statistics]:
    """Compute the statistics of one output in a new process, or in this one if that fails."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import serve; serve()"],
        input=pickle.dumps(task),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    # If the process failed, counting again here raises its exception in this process.
    return count_one(task) if done.returncode else pickle.loads(done.stdout)


def serve() -> None:
    """Run in the worker: read a task from standard input, write statistics to standard output."""
    task: Task = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps(count_one(task)))
