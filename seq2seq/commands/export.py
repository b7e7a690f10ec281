"""`seq2seq export`: write a trained model in the format of another program, and verify it."""

from pathlib import Path
from typing import Literal, NamedTuple

from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.export import checks, ctranslate2, hf_transformers, onnx, onnx_runtime
from seq2seq.export.ctranslate2 import Quantization
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.runs.folder import RunFolder
from seq2seq.system.text_lines import read_lines
from seq2seq.translation.translator import Translator

Format = Literal["ctranslate2", "onnx", "transformers"]
TOLERANCE = 1e-4  # of logits


class Verified(NamedTuple):
    """How many lines both programs translate in the same way.

    Attributes:
        lines: the number of lines.
        different: the numbers of the lines that differ, counted from 1.
        difference: the largest absolute difference of logits; None if not computed.
    """

    lines: int
    different: list[int]
    difference: float | None

    @property
    def equal(self) -> bool:
        """Whether all lines are the same, and the logits up to rounding."""
        return not self.different and (self.difference is None or self.difference <= TOLERANCE)


def export(
    path: str | Path,
    *,
    to: Format,
    out: Path,
    quantization: Quantization = "float32",
    rule: Rule | None = None,
    verify: Path | None = None,
) -> Verified | None:
    """Write a run as a model of another program.

    Args:
        path: the run folder.
        to: the format.
        out: the new folder of the exported model.
        quantization: type of the weights; int8 for ctranslate2 only.
        rule: chooses the attention that a ctranslate2 model returns; that of the run if None.
        verify: a file of source sentences, to translate with both programs.

    Returns:
        The comparison of the translations; None without `verify`.

    Raises:
        UserError: the folder exists, the file has no lines, an argument has no effect, or the
            format cannot hold the model.
    """
    if to != "ctranslate2" and (quantization != "float32" or rule is not None):
        raise UserError(f"--quantization and --rule have no effect with --to {to}")
    if out.exists():
        raise UserError(f"{out} exists already: name another folder, or delete it")
    texts = list(read_lines(verify)) if verify is not None else None
    if texts == []:
        raise UserError(f"{verify} has no lines to translate")
    run = RunFolder.open(path)
    checks.require(to)
    translator = Translator(run, device="cpu")
    if to == "ctranslate2":
        ctranslate2.export(translator, rule or chosen_rule(run), out, quantization)
        decode = ctranslate2.decode
    elif to == "onnx":
        onnx.export(translator, out)
        decode = onnx_runtime.decode
    else:
        hf_transformers.export(translator, out)
        decode = hf_transformers.decode
    if texts is None:
        return None
    decoded = decode(translator, out, texts)
    return Verified(len(texts), decoded.different, decoded.difference)
