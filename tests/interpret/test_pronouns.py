"""Attention of pronouns to both nouns, against matrices by hand, and the picture of a run."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_files import FIRST_BYTES

from seq2seq.alignment.gold import Gold, Links, write_gold
from seq2seq.commands.plot_pronouns import choice_table
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Cut
from seq2seq.interpret.pronouns import BOTH, Probe, PronounSet, probe, share, to_nouns
from seq2seq.models.results import Maps
from seq2seq.plots import figure
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import load_model
from seq2seq.system.files import write_lines
from seq2seq.text.agreement import Agreement
from seq2seq.text.pronoun import PRONOUN, Places, Pronoun

# Source "ab c d", target "xy z w": the first token of each side has two pieces, </s> is last.
CUT = Cut(*[np.array([[1, 0, 0, 0]] * 2 + np.eye(4)[1:].tolist(), dtype=np.float32)] * 2)
THIRD = Pronoun(Agreement(1, "w", ("v",)), "subject", Places(2, 0, 1), Places(2, 1, 0))


def rows(row: int, *tenths: int) -> torch.Tensor:
    """A map of one layer and head over five pieces, of which one row is not zero."""
    matrix = torch.zeros(1, 1, 5, 5)
    matrix[0, 0, row] = torch.tensor(tenths) / 10
    return matrix


def test_attention_is_that_of_a_noun_and_the_word_before_it() -> None:
    maps = Maps(rows(3, 1, 2, 4, 3, 0), rows(3, 5, 1, 1, 3, 0), rows(3, 2, 2, 1, 0, 5))
    found = to_nouns(maps, CUT, THIRD, "tgt_out")
    # The antecedent is token 0 in the source, with none before it, and token 1 in the target.
    assert found["encoder"].ravel() == pytest.approx([0.4, 0.5])
    assert found["source"].ravel() == pytest.approx([0.3, 0.7])
    assert found["target"].ravel() == pytest.approx([0.7, 0.6])


def test_the_first_column_of_the_target_so_far_is_the_begin_of_the_sentence() -> None:
    """Columns are `<s>` and the pieces before: of token 0 the second and third, of 1 the fourth."""
    found = to_nouns(Maps(None, rows(3, 5, 1, 1, 3, 0)), CUT, THIRD, "tgt_in")
    assert list(found) == ["target"]
    assert found["target"].ravel() == pytest.approx([0.5, 0.2])


def test_the_share_of_the_antecedent() -> None:
    assert (share(0.3, 0.1), share(0.0, 0.1), share(0.0, 0.0)) == (pytest.approx(0.75), 0, 0.5)


def test_choices_are_counted_in_all_by_role_and_by_distance() -> None:
    pronouns = [
        THIRD,
        THIRD._replace(role="object"),
        THIRD._replace(agreement=Agreement(7, "w", ("v",))),
    ]
    one = Probe(np.array([True, False, True]), {})
    assert one.choices(pronouns) == {
        "all": (2, 3),
        "subject": (2, 2),
        "object": (0, 1),
        "1 words": (1, 2),
        "6\N{EN DASH}10 words": (1, 1),
    }
    assert list(one.rows()) == []


def test_a_role_without_sentences_is_not_counted() -> None:
    one = Probe(np.array([True]), {})
    assert one.choices([THIRD]) == {"all": (1, 1), "subject": (1, 1), "1 words": (1, 1)}
    assert choice_table({"untrained": one, "trained": one}, PronounSet("t", [], [], [THIRD])).rows


def test_the_pronoun_is_changed_as_a_whole_word() -> None:
    forms = Agreement(1, "peut la", ("peut le",))
    pairs = PronounSet(
        "t", [("a", "La vache peut la laver.")], [], [THIRD._replace(agreement=forms)]
    )
    assert pairs.changed() == [("a", "La vache peut le laver.")]
    for text in ("Elle peut laver.", "Il peut la voir, elle peut la voir."):
        with pytest.raises(UserError, match="'peut la' must be once in"):
            pairs._replace(texts=[("a", text)]).changed()


def add_pronouns(run: Path) -> Path:
    """Declare the third word of each reference a pronoun, if it occurs once."""
    folder = run / "hyps" / "test"
    sides = [(folder / f"{side}.txt").read_text("utf-8") for side in ("source", "reference")]
    golds = []
    for number, (source, target) in enumerate(zip(*(s.splitlines() for s in sides), strict=True)):
        words = target.split()
        role = "object" if number % 2 else "subject"
        forms = Agreement(number % 3, words[2], ("wort",))
        places = Places(2, *((3, 1) if number % 2 else (1, 3)))
        pronoun = Pronoun(forms, role, places, places) if number else None
        golds.append(Gold(source.split(), words, Links(frozenset()), pronoun=pronoun))
    write_gold(folder, golds)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny) -> dict[str, Path]:
    from seq2seq.settings import compose
    from seq2seq.training.train import train

    folder = tmp_path_factory.mktemp("pronouns")
    names = ("transformer", "rnn", "bahdanau", "decoder_only", "encoder_only", "word_for_word")
    return {
        name: add_pronouns(
            train(compose.read(compose.compose(tiny(name, f"runs_dir={folder}", f"name={name}"))))
        )
        for name in names
    }


MAPS = {
    "transformer": ["encoder", "source", "target"],
    "bahdanau": ["source"],
    "decoder_only": ["encoder", "source", "target"],
    "encoder_only": ["encoder", "source", "target"],
    "word_for_word": ["source"],
    "rnn": [],
}


@pytest.mark.parametrize("name", MAPS)
def test_every_model_is_drawn_before_and_after_training(command, runs, tmp_path, name) -> None:
    out = tmp_path / "x.png"
    answer = command("plot", "pronouns", runs[name], "--test", "test", "--out", out)
    assert answer.status == 0, answer
    assert "right pronoun preferred" in answer.err and "untrained" in answer.err
    text = [line for line in answer.err.splitlines() if str(tmp_path) not in line]
    assert all(len(line) <= 80 for line in text), answer
    if not MAPS[name]:
        assert f"{name} has no attention, so there is nothing to draw" in answer.err
        assert not out.exists()
        return
    assert out.read_bytes().startswith(FIRST_BYTES[".png"])
    with out.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(dict.fromkeys(row["map"] for row in rows)) == MAPS[name]
    assert {row["weights"] for row in rows} == {"untrained", "trained"}
    assert {row["role"] for row in rows} == {"subject", "object", "both"}
    for row in rows:
        antecedent, distractor = float(row["antecedent"]), float(row["distractor"])
        assert 0 <= antecedent + distractor <= 1 + 1e-6
        assert float(row["share"]) == pytest.approx(share(antecedent, distractor))


def test_the_mean_of_all_sentences_is_that_of_both_roles(runs) -> None:
    pronouns = PronounSet.of_test(runs["transformer"] / "hyps" / "test")
    model, tokenizers = load_model(RunFolder.open(runs["transformer"]))
    found = probe(model, tokenizers, pronouns).attention
    shares = [[one.role for one in pronouns.pronouns].count(role) for role in ("subject", "object")]
    for name in MAPS["transformer"]:
        parts = [found[name, role] for role in ("subject", "object")]
        mean = np.average(parts, axis=0, weights=shares)
        assert found[name, BOTH] == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("ending", figure.FORMATS)
def test_the_format_is_that_of_the_ending(command, runs, tmp_path, ending) -> None:
    out = tmp_path / f"x{ending}"
    words = ("--test", "test", "--out", out)
    assert command("plot", "pronouns", runs["bahdanau"], *words).status == 0
    assert out.read_bytes().startswith(FIRST_BYTES[ending])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "a"], "--source has no effect on plot pronouns"),
        (["--reference"], "--reference has no effect on plot pronouns"),
        (["--line", "1"], "--line has no effect on plot pronouns"),
        (["--beam", "2"], "--beam has no effect on plot pronouns"),
        (["--layer", "1"], "--layer has no effect on plot pronouns"),
        (["--map", "encoder"], "--map has no effect on plot pronouns"),
        ([], "has no test set 'test_pronoun'"),
        (["--test", "validation"], "has no pronouns to test: the built-in corpus has them in"),
        (["--test", "test", "--out", "x.gif"], "x.gif must end in .png"),
        (["other"], "plot pronouns takes one run, but 2 are given"),
    ],
)
def test_what_does_not_fit_is_refused(command, runs, words, message) -> None:
    command("plot", "pronouns", runs["bahdanau"], *words).must_refuse(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("subject\t2\t0\t1\t2\t0\t9\t1\ta\tb", "line 2: token 9 is outside the"),
        ("subject\t2\t0\t1\t2\t0\t1\t1\ta", "line 2: .* is not a distance, the right form"),
        ("verb\t2\t0\t1\t2\t0\t1\t1\ta\tb", "line 2: .* is not a role"),
        ("subject\t2\t0\t-1\t2\t0\t1\t1\ta\tb", "line 2: .* is not a role"),
        ("subject\t2\t0\t1\t2\t0\t1\t", "line 2: .* is not a role"),
        ("subject\t2\t0\t1", "line 2: .* is not a role"),
    ],
)
def test_damaged_pronouns_are_named_with_their_line(runs, tmp_path, line, message) -> None:
    folder = Path(shutil.copytree(runs["bahdanau"] / "hyps" / "test", tmp_path / "test"))
    lines = (folder / PRONOUN).read_text("utf-8").splitlines()
    write_lines(folder / PRONOUN, [lines[0], line, *lines[2:]])
    with pytest.raises(UserError, match=message):
        PronounSet.of_test(folder)
    write_lines(folder / PRONOUN, lines[:-1])
    with pytest.raises(UserError, match="has 19 lines for 20 pairs"):
        PronounSet.of_test(folder)
