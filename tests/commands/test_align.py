"""Sentences as pictures with their matrices."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from figure_files import FIRST_BYTES
from matplotlib import font_manager
from untrained_runs import ENGLISH, GERMAN, make_run, write_test_set

from seq2seq.alignment.gold import Gold, Links, write_gold
from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import align, numbers, slug
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import RULE
from seq2seq.plots import figure, heatmaps
from seq2seq.plots.panel import CELL, OUTLINE, Panel
from seq2seq.system.files import write_json
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator


@pytest.fixture(scope="module", params=["bahdanau", "luong", "transformer"])
def run(request, tmp_path_factory) -> Path:
    run = make_run(tmp_path_factory.mktemp(request.param), request.param)
    return write_test_set(run, [*ENGLISH, ""], [*GERMAN, ""])


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
    assert picture.read_bytes().startswith(FIRST_BYTES[".png"])
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


@pytest.mark.parametrize("shift", [False, True])
def test_with_gold_the_words_are_its_tokens_and_the_links_are_outlined(run, tmp_path, shift):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    write_json(copy / RULE, {"rule": asdict(Rule(shift=shift))})
    link = Links(frozenset({(0, 0)}), frozenset({(1, 2)}))
    empty = Gold([], [], Links(frozenset()))
    cut = Gold(["a", "man", "rid", "es", "a", "horse"], GERMAN[0].split(), link)
    write_gold(copy / "hyps" / "test", [cut, empty, empty, empty])
    asked = {"test": "test", "lines": "1", "reference": True, "device": "cpu"}
    picture, matrix = align(copy, **asked, out=tmp_path / "x.svg")
    found = json.loads(matrix.read_text("utf-8"))
    assert found["rule"]["shift"] == shift
    assert found["source_words"] == [*cut.source, END]
    assert found["target_words"] == [*cut.target, *([] if shift else [END])]
    np.testing.assert_allclose(np.sum(found["weights"], axis=1), 1, rtol=1e-5)
    plain = align(run, **asked, out=tmp_path / "plain.svg")[0]
    outlines = [path.read_text("utf-8").count(OUTLINE) for path in (picture, plain)]
    assert outlines == [2, 0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "give a sentence with --source"),
        ({"source": "a", "test": "test"}, "give a sentence with --source"),
        ({"source": "a", "out": Path("x.gif")}, r"x\.gif must end in \.png, \.svg, \.pdf"),
        ({"test": "test", "target": "b"}, "--target needs --source"),
        ({"source": "a", "lines": "1"}, "--lines and --reference need --test"),
        ({"source": "a", "reference": True}, "--lines and --reference need --test"),
        ({"test": "tset", "lines": "1"}, "has no test set 'tset'; did you mean 'test'"),
        ({"test": "test"}, r"give line numbers of test.*it has 4"),
        ({"test": "test", "lines": "4"}, "an empty sentence has no alignment"),
        ({"source": " "}, "an empty sentence has no alignment"),
        ({"source": "\u200b"}, "an empty sentence has no alignment"),
        ({"source": "a", "rule": Rule(layer=9)}, "there is no layer 9"),
        ({"source": "a", "rule": Rule(head=9)}, "there is no head 9"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(run, asked, message):
    with pytest.raises(UserError, match=message):
        align(run, **asked, device="cpu")


def test_a_run_without_attention_is_refused(tmp_path):
    with pytest.raises(
        UserError,
        match=r"has no attention.*: add --method occlusion",
    ):
        align(make_run(tmp_path, "rnn"), source="a man", device="cpu")


ODD = ["$", "$x_1$", "$\\frac{$", "a_b^c", "😀", "\x07", "\0", "火", "%", "", "<&>", "--", END]


def drawn(path: Path, source: list[str], target: list[str]) -> bytes:
    weights = np.random.default_rng(0).dirichlet(np.ones(len(source)), size=len(target))
    heatmaps.draw_side_by_side([Panel(source, target, weights)], path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", figure.FORMATS)
@pytest.mark.parametrize(
    ("source", "target"),
    [(["a", "b", END], ["c", END]), (["one"], ["one"]), (ODD, ODD[::-1]), (["word"] * 80, ["w"])],
    ids=["plain", "one word", "odd words", "80 words"],
)
def test_a_heatmap_is_a_file_of_its_kind(tmp_path, kind, source, target):
    assert drawn(tmp_path / f"picture{kind}", source, target).startswith(FIRST_BYTES[kind])
    assert [path.name for path in tmp_path.iterdir()] == [f"picture{kind}"]


def test_the_ending_may_be_in_capitals(tmp_path):
    assert drawn(tmp_path / "picture.PNG", ["a"], ["b"]).startswith(FIRST_BYTES[".png"])


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
    assert many - few == pytest.approx(70 * CELL * 150, abs=2)
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
    assert figure.visible(word) == shown


def test_a_font_installed_after_matplotlib_made_its_list_is_found(tmp_path, capsys, monkeypatch):
    manager = font_manager.fontManager
    file = font_manager.findfont("STIXGeneral")
    others = [font for font in manager.ttflist if font.name != "STIXGeneral"]
    monkeypatch.setattr(manager, "ttflist", others)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(figure, "FONTS", ("DejaVu Sans", "STIXGeneral"))
    word = "\N{SCRIPT SMALL G}"  # which DejaVu lacks
    without = drawn(tmp_path / "picture.png", [word], ["b"])
    assert "drawn as boxes" in capsys.readouterr().err
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [file])
    assert drawn(tmp_path / "picture.png", [word], ["b"]) != without
    assert not capsys.readouterr().err
