"""What one training leaves behind in its process: its run folder, and nothing else."""

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric.utilities import rank_zero

from seq2seq.system.memory import PeakMemory
from seq2seq.training.learner import Learner


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


def state_of_this_process() -> dict[str, object]:
    """Everything global that a training could change."""
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "benchmark": torch.backends.cudnn.benchmark,
        "oneDNN": torch.backends.mkldnn.enabled,
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "torch": torch.get_rng_state().tolist(),
        "numpy": repr(np.random.get_state()),
        "environment": dict(os.environ),
        "directory": Path.cwd(),
        "signals": [signal.getsignal(number) for number in range(1, signal.NSIG)],
        "filters": list(warnings.filters),
        "logging": [logging.root.level, list(logging.root.handlers)],
        "group": torch.distributed.is_initialized(),
        "rank": rank_zero.rank_zero_only.rank,
    }


@pytest.fixture
def unusual():
    """A process whose settings are none of a training's."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.backends.cudnn.benchmark = True
    yield
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(before)


@pytest.mark.parametrize("fails", [False, True])
def test_a_training_leaves_its_process_as_it_was(unusual, fit, monkeypatch, fails):
    torch.manual_seed(7)
    seen = {}
    original = Learner.update

    def update(self, loss):
        seen.update(state_of_this_process())
        if fails:
            raise RuntimeError("something unforeseen")
        return original(self, loss)

    monkeypatch.setattr(Learner, "update", update)
    before = state_of_this_process()
    if fails:
        with pytest.raises(RuntimeError, match="unforeseen"):
            fit("transformer", "train.max_steps=2", "model.dropout=0.1", "trainer.threads=1")
    else:
        fit("transformer", "train.max_steps=2", "model.dropout=0.1", "trainer.threads=1")
    assert state_of_this_process() == before
    assert (seen["threads"], seen["deterministic"], seen["warns"]) == (1, True, True)
    assert (seen["fill"], seen["benchmark"]) == (False, False)


def test_torch_is_held_to_operations_that_repeat(fit, monkeypatch):
    original = Learner.update

    def update(self, loss):
        wanted = self.config.deterministic
        assert torch.are_deterministic_algorithms_enabled() is wanted
        if wanted:
            with pytest.warns(UserWarning, match="put_ .* deterministic"):  # it has no such form
                torch.zeros(3).put_(torch.tensor([0]), torch.tensor([1.0]))
        return original(self, loss)

    monkeypatch.setattr(Learner, "update", update)
    for wanted in (False, True):
        fit("rnn", "train.max_steps=1", f"deterministic={wanted}", name=f"deterministic-{wanted}")


def test_the_order_of_trainings_changes_no_weight(fit):
    words = ["model.dropout=0.3", "train.max_steps=3"]
    alone = fit("rnn", *words, name="alone")
    fit("transformer", *words, "deterministic=false", "seed=9", name="between")
    after = fit("rnn", *words, name="after")
    files = ["model.safetensors", "log.jsonl"]
    assert [(alone / name).read_bytes() for name in files] == [
        (after / name).read_bytes() for name in files
    ]


# --- memory -------------------------------------------------------------------------------------

CPU = torch.device("cpu")
MIB = 2**20


def test_each_peak_is_of_its_own_time():
    first = PeakMemory(CPU)
    large = np.ones(200 * MIB, dtype=np.uint8)
    assert first.read() > 200 * MIB
    del large
    second = PeakMemory(CPU)
    small = np.ones(10 * MIB, dtype=np.uint8)
    assert second.read() < first.before + 100 * MIB
    del small


def test_where_the_peak_cannot_be_reset_it_is_known_if_it_grows(monkeypatch):
    peaks = iter([500, 500, 700])
    monkeypatch.setattr("seq2seq.system.memory.reset_process_peak", lambda: False)
    monkeypatch.setattr("seq2seq.system.memory.process_peak", lambda: next(peaks))
    memory = PeakMemory(CPU)
    assert memory.read() is None
    assert memory.read() == 700


def test_nothing_is_said_of_memory_that_cannot_be_seen(monkeypatch):
    assert PeakMemory(torch.device("mps")).read() is None
    monkeypatch.setattr("seq2seq.system.memory.process_peak", lambda: None)
    assert PeakMemory(CPU).read() is None


def test_a_gpu_forgets_its_peak(monkeypatch):
    gpu, forgotten = SimpleNamespace(type="cuda"), []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forgotten.append)
    for begun in (False, True):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda begun=begun: begun)
        assert PeakMemory(gpu).read() == 7
    assert forgotten == [gpu]


def test_a_small_training_after_a_large_one_has_its_own_peak(fit):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not let a process reset its peak")
    gc.collect()
    peaks = {}
    for name, dim in (("before", 16), ("large", 1024), ("after", 16)):
        run = fit("rnn", "train.max_steps=1", f"model.dim={dim}", name=name)
        peaks[name] = info(run)["peak_memory"] / MIB
    assert peaks["large"] > peaks["before"] + 100
    assert abs(peaks["after"] - peaks["before"]) < 0.3 * (peaks["large"] - peaks["before"])


# --- as a library -------------------------------------------------------------------------------

LIBRARY = """
import json, os, signal, sys, warnings, logging, locale
import numpy, torch, matplotlib, plotly.graph_objects, plotly.tools, sacrebleu, rich.console
def state():
    return dict(
        threads=torch.get_num_threads(), interop=torch.get_num_interop_threads(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        dtype=str(torch.get_default_dtype()), gradients=torch.is_grad_enabled(),
        torch=torch.get_rng_state().tolist(), numpy=repr(numpy.random.get_state()),
        environment=dict(os.environ), directory=os.getcwd(), path=list(sys.path),
        signals=[str(signal.getsignal(n)) for n in range(1, signal.NSIG)],
        filters=[str(f) for f in warnings.filters],
        logging=[logging.root.level, len(logging.root.handlers), logging.root.manager.disable],
        hooks=[str(sys.excepthook), str(sys.unraisablehook)],
        locale=locale.setlocale(locale.LC_ALL),
        backend=matplotlib.rcParams._get_backend_or_none(),
        fonts=matplotlib.rcParams["font.family"],
        recursion=sys.getrecursionlimit(),
    )
import ctypes
real, loaded = ctypes.CDLL, []
ctypes.CDLL = lambda name, *a, **k: loaded.append(name) or real(name, *a, **k)
torch.set_num_threads(2)
before = state()
import seq2seq, seq2seq.commands.evaluate, seq2seq.commands.plot
from seq2seq.compare.comparison import compare
from seq2seq.compare.report import write
from pathlib import Path
run = Path(sys.argv[1])
translator = seq2seq.Translator(run)
translator(["two cats see trees"], attention=True)
list(translator.force([("two cats see trees", "zwei")]))
seq2seq.commands.evaluate.evaluate(run, ["test"])
seq2seq.commands.plot.plot("runs", [run], source="two cats", out=Path(sys.argv[2]) / "a.png")
write.write(compare([run]), Path(sys.argv[2]) / "report")
after = state()
print(json.dumps([[k for k in before if before[k] != after[k]], [str(n) for n in loaded]]))
"""


def test_a_program_that_translates_evaluates_and_compares_stays_as_it_was(fit, tmp_path):
    run = fit("bahdanau", "train.max_steps=2")
    words = [sys.executable, "-c", LIBRARY, str(run), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    changed, libraries = json.loads(done.stdout.splitlines()[-1])
    assert changed == []
    assert "None" not in libraries  # nobody changed how this process manages its memory
