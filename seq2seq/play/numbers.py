"""One attention in numbers: query, keys, scores, softmax and weighted sum of one target token."""

from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.play.answers import forced_batch, place_of
from seq2seq.play.asked import Numbers
from seq2seq.play.limits import checked_text
from seq2seq.play.loaded import LoadedRun
from seq2seq.translation.translation import BEGIN, END

MAX_NUMBERS = 400_000  # of keys and values, about 4 MB of JSON


@torch.inference_mode()
def attention_numbers(run: LoadedRun, asked: Numbers) -> dict[str, Any]:
    """Return the numbers with which one head of one layer attends to the source.

    Raises:
        UserError: the model has no such attention, layer or head, or the request cannot be used.
    """
    text = checked_text(asked.text)
    translator, (tokens, place) = run.reader(asked, text), place_of(asked, run)
    steps = translator.model.attention_steps(forced_batch(translator, text, tokens))
    if not steps:
        raise UserError(without_steps(run))
    heads = steps[0].weights.size(1)
    for what, number, count in (("layer", asked.layer, len(steps)), ("head", asked.head, heads)):
        if number > count:
            raise UserError(f"{run.name} has no {what} {number}: it has {count}")
    step, head = steps[asked.layer - 1], asked.head - 1
    if step.keys[0, head].numel() + step.values[0, head].numel() > MAX_NUMBERS:
        raise UserError("this attention has too many numbers for the page: shorten the sentence")
    target = translator.tokenizers.target.pieces(tokens)
    return {
        "kind": step.kind,
        "layer": asked.layer,
        "head": asked.head,
        "layers": len(steps),
        "heads": heads,
        "source": [*translator.tokenizers.source.surfaces(text), END],
        "before": [BEGIN, *target][place],
        "predicts": [*target, END][place],
        "query": numbers(step.query[0, head, place]),
        "keys": numbers(step.keys[0, head]),
        "energy": None if step.energy is None else numbers(step.energy),
        "scores": numbers(step.scores[0, head, place]),
        "weights": numbers(step.weights[0, head, place]),
        "values": numbers(step.values[0, head]),
        "context": numbers(step.context[0, head, place]),
    }


def without_steps(run: LoadedRun) -> str:
    """Say why a model has no attention in numbers."""
    if "attention" not in run.methods:
        return f"{run.name} has no attention, so there are no steps to show"
    name = type(run.model).__name__
    if run.model.fits:
        return f"the attention of {name} is a rule without queries and keys"
    return (
        f"{name} has one softmax over the source and the target, whose steps are not shown; the "
        "page shows them for models with attention to the source alone"
    )


def numbers(tensor: Tensor) -> Any:
    """Return the numbers of a tensor as nested lists.

    Raises:
        UserError: one is NaN or infinite.
    """
    if not tensor.isfinite().all():
        raise UserError("the model has values that are NaN or infinite: its training has diverged")
    rounded = tensor.double().cpu()
    return (
        [float(f"{x:.6g}") for x in rounded.tolist()]
        if tensor.dim() == 1
        else [numbers(row) for row in rounded]
    )
