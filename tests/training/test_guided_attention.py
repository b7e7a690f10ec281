"""Guided attention: the loss between a head and word links, and where the links come from."""

import json
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from seq2seq.alignment.gold import Links
from seq2seq.alignment.piece_links import guiding_links, piece_links
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.layers.loss import guided_cross_entropy
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import read_weights
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.text.surfaces import known_pieces, surfaces
from seq2seq.training.word_links import file_links, read_word_links

HEART = ["data.train=heart", "data.validation=heart", "tokenizer.vocab_size=70"]
ON = "train.guided_attention=0.5"


def by(folder: Path, split: str = "train") -> list[str]:
    return [ON, f"train.guided_links={folder / split}.links"]


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


def log(run: Path, key: str) -> dict[int, float]:
    entries = map(json.loads, (run / "log.jsonl").read_text("utf-8").splitlines())
    return {entry["step"]: entry[key] for entry in entries if key in entry}


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_weights(run / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


# --- from words to pieces ------------------------------------------------------------------------


def test_links_of_words_are_distributions_over_their_pieces():
    source = (["▁the", "▁ca", "t", "▁s", "at", "</s>"], ["the", "cat", "sat"])
    target = (["▁die", "▁Kat", "ze", "▁ja", "</s>"], ["die", "Katze", "ja"])
    found = piece_links([(0, 0), (1, 1), (2, 1)], source, target)
    fourth = [0, 0.25, 0.25, 0.25, 0.25, 0]
    expected = [[1, 0, 0, 0, 0, 0], fourth, fourth, [0] * 6, [0] * 6]
    np.testing.assert_allclose(found, expected)


def test_a_piece_of_two_tokens_has_the_links_of_both():
    source = (["▁the", "▁man", "</s>"], ["the", "man"])
    target = (["▁l'h", "omme", "</s>"], ["l'", "homme"])
    found = piece_links([(0, 0), (1, 1)], source, target)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]])


def test_possible_links_count_only_where_there_is_no_sure_one():
    links = Links(frozenset({(0, 0)}), frozenset({(1, 0), (2, 1)}))
    assert guiding_links(links) == [(0, 0), (2, 1)]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_every_segmentation_covers_the_text_with_unknown_characters_too(kind):
    text = "un café à la gare"
    tokenizer = SentencePiece.train(
        ["un cafe a la gare", "la gare de la fac"] * 9,
        kind=kind,
        vocab_size=17,
        character_coverage=1.0,
        normalization="identity",
    )
    given, known = "un café éé à la ¿gare?", known_pieces(tokenizer)
    (normalized,) = tokenizer.normalize([given])
    best = tokenizer.encode([given])[0]
    assert surfaces(tokenizer, best, given, known) == tokenizer.surfaces(given)
    for seed in range(20):
        ids = tokenizer.sample(given, 0.4, Random(seed))
        assert tokenizer.special.unk in ids
        assert "".join(surfaces(tokenizer, ids, given, known)) == normalized
    assert text != given


# --- the loss ------------------------------------------------------------------------------------


