"""What a reader must know: how to read the tables, and what is not in them."""

import json
from collections.abc import Sequence

from seq2seq.compare.axes import FEWEST
from seq2seq.compare.quality import LEVEL
from seq2seq.compare.runs import Run, section
from seq2seq.compare.significance import RESAMPLES, TRIALS
from seq2seq.compare.systems import System
from seq2seq.text.characters import printable


def search_notes(test: str, folders: Sequence[Run]) -> list[str]:
    """How translations were searched for: said once where all agree, else run by run."""
    searches = {
        run.name: printable(json.dumps(run.scores[test].get("search"), sort_keys=True))
        for run in folders
    }
    if len(set(searches.values())) > 1:
        return [f"Run {name} searched with {search}." for name, search in searches.items()]
    search = searches[folders[0].name]
    return [] if search == "null" else [f"Searched with {search}."]


def other_pieces(folders: Sequence[Run]) -> set[str]:
    """The runs that are not known to cut the target language as the first does."""
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
    """How to read the tables, what the footnote signs mean, and which tests are not shown.

    Args:
        systems: all systems.
        folders: those runs that are run folders.
        chosen: the test sets that are shown.
        incomparable: the runs whose perplexity is over other pieces.
        rarity: whether it is known how often words are in the training text.
    """
    notes = [
        "Intervals, and the bands of curves, are 95 % bootstrap intervals "
        f"({RESAMPLES} resamples); places of fewer than {FEWEST} sentences are not on curves."
    ]
    if len(systems) > 1:
        notes += testing(systems)
    if any(len(system.runs) > 1 for system in systems):
        notes.append(
            "Runs that differ in their seed alone are one system: a mean over its seeds, "
            "\N{PLUS-MINUS SIGN} their standard deviation (divisor n - 1)."
        )
    notes += [
        f"\N{DAGGER} Run {run.name} is not known to be trained to its end (status: "
        f"{printable(str(run.info.get('status', 'unknown')))})."
        for run in folders
        if run.unfinished
    ]
    if incomparable:
        notes.append(
            f"* Perplexity is over other pieces than those of {folders[0].name}, as far as is "
            "known: not to be compared with it."
        )
    if not rarity:
        notes.append(
            "No scores by the rarest word: these runs do not tell how often words were in their "
            "training text, as runs of newer versions do."
        )
    elif len({section(section(run.info, "data"), "train").get("sha256") for run in folders}) > 1:
        notes.append(
            "How rare a word is, is counted in the training text of the first run that tells it; "
            "others were trained on other text."
        )
    scored = set().union(*(run.scores for run in folders))
    for test in sorted(scored - set(chosen)):
        without = ", ".join(run.name for run in folders if test not in run.scores)
        if without:
            notes.append(f"Left out is {printable(test)}, not scored for: {without}.")
    return notes


def testing(systems: Sequence[System]) -> list[str]:
    """What was tested, and what the tests cannot tell."""
    seeds = [len(system.runs) for system in systems]
    notes = [
        "Each pair of systems is tested by paired bootstrap resampling (Koehn 2004, "
        f"{RESAMPLES} resamples) and by paired approximate randomisation (Riezler and Maxwell "
        f"2005, {TRIALS} trials): p is how often chance alone would make a difference at least "
        "this large. p-values are corrected by Holm's method over all pairs, for each metric and "
        "test.",
        f"A system beats another (\N{BLACK UP-POINTING TRIANGLE}) where p by approximate "
        f"randomisation, corrected, is below {LEVEL} and every seed of the one is better than "
        "every seed of the other.",
    ]
    count = len(systems) * (len(systems) - 1) // 2
    if count / (RESAMPLES + 1) >= LEVEL:
        notes.append(
            f"Of {count} pairs, corrected p by bootstrap cannot be below "
            f"{min(1, count / (RESAMPLES + 1)):.2f}: {RESAMPLES} resamples tell no smaller p."
        )
    if max(seeds) > 1:
        notes.append(
            "The tests ask whether a difference would stand on other sentences. A system of "
            "several seeds is tested as one, what is counted in each sentence averaged over them, "
            "so that its difference may not be exactly that of the means. Whether it would stand "
            "with other seeds is for the standard deviations to tell."
        )
    if min(seeds) == 1:
        notes.append(
            "Where a system has one training run, no number here tells what another seed would "
            "give."
        )
    return notes
