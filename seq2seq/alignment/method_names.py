"""The names of methods that compute a map, and how one of them hides words.

They are apart from the methods, so that the help of the command line needs no torch.
"""

from typing import Literal

MethodName = Literal[
    "attention",
    "vectors",
    "alti",
    "occlusion",
    "gradient",
    "smoothgrad",
    "integrated_gradients",
]
# The methods that compute one map of a model, without layers; no column of it is that of `</s>`.
WITHOUT_LAYERS: tuple[MethodName, ...] = (
    "occlusion",
    "gradient",
    "smoothgrad",
    "integrated_gradients",
)
WITHOUT_HEADS: tuple[MethodName, ...] = (*WITHOUT_LAYERS, "alti")
Hide = Literal["mean", "unk", "drop"]