def test_the_loss_is_the_sum_of_the_formula_and_finite_at_zeros():
    a = torch.tensor([[[0.5, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0], [0.2, 0.3, 0.5, 0.0]]])
    g = torch.tensor([[[0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]])
    expected = -np.log(0.25) - np.log(0.2)
    assert guided_cross_entropy(a, g).item() == pytest.approx(expected)
    wrong = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = guided_cross_entropy(wrong, torch.tensor([[[0.0, 1.0]]]))
    loss.backward()
    assert loss.isfinite() and wrong.grad.isfinite().all()
    assert guided_cross_entropy(a.half(), g).dtype == torch.float32


@pytest.mark.parametrize("model", ["transformer", "bahdanau", "decoder_only"])
def test_two_half_batches_make_the_update_of_a_whole_one(fit, linked, tmp_path, model):
    """Rows with links are counted over the whole update, whose batches differ in their number."""
    lines = (linked / "heart.links").read_text("utf-8").splitlines()
    some = "\n".join(["", *lines[1:3], "0-0", "", lines[5], ""])
    (tmp_path / "some.links").write_text(some, "utf-8")
    words = [*HEART, "train.optimizer=adadelta", "train.betas=[0.9,0]", "train.learning_rate=1"]
    words += ["trainer.precision=64-true", "train.max_steps=1", "train.warmup_steps=0"]
    words += by(tmp_path, "some")
    whole = fit(model, *words, "train.batch_tokens=4000", name="whole")
    halves = fit(model, *words, "train.batch_tokens=100", "train.accumulate=2", name="halves")
    assert [info(run)["data"]["train"]["batches"] for run in (whole, halves)] == [1, 2]
    for key in ("loss", "guided_loss", "gradient_norm"):
        assert log(halves, key)[1] == pytest.approx(log(whole, key)[1])
    torch.testing.assert_close(weights(halves), weights(whole))
    plain = fit(model, *words[:-2], "train.batch_tokens=4000", name="plain")
    assert log(plain, "loss") == pytest.approx(log(whole, "loss"))  # without the loss of the links
    assert log(plain, "gradient_norm") != log(whole, "gradient_norm")
    assert not log(plain, "guided_loss") and "links" not in info(plain)["data"]["train"]


def test_two_processes_make_the_updates_of_one_with_twice_the_batches(
    process, fit, tiny, linked, tmp_path
):
    words = ["train=adadelta", "trainer.precision=64-true", "train.max_steps=3", *by(linked)]
    words += ["train.validate_every=3", f"runs_dir={tmp_path}"]
    one = fit("bahdanau", *words, "train.accumulate=2", name="one")
    more = ["trainer.devices=2", "name=two"]
    started = process("train", *tiny("bahdanau", *words, *more), cwd=tmp_path)
    _, err = started.communicate()
    assert started.returncode == 0, err
    for key in ("loss", "guided_loss", "gradient_norm", "validation_loss"):
        assert log(tmp_path / "two", key) == pytest.approx(log(one, key))
    torch.testing.assert_close(weights(tmp_path / "two"), weights(one))


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_with_everything_else_and_resumed_exactly(fit, linked, precision):
    """The pieces of words differ in each epoch, and R-Drop has two passes."""
    words = ["train.r_drop=3", "train.source_word_dropout=0.2", "train.target_word_dropout=0.1"]
    words += ["train.ema=0.9", "tokenizer.sampling=0.4", "train.accumulate=2", *by(linked)]
    words += ["train.validate_every=4", "model.dropout=0.3", "model.attention_dropout=0.2"]
    words += ["train.label_smoothing=0.1", "train.log_every=3", f"trainer.precision={precision}"]
    whole = fit("transformer", *words, "train.max_steps=9", name="whole")
    fit("transformer", *words, "train.max_steps=5", name="parts")
    parts = fit("transformer", *words, "train.max_steps=9", name="parts")
    assert same(whole, parts)
    assert log(whole, "guided_loss") == log(parts, "guided_loss")
    assert set(log(whole, "guided_loss")) == {3, 6, 9}


# --- learning ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "layer", "head"), [("transformer", 2, 2), ("bahdanau", 1, 1)])
def test_the_guided_head_learns_the_links_and_is_read(
    fit, command, linked, tmp_path, model, layer, head
):
    """And a training without links has another alignment."""
    gold = tmp_path / "test.links"
    sources = (linked / "test.en").read_text("utf-8").splitlines()
    lines = (" ".join(f"{i}-{i}" for i in range(len(line.split()))) for line in sources)
    gold.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    words = ["train.max_steps=120", "train.validate_every=120", "train.schedule=constant"]
    words += ["train.log_every=40"]
    keys = [f"train.guided_layer={layer}", f"train.guided_head={head}", *by(linked)]
    keys += ["train.guided_attention=5"]
    if model == "bahdanau":
        keys += ["train.max_steps=200"]
    rates = []
    for name, more in (("plain", ["train.max_steps=40"]), ("guided", keys)):
        run = fit(model, *words, *more, name=name)
        scored = ["--test", "test", "--gold", gold, "--out", "scores.json"]
        answer = command("score-alignment", run, *scored)
        assert answer.status == 0, answer.err
        rows = json.loads((run.parent / "scores.json").read_text("utf-8"))["rows"]
        rates.append(next(iter(rows.values()))["aer"])  # of the rule of the run
    rule = chosen_rule(RunFolder.open(run))
    assert (rule.layer, rule.head, rule.shift) == (layer, head, False)
    assert rates[1] < 0.1 and rates[1] < rates[0] - 0.1, rates
    losses = [*log(run, "guided_loss").values()]
    assert losses[-1] < losses[0] - 0.3  # it cannot fall below the entropy of the links


def test_the_links_of_the_corpus_and_their_pieces(controlled):
    """Each linked word of the corpus has its links in both segmentations of a text."""
    text = controlled.text("train")
    found = read_word_links(controlled, text, None)
    assert len(found) == len(text) == 600
    for row, gold in zip(range(40), controlled.gold("train"), strict=False):
        assert found.tokens(row) == (gold.source, gold.target)
        assert found[row] == guiding_links(gold.links)
    assert found.facts()["linked_pairs"] == 600


@pytest.mark.skipif(not find_spec("thot"), reason="sil-thot, an extra, is not installed")
def test_fast_align_finds_links_and_keeps_them(controlled, monkeypatch):
    from seq2seq.training import word_links

    text = controlled.text("train")
    found = read_word_links(controlled, text, "fast_align")
    gold = read_word_links(controlled, text, "gold")
    right = sum(len({*found[row]} & {*gold[row]}) for row in range(50))
    assert right > 0.4 * sum(len(found[row]) for row in range(50))
    monkeypatch.setattr(word_links, "symmetrized_fast_align", None)  # is not called again
    again = read_word_links(controlled, text, "fast_align")
    assert again.facts() == found.facts()
    (stored,) = (word_links.cache_folder() / "links").iterdir()
    stored.write_bytes(stored.read_bytes()[:100])
    with pytest.raises(TypeError):  # damaged: computed again
        read_word_links(controlled, text, "fast_align")


def test_an_alignment_model_that_begins_at_zero_is_remarked_on(fit, linked, capfd):
    """Its units begin to learn in the same direction, and then guided attention hardly learns."""
    words = ["train.max_steps=1", *by(linked)]
    fit("bahdanau", *words, "model.align_init=paper")
    assert "set model.align_init=xavier" in capfd.readouterr().err
    fit("bahdanau", *words, name="other")
    fit("transformer", *words, name="third")
    assert "align_init" not in capfd.readouterr().err


# --- files of links ------------------------------------------------------------------------------


def corpus_of(folder: Path, **keys: object) -> Files:
    base = {"source": "en", "target": "de", "root": str(folder), "train": "heart"}
    base |= {"validation": "heart", "tests": [], "max_length": 100, "tokenized": False}
    return Files(**(base | keys))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda lines: lines[:-1], ["5 lines for 6 training pairs"]),
        (lambda lines: [*lines, "0-0"], ["7 lines for 6 training pairs"]),
        (lambda lines: ["0-0", "0-9", *lines[2:]], ["line 2: the link 0-9 is outside the pair of"]),
        (lambda lines: ["0:0", *lines[1:]], ["line 1: '0:0' is neither"]),
        (lambda lines: ["-1-0", *lines[1:]], ["line 1: '-1-0' is neither"]),
        (
            lambda lines: [" ".join(f"{i + 1}-{i + 1}" for i in range(4)) for _ in lines],
            ["outside", "probably counts from 1"],
        ),
        (lambda lines: [""] * 6, ["no training pair has a link"]),
    ],
)
def test_a_file_that_does_not_fit_is_refused(linked, tmp_path, change, parts):
    corpus = corpus_of(linked)
    path = tmp_path / "heart.links"
    path.write_text("\n".join(change((linked / "heart.links").read_text().splitlines())) + "\n")
    with pytest.raises(UserError) as caught:
        read_word_links(corpus, corpus.text("train"), str(path))
    assert all(part in str(caught.value) for part in parts), caught.value
    assert str(path) in str(caught.value)


