"""From pieces to words, and to pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_translate import ENGLISH, GERMAN, make_run

from seq2seq import plot
from seq2seq.align import Alignment, Rule, align, merge, numbers, slug, words
from seq2seq.errors import UserError
from seq2seq.translate import END, Translation, Translator

MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}
PIECES = st.lists(st.sampled_from(["▁", "▁a", "b", "火", "▁▁", "😀"]), max_size=12)


def translated(
    source_pieces: list[str], target_pieces: list[str], attention: torch.Tensor | None
) -> Translation:
    return Translation("a", "b", -1.0, -2.0, source_pieces, target_pieces, attention, False)


@pytest.fixture(scope="module", params=["bahdanau", "transformer"])
def run(request, tmp_path_factory) -> Path:
    folder = make_run(tmp_path_factory.mktemp(request.param), request.param)
    test = folder / "hyps" / "test"
    test.mkdir(parents=True)
    (test / "source.txt").write_text("".join(line + "\n" for line in [*ENGLISH, ""]))
    (test / "reference.txt").write_text("".join(line + "\n" for line in [*GERMAN, ""]))
    return folder


def spelt(pieces: list[str]) -> list[str]:
    return [word for word, _ in words(pieces)]


def test_a_word_begins_at_its_mark_and_the_end_stands_alone():
    found = words(["▁Mar", "ie", "▁ran", "!", "</s>"])
    spans = [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert found == list(zip(["Marie", "ran!", "</s>"], spans, strict=True))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["</s>"], ["</s>"]),
        (["▁", "我", "喜欢", "▁", "猫", "</s>"], ["我喜欢", "猫", "</s>"]),
        (["我", "喜欢", "</s>"], ["我喜欢", "</s>"]),
        (["▁a", "😀", "</s>"], ["a😀", "</s>"]),
        (["▁", "</s>"], ["", "</s>"]),
        (["▁a", "</", "s", ">", "</s>"], ["a</s>", "</s>"]),
    ],
)
def test_pieces_without_a_mark_belong_to_the_word_before(pieces, expected):
    assert spelt(pieces) == expected


@given(PIECES)
def test_words_lose_no_piece_and_no_letter(pieces):
    pieces = [*pieces, END]
    found = words(pieces)
    assert [piece for _, span in found for piece in pieces[span]] == pieces
    assert "".join(word for word, _ in found) == "".join(pieces).replace("▁", "")
    assert spelt(pieces)[-1] == END


def test_source_pieces_are_summed_and_target_pieces_averaged():
    source, target = words(["▁a", "b", "▁c", "</s>"]), words(["▁x", "y", "</s>"])
    pieces = np.array([[0.1, 0.2, 0.3, 0.4], [0.3, 0.3, 0.2, 0.2], [0.0, 0.1, 0.0, 0.9]])
    expected = [[0.45, 0.25, 0.3], [0.1, 0.0, 0.9]]
    np.testing.assert_allclose(merge(pieces, source, target), expected)


@given(PIECES, PIECES, st.integers(0, 100))
def test_merged_rows_still_sum_to_one(source, target, seed):
    source, target = [*source, END], [*target, END]
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(source)), size=len(target))
    merged = merge(weights, words(source), words(target))
    assert merged.shape == (len(words(target)), len(words(source)))
    np.testing.assert_allclose(merged.sum(1), 1)


@pytest.mark.parametrize(("layers", "layer"), [(1, 1), (2, 1), (3, 2), (6, 5)])
def test_the_layer_before_the_last_and_all_heads_are_read_unless_told(layers, layer):
    attention = torch.rand(layers, 4, 3, 5)
    matrix, record = Rule().read(attention)
    np.testing.assert_allclose(matrix, attention[layer - 1].mean(0))
    assert (record["layer"], record["head"]) == (layer, "mean")
    assert (record["layers"], record["heads"]) == (layers, 4)


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("head", [1, 4])
def test_a_chosen_layer_and_head_are_read(layer, head):
    attention = torch.rand(3, 4, 3, 5)
    matrix, record = Rule(layer, head).read(attention)
    np.testing.assert_array_equal(matrix, attention[layer - 1, head - 1])
    assert (record["layer"], record["head"]) == (layer, head)


@pytest.mark.parametrize("number", [-1, 0, 5])
@pytest.mark.parametrize(("what", "count"), [("layer", 3), ("head", 4)])
def test_a_layer_or_head_that_is_not_there_is_refused(what, count, number):
    with pytest.raises(UserError, match=f"there is no {what} {number}: this model has {count}"):
        Rule(**{what: number}).read(torch.rand(3, 4, 3, 5))


def test_a_planted_monotone_alignment_comes_out_on_the_diagonal():
    pieces = ["▁Mar", "ie", "▁ran", "▁a", "way", "!", END]
    found = Alignment.of(
        translated(pieces, pieces, torch.eye(7).expand(1, 1, 7, 7)), Rule(), forced=False
    )
    assert found.source_words == found.target_words == ["Marie", "ran", "away!", END]
    np.testing.assert_allclose(found.weights, np.eye(4))


def test_a_row_is_of_the_step_that_predicts_its_word():
    attention = torch.eye(3)[[1, 0, 2]].expand(1, 1, 3, 3)
    found = Alignment.of(
        translated(["▁eins", "▁zwei", END], ["▁two", "▁one", END], attention), Rule(), forced=True
    )
    looked_at = [found.source_words[int(np.argmax(row))] for row in found.weights]
    assert dict(zip(found.target_words, looked_at, strict=True)) == {
        "two": "zwei",
        "one": "eins",
        END: END,
    }
    assert (found.forced, found.log_probability) == (True, -2.0)


def test_a_model_without_attention_has_nothing_to_draw():
    with pytest.raises(UserError, match="this model has no attention"):
        Alignment.of(translated(["▁a", END], ["▁b", END], None), Rule(), forced=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("3,17", [3, 17]),
        ("1-5", [1, 2, 3, 4, 5]),
        (" 2 , 4-5 ", [2, 4, 5]),
        ("5,1-2,1", [5, 1, 2]),
        ("20-20", [20]),
    ],
)
def test_line_numbers_and_ranges_are_read_in_their_order(text, expected):
    assert numbers(text, 20) == expected


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1-", "-3", "1.5", "1-2-3"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(UserError, match="is neither a number nor a range such as 1-5"):
        numbers(text, 20)


@pytest.mark.parametrize("text", ["0", "21", "5-3", "0-2", "19-21", "1-999999999999"])
def test_a_line_that_is_not_there_is_refused(text):
    with pytest.raises(UserError, match=f"--lines {text}: lines are counted from 1 to 20"):
        numbers(text, 20)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A man, riding a horse!", "a-man-riding-a-horse"),
        ("../../etc/passwd", "etc-passwd"),
        ("😀 !", "sentence"),
        ("Größe 火", "größe-火"),
    ],
)
def test_a_sentence_has_a_plain_file_name(text, name):
    assert slug(text) == name


def test_a_found_translation_is_drawn_and_written_down(run):
    picture, matrix = align(run, source=ENGLISH[0], device="cpu")
    assert (picture.parent, picture.suffix) == (run / "align", ".png")
    assert picture.read_bytes().startswith(MAGIC[".png"])
    found = json.loads(matrix.read_text("utf-8"))
    best = Translator(run, device="cpu")(ENGLISH[:1])[0]
    assert (found["run"], found["source"], found["target"]) == (run.name, ENGLISH[0], best.text)
    assert found["source_words"] == [*ENGLISH[0].split(), END]
    assert not found["forced"]
    weights = np.array(found["weights"])
    assert weights.shape == (len(found["target_words"]), len(found["source_words"]))
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)


def test_a_given_translation_is_read_instead_of_searched(run, tmp_path):
    out = tmp_path / "new" / "picture.svg"
    written = align(run, source=ENGLISH[0], target=GERMAN[0], out=out, device="cpu")
    assert written == [out, out.with_suffix(".json")]
    found = json.loads(written[1].read_text("utf-8"))
    assert found["target_words"] == [*GERMAN[0].split(), END]
    assert found["forced"]


def test_lines_of_a_test_set_are_numbered(run, tmp_path):
    asked = {"test": "test", "lines": "3,1", "reference": True, "device": "cpu"}
    written = align(run, **asked, out=tmp_path / "x.png")
    assert [path.name for path in written] == [
        "x-test-3.png",
        "x-test-3.json",
        "x-test-1.png",
        "x-test-1.json",
    ]
    found = json.loads(written[1].read_text("utf-8"))
    assert (found["source"], found["target"]) == (ENGLISH[2], GERMAN[2])


def test_a_word_unknown_to_the_vocabulary_is_drawn_as_written(run, tmp_path):
    asked = {"source": "a 😀 man", "target": "ein 火 Mann", "device": "cpu"}
    found = json.loads(align(run, **asked, out=tmp_path / "x.png")[1].read_text("utf-8"))
    assert found["source_words"] == ["a", "😀", "man", END]
    assert found["target_words"] == ["ein", "火", "Mann", END]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "give a sentence by --source"),
        ({"source": "a", "test": "test"}, "give a sentence by --source"),
        ({"source": "a", "out": Path("x.gif")}, r"x\.gif must end in \.png, \.svg, \.pdf"),
        ({"test": "test", "target": "b"}, "--target goes with --source"),
        ({"source": "a", "lines": "1"}, "--lines and --reference go with --test"),
        ({"source": "a", "reference": True}, "--lines and --reference go with --test"),
        ({"test": "tset", "lines": "1"}, "has no test set 'tset'; did you mean 'test'"),
        ({"test": "test"}, r"say which lines of test.*it has 4"),
        ({"test": "test", "lines": "4"}, "an empty sentence has no alignment"),
        ({"source": " "}, "an empty sentence has no alignment"),
        ({"source": "\u200b"}, "an empty sentence has no alignment"),
        ({"source": "a", "layer": 9}, "there is no layer 9"),
        ({"source": "a", "head": 9}, "there is no head 9"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(run, asked, message):
    with pytest.raises(UserError, match=message):
        align(run, **asked, device="cpu")


def test_a_run_without_attention_is_refused(tmp_path):
    with pytest.raises(UserError, match="this model has no attention"):
        align(make_run(tmp_path, "rnn"), source="a man", device="cpu")


ODD = ["$", "$x_1$", "$\\frac{$", "a_b^c", "😀", "\x07", "\0", "火", "%", "", "<&>", "--", END]


def drawn(path: Path, source: list[str], target: list[str]) -> bytes:
    weights = np.random.default_rng(0).dirichlet(np.ones(len(source)), size=len(target))
    plot.heatmap(source, target, weights, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", plot.FORMATS)
@pytest.mark.parametrize(
    ("source", "target"),
    [(["a", "b", END], ["c", END]), (["one"], ["one"]), (ODD, ODD[::-1]), (["word"] * 80, ["w"])],
    ids=["plain", "one word", "odd words", "80 words"],
)
def test_a_heatmap_is_a_file_of_its_kind(tmp_path, kind, source, target):
    assert drawn(tmp_path / f"picture{kind}", source, target).startswith(MAGIC[kind])
    assert [path.name for path in tmp_path.iterdir()] == [f"picture{kind}"]


def test_the_ending_may_be_in_capitals(tmp_path):
    assert drawn(tmp_path / "picture.PNG", ["a"], ["b"]).startswith(MAGIC[".png"])


def test_a_dollar_is_a_dollar(tmp_path):
    plain, formula = (
        drawn(tmp_path / "picture.svg", [word], ["b"]).count(b"<use ") for word in ("xyz", "$z$")
    )
    assert plain == formula


def test_a_longer_sentence_makes_a_larger_picture(tmp_path):
    def size(words: int) -> tuple[int, ...]:
        png = drawn(tmp_path / "picture.png", ["w"] * words, ["w"] * 5)
        return tuple(int.from_bytes(png[i : i + 4], "big") for i in (16, 20))

    (few, height), (many, same) = size(10), size(80)
    assert many - few == pytest.approx(70 * plot.CELL * 150, abs=2)
    assert same == height


def test_a_character_without_a_font_is_remarked_upon(tmp_path, capsys):
    drawn(tmp_path / "picture.png", ["\N{EGYPTIAN HIEROGLYPH A001}"], ["b"])
    assert "some characters in" in capsys.readouterr().err


def test_the_same_matrix_gives_the_same_picture(tmp_path):
    for kind in (".png", ".pdf"):
        first, second = (drawn(tmp_path / f"{i}{kind}", ["a", "b"], ["c"]) for i in range(2))
        assert first == second


@pytest.mark.parametrize(
    ("word", "shown"), [("a\x07b", "a�b"), ("\u200b", "�"), ("größe", "größe"), ("😀", "😀")]
)
def test_what_would_draw_nothing_has_a_stand_in(word, shown):
    assert plot.visible(word) == shown
