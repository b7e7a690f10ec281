"""Several processes of one training: they agree, and they end together (gloo, on the CPU)."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.runs.weights import read_weights
from seq2seq.system import launcher, peers, threads
from seq2seq.system.launcher import Launcher
from seq2seq.system.peers import Connection, Leader
from seq2seq.system.processes import is_lost
from seq2seq.system.share import Share
from seq2seq.system.signals import Interrupted
from seq2seq.training.train import refuse_different_settings

PATIENCE = 300  # seconds; what takes longer hangs

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
    def bad(self, model, step, share):
        if rank == who:
            raise UserError("the validation loss is nan")
        return validate(self, model, step, share)
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


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
LONG = ["train.max_steps=100000", "train.validate_every=100000", "train.save_every=0"]


@pytest.fixture
def two(tiny, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Train with two processes, one of which fails."""

    def run(kind: str, who: int, *more: str, torchrun: bool = False):
        script = tmp_path / "script.py"
        script.write_text(f"KIND, WHO = {kind!r}, {who}\n{SCRIPT}")
        words = ["train", *tiny("rnn", "name=run", *more)]
        return subprocess.run(
            [sys.executable, *(TORCHRUN if torchrun else []), str(script), *words]
            + ([] if torchrun else ["trainer.devices=2"]),
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )

    return run


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


