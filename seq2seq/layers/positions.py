"""Encodings of positions: added to the embeddings (sinusoidal, learned) or used in attention.

Rotary positions (RoPE) rotate queries and keys, and ALiBi adds a bias to the scores; both express
distances within one sequence, so they apply to self-attention only.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.errors import UserError


def sinusoidal(places: Int[Tensor, "*batch len"], dim: int) -> Float[Tensor, "*batch len dim"]:
    """Sine and cosine of each frequency, adjacent (Vaswani et al. 2017, section 3.5).

    Args:
        places: positions, counted from 0.
        dim: size of the encoding; even.
    """
    angle = angles(places, dim)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def angles(places: Int[Tensor, "*batch len"], dim: int) -> Float[Tensor, "*batch len half"]:
    """Return position times frequency, for the dim / 2 frequencies from 1 to almost 1/10,000."""
    frequencies = torch.arange(0, dim, 2, device=places.device) * (-math.log(10_000) / dim)
    return places.float().unsqueeze(-1) * torch.exp(frequencies)


def fairseq_sinusoidal(
    places: Int[Tensor, "*batch len"], dim: int
) -> Float[Tensor, "*batch len dim"]:
    """Sines of all frequencies, then cosines, as in fairseq, and so in M2M100 and NLLB.

    The dim / 2 frequencies go from 1 to exactly 1/10,000, and the first position is 2: fairseq
    counts from the id of padding, 1, plus 1 (its class SinusoidalPositionalEmbedding).

    Args:
        places: positions, counted from 0.
        dim: size of the encoding; even and at least 4.
    """
    half = dim // 2
    frequencies = torch.arange(half, device=places.device) * (-math.log(10_000) / (half - 1))
    angle = (places + 2).float().unsqueeze(-1) * torch.exp(frequencies)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class LearnedPositions(nn.Module):
    """An embedding for every position below a maximum (Gehring et al. 2017).

    Args:
        limit: number of positions.
        dim: size of the embeddings.
    """

    def __init__(self, limit: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(limit, dim)

    def forward(self, start: int, length: int) -> Float[Tensor, "length dim"]:
        """Return the embeddings of consecutive positions.

        Raises:
            UserError: a position has no embedding.
        """
        self.check(start + length)
        return self.table(torch.arange(start, start + length, device=self.table.weight.device))

    def at(self, places: Int[Tensor, "*batch len"], bound: int) -> Float[Tensor, "*batch len dim"]:
        """Return the embeddings of given positions, counted from 0.

        Args:
            places: the positions.
            bound: a number above all positions. The largest one is read, which makes the host wait
                for a GPU, only if the table is smaller than that.

        Raises:
            UserError: a position has no embedding.
        """
        if bound > self.table.num_embeddings:
            self.check(int(places.max()) + 1)
        return self.table(places)

    def check(self, length: int) -> None:
        """Check that a sequence of `length` tokens has an embedding for each of them.

        Raises:
            UserError: it has not.
        """
        if length > self.table.num_embeddings:
            raise UserError(
                f"a sequence of {length} tokens is longer than "
                f"model.max_positions={self.table.num_embeddings}, the number of positions that "
                "this model has learned: shorten the text, lower search.max_length, or train with "
                "a larger number"
            )


class Rotation(NamedTuple):
    """Cosine and sine of the rotation angles at each position; a batch of 1 serves all rows."""

    cos: Float[Tensor, "#batch len half"]
    sin: Float[Tensor, "#batch len half"]


def rotation(places: Int[Tensor, "batch len"], width: int) -> Rotation:
    """Return the rotations of vectors of an even width (Su et al. 2021, section 3.2.2)."""
    angle = angles(places, width)
    return Rotation(angle.cos(), angle.sin())


def rotate(
    x: Float[Tensor, "batch len *heads width"], by: Rotation
) -> Float[Tensor, "batch len *heads width"]:
    """Rotate each pair of adjacent elements by its angle (Su et al. 2021, equation 34)."""
    rows, length, half = by.cos.shape
    shape = (rows, length, *[1] * (x.dim() - 3), half)
    cos, sin = (part.to(x.dtype).view(shape) for part in by)
    first, second = x.unflatten(-1, (half, 2)).unbind(-1)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)


def alibi_slopes(heads: int, device: torch.device) -> Float[Tensor, " heads"]:
    """Return the slope of each head (Press et al. 2022, section 3 and their published code).

    They are 2^(-8 i / n) for i from 1 to n, if the number n of heads is a power of two. Otherwise
    they are those of the next lower power of two, then every second one of the next higher power.
    """
    power = 1 << (heads.bit_length() - 1)
    # Computed on the device: a CUDA graph cannot copy from the host.
    first = torch.arange(1, power + 1, device=device) * (-8 / power)
    more = (2 * torch.arange(heads - power, device=device) + 1) * (-4 / power)
    return torch.cat([first, more]).exp2()


def alibi(
    queries: Int[Tensor, "batch queries"], keys: Int[Tensor, "batch keys"], heads: int
) -> Float[Tensor, "batch heads queries keys"]:
    """Return the bias of the scores, -slope * distance (Press et al. 2022, section 3).

    The paper has keys before the query only. In an encoder, keys on both sides count by their
    distance.
    """
    slopes = alibi_slopes(heads, queries.device).view(-1, 1, 1)
    distance = (queries.unsqueeze(-1) - keys.unsqueeze(-2)).abs()
    return -slopes * distance.unsqueeze(1)
