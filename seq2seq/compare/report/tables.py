"""The tables of a comparison as text cells, shared by all report formats."""

from collections.abc import Iterator, Mapping

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.cost import reading_rule
from seq2seq.compare.ngrams import NgramCounts
from seq2seq.compare.quality import NAMES
from seq2seq.compare.report import probability_tables
from seq2seq.compare.report.formats import DASH, Table, count, figures, interval, short
from seq2seq.compare.sentences import shown_pairs
from seq2seq.compare.systems import Spread, System, spread
from seq2seq.compare.verdict import decimals
from seq2seq.runs.nested import section
from seq2seq.text.characters import printable

UP, DOWN = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}"

MANY = 9  # with more systems, the terminal's matrix leaves out the differences


def title(comparison: Comparison, test: TestSet) -> str:
    """Return a heading with the test set, its size and the languages."""
    lines = len(test.references)
    return (
        f"{printable(test.name)}, {lines} lines, {printable(comparison.source or DASH)} to "
        f"{printable(comparison.target or DASH)}"
    )


def quality(comparison: Comparison, test: TestSet) -> Table:
    """Build a row per system: all metrics, and the interval of BLEU."""
    metrics = list(test.quality.signatures)
    head = ["system", "seeds", "BLEU", "95 %", *(NAMES[metric] for metric in metrics[1:])]
    rows = []
    for system in comparison.systems:
        means, averaged = test.quality.means[system.name], test.quality.systems[system.name]
        rows.append(
            [
                marked(system),
                str(len(system.runs)),
                f"{means['bleu']:.2f}",
                interval(averaged["bleu"].low, averaged["bleu"].high),
                *(f"{means[metric]:.2f}" for metric in metrics[1:]),
            ]
        )
    return Table("Quality", head, rows)


def every_run(comparison: Comparison, test: TestSet) -> Table:
    """Build a row per run: all metrics with their intervals."""
    metrics = list(test.quality.signatures)
    head = ["run", "seed"]
    for metric in metrics:
        head += [NAMES[metric], "95 %"]
    rows = []
    for run in comparison.runs:
        row = [run.name, figures(run.seed, ".0f")]
        for score in test.quality.runs[run.name].values():
            row += [f"{score.score:.2f}", interval(score.low, score.high)]
        rows.append(row)
    return Table("Every run, with 95 % bootstrap intervals", head, rows)


def matrix(comparison: Comparison, test: TestSet, metric: str, *, brief: bool = False) -> Table:
    """Build the matrix of pairwise comparisons: the row's score minus the column's.

    Args:
        comparison: the comparison.
        test: one of its test sets.
        metric: the metric.
        brief: number the columns, leave out p-values and, above `MANY` systems, differences.
    """
    names = [system.name for system in comparison.systems]
    cells = {(name, name): "" for name in names}
    for pair in test.quality.pairs[metric]:
        ps = f"{pair.randomised_corrected:.4f}, {pair.bootstrap_corrected:.4f}"
        for row, column, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            mark = {row: UP, column: DOWN}.get(pair.winner or "", "=")
            difference = sign * pair.difference + 0.0  # no -0.0
            if not brief:
                cells[row, column] = f"{mark} {difference:+.2f} ({ps})"
            else:
                cells[row, column] = mark + (
                    decimals(difference, "+") if len(names) <= MANY else ""
                )
    heads = [str(i) for i in range(1, len(names) + 1)] if brief else names
    firsts = [f"{i} {name}" for i, name in enumerate(names, 1)] if brief else names
    rows = [
        [first, *(cells[row, column] for column in names)]
        for first, row in zip(firsts, names, strict=True)
    ]
    note = (
        f"{NAMES[metric]} of the row minus {NAMES[metric]} of the column. {UP}: the row beats the "
        f"column, {DOWN}: the column beats the row, =: neither"
    )
    if not brief:
        note += ". In parentheses: corrected p of approximate randomization and of the bootstrap"
    return Table(f"Who beats whom on {NAMES[metric]}", ["", *heads], rows, f"{note}.")


def axes(test: TestSet) -> Iterator[Table]:
    """Yield a table per axis; heads give the number of sentences in each bin."""
    for axis in test.axes:
        places = zip(axis.places, axis.lines, strict=True)
        head = ["system", *(f"{place} ({lines})" for place, lines in places)]
        rows = [
            [name, *(f"{point.value:.1f}" for point in points)]
            for name, points in axis.points.items()
        ]
        note = f"Columns: {axis.x} (number of sentences). {axis.note}"
        yield Table(axis.title, head, rows, note.strip())


# Column -> keys in scores.json
SINGLE = {
    "exact match %": ("exact_match", "score"),
    "agreement %": ("agreement", "score"),
    "pronouns %": ("pronoun", "score"),
    "perplexity": ("perplexity", "score"),
    "pseudo-perplexity": ("pseudo_perplexity", "score"),
}
PERPLEXITIES = {"perplexity", "pseudo-perplexity"}
ALIGNMENT = {
    "AER": ("alignment", "aer"),
    "precision": ("alignment", "precision"),
    "recall": ("alignment", "recall"),
    "entropy": ("alignment", "entropy"),
}


def columns_of(
    comparison: Comparison, test: TestSet, wanted: Mapping[str, tuple[str, str]]
) -> dict[str, list[Spread | None]]:
    """Read the value of every system for each column from scores.json."""

    def stored(system: System, kind: str, key: str) -> Spread | None:
        return spread(system, lambda run: section(run.scores[test.name], kind).get(key))

    return {
        name: [stored(system, *place) for system in comparison.systems]
        for name, place in wanted.items()
    }


