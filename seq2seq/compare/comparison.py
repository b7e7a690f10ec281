"""Compare systems on every shared test set; every report is written from a `Comparison`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.compare import checks, runs
from seq2seq.compare.axes import Axis, axes
from seq2seq.compare.calibration import Reliability, reliability
from seq2seq.compare.cost import Cost, ValidationCurve, cost, validation_curves
from seq2seq.compare.counting import Counted, Outputs, Texts, count_all
from seq2seq.compare.files import Files, more_references, read_files, with_references
from seq2seq.compare.ngrams import Matches
from seq2seq.compare.quality import Quality, quality
from seq2seq.compare.remarks import (
    other_vocabulary,
    remarks,
    search_notes,
    several_references,
)
from seq2seq.compare.runs import Run
from seq2seq.compare.sentences import by_sentence
from seq2seq.compare.source_share import Words, read_words, share_axes
from seq2seq.compare.systems import (
    Differences,
    System,
    configurations,
    differences,
    grouped,
    provenance_of,
)
from seq2seq.errors import UserError
from seq2seq.runs.nested import section
from seq2seq.runs.references import read_references
from seq2seq.scoring import metrics
from seq2seq.scoring.metrics import Statistics
from seq2seq.text.languages import Target
from seq2seq.text.word_counts import read_counts


@dataclass(frozen=True)
class TestSet:
    """All systems on one test set.

    Attributes:
        name: name of the test set.
        facts: its number of lines and SHA-256 hashes.
        sources: source sentences, one per line.
        references: reference translations, one per line.
        outputs: translations of each run, one per line.
        sentences: for each run, chrF of each sentence.
        quality: scores, intervals and significance tests.
        axes: scores along axes, such as source length.
        matches: n-grams that the systems translate correctly.
        costs: training and decoding cost of each system.
        notes: notes on how to read the tables.
        words: the scores of the words of each run that has them.
        reliability: share of right tokens by probability, for each kind of tokens and system.
    """

    __test__ = False  # not a pytest class, in spite of its name

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
    words: Words
    reliability: Reliability


@dataclass(frozen=True)
class Comparison:
    """Systems scored with the same settings on the same test sets.

    Attributes:
        systems: the systems, in the order given.
        source: source language code; None if unknown.
        target: target language code; None if unknown.
        tests: the test sets that all runs were scored on.
        validation_curves: learning curves: validation BLEU by minutes of training.
        configuration: settings that differ between systems, and settings that are the same.
        provenance: the same for data, vocabulary, versions and machine of each run.
        incomparable: names of runs whose target vocabulary, and so perplexity, differs from the
            first run's.
        notes: notes on how to read the tables.
    """

    systems: list[System]
    source: str | None
    target: str | None
    tests: list[TestSet]
    validation_curves: list[ValidationCurve]
    configuration: Differences
    provenance: Differences
    incomparable: set[str]
    notes: list[str]

    @property
    def runs(self) -> list[Run]:
        """All runs, grouped by system."""
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
    """Compare runs on the test sets they have in common, or compare files of translations.

    Args:
        paths: run folders, or folders that contain run folders. The first run is the one that
            languages, test sets and metric signatures of the others are checked against.
        hyps: outside systems, `NAME=FILE` each, with the translations of one test set.
        tests: names of the test sets to compare on; all if empty.
        comet: folder of a COMET model.
        source: without runs: the source file.
        reference: without runs: the reference files; BLEU, chrF and TER use all of them. With runs:
            `TEST=FILE`, further references of their test sets.
        target_language: without runs: target language code.
        bleu_tokenizer: without runs: the sacreBLEU tokenizer; chosen by language if None.

    Raises:
        UserError: a run is given twice, has no saved weights or is not evaluated; the runs have no
            test set in common; runs differ in language direction, test set or signature; or the
            files of a run have changed since they were scored. The message names the difference.
    """
    file_options = {
        "--source": source,
        "--target-language": target_language,
        "--bleu-tokenizer": bleu_tokenizer,
    }
    given = [option for option, value in file_options.items() if value is not None]
    if not paths and (given or hyps or reference):
        if tests:
            raise UserError("--test needs run folders: without any, --source is the test set")
        files = read_files(source, reference, hyps)
        return compare_files(files, Target(target_language, bleu_tokenizer), comet)
    if given:
        raise UserError(
            f"{given[0]} cannot be used with run folders, which have their own test sets and "
            "settings"
        )
    return compare_runs(paths, hyps=hyps, tests=tests, comet=comet, more=reference)


def compare_files(files: Files, words: Target, comet: Path | None) -> Comparison:
    """Compare files of translations.

    Args:
        files: source, references and translations.
        words: target language and sacreBLEU tokenizer, which determine how text is tokenized.
        comet: folder of a COMET model.
    """
    try:
        remarked = [
            by_options(remark) for remark in metrics.warnings_about(words, files.references[0])
        ]
    except UserError as error:
        raise UserError(by_options(str(error))) from error
    systems = [System(run.name, [run]) for run in files.systems]
    texts = (files.sources, files.references[0], files.outputs)
    counted = count_all({files.name: texts}, words, {files.name: files.references[1:]})
    add_comet(comet, {files.name: texts}, counted)
    notes = remarks(systems, [], [files.name], set(), rarity=True)
    if len(files.references) > 1:
        notes.append(several_references(len(files.references)))
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
        validation_curves=[],
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
    return text.replace("now None", "not given")


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
    """Build the `TestSet` of one test set; the arguments are passed on to its parts."""
    sources, references, outputs = texts
    words_of = read_words([run for system in systems for run in system.runs], name)
    curves = axes(systems, measured, sources=sources, outputs=outputs, counts=counts, folder=folder)
    return TestSet(
        name=name,
        facts=facts,
        sources=sources,
        references=references,
        outputs=outputs,
        sentences=by_sentence(measured),
        quality=quality(systems, measured),
        axes=[*curves, *share_axes(systems, words_of, sources)],
        matches=Matches(systems, references, outputs, words),
        costs={system.name: cost(system, name) for system in systems},
        notes=list(notes),
        words=words_of,
        reliability=reliability(systems, name),
    )


test_set.__test__ = False  # type: ignore[attr-defined]  # not a pytest test


def compare_runs(
    paths: Sequence[str | Path],
    *,
    hyps: Sequence[str],
    tests: Sequence[str],
    comet: Path | None,
    more: Sequence[Path] = (),
) -> Comparison:
    """Compare runs with each other and with outside systems.

    Args:
        paths: run folders, or folders that contain run folders.
        hyps: outside systems, `NAME=FILE` each.
        tests: names of the test sets; all if empty.
        comet: folder of a COMET model.
        more: further references, `TEST=FILE` each.
    """
    folders, notes = runs.find(paths)
    source, target = checks.direction(folders)
    files = runs.named_files(hyps, [run.name for run in folders])
    chosen = checks.shared_tests(folders, tests, alone=bool(files))
    texts = {test: read(test, folders) for test in chosen}
    added = more_references(more, {test: sources for test, (sources, _, _) in texts.items()})
    stored = {test: further_references(folders[0], test) for test in chosen}
    outsiders = []
    for name, file in files.items():
        _, references, outputs = texts[chosen[0]]
        lines = checks.translations(file, chosen[0], references)
        run = runs.outside(
            name, file, chosen[0], [references, *stored[chosen[0]]], lines, folders[0]
        )
        outputs[run.name] = lines
        outsiders.append(run)
    systems = grouped([*folders, *outsiders], chosen)
    words = Target.of(section(folders[0].config, "data"))
    counted = count_all(texts, words, stored)
    known = (read_counts(run.path) for run in folders)
    counts = next((frequencies for frequencies in known if frequencies is not None), None)
    for test, measured in counted.items():
        for run in folders:
            checks.refuse_edited(test, run, measured[run.name])
    further = {
        test: [*lines, *(more for _, more in added.get(test, []))] for test, lines in stored.items()
    }
    if added:  # stored scores are of the stored references, so they are checked first
        counted |= count_all({test: texts[test] for test in added}, words, further)
    add_comet(comet, texts, counted)
    compared = [
        test_set(
            systems,
            test,
            with_references(folders[0].stored(test, "test"), added.get(test, [])),
            texts[test],
            measured,
            words=words,
            counts=counts,
            folder=folders[0].output(test).parent,
            notes=[*search_notes(test, folders), *metrics.warnings_about(words, texts[test][1])],
        )
        for test, measured in counted.items()
    ]
    incomparable = other_vocabulary(folders)
    notes += [several_references(len(refs) + 1, test) for test, refs in further.items() if refs]
    notes += remarks(systems, folders, chosen, incomparable, rarity=counts is not None)
    return Comparison(
        systems=systems,
        source=source,
        target=target,
        tests=compared,
        validation_curves=validation_curves(systems),
        configuration=configurations(systems),
        provenance=differences({run.name: provenance_of(run) for s in systems for run in s.runs}),
        incomparable=incomparable,
        notes=notes,
    )


def further_references(run: Run, test: str) -> list[list[str]]:
    """Return the references of a test set after the first one, as stored in a run."""
    return read_references(run.output(test).parent)[1:]


def read(test: str, folders: Sequence[Run]) -> Texts:
    """Read sources, references and the outputs of all runs; raise if they are not comparable."""
    outputs = {}
    for run in folders:
        checks.refuse_difference(test, folders[0], run)
        sources, references, outputs[run.name] = checks.texts(test, run)
    return sources, references, outputs


def add_comet(folder: Path | None, texts: Mapping[str, Texts], counted: dict[str, Counted]) -> None:
    """Add COMET scores of every output, if a model folder is given."""
    if folder is None:
        return
    from seq2seq.scoring.comet import Comet

    model = Comet(folder)
    for test, (sources, references, outputs) in texts.items():
        for name, lines in outputs.items():
            counted[test][name]["comet"] = model.statistics(sources, lines, references)
