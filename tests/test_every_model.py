"""Every model of configs/model through the commands: train, evaluate, align, plot, compare."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from seq2seq.commands.align import align
from seq2seq.commands.evaluate import evaluate
from seq2seq.commands.plot import plot
from seq2seq.errors import UserError
from seq2seq.interpret.maps import maps_of
from seq2seq.runs import stored_attention
from seq2seq.settings import compose, config_files
from seq2seq.settings.help import help_text
from seq2seq.settings.plugins import locate
from seq2seq.training.train import train
from seq2seq.translation.translator import Translator

NAMES = config_files.model_names()


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Callable[[str], Path]:
    """Train and evaluate a model by name; each once."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def run(name: str) -> Path:
        words = tiny(name, f"runs_dir={folder}")
        if locate("model", name).natural_search == "beam":
            words += ["search=greedy", "search.max_length=12"]  # quicker
        path = train(compose.read(compose.compose(words)))
        evaluate(path, ["test"], device="cpu")
        return path

    return run


@pytest.fixture(params=NAMES)
def run(request, trained) -> Path:
    return trained(request.param)


def name_of(run: Path) -> str:
    return yaml.safe_load((run / "config.yaml").read_text("utf-8"))["model"]["name"]


def test_a_run_is_stored_under_the_name_of_its_model(run):
    assert run.name == f"files-{name_of(run)}-1"
    section = yaml.safe_load((run / "config.yaml").read_text("utf-8"))["model"]
    assert section.keys() == config_files.model_settings(name_of(run)).keys()


def test_a_model_with_attention_is_aligned_and_one_without_is_refused(run, tmp_path):
    (forced,) = Translator(run, device="cpu").force([("two cats see trees", "zwei Katzen sehen")])
    asked = {"test": "test", "lines": "1", "reference": True, "device": "cpu"}
    out = tmp_path / "x.png"
    if forced.attention is None:
        with pytest.raises(UserError, match="has no attention"):
            align(run, **asked, out=out)
    else:
        assert align(run, **asked, out=out) == [out, out.with_suffix(".json")]


@pytest.mark.parametrize("name", ["target", "encoder"])
def test_maps_of_self_attention_are_drawn_and_stored_if_the_model_has_them(run, tmp_path, name):
    translator = Translator(run, device="cpu")
    (forced,) = translator.force([("two cats see trees", "zwei Katzen sehen")], maps=True)
    asked = {"test": "test", "reference": True, "name": name, "device": "cpu"}
    stored = run / "hyps" / "test" / stored_attention.FILE
    assert stored.is_file() == (forced.attention is not None)
    lines = stored_attention.read(stored) if stored.is_file() else []
    if name not in maps_of(forced):
        assert [one.maps for one in lines] == [{}] * len(lines)
        reason = "has no map" if lines else "has no attention"
        with pytest.raises(UserError, match=f"{run.name} {reason}"):
            align(run, **asked, lines="1", out=tmp_path / "x.png")
        for kind in ("runs", "lines", "heads"):
            with pytest.raises(UserError, match=f"{run.name} {reason}"):
                plot(kind, [run], **asked, line=1, out=tmp_path / "x.png")
        return
    _, file = align(run, **asked, lines="1", out=tmp_path / "x.png")
    record = json.loads(file.read_text("utf-8"))
    weights = np.array(record["weights"])
    assert weights.shape == (len(record["rows"]), len(record["columns"]))
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    joint = name == "target" and translator.model.joint_attention
    assert (record["source_columns"] is not None) == joint
    assert all(len(one.maps[name].rows) for one in lines if one.source)
    for kind in ("runs", "lines", "heads"):
        out = tmp_path / f"{kind}.png"
        assert plot(kind, [run], **asked, line=1, out=out) == out


def test_its_keys_are_described(run):
    text = help_text([f"model={name_of(run)}"])
    for key in config_files.model_settings(name_of(run)).keys() - {"name"}:
        assert f"model.{key}" in text


def test_all_are_compared_under_their_names(trained, command, tmp_path):
    runs = [trained(name) for name in NAMES]
    answer = command("compare", *runs, "--out", tmp_path / "comparison")
    assert answer.status == 0, answer
    table = (tmp_path / "comparison" / "report.md").read_text("utf-8").replace("\\_", "_")
    assert [name for name in NAMES if f"| {name} |" not in table] == []
