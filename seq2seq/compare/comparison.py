"""Systems side by side, on every test set that all were scored on: what all reports are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.compare import checks, runs
from seq2seq.compare.axes import Axis, axes
from seq2seq.compare.cost import Cost, Course, cost, courses
from seq2seq.compare.counting import Outputs, Texts, count_all
from seq2seq.compare.ngrams import Matches
from seq2seq.compare.quality import Quality, quality
from seq2seq.compare.remarks import other_pieces, remarks, search_notes
from seq2seq.compare.runs import Run
from seq2seq.compare.sentences import by_sentence
from seq2seq.compare.systems import (
    Differences,
    System,
    configurations,
    differences,
    grouped,
    made_of,
)
from seq2seq.scoring import metrics
from seq2seq.text.languages import Target
from seq2seq.text.word_counts import read_counts


@dataclass(frozen=True)
class TestSet:
    """All systems on one test set.

    Attributes:
        name: of the test set.
        facts: its lines and hashes.
        sources: a line a sentence.
        references: likewise.
        outputs: of every run, likewise.
        sentences: of every run, chrF of each sentence.
        quality: scores, intervals and tests.
        axes: scores along axes.
        matches: what n-grams the systems get right.
        costs: of every system.
        notes: what must be known to read its tables.
    """

    __test__ = False  # tells pytest that it is no test

    name: str
    facts: dict[str, Any]
    sources: list[str]
    references: list[str]
    outputs: Outputs
    sentences: dict[str, Any]
    quality: Quality
    axes: list[Axis]
    matches: Matches
    costs: dict[str, Cost]
    notes: list[str]


@dataclass(frozen=True)
class Comparison:
    """Systems measured alike.

    Attributes:
        systems: in the order given; differences are to the first.
        source: code of the language translated from; None if unknown.
        target: code of the language translated to; None if unknown.
        tests: the sets that all runs were scored on.
        courses: BLEU of the validations by minutes of training.
        configuration: in what the systems' settings differ, and what is the same.
        provenance: the same of what the runs were made with and from.
        incomparable: names of the runs whose perplexity is over other pieces than the first's.
        notes: what must be known to read the tables.
    """

    systems: list[System]
    source: str | None
    target: str | None
    tests: list[TestSet]
    courses: list[Course]
    configuration: Differences
    provenance: Differences
    incomparable: set[str]
    notes: list[str]

    @property
    def runs(self) -> list[Run]:
        """Every output, system by system."""
        return [run for system in self.systems for run in system.runs]


def compare(
    paths: Sequence[str | Path],
    *,
    hyps: Sequence[str] = (),
    tests: Sequence[str] = (),
    comet: Path | None = None,
) -> Comparison:
    """Put systems side by side, on every test set that all of them were scored on.

    Args:
        paths: run folders, or folders that hold some; the first is what others are held against.
        hyps: outside systems, NAME=FILE each, with the translations of one test set.
        tests: the test sets to look at; all if empty.
        comet: folder of a model of COMET.

    Raises:
        UserError: a run is given twice, is unfinished or not evaluated; no test
            set is shared; runs differ in language direction, test set or signature; or a run's
            files are no longer those that were scored. The sentence names the difference.
    """
    folders, notes = runs.find(paths)
    source, target = checks.direction(folders)
    files = runs.named_files(hyps, [run.name for run in folders])
    chosen = checks.shared_tests(folders, tests, alone=bool(files))
    texts = {test: read(test, folders) for test in chosen}
    outsiders = []
    for name, file in files.items():
        _, references, outputs = texts[chosen[0]]
        lines = checks.translations(file, chosen[0], references)
        one = runs.outside(name, file, chosen[0], references, lines, folders[0])
        outputs[one.name] = lines
        outsiders.append(one)
    systems = grouped([*folders, *outsiders], chosen)
    model = None if comet is None else load_comet(comet)
    words = Target.of(runs.section(folders[0].config, "data"))
    counted = count_all(texts, words)
    known = (read_counts(run.path) for run in folders)
    counts = next((one for one in known if one is not None), None)
    found = []
    for test, (sources, references, outputs) in texts.items():
        measured = counted[test]
        for run in folders:
            checks.refuse_edited(test, run, measured[run.name])
        if model is not None:
            for name, lines in outputs.items():
                measured[name]["comet"] = model.statistics(sources, lines, references)
        found.append(
            TestSet(
                name=test,
                facts=folders[0].stored(test, "test"),
                sources=sources,
                references=references,
                outputs=outputs,
                sentences=by_sentence(measured),
                quality=quality(systems, measured),
                axes=axes(
                    systems,
                    measured,
                    sources=sources,
                    outputs=outputs,
                    counts=counts,
                    folder=folders[0].output(test).parent,
                ),
                matches=Matches(systems, references, outputs, *words),
                costs={system.name: cost(system, test) for system in systems},
                notes=[*search_notes(test, folders), *metrics.remarks(words, references)],
            )
        )
    incomparable = other_pieces(folders)
    notes += remarks(systems, folders, chosen, incomparable, rarity=counts is not None)
    return Comparison(
        systems=systems,
        source=source,
        target=target,
        tests=found,
        courses=courses(systems),
        configuration=configurations(systems),
        provenance=differences({run.name: made_of(run) for s in systems for run in s.runs}),
        incomparable=incomparable,
        notes=notes,
    )


def read(test: str, folders: Sequence[Run]) -> Texts:
    """Sources, references and the outputs of all runs, measured alike."""
    outputs = {}
    for run in folders:
        checks.refuse_difference(test, folders[0], run)
        sources, references, outputs[run.name] = checks.texts(test, run)
    return sources, references, outputs


def load_comet(folder: Path) -> Any:
    """The model in a folder."""
    from seq2seq.scoring.comet import Comet

    return Comet(folder)
