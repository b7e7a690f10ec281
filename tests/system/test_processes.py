"""Several processes of one training: they agree, and they end together (gloo, on the CPU)."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seq2seq.system.processes import is_lost

# The `seq2seq` command, of which one process fails: KIND says how, WHO which.
SCRIPT = """
import os, signal, sys, time, torch
from seq2seq.training.learner import Learner
from seq2seq.training.validation import Validator
from seq2seq.errors import UserError
rank, kind, who = int(os.environ.get("LOCAL_RANK", 0)), KIND, WHO
gradients, validate = Learner.gradients, Validator.validate
calls = []
def fail():
    if kind == "memory":
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "signal" and len(calls) == 3:
        os.kill(os.getpid(), signal.SIGTERM)
if kind == "memory":
    from seq2seq.models.base import Seq2Seq
    loss = Seq2Seq.loss
    def bad(self, batch, smoothing=0.0):
        calls.append(1)
        if self.training and rank == who and len(calls) > 2:
            fail()
        return loss(self, batch, smoothing)
    Seq2Seq.loss = bad
elif kind == "validation":
    def bad(self, model, step):
        raise UserError("the validation loss is nan")
    Validator.validate = bad
else:
    def bad(self, drawn):
        calls.append(1)
        if rank == who and len(calls) > 2:
            fail()
        return gradients(self, drawn)
    Learner.gradients = bad
from seq2seq.cli import main
main()
"""


@pytest.fixture
def two(tiny, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Train with two processes, one of which comes to grief."""

    def run(kind: str, who: int, *more: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.py"
        script.write_text(f"KIND, WHO = {kind!r}, {who}\n{SCRIPT}")
        words = ["train", *tiny("rnn", "name=run", "trainer.devices=2", *more)]
        return subprocess.run(
            [sys.executable, str(script), *words],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )

    return run


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


LONG = ["train.max_steps=100000", "train.validate_every=100000"]


@pytest.mark.parametrize(
    ("kind", "who", "sentence"),
    [("memory", 1, "out of memory on "), ("validation", 0, "the validation loss is nan")],
)
def test_a_mistake_in_one_process_is_one_sentence_of_the_first(two, tmp_path, kind, who, sentence):
    done = two(kind, who, *LONG[:1], "train.validate_every=4")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("seq2seq: ")]
    assert len(said) == 1 and said[0].startswith(f"seq2seq: {sentence}"), done.stderr
    assert "Traceback" not in done.stderr
    assert info(tmp_path / "runs/run")["status"] == "failed"


def test_a_killed_process_ends_the_other(two):
    started = time.monotonic()
    done = two("killed", 1, *LONG)
    assert done.returncode in (1, -9)  # Lightning may kill it first
    assert "Traceback" not in done.stderr
    assert done.returncode == -9 or "was killed" in done.stderr
    assert time.monotonic() - started < 60


def test_a_signal_to_any_process_stops_and_saves(two, tmp_path):
    done = two("signal", 1, *LONG)
    assert done.returncode == 143, done.stderr
    assert info(tmp_path / "runs/run")["status"] == "interrupted"


def test_a_sweep_trains_each_of_its_runs_with_two_processes(process, tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # else Lightning sets no threads
    words = tiny("rnn", "trainer.devices=2", "train.max_steps=2", "-m")
    started = process("train", *words, "seed=1,2", "trainer.threads=3", cwd=tmp_path)
    _, err = started.communicate()
    assert started.returncode == 0, err
    for seed in (1, 2):
        [run] = (tmp_path / "runs").glob(f"*-rnn-{seed}")
        found = info(run)
        assert (found["status"], found["devices"]) == ("finished", 2)
        assert found["machine"]["threads"] == 3


def test_the_loss_of_a_process_is_told_from_other_errors():
    assert is_lost(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer"))
    assert is_lost(torch.distributed.DistBackendError("NCCL communicator was aborted"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost(KeyError("gloo"))