def test_of_a_divided_file_the_lines_of_the_training_pairs_are_read(linked, tmp_path):
    corpus = corpus_of(linked, file="train", train=None, validation="30", tests=["20"])
    text = corpus.text("train")
    path = tmp_path / "all.links"
    count = len((linked / "train.en").read_text("utf-8").splitlines())
    path.write_text("".join(f"{n % 3}-{n % 2}\n" for n in range(count)), "utf-8")
    rows, _ = corpus.rows_of_file("train")
    expected = [[(int(n) % 3, int(n) % 2)] for n in rows]
    assert [*file_links(path, corpus, text)] == expected
    path.write_text("0-0\n" * len(text), "utf-8")
    with pytest.raises(UserError, match=rf"has {len(text)} lines for {count} pairs of train"):
        [*file_links(path, corpus, text)]


def test_other_links_under_the_same_name_are_refused_unless_forced(fit, linked, tmp_path):
    path = tmp_path / "own.links"
    path.write_text((linked / "train.links").read_text("utf-8"), "utf-8")
    words = [ON, f"train.guided_links={path}"]
    run = fit("bahdanau", *words, "train.max_steps=2")
    facts = info(run)["data"]["train"]["links"]
    assert facts["origin"] == str(path) and facts["linked_pairs"] == 176
    path.write_text(path.read_text("utf-8").replace("1-1", "1-0"), "utf-8")
    with pytest.raises(UserError, match="the word links of guided attention have changed"):
        fit("bahdanau", *words, "train.max_steps=4")
    run = fit("bahdanau", *words, "train.max_steps=4", "resume=force")
    assert info(run)["steps"] == 4


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "words", "message"),
    [
        ("rnn", [ON], "train.guided_attention=0.5 has no effect on RNN, which has no attention"),
        ("elman", [ON], "has no effect on Elman"),
        ("lstm", [ON], "has no effect on LSTM"),
        ("encoder_only", [ON], "not supported for EncoderOnly, which is trained on masked targets"),
        ("transformer", [ON, "train.guided_layer=3"], "guided_layer=3: .* has 2 layers"),
        ("transformer", [ON, "train.guided_head=3"], "guided_head=3: .* has 2 heads"),
        ("bahdanau", [ON, "train.guided_head=2"], "guided_head=2: .* has 1 head in"),
        ("bahdanau", [ON, "train.guided_layer=0"], "guided_layer=0 must be at least 1"),
        ("bahdanau", ["train.guided_layer=1"], "guided_layer=1 has no effect with train.guided_a"),
        ("bahdanau", ["train.guided_head=1"], "guided_head=1 has no effect"),
        ("bahdanau", ["train.guided_links=gold"], "guided_links=gold has no effect"),
        ("bahdanau", ["train.guided_attention=-1"], "must be at least 0"),
        ("bahdanau", [ON], "this corpus has none: set train.guided_links=FILE"),
        ("bahdanau", [ON, "train.guided_links=gold"], "this corpus has none"),
        ("bahdanau", [ON, "train.guided_links=fastalign"], "there is no file fastalign.*Pharaoh"),
        ("bahdanau", [ON, "train.guided_links=."], r"guided_links=\. is a folder"),
        ("bahdanau", [ON, "train.guided_links="], "guided_links is empty .*fast_align"),
        ("bahdanau", [ON, "train.guided_attention=nan"], "must be a number, and finite"),
        ("bahdanau", [ON, "train.guided_head=mean"], "must be a whole number"),
    ],
)
def test_what_cannot_work_is_refused(fit, model, words, message, tmp_path):
    with pytest.raises(UserError, match=message):
        fit(model, *words)
    assert not (tmp_path / "run").exists()


def test_a_sweep_refuses_it_before_it_trains(command, tiny, linked, tmp_path):
    words = [word for word in tiny("bahdanau") if not word.startswith("model")]
    words += ["-m", f"runs_dir={tmp_path / 'sweep'}"]
    for more, part in (
        (["model=bahdanau,rnn", *by(linked)], "has no effect on RNN"),
        (["model=bahdanau", ON, "train.guided_links=gold,fast_align"], "this corpus has none"),
        (["model=bahdanau,transformer", *by(linked), "train.guided_layer=2"], "has 1 layer"),
    ):
        command("train", *words, *more).must_refuse("cannot be trained", part)
    assert not (tmp_path / "sweep").exists()


def test_a_model_that_fits_itself_refuses_it(command, tiny):
    words = [*tiny("word_for_word")[:4], "model=word_for_word"]
    command("train", *words, ON).must_refuse(
        "train.guided_attention has no effect on model=word_for_word"
    )


def test_without_thot_fast_align_is_refused(fit, monkeypatch):
    monkeypatch.setattr("seq2seq.alignment.baselines.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"train\.guided_links=fast_align needs fast_align: pip"):
        fit("bahdanau", ON, "train.guided_links=fast_align")
