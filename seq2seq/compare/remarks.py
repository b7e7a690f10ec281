"""Notes for readers: how to read the tables, and what they leave out."""

import json
from collections.abc import Sequence

from seq2seq.compare.axes import MIN_SENTENCES
from seq2seq.compare.calibration import has_damaged_calibration
from seq2seq.compare.quality import LEVEL
from seq2seq.compare.runs import Run
from seq2seq.compare.significance import RESAMPLES, TRIALS
from seq2seq.compare.systems import System
from seq2seq.runs.folder import ADOPTED, ADOPTED_KINDS
from seq2seq.runs.nested import section
from seq2seq.text.characters import printable


def search_notes(test: str, folders: Sequence[Run]) -> list[str]:
    """Describe the search settings: once if they are the same for all runs, else for each run."""
    searches = {
        run.name: printable(json.dumps(run.scores[test].get("search"), sort_keys=True))
        for run in folders
    }
    if len(set(searches.values())) > 1:
        return [f"Search settings of {name}: {search}." for name, search in searches.items()]
    search = searches[folders[0].name]
    return [] if search == "null" else [f"Search settings: {search}."]


def other_vocabulary(folders: Sequence[Run]) -> set[str]:
    """Return the names of runs not known to have the target vocabulary of the first run."""
    vocabularies = {run.name: section(run.info, "tokenizer").get("target") for run in folders}
    first = vocabularies[folders[0].name]
    return {run.name for run in folders[1:] if first is None or vocabularies[run.name] != first}


def remarks(
    systems: Sequence[System],
    folders: Sequence[Run],
    chosen: Sequence[str],
    incomparable: set[str],
    *,
    rarity: bool,
) -> list[str]:
    """Explain the tables and footnote signs, and list test sets that are not shown.

    Args:
        systems: all systems.
        folders: the runs that are run folders.
        chosen: names of the test sets that are shown.
        incomparable: names of runs whose perplexity uses a different vocabulary.
        rarity: whether word frequencies of the training text are known.
    """
    notes = [
        f"Intervals and the bands of curves are 95 % bootstrap intervals ({RESAMPLES} resamples). "
        f"Curves leave out groups of fewer than {MIN_SENTENCES} sentences."
    ]
    if len(systems) > 1:
        notes += testing(systems)
    if any(len(system.runs) > 1 for system in systems):
        notes.append(
            "Runs that differ only in their seed are one system, shown as the mean over its seeds "
            "\N{PLUS-MINUS SIGN} their standard deviation (divisor n - 1)."
        )
    notes += [
        f"\N{DAGGER} Training of {run.name} is not known to be finished (status: "
        f"{printable(str(run.info.get('status', 'unknown')))})."
        for run in folders
        if run.unfinished
    ]
    notes += [adopted(run) for run in folders if ADOPTED in run.info]
    if incomparable:
        notes.append(
            "* Perplexity cannot be compared with that of "
            f"{folders[0].name}: the target vocabulary is different or unknown."
        )
    if any("pseudo_perplexity" in run.scores[test] for run in folders for test in chosen):
        notes.append(
            "Pseudo-perplexity: every piece is predicted from all other pieces (Salazar et al. "
            "2020), so it cannot be compared with a perplexity, which is left out for these runs."
        )
    if not rarity:
        notes.append(
            "No scores by the rarest word: these runs do not record the word frequencies of their "
            "training text, as runs of newer versions do."
        )
    elif len({section(section(run.info, "data"), "train").get("sha256") for run in folders}) > 1:
        notes.append(
            "Word frequencies are those of the training text of the first run that records them; "
            "other runs were trained on different text."
        )
    notes += [
        f"The calibration of {run.name} on {printable(test)} is damaged and left out: run "
        "`seq2seq evaluate` again."
        for run in folders
        for test in chosen
        if has_damaged_calibration(run, test)
    ]
    scored = set().union(*(run.scores for run in folders))
    for test in sorted(scored - set(chosen)):
        without = ", ".join(run.name for run in folders if test not in run.scores)
        if without:
            notes.append(f"Test set {printable(test)} is left out: not scored for {without}.")
    return notes


def adopted(run: Run) -> str:
    """Return a note on a run whose model another program has trained."""
    origin = section(run.info, ADOPTED)
    license = origin.get("license")
    stated = f"license {license}" if isinstance(license, str) else "no license stated"
    kind = ADOPTED_KINDS.get(str(origin.get("kind")), "a model")
    digest = section(origin, "sha256").get("model.safetensors")
    hashed = f", SHA-256 of the weights {digest[:12]}" if isinstance(digest, str) else ""
    return (
        f"{run.name} is {kind} that another program trained, on other text "
        f"({printable(stated + hashed)}): the cost of its training is unknown, and its training "
        "text may contain sentences of these test sets."
    )


def several_references(count: int, test: str | None = None) -> str:
    """Return a note on what uses all references; the test set is named if there are several."""
    where = "" if test is None else f" of {printable(test)}"
    return (
        f"BLEU, chrF and TER use all {count} references{where}; the tables of words, phrases and "
        "sentences use the first."
    )


def testing(systems: Sequence[System]) -> list[str]:
    """Explain the significance tests and their limits."""
    seeds = [len(system.runs) for system in systems]
    notes = [
        "Each pair of systems is tested by paired bootstrap resampling (Koehn 2004, "
        f"{RESAMPLES} resamples) and by paired approximate randomization (Riezler and Maxwell "
        f"2005, {TRIALS} trials): p is the probability of a larger difference if the "
        "systems were equally good. p-values are corrected by Holm's method over all pairs, for "
        "each metric and test.",
        f"A system beats another (\N{BLACK UP-POINTING TRIANGLE}) if the corrected p of "
        f"approximate randomization is below {LEVEL} and each of its seeds is better than each "
        "seed of the other.",
    ]
    count = len(systems) * (len(systems) - 1) // 2
    if count / (RESAMPLES + 1) >= LEVEL:
        notes.append(
            f"With {count} pairs, the corrected bootstrap p cannot be below "
            f"{min(1, count / (RESAMPLES + 1)):.2f}, because there are {RESAMPLES} resamples."
        )
    if max(seeds) > 1:
        notes.append(
            "The tests estimate whether a difference would hold on other sentences. For a system "
            "with several seeds, the statistics of each sentence are averaged over the seeds, so "
            "the tested difference may not be exactly that of the means. The standard deviations "
            "show how much scores vary between seeds."
        )
    if min(seeds) == 1:
        notes.append(
            "For a system with one training run, nothing here shows how its scores vary between "
            "seeds."
        )
    return notes
