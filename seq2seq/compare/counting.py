"""Counting what the metrics need in every output: the slow part, on all cores if it is much.

Each process is a new interpreter, whatever this one has loaded: a copy of a process with threads,
such as one that has trained, can wait for ever for a lock that no thread of its own holds.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from seq2seq.scoring import metrics
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.console import track
from seq2seq.text.languages import Target

MANY = 3000  # lines of output from which more processes are worth their start

Outputs = dict[str, list[str]]  # by run
Texts = tuple[list[str], list[str], Outputs]  # sources, references and all translations
Counted = dict[str, dict[str, Statistics]]  # by run and metric
Task = tuple[list[str], list[list[str]], Target]  # translations, all references, their language


def count_all(
    texts: Mapping[str, Texts],
    target: Target,
    more: Sequence[list[str]] = (),
) -> dict[str, Counted]:
    """What the metrics count in every output, by test set and run; on all cores if it is much.

    Args:
        texts: of every test set.
        target: the target language and the sacreBLEU tokenizer.
        more: further references, of the only test set.
    """
    tasks = [
        (test, name, lines, references)
        for test, (_, references, outputs) in texts.items()
        for name, lines in outputs.items()
    ]
    much = bool(sys.executable) and sum(len(lines) for _, _, lines, _ in tasks) >= MANY
    found: dict[str, Counted] = {test: {} for test in texts}
    # A thread for each process, which only waits for it.
    with ThreadPoolExecutor(os.cpu_count()) if much else nullcontext() as pool:
        work = [(lines, [references, *more], target) for _, _, lines, references in tasks]
        counted = pool.map(count_elsewhere, work) if pool else map(count_one, work)
        for (test, name, *_), statistics in zip(
            tasks,
            track(counted, "scoring", total=len(tasks), unit="outputs"),
            strict=True,
        ):
            found[test][name] = statistics
    return found


def count_one(task: Task) -> dict[str, Statistics]:
    """What the metrics count in one output."""
    lines, (references, *more), target = task
    return metrics.statistics(lines, references, **target._asdict(), more=more)


def count_elsewhere(task: Task) -> dict[str, Statistics]:
    """The same, by a process of its own; here, where that cannot be."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import serve; serve()"],
        input=pickle.dumps(task),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    # Whatever went wrong there is said here.
    return count_one(task) if done.returncode else pickle.loads(done.stdout)


def serve() -> None:
    """Count what `count_elsewhere` sends on standard input, and answer on standard output."""
    task: Task = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps(count_one(task)))
