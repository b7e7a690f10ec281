"""Saves of other versions: older ones are read, newer ones refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.runs.weights import read_tensors, read_weights, save_tensors
from seq2seq.training import state
from seq2seq.training.state import Progress, Save, Saves, read_fields, upgrade
from seq2seq.training.validation import Validation


def change_saves(run: Path, change) -> None:
    """Write all saves of a run anew with other facts."""
    for path in run.glob("state/*"):
        tensors, facts = read_tensors(path)
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        change(facts)
        save_tensors(path, tensors, facts)


def as_version_0_1_0(facts: dict[str, Any]) -> None:
    """Give facts the names that version 0.1.0 gave them."""
    del facts["format"]
    for old, new in state.RENAMED.items():
        part = "checkpoints" if new in facts["checkpoints"] else "progress"
        facts[part][old] = facts[part].pop(new)


def test_a_save_has_a_format(fit):
    run = fit("rnn", "train.max_steps=1")
    for path in run.glob("state/*"):
        assert read_tensors(path)[1]["format"] == state.FORMAT


def test_a_run_whose_saves_have_no_format_goes_on(fit):
    words = ["rnn", "train.validate_every=2", "train.average=2", "model.dropout=0.3"]
    whole = fit(*words, "train.max_steps=4", name="whole")
    run = fit(*words, "train.max_steps=2")
    change_saves(run, as_version_0_1_0)
    assert all("heard" in read_tensors(path)[1]["progress"] for path in run.glob("state/*"))
    assert fit(*words, "train.max_steps=4") == run
    found, expected = (read_weights(path / "model.safetensors") for path in (run, whole))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_newer_save_is_refused_and_nothing_is_touched(fit):
    run = fit("rnn", "train.max_steps=2")
    change_saves(run, lambda facts: facts.update(format=state.FORMAT + 1))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    known, newer = state.FORMAT, state.FORMAT + 1
    message = f"has format {newer}, this version of seq2seq reads up to {known}: .*fresh="
    with pytest.raises(UserError, match=message):
        fit("rnn", "train.max_steps=4")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("number", ["2", None, 0, -1, 1.5])
def test_a_format_that_is_no_number_is_refused(number):
    facts = dict.fromkeys(state.FACTS) | {"format": number}
    with pytest.raises(UserError, match="the invalid format"):
        upgrade(facts, Path("save"))


def test_a_file_of_something_else_is_refused():
    with pytest.raises(UserError, match=r"is not a saved state: missing checkpoints, falls"):
        upgrade({}, Path("model.safetensors"))


@pytest.mark.parametrize("record", [Progress(), Validation(step=1, loss=2.0, bleu=3.0)])
def test_a_field_that_is_unknown_or_missing_is_named(record):
    kind, what, facts = type(record), "a record", dataclasses.asdict(record)
    assert read_fields(kind, facts, what) == record
    facts["renamed"] = facts.pop("step")
    message = rf"{what} with missing or unknown fields .*\(renamed, step\)"
    with pytest.raises(UserError, match=message):
        read_fields(kind, facts, what)
    with pytest.raises(UserError, match=what):
        read_fields(kind, [1], what)


def test_a_save_without_a_fact_is_told_so(tmp_path):
    (tmp_path / "state").mkdir()
    saves = Saves(tmp_path)
    saves.write(Save({"weights.a": torch.zeros(1)}, {"progress": {}}))
    with pytest.raises(UserError, match="missing checkpoints"):
        saves.read(warn=pytest.fail)


@pytest.mark.parametrize(
    ("fact", "key", "value"),
    [
        ("progress", "step", "x"),
        ("progress", "seconds", -1.0),
        ("sampler", "epoch", 1.5),
        ("sampler", "position", None),
        ("checkpoints", "kept", 3),
        ("checkpoints", "best", {"step": 1}),
        ("logs", "log.jsonl", -5),
    ],
)
def test_a_fact_of_another_kind_is_refused(fit, fact, key, value):
    run = fit("rnn", "train.max_steps=2")
    change_saves(run, lambda facts: facts[fact].update({key: value}))
    with pytest.raises(UserError) as caught:
        fit("rnn", "train.max_steps=4")
    assert "\n" not in str(caught.value)


def test_a_save_of_another_optimizer_is_refused(fit):
    run = fit("rnn", "train.max_steps=2")
    for path in run.glob("state/*"):
        tensors, facts = read_tensors(path)
        kept = {k: t.clone() for k, t in tensors.items() if not k.endswith("exp_avg")}
        save_tensors(path, kept, facts)
    with pytest.raises(UserError, match="its state differs"):
        fit("rnn", "train.max_steps=4")


def test_a_damaged_run_json_is_gone_on_from(fit):
    run = fit("rnn", "train.max_steps=2")
    (run / "run.json").write_text('{"data": [1], "resumed": 5, "status": {}}')
    fit("rnn", "train.max_steps=4")
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
