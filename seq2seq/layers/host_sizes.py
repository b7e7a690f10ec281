"""Numbers of tokens that the host needs, without reading them from a GPU.

A GPU computes while the host prepares what comes next. Reading a number from it (`item`, `tolist`,
`cpu`, `nonzero`, a boolean index) makes the host wait until all earlier work is done. A training
step reads once, at its end; what it needs to know before, a `Batch` has in the memory of the CPU.
"""

from jaxtyping import Bool, Int
from torch import Tensor


def lengths_on_host(
    lengths: Int[Tensor, " batch"] | None, mask: Bool[Tensor, "batch len"]
) -> Int[Tensor, " batch"]:
    """Return lengths in the memory of the CPU; if unknown, count them, which waits for a GPU."""
    return mask.sum(1).cpu() if lengths is None else lengths


def chosen(mask: Bool[Tensor, "*shape"], count: int) -> Int[Tensor, " chosen"]:
    """Return the places where a mask is True, in order, as indices of its flattened elements.

    Args:
        mask: any mask.
        count: the number of True elements. `mask.nonzero()` counts them, which waits for a GPU.
    """
    return (~mask.flatten()).sort(stable=True).indices[:count]
