"""Systems side by side, on every test set that all were scored on: what all reports are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.compare import checks, runs
from seq2seq.compare.axes import Axis, axes
from seq2seq.compare.cost import Cost, Course, cost, courses
from seq2seq.compare.counting import Counted, Outputs, Texts, count_all
from seq2seq.compare.files import Files, read_files
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
from seq2seq.errors import UserError
from seq2seq.scoring import metrics
from seq2seq.scoring.metrics import Statistics
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
    paths: Sequence[str | Path] = (),
    *,
    hyps: Sequence[str] = (),
    tests: Sequence[str] = (),
    comet: Path | None = None,
    source: Path | None = None,
    reference: Sequence[Path] = (),
    target_language: str | None = None,
    bleu_tokenizer: str | None = None,
) -> Comparison:
    """Put systems side by side: runs, on every test set that all of them were scored on, or files.

    Args:
        paths: run folders, or folders that hold some; the first is what others are held against.
        hyps: outside systems, NAME=FILE each, with the translations of one test set.
        tests: the test sets to look at; all if empty.
        comet: folder of a model of COMET.
        source: without runs: the file that was translated.
        reference: without runs: its references, of which BLEU, chrF and TER take all.
        target_language: without runs: code of the language translated to.
        bleu_tokenizer: without runs: the tokenizer of sacreBLEU; that of the language if None.

    Raises:
        UserError: a run is given twice, is unfinished or not evaluated; no test
            set is shared; runs differ in language direction, test set or signature; or a run's
            files are no longer those that were scored. The sentence names the difference.
    """
    alone = {
        "--source": source,
        "--reference": list(reference),
        "--target-language": target_language,
        "--bleu-tokenizer": bleu_tokenizer,
    }
    given = [option for option, value in alone.items() if value]
    if not paths and (given or hyps):
        if tests:
            raise UserError("--test goes with runs: without any, --source is the test set")
        files = read_files(source, reference, hyps)
        return compare_files(files, Target(target_language, bleu_tokenizer), comet)
    if given:
        raise UserError(
            f"{given[0]} goes with --hyps alone: runs have their own test sets and settings"
        )
    return compare_runs(paths, hyps=hyps, tests=tests, comet=comet)


def compare_files(files: Files, words: Target, comet: Path | None) -> Comparison:
    """Put files of translations side by side.

    Args:
        files: what is compared.
        words: target language and sacreBLEU tokenizer, which decide what a word is.
        comet: folder of a model of COMET.
    """
    try:
        remarked = [by_options(remark) for remark in metrics.remarks(words, files.references[0])]
    except UserError as error:
        raise UserError(by_options(str(error))) from error
    systems = [System(run.name, [run]) for run in files.systems]
    texts = (files.sources, files.references[0], files.outputs)
    counted = count_all({files.name: texts}, words, files.references[1:])
    add_comet(comet, {files.name: texts}, counted)
    notes = remarks(systems, [], [files.name], set(), rarity=True)
    if len(files.references) > 1:
        notes.append(
            f"BLEU, chrF and TER take all {len(files.references)} references; words, phrases and "
            "sentences are shown by the first."
        )
    return Comparison(
        systems=systems,
        source=None,
        target=words.language,
        tests=[
            test_set(
                systems,
                files.name,
                files.facts,
                texts,
                counted[files.name],
                words=words,
                notes=remarked,
            )
        ],
        courses=[],
        configuration=Differences({}, [], {}),
        provenance=Differences({}, [], {}),
        incomparable=set(),
        notes=notes,
    )


def by_options(text: str) -> str:
    """A sentence with the options of `compare` in place of the keys of a configuration."""
    keys = {"data.target": "--target-language", "data.bleu_tokenizer": "--bleu-tokenizer"}
    for key, option in keys.items():
        text = text.replace(f"{key}=", f"{option} ").replace(key, option)
    return text.replace("(now None;", "(not given;")


def test_set(
    systems: Sequence[System],
    name: str,
    facts: dict[str, Any],
    texts: Texts,
    measured: dict[str, dict[str, Statistics]],
    *,
    words: Target,
    counts: Mapping[str, int] | None = None,
    folder: Path | None = None,
    notes: Sequence[str] = (),
) -> TestSet:
    """All systems on one test set; the arguments are those of what it is made of."""
    sources, references, outputs = texts
    return TestSet(
        name=name,
        facts=facts,
        sources=sources,
        references=references,
        outputs=outputs,
        sentences=by_sentence(measured),
        quality=quality(systems, measured),
        axes=axes(
            systems, measured, sources=sources, outputs=outputs, counts=counts, folder=folder
        ),
        matches=Matches(systems, references, outputs, words),
        costs={system.name: cost(system, name) for system in systems},
        notes=list(notes),
    )


test_set.__test__ = False  # type: ignore[attr-defined]  # tells pytest that it is no test


def compare_runs(
    paths: Sequence[str | Path],
    *,
    hyps: Sequence[str],
    tests: Sequence[str],
    comet: Path | None,
) -> Comparison:
    """Put runs side by side, and outside systems with them."""
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
    words = Target.of(runs.section(folders[0].config, "data"))
    counted = count_all(texts, words)
    known = (read_counts(run.path) for run in folders)
    counts = next((one for one in known if one is not None), None)
    for test, measured in counted.items():
        for run in folders:
            checks.refuse_edited(test, run, measured[run.name])
    add_comet(comet, texts, counted)
    found = [
        test_set(
            systems,
            test,
            folders[0].stored(test, "test"),
            texts[test],
            measured,
            words=words,
            counts=counts,
            folder=folders[0].output(test).parent,
            notes=[*search_notes(test, folders), *metrics.remarks(words, texts[test][1])],
        )
        for test, measured in counted.items()
    ]
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


def add_comet(folder: Path | None, texts: Mapping[str, Texts], counted: dict[str, Counted]) -> None:
    """Score every output by the COMET model in a folder too, if there is one."""
    if folder is None:
        return
    from seq2seq.scoring.comet import Comet

    model = Comet(folder)
    for test, (sources, references, outputs) in texts.items():
        for name, lines in outputs.items():
            counted[test][name]["comet"] = model.statistics(sources, lines, references)
