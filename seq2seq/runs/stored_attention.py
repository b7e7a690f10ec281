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
from seq2seq.runs.stored_vectors import (
    MethodMap,
    joined,
    read_bytes,
    read_limits,
    reshaped,
    shares_of,
)
from seq2seq.system.files import read_lines_checked, replacing, sha256

FILE = "attention.safetensors"  # in hyps/TEST/
FORMAT = 2  # 1, in files without a number: one method, and no signed maps
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}(:[a-z]{1,20})?")  # of a method, and what it explains
MAX_BYTES = 1 << 28  # of the file, ten times the size of that of 3,000 long sentences
MAX_WEIGHT_BYTES = MAX_BYTES // 2  # of the weights; words and maps need space, too
MAX_MAP_BYTES = 1 << 24  # of the maps of self-attention, which are in each page
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
    the self-attention by name (see `MAPS`), `methods` the maps of the methods that are kept besides
    `weights`: of other methods, and of the same one with its signs.
    """

    source: list[str]
    target: list[str]
    weights: UInt8[ndarray, "target source"]
    maps: Mapping[str, StoredMap] = MappingProxyType({})
    methods: Mapping[str, MethodMap] = MappingProxyType({})


def write(
    folder: Path,
    lines: Sequence[WordAttention],
    rule: dict[str, Any],
    columns: Columns | None = None,
    others: Sequence[dict[str, Any]] = (),
) -> None:
    """Write the attention of the hypotheses into the folder of a test set.

    The file is safetensors with two uint8 vectors, `words` ([[source, target], ...] as JSON in
    UTF-8) and `weights` (of all lines, concatenated). The metadata has the SHA-256 of
    hypothesis.txt, the extraction rule and the number of the format. With maps of self-attention
    there is a vector like `weights` of each, and the metadata has the columns of the map of the
    target. With other methods there is a vector `method.NAME` of each, for signed ones a float32
    vector `limit.NAME` of their `MethodMap.limit`, and the metadata has their rules in `methods`.

    Args:
        folder: the folder of the test set, with hypothesis.txt.
        lines: the attention of each hypothesis.
        rule: the extraction rule.
        columns: the columns of the map of the target; None if there are no maps.
        others: the extraction rules of `WordAttention.methods`, in order.
    """
    words = json.dumps([[line.source, line.target] for line in lines], ensure_ascii=False)
    label: dict[str, Any] = {
        "format": FORMAT,
        "hypothesis_sha256": sha256(folder / "hypothesis.txt"),
        "rule": rule,
    }
    content = {
        "words": np.frombuffer(words.encode(), dtype=np.uint8),
        "weights": joined([line.weights for line in lines]),
    }
    if columns is not None:
        label |= {"columns": columns._asdict()}
        for name in MAPS:
            matrices = [line.maps[name].weights for line in lines if name in line.maps]
            content |= {name: joined(matrices)}
    if others:
        label |= {"methods": list(others)}
        content |= _of_methods(lines, [method_in(other) for other in others])
    with replacing(folder / FILE, "wb") as file:
        file.write(save(content, {"seq2seq": json.dumps(label)}))


def _of_methods(lines: Sequence[WordAttention], names: Sequence[str]) -> dict[str, ndarray]:
    """Return the vectors of the maps of some methods by their names in the file."""
    content: dict[str, ndarray] = {}
    for name in names:
        maps = [line.methods[name] for line in lines if name in line.methods]
        content[f"method.{name}"] = joined([one.values for one in maps])
        limits = [one.limit for one in maps if one.limit is not None]
        if len(limits) == len(maps):
            content[f"limit.{name}"] = np.array(limits, dtype=np.float32)
    return content


def method_in(rule: Any) -> str:
    """Return the name of the method of a stored rule; "attention" if none is named.

    Raises:
        ValueError: it is not a rule, or not a name.
    """
    if not isinstance(rule, dict):
        raise ValueError("a rule is not a mapping")
    name = rule.get("method", "attention")
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ValueError("the method of its rule is not a name")
    return name


def method_of(path: Path) -> str:
    """Return the name of the method that computed the weights of a file.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            label = json.loads((file.metadata() or {})["seq2seq"])
        return method_in(label["rule"])
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as stored attention: {' '.join(str(error).split())} "
            "(run `seq2seq evaluate` again)"
        ) from error


