"""`evaluate` with several methods and with shares of the source, from the command line."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from untrained_runs import ENGLISH, GERMAN

from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import Sentence
from seq2seq.interpret.chosen_rule import RULE
from seq2seq.interpret.token_scores import score_translations
from seq2seq.runs import stored_attention, word_scores
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import read_lines_checked, write_json
from seq2seq.translation.translator import Translator


def stored(run: Path) -> Path:
    return run / "hyps" / "test" / stored_attention.FILE


@pytest.mark.parametrize("shift", [False, True])
def test_the_maps_of_several_methods_are_kept_with_their_signs(deep, command, shift):
    own = Rule(layer=1, head=1, shift=shift)
    write_json(deep / RULE, {"rule": asdict(own)})
    methods = "occlusion,attention,vectors"
    assert command("evaluate", deep, "--methods", methods, "--hide", "unk").status == 0
    scores = RunFolder.open(deep).scores["test"]
    assert scores["alignment"]["rule"]["method"] == "occlusion"  # the first is scored
    assert stored_attention.method_of(stored(deep)) == "occlusion"
    translator = Translator(deep, device="cpu")
    hypotheses = read_lines_checked(stored(deep).with_name("hypothesis.txt"))
    lines = stored_attention.read(stored(deep))
    rules = {"occlusion": Rule(method="occlusion", hide="unk"), "attention": own}
    rules |= {"vectors": Rule(method="vectors")}
    for source, hypothesis, line in zip(ENGLISH, hypotheses, lines, strict=True):
        assert list(line.methods) == methods.split(",")
        sentence = Sentence(source, hypothesis)
        for name, found in line.methods.items():
            rule = rules[name]
            drawn = sentence.aligned(translator, sentence.translated(translator, rule), rule)
            assert found.rows == drawn.target_words
            assert (found.limit is not None) == drawn.signed == (name == "occlusion")
            values = found.values / 255
            if found.limit is not None:
                values = (found.values - 128.0) / 127 * found.limit
                assert found.limit == pytest.approx(np.abs(drawn.weights).max(), rel=1e-4)
            np.testing.assert_allclose(values, drawn.weights, atol=(found.limit or 1) / 250 + 1e-6)


def test_a_method_alone_is_stored_as_before(deep, command):
    """Files of attention alone have no more in them than those of older versions, which read it."""
    for words in ([], ["--methods", "attention"]):
        assert command("evaluate", deep, *words).status == 0
        assert all(not line.methods for line in stored_attention.read(stored(deep)))


def test_a_plain_rnn_keeps_its_occlusion_with_signs(plain, command):
    assert command("evaluate", plain, "--method", "occlusion").status == 0
    for line in stored_attention.read(stored(plain)):
        found = line.methods["occlusion"]
        assert found.values.shape == line.weights.shape
        assert found.values.min() < 128 < found.values.max()
        positive = np.maximum(found.values - 128.0, 0)
        total = positive.sum(-1, keepdims=True)
        large = total[:, 0] > 60  # others are too coarse
        shares = positive[large] / total[large]
        np.testing.assert_allclose(shares, line.weights[large] / 255, atol=0.05)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "attention,attention"], "attention is given twice"),
        (["--methods", "attention,occlusion,attention"], "attention is given twice"),
        (["--methods", "atention"], "no method 'atention'; did you mean 'attention'"),
        (["--methods", ""], "give names separated by commas"),
        (["--methods", "attention,"], "give names separated by commas"),
        (["--methods", "attention occlusion"], "no method 'attention occlusion'"),
        (["--methods", "x" * 500], "no method '" + "x" * 40 + "'"),
        (["--methods", "occlusion", "--method", "attention"], "exclude each other"),
        (["--methods", "vectors,alti", "--hide", "unk"], "--hide unk has no effect"),
    ],
)
def test_methods_that_do_not_fit_are_refused(deep, command, words, message):
    command("evaluate", deep, *words).must_refuse(message)
    assert not stored(deep).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "attention,occlusion"], "has no attention"),
        (["--methods", "occlusion,attention"], "has no attention"),
        (["--method", "attention"], "has no attention"),
        (["--methods", "occlusion,alti"], "--method alti cannot be applied"),
    ],
)
def test_a_method_that_a_model_cannot_have_is_refused(plain, command, words, message):
    command("evaluate", plain, *words).must_refuse(message)
    assert not stored(plain).with_name("hypothesis.txt").exists()


def test_a_second_method_that_is_too_large_is_left_out(deep, command, monkeypatch):
    assert command("evaluate", deep, "--methods", "attention").status == 0
    size = sum(line.weights.size for line in stored_attention.read(stored(deep)))
    monkeypatch.setattr(stored_attention, "MAX_WEIGHT_BYTES", size + 1)
    answer = command("evaluate", deep, "--methods", "attention,occlusion")
    assert answer.status == 0
    assert "the occlusion of test is not stored" in " ".join(answer.err.split())
    assert all(not line.methods for line in stored_attention.read(stored(deep)))


@pytest.mark.parametrize("share", [True, False])
def test_scores_of_words_are_stored(plain, command, share):
    answer = command("evaluate", plain, *(["--source-share"] if share else []))
    assert answer.status == 0, answer
    assert ("source" in answer.out.split()) is share
    entry = RunFolder.open(plain).scores["test"]
    assert ("source_share" in entry) is share
    assert set(entry["calibration"]) == {"signature", "given", "reference", "output"}
    hypotheses = read_lines_checked(stored(plain).with_name("hypothesis.txt"))
    expected = score_translations(
        Translator(plain, device="cpu"),
        list(zip(ENGLISH, hypotheses, strict=True)),
        source_share=share,
    )
    found = word_scores.read(stored(plain).with_name(word_scores.FILE))
    for one, other in zip(found, expected, strict=True):
        assert one.words == other.words.words
        np.testing.assert_allclose(one.log_p, other.words.log_p, atol=1e-3)
        assert (one.hidden is not None) is share
    if share:
        assert entry["source_share"]["words"] == sum(len(one.words) for one in found)


def test_no_scores_of_older_translations_are_left(plain, command, monkeypatch):
    assert command("evaluate", plain).status == 0
    monkeypatch.setattr(word_scores, "MAX_JSON_BYTES", 10)
    answer = command("evaluate", plain, "--beam", "1")
    assert "the scores of the words of test are not stored" in " ".join(answer.err.split())
    assert not stored(plain).with_name(word_scores.FILE).exists()


def test_align_shows_the_share_of_each_word(deep, command):
    words = ["align", deep, "--source", ENGLISH[0], "--target", GERMAN[0], "--source-share"]
    assert command(*words, "--out", deep / "x.png").status == 0
    record = json.loads((deep / "x.json").read_text("utf-8"))
    share = record["source_share"]
    assert share["hide"] == "unk"
    assert {len(share[key]) for key in ("share", "log_p", "hidden_log_p")} == {
        len(record["target_words"])
    }
    assert all(one is None or 0 <= one <= 1 for one in share["share"])
    assert sum(share["log_p"]) == pytest.approx(record["log_probability"], rel=1e-3)
    answer = command(*words, "--map", "target")
    assert answer.status != 0 and "--source-share has no effect" in " ".join(answer.err.split())


@pytest.mark.parametrize("words", [["--test", "test", "--lines", "1", "--reference"], []])
def test_the_share_of_gold_tokens_and_of_shifted_rows(deep, command, words):
    given = words or ["--source", ENGLISH[0], "--shift"]
    answer = command("align", deep, *given, "--source-share", "--out", deep / "x.svg")
    assert answer.status == 0, answer
    record = json.loads((deep / "x.json").read_text("utf-8"))
    assert len(record["source_share"]["share"]) == len(record["target_words"])
