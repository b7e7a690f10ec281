"""An update makes the host wait for a GPU once; the next batch is prepared before that."""

import math

import pytest
import torch
from device_laws import BY_GRADIENTS, cases, waits_of

from seq2seq.settings import config_files
from seq2seq.training.learner import Learner

WITH_DROPOUT = [n for n in BY_GRADIENTS if "dropout" in config_files.model_settings(n)]
SETTINGS = {
    "transformer": [
        "model.positions=rope",
        "model.positions=alibi",
        "model.positions=learned model.max_positions=99",
        "model.attention=latent",
        "model.attention=multi_query model.normalization=rms",
    ],
    "decoder_only": [
        "model.loss_on=both model.source_mask=causal",
        "model.positions=learned model.max_positions=99",
        "model.positions=alibi",
    ],
    "encoder_only": ["model.positions=learned model.max_positions=99", "model.positions=alibi"],
    "rnn": ["model.bidirectional=true", "model.reverse=true model.bidirectional=false"],
    "luong": ["model.score=concat", "model.input_feeding=false", "model.layers=2"],
    "bahdanau": [
        "train.r_drop=1 model.dropout=0.1",
        "train.source_word_dropout=0.2 train.target_word_dropout=0.2",
        "tokenizer.sampling=0.3",
        "train.ema=0.9",
        "train.optimizer=adamw train.accumulate=2",
        "train.optimizer=adadelta",
    ],
}
CASES = cases(SETTINGS)


def update(learner: Learner, step: int = 1) -> float:
    loss, _ = learner.gradients(learner.draw(1e-3, step))
    return learner.update(loss)[0]


@pytest.mark.parametrize(("name", "words"), CASES)
def test_the_host_waits_for_the_device_at_the_end_of_an_update_only(
    learner, monkeypatch, name, words
):
    made = learner(name, *words.split())
    update(made)  # the first one creates the state of the optimizer
    reads: list[torch.Tensor] = []
    drawn = made.draw(1e-3, 2)
    host = [one for _, b in drawn for one in (b.source_lengths, b.target_lengths)]

    def last(values: torch.Tensor) -> list[float]:
        reads.append(values)
        return [1.0] * len(values)

    monkeypatch.setattr(made, "read", last)
    monkeypatch.setattr(made.updates, "prepare", lambda: None)  # numpy, before any device
    # Those of torch read their step counts, which are on the CPU unless they are fused.
    monkeypatch.setattr(made.optimizer, "step", lambda: None)
    assert waits_of(lambda: made.update(made.gradients(drawn)[0]), host) == []
    assert len(reads) == 1


def test_what_would_wait_is_noticed():
    x, host = torch.arange(4.0), torch.arange(4)
    for work in (
        lambda: x.sum().item(),
        lambda: int(x.sum()),
        lambda: bool(x.sum()),
        lambda: x.cpu(),
        lambda: x.tolist(),
        lambda: x[x > 1],
        lambda: x.nonzero(),
        lambda: x.masked_select(x > 1),
        lambda: x.to("cpu"),
        lambda: host.to(x.device),
        lambda: torch.tensor([1.0]).to(x.device),
        lambda: host.to(x.device, non_blocking=True).tolist(),
        lambda: torch.tensor([1.0], device="cpu"),
        lambda: torch.where(x > 1),
    ):
        assert waits_of(work, [host])
    for work in (
        lambda: host.sort().values.tolist(),
        lambda: int(host.sum()),
        lambda: x[host.to(x.device, non_blocking=True)],
        lambda: torch.tensor([1.0]).to(x.device, non_blocking=True),
        lambda: x.to(x.device),
        lambda: x.masked_fill(x > 1, 0.0),
        lambda: x.to(torch.float16),
    ):
        assert waits_of(work, [host]) == []


def weights(learner: Learner) -> list[torch.Tensor]:
    return [p.detach().clone() for p in learner.raw_model.parameters()]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adadelta"])
