"""Every reading against gold, beside the baselines."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from untrained_runs import ENGLISH, GERMAN, gold_alignments, make_run, make_run_with_gold

from seq2seq.alignment.baselines import diagonal, fast_align
from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.links import flip
from seq2seq.alignment.method_names import WITHOUT_LAYERS
from seq2seq.alignment.rule import Rule
from seq2seq.commands.other_alignments import links_of
from seq2seq.commands.score_alignment import score_alignment
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import measure
from seq2seq.interpret.chosen_rule import RULE, changed, chosen_rule
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.rule_scores import counts, score_all_rules
from seq2seq.system.files import write_lines
from seq2seq.translation.translator import Translator


@pytest.fixture(scope="module", params=["bahdanau", "transformer"])
def run(request, tmp_path_factory) -> Path:
    return make_run_with_gold(tmp_path_factory.mktemp(request.param), request.param)


def test_the_survey_is_what_each_rule_measures_alone(run):
    translator, test = Translator(run, device="cpu"), run / "hyps" / "test"
    found = score_all_rules(translator, GoldSet.of_test(test), Rule(end="keep"))
    matrices = {1: 1, 3: 4 * 3}[max(r.rule.layer for r in found.readings if r.rule.layer != "mean")]
    assert len(found.readings) == 2 * matrices  # both rows; means count as one more
    for reading in found.readings:
        alone = measure(translator, test, reading.rule)
        assert {**reading.tally.scores(), "links": reading.tally.links} == {
            key: alone[key] for key in ("aer", "precision", "recall", "f1", "links")
        }
        assert alone["entropy"] == pytest.approx(reading.entropy, rel=1e-5)
        assert 0 < reading.end < 1 and 0 <= reading.forward <= 1
        assert 0 < reading.entropy < np.log(30)
    assert found.best.tally.aer == min(reading.tally.aer for reading in found.readings)


def test_what_a_matrix_is_like_by_hand():
    weights = np.array([[[[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]]]], dtype=np.float32)
    gold = np.zeros((3, 2), dtype=bool)
    gold[0, 0] = gold[1, 1] = True
    found = counts(weights, Rule().choose(weights), gold, gold)[:, 0, 0]
    entropy = np.log(2) + 0 + 1.5 * np.log(2)
    np.testing.assert_allclose(found, [3, 2, 2, 0.5, entropy, 3, 1, 2], rtol=1e-6)


def test_the_best_reading_is_picked_and_used_from_then_on(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    _, written = score_alignment(copy, test="test", rule=Rule(), pick=True, device="cpu")
    assert written == [copy / "align" / "test.readings.json", copy / RULE]
    stored = json.loads(written[1].read_text("utf-8"))
    everything = json.loads(written[0].read_text("utf-8"))
    assert stored["aer"] == min(reading["aer"] for reading in everything["readings"])
    assert stored["picked_on"] == "test"
    translator = Translator(copy, device="cpu")
    assert chosen_rule(translator.run) == Rule(**stored["rule"])
    assert measure(translator, copy / "hyps" / "test")["aer"] == stored["aer"]


def test_two_directions_are_combined(run, tmp_path):
    """A run turned around stands in for one of the other direction."""
    back = make_run(tmp_path / "back", "bahdanau", source="de", target="en")
    for tokenizer, name in (("target", "source"), ("source", "target")):
        shutil.copy(run / f"{tokenizer}.model", back / f"{name}.model")
    _, written = score_alignment(run, test="test", rule=Rule(), back=back, device="cpu")
    rows = json.loads(written[0].read_text("utf-8"))["rows"]
    links = {name: row["links"] for name, row in rows.items()}
    there, again = next(iter(links.values())), links["back, the other direction"]
    crossed = links["both, intersection"]
    assert links["both, union"] + crossed == there + again
    assert crossed <= links["both, grow-diag-final-and"] <= links["both, union"]


@pytest.fixture
def turned(run, tmp_path) -> Path:
    """A run of the other direction, with a rule of its own."""
    back = make_run(tmp_path / "back", "bahdanau", source="de", target="en")
    for tokenizer, name in (("target", "source"), ("source", "target")):
        shutil.copy(run / f"{tokenizer}.model", back / f"{name}.model")
    own = {"rule": vars(Rule(shift=True, threshold=0.9, end="renormalise"))}
    (back / RULE).parent.mkdir()
    (back / RULE).write_text(json.dumps(own), "utf-8")
    return back


def test_threshold_and_end_are_those_of_both_directions(run, turned, tmp_path):
    """Only layer, head and row of the other direction are its own, and not with the default."""

    def links(**given) -> int:
        rule = Rule(**given.pop("rule", {}))
        out = tmp_path / "out.json"
        asked = {"test": "test", "rule": rule, "back": turned, "device": "cpu", "out": out}
        score_alignment(run, **asked, **given)
        return json.loads(out.read_text("utf-8"))["rows"]["back, the other direction"]["links"]

    def alone(rule: Rule) -> int:
        swapped = GoldSet.of_test(run / "hyps" / "test").swapped()
        return sum(map(len, links_of(Translator(turned, device="cpu"), rule, swapped)))

    assert links(rule={"threshold": 0.01}) == alone(Rule(shift=True, threshold=0.01))
    assert links(rule={"threshold": 0.01}, back_default=True) == alone(Rule(threshold=0.01))
    assert links(rule={"end": "keep"}) == alone(Rule(shift=True, end="keep"))
    assert alone(Rule(threshold=0.01)) > alone(Rule(threshold=0.9))


def test_auto_depends_on_no_earlier_choice(run, command, tmp_path):
    """Neither threshold nor end of a stored rule is used, and no end where there is none."""
    copy = Path(shutil.copytree(run, tmp_path / "copied"))
    for words in (["--threshold", "0.9"], ["--end", "keep"], []):
        words = ["score-alignment", copy, "--test", "test", "--rule", "auto", *words]
        assert command(*words, "--method", "attention").status == 0
    stored = json.loads((copy / RULE).read_text("utf-8"))["rule"]
    assert (stored["threshold"], stored["end"]) == (None, "drop")
    words = ["score-alignment", copy, "--test", "test", "--rule", "auto", "--end", "keep"]
    assert command(*words).status == 0
    stored = json.loads((copy / RULE).read_text("utf-8"))["rule"]
    assert stored["end"] == ("drop" if stored["method"] in WITHOUT_LAYERS else "keep")


def test_a_run_of_the_same_direction_is_refused(run):
    with pytest.raises(UserError, match="give a run of the reverse direction"):
        score_alignment(run, test="test", back=run, device="cpu")


def test_other_alignments_are_scored_with_and_without_a_run(run, tmp_path):
    gold, links = tmp_path / "gold.txt", tmp_path / "links.txt"
    write_lines(gold, [str(one.links) for one in gold_alignments()])
    write_lines(
        links, [" ".join(f"{i}-{j}" for i, j in one.links.sure) for one in gold_alignments()]
    )
    write_lines(tmp_path / "a.en", ENGLISH)
    write_lines(tmp_path / "a.de", GERMAN)
    texts = {"texts": (tmp_path / "a.en", tmp_path / "a.de"), "gold": gold}
    asked = {"links": [f"mine={links}"], "device": "cpu"}
    out = tmp_path / "numbers.json"
    _, written = score_alignment(**texts, **asked, out=out)
    assert written == [out]
    rows = json.loads(out.read_text("utf-8"))["rows"]
    assert list(rows) == ["mine", "the diagonal"] and rows["mine"]["aer"] == 0
    assert score_alignment(**texts, **asked)[1] == []
    _, written = score_alignment(run, **texts, **asked)
    assert json.loads(written[0].read_text("utf-8"))["rows"]["mine"]["aer"] == 0
    for bad in ("mine", f"the diagonal={links}"):
        with pytest.raises(UserError, match="--links"):
            score_alignment(**texts, links=[bad])


def test_two_texts_of_one_name_do_not_overwrite_each_other(run, tmp_path):
    written = []
    for name, lines in (("a", 3), ("b", 2)):
        write_lines(tmp_path / name / "x.en", ENGLISH[:lines])
        write_lines(tmp_path / name / "x.de", GERMAN[:lines])
        write_lines(tmp_path / name / "gold", [str(one.links) for one in gold_alignments(lines)])
        texts = (tmp_path / name / "x.en", tmp_path / name / "x.de")
        written += score_alignment(run, texts=texts, gold=tmp_path / name / "gold", device="cpu")[1]
    assert len(set(written)) == 2


def test_a_gold_set_turned_twice_is_itself():
    gold = Gold(["a"], ["b", "c"], Links(frozenset({(0, 1)}), frozenset({(0, 0)})))
    gold_set = GoldSet("x", [("a", "b c")], [gold])
    assert gold_set.swapped().texts == [("b c", "a")]
    turned = Links(frozenset({(1, 0)}), frozenset({(0, 0)}))
    assert gold_set.swapped().golds == [Gold(["b", "c"], ["a"], turned)]
    assert gold_set.swapped().swapped() == gold_set


def test_gold_comes_from_a_file_for_files_or_a_test_set(run, tmp_path):
    gold = tmp_path / "links.txt"
    write_lines(gold, [str(one.links) for one in gold_alignments()])
    write_lines(tmp_path / "a.en", ENGLISH)
    write_lines(tmp_path / "a.de", GERMAN)
    texts = (tmp_path / "a.en", tmp_path / "a.de")
    asked = {"rule": Rule(), "gold": gold, "device": "cpu"}
    found = [
        json.loads(score_alignment(run, **asked, **text)[1][0].read_text("utf-8"))
        for text in ({"texts": texts}, {"test": "test"})
    ]
    assert found[0]["readings"] == found[1]["readings"]
    assert found[0]["sure"] == 6 and found[0]["possible"] == 3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "give --test NAME, or --text SOURCE TARGET with --gold FILE"),
        ({"gold": Path("x")}, "give --test NAME, or --text"),
        ({"test": "bare"}, "bare has no gold alignment: give one with --gold FILE"),
        ({"test": "tset"}, "did you mean 'test'"),
    ],
)
def test_what_is_missing_is_said(run, tmp_path, asked, message):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    for side in ("source", "reference"):
        write_lines(copy / "hyps" / "bare" / f"{side}.txt", ["a"])
    with pytest.raises(UserError, match=message):
        score_alignment(copy, rule=Rule(), device="cpu", **asked)


def test_files_that_are_no_pairs_are_refused(run, tmp_path):
    write_lines(tmp_path / "a.en", ENGLISH)
    write_lines(tmp_path / "a.de", GERMAN[:1])
    with pytest.raises(UserError, match=r"a\.de ends after 1 lines, before .*a\.en"):
        score_alignment(
            run, texts=(tmp_path / "a.en", tmp_path / "a.de"), gold=tmp_path, rule=Rule()
        )


def test_a_run_without_attention_is_refused(tmp_path):
    plain = make_run_with_gold(tmp_path / "plain", "rnn")
    with pytest.raises(UserError, match="plain has no attention, so it has no alignment"):
        score_alignment(plain, test="test", rule=Rule(), device="cpu")


def test_without_a_statistical_aligner_its_row_is_missing(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "thot", None)
    monkeypatch.setitem(sys.modules, "thot.alignment", None)
    _, written = score_alignment(run, test="test", rule=Rule(), device="cpu")
    rows = json.loads(written[0].read_text("utf-8"))["rows"]
    assert "the diagonal" in rows and not any("fast_align" in row for row in rows)
    assert "--train SOURCE TARGET" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"pip install 'seq2seq-toolkit\[align\]'"):
        score_alignment(run, test="test", train=(Path("a"), Path("b")), device="cpu")


def test_a_statistical_aligner_finds_what_a_corpus_repeats():
    pytest.importorskip("thot", reason="the extra `align` is not installed")
    words = {"one": "eins", "two": "zwei", "six": "sechs", "ten": "zehn"}
    chance = np.random.default_rng(0)
    drawn = [list(chance.permutation(list(words))[:3]) for _ in range(80)]
    pairs = [(line, [words[word] for word in reversed(line)]) for line in drawn]
    found = fast_align(pairs[:5], pairs[5:])
    assert found == [frozenset({(0, 2), (1, 1), (2, 0)})] * 5
    turned = fast_align([(t, s) for s, t in pairs[:5]], [(t, s) for s, t in pairs[5:]])
    assert [flip(links) for links in turned] == found


def test_the_diagonal_runs_from_corner_to_corner():
    assert diagonal("abc", "xyz") == {(0, 0), (1, 1), (2, 2)}
    assert diagonal("ab", "wxyz") == {(0, 0), (0, 1), (1, 2), (1, 3)}
    assert diagonal("abcd", "xy") == {(1, 0), (3, 1)}
    assert diagonal("", "xy") == diagonal("ab", "") == set()


def test_a_rule_keeps_what_is_not_asked_for():
    nothing = dict.fromkeys(("layer", "head", "shift", "end", "threshold"))
    own = Rule(2, 3, shift=True, end="keep", threshold=0.5)
    assert changed(own, **nothing) == own
    asked = {"layer": "mean", "head": "1", "shift": False, "end": "drop", "threshold": 0.0}
    assert changed(own, **asked) == Rule("mean", 1, shift=False, end="drop", threshold=0.0)
    assert changed(own, **{**nothing, "layer": "1"}) == replace(own, layer=1)
    with pytest.raises(UserError, match="--head two: give a number from 1, or mean"):
        changed(own, **{**nothing, "head": "two"})
