"""Figures of one sentence."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_files import FIRST_BYTES
from untrained_runs import ENGLISH, GERMAN, make_run, make_run_with_gold

from seq2seq.alignment.gold import Links
from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import Sentence, drawn
from seq2seq.commands.plot import Shown, heads, plot, steps
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import RULE
from seq2seq.plots import figure, heatmaps
from seq2seq.plots.alignment_lines import WIDE, draw_lines, right_to_left
from seq2seq.plots.panel import MAX_WORDS, NO_GOLD, OUTLINE, Panel
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import save_weights
from seq2seq.system.files import write_json
from seq2seq.translation.translator import Translator

WORDS = ["the", "committee", "of", "independent", "experts", "on", "reform"]


@pytest.fixture(scope="module", params=["bahdanau", "luong", "transformer"])
def run(request, tmp_path_factory) -> Path:
    folder = make_run_with_gold(tmp_path_factory.mktemp(request.param), request.param)
    model = Translator(folder, device="cpu").model
    for step in (5, 10, 20):
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.5)
        save_weights(model, folder / "checkpoints" / f"step-{step:08d}.safetensors")
    return folder


def random_panel(length: int, gold: Links = NO_GOLD) -> Panel:
    words = [WORDS[i % len(WORDS)] for i in range(length)]
    weights = np.random.default_rng(0).dirichlet(np.ones(length) * 0.2, size=length)
    return Panel(words, words, weights, "title", gold)


def size(path: Path) -> tuple[int, ...]:
    return tuple(int.from_bytes(path.read_bytes()[i : i + 4], "big") for i in (16, 20))


@pytest.mark.parametrize("kind", ["runs", "heads", "lines", "steps"])
@pytest.mark.parametrize("ending", figure.FORMATS)
def test_every_kind_is_drawn_in_every_form(run, tmp_path, kind, ending):
    out = tmp_path / f"picture{ending}"
    runs = [run]
    if kind == "runs":
        runs.append(Path(shutil.copytree(run, tmp_path / "other")))
    asked = {"test": "test", "line": 2, "reference": True, "out": out, "device": "cpu"}
    assert plot(kind, runs, **asked) == out
    assert out.read_bytes().startswith(FIRST_BYTES[ending])


def test_a_searched_sentence_is_drawn_into_the_run(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    out = plot("lines", [copy], source=ENGLISH[0], device="cpu")
    assert out == copy / "align" / "a-man-rides-a-horse-lines.png"
    assert plot("heads", [copy], test="test", line=3, device="cpu").name == "test-3-heads.png"


def test_all_heads_stand_in_a_grid_and_the_one_that_is_read_is_framed(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    translator = Translator(copy, device="cpu")
    rows = heads(translator, Sentence(ENGLISH[0], GERMAN[0]))
    layers, count = {1: (1, 1), 4: (4, 3)}[len(rows)]
    assert [len(row) for row in rows] == [count] * layers
    framed = [panel.title for row in rows for panel in row if panel.framed]
    assert framed == [{1: "layer 1, head 1", 4: "layer 2, mean of heads"}[layers]]
    if layers > 1:
        mean = np.mean([panel.weights for panel in rows[0][:2]], axis=0)
        np.testing.assert_allclose(rows[0][2].weights, mean, rtol=1e-4)
        assert rows[3][2].title == "mean of layers, mean of heads"
        write_json(copy / RULE, {"rule": {"layer": 1, "head": 2}})
        rows = heads(translator, Sentence(ENGLISH[0], GERMAN[0]))
        assert [p.title for row in rows for p in row if p.framed] == ["layer 1, head 2"]


def test_steps_draws_one_translation_by_every_checkpoint(run):
    (panels,) = steps(Translator(run, device="cpu"), Sentence(ENGLISH[0]))
    best = Translator(run, device="cpu")([ENGLISH[0]])[0].text
    assert [panel.title for panel in panels] == ["step 5", "step 10", "step 20"]
    assert {tuple(panel.target[:-1]) for panel in panels} == {tuple(best.split())}
    assert not np.allclose(panels[0].weights, panels[2].weights, atol=1e-4)


def test_small_multiples_of_a_long_sentence_have_numbers_for_words(tmp_path):
    sizes = []
    for length in (4, 25, 80):
        path = tmp_path / f"{length}.svg"
        heatmaps.draw_grid([[random_panel(length)] * 3] * 2, path)
        sizes.append(path.read_text("utf-8").count("<use "))
        heatmaps.draw_grid([[random_panel(length)] * 3] * 2, tmp_path / f"{length}.png")
    letters = sum(map(len, random_panel(25).source))
    assert sizes[1] > letters  # words are written
    assert sizes[2] < sizes[1]  # numbers are
    assert max(size(tmp_path / "80.png")) < 1.3 * max(size(tmp_path / "25.png"))


def test_lines_of_words_become_columns_where_they_would_be_too_wide(tmp_path):
    sizes = {}
    for length in (4, 80):
        draw_lines(random_panel(length), tmp_path / f"{length}.png")
        sizes[length] = size(tmp_path / f"{length}.png")
    assert sizes[4][0] > sizes[4][1]
    assert sizes[80][0] < sizes[80][1]
    assert max(sizes[4]) <= WIDE * 150


def test_gold_is_outlined_in_all_kinds(tmp_path):
    gold = Links(frozenset({(0, 0), (1, 1)}), frozenset({(2, 2)}))
    path = tmp_path / "x.svg"
    for draw in (
        lambda panel: heatmaps.draw_side_by_side([panel], path),
        lambda panel: heatmaps.draw_grid([[panel]], path),
        lambda panel: draw_lines(panel, path),
    ):
        counts = []
        for links in (gold, NO_GOLD):
            draw(random_panel(4, links))
            counts.append(path.read_text("utf-8").count(OUTLINE))
        assert counts == [3, 0]


@pytest.mark.parametrize(
    ("word", "left"), [("שלום", True), ("سلام", True), ("火", False), ("a", False)]
)
def test_scripts_that_run_from_right_to_left_are_known(word, left):
    assert right_to_left(word) == left


def test_words_of_a_right_to_left_script_are_placed_from_the_right(tmp_path):
    ends = []
    for words in (["a", "b", "cc"], ["א", "ב", "גג"]):
        path = tmp_path / "x.svg"
        panel = Panel(words, words, np.zeros((3, 3)), gold=Links(frozenset({(0, 0)})))
        draw_lines(panel, path)
        line = next(part for part in path.read_text("utf-8").split("<path ") if OUTLINE in part)
        ends.append(float(line.split('d="M ')[1].split()[0]))
    assert ends[0] < ends[1]


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("heads", {"source": "a", "runs": 2}, "plot heads takes one run, but 2 are given"),
        ("runs", {}, "give a sentence with --source"),
        ("runs", {"source": "a", "test": "test"}, "give a sentence with --source"),
        ("runs", {"test": "test"}, "give a line number of test"),
        ("runs", {"test": "test", "line": 9}, "lines are counted from 1 to 3"),
        ("runs", {"test": "test", "line": 1, "target": "b"}, "--target needs --source"),
        ("runs", {"source": "a", "reference": True}, "--reference needs --test"),
        ("runs", {"source": "a", "out": Path("x.gif")}, r"x\.gif must end in \.png"),
        ("lines", {"source": " "}, "an empty sentence has no alignment"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(run, kind, asked, message):
    asked = dict(asked)
    runs = [run] * asked.pop("runs", 1)
    with pytest.raises(UserError, match=message):
        plot(kind, runs, **asked, device="cpu")


@pytest.fixture(scope="module")
def transformer(tmp_path_factory) -> Path:
    folder = make_run_with_gold(tmp_path_factory.mktemp("maps") / "tr", "transformer")
    for step in (5, 10):
        path = folder / "checkpoints" / f"step-{step:08d}.safetensors"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(folder / "model.safetensors", path)
    return folder


@pytest.mark.parametrize("name", ["source", "target", "encoder"])
@pytest.mark.parametrize("kind", ["runs", "heads", "lines", "steps"])
def test_every_kind_draws_every_map(command, transformer, tmp_path, kind, name):
    runs = [transformer]
    if kind == "runs":
        runs.append(Path(shutil.copytree(transformer, tmp_path / "other")))
    out = tmp_path / "x.svg"
    asked = ["--test", "test", "--line", 2, "--map", name, "--out", out]
    assert command("plot", kind, *runs, *asked).status == 0
    text = out.read_text("utf-8")
    titles = {
        "source": ["from target", "to source"],
        "target": ["from target", "to target so far"],
        "encoder": ["from source", "to source"],
    }
    assert [title in text for title in titles[name]] == [True, True]
    assert text.count(OUTLINE) == (4 if (kind, name) == ("heads", "source") else 0)


@pytest.mark.parametrize("name", ["target", "encoder"])
def test_the_words_of_a_map_are_those_of_its_sides(transformer, name):
    shown, sentence = Shown(name, layer="1", head="2"), Sentence(ENGLISH[0], GERMAN[0])
    translator = Translator(transformer, device="cpu")
    translation = sentence.translated(translator, Rule(), name)
    panel, _ = drawn(translator, sentence, translation, shown.rule(translator.run), name)
    source, target = [*ENGLISH[0].split(), "</s>"], GERMAN[0].split()
    assert (list(panel.source), list(panel.target)) == (
        (source, source) if name == "encoder" else (["<s>", *target], [*target, "</s>"])
    )
    (heads_of_layer, *_) = heads(translator, sentence, Shown(name))
    np.testing.assert_allclose(panel.weights, heads_of_layer[1].weights)
    assert not any(one.framed for one in heads_of_layer)


def test_the_rule_of_a_run_applies_to_the_source_alone(transformer, tmp_path):
    copy = Path(shutil.copytree(transformer, tmp_path / "run"))
    write_json(copy / RULE, {"rule": {"layer": 3, "head": 2, "shift": True}})
    translator, sentence = Translator(copy, device="cpu"), Sentence(ENGLISH[0], GERMAN[0])
    for name, rows in (("source", 5), ("target", 6), ("encoder", 6)):
        translation = sentence.translated(translator, Rule(), name)
        rule = Shown(name).rule(translator.run)
        panel, _ = drawn(translator, sentence, translation, rule, name)
        assert len(panel.target) == rows


def test_found_translations_are_read_again_for_their_maps(transformer):
    translator, sentence = Translator(transformer, device="cpu"), Sentence(ENGLISH[0])
    found, forced = (
        sentence.translated(translator, Rule(), name) for name in ("source", "encoder")
    )
    assert (found.text, found.log_probability) == (forced.text, forced.log_probability)
    assert found.maps is None and forced.maps is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plot", "runs", "rnn", "bahdanau", "tr", "--map", "encoder"], "rnn and bahdanau have no"),
        (["plot", "runs", "bahdanau", "tr", "--map", "target"], "bahdanau has no map target: it"),
        (["plot", "lines", "bahdanau", "--map", "encoder"], "it has source (give --map source)"),
        (["plot", "heads", "rnn", "--map", "target"], "rnn has no attention, so nothing can be"),
        (["plot", "heads", "tr", "--layer", "1"], "omit --layer and --head"),
        (
            ["plot", "runs", "tr", "--map", "encoder", "--layer", "2"],
            "no layer 2: the map encoder has 1 (change --layer)",
        ),
        (["plot", "runs", "tr", "--layer", "first"], "--layer first: give a number from 1"),
        (["align", "tr", "--map", "target", "--head", "3"], "there is no head 3"),
        (["align", "bahdanau", "--map", "target"], "bahdanau has no map target"),
    ],
)
def test_a_map_that_cannot_be_drawn_is_refused(command, tmp_path, monkeypatch, words, message):
    for name in ("rnn", "bahdanau", "transformer"):
        if (folder := name.replace("transformer", "tr")) in words:
            make_run(tmp_path / folder, name)
    monkeypatch.chdir(tmp_path)
    command(*words, "--source", "a man", "--out", "x.png").must_refuse(message)
    assert not Path("x.png").exists()


@pytest.mark.parametrize("option", [["--rule", "default"], ["--shift"], ["--no-shift"]])
def test_options_of_links_have_no_effect_on_other_maps(command, transformer, option):
    asked = ["--source", "a man", "--map", "encoder", *option]
    answer = command("align", transformer, *asked)
    assert answer.status == 2 and "have no effect with --map encoder" in answer.err


def test_gradients_have_no_map(command, transformer):
    for option in (["--map", "target"], ["--layer", "1"], ["--head", "1"]):
        asked = ["plot", "gradients", transformer, "--test", "test", *option]
        command(*asked).must_refuse(f"{option[0]} has no effect on plot gradients")


def test_a_border_is_drawn_between_columns_of_source_and_target(tmp_path):
    panel = random_panel(6)._replace(
        border=2, rows="from target", columns=("to source", "to target")
    )
    path = tmp_path / "x.svg"
    for draw in (
        lambda one: heatmaps.draw_side_by_side([one, one], path),
        lambda one: heatmaps.draw_grid([[one, one]], path),
        lambda one: draw_lines(one, path),
    ):
        counts = []
        for border in (2, None):
            draw(panel._replace(border=border))
            counts.append(path.read_text("utf-8").count(OUTLINE))
        assert counts in ([2, 0], [1, 0])


def test_steps_refuses_too_few_checkpoints(tmp_path):
    with pytest.raises(UserError, match=r"needs at least 2 checkpoints, but .* has kept 0"):
        plot("steps", [make_run(tmp_path, "bahdanau")], source="a man", device="cpu")


@pytest.mark.parametrize("kind", ["runs", "heads", "lines"])
def test_a_run_without_attention_is_refused(tmp_path, kind):
    with pytest.raises(UserError, match="has no attention"):
        plot(kind, [make_run(tmp_path, "rnn")], source="a man", device="cpu")


@pytest.mark.parametrize("length", [1, 300, 1000])
def test_no_picture_is_larger_than_a_bound(tmp_path, length):
    """Cells shrink, and fewer words are written; titles and words of any length are shortened."""
    panel = random_panel(length)._replace(title="a long name of a run " * 20)
    draw_lines(panel, tmp_path / "lines.png")
    heatmaps.draw_side_by_side([panel], tmp_path / "beside.png")
    for path in tmp_path.iterdir():
        assert max(size(path)) < 8000, path


def test_many_heads_and_long_words_keep_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(heatmaps, "LARGEST", 6.0)
    heatmaps.draw_grid([[random_panel(80)] * 8] * 8, tmp_path / "x.png")
    assert max(size(tmp_path / "x.png")) < 8 * 1.4 * 150 + 8 * 0.2 * 150
    word = Panel(["x" * 5000], ["y" * 3000], np.ones((1, 1)))
    heatmaps.draw_side_by_side([word], tmp_path / "y.png")
    assert max(size(tmp_path / "y.png")) < 1000


def test_a_sentence_too_long_for_a_picture_is_refused(tmp_path):
    for draw in (draw_lines, lambda p, path: heatmaps.draw_side_by_side([p], path)):
        words = ["w"] * (MAX_WORDS + 1)
        with pytest.raises(UserError, match="cannot show a sentence of 2,501 words"):
            draw(Panel(words, ["a"], np.zeros((1, len(words)))), tmp_path / "x.png")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"source": "a", "line": 1}, "--line needs --test"),
        ({"source": "a", "target": "b", "beam": 3}, "--beam has no effect"),
    ],
)
def test_an_option_without_effect_is_refused(run, asked, message):
    with pytest.raises(UserError, match=message):
        plot("lines", [run], **asked, device="cpu")


def test_steps_draws_the_checkpoints_alone_and_in_their_order(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    first = next(iter(RunFolder.open(copy).checkpoints.values()))
    shutil.copy(first, first.with_name("step-copy.safetensors"))
    shutil.copy(first, first.with_name("step-100000000.safetensors"))
    (panels,) = steps(Translator(copy, device="cpu"), Sentence(ENGLISH[0]))
    assert [panel.title for panel in panels] == ["step 5", "step 10", "step 20", "step 100,000,000"]


def test_a_run_is_drawn_once(run):
    with pytest.raises(UserError, match="is given 2 times: give it once"):
        plot("runs", [run, run], source=ENGLISH[0], device="cpu")
