"""`seq2seq score-alignment`: score word alignments against gold links."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, cast

from rich.console import Group, RenderableType

from seq2seq.alignment.baselines import (
    diagonal,
    need_fast_align,
    split_words,
    symmetrized_fast_align,
)
from seq2seq.alignment.form_names import Form
from seq2seq.alignment.gold_files import read_links
from seq2seq.alignment.links import LinkSet, Tally, flip, grow_diag_final_and, intersection, union
from seq2seq.alignment.method_names import WITHOUT_LAYERS, MethodName
from seq2seq.alignment.rule import Rule
from seq2seq.commands.alignment_tables import grids, rule_label, table
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain_gold
from seq2seq.interpret.chosen_rule import RULE, changed, chosen_rule
from seq2seq.interpret.gold_set import GoldSet, read_texts, stored_texts
from seq2seq.interpret.heads import AllScores, score_all_rules
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import console
from seq2seq.system.files import write_json
from seq2seq.system.provenance import environment, timestamp
from seq2seq.translation.translator import Translator

# The methods that --rule auto tries. smoothgrad and integrated_gradients take 20 times as long or
# more as `gradient`; lexemes are tried where their forms are known.
TRIED: tuple[MethodName, ...] = (
    "attention",
    "vectors",
    "alti",
    "occlusion",
    "occlusion:lexeme",
    "gradient",
)


def gold_of(
    run: RunFolder | None,
    *,
    test: str | None,
    texts: tuple[Path, Path] | None,
    gold: Path | None,
    form: Form,
) -> GoldSet:
    """Return the text to align and its gold links.

    Args:
        run: the run folder, if there is one.
        test: the name of a test set of the run.
        texts: two files of tokens, instead of a test set.
        gold: a file of links between the tokens; the gold links of the test set if None.
        form: the format of `gold`.

    Raises:
        UserError: there are no gold links, or they do not fit the text.
    """
    if (test is None) == (texts is None) or (test is None and gold is None):
        raise UserError("give --test NAME, or --text SOURCE TARGET with --gold FILE")
    if gold is None and form != "auto":
        raise UserError("--gold-format needs --gold FILE")
    if texts is not None:
        pairs = read_texts(*texts)
        # The hash distinguishes texts with the same file name, whose results must not collide.
        name = f"{texts[0].stem}-{digest(pairs)}"
    elif run is None:
        raise UserError("--test NAME is a test set of a run: give RUN, or --text SOURCE TARGET")
    else:
        folder = run.test(str(test))
        if gold is None:
            if (gold_set := GoldSet.of_test(folder)) is None:
                raise UserError(
                    f"{test} has no gold alignment: give one with --gold FILE (to draw sentences, "
                    "use seq2seq align; to write links, seq2seq export-alignment)"
                )
            return gold_set
        pairs = stored_texts(folder)
        name = folder.name
    tokens = [(source.split(), target.split()) for source, target in pairs]
    return GoldSet(name, pairs, read_links(cast(Path, gold), tokens, form))


def digest(pairs: Sequence[tuple[str, str]]) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of a text."""
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
    tried: Sequence[MethodName] = TRIED,
    back: Path | None = None,
    back_default: bool = False,
    links: Sequence[str] = (),
    train: tuple[Path, Path] | None = None,
    forms: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> tuple[Group, list[Path]]:
    """Score all extraction rules of a method, symmetrized links, other aligners and the baselines.

    Args:
        path: the run folder; None to score only other aligners.
        test: the name of a test set of the run.
        texts: two files of tokens, instead of a test set.
        gold: a file of links between the tokens; the gold links of the test set if None.
        form: the format of `gold`.
        rule: the extraction rule; that of the run if None.
        pick: store the rule with the lowest AER in the run.
        tried: the methods to choose from with `pick`; those that the model does not support are
            left out.
        back: a run of the reverse direction, for symmetrization.
        back_default: read layer, head and row of that run by the default rule, not its own.
        links: NAME=FILE of the links of other aligners.
        train: two files of tokens to train fast_align on, in addition to the text.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        out: a JSON file for all scores; align/TEXT.readings.json in the run if None.
        device: the device to compute on.

    Returns:
        The table, and the paths of the files written.

    Raises:
        UserError: there are no gold links, they are invalid, or the method cannot be applied to a
            model.
    """
    run = RunFolder.open(path) if path is not None else None
    if run is None and not links:
        raise UserError("give RUN, or alignments to score with --links NAME=FILE")
    if run is None and (pick or back is not None):
        raise UserError("--rule auto and --back need RUN")
    if train is not None:
        need_fast_align("--train")
    gold_set = gold_of(run, test=test, texts=texts, gold=gold, form=form)
    aligners = read_other_aligners(links, gold_set)
    more = training_pairs(train, gold_set) if train is not None else None
    parts: list[RenderableType] = []
    rows: dict[str, dict[str, Any]] = {}
    others: dict[str, list[LinkSet]] = {}
    facts: dict[str, Any] = {}
    if run is not None:
        other = RunFolder.open(back) if back is not None else None
        if other is not None:
            check_direction(run, other)
        rule = rule or chosen_rule(run)
        methods = list(tried) if pick else [rule.method]
        refuse_forms(forms, *(replace(rule, method=method) for method in methods))
        translator = with_forms(Translator(run, device=device), forms)
        found = score_rules(translator, gold_set, rule, methods, best=pick)
        rows = rule_rows(found)
        if other is not None:
            back_rule = Rule() if back_default else chosen_rule(other)
            reverse = Translator(other, device=device)
            others |= directions(translator, found.rule, reverse, back_rule, gold_set)
        for one in found.by_method:
            parts += grids(one, chosen=one is found.chosen)
        facts = {
            "run": run.name,
            "unmatched": found.chosen.unmatched,
            "readings": [one.record() for own in found.by_method for one in own.readings],
        }
        out = out or run.path / "align" / f"{gold_set.name}.readings.json"
    others |= aligners
    others["the diagonal"] = [diagonal(g.source, g.target) for g in gold_set.golds]
    if more is not None:
        others |= statistical(more, gold_set)
    else:
        console.print("fast_align is not scored: train it with --train SOURCE TARGET")
    rows |= {name: scored(alignment, gold_set) for name, alignment in others.items()}
    written = []
    if out is not None:
        record = {**text_facts(gold_set, gold), **facts, "rows": rows}
        write_json(out, {**record, **environment(), "date": timestamp()})
        written.append(out)
    if run is not None and pick:
        written.append(store_rule(run, found, gold_set))
    if facts.get("unmatched"):
        console.print(
            f"{facts['unmatched']} tokens of the gold alignment differ from the text that the "
            "model reads, and have no links"
        )
    return Group(*parts, table(rows)), written