def read(path: Path) -> list[WordAttention]:
    """Read the attention of each hypothesis.

    Raises:
        UserError: the file is missing, damaged or too large, or does not belong to hypothesis.txt
            in the same folder.
    """
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ValueError(f"it has {size:,} bytes, but the maximum is {MAX_BYTES:,}")
        with safe_open(path, "np") as file:
            label = json.loads((file.metadata() or {})["seq2seq"])
            check_format(path, label)
            words, weights = (read_bytes(file, name) for name in ("words", "weights"))
            lines, hashed = _lines(json.loads(words.tobytes()), weights), label["hypothesis_sha256"]
            if "columns" in label:  # not in files of older versions
                lines = _with_maps(lines, label, {name: read_bytes(file, name) for name in MAPS})
            for rule in label.get("methods", []):  # not in files of older versions
                lines = _with_method(lines, label["rule"], rule, file)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run `seq2seq evaluate` again") from error
    except (
        SafetensorError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
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


def check_format(path: Path, label: Any) -> None:
    """Check the number of the format of a file.

    Raises:
        UserError: it is a newer one.
        ValueError: it is not a number.
    """
    written = label["format"] if "format" in label else 1  # noqa: SIM401 - it may be a list
    if not isinstance(written, int):
        raise ValueError("its format is not a number")
    if written > FORMAT:
        raise UserError(
            f"{path} has format {written}, but this version reads formats up to {FORMAT}: install "
            "a newer seq2seq, or run `seq2seq evaluate` again"
        )


def _lines(words: Any, weights: UInt8[ndarray, " length"]) -> list[WordAttention]:
    """Split the weights into one matrix per line, by the number of words."""
    lines: list[WordAttention] = []
    taken = 0
    for source, target in words:
        if not (isinstance(source, list) and isinstance(target, list)):
            raise ValueError("a line does not have two lists of words")
        if not all(isinstance(word, str) for word in (*source, *target)):
            raise ValueError("a word is not a text")
        part = shares_of(weights[taken:], len(target), len(source), len(lines) + 1)
        taken += part.size
        lines.append(WordAttention(list(source), list(target), part))
    if taken != len(weights):
        raise ValueError(f"it has {len(weights):,} weights, but its words need {taken:,}")
    return lines


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
            weights = shares_of(rest, len(one.rows), len(one.columns), number)
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
    target = whole_target(line, {"shift": shift})
    read = target if columns.begin is None else [columns.begin, *target[:-1]]
    words = [*line.source, *read] if columns.joint else read
    border = len(line.source) if columns.joint else None
    empty = np.zeros((0, 0), dtype=np.uint8)
    return {
        "target": StoredMap(target, words, empty, border),
        "encoder": StoredMap(line.source, line.source, empty),
    }


def _with_method(
    lines: Sequence[WordAttention], first: Any, rule: Any, file: Any
) -> list[WordAttention]:
    """Add the maps of a method to lines that have words.

    Args:
        lines: the lines.
        first: the rule of their weights.
        rule: the rule of the method.
        file: the open file.
    """
    name = method_in(rule)
    method_in(first)  # it is a rule, too
    values = read_bytes(file, f"method.{name}")
    limits = None
    if f"limit.{name}" in file.keys():  # noqa: SIM118 - an open file is no mapping
        limits = read_limits(file, f"limit.{name}", sum(bool(line.source) for line in lines))
    taken, number, complete = 0, 0, []
    for place, line in enumerate(lines, 1):
        if not line.source:
            complete.append(line)
            continue
        rows = whole_target(line, first)
        if rule.get("shift") is True:
            rows = rows[:-1]
        rest, shape = values[taken:], (len(rows), len(line.source))
        matrix = shares_of(rest, *shape, place) if limits is None else reshaped(rest, *shape)
        taken += matrix.size
        own = MethodMap(rows, matrix, None if limits is None else float(limits[number]))
        number += 1
        complete.append(line._replace(methods={**line.methods, name: own}))
    if taken != len(values):
        raise ValueError(
            f"it has {len(values):,} values of the method {name}, but its words need {taken:,}"
        )
    return complete


def whole_target(line: WordAttention, rule: Mapping[str, Any]) -> list[str]:
    """Return the words of the target with `</s>`, which a rule with `shift` leaves out."""
    return [*line.target, line.source[-1]] if rule.get("shift") is True else line.target
