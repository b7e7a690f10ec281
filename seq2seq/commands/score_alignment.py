"""`seq2seq score-alignment`: score word alignments against gold links."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from rich.console import Group, RenderableType

from seq2seq.alignment.baselines import diagonal, need_fast_align
from seq2seq.alignment.form_names import Form
from seq2seq.alignment.gold_files import read_links
from seq2seq.alignment.links import LinkSet
from seq2seq.alignment.method_names import MethodName
from seq2seq.alignment.rule import Rule
from seq2seq.commands.alignment_tables import grids, rule_label, table
from seq2seq.commands.other_alignments import (
    both_directions,
    check_direction,
    link_scores,
    read_other_aligners,
    statistical,
    training_pairs,
)
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import RULE, chosen_rule
from seq2seq.interpret.gold_set import GoldSet, read_texts, stored_texts
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.interpret.rule_scores import (
    MethodScores,
    RuleScores,
    score_all_rules,
    score_methods,
)
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
        methods = tried if pick else [rule.method]
        refuse_forms(forms, *(replace(rule, method=method) for method in methods))
        translator = with_forms(Translator(run, device=device), forms)
        if pick:
            found = score_methods(translator, gold_set, rule, methods)
            rule = min((one.best for one in found), key=lambda best: best.tally.aer).rule
        else:
            found = [score_all_rules(translator, gold_set, rule)]
            rule = rule.resolve(*found[0].shape)
        chosen = next(one for one in found if one.method == rule.method)
        rows = rule_rows(found, chosen, rule)
        if other is not None:
            back_rule = Rule() if back_default else chosen_rule(other)
            reverse = Translator(other, device=device)
            others |= both_directions(translator, rule, reverse, back_rule, gold_set)
        for one in found:
            parts += grids(one, chosen=one is chosen)
        facts = {
            "run": run.name,
            "unmatched": chosen.unmatched,
            "readings": [one.record() for own in found for one in own.readings],
        }
        out = out or run.path / "align" / f"{gold_set.name}.readings.json"
    others |= aligners
    others["the diagonal"] = [diagonal(g.source, g.target) for g in gold_set.golds]
    if more is not None:
        others |= statistical(more, gold_set)
    else:
        console.print("fast_align is not scored: train it with --train SOURCE TARGET")
    rows |= {name: link_scores(alignment, gold_set) for name, alignment in others.items()}
    written = []
    if out is not None:
        record = {**text_facts(gold_set, gold), **facts, "rows": rows}
        write_json(out, {**record, **environment(), "date": timestamp()})
        written.append(out)
    if run is not None and pick:
        written.append(store_rule(run, chosen.best, gold_set))
    if facts.get("unmatched"):
        console.print(
            f"{facts['unmatched']} tokens of the gold alignment differ from the text that the "
            "model reads, and have no links"
        )
    return Group(*parts, table(rows)), written


def rule_rows(
    found: Sequence[MethodScores], chosen: MethodScores, rule: Rule
) -> dict[str, dict[str, Any]]:
    """Return the scores of the rule that is used, of the best rule, and of each other method's.

    Args:
        found: the scores of all rules of each method.
        chosen: those of the method of the rule.
        rule: the rule that is used.
    """
    rows = {rule_label(rule): chosen.of(rule).record()}
    if chosen.best.rule != rule:
        rows[f"{rule_label(chosen.best.rule)} (best here)"] = chosen.best.record()
    for one in found:
        if one is not chosen:
            label = f"{rule_label(one.best.rule)} (best of {one.method})"
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


def store_rule(run: RunFolder, best: RuleScores, gold_set: GoldSet) -> Path:
    """Write the best rule into the run, and return the file."""
    facts = {"rule": best.rule.record(), "picked_on": gold_set.name, "aer": best.tally.aer}
    write_json(run.path / RULE, facts)
    return run.path / RULE
