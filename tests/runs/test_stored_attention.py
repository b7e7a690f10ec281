"""Attention kept beside the translations: what is written is read, and nothing else is."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from untrained_runs import ENGLISH, GERMAN, make_run, write_test_set

from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import Sentence
from seq2seq.commands.evaluate import evaluate
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import RULE
from seq2seq.interpret.maps import maps_of, word_map
from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import FILE, MAX_BYTES, Columns, StoredMap, WordAttention
from seq2seq.runs.stored_vectors import MethodMap
from seq2seq.system.files import read_lines_checked, write_json, write_lines
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator

LINES = [
    WordAttention(
        ["the", "café", END], ["le", END], np.array([[255, 0, 0], [1, 2, 252]], dtype=np.uint8)
    ),
    WordAttention([], [], np.zeros((0, 0), dtype=np.uint8)),
    WordAttention(['"\\', END], ["\N{FIRE}"], np.array([[128, 127]], dtype=np.uint8)),
]


@pytest.fixture
def kept(tmp_path) -> Path:
    write_lines(tmp_path / "hypothesis.txt", ["le", "", "\N{FIRE}"])
    stored_attention.write(tmp_path, LINES, {"layer": 1})
    return tmp_path / FILE


def same(ours: list[WordAttention], theirs: list[WordAttention]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.source, one.target) == (other.source, other.target)
        np.testing.assert_array_equal(one.weights, other.weights)


def test_what_is_written_is_read(kept):
    same(stored_attention.read(kept), LINES)


def test_no_lines_are_none(tmp_path):
    write_lines(tmp_path / "hypothesis.txt", [])
    stored_attention.write(tmp_path, [], {})
    assert stored_attention.read(tmp_path / FILE) == []


def test_attention_of_other_hypotheses_is_refused(kept):
    write_lines(kept.with_name("hypothesis.txt"), ["le", "", "changed"])
    with pytest.raises(
        UserError, match=r"does not belong to the hypothesis\.txt in its folder: run"
    ):
        stored_attention.read(kept)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"attention\.safetensors is missing: run"):
        stored_attention.read(tmp_path / FILE)


BYTES = np.zeros(3, dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "label", "reason"),
    [
        ({"weights": BYTES}, "{}", "words"),
        (
            {"words": BYTES.astype(np.int64), "weights": BYTES},
            "{}",
            "words is not a vector of bytes",
        ),
        (
            {"words": BYTES, "weights": BYTES.reshape(1, 3)},
            "{}",
            "weights is not a vector of bytes",
        ),
        ({"words": BYTES, "weights": BYTES}, None, "seq2seq"),
        ({"words": BYTES, "weights": BYTES}, "[", "Expecting value"),
        ({"words": BYTES, "weights": BYTES}, "{}", "Expecting value"),
        ({"words": "[" * 100_000, "weights": BYTES}, "{}", "recursion"),
        ({"words": "7", "weights": BYTES}, "{}", "not iterable"),
        ({"words": "[[[], [], []]]", "weights": BYTES}, "{}", "too many values"),
        ({"words": "[[[1], [2]]]", "weights": BYTES}, "{}", "a word is not a text"),
        ({"words": '[[["a", "b"], ["c", "d"]]]', "weights": BYTES}, "{}", "reshape"),
        ({"words": '[[["a"], ["b"]]]', "weights": BYTES}, "{}", "3 weights, but its words need 1"),
        ({"words": '[[["a"], ["b", "c", "d"]]]', "weights": BYTES}, "{}", "hypothesis_sha256"),
        ({"words": '[[["a"], ["b", "c", "d"]]]', "weights": BYTES}, "[]", "indices"),
    ],
)
def test_a_file_that_something_else_wrote_is_refused_in_one_sentence(kept, content, label, reason):
    tensors = {
        name: np.frombuffer(value.encode(), dtype=np.uint8) if isinstance(value, str) else value
        for name, value in content.items()
    }
    save_file(tensors, kept, None if label is None else {"seq2seq": label})
    with pytest.raises(UserError, match="cannot be read as stored attention: ") as refused:
        stored_attention.read(kept)
    assert reason in str(refused.value) and "\n" not in str(refused.value)


def test_a_damaged_or_swollen_file_is_refused(kept):
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-1], whole + b"x", b"\xff" * 64):
        kept.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read as stored attention"):
            stored_attention.read(kept)
    with kept.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: it takes no disk
    with pytest.raises(UserError, match="268,435,457 bytes, but the maximum is 268,435,456"):
        stored_attention.read(kept)


# --- maps of self-attention ----------------------------------------------------------------------

NAMES = ("words", "weights", "target", "encoder")
SIDES = ["a", "b", END], ["c", END]
SHAPES = [
    (Columns("<s>", joint=False), {"layer": 1}, ["c", END], ["<s>", "c"], None),
    (Columns(None, joint=False), {"layer": 1}, ["c", END], ["c", END], None),
    (Columns("<s>", joint=True), {"layer": 1}, ["c", END], [*SIDES[0], "<s>", "c"], 3),
    (Columns(None, joint=True), {"shift": True}, ["c", END], [*SIDES[0], "c", END], 3),
]


def write_maps(folder: Path, columns: Columns, rule: dict[str, Any]) -> Path:
    """Write two lines, the second without words, with maps whose weights are all different."""
    write_lines(folder / "hypothesis.txt", ["c", ""])
    source, target = SIDES
    read = [*source, *target] if columns.joint else target
    maps = {
        "target": StoredMap(target, read, np.arange(2 * len(read), dtype=np.uint8).reshape(2, -1)),
        "encoder": StoredMap(source, source, np.arange(9, dtype=np.uint8).reshape(3, 3)),
    }
    target = target[:-1] if rule.get("shift") else target
    weights = np.zeros((len(target), 3), dtype=np.uint8)
    lines = [WordAttention(source, target, weights, maps), LINES[1]]
    stored_attention.write(folder, lines, rule, columns)
    return folder / FILE


@pytest.mark.parametrize(("columns", "rule", "rows", "words", "border"), SHAPES)
def test_maps_are_read_with_the_words_of_their_rows_and_columns(
    tmp_path, columns, rule, rows, words, border
):
    line, empty = stored_attention.read(write_maps(tmp_path, columns, rule))
    assert empty.maps == {}
    target, encoder = line.maps["target"], line.maps["encoder"]
    assert (target.rows, target.columns, target.border) == (rows, words, border)
    assert (encoder.rows, encoder.columns, encoder.border) == (SIDES[0], SIDES[0], None)
    assert target.weights.ravel().tolist() == list(range(2 * len(words)))
    assert encoder.weights.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_file_of_an_older_version_has_no_maps(kept):
    assert [line.maps for line in stored_attention.read(kept)] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("changed", "columns", "reason"),
    [
        ({"rule": []}, {"begin": "<s>", "joint": False}, "rule"),
        ({"encoder": None}, {"begin": "<s>", "joint": False}, "encoder"),
        ({"encoder": np.zeros(8, dtype=np.uint8)}, {"begin": "<s>", "joint": False}, "reshape"),
        (
            {"target": np.zeros(5, dtype=np.uint8)},
            {"begin": "<s>", "joint": False},
            "5 weights of the map target, but its words need 4",
        ),
        (
            {"target": np.full(4, 255, dtype=np.uint8)},
            {"begin": "<s>", "joint": False},
            "a row of line 1 sums to more than one",
        ),
        (
            {"target": np.zeros((2, 2), dtype=np.uint8)},
            {"begin": "<s>", "joint": False},
            "target is not a vector of bytes",
        ),
        ({}, {"begin": 1, "joint": False}, "not described"),
        ({}, {"begin": "<s>"}, "joint"),
        ({}, {"begin": "<s>", "joint": 1}, "not described"),
        ({}, {"begin": "<s>", "joint": False, "other": 1}, "other"),
        ({}, None, "mapping"),
    ],
)
def test_damaged_maps_are_refused_in_one_sentence(tmp_path, changed, columns, reason):
    file = write_maps(tmp_path, Columns("<s>", joint=False), {})
    with safe_open(file, "np") as opened:
        label = json.loads(opened.metadata()["seq2seq"])
        tensors = {name: opened.get_tensor(name) for name in NAMES}
    label |= {"rule": changed["rule"]} if "rule" in changed else {}
    tensors = {
        name: one for name, one in (tensors | changed).items() if name in NAMES and one is not None
    }
    save_file(tensors, file, {"seq2seq": json.dumps(label | {"columns": columns})})
    with pytest.raises(UserError, match="cannot be read as stored attention: ") as refused:
        stored_attention.read(file)
    assert reason in str(refused.value) and "\n" not in str(refused.value)


# --- what evaluate keeps -------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["bahdanau", "transformer"])
def run(request, tmp_path_factory) -> Path:
    run = make_run(tmp_path_factory.mktemp(request.param), request.param)
    return write_test_set(run, [*ENGLISH, ""], [*GERMAN, "leer"])


METHOD_LINES = [
    LINES[0]._replace(
        methods={
            "occlusion": MethodMap(
                ["le", END], np.array([[255, 1, 128], [100, 128, 200]], dtype=np.uint8), 2.5
            ),
            "occlusion:form": MethodMap(["le"], np.array([[128, 128, 129]], dtype=np.uint8), 0.0),
            "vectors": MethodMap(["le", END], LINES[0].weights),
        }
    ),
    LINES[1],
]
RULES = [
    {"method": "occlusion"},
    {"method": "occlusion:form", "shift": True},
    {"method": "vectors"},
]


@pytest.fixture
def several(tmp_path) -> Path:
    write_lines(tmp_path / "hypothesis.txt", ["le", ""])
    stored_attention.write(tmp_path, METHOD_LINES, {"layer": 1}, others=RULES)
    return tmp_path / FILE


def test_maps_of_several_methods_are_read(several):
    found, empty = stored_attention.read(several)
    assert empty.methods == {}
    assert list(found.methods) == list(METHOD_LINES[0].methods)
    for name, one in found.methods.items():
        other = METHOD_LINES[0].methods[name]
        assert (one.rows, one.limit) == (other.rows, other.limit)
        np.testing.assert_array_equal(one.values, other.values)
    same([found, empty], METHOD_LINES)


def test_rows_are_those_of_each_rule(tmp_path):
    """Where the first rule has no row for `</s>`, another one may have it."""
    write_lines(tmp_path / "hypothesis.txt", ["le"])
    own = MethodMap(["le", END], np.array([[255, 0], [0, 255]], dtype=np.uint8))
    line = WordAttention(
        ["the", END], ["le"], np.array([[255, 0]], dtype=np.uint8), methods={"vectors": own}
    )
    rule = {"layer": 1, "shift": True}
    stored_attention.write(tmp_path, [line], rule, others=[{"method": "vectors"}])
    (found,) = stored_attention.read(tmp_path / FILE)
    assert found.methods["vectors"].rows == ["le", END]


def test_an_earlier_version_reads_the_first_method(several):
    """It reads two vectors and two keys of the metadata, which have not changed."""
    with safe_open(several, "np") as file:
        label = json.loads(file.metadata()["seq2seq"])
        assert label.keys() >= {"rule", "hypothesis_sha256"} and label["format"] == 2
        assert json.loads(file.get_tensor("words").tobytes())[0][1] == ["le", END]
        assert file.get_tensor("weights").tolist() == LINES[0].weights.ravel().tolist()


VALUES, LIMIT = np.full(6, 128, dtype=np.uint8), np.ones(1, dtype=np.float32)


@pytest.mark.parametrize(
    ("vectors", "label", "reason"),
    [
        ({}, {"format": 3}, "has format 3, but this version reads formats up to 2"),
        ({}, {"format": "2"}, "its format is not a number"),
        ({}, {"methods": 7}, "not iterable"),
        ({}, {"methods": [7]}, "a rule is not a mapping"),
        ({}, {"methods": [{"method": "<b>"}]}, "not a name"),
        ({}, {"methods": [{"method": "other"}]}, "method.other"),
        ({"method.occlusion": VALUES[:5]}, {}, "reshape"),
        ({"method.occlusion": np.full(9, 1, dtype=np.uint8)}, {}, "9 values of the method"),
        ({"method.occlusion": VALUES.astype(np.int64)}, {}, "not a vector of bytes"),
        ({"method.vectors": np.full(6, 200, dtype=np.uint8)}, {}, "sums to more than one"),
        ({"limit.occlusion": np.ones(2, dtype=np.float32)}, {}, "not a vector of 1 numbers"),
        ({"limit.occlusion": LIMIT.astype(np.float64)}, {}, "not a vector of 1 numbers"),
        ({"limit.occlusion": LIMIT * np.nan}, {}, "not a positive number"),
        ({"limit.occlusion": -LIMIT}, {}, "not a positive number"),
    ],
)
def test_damaged_methods_are_refused_in_one_sentence(several, vectors, label, reason):
    with safe_open(several, "np") as file:
        content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        stored = json.loads(file.metadata()["seq2seq"])
    save_file(content | vectors, several, {"seq2seq": json.dumps(stored | label)})
    with pytest.raises(UserError) as refused:
        stored_attention.read(several)
    assert reason in str(refused.value) and "\n" not in str(refused.value)
    assert "evaluate` again" in str(refused.value)


@pytest.mark.parametrize("rule", [Rule(), Rule(layer=1, head=1, shift=True)])
def test_evaluate_keeps_what_each_word_looked_at_by_the_runs_rule(run, tmp_path, rule):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    write_json(copy / RULE, {"rule": asdict(rule)})
    evaluate(copy, device="cpu")
    folder, translator = copy / "hyps" / "test", Translator(copy, device="cpu")
    *lines, empty = stored_attention.read(folder / FILE)
    assert (empty.source, empty.target, empty.weights.shape) == ([], [], (0, 0))
    hypotheses = read_lines_checked(folder / "hypothesis.txt")
    for source, hypothesis, line in zip(ENGLISH, hypotheses, lines, strict=False):
        sentence = Sentence(source, hypothesis)
        drawn = sentence.aligned(translator, sentence.translated(translator, rule), rule)
        assert line.source == drawn.source_words == [*source.split(), END]
        assert line.target == drawn.target_words
        np.testing.assert_allclose(line.weights / 255, drawn.weights, atol=0.5 / 255 + 1e-6)
        assert line.target == [*hypothesis.split(), *([] if rule.shift else [END])]


def test_evaluate_keeps_self_attention_of_models_that_have_it(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    evaluate(copy, device="cpu")
    folder, translator = copy / "hyps" / "test", Translator(copy, device="cpu")
    *lines, empty = stored_attention.read(folder / FILE)
    assert empty.maps == {}
    hypotheses = read_lines_checked(folder / "hypothesis.txt")
    for forced, line in zip(
        translator.force(zip(ENGLISH, hypotheses, strict=False), maps=True), lines, strict=True
    ):
        assert [*line.maps] == [name for name in maps_of(forced) if name != "source"]
        for name, stored in line.maps.items():
            drawn = word_map(translator, forced, name, Rule())
            assert (stored.rows, stored.columns) == (drawn.rows, drawn.columns)
            np.testing.assert_allclose(stored.weights / 255, drawn.weights, atol=0.5 / 255 + 1e-6)


def test_self_attention_that_is_too_large_is_not_kept(tmp_path, monkeypatch, capsys):
    folder = write_test_set(make_run(tmp_path, "transformer"))
    monkeypatch.setattr("seq2seq.interpret.self_attention.MAX_MAP_BYTES", 10)
    evaluate(folder, device="cpu")
    assert "self-attention on test is not stored: it has more than 10 bytes" in " ".join(
        capsys.readouterr().err.split()
    )
    lines = stored_attention.read(folder / "hyps" / "test" / FILE)
    assert [line.maps for line in lines] == [{}, {}, {}]


def test_a_model_without_attention_keeps_none(tmp_path):
    folder = write_test_set(make_run(tmp_path, "rnn"))
    evaluate(folder, device="cpu")
    assert sorted(path.name for path in (folder / "hyps" / "test").iterdir()) == [
        "hypothesis.txt",
        "reference.txt",
        "source.txt",
        "word_scores.jsonl",
    ]
