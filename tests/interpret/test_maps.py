"""Maps between words: pieces are merged on both sides, and the columns are what is attended to."""

import json

import numpy as np
import pytest
import torch
from untrained_runs import ENGLISH, GERMAN, make_run

from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import align
from seq2seq.errors import UserError
from seq2seq.interpret.maps import check_maps, maps_of, word_map
from seq2seq.models.results import Maps
from seq2seq.text.words import WORD_START
from seq2seq.translation.translation import BEGIN, END, Translation
from seq2seq.translation.translator import Translator

SOURCE = [f"{WORD_START}a", "b", f"{WORD_START}c", END]
RULE = Rule()
TARGET = [f"{WORD_START}x", f"{WORD_START}y", "z", END]


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    return Translator(make_run(tmp_path_factory.mktemp("maps") / "stub", "transformer"))


@pytest.fixture
def found(translator, monkeypatch):
    """Read a map of the hand-made translation as that of a model of some kind."""

    def read(name, *, gold=None, maps=None, rule=RULE, source=SOURCE, **kind):
        for key, value in kind.items():
            monkeypatch.setattr(type(translator.model), key, value)
        maps = maps or Maps(TO_SOURCE, TO_TARGET, INSIDE)
        return word_map(translator, translation(maps, source), name, rule, gold)

    return read


def rows(*values):
    """A map of one layer and head, from rows of tenths."""
    return torch.tensor(values)[None, None] / 10


def translation(maps, source=SOURCE):
    return Translation("ab c", "x yz", 0.0, 0.0, source, TARGET, maps.source, False, maps)


TO_SOURCE = rows([6, 1, 1, 2], [0, 0, 10, 0], [2, 2, 6, 0], [0, 0, 0, 10])
TO_TARGET = rows([10, 0, 0, 0], [5, 5, 0, 0], [2, 2, 6, 0], [1, 2, 3, 4])
INSIDE = rows([1, 2, 3, 4], [3, 4, 3, 0], [0, 0, 10, 0], [5, 0, 0, 5])


def test_the_encoder_has_source_words_on_both_sides(found):
    one = found("encoder")
    assert one.rows == one.columns == ["ab", "c", END]
    # sums over the pieces of a column, means over the pieces of a row
    np.testing.assert_allclose(one.weights, [[0.5, 0.3, 0.2], [0, 1, 0], [0.5, 0, 0.5]], rtol=1e-6)
    assert (one.row_side, one.column_sides, one.border) == ("source", ("source",), None)


def test_the_columns_of_the_target_are_the_inputs_of_the_decoder(found):
    one = found("target")
    assert (one.rows, one.columns) == (["x", "yz", END], [BEGIN, "x", "yz"])
    np.testing.assert_allclose(
        one.weights, [[1, 0, 0], [0.35, 0.35, 0.3], [0.1, 0.2, 0.7]], rtol=1e-6
    )
    assert (one.row_side, one.column_sides, one.border) == ("target", ("target so far",), None)


def test_a_masked_language_model_attends_to_the_words_themselves(found):
    one = found("target", target_input="tgt_out")
    assert one.rows == one.columns == ["x", "yz", END]
    np.testing.assert_allclose(one.weights[2], [0.1, 0.5, 0.4], rtol=1e-6)
    assert one.column_sides == ("target",)


def test_with_one_softmax_the_columns_of_the_source_come_first(found):
    one = found("target", joint_attention=True, maps=Maps(TO_SOURCE / 2, TO_TARGET / 2, INSIDE))
    assert one.columns == ["ab", "c", END, BEGIN, "x", "yz"]
    assert one.column_sides == ("source", "target so far")
    assert one.border == 3
    np.testing.assert_allclose(one.weights.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(one.weights[:, :3] * 2, found("source").weights, rtol=1e-6)
    alone = found("target", joint_attention=False)
    np.testing.assert_allclose(one.weights[:, 3:] * 2, alone.weights, rtol=1e-6)


def test_gold_tokens_are_the_words_if_there_are_any(found):
    gold = Gold(["a", "bc"], ["xy", "z"], Links(frozenset()))
    assert found("encoder", gold=gold).rows == ["a", "bc", END]
    assert found("target", gold=gold).columns == [BEGIN, "xy", "z"]


def test_a_map_that_a_model_does_not_have_is_refused_with_those_that_it_has(found):
    with pytest.raises(UserError, match=r"^stub has no map encoder: it has source \(give --map so"):
        found("encoder", maps=Maps(TO_SOURCE))
    with pytest.raises(UserError, match=r"^stub has no attention, so nothing can be drawn"):
        found("target", maps=Maps(None))
    with pytest.raises(
        UserError, match=r"^there is no layer 3: the map encoder has 1 \(change --layer\)"
    ):
        found("encoder", rule=Rule(layer=3))
    with pytest.raises(UserError, match="an empty sentence has no attention"):
        found("target", source=[END])


def test_all_runs_without_a_map_are_named():
    both, one = translation(Maps(TO_SOURCE, TO_TARGET, INSIDE)), translation(Maps(TO_SOURCE))
    assert (maps_of(both), maps_of(one)) == (["source", "target", "encoder"], ["source"])
    check_maps({"a": both, "b": one}, "source")
    with pytest.raises(UserError, match=r"^b has no map target: it has source"):
        check_maps({"a": both, "b": one}, "target")
    with pytest.raises(UserError, match=r"^b and c have no map target: draw the other runs"):
        check_maps({"a": both, "b": one, "c": one}, "target")


def test_the_layer_and_head_are_those_that_were_given(tmp_path):
    run = make_run(tmp_path, "transformer")
    (forced,) = Translator(run, device="cpu").force([(ENGLISH[0], GERMAN[0])], maps=True)
    asked = {"source": ENGLISH[0], "target": GERMAN[0], "name": "target", "device": "cpu"}
    _, file = align(run, **asked, rule=Rule(layer=3, head=2))
    record = json.loads(file.read_text("utf-8"))
    assert file.name == "a-man-rides-a-horse-target.json"
    assert record["rule"] == {"layer": 3, "head": 2, "layers": 3, "heads": 2}
    assert record["map"] == "target" and record["source_columns"] is None
    assert record["columns"] == [BEGIN, *GERMAN[0].split()]
    begin = forced.maps.target[2, 1, :, 0].numpy()
    assert record["weights"][0][0] == pytest.approx(1.0 if begin[0] == 1 else begin[0], abs=1e-6)
    assert record["weights"][-1][0] == pytest.approx(begin[-1], abs=1e-6)
    default = align(run, **asked)[1]
    assert json.loads(default.read_text("utf-8"))["rule"]["layer"] == 2
