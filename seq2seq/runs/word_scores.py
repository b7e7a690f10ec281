"""The file with the log-probabilities of the words of a test set's translations."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.runs.untrusted import MAX_JSON_BYTES, read_json_lines
from seq2seq.system.files import read_lines_checked, replacing, sha256
from seq2seq.text.word_scores import WordScores

FILE = "word_scores.jsonl"  # in hyps/TEST/
FORMAT = 1
DIGITS = 4  # decimal places of the log-probabilities
LOWEST = -1e4  # nats


def write(folder: Path, lines: Sequence[WordScores], hide: str | None) -> bool:
    """Write the scores of the words of the hypotheses into the folder of a test set.

    The file is JSON Lines. The first line has the `format`, the SHA-256 of hypothesis.txt and how
    the source was hidden. Each other line is of one hypothesis: its `words`, their `log_p` and, if
    the source was hidden, their log-probabilities without it, `hidden_log_p`.

    Args:
        folder: the folder of the test set, with hypothesis.txt.
        lines: the scores of each hypothesis.
        hide: how the source was hidden; None if it was not.

    Returns:
        Whether the file was written; one that is too large to be read is not.
    """
    head = {
        "format": FORMAT,
        "hypothesis_sha256": sha256(folder / "hypothesis.txt"),
        "hide": hide,
    }
    # ASCII, because the reader would take some characters of other scripts for ends of lines
    text = "".join(f"{json.dumps(one, allow_nan=False)}\n" for one in (head, *map(_record, lines)))
    if len(text) > MAX_JSON_BYTES:
        return False
    with replacing(folder / FILE) as file:
        file.write(text)
    return True


def _record(line: WordScores) -> dict[str, Any]:
    """Return the scores of one hypothesis as JSON data."""
    record = {"words": line.words, "log_p": _rounded(line.log_p)}
    return record if line.hidden is None else {**record, "hidden_log_p": _rounded(line.hidden)}


def _rounded(values: Float[ndarray, " words"]) -> list[float]:
    """Return values in decimal; JSON has no infinity, so impossible words have `LOWEST`."""
    return [round(max(value, LOWEST), DIGITS) for value in values.tolist()]


def read(path: Path) -> list[WordScores]:
    """Read the scores of the words of each hypothesis.

    Raises:
        UserError: the file is damaged, too large or of a newer version, or does not belong to
            hypothesis.txt in the same folder.
    """
    hypotheses = path.with_name("hypothesis.txt")
    again = "run `seq2seq evaluate` again"
    records = read_json_lines(path)
    if not records:
        raise UserError(f"{path} has no lines: {again}")
    head, *rest = records
    if not isinstance(written := head.get("format"), int) or written > FORMAT:
        raise UserError(
            f"{path} has format {str(written)[:40]}, but this version reads formats up to "
            f"{FORMAT}: install a newer seq2seq, or {again}"
        )
    if head.get("hypothesis_sha256") != sha256(hypotheses):
        raise UserError(f"{path} does not belong to the hypothesis.txt in its folder: {again}")
    if (count := len(read_lines_checked(hypotheses))) != len(rest):
        raise UserError(f"{path} has {len(rest)} lines for {count} hypotheses: {again}")
    lines = []
    for number, record in enumerate(rest, 2):
        try:
            lines.append(_line(record, hidden=head.get("hide") is not None))
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{path}, line {number}, cannot be read as scores of words: {error}: {again}"
            ) from error
    return lines


def _line(record: dict[str, Any], *, hidden: bool) -> WordScores:
    """Check the record of one hypothesis."""
    words = record["words"]
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError("its words are not a list of texts")
    values = [_values(record, key, len(words)) for key in ("log_p", "hidden_log_p")[: hidden + 1]]
    return WordScores(words, values[0], values[1] if hidden else None)


def _values(record: dict[str, Any], key: str, count: int) -> Float[ndarray, " words"]:
    """Check that a value is a list of `count` log-probabilities."""
    values = record[key]
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{key} is not a list of {count} numbers")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{key} has a value that is not a number")
        if not LOWEST <= value <= 1e-3:  # rounding may make it positive
            raise ValueError(f"{key} has the value {value}, which is not a log-probability")
    return np.array(values, dtype=np.float64)
