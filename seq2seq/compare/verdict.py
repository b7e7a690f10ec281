"""Summary of a comparison in sentences: which system is ahead, by how much, and how reliably."""

from collections.abc import Iterator

from seq2seq.compare.axes import MIN_SENTENCES
from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.quality import LEVEL, LOWER, NAMES, Pair
from seq2seq.compare.systems import System
from seq2seq.text.characters import printable

FAILED = 1.0  # BLEU below which a translation has next to nothing in common with the reference


def verdict(comparison: Comparison) -> list[str]:
    """Summarize the comparison in paragraphs: all test sets and the seeds, then each test set."""
    each = [" ".join(of_test(comparison, test)) for test in comparison.tests]
    if len(comparison.systems) == 1:
        return each
    if len(each) == 1:
        return [f"{each[0]} {seeds(comparison.systems)}"]
    return [" ".join([*across(comparison), seeds(comparison.systems)]), *each]


def ranked(comparison: Comparison, test: TestSet) -> list[System]:
    """Sort the systems by BLEU, best first; equal ones stay in the given order."""
    means = test.quality.means
    return sorted(comparison.systems, key=lambda system: -means[system.name]["bleu"].mean)


def of_test(comparison: Comparison, test: TestSet) -> Iterator[str]:
    """Summarize one test set."""
    best, *others = ranked(comparison, test)
    where = f"On {printable(test.name)} ({len(test.references):,} sentences)"
    if not others:
        bleu = test.quality.systems[best.name]["bleu"]
        yield (
            f"{where}, {best.name} has BLEU {bleu.score:.1f} "
            f"(95 % interval {bleu.low:.1f} to {bleu.high:.1f})."
        )
        yield from failed(test, best)
        return
    yield f"{where}, {gap(oriented(test, best.name, others[0].name), best, others[0])}"
    if len(others) > 1:
        yield rest(test, best, others[1:])
    yield from turned(test, best.name, others[0].name)
    yield from failed(test, best)


def failed(test: TestSet, best: System) -> Iterator[str]:
    """State that no system translates, if even the best BLEU is near 0."""
    if test.quality.means[best.name]["bleu"].mean < FAILED:
        yield (
            f"No BLEU score is above {FAILED:g}: these translations have next to nothing in common "
            "with the references, so differences between them mean little."
        )


def decimals(value: float, sign: str = "") -> str:
    """Format a difference with one decimal, or as many, up to four, as it needs not to be 0.0.

    Args:
        value: the difference.
        sign: "+" writes the sign of a positive number.
    """
    digits = next((n for n in (1, 2, 3) if round(value, n)), 4 if value else 1)
    shown = value if round(value, digits) else 0.0  # not -0.0
    return f"{shown:{sign}.{digits}f}"


def oriented(test: TestSet, first: str, second: str, metric: str = "bleu") -> Pair:
    """Return the test of two systems with differences seen from `first`."""
    for pair in test.quality.pairs[metric]:
        if (pair.first, pair.second) == (first, second):
            return pair
        if (pair.first, pair.second) == (second, first):
            return pair._replace(
                first=first,
                second=second,
                difference=-pair.difference,
                low=-pair.high,
                high=-pair.low,
                ahead=1 - pair.ahead,
            )
    raise KeyError((first, second))


def gap(pair: Pair, best: System, second: System) -> str:
    """State the difference between the two best systems and whether it is significant."""
    if not pair.difference and pair.randomised == 1:
        return f"{best.name} and {second.name} are tied: their BLEU is the same."
    ends = f"{decimals(pair.low)} to {decimals(pair.high)}"
    size = f"{decimals(pair.difference)} BLEU (95 % interval {ends})"
    p = f"p = {pair.randomised_corrected:.4f} by approximate randomization, Holm-corrected"
    several = len(best.runs) > 1 or len(second.runs) > 1
    if pair.winner == best.name:
        every = (
            f", and every seed of {best.name} scores higher than every seed of {second.name}"
            if several
            else ""
        )
        return f"{best.name} beats {second.name} by {size}; {p}{every}."
    why = (
        "the scores of their seeds overlap, although the difference is significant on these "
        f"sentences ({p})"
        if pair.randomised_corrected < LEVEL
        else f"the difference is not significant ({p})"
    )
    return f"{best.name} and {second.name} are tied: they differ by {size}, but {why}."


def rest(test: TestSet, best: System, others: list[System]) -> str:
    """State which of the other systems the best one beats and which it is tied with."""
    pairs = [oriented(test, best.name, other.name) for other in others]
    parts = []
    for won, words in ((True, "beats"), (False, "is tied with")):
        names = [
            f"{pair.second} ({decimals(pair.difference, '+')})"
            for pair in pairs
            if (pair.winner == best.name) is won
        ]
        if names:
            parts.append(f"{words} {', '.join(names)}")
    return f"{best.name} also {' and '.join(parts)}."


def turned(test: TestSet, best: str, second: str) -> Iterator[str]:
    """State by which metrics and on which source lengths the second system is ahead."""
    other = [
        NAMES[metric]
        for metric in test.quality.pairs
        if metric != "bleu"
        and (difference := oriented(test, best, second, metric).difference)
        and (difference > 0) is (metric in LOWER)
    ]
    if other:
        yield f"By {' and '.join(other)}, {second} is ahead of {best}."
    for axis in test.axes:
        if axis.key != "length":
            continue
        places = [
            f"{place} words ({lines} sentences, "
            f"{decimals(theirs.value.mean - ours.value.mean, '+')} BLEU)"
            for place, lines, ours, theirs in zip(
                axis.places, axis.lines, axis.points[best], axis.points[second], strict=True
            )
            if lines >= MIN_SENTENCES and theirs.value.mean > ours.value.mean
        ]
        if places:
            yield f"On sources of {', '.join(places)}, {second} is ahead (not tested separately)."
        elif sum(lines >= MIN_SENTENCES for lines in axis.lines) > 1:
            yield (
                f"{best} is not behind {second} in any group of source lengths with at least "
                f"{MIN_SENTENCES} sentences."
            )


def across(comparison: Comparison) -> Iterator[str]:
    """State which system has the highest BLEU on which test set."""
    if len(comparison.tests) < 2:
        return
    firsts = {test.name: ranked(comparison, test)[0].name for test in comparison.tests}
    names = list(dict.fromkeys(firsts.values()))
    if len(names) == 1:
        yield f"{names[0]} has the highest BLEU on all {len(firsts)} test sets."
        return
    parts = [
        f"{name} on {', '.join(printable(test) for test, one in firsts.items() if one == name)}"
        for name in names
    ]
    yield f"The system with the highest BLEU depends on the test set: {'; '.join(parts)}."


def seeds(systems: list[System]) -> str:
    """State the number of training runs of each system."""
    counts = {system.name: len(system.runs) for system in systems}
    single = [name for name, count in counts.items() if count == 1]
    if len(single) == len(systems):
        return "Each system has one training run: other seeds may change the ranking."
    parts = [f"{name} {count}" for name, count in counts.items()]
    sentence = f"Training runs: {', '.join(parts)}."
    return sentence if not single else f"{sentence} Other seeds of {', '.join(single)} may differ."
