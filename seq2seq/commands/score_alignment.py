"""A run's attention judged against gold: the table of `seq2seq align RUN --test NAME`."""

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from seq2seq.alignment.baselines import diagonal, fast_align
from seq2seq.alignment.gold_files import Form, read_links
from seq2seq.alignment.links import Found, Tally, flip, grow_diag_final_and, intersection, union
from seq2seq.alignment.rule import Rule
from seq2seq.config import build
from seq2seq.corpora import Corpus
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import attention_of, forced, stored_texts
from seq2seq.interpret.chosen_rule import RULE, chosen_rule
from seq2seq.interpret.gold_set import GoldSet, read_texts
from seq2seq.interpret.heads import AllScores, score_all_rules
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import console
from seq2seq.system.files import write_json
from seq2seq.system.provenance import commit, machine, versions
from seq2seq.translation.translator import Translator

ROWS = {False: "at the row that predicts a token", True: "at the row at which a token is fed in"}


def gold_of(
    run: RunFolder,
    *,
    test: str | None,
    texts: tuple[Path, Path] | None,
    gold: Path | None,
    form: Form,
) -> GoldSet:
    """The text and the gold that were asked for.

    Args:
        run: the run folder.
        test: the name of one of its test sets.
        texts: two files of tokens instead.
        gold: a file of links between their tokens; what lies beside the test set if None.
        form: of that file.

    Raises:
        UserError: there is no gold, or it is not of this text.
    """
    if test is not None:
        folder = run.test(test)
        texts = folder / "source.txt", folder / "reference.txt"
    if texts is None or (test is None and gold is None):
        raise UserError("give --test NAME, or --text SOURCE TARGET with --gold FILE")
    if gold is None:
        found = GoldSet.of_test(texts[0].parent)
        if found is None:
            raise UserError(
                f"{test} has no gold alignment: give one by --gold FILE, or say which --lines to "
                "draw"
            )
        return found
    pairs = read_texts(*texts) if test is None else stored_texts(texts[0].parent)
    golds = read_links(gold, [(source.split(), target.split()) for source, target in pairs], form)
    return GoldSet(test or texts[0].stem, pairs, golds)


