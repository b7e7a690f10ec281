"""Arithmetic that a model needs for a target token, from its shapes alone."""

import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from seq2seq.models.base import Seq2Seq
from seq2seq.text.batching import UNK, collate


def multiply_adds(model: Seq2Seq, source_length: int, target_length: int) -> float:
    """Multiply-adds of matrix products in one reading of a pair, for each target token.

    Source and target are read once, as in training, all target positions known; the backward pass
    takes about twice as many more. What is done number by number (activations, softmax, norms) is
    not counted, as is usual: it is the smaller part.

    Args:
        model: any model; it is left as it was.
        source_length: tokens of the source, `</s>` included.
        target_length: tokens of the target, likewise.

    Raises:
        ValueError: a length is below one.
    """
    if min(source_length, target_length) < 1:
        raise ValueError(f"{source_length} and {target_length} tokens: there must be one at least")
    source, target = ([UNK] * (length - 1) for length in (source_length, target_length))
    batch = collate([(source, target)]).to(next(model.parameters()).device)
    training = model.training
    counter = FlopCounterMode(display=False)
    try:
        # oneDNN runs a whole LSTM as one operation, which the counter does not know; without it
        # torch runs the matrix products one by one. The same holds for cuDNN.
        with (
            torch.no_grad(),
            warnings.catch_warnings(action="ignore"),  # torch's, of what the two cannot do here
            torch.backends.mkldnn.flags(enabled=False),
            torch.backends.cudnn.flags(enabled=False),
            counter,
        ):
            model.eval()(batch)
    finally:
        model.train(training)
    return counter.get_total_flops() / 2 / target_length
