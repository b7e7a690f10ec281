"""Several texts read as one, without copying them."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.encoded import Encoded, TextEncoder, encode
from seq2seq.corpora.text import Pair, Text


class JoinedText(Text):
    """The pairs of several texts, one text after another.

    Args:
        texts: the texts.
    """

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = [*texts]
        self.starts = [0, *accumulate(map(len, texts))]
        joined = "\n".join(text.fingerprint for text in texts)
        self.fingerprint = sha256(joined.encode()).hexdigest()

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def size(self) -> int:
        """Size in bytes of UTF-8."""
        return sum(text.size for text in self.texts)

    def __getitem__(self, index: int | np.int64) -> Pair:
        number = bisect_right(self.starts, int(index)) - 1
        return self.texts[number][int(index) - self.starts[number]]

    def batches(self, numbers: Iterable[int] | None = None) -> Iterator[list[Pair]]:
        """Yield the pairs of all texts in lists."""
        assert numbers is None, "the shards are those of the texts"
        return chain.from_iterable(text.batches() for text in self.texts)

    def sources(self) -> Iterator[str]:
        """Yield the source side in order."""
        return chain.from_iterable(text.sources() for text in self.texts)

    def targets(self) -> Iterator[str]:
        """Yield the target side in order."""
        return chain.from_iterable(text.targets() for text in self.texts)


class JoinedEncoded(Encoded):
    """The ids of a joined text.

    Args:
        parts: the ids of each text.
    """

    def __init__(self, parts: Sequence[Encoded]) -> None:
        self._parts = [*parts]
        self._starts = [0, *accumulate(map(len, parts))]
        self.source_lengths = np.concatenate([part.source_lengths for part in parts])
        self.target_lengths = np.concatenate([part.target_lengths for part in parts])

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int, /) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        number = bisect_right(self._starts, index) - 1
        return self._parts[number][index - self._starts[number]]


def encode_any(text: Text, source_tokenizer: TextEncoder, target_tokenizer: TextEncoder) -> Encoded:
    """Encode a text, or each text of a joined one (`encode`)."""
    if not isinstance(text, JoinedText):
        return encode(text, source_tokenizer, target_tokenizer)
    parts = [encode_any(one, source_tokenizer, target_tokenizer) for one in text.texts]
    return JoinedEncoded(parts)


def bounds_of(text: Text) -> list[int]:
    """Return the first row of each part of a joined text, and the number of rows."""
    return text.starts if isinstance(text, JoinedText) else [0, len(text)]
