"""Figures of one sentence: several runs, all heads, lines between words, the course of training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import Sentence, from_test, slug
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.interpret.heads import numbers
from seq2seq.plots import figure, heatmaps
from seq2seq.plots.heatmaps import Panel
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import read_weights, set_weights
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator

Kind = Literal["runs", "heads", "lines", "steps"]

ACROSS = 4  # pictures of a film strip in one row
FRAMES = 12  # pictures of a film strip in all


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
    out: Path | None = None,
    device: str = "auto",
) -> Path:
    """Draw one sentence, and return the path of the picture.

    Args:
        kind: `runs` side by side; all layers and `heads` of one run, the one that its rule reads
            framed; `lines` between two rows of words; or `steps`, the checkpoints of a training.
        paths: the run folders.
        source: a sentence to translate.
        target: its translation, read instead of searched.
        test: take a sentence of this test set instead.
        line: which of them, counted from 1.
        reference: read the reference of the test set, with its gold if there is one.
        beam: another beam than the runs' own.
        out: the picture, .png, .svg or .pdf.
        device: where to translate.

    Raises:
        UserError: a choice does not fit, a run is none, or its model has no attention.
    """
    runs = [RunFolder.open(path) for path in paths]
    if kind != "runs" and len(runs) > 1:
        raise UserError(f"plot {kind} draws one run, but {len(runs)} are given")
    if (source is None) == (test is None):
        raise UserError('give a sentence by --source "...", or --test NAME with --line 3')
    if (target is not None and source is None) or (reference and test is None):
        raise UserError("--target goes with --source, and --reference with --test")
    if line is not None and test is None:
        raise UserError("--line goes with --test NAME")
    if beam is not None and (target is not None or reference):
        raise UserError("--beam has no effect where a translation is given, not searched")
    if source is not None:
        name, sentence = slug(source), Sentence(source, target)
    else:
        if line is None:
            raise UserError(f"say which line of {test}, such as --line 3")
        chosen = from_test(runs[0], str(test), str(line), reference, option="--line")
        ((name, sentence),) = chosen.items()
    picture = out or runs[0].path / "align" / f"{name}-{kind}.png"
    if picture.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {picture} must end in {', '.join(figure.FORMATS)}")
    translators = [Translator(run, beam=beam, device=device) for run in runs]
    first = translators[0]
    match kind:
        case "runs":
            names = [run.name for run in runs]
            if len(set(names)) < len(names):
                names = [str(run.path) for run in runs]
            panels = [
                panel(t, sentence, sentence.translated(t), title=name)
                for t, name in zip(translators, names, strict=True)
            ]
            heatmaps.beside(panels, picture)
        case "lines":
            heatmaps.lines(panel(first, sentence, sentence.translated(first)), picture)
        case "heads":
            heatmaps.multiples(heads(first, sentence), picture)
        case "steps":
            heatmaps.multiples(steps(first, sentence), picture)
    return picture


def panel(
    translator: Translator,
    sentence: Sentence,
    translation: Translation,
    rule: Rule | None = None,
    title: str | None = None,
) -> Panel:
    """A translation by a rule, the run's own if None, under the run's name if it has no title."""
    alignment = sentence.aligned(translator, translation, rule)
    return Panel(
        alignment.source_words,
        alignment.target_words,
        np.array(alignment.weights),
        translator.run.name if title is None else title,
        sentence.gold.links if sentence.gold else heatmaps.NO_GOLD,
    )


def heads(translator: Translator, sentence: Sentence) -> list[list[Panel]]:
    """A row for each layer and a column for each head, their means last."""
    translation = sentence.translated(translator)
    if translation.attention is None:
        raise UserError(f"{translator.run.name} has no attention, so there is nothing to draw")
    layers, heads = translation.attention.shape[:2]
    rule = chosen_rule(translator.run).resolve(layers, heads)
    rows = []
    for layer in numbers(layers):
        row = []
        for head in numbers(heads):
            one = replace(rule, layer=layer, head=head)
            names = [
                f"mean of {what}s" if number == "mean" else f"{what} {number}"
                for what, number in (("layer", layer), ("head", head))
            ]
            drawn = panel(translator, sentence, translation, one, ", ".join(names))
            row.append(drawn._replace(framed=one == rule))
        rows.append(row)
    return rows


def steps(translator: Translator, sentence: Sentence) -> list[list[Panel]]:
    """The same translation, read by the checkpoints of a training from the first to the last."""
    files = sorted(translator.run.path.glob("checkpoints/step-*.safetensors"))
    if len(files) < 2:
        raise UserError(
            f"{translator.run.name} has kept {len(files)} checkpoints, too few for a film strip: "
            "train with a larger train.average, and that many are kept"
        )
    chosen = np.linspace(0, len(files) - 1, min(len(files), FRAMES)).round().astype(int)
    sentence = sentence._replace(target=sentence.translated(translator).text)
    strip = []
    for file in [files[i] for i in chosen]:
        set_weights(translator.model, read_weights(file), file)
        title = f"step {int(file.stem.removeprefix('step-')):,}"
        strip.append(panel(translator, sentence, sentence.translated(translator), title=title))
    return [strip[i : i + ACROSS] for i in range(0, len(strip), ACROSS)]
