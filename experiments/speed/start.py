"""Time from the start of a process to its first result, in wall time and in processor time.

python experiments/speed/start.py RUN [KEY=VALUE...]: RUN is a trained run, KEY=VALUE are words of
`seq2seq train` (default: those of the demo's plain RNN). Prints, for each command, the minimum and
the median of 5 rounds, in each of which every command runs once. The first round, which fills the
caches, is not counted. To compare versions, set PYTHONPATH to the folder of each.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROUNDS = 5
LINE = b"The dog sees the cat.\n"
# Ends the process after the first call of a method of `Learner`, once that has been imported.
UNTIL = """
import os, sys
from importlib.machinery import PathFinder
from seq2seq.cli import main
LEARNER, METHOD = "seq2seq.training.learner", sys.argv.pop(1)
class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        if name != LEARNER:
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            method = getattr(module.Learner, METHOD)
            def last(*given):
                method(*given)
                os._exit(0)
            setattr(module.Learner, METHOD, last)
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, Finder)
main()
"""
PROGRAMS = {
    "import torch": ["-c", "import torch"],
    "seq2seq --help": ["-m", "seq2seq.cli", "--help"],
    "seq2seq translate": ["-m", "seq2seq.cli", "translate"],
    "seq2seq train, first batch": ["-c", UNTIL, "draw", "train"],
    "seq2seq train, first update": ["-c", UNTIL, "update", "train"],
}


def measured(words: Sequence[str], folder: Path) -> tuple[float, float]:
    """The wall time and the processor time of a process, in seconds."""
    with (folder / "output").open("wb") as output:
        started, before = time.perf_counter(), os.times()
        subprocess.run(
            [sys.executable, *words],
            input=LINE,
            stdout=output,
            stderr=output,
            check=True,
        )
        wall, after = time.perf_counter() - started, os.times()
    children = [t.children_user + t.children_system for t in (before, after)]
    return wall, children[1] - children[0]


def main(run: str, *words: str) -> None:
    """Measure all programs in turn, and print a table."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    for number in range(1 + ROUNDS):
        for name, program in PROGRAMS.items():
            with TemporaryDirectory() as folder:
                more = [run] if "translate" in name else []
                if "train" in name:
                    more = [*(words or ["experiment=demo-rnn"]), "name=run", f"runs_dir={folder}"]
                one = measured([*program, *more], Path(folder))
            if number:
                times[name].append(one)
    print("| command | wall, minimum | median | processor, minimum | median |")
    print("|:--|--:|--:|--:|--:|")
    for name, pairs in times.items():
        columns = (
            f"{f(side):.2f}" for side in zip(*pairs, strict=True) for f in (min, statistics.median)
        )
        print(f"| {name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
