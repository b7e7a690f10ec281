"""The ids of special tokens, which a tokenizer has and a model takes from it."""

from typing import NamedTuple

PREFIX = 16  # most tokens before a text; an untrusted run must not ask for any number


class SpecialIds(NamedTuple):
    """The ids of special tokens; the same for source and target, except `mask`.

    The defaults are those of the tokenizers that this program trains, so they are also those of a
    model that is built without a tokenizer.

    Attributes:
        pad: padding at the end of the shorter rows of a batch.
        bos: the first input token of a decoder, before the target.
        eos: the end of a sentence, on both sides.
        unk: a piece that is not in the vocabulary.
        mask: a hidden token: an input only, never predicted. It is the id after all pieces, so its
            default is no id of any vocabulary.
    """

    pad: int = 0
    bos: int = 1
    eos: int = 2
    unk: int = 3
    mask: int = -1

    @property
    def pieces(self) -> tuple[int, int, int, int]:
        """The ids that are in the vocabulary: all except `mask`."""
        return self.pad, self.bos, self.eos, self.unk
