"""Training of a model that fits itself: settings, logs, resuming, sweeps."""

import json
from pathlib import Path

import pytest
import yaml

from seq2seq.runs.weights import read_weights
from seq2seq.training.fitting import FittingLearner

MODEL = "word_for_word"


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text("utf-8"))


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture
def words(tiny):
    """Arguments for a run of `model`, without those that have no effect on it."""

    def arguments(*more: str) -> list[str]:
        given = (word for word in tiny(MODEL) if not word.startswith("train."))
        return [*given, "name=run", *more]

    return arguments


def test_the_settings_in_effect_are_stored(fit) -> None:
    # The fixture sets train.max_steps=4, as an experiment or a sweep may.
    folder = fit(MODEL, "model.iterations=3", "train.average=5", "tokenizer.sampling=0.3")
    stored = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    train = stored["train"]
    assert [train[key] for key in ("max_steps", "max_epochs", "average", "log_every")] == [
        *(3, None, 1, 1)
    ]
    assert stored["tokenizer"]["sampling"] == 0
    info = read(folder, "run.json")
    assert (info["status"], info["steps"], info["epochs"]) == ("finished", 3, 3.0)
    assert info["multiply_adds_per_target_token"] == 0
    assert info["parameters"] == int(
        (read_weights(folder / "model.safetensors")["probability"] > 0).sum()
    )


def test_each_iteration_is_logged_and_the_loss_never_rises(fit) -> None:
    folder = fit(MODEL, "train.validate_every=2")
    losses = [line["loss"] for line in log(folder) if "loss" in line]
    assert len(losses) == 10
    assert losses == sorted(losses, reverse=True)
    assert [line["step"] for line in log(folder) if "validation_bleu" in line] == [2, 4, 6, 8, 10]
    assert not {"learning_rate", "gradient_norm"} & log(folder)[0].keys()


@pytest.mark.parametrize(("killed", "validate_every"), [(1, 3), (2, 1), (4, 500)])
def test_a_killed_training_resumes_exactly(fit, monkeypatch, killed, validate_every) -> None:
    often = ["model.iterations=5", "train.save_every=0", f"train.validate_every={validate_every}"]
    whole = fit(MODEL, *often, name="whole")
    original = FittingLearner.gradients

    def die(self: FittingLearner, drawn: list) -> object:
        if self.done == killed:
            raise RuntimeError("killed")
        return original(self, drawn)

    with monkeypatch.context() as patch:
        patch.setattr(FittingLearner, "gradients", die)
        with pytest.raises(RuntimeError, match="killed"):
            fit(MODEL, *often, name="part")
    part = fit(MODEL, *often, name="part")
    assert read(part, "run.json")["resumed"][0]["step"] == killed
    for name in ("log.jsonl", "model.safetensors"):
        assert (part / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_finished_run_is_kept_and_fresh_starts_over(command, words) -> None:
    assert command("train", *words()).status == 0
    before = Path("runs/run/model.safetensors").read_bytes()
    again = command("train", *words())
    assert again.status == 0
    assert "runs/run is finished" in again.err
    command("train", *words("model.iterations=20")).must_refuse("model.iterations=10 (now 20)")
    assert command("train", *words("model.iterations=20", "resume=force")).status == 0
    assert read(Path("runs/run"), "run.json")["steps"] == 20
    assert command("train", *words("fresh=true")).status == 0
    assert Path("runs/run/model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "word",
    [
        *("train.learning_rate=1", "train.max_steps=5", "train=adadelta"),
        *("train.batch_tokens=100", "train.log_every=1", "tokenizer.sampling=0.1"),
        *("trainer.precision=bf16-true", "trainer.devices=2", "trainer.compile=true"),
    ],
)
def test_a_key_without_effect_is_refused(command, words, word) -> None:
    key = word.partition("=")[0]
    command("train", *words(word)).must_refuse(f"{key} has no effect on model={MODEL}")


@pytest.mark.parametrize("word", ["trainer.devices=2", "trainer.compile=true"])
def test_what_cannot_work_is_refused_in_a_sweep_too(command, words, word) -> None:
    answer = command("train", "-m", *words(word))
    assert answer.status == 1
    assert word in answer.err


def test_a_sweep_with_another_model_may_have_its_keys(command, tiny) -> None:
    given = [word for word in tiny("rnn") if not word.startswith("model")]
    answer = command("train", "-m", f"model={MODEL},rnn", "seed=1", *given)
    assert answer.status == 0, answer
    runs = sorted(Path("runs").glob("files-*"))
    assert [read(run, "run.json")["steps"] for run in runs] == [4, 10]
    for run in runs:
        assert command("evaluate", run, "--test", "test").status == 0
    answer = command("compare", *runs, "--out", "shown")
    assert answer.status == 0, answer
    assert MODEL in Path("shown/report.md").read_text("utf-8")


def test_bench_measures_no_updates_of_it(command) -> None:
    command("bench", MODEL).must_refuse("bench measures updates by gradients")
