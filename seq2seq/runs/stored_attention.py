"""Where the words of a test set's translations looked, and the file that keeps it beside them."""

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
from seq2seq.system.files import read_back, replacing, sha256

FILE = "attention.safetensors"  # in hyps/TEST/
MOST = 1 << 28  # bytes: ten times what three thousand long sentences need


class WordAttention(NamedTuple):
    """Words of both sides of one translation, and where each looked; empty for an empty source.

    `</s>` is last on both sides; a rule that reads the row at which a word is fed in has none for
    the target's. weights has a row a target word and a column a source word, in 255ths.
    """

    source: list[str]
    target: list[str]
    weights: UInt8[ndarray, "target source"]


def write(folder: Path, lines: Sequence[WordAttention], rule: dict[str, Any]) -> None:
    """Keep what was seen of the hypotheses in a test set's folder, a line each.

    The file is safetensors of two rows of bytes, `words` ([[source, target], ...] as JSON in UTF-8)
    and `weights` (of all lines), with the hypotheses' SHA-256 and the reading rule beside them.
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
    """What was seen, line by line.

    Raises:
        UserError: the file is missing, damaged or too large, or is not of the hypotheses beside it.
    """
    try:
        if (size := path.stat().st_size) > MOST:
            raise ValueError(f"it has {size:,} bytes, and {MOST:,} are more than any test needs")
        with safe_open(path, "np") as file:
            label = json.loads((file.metadata() or {})["seq2seq"])
            words, weights = (_bytes(file, name) for name in ("words", "weights"))
        lines, hashed = _lines(json.loads(words.tobytes()), weights), label["hypothesis_sha256"]
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run `seq2seq evaluate` again") from error
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read as stored attention: {' '.join(str(error).split())} "
            "(`seq2seq evaluate` writes it anew)"
        ) from error
    if hashed != sha256(path.with_name("hypothesis.txt")):
        raise UserError(
            f"{path} is not of the hypothesis.txt beside it: run `seq2seq evaluate` again"
        )
    if (count := len(read_back(path.with_name("hypothesis.txt")))) != len(lines):
        raise UserError(f"{path} has {len(lines)} lines for {count} hypotheses")
    return lines


def _bytes(file: Any, name: str) -> UInt8[ndarray, " length"]:
    """One row of bytes of an open file, refused before it is read where it is something else."""
    stored = file.get_slice(name)
    if stored.get_dtype() != "U8" or len(stored.get_shape()) != 1:
        raise ValueError(f"{name} is no row of bytes")
    return file.get_tensor(name)


def _lines(words: Any, weights: UInt8[ndarray, " length"]) -> list[WordAttention]:
    """The weights cut into lines as their words demand."""
    lines: list[WordAttention] = []
    end = 0
    for source, target in words:
        if not (isinstance(source, list) and isinstance(target, list)):
            raise ValueError("its words are not in two lists a line")
        if not all(isinstance(word, str) for word in (*source, *target)):
            raise ValueError("its words are no texts")
        start, end = end, end + len(source) * len(target)
        part = weights[start:end].reshape(len(target), len(source))
        sums = part.sum(1, dtype=np.int64)
        if (sums > 256 + len(source) / 2).any():  # each weight was rounded by a half at most
            raise ValueError(f"a row of line {len(lines) + 1} sums to more than one")
        lines.append(WordAttention(list(source), list(target), part))
    if end != len(weights):
        raise ValueError(f"it has {len(weights):,} weights for words that need {end:,}")
    return lines
