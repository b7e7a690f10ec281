"""`seq2seq align`: heatmaps of attention, or of another method, and the matrices as JSON."""

import re
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seq2seq.alignment.gold import Gold, read_gold
from seq2seq.alignment.rule import Rule
from seq2seq.commands.align_contrast import contrast_panel
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Alignment, Explained, explain
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.interpret.contrast import Instead, contrast
from seq2seq.interpret.maps import MapName, attention_in, word_map
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.interpret.token_scores import HIDE, score_translations
from seq2seq.plots import figure, heatmaps
from seq2seq.plots.panel import NO_GOLD, Panel
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import read_lines_checked, write_json
from seq2seq.translation.translation import END, Translation
from seq2seq.translation.translator import Translator


class Sentence(NamedTuple):
    """A sentence to draw.

    Attributes:
        source: the source sentence.
        target: the translation to force-decode; None to search for one.
        gold: the gold word alignment, if there is one.
    """

    source: str
    target: str | None = None
    gold: Gold | None = None

    def translated(
        self, translator: Translator, rule: Rule, name: MapName = "source"
    ) -> Translation:
        """Return its translation with attention: the search result, or the given target.

        Args:
            translator: the trained run.
            rule: names the method. Attention is that of the search; for any other method, the
                translation that was found is force-decoded.
            name: the map that is needed. Search returns that of the source alone; for any other
                map, the translation is force-decoded.
        """
        searched = name == "source" and rule.method == "attention"
        if self.target is None:
            translation = translator([self.source], attention=searched)[0]
        else:
            (translation,) = translator.force([(self.source, self.target)])
        if searched:
            return translation
        pair = (self.source, translation.text)
        (forced,) = translator.force([pair], maps=name != "source")
        return replace(forced, log_probability=translation.log_probability)

    def explained(self, translator: Translator, translation: Translation, rule: Rule) -> Explained:
        """Apply the method of a rule to the translation.

        Raises:
            UserError: the source is empty, or the method cannot be applied to this model.
        """
        if translation.source_pieces == [END]:
            raise UserError("an empty sentence has no alignment")
        return explain(translator, [translation], rule, [self.gold])[0]

    def aligned(self, translator: Translator, translation: Translation, rule: Rule) -> Alignment:
        """Return its alignment by an extraction rule.

        Raises:
            UserError: as in `explained`, or the map does not have the layer or head of the rule.
        """
        explained = self.explained(translator, translation, rule)
        return Alignment.of(explained, rule, forced=self.target is not None)


