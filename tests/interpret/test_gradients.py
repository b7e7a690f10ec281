"""Gradients at the source against finite differences, and their picture."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_files import FIRST_BYTES

from seq2seq.commands.plot_gradients import plot_gradients
from seq2seq.errors import UserError
from seq2seq.interpret.gradients import (
    Gradients,
    gradient_norms,
    last_word,
    source_gradients,
    untrained,
)
from seq2seq.models.base import Seq2Seq
from seq2seq.plots import figure
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import load_model
from seq2seq.settings.config_files import model_names, model_settings
from seq2seq.settings.plugins import build, locate
from seq2seq.text.batching import collate
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()

SMALL = {
    "dim": 8,
    "embedding": 8,
    "align_dim": 6,
    "readout_dim": 6,
    "feed_forward": 6,
    "heads": 2,
    "layers": 1,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "dropout": 0.0,
    "attention_dropout": 0.0,
}
PAIRS = [([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7])]
WORDS = [slice(1, 3), slice(0, 1), slice(4, 5)]


def tiny_model(name: str) -> Seq2Seq:
    torch.manual_seed(0)
    section = model_settings(name)
    section |= {key: value for key, value in SMALL.items() if key in section}
    model = build("model", section, source_vocab=13, target_vocab=13, shared_vocab=False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.double().eval()


# A model without weights that learn by gradients, such as word_for_word, has no gradient.
LEARNING = [name for name in model_names() if not locate("model", name).fits]


@pytest.mark.parametrize("name", LEARNING)
def test_norms_are_those_of_finite_differences(name):
    model = tiny_model(name)
    found = gradient_norms(model, PAIRS, WORDS)
    batch, step = collate(PAIRS, SPECIAL), 1e-6
    embedded = model.embed_source(batch.src).detach()

    def word_log_p(vectors: torch.Tensor) -> torch.Tensor:
        memory = model.encode_embedded(vectors, batch.src_mask)
        log_p = model.decode(batch.tgt_in, memory).logits.log_softmax(-1)
        own = log_p.gather(2, batch.tgt_out.unsqueeze(-1)).squeeze(-1)
        return torch.stack([own[b, word].sum() for b, word in enumerate(WORDS)])

    with torch.no_grad():
        for place in range(embedded.size(1)):
            slopes = []
            for unit in range(embedded.size(2)):
                moved = torch.zeros_like(embedded)
                moved[:, place, unit] = step
                slopes.append((word_log_p(embedded + moved) - word_log_p(embedded - moved)) / 2)
            expected = torch.stack(slopes, dim=1).norm(dim=1) / step
            torch.testing.assert_close(found[:, place], expected, rtol=1e-4, atol=1e-8)
    assert (found[~batch.src_mask] == 0).all()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_the_gradient_of_a_linear_recurrence_is_a_power_of_its_weight(scale):
    """With small inputs tanh is the identity: one step further, the norm is `scale` times as much.

    This is the vanishing or exploding of gradients, with a known rate.
    """
    model = tiny_model("elman")
    with torch.no_grad():
        for recurrence in (model.encoder.network, model.decoder.network):
            for key, weight in recurrence.named_parameters():
                weight.mul_(1e-6) if "weight_ih" in key else weight.zero_()
                if key.startswith("weight_hh"):
                    weight.copy_(scale * torch.eye(len(weight)))
    (norms,) = gradient_norms(model, [([4, 5, 6, 7, 8], [9, 10])], [slice(1, 2)])
    np.testing.assert_allclose(norms[:-1] / norms[1:], [scale] * 5, rtol=1e-3)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["▁a", "▁tr", "ee", "▁."], (1, 3)),
        (["▁a", "▁tr", "ee", "."], (1, 3)),
        (["▁a", "▁tree"], (1, 2)),
        (["tree"], (0, 1)),
        (["▁", "tr", "ee", "▁", "»"], (0, 3)),
        (["▁don", "'", "t", "▁!", "▁!"], (0, 3)),
        (["▁a", "▁.", ".", "."], (0, 1)),
        (["▁?", "▁.", "."], (1, 3)),
        (["▁की", "▁क", "ि", "।"], (1, 3)),
        (["▁5", "▁%"], (0, 1)),
        (["▁我", "喜欢", "猫", "。"], (0, 3)),
    ],
)
def test_the_last_word_ends_before_punctuation(pieces, expected):
    assert last_word(pieces) == slice(*expected)


def test_distances_are_counted_from_the_end_of_the_source(fit):
    model, tokenizers = load_model(RunFolder.open(fit("rnn")))
    pair = ("two cats see trees", "zwei Katzen sehen Bäume")
    found = source_gradients(model, tokenizers, [pair])
    [source] = tokenizers.source.encode([pair[0]])
    assert found.distances.tolist() == [*range(len(source), 0, -1), 0]


def test_a_batch_gives_the_gradients_of_its_pairs(fit):
    model, tokenizers = load_model(RunFolder.open(fit("bahdanau")))
    pairs = [("two cats see trees", "zwei Katzen sehen Bäume"), ("", ""), ("five", "fünf")]
    together = source_gradients(model, tokenizers, pairs)
    apart = [source_gradients(model, tokenizers, [pair]) for pair in (pairs[2], pairs[0])]
    for found, expected in zip(together, zip(*apart, strict=True), strict=True):
        np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-4)
    with pytest.raises(UserError, match="no pair of this text has a word on both sides"):
        source_gradients(model, tokenizers, [("", "a"), ("a", "")])


def test_medians_are_by_distance():
    found = Gradients(np.array([3, 1, 3, 3]), np.array([1.0, 5.0, 2.0, 9.0]))
    near, far = found.by_distance()
    assert (near["distance"], near["tokens"], near["median"]) == (1, 1, 5.0)
    assert (far["distance"], far["tokens"], far["median"]) == (3, 3, 2.0)
    assert (far["lower_quartile"], far["upper_quartile"]) == (1.5, 5.5)


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_untrained_weights_are_those_before_the_first_update(fit, name):
    run = RunFolder.open(fit(name, "train.learning_rate=0", "seed=7", "train.max_steps=2"))
    trained, tokenizers = load_model(run)
    state = torch.get_rng_state()
    initial = untrained(run, tokenizers)
    assert torch.equal(torch.get_rng_state(), state)
    for key, value in initial.state_dict().items():
        assert torch.equal(value, trained.state_dict()[key]), key


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny) -> list[Path]:
    from seq2seq.settings import compose
    from seq2seq.training.train import train

    folder = tmp_path_factory.mktemp("gradients")
    return [
        train(compose.read(compose.compose(tiny(name, f"runs_dir={folder}", f"name={name}"))))
        for name in ("elman", "luong", "transformer")
    ]


@pytest.mark.parametrize("ending", figure.FORMATS)
def test_one_command_draws_runs_before_and_after_training(command, runs, tmp_path, ending):
    out = tmp_path / f"x{ending}"
    answer = command("plot", "gradients", *runs, "--test", "test", "--out", out, "--device", "cpu")
    assert answer.status == 0, answer
    assert out.read_bytes().startswith(FIRST_BYTES[ending])
    assert f"wrote {out}" in answer.err and "x.csv" in answer.err
    with out.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = {(row["run"], row["weights"]) for row in rows}
    assert kinds == {(run.name, weights) for run in runs for weights in ("untrained", "trained")}
    assert all(float(row["lower_quartile"]) <= float(row["median"]) for row in rows)
    sums = dict.fromkeys(kinds, 0)
    for row in rows:
        sums[row["run"], row["weights"]] += int(row["tokens"])
    assert len(set(sums.values())) == 1  # one shared text and vocabulary


def test_the_picture_of_one_line_has_its_distances(runs, tmp_path):
    out, table = plot_gradients(runs[:1], test="test", line=3, out=tmp_path / "x.png")
    assert out.is_file()
    with table.open(newline="") as file:
        assert {row["tokens"] for row in csv.DictReader(file)} == {"1"}


def test_runs_of_one_name_are_told_apart_and_the_default_place_is_the_first_run(runs, tmp_path):
    copies = [Path(shutil.copytree(runs[0], tmp_path / parent / "run")) for parent in "ab"]
    picture, table = plot_gradients(copies, test="test", line=1)
    assert picture == copies[0] / "align" / "test-gradients.png"
    names = {row.split(",")[0] for row in table.read_text().splitlines()[1:]}
    assert names == {"a/run", "b/run"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "a"], "--source has no effect on plot gradients"),
        (["--test", "test", "--reference"], "--reference has no effect on plot gradients"),
        (["--test", "test", "--beam", "2"], "--beam has no effect on plot gradients"),
        ([], "plot gradients needs a test set: give --test NAME"),
        (["--test", "tset"], "did you mean 'test'"),
        (["--test", "test", "--line", "999"], "lines are counted from 1 to 20"),
        (["--test", "test", "--out", "x.gif"], "x.gif must end in .png"),
        (["--test", "test", "--out", "x.csv"], "x.csv must end in .png"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(command, runs, words, message):
    command("plot", "gradients", runs[0], *words).must_refuse(message)


def test_a_run_without_seed_is_refused(command, runs, tmp_path):
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    config = run / "config.yaml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("\nseed: ", "\nsaat: "), "utf-8")
    command("plot", "gradients", run, "--test", "test").must_refuse("run/config.yaml has no seed")


@pytest.mark.parametrize(
    ("source", "reference", "message"),
    [
        ("", "", "no pair of this text has a word on both sides"),
        ("a\n\n", "\na\n", "no pair of this text has a word on both sides"),
        ("a\nb\n", "a\n", "is damaged: source.txt has 2 lines and reference.txt 1"),
    ],
)
def test_a_test_set_without_pairs_is_refused(command, runs, tmp_path, source, reference, message):
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    (run / "hyps" / "test" / "source.txt").write_text(source)
    (run / "hyps" / "test" / "reference.txt").write_text(reference)
    command("plot", "gradients", run, "--test", "test").must_refuse(message)


@pytest.mark.parametrize("name", model_names())
def test_every_model_is_measured_or_refused_with_one_sentence(command, fit, name):
    run = fit(name)
    answer = command("plot", "gradients", run, "--test", "test", "--line", "1")
    if name not in LEARNING:
        answer.must_refuse(f"no gradient reaches the source of {locate('model', name).__name__}")
    else:
        assert answer.status == 0, answer
        assert (run / "align" / "test-gradients.png").is_file()


def test_a_model_whose_source_has_no_gradient_is_refused(monkeypatch, fit):
    model, tokenizers = load_model(RunFolder.open(fit("rnn")))
    detached = lambda embedded, mask: type(model).encode_embedded(model, embedded.detach(), mask)  # noqa: E731
    monkeypatch.setattr(model, "encode_embedded", detached)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(UserError, match="no gradient reaches the source of RNN"):
        source_gradients(model, tokenizers, [("two", "zwei")])
