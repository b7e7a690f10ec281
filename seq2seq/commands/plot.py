"""`seq2seq plot`: figures of the attention, or of another method, of one sentence."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from seq2seq.alignment.method_names import WITHOUT_LAYERS, Hide, MethodName
from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import Sentence, drawn, from_test, labelled, slug
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import changed, chosen_rule
from seq2seq.interpret.maps import MapName, attention_in, check_maps
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.interpret.rule_scores import numbers
from seq2seq.plots import figure, heatmaps
from seq2seq.plots.alignment_lines import draw_lines
from seq2seq.plots.panel import Panel
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.short_names import short_names
from seq2seq.runs.weights import read_weights, set_weights
from seq2seq.translation.translator import Translator

Kind = Literal["runs", "heads", "lines", "steps"]

ACROSS = 4  # heatmaps per row of `plot steps`
FRAMES = 12  # maximum number of heatmaps of `plot steps`


def plot(
    kind: Kind,
    paths: Sequence[Path],
    *,
    source: str | None = None,
    target: str | None = None,
    test: str | None = None,
    line: int | None = None,
    reference: bool = False,
    beam: int | None = None,
    name: MapName = "source",
    layer: str | None = None,
    head: str | None = None,
    method: MethodName | None = None,
    hide: Hide | None = None,
    forms: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> Path:
    """Draw the attention of one sentence, and return the path of the figure.

    Args:
        kind: `runs` draws heatmaps of several runs side by side; `heads` draws all layers and heads
            of one run, with a frame around the one that its extraction rule reads; `lines` draws
            lines between two rows of words; `steps` draws the checkpoints of one run.
        paths: the run folders.
        source: a source sentence.
        target: a translation to force-decode instead of searching for one.
        test: take the sentence from this test set.
        line: the line number in the test set, counted from 1.
        reference: force-decode the reference, and draw its gold links if there are any.
        beam: beam size; that of the run if None.
        name: the map to draw.
        layer: the layer, counted from 1, or mean; that of the rule if None.
        head: the head, counted from 1, or mean; that of the rule if None.
        method: the method; that of each run's rule if None.
        hide: how the method `occlusion` hides a word.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        out: the figure, .png, .svg or .pdf; in the first run's folder align/ if None.
        device: the device to translate on.

    Raises:
        UserError: the options contradict each other, a path is not a run folder, or a model has no
            such attention.
    """
    runs = [RunFolder.open(path) for path in paths]
    if kind != "runs" and len(runs) > 1:
        raise UserError(f"plot {kind} takes one run, but {len(runs)} are given")
    names = short_names(run.path for run in runs)
    if beam is not None and (target is not None or reference):
        raise UserError("--beam has no effect with a given translation (--target, --reference)")
    if kind == "heads" and (layer, head) != (None, None):
        raise UserError("plot heads draws all layers and heads: omit --layer and --head")
    key, sentence = chosen_sentence(
        runs[0], source=source, target=target, test=test, line=line, reference=reference
    )
    shown = Shown(name, layer, head, method, hide)
    if kind == "heads" and method is None and shown.rule(runs[0]).method in WITHOUT_LAYERS:
        shown = shown._replace(method="attention")  # the method of the rule has no heads to draw
    rules = [shown.rule(run) for run in runs]
    label = labelled(f"{key}-{kind}", rules[0], name)
    picture = out or runs[0].path / "align" / f"{label}.png"
    if picture.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {picture} must end in {', '.join(figure.FORMATS)}")
    refuse_forms(forms, *rules)
    translators = [with_forms(Translator(run, beam=beam, device=device), forms) for run in runs]
    first = translators[0]
    match kind:
        case "runs":
            translations = [
                sentence.translated(translator, rule, name)
                for translator, rule in zip(translators, rules, strict=True)
            ]
            check_maps(dict(zip(names, translations, strict=True)), name)
            panels = [
                drawn(translator, sentence, translation, rule, name)[0]._replace(title=title)
                for translator, translation, rule, title in zip(
                    translators, translations, rules, names, strict=True
                )
            ]
            heatmaps.draw_side_by_side(panels, picture)
        case "lines":
            translation = sentence.translated(first, rules[0], name)
            draw_lines(drawn(first, sentence, translation, rules[0], name)[0], picture)
        case "heads":
            heatmaps.draw_grid(heads(first, sentence, shown), picture)
        case "steps":
            heatmaps.draw_grid(steps(first, sentence, shown), picture)
    return picture


def chosen_sentence(
    run: RunFolder,
    *,
    source: str | None,
    target: str | None,
    test: str | None,
    line: int | None,
    reference: bool,
) -> tuple[str, Sentence]:
    """Return the sentence that the options choose, and a name for its figure.

    Raises:
        UserError: the options contradict each other, or there is no such line.
    """
    if (source is None) == (test is None):
        raise UserError('give a sentence with --source "...", or with --test NAME --line 3')
    if (target is not None and source is None) or (reference and test is None):
        raise UserError("--target needs --source, and --reference needs --test")
    if line is not None and test is None:
        raise UserError("--line needs --test NAME")
    if source is not None:
        return slug(source), Sentence(source, target)
    if line is None:
        raise UserError(f"give a line number of {test}, such as --line 3")
    ((key, sentence),) = from_test(run, str(test), str(line), reference, option="--line").items()
    return key, sentence


class Shown(NamedTuple):
    """What is shown of a translation: a map, its layer and head, and the method.

    Attributes:
        name: the map.
        layer: the layer, counted from 1, or mean; that of the rule if None.
        head: the head, counted from 1, or mean; that of the rule if None.
        method: the method; that of the rule if None.
        hide: how the method `occlusion` hides a word; as in the rule if None.
    """

    name: MapName = "source"
    layer: str | None = None
    head: str | None = None
    method: MethodName | None = None
    hide: Hide | None = None

    def rule(self, run: RunFolder) -> Rule:
        """Return the rule of a run with these choices.

        The rule of a run applies to maps to the source alone, the default rule to others.
        """
        rule = chosen_rule(run) if self.name == "source" else Rule()
        return changed(rule, layer=self.layer, head=self.head, method=self.method, hide=self.hide)


SOURCE = Shown()


def heads(translator: Translator, sentence: Sentence, shown: Shown = SOURCE) -> list[list[Panel]]:
    """Return a row of heatmaps for each layer, a column for each head, and their means last."""
    name, rule = shown.name, shown.rule(translator.run)
    translation = sentence.translated(translator, rule, name)
    if name == "source":
        explained = sentence.explained(translator, translation, rule)
        layers, heads = explained.map.values.shape[:2]
    else:
        layers, heads = attention_in(translation, name, translator.run.name).shape[:2]
    if (layers, heads) == (1, 1) and rule.method != "attention":
        raise UserError(
            f"plot heads draws all layers and heads, but {rule.method} has one map here: draw it "
            "with seq2seq align, or give --method attention"
        )
    chosen = rule.resolve(layers, heads)
    rows = []
    for layer in numbers(layers):
        row = []
        for head in numbers(heads):
            one = replace(rule, layer=layer, head=head)
            names = [
                f"mean of {what}s" if number == "mean" else f"{what} {number}"
                for what, number in (("layer", layer), ("head", head))
                if what == "layer" or heads > 1 or rule.method == "attention"
            ]
            heatmap, _ = drawn(translator, sentence, translation, one, name)
            framed = name == "source" and one == chosen
            row.append(heatmap._replace(title=", ".join(names), framed=framed))
        rows.append(row)
    return rows


def steps(translator: Translator, sentence: Sentence, shown: Shown = SOURCE) -> list[list[Panel]]:
    """Return heatmaps of the same translation, force-decoded by checkpoints in training order."""
    files = list(translator.run.checkpoints.items())
    if len(files) < 2:
        raise UserError(
            f"plot steps needs at least 2 checkpoints, but {translator.run.name} has kept "
            f"{len(files)}: train with train.keep_every to keep more"
        )
    chosen = np.linspace(0, len(files) - 1, min(len(files), FRAMES)).round().astype(int)
    rule = shown.rule(translator.run)
    sentence = sentence._replace(target=sentence.translated(translator, rule).text)
    panels = []
    for step, file in [files[i] for i in chosen]:
        set_weights(translator.model, read_weights(file), file)
        translation = sentence.translated(translator, rule, shown.name)
        panel, _ = drawn(translator, sentence, translation, rule, shown.name)
        panels.append(panel._replace(title=f"step {step:,}"))
    return [panels[i : i + ACROSS] for i in range(0, len(panels), ACROSS)]
