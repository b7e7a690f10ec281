"""`seq2seq heads`: scores with each attention head switched off."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from figure_files import FIRST_BYTES
from untrained_runs import make_run, make_run_with_gold, write_test_set

from seq2seq.alignment.rule import Rule
from seq2seq.interpret import alignment
from seq2seq.plots.figure import FORMATS
from seq2seq.plots.heads import draw_heads
from seq2seq.scoring import metrics
from seq2seq.text.languages import Target
from seq2seq.translation.translator import Translator


@pytest.fixture(scope="module")
def transformer(tmp_path_factory) -> Path:
    return make_run_with_gold(tmp_path_factory.mktemp("runs") / "transformer", "transformer")


def read(run: Path, name: str) -> tuple[dict, list[dict]]:
    record = json.loads((run / "heads" / f"{name}.json").read_text("utf-8"))
    with (run / "heads" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return record, list(csv.DictReader(file))


def test_all_heads_and_layers_are_scored(command, transformer):
    before = (transformer / "model.safetensors").read_bytes()
    answer = command("heads", transformer, "--test", "test", "--device", "cpu")
    assert answer.status == 0, answer.err
    record, rows = read(transformer, "test-source")
    names = [(layer, head) for layer in (1, 2, 3) for head in (1, 2, None)]
    assert [(one["layer"], one["head"]) for one in record["heads"]] == names
    assert len(rows) == 2 * len(names)
    assert record["signature"].startswith("nrefs:1|case:mixed|") and record["pairs"] == 3
    assert record["rule"]["layer"] == 2 and len(record["model_sha256"]) == 64
    for row in rows:
        change = float(row["aer"]) - record["unchanged"]["aer"]
        assert float(row["aer_change"]) == pytest.approx(change)
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == [
        text.split()[0]
        for text in ("1.1", "1.2", "1 all", "2.1", "2.2", "2 all", "3.1", "3.2", "3")
    ]
    for ending in (".png", ".json", ".csv"):
        assert f"wrote {transformer}/heads/test-source{ending}" in answer.err
    assert (transformer / "heads/test-source.png").read_bytes().startswith(FIRST_BYTES[".png"])
    assert (transformer / "model.safetensors").read_bytes() == before


def test_the_scores_of_the_unchanged_model_are_those_of_other_commands(command, transformer):
    command("heads", transformer, "--test", "test", "--map", "target")
    record, _ = read(transformer, "test-target")
    translator = Translator(transformer, beam=1, device="cpu")
    test = transformer / "hyps" / "test"
    sources, references = (
        (test / name).read_text("utf-8").splitlines() for name in ("source.txt", "reference.txt")
    )
    found = [one.text for one in translator(sources)]
    bleu = metrics.bleu(found, references, **Target("de")._asdict())
    assert record["unchanged"]["bleu"] == pytest.approx(bleu)
    scores = alignment.measure(translator, test, Rule())
    assert record["unchanged"]["aer"] == pytest.approx(scores["aer"])


@pytest.mark.parametrize(
    ("model", "name", "count"),
    [
        ("transformer", "encoder", 3),
        ("bahdanau", "source", 1),
        ("luong", "source", 1),
        ("decoder_only", "source", 3),
        ("encoder_only", "source", 3),
    ],
)
def test_every_model_with_attention_can_be_measured(command, tmp_path, model, name, count):
    run = write_test_set(make_run(tmp_path / "run", model))  # without gold links
    answer = command("heads", run, "--test", "test", "--map", name, "--lines", "1-2")
    assert answer.status == 0, answer.err
    record, rows = read(run, f"test-{name}-1-2")
    assert (len(record["heads"]), record["pairs"], record["rule"]) == (count, 2, None)
    assert all(row["aer"] is None or row["aer"] == "" for row in rows)
    assert "AER" not in answer.out


@pytest.mark.parametrize("model", ["rnn", "elman"])
def test_a_model_without_attention_is_refused(command, tmp_path, model):
    run = write_test_set(make_run(tmp_path / "run", model))
    command("heads", run, "--test", "test").must_refuse("run has no attention heads to switch off")
    assert not (run / "heads").exists()


def test_what_is_wrong_is_refused_before_anything_is_translated(command, transformer, tmp_path):
    def refused(*words: object, run: Path = transformer) -> None:
        *words, part = words
        command("heads", run, *words).must_refuse(str(part))

    refused("--test", "tset", "tset")
    refused("--test", "test", "--lines", "4", "--lines 4: lines are counted from 1 to 3")
    refused("--test", "test", "--lines", "x", "--lines x: 'x' is neither a number nor a range")
    refused("--test", "test", "--out", "x.txt", "--out x.txt must end in .png, .svg, .pdf")
    joint = write_test_set(make_run(tmp_path / "joint", "decoder_only"))
    refused("--test", "test", "--map", "target", "with one softmax", run=joint)
    single = write_test_set(make_run(tmp_path / "single", "bahdanau"))
    refused("--test", "test", "--map", "encoder", "has attention to the source only", run=single)


def test_alibi_leaves_no_uniform_attention(command, transformer, tmp_path):
    run = Path(shutil.copytree(transformer, tmp_path / "run"))
    config = (run / "config.yaml").read_text("utf-8")
    run.joinpath("config.yaml").write_text(
        config.replace("  name: transformer", "  name: transformer\n  positions: alibi"), "utf-8"
    )
    answer = command("heads", run, "--test", "test", "--map", "encoder")
    assert answer.status == 0 and "uniform attention is left out: ALiBi" in answer.err
    record, rows = read(run, "test-encoder")
    assert record["heads"][0]["uniform"] is None and {row["edit"] for row in rows} == {"zero"}
    assert "uniform" not in answer.out


@pytest.mark.parametrize("ending", FORMATS)
def test_the_figure_is_drawn_in_every_form(tmp_path, ending):
    values = np.array([[-1.0, 2.0, -30.0], [0.0, -0.04, np.nan]])
    out = tmp_path / f"heads{ending}"
    draw_heads({"head removed": values}, ["1", "2", "all"], out, label="change of BLEU")
    assert out.read_bytes().startswith(FIRST_BYTES[ending])
