"""From attention over pieces to an alignment of words, drawn and written down.

A model returns every matrix it has; which of them is read, and how pieces become words, is decided
here and stored beside the result.
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from seq2seq import plot
from seq2seq.disk import read_lines, write_json
from seq2seq.errors import UserError
from seq2seq.run import RunFolder
from seq2seq.tokenizer import WORD_START
from seq2seq.translate import END, Translation, Translator


@dataclass(frozen=True)
class Rule:
    """Which matrix of a model is read as its alignment.

    layer and head count from 1. Without a layer the one before the last is read, and without a head
    the mean of all, which Garg et al. (2019) found to align best in a Transformer. A word's row is
    that of the step which predicts it; a word is the sum of its source pieces and the mean of its
    target pieces.
    """

    layer: int | None = None
    head: int | None = None

    def read(
        self, attention: Float[Tensor, "layers heads tgt src"]
    ) -> tuple[Float[ndarray, "tgt src"], dict[str, object]]:
        """The chosen matrix over pieces, and a record of the choice.

        Raises:
            UserError: the model has no such layer or head.
        """
        layers, heads = attention.shape[:2]
        layer = max(1, layers - 1) if self.layer is None else self.layer
        head = 1 if self.head is None else self.head
        for what, number, count in (("layer", layer, layers), ("head", head, heads)):
            if not 1 <= number <= count:
                raise UserError(f"there is no {what} {number}: this model has {count}")
        chosen = attention[layer - 1]
        matrix = chosen.mean(0) if self.head is None else chosen[head - 1]
        return matrix.float().numpy(), {
            "layer": layer,
            "layers": layers,
            "head": "mean" if self.head is None else head,
            "heads": heads,
            "row": "the step that predicts the piece",
            "source_pieces": "sum",
            "target_pieces": "mean",
        }


@dataclass(frozen=True)
class Alignment:
    """Words of both sides, `</s>` last, and how much each target word looked at each source word.

    weights has a row a target word and a column a source word; every row sums to one.
    """

    source: str
    target: str
    source_words: list[str]
    target_words: list[str]
    weights: list[list[float]]
    rule: dict[str, object]
    forced: bool  # the target was given, not searched
    log_probability: float

    @classmethod
    def of(cls, translation: Translation, rule: Rule, *, forced: bool) -> "Alignment":
        """The alignment of one translation that carries its attention.

        Raises:
            UserError: the source has no words, or the model no attention, or not the layer or head
                of the rule.
        """
        if translation.source_pieces == [END]:
            raise UserError("an empty sentence has no alignment")
        if translation.attention is None:
            raise UserError(
                "this model has no attention: it squeezes the source into one vector, so there is "
                "nothing to draw"
            )
        pieces, record = rule.read(translation.attention)
        source, target = words(translation.source_pieces), words(translation.target_pieces)
        return cls(
            source=translation.source,
            target=translation.text,
            source_words=[word for word, _ in source],
            target_words=[word for word, _ in target],
            weights=merge(pieces, source, target).tolist(),
            rule=record,
            forced=forced,
            log_probability=translation.log_probability,
        )


def words(pieces: list[str]) -> list[tuple[str, slice]]:
    """Words with the pieces that make them up; `</s>` is a word of its own."""
    starts = [
        i
        for i, piece in enumerate(pieces)
        if i == 0 or piece.startswith(WORD_START) or piece == END
    ]
    ends = [*starts[1:], len(pieces)]
    return [
        ("".join(pieces[start:end]).replace(WORD_START, ""), slice(start, end))
        for start, end in zip(starts, ends, strict=True)
    ]


def merge(
    pieces: Float[ndarray, "tgt src"],
    source: list[tuple[str, slice]],
    target: list[tuple[str, slice]],
) -> Float[ndarray, "tgt_words src_words"]:
    """Sum over the pieces of a source word, mean over those of a target word: rows stay at one."""
    columns = np.stack([pieces[:, span].sum(1) for _, span in source], axis=1)
    return np.stack([columns[span].mean(0) for _, span in target])


def align(
    path: str | Path,
    *,
    source: str | None = None,
    target: str | None = None,
    test: str | None = None,
    lines: str | None = None,
    reference: bool = False,
    beam: int | None = None,
    layer: int | None = None,
    head: int | None = None,
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
        layer: decoder layer to read, from 1.
        head: attention head to read, from 1.
        out: the picture, .png, .svg or .pdf; with several sentences their numbers are added.
        device: where to translate.

    Raises:
        UserError: a choice does not fit, the run is none, or its model has no attention.
    """
    if (source is None) == (test is None):
        raise UserError('give a sentence by --source "...", or --test NAME with --lines 3,17')
    if out is not None and out.suffix.lower() not in plot.FORMATS:
        raise UserError(f"--out {out} must end in {', '.join(plot.FORMATS)}")
    if target is not None and source is None:
        raise UserError("--target goes with --source; with --test, --reference reads its reference")
    if test is None and (lines is not None or reference):
        raise UserError("--lines and --reference go with --test NAME")
    run = RunFolder.open(path)
    if source is not None:
        chosen = {slug(source): (source, target)}
    else:
        chosen = from_test(run, str(test), lines, reference)
    translator, rule = Translator(run, beam=beam, device=device), Rule(layer, head)
    written = []
    for name, (text, forced) in chosen.items():
        if forced is None:
            translation = translator([text], attention=True)[0]
        else:
            translation = translator.force(text, forced)
        alignment = Alignment.of(translation, rule, forced=forced is not None)
        picture = out or run.path / "align" / f"{name}.png"
        if out is not None and len(chosen) > 1:
            picture = out.with_name(f"{out.stem}-{name}{out.suffix}")
        matrix = picture.with_suffix(".json")
        plot.heatmap(
            alignment.source_words, alignment.target_words, np.array(alignment.weights), picture
        )
        write_json(matrix, {"run": run.name, **asdict(alignment)})
        written += [picture, matrix]
    return written


def from_test(
    run: RunFolder, test: str, lines: str | None, reference: bool
) -> dict[str, tuple[str, str | None]]:
    """Source and reference (or None) of the chosen lines of a test set, by a name for each."""
    folder = run.test(test)
    sources, references = (read_lines(folder / f"{side}.txt") for side in ("source", "reference"))
    if lines is None:
        raise UserError(f"say which lines of {test}, such as --lines 3,17 (it has {len(sources)})")
    return {
        f"{test}-{number}": (sources[number - 1], references[number - 1] if reference else None)
        for number in numbers(lines, len(sources))
    }


def numbers(text: str, most: int) -> list[int]:
    """Line numbers from a list such as 3,17 or 1-5.

    Raises:
        UserError: it is no such list, or a line does not exist.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise UserError(f"--lines {text}: {part!r} is neither a number nor a range such as 1-5")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise UserError(f"--lines {text}: lines are counted from 1 to {most}")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def slug(text: str) -> str:
    """A file name from the first words of a sentence."""
    return "-".join(re.findall(r"\w+", text.lower())[:6])[:60] or "sentence"
