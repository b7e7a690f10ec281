"""The output layer in 8-bit integers on a CPU, an option of translation that can change results.

The output layer has the most arithmetic of a decoding step. Its weight is rounded to 8 bits with a
scale for each word, and the states with a scale for each row, so that a translation does not depend
on the other sentences of its batch. The products are exact.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq

LARGEST_INT8 = 127
TINY = 1e-30  # smallest scale, so that a row of zeros is not divided by zero


class Int8Output:
    """Function from states to logits.

    Args:
        weight: the weight of the output layer.
        bias: its bias.
    """

    def __init__(
        self, weight: Float[Tensor, "vocab width"], bias: Float[Tensor, " vocab"] | None
    ) -> None:
        rounded, scale = round_rows(weight.detach())
        self.weight, self.scale = rounded.t(), scale.squeeze(1)
        self.bias = torch.zeros_like(self.scale) if bias is None else bias.detach().float()

    def __call__(self, states: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocab"]:
        """Return the logits of the next token."""
        rounded, scale = round_rows(states.reshape(-1, states.size(-1)))
        # torch.ao.quantization and quantized tensors do the same, but are deprecated.
        products = torch._int_mm(rounded, self.weight)
        logits = torch.addcmul(self.bias, products * scale, self.scale)
        return logits.view(*states.shape[:-1], -1)


def round_rows(x: Float[Tensor, "rows width"]) -> tuple[Tensor, Float[Tensor, "rows 1"]]:
    """Return 8-bit integers and the scale of each row, by which they are multiplied."""
    x = x.float()
    scale = (x.abs().amax(1, keepdim=True) / LARGEST_INT8).clamp_min(TINY)
    return (x / scale).round().to(torch.int8), scale


def use_int8_output(model: Seq2Seq) -> None:
    """Replace `project` of a model in evaluation mode by its output layer in 8-bit integers.

    Raises:
        UserError: the model has no linear output layer, or it is not on a CPU.
    """
    device = next(model.parameters()).device.type
    if device != "cpu":
        raise UserError(f"int8 is for a CPU, but the model is on {device}: use --device cpu")
    try:
        layer = model.output_layer
    except NotImplementedError as error:
        raise UserError(f"int8 has no effect: {error}") from error
    vars(model)["project"] = Int8Output(*layer)  # nn.Module would register it as a submodule
