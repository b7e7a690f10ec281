"""Two evaluations of one run at once, and one during a training."""

import threading
import time
from pathlib import Path

import pytest

from seq2seq.commands import evaluate
from seq2seq.errors import UserError
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import unchanged_weights
from seq2seq.system import files
from seq2seq.system.files import sha256


@pytest.fixture
def slow(monkeypatch) -> list[str]:
    """Evaluations that take no model, and writes that take their time; the sets being evaluated."""
    inside: list[str] = []

    def evaluate_one(translator, folder: Path, *_: object, **__: object) -> dict:
        inside.append(folder.name)
        assert inside.count(folder.name) == 1
        time.sleep(0.2)
        inside.remove(folder.name)
        return {"by": threading.current_thread().name}

    def write_json(path: Path, content: object) -> None:
        time.sleep(0.2)
        files.write_json(path, content)

    monkeypatch.setattr(evaluate, "Translator", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "check_rule", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "evaluate_one", evaluate_one)
    monkeypatch.setattr(evaluate, "write_json", write_json)
    return inside


def at_once(run: Path, *tests: list[str]) -> None:
    threads = [
        threading.Thread(target=evaluate.evaluate, args=(run, names), name=str(number))
        for number, names in enumerate(tests)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_no_result_is_lost_where_two_evaluate_one_run(fit, slow):
    run = fit("rnn", "train.max_steps=1")
    at_once(run, ["test"], ["validation"])
    assert RunFolder.open(run).scores == {"test": {"by": "0"}, "validation": {"by": "1"}}


def test_one_at_a_time_evaluates_a_test_set(fit, slow, capfd):
    run = fit("rnn", "train.max_steps=1")
    at_once(run, ["test"], ["test"])
    assert RunFolder.open(run).scores["test"]["by"] in ("0", "1") and slow == []
    assert "waiting for another process that evaluates" in capfd.readouterr().err
    assert not [*run.rglob("*.lock")]


def test_where_a_folder_cannot_be_locked_nobody_waits(tmp_path, monkeypatch):
    def none(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr("fcntl.flock", none)
    with files.folder_lock(tmp_path), files.folder_lock(tmp_path):
        pass


def test_scores_have_the_hash_of_the_weights_that_were_loaded(fit, monkeypatch):
    run = fit("rnn", "train.max_steps=1")
    weights = run / "model.safetensors"
    before, loaded = sha256(weights), evaluate.evaluate_one

    def replaced_meanwhile(*given: object, **more: object) -> dict:
        weights.write_bytes(weights.read_bytes() + b" ")
        return loaded(*given, **more)

    monkeypatch.setattr(evaluate, "evaluate_one", replaced_meanwhile)
    assert evaluate.evaluate(run, ["test"])["test"]["model_sha256"] == before


def test_weights_that_are_replaced_while_they_are_read_are_refused(fit):
    run = fit("rnn", "train.max_steps=1")
    with (
        pytest.raises(UserError, match=r"model\.safetensors was replaced while it was read"),
        unchanged_weights(RunFolder.open(run)),
    ):
        (run / "model.safetensors").write_bytes(b"new")
