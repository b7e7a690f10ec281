"""trainer.precision: what is computed in which type."""

import json
from pathlib import Path

import pytest
import torch
from device_laws import BY_GRADIENTS
from torch import nn

from seq2seq.runs.weights import read_weights

TYPES = {
    "32-true": torch.float32,
    "64-true": torch.float64,
    "bf16-true": torch.bfloat16,
    "bf16-mixed": torch.bfloat16,
}


def losses(run: Path) -> list[float]:
    lines = (run / "log.jsonl").read_text("utf-8").splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


@pytest.mark.parametrize("more", [[], ["train.r_drop=1", "model.dropout=0.1"], ["guided"]])
@pytest.mark.parametrize("precision", TYPES)
def test_products_of_matrices_have_the_type_of_the_precision(learner, linked, precision, more):
    """Also without DDP, whose wrapper would see to it."""
    if more == ["guided"]:
        more = ["train.guided_attention=0.1", f"train.guided_links={linked / 'train.links'}"]
    made = learner("transformer", f"trainer.precision={precision}", *more)
    seen = set()
    for module in made.raw_model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda *given: seen.add(given[-1].dtype))
    made.dry_run()
    assert seen == {TYPES[precision]}


@pytest.mark.parametrize("model", BY_GRADIENTS)
def test_mixed_precision_rounds_and_learns(fit, model):
    """Its losses are those of single precision up to rounding, but not the same numbers."""
    words = ["train.max_steps=30", "train.log_every=1"]
    run = fit(model, *words, "trainer.precision=bf16-mixed", name="mixed")
    mixed, single = losses(run), losses(fit(model, *words, name="single"))
    assert mixed != single and mixed[:3] == pytest.approx(single[:3], rel=2e-2)
    assert sum(mixed[-3:]) < sum(mixed[:3])
    assert {one.dtype for one in read_weights(run / "model.safetensors").values()} == {
        torch.float32
    }
