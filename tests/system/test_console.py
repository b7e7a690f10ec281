"""A console that is gone: its reader has left the pipe, or its terminal was closed."""

import contextlib
import fcntl
import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seq2seq.system.console import console, print_if_read

ENDLESS = ["train.max_steps=1000000", "train.validate_every=1000000", "train.save_every=1000"]


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


def wait_for_step(started: subprocess.Popen, run: Path, step: int) -> None:
    log = run / "log.jsonl"
    while not log.is_file() or f'"step": {step},' not in log.read_text("utf-8"):
        assert started.poll() is None, "it ended too early"
        time.sleep(0.02)


def check_that_it_was_saved(run: Path, step: int) -> None:
    assert info(run)["status"] == "interrupted" and info(run)["steps"] >= step
    assert len([*run.glob("state/*.safetensors")]) == 2
    assert not [*run.rglob("*.partial")]


def test_a_training_outlives_the_reader_of_its_output(tiny, tmp_path):
    words = [*tiny("rnn", "name=run", "train.max_steps=8", "train.validate_every=1")]
    started = subprocess.Popen(
        [sys.executable, "-m", "seq2seq.cli", "train", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with started.stdout:  # as `2>&1 | head -2`
        assert started.stdout.readline() == b"run folder: runs/run\n"
        started.stdout.readline()
    assert started.wait() == 0
    assert (info(tmp_path / "runs/run")["status"], info(tmp_path / "runs/run")["steps"]) == (
        "finished",
        8,
    )


@pytest.fixture
def terminal(tiny, tmp_path) -> Iterator[Callable[..., tuple[subprocess.Popen, int]]]:
    """Start an endless training in a terminal of its own; the process, and the terminal's end."""
    started: list[subprocess.Popen] = []

    def start(prepare: Callable[[], object]) -> tuple[subprocess.Popen, int]:
        ours, theirs = pty.openpty()

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            prepare()

        words = [sys.executable, "-m", "seq2seq.cli", "train", *tiny("rnn", "name=run", *ENDLESS)]
        process = subprocess.Popen(
            words, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_terminal
        )
        os.close(theirs)
        started.append(process)
        return process, ours

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def test_closing_the_terminal_saves_and_ends_a_training(terminal, tmp_path):
    process, window = terminal(lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    wait_for_step(process, tmp_path / "runs/run", 3)
    os.close(window)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGHUP)  # a shell sends one of its own
    assert process.wait() == 129
    check_that_it_was_saved(tmp_path / "runs/run", 3)


def test_nohup_lets_a_training_outlive_its_terminal(terminal, tmp_path):
    process, window = terminal(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    run = tmp_path / "runs/run"
    wait_for_step(process, run, 3)
    os.close(window)
    process.send_signal(signal.SIGHUP)
    wait_for_step(process, run, len((run / "log.jsonl").read_text("utf-8").splitlines()) + 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    check_that_it_was_saved(run, 23)


def test_a_closed_stream_is_no_error_and_a_wrong_letter_is(monkeypatch):
    gone = io.TextIOWrapper(io.BytesIO())
    gone.close()
    for name in ("stderr", "stdout"):
        monkeypatch.setattr(sys, name, gone)
    console.print("nobody hears this")
    print_if_read("nor this")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    with pytest.raises(UnicodeEncodeError):
        print_if_read("\N{GREEK SMALL LETTER ALPHA}")