def optional(comparison: Comparison, test: TestSet) -> Iterator[Table]:
    """Yield the tables of the measures that only some runs have, in order."""
    probabilities = (probability_tables.calibration, probability_tables.source_share)
    for build in (further, *probabilities, alignment, cost):
        if table := build(comparison, test):
            yield table


def further(comparison: Comparison, test: TestSet) -> Table | None:
    """Build the table of exact match, agreement, pronouns and perplexity; None if none is known."""
    columns = columns_of(comparison, test, SINGLE)
    columns = {name: column for name, column in columns.items() if any(column)}
    if not columns:
        return None
    rows = []
    for place, system in enumerate(comparison.systems):
        starred = bool({run.name for run in system.runs} & comparison.incomparable)
        cells = []
        for name, column in columns.items():
            if name not in PERPLEXITIES:
                cells.append(figures(column[place], ".1f"))
            else:
                star = "*" if starred and column[place] else ""
                cells.append(short(column[place]) + star)
        rows.append([system.name, *cells])
    return Table("Further measures", ["system", *columns], rows)


def alignment(comparison: Comparison, test: TestSet) -> Table | None:
    """Build the table of alignment scores of the attention; None if there are none."""
    columns = columns_of(comparison, test, ALIGNMENT)
    if not any(columns["AER"]):
        return None
    rows = [
        [system.name, *(figures(column[place], ".3f") for column in columns.values())]
        for place, system in enumerate(comparison.systems)
    ]
    rules: dict[str, list[str]] = {}
    for system in comparison.systems:
        own = {reading_rule(run, test.name): run.name for run in system.runs}
        for rule, name in own.items():
            if rule:
                rules.setdefault(rule, []).append(system.name if len(own) == 1 else name)
    read = "; ".join(f"{', '.join(names)}: {printable(rule)}" for rule, names in rules.items())
    note = "AER: alignment error rate, lower is better. Entropy: of a word's attention, in nats."
    return Table("Alignment", ["system", *columns], rows, f"{note} Attention used: {read}.")


def cost(comparison: Comparison, test: TestSet) -> Table | None:
    """Build the table of training and decoding cost; None if nothing is known."""
    if not any(value for known in test.costs.values() for value in vars(known).values()):
        return None
    rows = []
    for system in comparison.systems:
        known = test.costs[system.name]
        memory = known.peak_memory and Spread(known.peak_memory.mean / 2**30, None)
        energy = known.joules and Spread(known.joules.mean / 3600, None)
        rows.append(
            [
                system.name,
                count(known.parameters),
                short(known.minutes),
                count(known.target_tokens_per_second),
                figures(energy, ".1f"),
                figures(memory, ".2f"),
                count(known.multiply_adds),
                figures(
                    known.sentences_per_second and Spread(known.sentences_per_second.mean, None),
                    ".1f",
                ),
            ]
        )
    head = ["system", "params", "min", "tok/s", "Wh", "GiB", "m-adds", "sent/s"]
    note = (
        "Means over seeds. min: training time with validation; tok/s: target tokens per second in "
        "training; Wh: energy of the whole machine during training, where it is reported; GiB: "
        "peak memory of training; m-adds: multiply-adds per target token; sent/s: sentences "
        "translated per second. Times depend on the machine and its load."
    )
    return Table("Cost", head, rows, note)


def ngrams(comparison: Comparison, test: TestSet) -> Iterator[Table]:
    """Yield tables of words and phrases that one system has correct more often than another."""
    for first, second in shown_pairs(comparison.systems):
        for phrases, what in ((False, "Words"), (True, "Phrases")):
            rows = [
                *ngram_rows(test.matches.better(first.name, second.name, phrases=phrases)),
                *(
                    [text, total, theirs, ours]
                    for text, total, ours, theirs in ngram_rows(
                        test.matches.better(second.name, first.name, phrases=phrases)
                    )
                ),
            ]
            if rows:
                head = ["", "in references", first.name, second.name]
                yield Table(
                    f"{what} that {first.name} or {second.name} gets right more often",
                    head,
                    rows,
                    "Count in the references, and how many of these each system has in its output.",
                )


def ngram_rows(ngrams: list[NgramCounts]) -> list[list[str]]:
    """Format n-gram counts as cells."""
    return [
        [printable(one.text), str(one.references), *map(times, (one.first, one.second))]
        for one in ngrams
    ]


def times(mean: float) -> str:
    """Format a mean over seeds with one decimal place, or none if it is a whole number."""
    return f"{mean:.1f}".removesuffix(".0")


def provenance(comparison: Comparison) -> Table:
    """Build a row per run: seed, status, path, and the provenance that differs between runs."""
    head = ["run", "seed", "status", *comparison.provenance.different, "from"]
    rows = []
    for place, run in enumerate(comparison.runs):
        cells = [values[place] for values in comparison.provenance.different.values()]
        status = run.info.get("status") if run.folder else "outside"
        rows.append(
            [
                run.name,
                figures(run.seed, ".0f"),
                printable(str(status)),
                *cells,
                printable(str(run.path)),
            ]
        )
    return Table("Runs", head, rows)


def configuration(comparison: Comparison) -> Table | None:
    """Build the table of settings that differ between systems; None if there are none."""
    settings = comparison.configuration
    rows = [[key, *values] for key, values in settings.different.items()]
    return Table("Settings that differ", ["", *settings.names], rows) if rows else None


def marked(system: System) -> str:
    """Return a system's name, with a dagger if training of any of its runs is unfinished."""
    return system.name + ("\N{DAGGER}" if any(run.unfinished for run in system.runs) else "")