def test_an_update_with_a_loss_that_is_not_finite_changes_nothing(learner, optimizer):
    made = learner("rnn", f"train.optimizer={optimizer}")
    update(made)
    before = weights(made)
    loss, _ = made.gradients(made.draw(1e-3, 2))
    assert made.update(loss * math.nan)[1] is None
    assert all(map(torch.equal, weights(made), before))
    loss, _ = made.gradients(made.draw(1e-3, 3))
    next(made.raw_model.parameters()).grad.fill_(math.inf)
    assert made.update(loss)[1] is None
    assert all(map(torch.equal, weights(made), before))
    assert update(made, 4) and not all(map(torch.equal, weights(made), before))


@pytest.mark.parametrize("words", ["", "train.accumulate=3", "tokenizer.sampling=0.3"])
def test_what_is_prepared_ahead_counts_as_not_yet_trained_on(learner, words):
    words = ["train.batch_tokens=40", *words.split()]
    ahead, plain = learner("rnn", *words), learner("rnn", *words)
    for step in range(1, 12):
        (one, *_), (other, *_) = ahead.draw(1e-3, step), plain.draw(1e-3, step)
        assert one.batch.src.equal(other.batch.src)
        ahead.updates.prepare()
        assert ahead.epochs == plain.epochs == ahead.updates.taken.epochs
        assert ahead.state().facts == plain.state().facts
    resumed = learner("rnn", *words)
    resumed.updates.prepare()
    resumed.restore_sampler(ahead.state())
    for step in range(12, 30):
        (one, *_), (other, *_) = ahead.draw(1e-3, step), resumed.draw(1e-3, step)
        assert one.batch.src.equal(other.batch.src) and ahead.epochs == resumed.epochs


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
@pytest.mark.parametrize(("name", "words"), CASES)
def test_a_gpu_is_waited_for_once_in_an_update(learner, monkeypatch, name, words):
    made = learner(name, "trainer.accelerator=cuda", *words.split())
    update(made, 1)
    update(made, 2)
    read = made.read

    def last(values: torch.Tensor) -> list[float]:
        torch.cuda.set_sync_debug_mode("default")
        numbers = read(values)
        torch.cuda.set_sync_debug_mode("error")
        return numbers

    monkeypatch.setattr(made, "read", last)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(3, 6):
            update(made, step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
@pytest.mark.parametrize("name", BY_GRADIENTS)
def test_the_gradients_on_a_gpu_are_like_on_the_cpu(learner, name):
    known = config_files.model_settings(name)
    words = [f"model.{key}=0" for key in known if key.endswith("dropout")]
    found = []
    for accelerator in ("cpu", "cuda"):
        made = learner(name, f"trainer.accelerator={accelerator}", *words)
        if name == "encoder_only":  # in training, the masked places are drawn on the device
            made.raw_model.eval()
        loss, tokens = made.gradients(made.draw(1e-3, 1))
        gradients = [p.grad.flatten().cpu() for p in made.raw_model.parameters()]
        found.append((loss.item() / tokens, torch.cat(gradients)))
    (cpu, on_cpu), (gpu, on_gpu) = found
    assert gpu == pytest.approx(cpu, rel=1e-4)
    assert (on_gpu - on_cpu).norm() < 1e-3 * on_cpu.norm()


@pytest.mark.parametrize("limit", [0.01, 0])
def test_gradients_are_clipped_and_the_norm_is_that_before(learner, monkeypatch, limit):
    made = learner("rnn", f"train.clip_norm={limit}")
    loss, _ = made.gradients(made.draw(1e-3, 1))

    def norm() -> float:
        parts = [p.grad.flatten() for p in made.raw_model.parameters() if p.grad is not None]
        return torch.cat(parts).norm().item()

    before, seen = norm(), []
    monkeypatch.setattr(made.optimizer, "step", lambda: seen.append(norm()))
    assert made.update(loss)[1] == pytest.approx(before, rel=1e-5)
    assert seen == pytest.approx([limit or before], rel=1e-3)