def sentences(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The messages of `seq2seq`; none may have a traceback."""
    assert done.stdout == "", done.stdout
    ours, _, _ = done.stderr.partition("torch/distributed/elastic")  # torchrun adds its own report
    assert "Traceback" not in ours
    return [line for line in done.stderr.splitlines() if line.startswith("seq2seq: ")]


@pytest.mark.parametrize(
    ("torchrun", "kind", "who", "part"),
    [
        (True, "memory", 1, "out of memory on "),
        (False, "validation", 0, "the validation loss is nan"),
    ],
)
def test_a_mistake_in_one_process_is_one_sentence_of_the_first(
    two, tmp_path, torchrun, kind, who, part
):
    done = two(kind, who, LONG[0], "train.validate_every=4", torchrun=torchrun)
    [says] = sentences(done)
    assert done.returncode == 1 and says.startswith(f"seq2seq: {part}"), done.stderr
    assert info(tmp_path / "runs/run")["status"] == "failed"


def test_after_a_kill_one_process_goes_on_to_the_weights_of_an_uninterrupted_run(
    two, fit, tmp_path, capsys
):
    words = ["train=adadelta", "trainer.precision=64-true", "train.validate_every=4"]
    more = ["train.save_every=0", "train.max_steps=8"]
    done = two("killed", 1, *words, *more)
    killed = tmp_path / "runs/run"
    [says] = sentences(done)
    assert done.returncode == 1 and "the process with rank 1 was killed" in says, done.stderr
    assert info(killed)["status"] == "failed" and not (killed / "train.lock").exists()
    words += [*more, "train.accumulate=2"]
    whole = fit("rnn", *words, name="whole")
    capsys.readouterr()
    resumed = fit("rnn", *words, f"runs_dir={tmp_path / 'runs'}", name="run")
    said = capsys.readouterr().err
    assert "1 process instead of 2: each update still has the same 2 batches" in said
    assert "resuming at step 2" in said
    assert info(resumed)["resumed"][0]["changes"] == {"processes": [2, 1]}
    torch.testing.assert_close(
        *(read_weights(run / "model.safetensors") for run in (resumed, whole))
    )


def test_the_others_report_that_the_first_process_was_killed(two):
    done = two("killed", 0, *LONG)
    [says] = sentences(done)
    assert done.returncode == -9 and "the process with rank 0 was killed" in says, done.stderr


def test_a_signal_to_any_process_stops_and_saves(two, tmp_path):
    done = two("signal", 1, *LONG)
    assert done.returncode == 143, done.stderr
    assert info(tmp_path / "runs/run")["status"] == "interrupted"


SLURM = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
SLURM |= {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NODELIST": "localhost", "SLURM_JOB_NAME": "train"}
SLURM |= {"MASTER_ADDR": "127.0.0.1"}


def test_tasks_of_slurm_make_the_update_of_one_process_with_all_their_pairs(tiny, fit, tmp_path):
    """Also with batches of different sizes, whose pairs all count alike."""
    words = ["data.train=heart", "data.validation=heart", "tokenizer.vocab_size=70"]
    words += ["train.optimizer=adadelta", "train.betas=[0.9,0]", "train.learning_rate=1"]
    words += ["trainer.precision=64-true", "train.max_steps=1", "train.warmup_steps=0"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    two = tiny("bahdanau", *words, "train.batch_tokens=100", f"runs_dir={tmp_path}", "name=two")
    tasks = [
        subprocess.Popen(
            [sys.executable, "-m", "seq2seq.cli", "train", *two],
            env={**os.environ, **SLURM, "MASTER_PORT": port, "SLURM_PROCID": r, "SLURM_LOCALID": r},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for r in "01"
    ]
    whole = fit("bahdanau", *words, "train.batch_tokens=4000", name="one")
    outs = [task.communicate(timeout=PATIENCE) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], outs
    assert [out for out, _ in outs] == [f"{tmp_path / 'two'}\n", ""]
    one, both = info(whole), info(tmp_path / "two")
    assert [each["devices"] for each in (one, both)] == [1, 2]
    assert [each["data"]["train"]["batches"] for each in (one, both)] == [1, 2]
    assert both["target_tokens"] == one["target_tokens"]
    weights = (read_weights(run / "model.safetensors") for run in (tmp_path / "two", whole))
    torch.testing.assert_close(*weights)


def test_processes_that_translate_a_test_set_together_get_the_same(process, fit, tmp_path):
    run = fit("rnn", "data.tests=[heart]")
    scores = []
    for more in ([], ["--devices", "2"]):
        started = process("evaluate", run, *more, cwd=tmp_path)
        out, err = started.communicate()
        assert started.returncode == 0 and out.count("BLEU") == 1, err
        scores.append(json.loads((run / "scores.json").read_text("utf-8")))
        scores[-1]["hypotheses"] = (run / "hyps/heart/hypothesis.txt").read_text("utf-8")
    one, two = (found["heart"] for found in scores)
    assert two["processes"] == 2 and "processes" not in one
    differ = {"seconds", "sentences_per_second", "processes", "date"}
    for entry in (one, two):
        entry["machine"] = None
        for key in differ:
            entry.pop(key, None)
    assert one == two and scores[0]["hypotheses"] == scores[1]["hypotheses"]


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


# --- launchers ----------------------------------------------------------------------------------

RUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "3"}
STEP = {"SLURM_STEP_NUM_TASKS": "6", "SLURM_PROCID": "1", "SLURM_STEP_NUM_NODES": "3"}


def test_who_has_started_the_processes_is_read_from_the_environment():
    assert launcher.find(RUN) == Launcher("torchrun", rank=3, processes=4, per_machine=2)
    assert launcher.find(STEP) == Launcher("srun", rank=1, processes=6, per_machine=2)
    assert [launcher.find(given).machines for given in (RUN, STEP)] == [2, 3]
    assert launcher.find({**STEP, **RUN}).name == "torchrun"  # started by srun, once a machine
    alone = {**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}
    batch_script = {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}
    for given in ({}, alone, {**RUN, "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, batch_script):
        assert launcher.find(given) is None


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({**RUN, "WORLD_SIZE": "many"}, "WORLD_SIZE is 'many' instead of a number"),
        ({**RUN, "RANK": "-1"}, "RANK is '-1'"),
        ({**RUN, "WORLD_SIZE": "5"}, "5 processes with different numbers on the machines"),
        ({**STEP, "SLURM_PROCID": ""}, "SLURM_PROCID is ''"),
        ({**STEP, "SLURM_STEP_NUM_NODES": "4"}, "--ntasks-per-node"),
    ],
)
def test_a_launcher_that_cannot_be_followed_is_refused(given, part):
    with pytest.raises(UserError) as caught:
        launcher.find(given)
    assert part in str(caught.value)


def test_the_launcher_decides_how_many_processes_there_are(monkeypatch):
    found = launcher.find(RUN)
    assert [launcher.processes_per_machine(count, found) for count in (1, 2)] == [2, 2]
    assert launcher.processes_per_machine(3, None) == 3
    with pytest.raises(UserError, match=r"started 2 .* trainer.devices asks for 3: remove"):
        launcher.processes_per_machine(3, found)
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="4 processes, which share one training, but not a sweep"):
        launcher.refuse_launcher("a sweep")


def test_a_job_of_slurm_without_srun_is_one_process_and_says_so(monkeypatch):
    assert launcher.describe_unused_tasks() is None
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert "srun starts 4" in launcher.describe_unused_tasks()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert launcher.describe_unused_tasks() is None


def test_threads_are_divided_once(monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 16)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads.most(count) for count in (1, 2, 3, 32)] == [16, 8, 5, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert (threads.most(2), threads.repeatable(2)) == (1, 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")  # torchrun has set the 1
    assert (threads.most(2), threads.repeatable(2)) == (8, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.most(2) == 3
    for name in ("TORCHELASTIC_RUN_ID", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(threads, "processors", lambda: 4)  # srun shows a task its own
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    assert (threads.most(2), threads.repeatable(2)) == (4, 2)


# --- connections --------------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_only_processes_of_the_training_can_end_it():
    leader = Leader(3, lambda: None, patience=float(PATIENCE))
    host, port, key = leader.listen("127.0.0.1").split()

    def connect(*hello: object) -> Connection:
        made = Connection(socket.create_connection((host, int(port))))
        made.send(*hello)
        return made

    for hello in (["hello", 1, "0" * 32], ["hello", 1], ["failed", "by another program"], []):
        with (other := connect(*hello)).socket:
            other.send("failed", "by another program")
    with socket.create_connection((host, int(port))) as noise:
        noise.sendall(b"GET / HTTP/1.1\r\n\r\n")
    first, second = connect("hello", 1, key), connect("hello", 2, key)
    leader.tell("ready")
    assert next(first.messages()) == next(second.messages()) == ["ready"]
    assert leader.reason is None
    first.send("done")
    wait_for(lambda: 1 in leader.ended)
    for connection in (first, second):
        connection.socket.shutdown(socket.SHUT_RDWR)
        connection.socket.close()
    wait_for(lambda: leader.reason is not None)
    assert leader.reason == peers.killed(2)
    with pytest.raises(UserError, match="rank 2 was killed"):
        leader.fail(RuntimeError("gloo: Connection closed by peer"), lost=True)


def test_shares_of_work_are_put_together_in_order_unless_one_is_interrupted():
    items = list(range(7))

    def gathered(own: list[int]) -> list[list[int]]:
        return [own, *([10 * item for item in items[rank::3]] for rank in (1, 2))]

    assert Share(0, 3, gathered).map(lambda item: 10 * item, items) == [10 * i for i in items]
    with pytest.raises(Interrupted):
        Share(0, 3, gathered, run=lambda work: None).map(lambda item: item, items)


def test_processes_with_different_settings_are_not_one_training():
    refuse_different_settings([{"seed": 1, "train.ema": 0.0}] * 3)
    with pytest.raises(UserError, match="seed is 1 in rank 0 and 2 in rank 1; start each"):
        refuse_different_settings([{"name": "a", "seed": 1}, {"name": "a", "seed": 2}])
