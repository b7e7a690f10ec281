"""What exports share: checks, and the comparison of both programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder
from seq2seq.translation.translator import Translator, translate

NEVER = -1e4  # output bias of tokens that are never predicted: padding and BOS
POSITIONS = 1024  # maximum length in tokens, more than any sentence of a usual corpus
AT_ONCE = 64  # sentences in a batch of another program
PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime")}  # of formats that need several


class Decoded(NamedTuple):
    """Greedy translations by two programs.

    Attributes:
        ours: the pieces of each translation by this package.
        theirs: the same by the other program.
        difference: the largest absolute difference of logits; None if not computed.
    """

    ours: list[list[str]]
    theirs: list[list[str]]
    difference: float | None = None

    @property
    def different(self) -> list[int]:
        """The lines, counted from 1, that differ."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [line for line, (ours, theirs) in enumerate(pairs, 1) if ours != theirs]


def compare(
    translator: Translator,
    texts: Sequence[str],
    decode: Callable[[list[str], int], list[list[str]]],
) -> Decoded:
    """Translate texts with this package and another program, greedily and with the same limit.

    A text without pieces is not given to the other program: this package translates it as an
    empty text without asking the model.

    Args:
        translator: the trained run.
        texts: the source texts.
        decode: returns the pieces of the other program's translations, given texts and the maximum
            length in pieces.
    """
    # No limit depends on the length of the source, since other programs have one for all.
    greedy = replace(translator.search.greedy(), length_ratio=1000.0)
    found = translate(translator.model, translator.tokenizers, greedy, texts)
    asked = [i for i, ids in enumerate(translator.tokenizers.source.encode(texts)) if ids]
    theirs: list[list[str]] = [[] for _ in texts]
    if asked:
        decoded = decode([texts[i] for i in asked], greedy.max_length)
        for number, pieces in zip(asked, decoded, strict=True):
            theirs[number] = pieces
    return Decoded([best.target_pieces[:-1] for best, *_ in found], theirs)


def require(extra: str) -> None:
    """Check that the packages of an extra are installed: several, or one of the same name.

    Raises:
        UserError: one of them is not.
    """
    for package in PACKAGES.get(extra, (extra,)):
        if find_spec(package) is None:
            raise UserError(
                f"this format needs the package {package}: pip install 'seq2seq-toolkit[{extra}]'"
            )


def check_transformer(
    model: object, program: str, known: Mapping[str, Sequence[str]]
) -> TransformerEncoderDecoder:
    """Return the model if it is a Transformer with parts that a program has.

    Args:
        model: the model.
        program: the name of the program.
        known: the values that it has, by key of the model.

    Raises:
        UserError: it is another model, or has another value; the message names what it needs.
    """
    if not isinstance(model, TransformerEncoderDecoder):
        raise UserError(
            f"the export to {program} is for Transformer encoder-decoders, and this run is a "
            f"{type(model).__name__}: train model=transformer"
        )
    for key, values in known.items():
        value = getattr(model.parts, key)
        if value not in values:
            raise UserError(
                f"this run has model.{key}={value}, but the export to {program} is for "
                f"{' and '.join(values)}"
            )
    if len(model.prefix):
        raise UserError(
            f"this run has model.target_prefix={model.prefix.tolist()}, tokens that its decoder "
            f"reads before <s>, which the export to {program} cannot express"
        )
    return model
