"""The file with the word-level attention of a test set's translations."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from seq2seq.errors import UserError
from seq2seq.system.files import read_lines_checked, replacing, sha256

FILE = "attention.safetensors"  # in hyps/TEST/
NAME = re.compile("[a-z][a-z0-9_]*(:[a-z]+)?")  # of a method, and what it explains
LONGEST_NAME = 40  # characters of the name of a method
MOST = 1 << 28  # maximum size in bytes, ten times the size of 3,000 long sentences
MOST_WEIGHTS = MOST // 2  # maximum size of the weights in bytes; words and maps need space, too
MOST_MAPS = 1 << 24  # maximum size of the maps of self-attention in bytes: they are in each page
MAPS: tuple[Literal["target"], Literal["encoder"]] = (
    "target",
    "encoder",
)  # names of the maps, and of their vectors in the file


class Columns(NamedTuple):
    """The columns of the map of the target.

    Attributes:
        begin: the first input of a decoder, which stands before the words then, without `</s>`;
            None if the columns are the words of the target with `</s>`.
        joint: whether the source words come before those of the target.
    """

    begin: str | None
    joint: bool


class StoredMap(NamedTuple):
    """Self-attention between words, in a matrix as of `WordAttention`.

    Attributes:
        rows: the words that attend.
        columns: the words that are attended to.
        weights: the weights.
        border: the number of columns of the source, if columns of the target follow them.
    """

    rows: list[str]
    columns: list[str]
    weights: UInt8[ndarray, "rows columns"]
    border: int | None = None


class WordAttention(NamedTuple):
    """The words of one translation and the attention between them; empty for an empty source.

    `</s>` is the last word on both sides; with an extraction rule with `shift`, it is not in the
    target. `weights` has a row per target word and a column per source word; 255 is 1.0. They are
    attention, or the positive part of another method, each row divided by its sum. `maps` has
    the self-attention by name (see `MAPS`).
    """

    source: list[str]
    target: list[str]
    weights: UInt8[ndarray, "target source"]
    maps: Mapping[str, StoredMap] = MappingProxyType({})


def write(
    folder: Path,
    lines: Sequence[WordAttention],
    rule: dict[str, Any],
    columns: Columns | None = None,
) -> None:
    """Write the attention of the hypotheses into the folder of a test set.

    The file is safetensors with two uint8 vectors, `words` ([[source, target], ...] as JSON in
    UTF-8) and `weights` (of all lines, concatenated). The metadata has the SHA-256 of
    hypothesis.txt and the extraction rule. With maps of self-attention there is a vector like
    `weights` of each, and the metadata has the columns of the map of the target.

    Args:
        folder: the folder of the test set, with hypothesis.txt.
        lines: the attention of each hypothesis.
        rule: the extraction rule.
        columns: the columns of the map of the target; None if there are no maps.
    """
    words = json.dumps([[line.source, line.target] for line in lines], ensure_ascii=False)
    label = {"hypothesis_sha256": sha256(folder / "hypothesis.txt"), "rule": rule}
    content = {
        "words": np.frombuffer(words.encode(), dtype=np.uint8),
        "weights": _joined([line.weights for line in lines]),
    }
    if columns is not None:
        label |= {"columns": columns._asdict()}
        for name in MAPS:
            matrices = [line.maps[name].weights for line in lines if name in line.maps]
            content |= {name: _joined(matrices)}
    with replacing(folder / FILE, "wb") as file:
        file.write(save(content, {"seq2seq": json.dumps(label)}))


def _joined(matrices: Sequence[UInt8[ndarray, "_ _"]]) -> UInt8[ndarray, " length"]:
    """Return the elements of all matrices as one vector."""
    return np.concatenate([np.empty(0, dtype=np.uint8), *(one.ravel() for one in matrices)])


def method_of(path: Path) -> str:
    """Return the name of the method that computed a file; "attention" if none is named.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            label = json.loads((file.metadata() or {})["seq2seq"])
        name = label["rule"].get("method", "attention")
        if not (isinstance(name, str) and NAME.fullmatch(name) and len(name) <= LONGEST_NAME):
            raise ValueError("the method of its rule is not a name")
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as stored attention: {' '.join(str(error).split())} "
            "(run `seq2seq evaluate` again)"
        ) from error
    return name


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
            if "columns" in label:  # not in files of older versions
                lines = _with_maps(lines, label, {name: _bytes(file, name) for name in MAPS})
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
    taken = 0
    for source, target in words:
        if not (isinstance(source, list) and isinstance(target, list)):
            raise ValueError("a line does not have two lists of words")
        if not all(isinstance(word, str) for word in (*source, *target)):
            raise ValueError("a word is not a text")
        part = _matrix(weights[taken:], len(target), len(source), len(lines) + 1)
        taken += part.size
        lines.append(WordAttention(list(source), list(target), part))
    if taken != len(weights):
        raise ValueError(f"it has {len(weights):,} weights, but its words need {taken:,}")
    return lines


def _matrix(
    weights: UInt8[ndarray, " length"], rows: int, columns: int, line: int
) -> UInt8[ndarray, "rows columns"]:
    """Return the first weights as a matrix; `line` is the number of the line, for messages."""
    part = weights[: rows * columns].reshape(rows, columns)
    if (part.sum(1, dtype=np.int64) > 256 + columns / 2).any():  # rounding: at most 0.5 a weight
        raise ValueError(f"a row of line {line} sums to more than one")
    return part


def _with_maps(
    lines: Sequence[WordAttention], label: Any, vectors: dict[str, UInt8[ndarray, " length"]]
) -> list[WordAttention]:
    """Add the maps of self-attention to lines that have words."""
    columns = Columns(**label["columns"])
    if not isinstance(columns.begin, str | None) or not isinstance(columns.joint, bool):
        raise ValueError("the columns of the map of the target are not described")
    if not isinstance(rule := label["rule"], dict):
        raise ValueError("the rule is not a mapping")
    shift = rule.get("shift") is True
    taken, complete = dict.fromkeys(vectors, 0), []
    for number, line in enumerate(lines, 1):
        maps = {}
        for name, one in _shapes(line, columns, shift).items():
            rest = vectors[name][taken[name] :]
            weights = _matrix(rest, len(one.rows), len(one.columns), number)
            taken[name] += weights.size
            maps[name] = one._replace(weights=weights)
        complete.append(line._replace(maps=maps))
    for name, vector in vectors.items():
        if taken[name] != len(vector):
            raise ValueError(
                f"it has {len(vector):,} weights of the map {name}, but its words need "
                f"{taken[name]:,}"
            )
    return complete


def _shapes(line: WordAttention, columns: Columns, shift: bool) -> dict[str, StoredMap]:
    """Return the maps of a line with words and without weights; none if it has no words."""
    if not line.source:
        return {}
    target = [*line.target, line.source[-1]] if shift else line.target  # always with `</s>`
    read = target if columns.begin is None else [columns.begin, *target[:-1]]
    words = [*line.source, *read] if columns.joint else read
    border = len(line.source) if columns.joint else None
    empty = np.zeros((0, 0), dtype=np.uint8)
    return {
        "target": StoredMap(target, words, empty, border),
        "encoder": StoredMap(line.source, line.source, empty),
    }