class RuleScores(NamedTuple):
    """Scores of the extraction rules of a model.

    Attributes:
        by_method: the scores of all rules of each method.
        chosen: those of the method of `rule`.
        rule: the rule that is used: that of the run, or the best one.
    """

    by_method: list[AllScores]
    chosen: AllScores
    rule: Rule


def score_rules(
    translator: Translator,
    gold_set: GoldSet,
    rule: Rule,
    methods: Sequence[MethodName],
    *,
    best: bool,
) -> RuleScores:
    """Score all rules of one or several methods.

    Args:
        translator: the trained run.
        gold_set: the text and its gold links.
        rule: the rule of the run; the others have its `end`, `threshold` and `hide`.
        methods: the methods.
        best: choose the rule with the lowest AER, and leave out methods that the model does not
            support.

    Raises:
        UserError: a method cannot be applied to the model, or with `best` none can.
    """
    if best:
        by_method = score_methods(translator, gold_set, rule, methods)
        chosen = min(by_method, key=lambda one: one.best.tally.aer)
        return RuleScores(by_method, chosen, chosen.best.rule)
    chosen = score_all_rules(translator, gold_set, rule)
    return RuleScores([chosen], chosen, rule.resolve(*chosen.shape))


def rule_rows(found: RuleScores) -> dict[str, dict[str, Any]]:
    """Return the scores of the rule that is used, of the best rule, and of each other method's."""
    rows = {rule_label(found.rule): found.chosen.of(found.rule).record()}
    best = found.chosen.best
    if best.rule != found.rule:
        rows[f"{rule_label(best.rule)} (best here)"] = best.record()
    for one in found.by_method:
        if one is not found.chosen:
            label = f"{rule_label(one.best.rule)} (best of {one.best.rule.method})"
            rows[label] = one.best.record()
    return rows


def text_facts(gold_set: GoldSet, gold: Path | None) -> dict[str, Any]:
    """Return what the JSON file says about the text."""
    return {
        "text": gold_set.name,
        "gold": str(gold) if gold else "beside the test set",
        "pairs": len(gold_set.golds),
        "sure": sum(len(one.links.sure) for one in gold_set.golds),
        "possible": sum(len(one.links.possible) for one in gold_set.golds),
    }


def store_rule(run: RunFolder, found: RuleScores, gold_set: GoldSet) -> Path:
    """Write the best rule into the run, and return the file."""
    best = found.chosen.best
    facts = {"rule": best.rule.record(), "picked_on": gold_set.name, "aer": best.tally.aer}
    write_json(run.path / RULE, facts)
    return run.path / RULE


