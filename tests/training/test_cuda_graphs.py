"""Training with CUDA graphs: padded batches have the same loss, and recorded passes add to it."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from device_laws import BY_GRADIENTS, cases, waits_of

from seq2seq.errors import UserError
from seq2seq.settings import config_files, train_arguments
from seq2seq.settings.plugins import build
from seq2seq.system import devices
from seq2seq.text.batching import Batch
from seq2seq.training.cuda_graphs import (
    Graphs,
    Losses,
    Pass,
    Recorded,
    RecordingError,
    Shares,
    rounded,
    shape_for,
    use_graphs,
)
from seq2seq.training.learner import Learner

SETTINGS = {
    "transformer": [
        "model.positions=rope",
        "model.positions=alibi",
        "model.positions=learned model.max_positions=99",
        "model.attention=latent",
    ],
    "transformer_modern": ["model.cross_attention_cache=source"],
    "decoder_only": [
        "model.loss_on=both model.source_mask=causal",
        "model.positions=learned model.max_positions=99",
    ],
    "encoder_only": ["model.positions=learned model.max_positions=99"],
    "rnn": ["model.bidirectional=true model.layers=2", "model.reverse=true", "model.cell=lstm"],
    "lstm": ["model.layers=2 model.bidirectional=true"],
    "luong": ["model.score=concat", "model.input_feeding=false", "model.layers=2"],
    "bahdanau": ["train.r_drop=1 model.readout_dropout=0.01", "model.layers=2", "model.cell=lstm"],
}
CASES = cases(SETTINGS)


def re_run(run: Pass, batch: Batch, shares: Shares) -> Recorded:
    """In place of the recorder of graphs: run the pass again on the same tensors."""
    losses = run(batch, shares)  # the first pass, which must not change gradients
    losses = Losses(*(None if one is None else one.clone() for one in losses))

    def replay() -> None:
        for own, new in zip(losses, run(batch, shares), strict=True):
            if own is not None:
                own.copy_(new)

    return Recorded(batch, replay, losses)


@pytest.fixture
def without_dropout(learner) -> Callable[..., Learner]:
    """Make a learner without dropout, which a test may ask to record its passes on a CPU."""

    def make(name: str, *words: str, graphs: bool = False) -> Learner:
        none = [f"model.{key}=0" for key in config_files.model_settings(name) if "dropout" in key]
        made = learner(name, *none, *words)
        if graphs:
            passes, longest = made.passes, made.corpus.max_length + 1
            passes.graphs = Graphs(passes.run, made.raw_model, longest, re_run)
            made.updates.restart()
        return made

    return make


def gradients(made: Learner, batch: Batch) -> torch.Tensor:
    made.optimizer.zero_grad()
    made.passes.run(batch, Shares(1.0, 1.0))
    every = [p.grad for p in made.raw_model.parameters()]
    return torch.cat([one.flatten() for one in every if one is not None])


@pytest.mark.parametrize(("name", "words"), CASES)
def test_padding_and_added_rows_change_neither_loss_nor_gradients(without_dropout, name, words):
    made = without_dropout(name, *words.split(), "trainer.precision=64-true")
    made.raw_model.eval()  # encoder_only draws masks in training
    for drawn in made.draw(1e-3, 1) + made.draw(1e-3, 2):
        plain, special = drawn.batch, made.raw_model.special
        (rows, source), target = plain.src.shape, plain.tgt_out.size(1)
        padded = plain.padded((rows + 3, source + 5, target + 2), special)
        losses = [made.passes.losses(one)[0] for one in (plain, padded)]
        torch.testing.assert_close(losses[1], losses[0])
        torch.testing.assert_close(gradients(made, padded), gradients(made, plain))


@pytest.mark.parametrize(("name", "words"), CASES)
def test_a_padded_batch_needs_nothing_from_the_device(without_dropout, name, words):
    made = without_dropout(name, *words.split())
    (drawn, *_) = made.draw(1e-3, 1)
    batch = drawn.batch.padded(shape_for(drawn.batch, None), made.raw_model.special)
    assert waits_of(lambda: made.passes.run(batch, Shares(1.0, 1.0)), []) == []
    assert all(p.grad.isfinite().all() for p in made.raw_model.parameters() if p.grad is not None)


def test_masks_of_a_padded_batch_are_drawn_for_its_pairs_only(without_dropout):
    made = without_dropout("encoder_only")
    (drawn, *_) = made.draw(1e-3, 1)
    rows, source = drawn.batch.src.shape
    shape = 4 * rows, source, drawn.batch.tgt_out.size(1)
    padded = drawn.batch.padded(shape, made.raw_model.special)
    with torch.no_grad():
        plain, more = (
            sum(float(made.passes.losses(one)[0]) for _ in range(300))
            for one in (drawn.batch, padded)
        )
    assert more == pytest.approx(plain, rel=0.02)


def trained(made: Learner, steps: int = 6) -> Iterator[tuple[float, float | None]]:
    for step in range(1, steps):
        loss, _ = made.gradients(made.draw(1e-2, step))
        yield made.update(loss)


@pytest.fixture
def linked(tiny, tmp_path) -> Path:
    """Links of the first tokens of each training pair."""
    config = train_arguments.config([*tiny("rnn", "name=x")])
    path = tmp_path / "links"
    path.write_text("0-0\n" * len(build("data", config.data).text("train")), "utf-8")
    return path


SAME = [
    ("bahdanau", ""),
    ("bahdanau", "train.accumulate=3"),
    ("bahdanau", "LINKS"),
    ("transformer", "train.accumulate=2 LINKS"),
    ("transformer", "train.optimizer=adadelta"),
    ("transformer", "train.ema=0.9"),
    ("rnn", "tokenizer.sampling=0.3"),
]


@pytest.mark.parametrize(("name", "words"), SAME)
def test_recorded_passes_train_like_others(without_dropout, linked, name, words):
    words = words.replace("LINKS", f"train.guided_attention=0.5 train.guided_links={linked}")
    words = ["train.batch_tokens=60", "trainer.precision=64-true", *words.split()]
    plain, graphs = without_dropout(name, *words), without_dropout(name, *words, graphs=True)
    found = [list(trained(one)) for one in (plain, graphs)]
    assert len(graphs.passes.graphs.recorded) > 1
    torch.testing.assert_close(torch.tensor(found[1]), torch.tensor(found[0]), rtol=1e-6, atol=0)
    for own, other in zip(
        plain.state().tensors.values(), graphs.state().tensors.values(), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-9)


def test_word_dropout_is_drawn_anew_for_each_replay(without_dropout):
    made = without_dropout("bahdanau", "train.source_word_dropout=0.5", graphs=True)
    drawn, seen = made.draw(1e-3, 1), []
    for step in range(1, 4):
        made.draw(1e-3, step)  # seeds the generators
        made.gradients(drawn[:1])
        seen.append(next(iter(made.passes.graphs.recorded.values())).batch.src.clone())
        made.passes.zero_gradients(made.optimizer)
    assert not seen[0].equal(seen[1]) and not seen[1].equal(seen[2])


@pytest.mark.parametrize("wanted", [None, True])
def test_a_pass_that_cannot_be_recorded_is_run_or_refused(without_dropout, capsys, wanted):
    made, plain = without_dropout("rnn", graphs=True), without_dropout("rnn")
    passes = made.passes
    trainer = dataclasses.replace(made.config.trainer, cuda_graphs=wanted)
    passes.config = dataclasses.replace(made.config, trainer=trainer)

    def fail(run: Pass, batch: Batch, shares: Shares) -> Recorded:
        raise RecordingError("no such kernel")

    passes.graphs.record = fail
    if wanted:
        with pytest.raises(UserError, match=r"true: a pass cannot be recorded \(no such kernel\)"):
            list(trained(made))
        return
    found = [list(trained(one)) for one in (made, plain)]
    torch.testing.assert_close(torch.tensor(found[0]), torch.tensor(found[1]))
    assert passes.graphs is None
    assert capsys.readouterr().out.count("training without CUDA graphs: no such kernel") == 1


def test_shapes_are_few_and_little_larger():
    numbers = range(1, 2000)
    assert all(n <= rounded(n) <= max(n + 3, 1.25 * n) for n in numbers)
    assert len({rounded(n) for n in numbers}) < 40


def test_a_length_is_not_rounded_beyond_the_longest(without_dropout):
    made = without_dropout("transformer")
    batch = made.draw(1e-3, 1)[0].batch
    longest = batch.src.size(1)
    _, source, target = shape_for(batch, longest)
    assert source == longest and target <= max(longest, batch.tgt_out.size(1))
    assert shape_for(batch, None)[1:] == (longest, batch.tgt_out.size(1))


def test_graphs_are_used_by_default_where_they_are_possible(settings):
    on = torch.device("cuda")
    assert use_graphs(settings, on) and not use_graphs(settings, torch.device("cpu"))
    for change in ({"devices": 2}, {"precision": "16-mixed"}, {"compile": True}):
        assert not use_graphs(dataclasses.replace(settings, **change), on)
    assert not use_graphs(dataclasses.replace(settings, cuda_graphs=False), on)


@pytest.fixture
def settings(tiny):
    return train_arguments.config([*tiny("rnn", "name=x")]).trainer


@pytest.mark.parametrize(
    "word", ["trainer.precision=16-mixed", "trainer.devices=2", "trainer.compile=true"]
)
def test_graphs_are_refused_with_what_excludes_them(command, tiny, word):
    words = tiny("rnn", "trainer.cuda_graphs=true", word, "name=x")
    command("train", *words).must_refuse("trainer.cuda_graphs=true", word)


def test_graphs_are_refused_without_a_gpu_and_without_gradients(command, tiny):
    words = tiny("rnn", "trainer.cuda_graphs=true", "trainer.accelerator=cpu", "name=x")
    command("train", *words).must_refuse("trainer.cuda_graphs=true", "trainer.accelerator=cpu")
    words = [*tiny("word_for_word")[:4], "model=word_for_word", "trainer.cuda_graphs=true"]
    command("train", *words).must_refuse("trainer.cuda_graphs has no effect")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
@pytest.mark.parametrize(("name", "words"), CASES)
def test_a_replay_is_the_pass_that_was_recorded(without_dropout, name, words):
    """With dropout, and with other graphs in between; so a resumed run is exactly the same."""
    more = [f"model.{key}=0.2" for key in config_files.model_settings(name) if key == "dropout"]
    words = ["trainer.accelerator=cuda", "train.batch_tokens=60", *more, *words.split()]
    made, found = without_dropout(name, *words), []
    assert made.passes.graphs is not None
    batches = [drawn.batch for step in range(1, 8) for drawn in made.draw(1e-3, step)]
    for work in (made.passes.graphs, made.passes.run, made.passes.graphs):
        numbers = []
        for step, batch in enumerate(batches):
            made.passes.zero_gradients(made.optimizer)
            devices.seed_generators(1, step)
            numbers.append(work(batch, Shares(0.5, 0.5)).loss)
            numbers += [p.grad.norm() for p in made.passes.graphs.parameters]
        found.append(torch.stack(numbers))
    assert found[0].equal(found[1]) and found[0].equal(found[2])
    assert len(made.passes.graphs.recorded) > 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
@pytest.mark.parametrize("name", [name for name in BY_GRADIENTS if name != "encoder_only"])
def test_graphs_train_like_others_on_a_gpu(without_dropout, name):
    """Except encoder_only, whose masks are drawn on the device with graphs, else on the host."""
    gpu = ["trainer.accelerator=cuda", "train.batch_tokens=60"]
    found = [
        torch.tensor(list(trained(without_dropout(name, *gpu, f"trainer.cuda_graphs={word}"))))
        for word in ("true", "false")
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=0)
