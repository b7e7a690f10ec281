"""How much of a word's log-probability the source explains, from stored log-probabilities.

The surprisal of a word without a source, -log p(word | words before it), is how much there is to
explain. The gain, log p(word | source, words before it) - log p(word | words before it), is how
much of it the source explains. The share of one or more words is the sum of their gains divided by
the sum of their surprisals, or 0 if the gain is negative. It is 1 if the source makes the words
certain, and 0 if they are no more probable with the source than without it. A word that is almost
certain without the source (its surprisal is below `CERTAIN`) has no share.
"""

from typing import NamedTuple

from jaxtyping import Float
from numpy import ndarray

CERTAIN = 0.1  # nats: a probability of 0.905
# A word may be invented if the source explains less than this share of it ...
LOW = 0.5
GUESSED = 1.0  # ... and it could not be guessed without the source: nats, a probability of 0.37


class WordScores(NamedTuple):
    """The words of one translation and their log-probabilities in nats, by forced decoding.

    Attributes:
        words: the words, without `</s>`.
        log_p: the log-probability of each word given the source and the words before it.
        hidden: the same with all source words hidden; None if it was not computed.
    """

    words: list[str]
    log_p: Float[ndarray, " words"]
    hidden: Float[ndarray, " words"] | None = None

    @property
    def shares(self) -> list[float | None]:
        """The share of each word; None where it is undefined or was not computed."""
        if self.hidden is None:
            return [None] * len(self.words)
        pairs = zip(self.log_p.tolist(), self.hidden.tolist(), strict=True)
        return [share(*pair) for pair in pairs]

    @property
    def invented(self) -> list[bool]:
        """Whether each word may be invented: see `is_invented`."""
        if self.hidden is None:
            return [False] * len(self.words)
        pairs = zip(self.log_p.tolist(), self.hidden.tolist(), strict=True)
        return [is_invented(*pair) for pair in pairs]


def share(log_p: float, hidden: float) -> float | None:
    """Return the share of one word; None if it is almost certain without the source."""
    return None if -hidden < CERTAIN else max(0.0, (log_p - hidden) / -hidden)


def is_invented(log_p: float, hidden: float) -> bool:
    """Whether the share of a word is below `LOW` and its surprisal above `GUESSED`.

    Such a word is explained neither by the source nor by the words before it.
    """
    return -hidden > GUESSED and log_p - hidden < LOW * -hidden
