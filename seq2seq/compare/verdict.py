"""The comparison in a few sentences: who is ahead, by how much, how surely, and where not."""

from collections.abc import Iterator

from seq2seq.compare.axes import FEWEST
from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.quality import LEVEL, LOWER, NAMES, Pair
from seq2seq.compare.systems import System
from seq2seq.text.characters import printable


def verdict(comparison: Comparison) -> list[str]:
    """A few sentences for each test set, and one on seeds."""
    said = [sentence for test in comparison.tests for sentence in of_test(comparison, test)]
    if len(comparison.systems) > 1:
        said += [*across(comparison), seeds(comparison.systems)]
    return said


def ranked(comparison: Comparison, test: TestSet) -> list[System]:
    """The systems by BLEU, best first; equal ones as given."""
    means = test.quality.means
    return sorted(comparison.systems, key=lambda system: -means[system.name]["bleu"].mean)


def of_test(comparison: Comparison, test: TestSet) -> Iterator[str]:
    """Who is ahead on one test set."""
    best, *others = ranked(comparison, test)
    where = f"On {printable(test.name)} ({len(test.references):,} sentences)"
    if not others:
        found = test.quality.systems[best.name]["bleu"]
        yield (
            f"{where} {best.name} has BLEU {found.score:.1f} "
            f"(95 % interval {found.low:.1f} to {found.high:.1f})."
        )
        return
    yield f"{where} {gap(oriented(test, best.name, others[0].name), best, others[0])}"
    if len(others) > 1:
        yield rest(test, best, others[1:])
    yield from turned(test, best.name, others[0].name)


def oriented(test: TestSet, first: str, second: str, metric: str = "bleu") -> Pair:
    """What was tested of two systems, as seen from the first."""
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
    """By how much the first is ahead, and how surely."""
    if not pair.difference and pair.randomised == 1:
        return f"{best.name} and {second.name} have the same BLEU: a tie."
    size = f"{pair.difference:.1f} BLEU (95 % interval {pair.low:.1f} to {pair.high:.1f})"
    p = f"p = {pair.randomised_corrected:.4f} by approximate randomisation, Holm-corrected"
    several = len(best.runs) > 1 or len(second.runs) > 1
    if pair.winner == best.name:
        every = ", every seed of the one above every seed of the other" if several else ""
        return f"{best.name} beats {second.name} by {size}; {p}{every}."
    why = (
        f"the seeds overlap, though on these sentences the difference is significant ({p})"
        if pair.randomised_corrected < LEVEL
        else f"the difference is not significant ({p})"
    )
    return f"{best.name} and {second.name} are tied: {size} apart, but {why}."


def rest(test: TestSet, best: System, others: list[System]) -> str:
    """How the first stands to all but the second."""
    pairs = [oriented(test, best.name, other.name) for other in others]
    parts = []
    for won, words in ((True, "beats"), (False, "is tied with")):
        names = [
            f"{pair.second} ({pair.difference:+.1f})"
            for pair in pairs
            if (pair.winner == best.name) is won
        ]
        if names:
            parts.append(f"{words} {', '.join(names)}")
    return f"{best.name} also {' and '.join(parts)}."


def turned(test: TestSet, best: str, second: str) -> Iterator[str]:
    """Where the second is ahead of the first: by other metrics, on sentences of some lengths."""
    other = [
        NAMES[metric]
        for metric in test.quality.pairs
        if metric != "bleu"
        and (difference := oriented(test, best, second, metric).difference)
        and (difference > 0) is (metric in LOWER)
    ]
    if other:
        yield f"By {' and '.join(other)} {second} is ahead of {best}."
    for axis in test.axes:
        if axis.key != "length":
            continue
        places = [
            f"{place} words ({lines} sentences, {theirs.value.mean - ours.value.mean:+.1f} BLEU)"
            for place, lines, ours, theirs in zip(
                axis.places, axis.lines, axis.points[best], axis.points[second], strict=True
            )
            if lines >= FEWEST and theirs.value.mean > ours.value.mean
        ]
        if places:
            yield f"On sources of {', '.join(places)} {second} is ahead (not tested by itself)."
        elif sum(lines >= FEWEST for lines in axis.lines) > 1:
            yield (
                f"{best} is not behind {second} on sources of any length that has "
                f"{FEWEST} sentences or more."
            )


def across(comparison: Comparison) -> Iterator[str]:
    """The test sets that have another first system than the first test set."""
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
    yield f"The order depends on the test set: the highest BLEU has {'; '.join(parts)}."


def seeds(systems: list[System]) -> str:
    """How many trainings stand behind this."""
    counts = {system.name: len(system.runs) for system in systems}
    single = [name for name, count in counts.items() if count == 1]
    if len(single) == len(systems):
        return "There is one training of each system: other seeds may give another order."
    parts = [f"{name} {count}" for name, count in counts.items()]
    said = f"Seeds: {', '.join(parts)}."
    return said if not single else f"{said} Other seeds of {', '.join(single)} may differ."
