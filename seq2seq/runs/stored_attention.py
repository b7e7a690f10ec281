"""The file with the word-level attention of a test set's translations."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from seq2seq.errors import UserError
from seq2seq.system.files import read_lines_checked, replacing, sha256

FILE = "attention.safetensors"  # in hyps/TEST/
MOST = 1 << 28  # maximum size in bytes, ten times the size of 3,000 long sentences


class WordAttention(NamedTuple):
    """The words of one translation and the attention between them; empty for an empty source.

    `</s>` is the last word on both sides; with an extraction rule with `shift`, it is not in the
    target. `weights` has a row per target word and a column per source word; 255 is 1.0.
    """

    source: list[str]
    target: list[str]
    weights: UInt8[ndarray, "target source"]


def write(folder: Path, lines: Sequence[WordAttention], rule: dict[str, Any]) -> None:
    """Write the attention of the hypotheses into the folder of a test set.

    The file is safetensors with two uint8 vectors, `words` ([[source, target], ...] as JSON in
    UTF-8) and `weights` (of all lines, concatenated). The metadata has the SHA-256 of
    hypothesis.txt and the extraction rule.

    Args:
        folder: the folder of the test set, with hypothesis.txt.
        lines: the attention of each hypothesis.
        rule: the extraction rule.
    """
    words = json.dumps([[line.source, line.target] for line in lines], ensure_ascii=False)
    label = json.dumps({"hypothesis_sha256": sha256(folder / "hypothesis.txt"), "rule": rule})
    weights = [line.weights.ravel() for line in lines]
    content = {
        "words": np.frombuffer(words.encode(), dtype=np.uint8),
        "weights": np.concatenate([np.empty(0, dtype=np.uint8), *weights]),
    }
    with replacing(folder / FILE, "wb") as file:
        file.write(save(content, {"seq2seq": label}))


def read(path: Path) -> list[WordAttention]:
    """Read the attention of each hypothesis.

    Raises:
        UserError: the file is missing, damaged or too large, or does not belong to hypothesis.txt
            in the same folder.
    """
    try:
        if (size := path.stat().st_size) > MOST:
            raise ValueError(f"it has {size:,} bytes, but the maximum is {MOST:,}")
        with safe_open(path, "np") as file:
            label = json.loads((file.metadata() or {})["seq2seq"])
            words, weights = (_bytes(file, name) for name in ("words", "weights"))
        lines, hashed = _lines(json.loads(words.tobytes()), weights), label["hypothesis_sha256"]
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run `seq2seq evaluate` again") from error
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read as stored attention: {' '.join(str(error).split())} "
            "(run `seq2seq evaluate` again)"
        ) from error
    if hashed != sha256(path.with_name("hypothesis.txt")):
        raise UserError(
            f"{path} does not belong to the hypothesis.txt in its folder: run `seq2seq evaluate` "
            "again"
        )
    if (count := len(read_lines_checked(path.with_name("hypothesis.txt")))) != len(lines):
        raise UserError(f"{path} has {len(lines)} lines for {count} hypotheses")
    return lines


def _bytes(file: Any, name: str) -> UInt8[ndarray, " length"]:
    """Read a vector of bytes from an open file; its type and shape are checked before reading."""
    stored = file.get_slice(name)
    if stored.get_dtype() != "U8" or len(stored.get_shape()) != 1:
        raise ValueError(f"{name} is not a vector of bytes")
    return file.get_tensor(name)


def _lines(words: Any, weights: UInt8[ndarray, " length"]) -> list[WordAttention]:
    """Split the weights into one matrix per line, by the number of words."""
    lines: list[WordAttention] = []
    end = 0
    for source, target in words:
        if not (isinstance(source, list) and isinstance(target, list)):
            raise ValueError("a line does not have two lists of words")
        if not all(isinstance(word, str) for word in (*source, *target)):
            raise ValueError("a word is not a text")
        start, end = end, end + len(source) * len(target)
        part = weights[start:end].reshape(len(target), len(source))
        sums = part.sum(1, dtype=np.int64)
        if (sums > 256 + len(source) / 2).any():  # rounding error: at most 0.5 per weight
            raise ValueError(f"a row of line {len(lines) + 1} sums to more than one")
        lines.append(WordAttention(list(source), list(target), part))
    if end != len(weights):
        raise ValueError(f"it has {len(weights):,} weights, but its words need {end:,}")
    return lines
