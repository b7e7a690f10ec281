"""Commands that explain lexeme, form and contrast, and score explanations."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from untrained_runs import ENGLISH, GERMAN, make_run, make_run_with_gold, write_test_set

from seq2seq.alignment.gold import Gold, Links, write_gold
from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import labelled
from seq2seq.interpret.alignment import explain_pairs
from seq2seq.interpret.chosen_rule import RULE, chosen_rule
from seq2seq.runs import stored_attention
from seq2seq.runs.folder import RunFolder
from seq2seq.text.agreement import Agreement
from seq2seq.text.pronoun import Places, Pronoun
from seq2seq.translation.translator import Translator

SENTENCE = ("--source", ENGLISH[0], "--target", GERMAN[0])
WORDS = [  # English, French, links, with a verb that agrees
    ("the man died", "le lit est fini", "0-0 1-1 2?2 2-3", Agreement(0, "fini", ("finie",))),
    (
        "the cat over the grass was dead",
        "la tente sur le lit est finie",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6",
        Agreement(3, "finie", ("fini", "finies")),
    ),
]
ITS = [
    (
        "the dog sat and it sits",
        "le chien est assis et il sit",
        "0-0 1-1 2?2 2-3 3-4 4-5 5-6",
        Pronoun(Agreement(2, "il", ("elle",)), "subject", Places(4, 1, 2), Places(5, 1, 3)),
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run folders with gold links, of another corpus than the built-in one."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: make_run_with_gold(folder / name, name) for name in ("rnn", "transformer")}


@pytest.fixture
def plain(made, tmp_path) -> Path:
    return Path(shutil.copytree(made["rnn"], tmp_path / "plain"))


@pytest.fixture
def deep(made, tmp_path) -> Path:
    return Path(shutil.copytree(made["transformer"], tmp_path / "deep"))


@pytest.fixture
def forms(tmp_path) -> Path:
    path = tmp_path / "forms.txt"
    path.write_text("ein eine einer\nMann Mannes\nHund Hunde\ndie der das\n", encoding="utf-8")
    return path


def built_in(path: Path, model: str, rows, *, pronouns: bool = False) -> Path:
    """A run that was trained on the built-in corpus, with a test set that has controllers."""
    run = make_run(path, model, target="fr")
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    config["data"]["name"] = "controlled"
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    write_test_set(run, [row[0] for row in rows], [row[1] for row in rows])
    golds = [
        Gold(
            source.split(),
            target.split(),
            Links.parse(links),
            None if pronouns else known,
            known if pronouns else None,
        )
        for source, target, links, known in rows
    ]
    write_gold(run / "hyps" / "test", golds)
    return run


def test_the_lexeme_is_aligned_with_a_table_of_forms(plain, forms, command):
    words = ["--method", "occlusion:lexeme", "--forms", forms]
    answer = command("align", plain, *SENTENCE, *words)
    assert answer.status == 0, answer
    assert command("evaluate", plain, *words).status == 0
    (matrix,) = plain.glob("align/*-occlusion-lexeme.json")
    found = json.loads(matrix.read_text("utf-8"))
    assert found["signed"]
    assert (found["rule"]["method"], found["rule"]["hide"]) == ("occlusion:lexeme", "drop")
    assert command("plot", "runs", plain, *SENTENCE, *words).status == 0
    assert command("plot", "lines", plain, *SENTENCE, *words).status == 0
    assert command("score-alignment", plain, "--test", "test", *words).status == 0
    out = plain / "x.align"
    assert command("export-alignment", plain, "--test", "test", "--out", out, *words).status == 0


@pytest.mark.parametrize(
    "words",
    [
        ["align", *SENTENCE],
        ["plot", "lines", *SENTENCE],
        ["score-alignment", "--test", "test"],
        ["export-alignment", "--test", "test", "--out", "x.align"],
        ["evaluate"],
    ],
)
def test_a_table_without_effect_or_none_is_refused(deep, forms, command, words):
    count = 2 if words[0] == "plot" else 1
    start = [*words[:count], deep, *words[count:]]
    command(*start, "--forms", forms).must_refuse("--forms has no effect with --method attention")
    command(*start, "--method", "occlusion:form").must_refuse("give a table with --forms FILE")
    bad = forms.with_name("bad")
    bad.write_text("a b a\n", encoding="utf-8")
    command(*start, "--method", "occlusion:form", "--forms", bad).must_refuse("bad, line 1")


def test_lexemes_are_tried_where_forms_are_known(plain, forms, command):
    words = ["score-alignment", plain, "--test", "test", "--rule", "auto"]
    assert command(*words, "--forms", forms).status == 0
    scores = json.loads((plain / "align" / "test.readings.json").read_text("utf-8"))
    tried = {reading["rule"]["method"] for reading in scores["readings"]}
    assert tried == {"occlusion", "occlusion:lexeme", "gradient"}
    assert command(*words, "--method", "occlusion:form", "--forms", forms).status == 0
    assert chosen_rule(RunFolder.open(plain)).method == "occlusion:form"
    (plain / RULE).write_text('{"rule": {"method": "occlusion:lexeme", "hide": "unk"}}')
    assert chosen_rule(RunFolder.open(plain)) == Rule(method="occlusion:lexeme", hide="unk")
    assert labelled("x", Rule(method="gradient:form"), "source") == "x-gradient-form"


def test_evaluate_stores_the_lexeme_of_the_built_in_corpus(tmp_path, command):
    run = built_in(tmp_path / "run", "rnn", WORDS)
    answer = command("evaluate", run, "--method", "occlusion:lexeme")
    assert answer.status == 0, answer
    file = run / "hyps" / "test" / stored_attention.FILE
    assert stored_attention.method_of(file) == "occlusion:lexeme"


def test_a_contrast_is_drawn(deep, command):
    answer = command("align", deep, *SENTENCE, "--instead", "Mann=Matte")
    assert answer.status == 0, answer
    (matrix,) = deep.glob("align/*-not-mann-matte-occlusion.json")
    found = json.loads(matrix.read_text("utf-8"))
    assert (found["word"], found["instead"]) == ("Mann", "Matte")
    assert len(found["values"]) == len(found["source_words"]) == 6
    assert found["rule"]["method"] == "occlusion"
    assert matrix.with_suffix(".png").is_file()
    lines = ["--test", "test", "--lines", "2", "--reference", "--instead", "2:Hund"]
    assert command("align", deep, *lines, "--method", "gradient").status == 0
    lines[3] = "1,2"
    command("align", deep, *lines).must_refuse("--instead explains one sentence")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--instead", "der", "--method", "attention"], "does not explain a probability"),
        (["--instead", "der"], "no word of the target is known"),
        (["--instead", "ein=der"], "ein (1) or ein (3)"),
        (["--instead", ""], "give NEW, OLD=NEW or NUMBER:NEW"),
        *(
            (["--instead", text], "give NEW, OLD=NEW or NUMBER:NEW")
            for text in ("1:", ":x", ":", "-1:x", "1.5:x", "1000000000:x", "a=b=c")
        ),
        (["--instead", "ein=x", "--forms", "f"], "--forms has no effect with --instead OLD=NEW"),
        (["--instead", "x", "--map", "target"], "--map and --shift have no effect"),
        (["--instead", "x", "--map", "source"], "--map and --shift have no effect"),
        (["--instead", "x", "--shift"], "--map and --shift have no effect"),
        (["--instead", "x", "--layer", "2"], "--layer has no effect"),
    ],
)
def test_a_contrast_that_is_not_clear_is_refused(deep, command, words, message):
    sentence = ["--source", ENGLISH[0], "--target", "ein Pferd ein Mann"]
    answer = command("align", deep, *sentence, *words)
    assert answer.status != 0
    assert message in " ".join(answer.err.replace("│", " ").split())


@pytest.mark.parametrize("model", ["rnn", "transformer"])
def test_explanations_of_agreement_are_scored(tmp_path, command, model):
    run = built_in(tmp_path / "run", model, WORDS)
    answer = command("score-contrast", run, "--test", "test")
    assert answer.status == 0, answer
    found = json.loads((run / "align" / "test.contrast.json").read_text("utf-8"))
    assert [one["controller"] for one in found["items"]] == [1, 1]
    assert [one["word"] for one in found["items"]] == ["fini", "finie"]
    names = {row["method"] for row in found["rows"]}
    assert {"occlusion", "occlusion:form", "occlusion, right/wrong", "gradient:form"} < names
    assert ("attention" in names) == (model == "transformer")
    rows = {(row["method"], row["words"], row["distance"]): row for row in found["rows"]}
    for name in ("occlusion", "occlusion, right/wrong", "gradient:form"):
        right = [one["strongest"][name] == one["controller"] for one in found["items"]]
        assert rows[name, "all", "all"]["controller"] == pytest.approx(100 * np.mean(right))
    preferred = [one["preferred"] for one in found["items"]]
    chosen = rows["right form preferred", "all", "all"]["controller"]
    assert chosen == pytest.approx(100 * np.mean(preferred))
    chance = rows["a random word", "all", "all"]["controller"]
    assert chance == pytest.approx(100 * (1 / 3 + 1 / 7) / 2)  # sources of 3 and of 7 words
    rule = Rule(method="occlusion")
    golds = [Gold(s.split(), t.split(), Links.parse(k)) for s, t, k, _ in WORDS]
    texts = [(source, target) for source, target, _, _ in WORDS]
    explained = explain_pairs(Translator(run, device="cpu"), texts, rule, golds)
    for item, one in zip(found["items"], explained, strict=True):
        row = one.values(rule)[one.gold.target.index(item["word"]), :-1]
        assert item["strongest"]["occlusion"] == row.argmax()
    with (run / "align" / "test.contrast.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found["rows"])
    assert (run / "align" / "test.contrast.png").is_file()
    for line in answer.out.splitlines():
        assert len(line) <= 80


def test_explanations_of_pronouns_name_the_other_noun_too(tmp_path, command):
    run = built_in(tmp_path / "run", "bahdanau", ITS, pronouns=True)
    answer = command("score-contrast", run, "--test", "test", "--method", "occlusion")
    assert answer.status == 0, answer
    assert "other noun" in " ".join(answer.out.split())
    found = json.loads((run / "align" / "test.contrast.json").read_text("utf-8"))
    assert found["items"][0]["controller"] == 1


def test_determiners_are_scored_without_agreements(tmp_path, command):
    rows = [("the man died", "le lit est fini", "0-0 1-1 2-3", None)]
    run = built_in(tmp_path / "run", "rnn", rows)
    assert command("score-contrast", run, "--test", "test", "--method", "gradient").status == 0
    found = json.loads((run / "align" / "test.contrast.json").read_text("utf-8"))
    assert [(one["word"], one["controller"]) for one in found["items"]] == [("le", 1)]


def test_what_has_no_score_is_refused(plain, deep, tmp_path, command):
    command("score-contrast", plain, "--test", "test").must_refuse("no words with a known control")
    command("score-contrast", plain).must_refuse("has no test set 'test_agreement'")
    run = built_in(tmp_path / "run", "rnn", WORDS)
    words = ["score-contrast", run, "--test", "test", "--method"]
    command(*words, "attention").must_refuse("has no attention")
    command(*words, "occlusion:form").must_refuse("explains a part of one word")
    command(*words, "gradient", "--hide", "unk").must_refuse("--hide unk has no effect")
    for bad in ("magic", "occlusion,occlusion"):
        assert command(*words, bad).status != 0
    masked = built_in(tmp_path / "masked", "encoder_only", WORDS)
    command("score-contrast", masked, "--test", "test").must_refuse("on both sides")
    bad = [("a man", "mort mort", "0-0", Agreement(0, "fini", ("finie",)))]
    twice = built_in(tmp_path / "twice", "rnn", bad)
    command("score-contrast", twice, "--test", "test").must_refuse("line 1", "cannot be found")


def test_words_that_the_vocabulary_cannot_write_are_left_out(tmp_path, command):
    other = ("the man ended", "le lit est mort", "0-0 1-1 2-3", Agreement(0, "mort", ("morte",)))
    run = built_in(tmp_path / "run", "rnn", [*WORDS, other])
    answer = command("score-contrast", run, "--test", "test", "--method", "gradient")
    assert answer.status == 0, answer
    assert "1 of 3 words are left out" in answer.err
    alone = built_in(tmp_path / "alone", "rnn", [other])
    command("score-contrast", alone, "--test", "test").must_refuse("cannot write the right and")


def test_deletion_is_scored(deep, command):
    words = ["score-deletion", deep, "--test", "test", "--words", "1,9"]
    answer = command(*words, "--method", "attention,occlusion")
    assert answer.status == 0, answer
    file = deep / "align" / "test.deletion.json"
    first = json.loads(file.read_text("utf-8"))["rows"]
    drops = {(row["method"], row["hidden"]): row["drop"] for row in first}
    assert {name for name, _ in drops} == {"attention", "occlusion", "random words"}
    # Occlusion hides the word without which the target word is least probable.
    for other in ("attention", "random words"):
        assert drops["occlusion", 1] >= drops[other, 1] - 1e-4
        assert drops["occlusion", 9] == pytest.approx(drops[other, 9], abs=1e-4)  # all words
    assert command(*words, "--method", "attention,occlusion").status == 0
    again = json.loads(file.read_text("utf-8"))["rows"]
    assert again == first  # the random words are those of the seed
    assert command(*words, "--sentences", "1", "--hide", "mean", "--seed", "2").status == 0


def test_the_drop_is_that_of_the_forced_probability(plain, command):
    from seq2seq.translation.translator import Translator

    words = ["score-deletion", plain, "--test", "test", "--words", "99", "--sentences", "0"]
    assert command(*words, "--method", "gradient").status == 0
    rows = json.loads((plain / "align" / "test.deletion.json").read_text("utf-8"))["rows"]
    translator = Translator(plain, device="cpu")
    total = 0.0
    for source, target in zip(ENGLISH, GERMAN, strict=True):
        from seq2seq.interpret.methods.occlusion import Variant, log_probabilities

        ids = [
            tokenizer.encode([text])[0]
            for tokenizer, text in zip(translator.tokenizers, (source, target), strict=True)
        ]
        pair = (ids[0], ids[1])
        whole, nothing = log_probabilities(
            translator, [Variant(pair, []), Variant(([], ids[1]), [])]
        )
        total += float((whole - nothing)[:-1].sum())
    count = sum(len(target.split()) for target in GERMAN)
    assert rows[0]["drop"] == pytest.approx(total / count, abs=1e-3)
    assert np.isclose(rows[1]["drop"], rows[0]["drop"], atol=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--words", "0"], "give different numbers from 1"),
        (["--words", "1,1"], "give different numbers from 1"),
        (["--words", "x"], "give different numbers from 1"),
        (["--method", "alti"], "--method alti"),
        (["--method", "occlusion:lexeme"], "give a table with --forms FILE"),
        (["--forms", "x"], "--forms needs a --method"),
        (["--method", "vectors,magic"], "--method vectors,magic: there is no method 'magic'"),
    ],
)
def test_a_deletion_that_does_not_fit_is_refused(plain, command, words, message):
    answer = command("score-deletion", plain, "--test", "test", *words)
    assert answer.status != 0
    assert message in " ".join(answer.err.replace("│", " ").split())


def test_a_test_set_without_lines_is_refused(plain, command):
    for file in (plain / "hyps" / "test").iterdir():
        file.write_text("")
    command("score-deletion", plain, "--test", "test").must_refuse("source.txt has no lines")
    command("evaluate", plain, "--test", "test").must_refuse("source.txt has no lines")


def test_evaluate_refuses_damaged_scores_before_it_changes_anything(plain, command):
    folder = plain / "hyps" / "test"
    (folder / "hypothesis.txt").write_text("kept\n")
    (plain / "scores.json").write_text("{")
    command("evaluate", plain, "--test", "test").must_refuse("scores.json cannot be read")
    assert (folder / "hypothesis.txt").read_text() == "kept\n"


@pytest.mark.parametrize("names", ["", "occlusion,", ","])
def test_an_empty_name_of_a_method_is_refused(plain, command, names):
    command("evaluate", plain, "--methods", names).must_refuse("give names separated by commas")


def test_lines_without_pieces_are_left_out_of_deletion(plain, command):
    words = ["score-deletion", plain, "--test", "test", "--method", "occlusion"]
    assert command(*words).status == 0
    file = plain / "align" / "test.deletion.json"
    before = json.loads(file.read_text("utf-8"))["rows"]
    for side, line in (("source", "\u200b"), ("reference", "Mann")):
        path = plain / "hyps" / "test" / f"{side}.txt"
        path.write_text(path.read_text("utf-8") + f"{line}\n", "utf-8")
    answer = command(*words)
    assert answer.status == 0, answer
    assert json.loads(file.read_text("utf-8"))["rows"] == before
