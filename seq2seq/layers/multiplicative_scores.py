"""Multiplicative attention scores: dot and general (Luong et al. 2015, equation 8).

Like `AdditiveScore`, a score projects the keys once for each source sentence (`project`) and is
then called with queries and projected keys. Luong's third score, concat, is the additive one:
v . tanh(W [query; key]) = v . tanh(W_1 query + W_2 key).
"""

from jaxtyping import Float
from torch import Tensor, nn


class DotScore(nn.Module):
    """Score query . key; queries and keys have the same size. It has no parameters."""

    def project(self, keys: Float[Tensor, "batch keys dim"]) -> Float[Tensor, "batch keys dim"]:
        """Return the keys."""
        return keys

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        projected_keys: Float[Tensor, "batch keys dim"],
    ) -> Float[Tensor, "batch queries keys"]:
        """Return the score of every query with every key, before the softmax."""
        return query @ projected_keys.mT


class GeneralScore(DotScore):
    """Score query . W key, with a matrix from the size of the keys to that of the queries."""

    def __init__(self, query_dim: int, key_dim: int) -> None:
        super().__init__()
        self.key = nn.Linear(key_dim, query_dim, bias=False)

    def project(
        self, keys: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys query_dim"]:
        """Return the projected keys, W key."""
        return self.key(keys)
