"""Devices: which one is meant, and what no device but the CPU has."""

import dataclasses
import importlib.util

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seq2seq.commands.evaluate import evaluate
from seq2seq.errors import UserError
from seq2seq.settings import compose, config_files
from seq2seq.settings.plugins import locate
from seq2seq.system import devices, isolation
from seq2seq.translation.translation import batch_tokens
from seq2seq.translation.translator import Translator


@pytest.fixture
def settings(tiny):
    return compose.read(compose.compose(tiny("rnn", "name=x", "trainer.accelerator=auto"))).trainer


class NoDouble(TorchDispatchMode):
    """Refuses double precision, as Apple's GPUs do."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"{function} gives float64, which MPS does not have")
        return found


@pytest.mark.parametrize(
    ("search", "model"),
    [
        (search, model)
        for search in ("beam", "sample", "mask_predict")
        for model in config_files.model_names()
        if (search == "mask_predict") is (locate("model", model).natural_search == "mask_predict")
    ],
)
def test_nothing_needs_double_precision(fit, model, search):
    words = ["train.max_steps=2", "train.accumulate=2"]
    words += [f"search={search}"] if search != "mask_predict" else []
    words += ["model.dropout=0.1"] if "dropout" in config_files.model_settings(model) else []
    with NoDouble():
        run = fit(model, *words, "train.label_smoothing=0.1", "train.average=2")
        evaluate(run, ["test"], device="cpu")


def test_auto_means_the_same_for_training_and_translating(settings, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    # Lightning would take the Mac's GPU.
    monkeypatch.setattr("lightning_fabric.accelerators.mps.MPSAccelerator.is_available", lambda: 1)
    assert devices.fabric(settings).device == devices.pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("accelerator", "precision", "instead"),
    [("auto", "16-mixed", "bf16-mixed"), ("cpu", "16-mixed", "bf16"), ("mps", "64-true", "32")],
)
def test_a_precision_that_a_device_has_not_is_refused(
    settings, monkeypatch, accelerator, precision, instead
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wrong = dataclasses.replace(settings, accelerator=accelerator, precision=precision)
    with pytest.raises(
        UserError, match=rf"trainer\.precision={precision} is not .*: use {instead}"
    ):
        devices.fabric(wrong)


def test_an_accelerator_whose_package_is_not_installed_is_one_sentence(settings):
    if importlib.util.find_spec("torch_xla"):
        pytest.skip("torch_xla is installed")
    with pytest.raises(
        UserError,
        match=r"^trainer\.accelerator=tpu .* is not available on this machine: .*torch_xla",
    ):
        devices.fabric(dataclasses.replace(settings, accelerator="tpu"))


def test_a_device_that_is_not_there_is_one_sentence(settings):
    if torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(
        UserError, match=r"^trainer\.accelerator=mps .* is not available on this machine: "
    ):
        devices.fabric(dataclasses.replace(settings, accelerator="mps"))
    with pytest.raises(UserError, match="there is no device 'mps' here"):
        devices.pick_device("mps")


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "bf16-true", "64-true"])
def test_tf32_is_refused_with_another_precision_than_that_of_float32(command, tiny, precision):
    words = tiny("rnn", "trainer.tf32=true", f"trainer.precision={precision}", "name=x")
    command("train", *words).must_refuse("trainer.tf32=true", precision)


@pytest.mark.parametrize("accelerator", ["cpu", "mps"])
def test_tf32_is_refused_without_a_gpu_that_has_it(settings, monkeypatch, accelerator):
    chosen = dataclasses.replace(settings, accelerator=accelerator, tf32=True)
    with pytest.raises(UserError, match=f"tf32=true has no effect .*accelerator={accelerator}"):
        devices.fabric(chosen)


def test_one_key_decides_on_tf32_for_recurrent_and_other_products(settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    cudnn = torch.backends.cudnn.allow_tf32
    try:
        for allowed, precision in ((True, "high"), (False, "highest")):
            devices.set_tf32(allowed)
            assert torch.get_float32_matmul_precision() == precision
            assert torch.backends.cudnn.allow_tf32 is allowed
            with isolation.tf32_restored():
                devices.set_tf32(not allowed)
            assert torch.get_float32_matmul_precision() == precision
            assert torch.backends.cudnn.allow_tf32 is allowed
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = cudnn


def test_decoding_batches_are_larger_on_a_gpu_and_translate_the_same(fit, monkeypatch):
    assert batch_tokens(torch.device("cpu")) < batch_tokens(torch.device("cuda"))
    translator, texts = Translator(fit("rnn"), device="cpu"), ["two cats", "trees see girls"] * 9
    few = translator(texts)
    monkeypatch.setattr("seq2seq.translation.translation.BATCH_TOKENS", 8)
    assert [one.text for one in translator(texts)] == [one.text for one in few]
