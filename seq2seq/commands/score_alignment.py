"""Alignments scored against gold: the table of `seq2seq score-alignment`."""

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from seq2seq.alignment.baselines import diagonal, fast_align
from seq2seq.alignment.gold_files import Form, read_links
from seq2seq.alignment.links import Found, Tally, flip, grow_diag_final_and, intersection, union
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import attention_of, forced
from seq2seq.interpret.chosen_rule import RULE, chosen_rule
from seq2seq.interpret.gold_set import GoldSet, read_texts, stored_texts
from seq2seq.interpret.heads import AllScores, score_all_rules
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import console
from seq2seq.system.files import write_json
from seq2seq.system.provenance import commit, machine, versions
from seq2seq.translation.translator import Translator

ROWS = {False: "at the row that predicts a token", True: "at the row at which a token is fed in"}


def gold_of(
    run: RunFolder | None,
    *,
    test: str | None,
    texts: tuple[Path, Path] | None,
    gold: Path | None,
    form: Form,
) -> GoldSet:
    """The text and the gold that were asked for.

    Args:
        run: the run folder, if there is one.
        test: the name of one of its test sets.
        texts: two files of tokens instead.
        gold: a file of links between their tokens; what lies beside the test set if None.
        form: of that file.

    Raises:
        UserError: there is no gold, or it is not of this text.
    """
    if (test is None) == (texts is None) or (test is None and gold is None):
        raise UserError("give --test NAME, or --text SOURCE TARGET with --gold FILE")
    if gold is None and form != "auto":
        raise UserError("--gold-format goes with --gold FILE")
    if texts is not None:
        pairs = read_texts(*texts)
        # Two texts may have one file name; a second scoring must not overwrite the first.
        name = f"{texts[0].stem}-{digest(pairs)}"
    elif run is None:
        raise UserError("--test NAME is a test set of a run: give RUN, or --text SOURCE TARGET")
    else:
        folder = run.test(str(test))
        if gold is None:
            if (found := GoldSet.of_test(folder)) is None:
                raise UserError(
                    f"{test} has no gold alignment: give one by --gold FILE (to draw sentences: "
                    "seq2seq align; to write links: seq2seq export-alignment)"
                )
            return found
        pairs = stored_texts(folder)
        name = folder.name
    tokens = [(source.split(), target.split()) for source, target in pairs]
    return GoldSet(name, pairs, read_links(cast(Path, gold), tokens, form))


def digest(pairs: Sequence[tuple[str, str]]) -> str:
    """Eight digits that tell one text from another."""
    return sha256(repr(pairs).encode()).hexdigest()[:8]