def align(
    path: str | Path,
    *,
    source: str | None = None,
    target: str | None = None,
    test: str | None = None,
    lines: str | None = None,
    reference: bool = False,
    beam: int | None = None,
    rule: Rule | None = None,
    name: MapName = "source",
    source_share: bool = False,
    forms: Path | None = None,
    instead: str | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> list[Path]:
    """Draw heatmaps, write their matrices as JSON, and return the paths of all files.

    Args:
        path: the run folder.
        source: a source sentence.
        target: a translation to force-decode instead of searching for one.
        test: take the sentences from this test set.
        lines: line numbers in the test set, counted from 1, such as 3,17 or 1-5.
        reference: force-decode the references of the test set.
        beam: beam size; that of the run if None.
        rule: the extraction rule; that of the run, or the default, if None.
        name: the map to draw. If it is not that of the source, the rule must be of the method
            attention, and None is the default rule.
        source_share: also show how much of each target word the source explains.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        instead: another word, to draw why the target has not this one (`Instead.parse`).
        out: the figure, .png, .svg or .pdf; for several sentences their names are appended.
        device: the device to translate on.

    Raises:
        UserError: the options contradict each other, the path is not a run folder, or the model has
            no such attention.
    """
    if (source is None) == (test is None):
        raise UserError('give a sentence with --source "...", or with --test NAME --lines 3,17')
    if out is not None and out.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {out} must end in {', '.join(figure.FORMATS)}")
    if target is not None and source is None:
        raise UserError("--target needs --source; with --test, use --reference")
    if test is None and (lines is not None or reference):
        raise UserError("--lines and --reference need --test NAME")
    if beam is not None and (target is not None or reference):
        raise UserError("--beam has no effect with a given translation (--target, --reference)")
    run = RunFolder.open(path)
    if source is not None:
        chosen = {slug(source): Sentence(source, target)}
    else:
        chosen = from_test(run, str(test), lines, reference)
    if instead is not None and len(chosen) > 1:
        raise UserError("--instead explains one sentence: give one line number with --lines")
    # The rule of a run is chosen by its links, so it does not apply to other maps.
    rule = rule or (chosen_rule(run) if name == "source" else Rule())
    if instead is None:
        refuse_forms(forms, rule)
    elif forms is not None and Instead.parse(instead).old is not None:
        raise UserError("--forms has no effect with --instead OLD=NEW, which names the word")
    translator = with_forms(Translator(run, beam=beam, device=device), forms)
    written = []
    for key, sentence in chosen.items():
        label = labelled(key if instead is None else f"{key}-not-{slug(instead)}", rule, name)
        picture = out or run.path / "align" / f"{label}.png"
        if out is not None and len(chosen) > 1:
            picture = out.with_name(f"{out.stem}-{key}{out.suffix}")
        matrix = picture.with_suffix(".json")
        translation = sentence.translated(translator, rule, name)
        if instead is not None:
            found = contrast(translator, translation, instead, rule, sentence.gold)
            panel, record = contrast_panel(found, rule.method)
        else:
            panel, record = drawn(translator, sentence, translation, rule, name)
        if source_share:
            panel, record = with_shares(translator, translation, sentence.gold, panel, record)
        heatmaps.draw_side_by_side([panel], picture)
        write_json(matrix, {"run": run.name, **record})
        written += [picture, matrix]
    return written


def drawn(
    translator: Translator,
    sentence: Sentence,
    translation: Translation,
    rule: Rule,
    name: MapName = "source",
) -> tuple[Panel, dict[str, Any]]:
    """Return one map of a translation as a heatmap, and as values for JSON.

    Args:
        translator: the trained run.
        sentence: the source and the gold links.
        translation: the translation, with this map.
        rule: the extraction rule.
        name: the map.
    """
    if name == "source":
        alignment = sentence.aligned(translator, translation, rule)
        links = sentence.gold.links if sentence.gold else NO_GOLD
        weights = np.array(alignment.weights)
        panel = Panel(
            alignment.source_words,
            alignment.target_words,
            weights,
            gold=links,
            rows="from target",
            columns=("to source" if rule.method == "attention" else f"to source, {rule.method}",),
            signed=alignment.signed,
        )
        return panel, asdict(alignment)
    found = word_map(translator, translation, name, rule, sentence.gold)
    layers, heads = attention_in(translation, name, translator.run.name).shape[:2]
    rule = rule.resolve(layers, heads)
    panel = Panel(
        found.columns,
        found.rows,
        found.weights,
        rows=f"from {found.row_side}",
        columns=tuple(f"to {side}" for side in found.column_sides),
        border=found.border,
    )
    record = {
        "map": name,
        "source": translation.source,
        "target": translation.text,
        "rows": found.rows,
        "columns": found.columns,
        "source_columns": found.border,
        "weights": found.weights.tolist(),
        "rule": {"layer": rule.layer, "head": rule.head, "layers": layers, "heads": heads},
        "forced": sentence.target is not None,
        "log_probability": translation.log_probability,
    }
    return panel, record


def with_shares(
    translator: Translator,
    translation: Translation,
    gold: Gold | None,
    panel: Panel,
    record: dict[str, Any],
) -> tuple[Panel, dict[str, Any]]:
    """Add to a heatmap and its values how much of each target word the source explains."""
    pair = (translation.source, translation.text)
    tokens = None if gold is None else [gold.target]
    (scored,) = score_translations(translator, [pair], source_share=True, tokens=tokens, end=True)
    words, count = scored.words, len(panel.target)  # with a rule with `shift`, without `</s>`
    assert words.hidden is not None
    shares = words.shares[:count]
    added = {
        "hide": HIDE,
        "share": shares,
        "log_p": words.log_p[:count].tolist(),
        "hidden_log_p": words.hidden[:count].tolist(),
    }
    return panel._replace(shares=shares), {**record, "source_share": added}


def labelled(key: str, rule: Rule, name: MapName) -> str:
    """Return the file name of a figure: that of the sentence, with the method or map if special."""
    parts = [key, rule.method.replace(":", "-") if rule.method != "attention" else ""]
    return "-".join(filter(None, [*parts, name if name != "source" else ""]))


def from_test(
    run: RunFolder, test: str, lines: str | None, reference: bool, *, option: str = "--lines"
) -> dict[str, Sentence]:
    """Return the given lines of a test set by name, such as "test-3".

    Args:
        run: the run folder.
        test: the name of the test set.
        lines: line numbers, such as 3,17 or 1-5.
        reference: also return the references and their gold alignments.
        option: the command-line option of `lines`, for messages.
    """
    folder = run.test(test)
    sources, references = (
        read_lines_checked(folder / f"{side}.txt") for side in ("source", "reference")
    )
    if lines is None:
        raise UserError(
            f"give line numbers of {test}, such as --lines 3,17 (it has {len(sources)} lines); for "
            "a whole test set use `seq2seq score-alignment` or `seq2seq export-alignment`"
        )
    chosen = numbers(lines, len(sources), option)
    if not reference:
        return {f"{test}-{n}": Sentence(sources[n - 1]) for n in chosen}
    golds = dict(enumerate(read_gold(folder) or [], 1))
    return {
        f"{test}-{n}": Sentence(sources[n - 1], references[n - 1], golds.get(n)) for n in chosen
    }


def numbers(text: str, most: int, option: str = "--lines") -> list[int]:
    """Parse line numbers such as 3,17 or 1-5.

    Raises:
        UserError: the text is not of this form, or a line does not exist.
    """
    parsed: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})(?:-([0-9]{1,18}))?\s*", part)
        if not match:
            raise UserError(
                f"{option} {text}: {part!r} is neither a number nor a range such as 1-5"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise UserError(f"{option} {text}: lines are counted from 1 to {most}")
        parsed += range(first, last + 1)
    return list(dict.fromkeys(parsed))


def slug(text: str) -> str:
    """Return a file name of the first words of a sentence, with a hash if words are omitted."""
    words = re.findall(r"\w+", text.lower())
    name = "-".join(words[:6])[:60]
    if name == "-".join(words):
        return name or "sentence"
    return f"{name}-{sha256(text.encode()).hexdigest()[:6]}"
