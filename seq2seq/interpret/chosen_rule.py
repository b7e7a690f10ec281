"""The extraction rule of a run: stored in align/rule.json, changed on the command line."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from seq2seq.alignment.method_names import (
    WITHOUT_HEADS,
    WITHOUT_LAYERS,
    Hide,
    MethodName,
    hides_words,
)
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.nested import section
from seq2seq.runs.untrusted import read_json
from seq2seq.settings.ranges import Positive
from seq2seq.settings.schema import check, coerce

RULE = Path("align") / "rule.json"  # in a run folder; chosen on a development set


def chosen_rule(run: RunFolder) -> Rule:
    """Return the rule stored in a run (by `score-alignment --rule auto`), or the default.

    The default of a run with guided attention reads the head that was guided.

    Raises:
        UserError: the file of the rule is invalid.
    """
    file = run.path / RULE
    if not file.is_file():
        return guided_rule(run)
    try:
        content = read_json(file)
    except UserError as error:
        raise UserError(f"{error} (delete it to use the default rule)") from error
    try:
        return Rule(**check(Rule, content.get("rule"), "rule"))
    except UserError as error:
        raise UserError(
            f"{file} cannot be read as a rule: {error} (delete it to use the default rule)"
        ) from error


def guided_rule(run: RunFolder) -> Rule:
    """Return the rule that reads the head of guided attention; the default rule without it.

    Raises:
        UserError: config.yaml has an invalid layer or head.
    """
    settings = section(run.config, "train")
    if not settings.get("guided_attention"):
        return Rule()
    layer, head = (
        coerce(settings.get(f"guided_{what}"), Positive | None, f"train.guided_{what}")
        for what in ("layer", "head")
    )
    return Rule(layer=layer, head=head or 1)


def changed(
    rule: Rule,
    *,
    layer: str | None = None,
    head: str | None = None,
    shift: bool | None = None,
    end: Literal["keep", "drop", "renormalise"] | None = None,
    threshold: float | None = None,
    method: MethodName | None = None,
    hide: Hide | None = None,
) -> Rule:
    """Return a rule with the given values replaced; None keeps a value.

    A rule is chosen for its method, so for another method all other values are the default ones.

    Raises:
        UserError: layer or head is neither a number nor `mean`, or a value has no effect with the
            method.
    """
    if method is not None and method != rule.method:
        rule = Rule(method=method)
    if hide is not None and not hides_words(rule.method):
        raise UserError(
            f"--hide {hide} has no effect with --method {rule.method}: it hides words "
            "with --method occlusion"
        )
    for what, value, without in (("layer", layer, WITHOUT_LAYERS), ("head", head, WITHOUT_HEADS)):
        if value is not None and rule.method in without:
            raise UserError(
                f"--{what} has no effect with --method {rule.method}: its map has one {what}"
            )
    if end is not None and rule.method in WITHOUT_LAYERS:
        raise UserError(
            f"--end {end} has no effect with --method {rule.method}: </s> has no value in its map"
        )
    return replace(
        rule,
        layer=rule.layer if layer is None else number("layer", layer),
        head=rule.head if head is None else number("head", head),
        shift=rule.shift if shift is None else shift,
        end=end or rule.end,
        threshold=rule.threshold if threshold is None else threshold,
        hide=hide or rule.hide,
    )


def number(what: str, text: str) -> int | Literal["mean"]:
    """Parse the number of a layer or head, or `mean`."""
    if text == "mean":
        return "mean"
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UserError(f"--{what} {text[:40]}: give a number from 1, or mean")
    return int(text)
