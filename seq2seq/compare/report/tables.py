"""The tables of a comparison, cell by cell, whichever way they are then written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.cost import reading_rule
from seq2seq.compare.ngrams import Found
from seq2seq.compare.quality import NAMES
from seq2seq.compare.report.formats import DASH, count, figures, interval, short
from seq2seq.compare.runs import section
from seq2seq.compare.sentences import shown_pairs
from seq2seq.compare.systems import Spread, System, spread
from seq2seq.text.characters import printable

UP, DOWN = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}"

MANY = 9  # systems, of which a terminal has no room for more differences


@dataclass(frozen=True)
class Table:
    """Text cells: the first column names its row, the others are numbers.

    Attributes:
        title: of the table.
        head: of its columns.
        rows: a cell for each column.
        note: what its heads mean, if they do not say it.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str | None = None


def title(comparison: Comparison, test: TestSet) -> str:
    """What was translated: the test set, its size, from what to what."""
    lines = len(test.references)
    return (
        f"{printable(test.name)}, {lines} lines, {printable(comparison.source or DASH)} to "
        f"{printable(comparison.target or DASH)}"
    )


def quality(comparison: Comparison, test: TestSet) -> Table:
    """A row for each system: its metrics, and BLEU's interval."""
    metrics = list(test.quality.signatures)
    head = ["system", "seeds", "BLEU", "95 %", *(NAMES[metric] for metric in metrics[1:])]
    rows = []
    for system in comparison.systems:
        means, whole = test.quality.means[system.name], test.quality.systems[system.name]
        rows.append(
            [
                marked(system),
                str(len(system.runs)),
                f"{means['bleu']:.2f}",
                interval(whole["bleu"].low, whole["bleu"].high),
                *(f"{means[metric]:.2f}" for metric in metrics[1:]),
            ]
        )
    return Table("Quality", head, rows)


def every_run(comparison: Comparison, test: TestSet) -> Table:
    """A row for each seed: every metric with its interval."""
    metrics = list(test.quality.signatures)
    head = ["run", "seed"]
    for metric in metrics:
        head += [NAMES[metric], "95 %"]
    rows = []
    for run in comparison.runs:
        row = [run.name, figures(run.seed, ".0f")]
        for found in test.quality.runs[run.name].values():
            row += [f"{found.score:.2f}", interval(found.low, found.high)]
        rows.append(row)
    return Table("Every run, with 95 % bootstrap intervals", head, rows)


def matrix(comparison: Comparison, test: TestSet, metric: str, *, brief: bool = False) -> Table:
    """Who beats whom: the row's score minus the column's.

    Args:
        comparison: the comparison.
        test: one of its test sets.
        metric: by which.
        brief: columns by their numbers, without p, and of MANY systems without the differences.
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
                cells[row, column] = mark + (f"{difference:+.1f}" if len(names) <= MANY else "")
    heads = [str(i) for i in range(1, len(names) + 1)] if brief else names
    firsts = [f"{i} {name}" for i, name in enumerate(names, 1)] if brief else names
    rows = [
        [first, *(cells[row, column] for column in names)]
        for first, row in zip(firsts, names, strict=True)
    ]
    note = (
        f"{NAMES[metric]} of the row minus that of the column; {UP} the row beats the column, "
        f"{DOWN} is beaten by it, = neither"
    )
    if not brief:
        note += "; in brackets p by approximate randomisation and by bootstrap, corrected"
    return Table(f"Who beats whom on {NAMES[metric]}", ["", *heads], rows, f"{note}.")


def axes(test: TestSet) -> Iterator[Table]:
    """Scores along each axis; the number of sentences in the heads."""
    for axis in test.axes:
        places = zip(axis.places, axis.lines, strict=True)
        head = ["system", *(f"{place} ({lines})" for place, lines in places)]
        rows = [
            [name, *(f"{point.value:.1f}" for point in points)]
            for name, points in axis.points.items()
        ]
        yield Table(axis.title, head, rows, f"Columns: {axis.x} (number of sentences).")


# Columns by where scores.json has them
SINGLE = {
    "exact match %": ("exact_match", "score"),
    "agreement %": ("agreement", "score"),
    "perplexity": ("perplexity", "score"),
}
ALIGNMENT = {
    "AER": ("alignment", "aer"),
    "precision": ("alignment", "precision"),
    "recall": ("alignment", "recall"),
    "entropy": ("alignment", "entropy"),
}


def columns_of(
    comparison: Comparison, test: TestSet, wanted: Mapping[str, tuple[str, str]]
) -> dict[str, list[Spread | None]]:
    """A number of every system's scores.json for each column."""

    def stored(system: System, kind: str, key: str) -> Spread | None:
        return spread(system, lambda run: section(run.scores[test.name], kind).get(key))

    return {
        name: [stored(system, *place) for system in comparison.systems]
        for name, place in wanted.items()
    }


def further(comparison: Comparison, test: TestSet) -> Table | None:
    """Whole sentences, agreement and perplexity a piece, as far as they were measured."""
    columns = columns_of(comparison, test, SINGLE)
    columns = {name: column for name, column in columns.items() if any(column)}
    if not columns:
        return None
    rows = []
    for place, system in enumerate(comparison.systems):
        cells = [
            short(column[place]) if name == "perplexity" else figures(column[place], ".1f")
            for name, column in columns.items()
        ]
        if {run.name for run in system.runs} & comparison.incomparable and "perplexity" in columns:
            cells[list(columns).index("perplexity")] += "*"
        rows.append([system.name, *cells])
    return Table("Further measures", ["system", *columns], rows)


def alignment(comparison: Comparison, test: TestSet) -> Table | None:
    """How well attention finds the gold's links, and how it was read."""
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
    note = "AER: alignment error rate, 0 is perfect. Entropy: of a word's attention, in nats."
    return Table("Alignment", ["system", *columns], rows, f"{note} How it is read: {read}.")


def cost(comparison: Comparison, test: TestSet) -> Table | None:
    """What training and decoding took; None where nothing is known, as of files."""
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
        "Means over seeds. min, Wh: of training, validation included; tok/s: target tokens learned "
        "from; Wh: of the whole machine, where it tells; GiB: peak memory of training; m-adds: "
        "multiply-adds a target token; sent/s: translated. Speeds are of the machines and loads "
        "they were measured on."
    )
    return Table("Cost", head, rows, note)


def ngrams(comparison: Comparison, test: TestSet) -> Iterator[Table]:
    """Words and phrases that one system gets right and another does not."""
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
                    "How often the reference has it, and how often a system has it there too.",
                )


def ngram_rows(found: list[Found]) -> list[list[str]]:
    """Cells of n-grams."""
    return [
        [printable(one.text), str(one.references), *map(times, (one.first, one.second))]
        for one in found
    ]


def times(mean: float) -> str:
    """A mean over seeds; of one seed a whole number."""
    return f"{mean:.1f}".removesuffix(".0")


def provenance(comparison: Comparison) -> Table:
    """A row for each run: seed, state, place, and what else differs between them."""
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
    """The settings in which the systems differ; None where there are none."""
    found = comparison.configuration
    rows = [[key, *values] for key, values in found.different.items()]
    return Table("Settings that differ", ["", *found.names], rows) if rows else None


def marked(system: System) -> str:
    """A system's name, with a sign if a training of it did not end by itself."""
    return system.name + ("\N{DAGGER}" if any(run.unfinished for run in system.runs) else "")