def score_methods(
    translator: Translator, gold_set: GoldSet, rule: Rule, methods: Sequence[MethodName]
) -> list[AllScores]:
    """Score all rules of each method that can be applied to a model.

    Args:
        translator: the trained run.
        gold_set: the text and its gold links.
        rule: the values of `end`, `threshold` and `hide` for all rules.
        methods: the methods.

    Raises:
        UserError: no method can be applied to the model; the message is that of the first.
    """
    scores: list[AllScores] = []
    refusals: list[UnsupportedModelError] = []
    for method in methods:
        try:
            own = replace(rule, method=method)
            if method in WITHOUT_LAYERS:  # their maps have no `</s>`
                own = replace(own, end=Rule().end)
            scores.append(score_all_rules(translator, gold_set, own))
        except UnsupportedModelError as error:
            refusals.append(error)
    if not scores:
        raise refusals[0]
    return scores


def read_other_aligners(links: Sequence[str], gold_set: GoldSet) -> dict[str, list[LinkSet]]:
    """Read the links of other aligners, and return them by name.

    Raises:
        UserError: an item is not NAME=FILE, a name is used twice, or a file cannot be read.
    """
    texts = [(gold.source, gold.target) for gold in gold_set.golds]
    aligners: dict[str, list[LinkSet]] = {}
    for one in links:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise UserError(f"--links {one}: give NAME=FILE, such as --links giza=giza.align")
        if name in aligners or name == "the diagonal" or name.startswith("fast_align"):
            raise UserError(f"--links {one}: the name {name!r} is already used, choose another")
        golds = read_links(Path(file), texts, "auto", gold=False)
        aligners[name] = [gold.links.sure | gold.links.possible for gold in golds]
    return aligners


def check_direction(run: RunFolder, back: RunFolder) -> None:
    """Check that two runs translate in opposite directions.

    Raises:
        UserError: both have the same source and target language.
    """
    directions = [
        (one.config["data"].get("source"), one.config["data"].get("target")) for one in (run, back)
    ]
    same = run.path.resolve() == back.path.resolve()
    if same or (directions[0] == directions[1] and None not in directions[0]):
        source, target = directions[1]
        raise UserError(
            f"--back {back.path} translates {source} to {target}, like {run.name}: give a run of "
            "the reverse direction"
        )


def directions(
    translator: Translator, rule: Rule, back: Translator, back_rule: Rule, gold_set: GoldSet
) -> dict[str, list[LinkSet]]:
    """Return the links of a run of the reverse direction, and the symmetrized links.

    Only layer, head and row of the reverse direction are those of `back_rule`; all else is that of
    `rule`.
    """
    forward = links_of(translator, rule, gold_set)
    back_rule = replace(
        changed(back_rule, method=rule.method),
        end=rule.end,
        threshold=rule.threshold,
        hide=rule.hide,
    )
    backward = [flip(links) for links in links_of(back, back_rule, gold_set.swapped())]
    pairs = list(zip(forward, backward, strict=True))
    return {
        f"{back.run.name}, the other direction": backward,
        "both, intersection": [intersection(*pair) for pair in pairs],
        "both, union": [union(*pair) for pair in pairs],
        "both, grow-diag-final-and": [grow_diag_final_and(*pair) for pair in pairs],
    }


def links_of(translator: Translator, rule: Rule, gold_set: GoldSet) -> list[LinkSet]:
    """Return the links of each pair by one rule."""
    return [
        explained.links(rule.resolve(*explained.map.values.shape[:2]))
        for explained in explain_gold(translator, gold_set, rule)
    ]


def statistical(
    more: list[tuple[list[str], list[str]]], gold_set: GoldSet
) -> dict[str, list[LinkSet]]:
    """Return the links of fast_align, trained on a training text and this text."""
    pairs = [(gold.source, gold.target) for gold in gold_set.golds]
    forward, both = symmetrized_fast_align(pairs, more)
    return {"fast_align": forward, "fast_align, grow-diag-final-and": both}


def training_pairs(
    train: tuple[Path, Path], gold_set: GoldSet
) -> list[tuple[list[str], list[str]]]:
    """Tokenize a training text: at spaces if the scored text is tokenized so, else into words."""
    plain = all(
        (source.split(), target.split()) == (gold.source, gold.target)
        for (source, target), gold in zip(gold_set.texts, gold_set.golds, strict=True)
    )
    cut = str.split if plain else split_words
    return [(cut(s), cut(t)) for s, t in read_texts(*train)]


def scored(links: Sequence[LinkSet], gold_set: GoldSet) -> dict[str, Any]:
    """Return the scores of links that were not extracted from attention."""
    tally = Tally()
    for predicted, gold in zip(links, gold_set.golds, strict=True):
        tally += Tally.of(predicted, gold.links)
    return {**tally.scores(), "links": tally.links}
