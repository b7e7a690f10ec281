"""Multiply-adds that a model needs per target token, computed from its shapes."""

import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from seq2seq.models.base import Seq2Seq
from seq2seq.text.batching import collate


def multiply_adds(model: Seq2Seq, source_length: int, target_length: int) -> float:
    """Count the multiply-adds of matrix products in one forward pass, per target token.

    The forward pass is that of training, with teacher forcing. The backward pass takes about twice
    as many in addition. Elementwise operations (activations, softmax, norms) are not counted, as is
    usual: they are the smaller part.

    Args:
        model: any model; it is not changed.
        source_length: tokens of the source, including `</s>`.
        target_length: tokens of the target, including `</s>`.

    Returns:
        Multiply-adds (half the FLOPs) per target token.

    Raises:
        ValueError: a length is below 1.
    """
    if min(source_length, target_length) < 1:
        raise ValueError(f"lengths must be at least 1, not {source_length} and {target_length}")
    unk = model.special.unk
    source, target = ([unk] * (length - 1) for length in (source_length, target_length))
    batch = collate([(source, target)], model.special).to(next(model.parameters()).device)
    training = model.training
    counter = FlopCounterMode(display=False)
    try:
        # oneDNN and cuDNN run a whole LSTM as one operation, which FlopCounterMode cannot count;
        # without them torch runs the individual matrix products.
        with (
            torch.no_grad(),
            warnings.catch_warnings(action="ignore"),  # of torch, about the disabled backends
            torch.backends.mkldnn.flags(enabled=False),
            torch.backends.cudnn.flags(enabled=False),
            counter,
        ):
            model.eval().training_pass(batch)
    finally:
        model.train(training)
    return counter.get_total_flops() / 2 / target_length
