"""Word links as distributions over source pieces, for guided attention (Garg et al. 2019)."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.alignment.gold import Link, Links
from seq2seq.alignment.rule import shares


def guiding_links(links: Links) -> list[Link]:
    """Return the sure links, and the possible links of target tokens without a sure one."""
    sure = {j for _, j in links.sure}
    return sorted([*links.sure, *(link for link in links.possible if link[1] not in sure)])


def piece_links(
    links: Iterable[Link],
    source: tuple[Sequence[str], Sequence[str]],
    target: tuple[Sequence[str], Sequence[str]],
) -> Float[ndarray, "tgt_pieces src_pieces"]:
    """Return a distribution over source pieces for each target piece in a linked word.

    It is uniform over the source pieces of all words that are linked with a word of the target
    piece: the matrix G of Garg et al. (2019, "Multi-task Learning"), whose rows sum to one. The
    rows of other target pieces are zero, and so is that of `</s>`. A piece that is in two words has
    the links of both.

    Args:
        links: pairs of a source and a target token.
        source: the source pieces, `</s>` last, and the source tokens, normalized like the pieces.
        target: those of the target.
    """
    in_source, in_target = (shares(*side) > 0 for side in (source, target))
    linked = np.zeros((in_target.shape[1], in_source.shape[1]), dtype=np.float32)
    for i, j in links:
        linked[j, i] = 1
    found = (in_target.astype(np.float32) @ linked @ in_source.T.astype(np.float32)) > 0
    total = found.sum(1, keepdims=True)
    return np.divide(found, total, out=np.zeros(found.shape, np.float32), where=total > 0)
