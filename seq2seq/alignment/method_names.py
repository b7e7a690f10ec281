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
Hide = Literal["mean", "unk", "drop"]
