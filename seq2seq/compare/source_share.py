"""How much of the translations the source explains, by length and by position."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.compare.axes import MIN_SENTENCES, Axis, axis
from seq2seq.compare.runs import Run
from seq2seq.compare.systems import System
from seq2seq.runs import word_scores
from seq2seq.scoring.breakdown import length_bucket, length_label
from seq2seq.scoring.metrics import Statistics
from seq2seq.scoring.source_share import position_bins, ratio, sums
from seq2seq.text.word_scores import GUESSED, LOW, WordScores

Y = "share of the source, %"
BY_LENGTH = (
    "source_share_by_length",
    "Share of the source by source length",
    "words in the source sentence",
    Y,
)
BY_POSITION = (
    "source_share_by_position",
    "Share of the source by position",
    "position of the word in the translation",
    Y,
)
NOTE = (
    "Share of the source: how much of -log p(word) without the source is explained by the source; "
    "100 % if it makes the word certain, 0 % if the word is no more probable with the source."
)
INVENTED = (
    f"A word may be invented if its share is below {LOW:.0%} and its probability without the "
    f"source is below {np.exp(-GUESSED):.2f}."
)

Words = Mapping[str, list[WordScores]]  # run -> scores of each line


def read_words(runs: Sequence[Run], test: str) -> dict[str, list[WordScores]]:
    """Read the scores of the words of every run that has them.

    Raises:
        UserError: a file is damaged, or does not belong to the translations.
    """
    found = {}
    for run in runs:
        path = run.output(test).parent / word_scores.FILE
        if run.folder is not None and path.is_file():
            found[run.name] = word_scores.read(path)
    return found


def share_axes(systems: Sequence[System], words: Words, sources: Sequence[str]) -> list[Axis]:
    """Return the share of the source by length and by position.

    Systems with a run without these log-probabilities are left out, and so are positions that fewer
    than MIN_SENTENCES translations of some run have.
    """
    known = [system for system in systems if all(has_shares(words, run) for run in system.runs)]
    scores = {run.name: words[run.name] for system in known for run in system.runs}
    if not scores:
        return []
    lengths = [length_bucket(source) for source in sources]
    names = {n: length_label(n) for n in sorted(set(lengths))}
    totals = {
        name: statistics(np.stack([sums(line) for line in lines])) for name, lines in scores.items()
    }
    axes = [axis(BY_LENGTH, names, lengths, known, totals), by_position(known, scores)]
    return [replace(one, note=NOTE) for one in axes if len(one.places) > 1]


def has_shares(words: Words, run: Run) -> bool:
    """Whether the log-probabilities of a run without the source are known."""
    lines = words.get(run.name)
    return bool(lines) and all(line.hidden is not None for line in lines or [])


def by_position(systems: Sequence[System], scores: Words) -> Axis:
    """Return the share of the source by the position of the word in the translation.

    A sentence has a row of statistics in each bin; the row is 0 in bins behind its end.
    """
    longest = max(len(line.words) for lines in scores.values() for line in lines)
    bins, lines = {}, []
    for name, (first, last) in position_bins(longest).items():
        count = min(sum(len(line.words) > first for line in own) for own in scores.values())
        if count >= MIN_SENTENCES:
            bins[name] = first, last
            lines.append(count)
    rows = {
        name: np.concatenate(
            [np.stack([sums(line, *ends) for line in own]) for ends in bins.values()]
            or [np.zeros((0, 2))]
        )
        for name, own in scores.items()
    }
    count = len(next(iter(scores.values())))
    at = [place for place in range(len(bins)) for _ in range(count)]
    measured = {name: statistics(of) for name, of in rows.items()}
    found = axis(BY_POSITION, dict(enumerate(bins)), at, systems, measured)
    return replace(found, lines=lines)


def statistics(rows: Float[ndarray, "lines 2"]) -> Statistics:
    """Return statistics of gains and surprisals whose score is the share in percent."""
    return Statistics(rows, percent, "source share")


def percent(totals: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """Return shares in percent."""
    return 100 * ratio(totals)
