"""Heatmaps of single sentences, with their matrices beside them."""

import re
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seq2seq.alignment.gold import Gold, read_gold
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Alignment
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.plots import figure, heatmaps
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import read_back, write_json
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class Sentence(NamedTuple):
    """What is to be drawn: a source, its target unless that is to be found, and their gold."""

    source: str
    target: str | None = None
    gold: Gold | None = None

    def translated(self, translator: Translator) -> Translation:
        """Its translation with attention, searched or given."""
        if self.target is None:
            return translator([self.source], attention=True)[0]
        (translation,) = translator.force([(self.source, self.target)])
        return translation

    def aligned(
        self, translator: Translator, translation: Translation, rule: Rule | None = None
    ) -> Alignment:
        """Its alignment by a rule, the run's own if None.

        Raises:
            UserError: as `Alignment.of`.
        """
        return Alignment.of(
            translation,
            rule or chosen_rule(translator.run),
            translator.tokenizers,
            forced=self.target is not None,
            gold=self.gold,
        )


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
    out: Path | None = None,
    device: str = "auto",
) -> list[Path]:
    """Draw heatmaps, write the matrices beside them as JSON, and return all paths written.

    Args:
        path: the run folder.
        source: a sentence to translate.
        target: its translation, read instead of searched.
        test: take sentences of this test set instead.
        lines: which of them, counted from 1, such as 3,17 or 1-5.
        reference: read the references of the test set instead of searching.
        beam: another beam than the run's own.
        rule: how attention is read; the run's own choice, or the default, if None.
        out: the picture, .png, .svg or .pdf; with several sentences their numbers are added.
        device: where to translate.

    Raises:
        UserError: a choice does not fit, the run is none, or its model has no attention.
    """
    if (source is None) == (test is None):
        raise UserError('give a sentence by --source "...", or --test NAME with --lines 3,17')
    if out is not None and out.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {out} must end in {', '.join(figure.FORMATS)}")
    if target is not None and source is None:
        raise UserError("--target goes with --source; with --test, --reference reads its reference")
    if test is None and (lines is not None or reference):
        raise UserError("--lines and --reference go with --test NAME")
    if beam is not None and (target is not None or reference):
        raise UserError("--beam has no effect where a translation is given, not searched")
    run = RunFolder.open(path)
    if source is not None:
        chosen = {slug(source): Sentence(source, target)}
    else:
        chosen = from_test(run, str(test), lines, reference)
    translator = Translator(run, beam=beam, device=device)
    written = []
    for name, sentence in chosen.items():
        alignment = sentence.aligned(translator, sentence.translated(translator), rule)
        picture = out or run.path / "align" / f"{name}.png"
        if out is not None and len(chosen) > 1:
            picture = out.with_name(f"{out.stem}-{name}{out.suffix}")
        matrix = picture.with_suffix(".json")
        heatmaps.heatmap(
            alignment.source_words,
            alignment.target_words,
            np.array(alignment.weights),
            picture,
            gold=sentence.gold and sentence.gold.links,
        )
        write_json(matrix, {"run": run.name, **asdict(alignment)})
        written += [picture, matrix]
    return written


def from_test(
    run: RunFolder, test: str, lines: str | None, reference: bool, *, option: str = "--lines"
) -> dict[str, Sentence]:
    """The chosen lines of a test set, by a name for each; gold goes with the references.

    `option` is what the user gave the lines by.
    """
    folder = run.test(test)
    sources, references = (read_back(folder / f"{side}.txt") for side in ("source", "reference"))
    if lines is None:
        raise UserError(
            f"say which lines of {test} to draw, such as --lines 3,17 (it has {len(sources)}); all "
            "of it is scored against gold by `seq2seq score-alignment` and written by `seq2seq "
            "export-alignment`"
        )
    chosen = numbers(lines, len(sources), option)
    if not reference:
        return {f"{test}-{n}": Sentence(sources[n - 1]) for n in chosen}
    golds = dict(enumerate(read_gold(folder) or [], 1))
    return {
        f"{test}-{n}": Sentence(sources[n - 1], references[n - 1], golds.get(n)) for n in chosen
    }


def numbers(text: str, most: int, option: str = "--lines") -> list[int]:
    """Line numbers from a list such as 3,17 or 1-5.

    Raises:
        UserError: it is no such list, or a line does not exist.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})(?:-([0-9]{1,18}))?\s*", part)
        if not match:
            raise UserError(
                f"{option} {text}: {part!r} is neither a number nor a range such as 1-5"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise UserError(f"{option} {text}: lines are counted from 1 to {most}")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def slug(text: str) -> str:
    """A file name from the first words of a sentence, and a hash where it has more of them."""
    words = re.findall(r"\w+", text.lower())
    name = "-".join(words[:6])[:60]
    if name == "-".join(words):
        return name or "sentence"
    return f"{name}-{sha256(text.encode()).hexdigest()[:6]}"
