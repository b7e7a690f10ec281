"""The option --method of the commands, from the command line."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.numpy import save_file
from untrained_runs import ENGLISH, GERMAN

from seq2seq.alignment.rule import Rule
from seq2seq.compare import html
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import RULE, changed, chosen_rule
from seq2seq.plots.alignment_lines import draw_lines
from seq2seq.plots.heatmaps import SIGNED, draw_side_by_side
from seq2seq.plots.panel import Panel
from seq2seq.runs import stored_attention
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import write_json

SENTENCE = ("--source", ENGLISH[0], "--target", GERMAN[0])


def test_a_plain_rnn_is_aligned_by_occlusion(plain, command):
    command("align", plain, *SENTENCE).must_refuse("has no attention", "--method occlusion")
    answer = command("align", plain, *SENTENCE, "--method", "occlusion")
    assert answer.status == 0, answer
    (matrix,) = plain.glob("align/*-occlusion.json")
    found = json.loads(matrix.read_text("utf-8"))
    assert found["signed"]
    assert found["rule"]["method"] == "occlusion" and found["rule"]["hide"] == "drop"
    weights = np.array(found["weights"])
    assert weights.shape == (6, 6)
    assert weights.min() < 0 < weights.max()
    assert not weights[:, -1].any()
    assert matrix.with_suffix(".png").is_file()


@pytest.mark.parametrize("kind", ["lines", "runs"])
def test_a_plain_rnn_is_plotted(plain, command, kind):
    answer = command("plot", kind, plain, *SENTENCE, "--method", "gradient")
    assert answer.status == 0, answer
    assert list(plain.glob(f"align/*-{kind}-gradient.png"))


def test_heads_need_a_map_with_some(deep, command):
    words = ["plot", "heads", deep, *SENTENCE, "--method"]
    assert command(*words, "vectors").status == 0
    command(*words, "occlusion").must_refuse("occlusion has one map", "seq2seq align")


def test_heads_are_those_of_attention_if_the_method_of_the_rule_has_none(deep, command):
    file = deep / RULE
    file.parent.mkdir(exist_ok=True)
    file.write_text('{"rule": {"method": "occlusion"}}')
    answer = command("plot", "heads", deep, *SENTENCE)
    assert answer.status == 0, answer
    assert list(deep.glob("align/*-heads.png"))


def test_a_searched_translation_has_every_method(deep, command):
    for method in ("vectors", "alti", "occlusion"):
        answer = command("align", deep, "--source", ENGLISH[0], "--method", method)
        assert answer.status == 0, answer


def test_the_method_with_the_lowest_aer_is_stored_and_used(plain, command):
    answer = command("score-alignment", plain, "--test", "test", "--rule", "auto")
    assert answer.status == 0, answer
    stored = json.loads((plain / RULE).read_text("utf-8"))
    readings = json.loads((plain / "align" / "test.readings.json").read_text("utf-8"))["readings"]
    tried = {reading["rule"]["method"] for reading in readings}
    assert tried == {"occlusion", "gradient"}
    best = min(reading["aer"] for reading in readings)
    assert stored["aer"] == best
    assert chosen_rule(RunFolder.open(plain)) == Rule(**stored["rule"])
    assert stored["rule"]["method"] in tried
    answer = command("score-alignment", plain, "--test", "test")
    assert answer.status == 0, answer
    assert stored["rule"]["method"] in answer.out


def test_a_given_method_alone_is_tried(deep, command):
    words = ["score-alignment", deep, "--test", "test", "--rule", "auto", "--method", "vectors"]
    assert command(*words).status == 0
    assert chosen_rule(RunFolder.open(deep)).method == "vectors"
    answer = command(*words, "--hide", "unk")
    assert answer.status != 0
    assert "--hide has no effect with --method vectors" in answer.err


def test_evaluate_stores_and_scores_the_map_of_a_method(plain, command):
    assert command("evaluate", plain).status == 0
    assert not (plain / "hyps" / "test" / stored_attention.FILE).exists()
    assert "alignment" not in RunFolder.open(plain).scores["test"]
    answer = command("evaluate", plain, "--method", "occlusion", "--hide", "unk")
    assert answer.status == 0, answer
    rule = RunFolder.open(plain).scores["test"]["alignment"]["rule"]
    assert (rule["method"], rule["hide"]) == ("occlusion", "unk")
    file = plain / "hyps" / "test" / stored_attention.FILE
    for line in stored_attention.read(file):
        assert line.weights.shape == (len(line.target), len(line.source))
    assert stored_attention.method_of(file) == "occlusion"
    report = {"runs": [{"name": "plain"}], "tests": [{"lines": 3, "attention": {"plain": file}}]}
    html.write(report, plain / "report.html")
    assert '"methods":{"0":["occlusion"]}' in (plain / "report.html").read_text("utf-8")


def test_a_method_that_cannot_be_applied_is_refused_before_the_translation(plain, command):
    assert command("evaluate", plain, "--method", "occlusion").status == 0
    before = {path: path.read_bytes() for path in plain.rglob("*") if path.is_file()}
    command("evaluate", plain, "--method", "alti").must_refuse("--method alti cannot be applied")
    write_json(plain / RULE, {"rule": {"layer": 4, "method": "occlusion"}})
    command("evaluate", plain).must_refuse(
        "there is no layer 4: the map of occlusion has 1 (change the run's align/rule.json)"
    )
    after = {path: path.read_bytes() for path in plain.rglob("*") if path.is_file()}
    del after[plain / RULE]
    assert after == before


@pytest.mark.parametrize("name", ["gold.pronoun.tsv", "gold.agreement.tsv", "gold.links.txt"])
def test_damaged_gold_files_are_refused_before_the_translation(plain, command, name):
    assert command("evaluate", plain).status == 0
    (plain / "hyps" / "test" / name).write_text("x\n", "utf-8")
    before = (plain / "hyps" / "test" / "hypothesis.txt").stat().st_mtime_ns
    command("evaluate", plain, "--beam", "1").must_refuse(name)
    assert (plain / "hyps" / "test" / "hypothesis.txt").stat().st_mtime_ns == before


def test_no_map_of_older_translations_is_left(plain, command):
    """It would not belong to the new translations, and `compare` would refuse the run."""
    file = plain / "hyps" / "test" / stored_attention.FILE
    assert command("evaluate", plain, "--method", "occlusion").status == 0
    assert stored_attention.method_of(file) == "occlusion"
    assert command("evaluate", plain, "--beam", "1").status == 0
    assert not file.exists()


def test_a_map_that_is_too_large_is_not_stored(deep, command, monkeypatch):
    file = deep / "hyps" / "test" / stored_attention.FILE
    monkeypatch.setattr(stored_attention, "MAX_WEIGHT_BYTES", 10)
    answer = command("evaluate", deep)
    assert answer.status == 0
    assert "the attention of test is not stored: it has more than 10 bytes" in answer.err
    assert not file.exists()


def test_links_by_a_method_are_exported(plain, command):
    for ending in ("align", "jsonl", "npz"):
        out = plain / f"links.{ending}"
        words = ["export-alignment", plain, "--test", "test", "--out", out]
        assert command(*words, "--method", "occlusion").status == 0
    links = (plain / "links.align").read_text("ascii").splitlines()
    soft = [json.loads(line) for line in (plain / "links.jsonl").read_text("utf-8").splitlines()]
    for line, one in zip(links, soft, strict=True):
        assert line.split() == [f"{i}-{j}" for i, j in one["links"]]
        weights = np.array(one["weights"])
        for i, j in one["links"]:
            assert weights[j, i] == weights[j].max() > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["align", *SENTENCE, "--hide", "unk"], "--hide unk has no effect with --method attention"),
        (["align", *SENTENCE, "--method", "vectors", "--hide", "unk"], "--hide unk has no effect"),
        *[
            (
                ["align", *SENTENCE, "--method", method, f"--{what}", value],
                f"--{what} has no effect with --method {method}: its map has one {what}",
            )
            for method in ("occlusion", "gradient", "smoothgrad", "integrated_gradients")
            for what, value in (("layer", "2"), ("head", "mean"))
        ],
        (
            [
                "export-alignment",
                "--test",
                "test",
                "--out",
                "x.align",
                "--method",
                "gradient",
                "--end",
                "keep",
            ],
            "--end keep has no effect with --method gradient",
        ),
        (
            [
                "score-alignment",
                "--test",
                "test",
                "--rule",
                "auto",
                "--method",
                "occlusion",
                "--end",
                "keep",
            ],
            "--end has no effect with --method occlusion",
        ),
        *(
            (
                [*words, "--test", "test", "--end", "renormalise"],
                "--end renormalise has no effect without --threshold",
            )
            for words in (
                ["score-alignment"],
                ["score-alignment", "--rule", "auto"],
                ["export-alignment", "--out", "x.jsonl"],
            )
        ),
        (["align", *SENTENCE, "--map", "target", "--rule", "run"], "--rule and --shift have no"),
        (["plot", "pronouns", "--map", "source"], "--map has no effect"),
        (["plot", "gradients", "--map", "source"], "--map has no effect"),
        (["align", *SENTENCE, "--method", "alti", "--head", "1"], "--head has no effect"),
        (["align", *SENTENCE, "--method", "alti", "--layer", "4"], "the map of alti has 3"),
        (["align", *SENTENCE, "--layer", "\u0663"], "give a number from 1, or mean"),
        (["align", *SENTENCE, "--layer", "9" * 5000], f"--layer {'9' * 40}: give a number"),
        (["align", *SENTENCE, "--method", "occlusion", "--map", "target"], "--map target shows"),
        (["plot", "lines", "--method", "alti", "--map", "encoder"], "--map encoder shows"),
        (["plot", "gradients", "--method", "gradient"], "--method has no effect"),
        (["align", *SENTENCE, "--method", "saliency"], "saliency"),
    ],
)
def test_what_does_not_fit_is_refused(deep, command, words, message):
    count = 2 if words[0] == "plot" else 1
    answer = command(*words[:count], deep, *words[count:])
    assert answer.status != 0
    assert message in " ".join(answer.err.replace("│", " ").split())


def test_a_rule_of_attention_is_stored_as_before():
    """Earlier versions have no key `method`: they refuse a rule that has it."""
    assert set(asdict(Rule())) - set(Rule().record()) == {"method", "hide"}
    assert Rule(**Rule().record()) == Rule()
    rule = Rule(method="occlusion", hide="mean", shift=True)
    assert Rule(**rule.record()) == rule
    assert "hide" not in Rule(method="vectors").record()


@pytest.mark.parametrize("rule", ["[]", '{"method": 3}', '{"method": "<b>"}', '{"method": ""}'])
def test_a_stored_map_of_an_invalid_method_is_refused(tmp_path, rule):
    label = f'{{"hypothesis_sha256": "0", "rule": {rule}}}'
    empty = np.empty(0, dtype=np.uint8)
    save_file({"words": empty, "weights": empty}, tmp_path / "x", {"seq2seq": label})
    with pytest.raises(UserError, match="cannot be read as stored attention"):
        stored_attention.method_of(tmp_path / "x")


@pytest.mark.parametrize("bad", ['{"method": "magic"}', '{"method": 1}', '{"hide": "away"}'])
def test_a_rule_with_an_unknown_method_is_refused(plain, bad):
    write_json(plain / RULE, {"rule": json.loads(bad)})
    with pytest.raises(UserError, match="cannot be read as a rule"):
        chosen_rule(RunFolder.open(plain))


def test_a_rule_is_for_its_method():
    stored = Rule(layer=3, head=2, shift=True, end="keep")
    assert changed(stored, method="attention") == stored
    assert changed(stored, method="occlusion", hide="unk") == Rule(method="occlusion", hide="unk")
    assert changed(Rule(method="occlusion", hide="unk"), hide="mean").hide == "mean"
    with pytest.raises(UserError, match="--hide unk has no effect with --method attention"):
        changed(stored, hide="unk")


def test_signed_maps_are_red_and_blue_with_zero_white(tmp_path):
    values = np.array([[2.0, 0.0], [-1.0, -2.0]], dtype=np.float32)
    out = tmp_path / "x.png"
    draw_side_by_side([Panel(["a", "b"], ["c", "d"], values, signed=True)], out)
    pixels = imread(out)[..., :3].reshape(-1, 3)
    for value in (1.0, 0.25, 0.0):  # of a scale from 0 (-2) to 1 (+2)
        color = np.array(SIGNED(value)[:3])
        assert (np.abs(pixels - color).max(1) < 0.01).mean() > 0.01
    assert np.allclose(SIGNED(0.5)[:3], 1, atol=0.01)
    draw_lines(Panel(["a", "b"], ["c", "d"], values, signed=True), out)
    inks = imread(out)[..., :3].reshape(-1, 3)
    for color in (SIGNED(0.0), SIGNED(1.0)):
        assert (np.abs(inks - np.array(color[:3])).max(1) < 0.05).any()


def test_zero_everywhere_is_drawn(tmp_path):
    panel = Panel(["a"], ["b"], np.zeros((1, 1), dtype=np.float32), signed=True)
    draw_side_by_side([panel], tmp_path / "x.png")
    draw_lines(panel, tmp_path / "y.png")
