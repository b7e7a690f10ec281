"""Training and translating on a GPU; skipped where torch finds none."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seq2seq.commands.evaluate import evaluate
from seq2seq.errors import UserError
from seq2seq.settings import config_files
from seq2seq.system.memory import PeakMemory
from seq2seq.translation.translator import Translator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")

GPU = "trainer.accelerator=cuda"
BY_GRADIENTS = [name for name in config_files.model_names() if name != "word_for_word"]
PAIRS = [("two cats see trees", "zwei Katzen sehen Bäume"), ("five girls", "fünf Mädchen hören")]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def losses(run: Path) -> list[float]:
    log = map(json.loads, (run / "log.jsonl").read_text("utf-8").splitlines())
    return [line["loss"] for line in log if "loss" in line]


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("model", BY_GRADIENTS)
def test_the_same_command_gives_the_same_weights(fit, model):
    words = [GPU, "train.max_steps=6"]
    words += ["model.dropout=0.2"] if "dropout" in config_files.model_settings(model) else []
    assert same(fit(model, *words, name="one"), fit(model, *words, name="two"))


@pytest.mark.parametrize("model", BY_GRADIENTS)
def test_a_resumed_training_ends_with_the_same_weights(fit, model):
    whole = fit(model, GPU, "train.max_steps=8", "train.validate_every=4", name="whole")
    fit(model, GPU, "train.max_steps=4", "train.validate_every=4")
    assert same(fit(model, GPU, "train.max_steps=8", "train.validate_every=4"), whole)


@pytest.mark.parametrize("model", config_files.model_names())
def test_a_run_gives_the_same_on_both_devices(fit, model):
    run = fit(model, GPU, "train.max_steps=20")
    cpu, gpu = (Translator(run, device=name) for name in ("cpu", "cuda"))
    for one, other in zip(cpu.force(PAIRS), gpu.force(PAIRS), strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-3)
        if one.attention is not None:
            assert torch.allclose(one.attention, other.attention.cpu(), atol=1e-3)
    sources = [source for source, _ in PAIRS]
    assert [t.text for t in cpu(sources)] == [t.text for t in gpu(sources)]


# cuDNN has no format for bfloat16 weights of recurrent layers that need no copy.
@pytest.mark.filterwarnings("ignore:RNN module weights are not part")
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("model", BY_GRADIENTS)
def test_every_precision_trains(fit, model, precision):
    words = [GPU, f"trainer.precision={precision}", "train.max_steps=30"]
    run = fit(model, *words)
    assert losses(run)[-1] < losses(run)[0]
    assert evaluate(run, ["test"], device="cuda")


def test_compiled_training_gives_nearly_the_same_loss(fit, tiny, process, tmp_path):
    words = tiny(
        "transformer", GPU, "trainer.compile=true", f"runs_dir={tmp_path}", "name=compiled"
    )
    training = process("train", *words, cwd=tmp_path)  # there, no types are checked
    _, printed = training.communicate()
    assert training.returncode == 0, printed
    plain = losses(fit("transformer", GPU, name="plain"))
    assert losses(tmp_path / "compiled") == pytest.approx(plain, rel=1e-3)


def test_what_does_not_fit_into_memory_is_one_sentence(fit):
    torch.cuda.empty_cache()
    reserved = torch.cuda.memory_reserved() + 40 * 2**20
    torch.cuda.set_per_process_memory_fraction(
        reserved / torch.cuda.get_device_properties(0).total_memory
    )
    try:
        with pytest.raises(UserError, match=r"memory.*train\.batch_tokens"):
            fit("transformer", GPU, "train.batch_tokens=20000", "model.feed_forward=4096")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_the_peak_is_that_of_the_gpu_and_of_this_run():
    before = torch.empty(64 * 2**20, device="cuda")  # 256 MiB
    del before
    torch.cuda.empty_cache()
    memory = PeakMemory(torch.device("cuda", 0))
    held = torch.empty(8 * 2**20, device="cuda")
    assert held.nbytes <= memory.read() < 2 * 2**27