def score_alignment(
    path: str | Path | None = None,
    *,
    test: str | None = None,
    texts: tuple[Path, Path] | None = None,
    gold: Path | None = None,
    form: Form = "auto",
    rule: Rule | None = None,
    pick: bool = False,
    back: Path | None = None,
    links: Sequence[str] = (),
    train: tuple[Path, Path] | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> tuple[Group, list[Path]]:
    """Score every reading of a run, both directions together, other alignments and the baselines.

    Args:
        path: the run folder; None to score the other alignments alone.
        test: the name of one of its test sets.
        texts: two files of tokens instead.
        gold: a file of links between the tokens of that text.
        form: of that file.
        rule: how attention is read; the run's own rule if None.
        pick: store the best reading as the run's choice.
        back: a run of the other direction, to be combined with this one.
        links: NAME=FILE of the links of other aligners.
        train: two files of tokens from which fast_align learns besides the text.
        out: a JSON file for all numbers; align/TEXT.readings.json in the run if None.
        device: where to compute.

    Returns:
        The table, and the paths of what was written.

    Raises:
        UserError: there is no gold, it is damaged, or a model has no attention.
    """
    run = RunFolder.open(path) if path is not None else None
    if run is None and not links:
        raise UserError("give RUN, or alignments to score by --links NAME=FILE")
    if run is None and (pick or back is not None):
        raise UserError("--rule auto and --back go with RUN")
    if train is not None:
        need_fast_align()
    gold_set = gold_of(run, test=test, texts=texts, gold=gold, form=form)
    named = outside(links, gold_set)
    more = training_pairs(train, gold_set) if train is not None else None
    parts: list[RenderableType] = []
    rows: dict[str, dict[str, Any]] = {}
    others: dict[str, list[Found]] = {}
    facts: dict[str, Any] = {}
    written = [out] if out is not None else []
    if run is not None:
        other = RunFolder.open(back) if back is not None else None
        if other is not None:
            check_direction(run, other)
        translator = Translator(run, device=device)
        found = score_all_rules(translator, gold_set, rule or chosen_rule(run))
        layers, heads = (
            max(n for n in numbers if isinstance(n, int))
            for numbers in zip(*((r.rule.layer, r.rule.head) for r in found.readings), strict=True)
        )
        rule = found.best.rule if pick else (rule or chosen_rule(run)).resolve(layers, heads)
        rows[spelt(rule)] = found.of(rule).record()
        if found.best.rule != rule:
            rows[f"{spelt(found.best.rule)} (best here)"] = found.best.record()
        if other is not None:
            others |= directions(translator, rule, Translator(other, device=device), gold_set)
        parts = grids(found)
        facts = {
            "run": run.name,
            "unmatched": found.unmatched,
            "readings": [reading.record() for reading in found.readings],
        }
        written = written or [run.path / "align" / f"{gold_set.name}.readings.json"]
    others |= named
    others["the diagonal"] = [diagonal(g.source, g.target) for g in gold_set.golds]
    if more is not None:
        others |= statistical(more, gold_set)
    else:
        console.print("fast_align is not scored: it learns from --train SOURCE TARGET")
    for name, alignment in others.items():
        rows[name] = scored(alignment, gold_set)
    if written:
        write_json(
            written[0],
            {
                "text": gold_set.name,
                "gold": str(gold) if gold else "beside the test set",
                "pairs": len(gold_set.golds),
                "sure": sum(len(g.links.sure) for g in gold_set.golds),
                "possible": sum(len(g.links.possible) for g in gold_set.golds),
                **facts,
                "rows": rows,
                "versions": versions(),
                "commit": commit(),
                "machine": machine(),
                "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            },
        )
    if run is not None and pick:
        written.append(run.path / RULE)
        write_json(
            written[-1],
            {
                "rule": asdict(found.best.rule),
                "picked_on": gold_set.name,
                "aer": found.best.tally.aer,
            },
        )
    if facts.get("unmatched"):
        console.print(
            f"{facts['unmatched']} tokens of the gold are not in the text that the model reads, "
            "and have no links (their characters differ)"
        )
    return Group(*parts, table(rows)), written


def outside(links: Sequence[str], gold_set: GoldSet) -> dict[str, list[Found]]:
    """The links of other aligners by the names that they were given.

    Raises:
        UserError: one is not NAME=FILE, a name is given twice, or a file cannot be read.
    """
    texts = [(gold.source, gold.target) for gold in gold_set.golds]
    named: dict[str, list[Found]] = {}
    for one in links:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise UserError(f"--links {one}: give NAME=FILE, such as --links giza=giza.align")
        if name in named or name == "the diagonal" or name.startswith("fast_align"):
            raise UserError(f"--links {one}: the name {name!r} is taken, choose another")
        read = read_links(Path(file), texts, "auto", gold=False)
        named[name] = [gold.links.sure | gold.links.possible for gold in read]
    return named


def check_direction(run: RunFolder, back: RunFolder) -> None:
    """Refuse a run of the same direction where one of the other is needed.

    Raises:
        UserError: both translate from and to the same languages.
    """
    ways = [
        (one.config["data"].get("source"), one.config["data"].get("target")) for one in (run, back)
    ]
    same = run.path.resolve() == back.path.resolve()
    if same or (ways[0] == ways[1] and None not in ways[0]):
        raise UserError(
            f"--back {back.path} translates {ways[1][0]} to {ways[1][1]} as {run.name} does: "
            "give a run of the other direction"
        )


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


def statistical(
    more: list[tuple[list[str], list[str]]], gold_set: GoldSet
) -> dict[str, list[Found]]:
    """What fast_align finds, learning from a training text and this one."""
    pairs = [(gold.source, gold.target) for gold in gold_set.golds]
    forward = fast_align(pairs, more)
    turned = fast_align([(t, s) for s, t in pairs], [(t, s) for s, t in more])
    both = zip(forward, map(flip, turned), strict=True)
    return {
        "fast_align": forward,
        "fast_align, grow-diag-final-and": [grow_diag_final_and(*pair) for pair in both],
    }


def need_fast_align() -> None:
    """Refuse --train where the statistical aligner is not installed."""
    if find_spec("thot") is None:
        raise UserError("--train is for fast_align: pip install 'seq2seq-toolkit[align]'")


def training_pairs(
    train: tuple[Path, Path], gold_set: GoldSet
) -> list[tuple[list[str], list[str]]]:
    """A training text in tokens: split at spaces if the scored text is, else cut as words too."""
    plain = all(
        (source.split(), target.split()) == (gold.source, gold.target)
        for (source, target), gold in zip(gold_set.texts, gold_set.golds, strict=True)
    )
    cut = str.split if plain else re.compile(r"\w+|[^\w\s]").findall
    return [(cut(s), cut(t)) for s, t in read_texts(*train)]


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


def grids(found: AllScores) -> list[RenderableType]:
    """Alignment error by layer and head, the least marked."""
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
    return parts


def table(rows: dict[str, dict[str, Any]]) -> Table:
    """All scores of the alignments that are compared."""
    scores = Table(box=box.SIMPLE_HEAD, show_edge=False)
    scores.add_column("alignment", overflow="fold")
    columns = {"aer": "AER", "precision": "prec.", "recall": "recall", "f1": "F1"}
    columns |= {"end": "</s>", "entropy": "entropy", "forward": "forward"}
    for head in columns.values():
        scores.add_column(head, justify="right", no_wrap=True)
    for name, row in rows.items():
        scores.add_row(escape(name), *(f"{row[k]:.3f}" if k in row else "-" for k in columns))
    return scores


def mark(aer: float, best: bool) -> str:
    """A number of the grid; the best stands out on paper too."""
    return f"[bold]*{aer:.3f}[/bold]" if best else f"{aer:.3f}"