def score_alignment(
    path: str | Path,
    *,
    test: str | None = None,
    texts: tuple[Path, Path] | None = None,
    gold: Path | None = None,
    form: Form = "pharaoh",
    rule: Rule,
    pick: bool = False,
    back: Path | None = None,
    device: str = "auto",
) -> tuple[Group, list[Path]]:
    """Score every reading of a run, both directions together, and the baselines.

    Args:
        path: the run folder.
        test: the name of one of its test sets.
        texts: two files of tokens instead.
        gold: a file of links between the tokens of that text.
        form: of that file.
        rule: how attention is read.
        pick: store the best reading as the run's choice.
        back: a run of the other direction, to be combined with this one.
        device: where to compute.

    Returns:
        The table, and the paths of what was written.

    Raises:
        UserError: there is no gold, it is damaged, or a model has no attention.
    """
    run = RunFolder.open(path)
    gold_set = gold_of(run, test=test, texts=texts, gold=gold, form=form)
    translator = Translator(run, device=device)
    found = score_all_rules(translator, gold_set, rule)
    layers, heads = (
        max(n for n in numbers if isinstance(n, int))
        for numbers in zip(*((r.rule.layer, r.rule.head) for r in found.readings), strict=True)
    )
    rule = found.best.rule if pick else rule.resolve(layers, heads)
    rows = {spelt(rule): found.of(rule).record()}
    if found.best.rule != rule:
        rows[f"{spelt(found.best.rule)} (best here)"] = found.best.record()
    others: dict[str, list[Found]] = {}
    if back is not None:
        others |= directions(translator, rule, Translator(back, device=device), gold_set)
    others["the diagonal"] = [diagonal(g.source, g.target) for g in gold_set.golds]
    others |= statistical(run, gold_set)
    for name, links in others.items():
        rows[name] = scored(links, gold_set)
    written = [run.path / "align" / f"{gold_set.name}.readings.json"]
    write_json(
        written[0],
        {
            "run": run.name,
            "text": gold_set.name,
            "gold": str(gold) if gold else "beside the test set",
            "pairs": len(gold_set.golds),
            "sure": found.best.tally.sure,
            "possible": sum(len(g.links.possible) for g in gold_set.golds),
            "unmatched": found.unmatched,
            "rows": rows,
            "readings": [reading.record() for reading in found.readings],
            "versions": versions(),
            "commit": commit(),
            "machine": machine(),
            "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    )
    if pick:
        written.append(run.path / RULE)
        write_json(
            written[1],
            {"rule": asdict(rule), "picked_on": gold_set.name, "aer": found.best.tally.aer},
        )
    if found.unmatched:
        console.print(
            f"{found.unmatched} tokens of the gold are not in the text that the model reads, and "
            "have no links (their characters differ)"
        )
    return table(found, rows), written


def directions(
    translator: Translator, rule: Rule, back: Translator, gold_set: GoldSet
) -> dict[str, list[Found]]:
    """The links of a run of the other direction, and of both together."""
    there = links_of(translator, rule, gold_set)
    other = chosen_rule(back.run)
    again = [flip(links) for links in links_of(back, other, gold_set.turned())]
    pairs = list(zip(there, again, strict=True))
    return {
        f"{back.run.name}, the other direction": again,
        "both, intersection": [intersection(*pair) for pair in pairs],
        "both, union": [union(*pair) for pair in pairs],
        "both, grow-diag-final-and": [grow_diag_final_and(*pair) for pair in pairs],
    }


def links_of(translator: Translator, rule: Rule, gold_set: GoldSet) -> list[Found]:
    """What one rule reads, pair by pair."""
    found = []
    for translation, _, cut in forced(translator, gold_set):
        found.append(cut.links(attention_of(translation, translator.run), rule))
    return found


def statistical(run: RunFolder, gold_set: GoldSet) -> dict[str, list[Found]]:
    """What fast_align finds, learning from the run's training text and this one; or why not."""
    pairs = [(gold.source, gold.target) for gold in gold_set.golds]
    try:
        more = training_pairs(run)
        forward = fast_align(pairs, more)
        turned = fast_align([(t, s) for s, t in pairs], [(t, s) for s, t in more])
    except ModuleNotFoundError:
        console.print(
            "no statistical aligner to compare with: pip install 'seq2seq-toolkit[align]'"
        )
        return {}
    except (UserError, OSError) as error:
        console.print(f"no statistical aligner to compare with: {error}")
        return {}
    both = zip(forward, map(flip, turned), strict=True)
    return {
        "fast_align": forward,
        "fast_align, grow-diag-final-and": [grow_diag_final_and(*pair) for pair in both],
    }


def training_pairs(run: RunFolder) -> list[tuple[list[str], list[str]]]:
    """A run's training text in tokens: as it is if tokenised, else with punctuation cut off."""
    corpus: Corpus = build("data", run.config["data"])
    text = corpus.text("train")
    cut = str.split if corpus.tokenized else re.compile(r"\w+|[^\w\s]").findall
    return [(cut(s), cut(t)) for s, t in zip(text.sources(), text.targets(), strict=True)]


def scored(links: Sequence[Found], gold_set: GoldSet) -> dict[str, Any]:
    """The scores of links that were not read from attention."""
    tally = Tally()
    for found, gold in zip(links, gold_set.golds, strict=True):
        tally += Tally.of(found, gold.links)
    return {**tally.scores(), "links": tally.links}


def spelt(rule: Rule) -> str:
    """A rule in a few words."""
    words = [f"layer {rule.layer}", f"head {rule.head}", "fed in" if rule.shift else "predicts"]
    words += [f"</s> {rule.end}"] if rule.end != "drop" else []
    return ", ".join(words + ([f"from {rule.threshold}"] if rule.threshold is not None else []))


def table(found: AllScores, rows: dict[str, dict[str, Any]]) -> Group:
    """Alignment error by layer and head, the least marked; then all scores of what matters."""
    best = found.best
    parts: list[RenderableType] = []
    heads = list(dict.fromkeys(reading.rule.head for reading in found.readings))
    layers = list(dict.fromkeys(reading.rule.layer for reading in found.readings))
    for shift, title in ROWS.items():
        grid = Table(box=box.SIMPLE_HEAD, show_edge=False)
        for head in ("layer", *(f"head {h}" if h != "mean" else "mean" for h in heads)):
            grid.add_column(head, justify="right")
        for layer in layers:
            line = [found.of(replace(best.rule, layer=layer, head=h, shift=shift)) for h in heads]
            grid.add_row(str(layer), *(mark(r.tally.aer, r == best) for r in line))
        parts += [f"AER {title}", grid, ""]
    scores = Table(box=box.SIMPLE_HEAD, show_edge=False)
    scores.add_column("alignment", overflow="fold")
    columns = {"aer": "AER", "precision": "prec.", "recall": "recall", "f1": "F1"}
    columns |= {"end": "</s>", "entropy": "entropy", "forward": "forward"}
    for head in columns.values():
        scores.add_column(head, justify="right", no_wrap=True)
    for name, row in rows.items():
        scores.add_row(escape(name), *(f"{row[k]:.3f}" if k in row else "-" for k in columns))
    return Group(*parts, scores)


def mark(aer: float, best: bool) -> str:
    """A number of the grid; the best stands out on paper too."""
    return f"[bold]*{aer:.3f}[/bold]" if best else f"{aer:.3f}"
