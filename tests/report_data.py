"""Data of the HTML report of a comparison, as `compare` passes it to `html.write`."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import FILE, Columns, StoredMap, WordAttention
from seq2seq.runs.stored_vectors import MethodMap
from seq2seq.system.files import write_lines
from seq2seq.translation.translation import END

HOSTILE = '</script><script>alert(1)</script><!--<b onclick="x">{{script}} &lt; ${1} \u2028'
LINES = [
    ("the cat sleeps", "le chat dort", "le chien dort", "le chat dort"),
    ("the dog eats the bread", "le chien mange le pain", "le chien mange", "le pain"),
    (HOSTILE, f"ref {HOSTILE}", f"plain {HOSTILE}", f"looks {HOSTILE}"),
    ("", "vide", "", "rien"),
    ("two birds", "deux oiseaux", "deux oiseaux", "deux oiseaux"),
]
SCORES = {"plain": [50.0, 70.0, 10.0, 0.0, 100.0], "looks 1": [100.0, 20.0, 10.0, 5.0, 100.0]}


def write_attention(
    folder: Path,
    sources: list[str],
    outputs: list[str],
    seed: int = 0,
    columns: Columns | None = None,
    first: str = "attention",
    others: tuple[str, ...] = (),
) -> Path:
    """Write attention as `evaluate` does; the first output word attends to the last source word.

    With `columns`, self-attention is written too: each word attends to the last column. With
    `others`, maps of these methods, too: the first output word is less probable with the first
    source word, and more with the last.
    """
    rng, lines = np.random.default_rng(seed), []
    write_lines(folder / "hypothesis.txt", outputs)
    for source, output in zip(sources, outputs, strict=True):
        sides = [*source.split(), END], [*output.split(), END]
        shape = [len(side) for side in reversed(sides)]
        weights = rng.integers(0, max(1, 255 // shape[1]), shape, dtype=np.uint8)
        weights[0] = 0
        weights[0, -2:-1] = 204
        empty = WordAttention([], [], np.zeros((0, 0), dtype=np.uint8))
        maps = {} if columns is None else self_attention(*sides, columns)
        methods = dict.fromkeys(others, signed_map(*sides))
        lines.append(WordAttention(*sides, weights, maps, methods) if source else empty)
    rules = [{"method": name} for name in others]
    stored_attention.write(folder, lines, {"layer": 1, "method": first}, columns, rules)
    return folder / FILE


def signed_map(source: list[str], target: list[str]) -> MethodMap:
    """Return a map with -1 nat in its first cell and 2 nats in the last cell but one of its row."""
    values = np.full((len(target), len(source)), 128, dtype=np.uint8)
    values[0, 0] = 128 - 64
    values[0, -2:-1] = 255
    return MethodMap(target, values, 2.0)


def word_entries(outputs: list[str], *, shares: bool = True) -> list[list[Any]]:
    """Return scores of words as in the page: the second word of each output may be invented."""
    entries = []
    for output in outputs:
        words = output.split()
        invented = [1] if len(words) > 1 and shares else []
        share = [None, 12, 99, *[50] * len(words)][: len(words)] if shares else None
        entries.append([words, [7 * n for n in range(len(words))], share, invented])
    return entries


def self_attention(source: list[str], target: list[str], columns: Columns) -> dict[str, StoredMap]:
    """Return maps in which each word attends to the last column."""
    read = target if columns.begin is None else [columns.begin, *target[:-1]]
    sides = {
        "target": (target, [*source, *read] if columns.joint else read),
        "encoder": (source, source),
    }
    border = {"target": len(source) if columns.joint else None, "encoder": None}
    maps = {}
    for name, (rows, words) in sides.items():
        weights = np.zeros((len(rows), len(words)), dtype=np.uint8)
        weights[:, -1] = 255
        maps[name] = StoredMap(rows, words, weights, border[name])
    return maps


def report_data(folder: Path, **names: str) -> dict[str, Any]:
    """Return the data of a report of three runs of two systems on two test sets."""
    plain, looks = names.get("plain", "plain"), names.get("looks", "looks")
    runs = [(plain, plain, None), (f"{looks} 1", looks, 1), (f"{looks} 2", looks, 2)]
    sources, references, *outputs = map(list, zip(*LINES, strict=True))
    scores = [SCORES["plain"], SCORES["looks 1"], [90.0, 30.0, 10.0, 5.0, 100.0]]
    texts = [outputs[0], outputs[1], outputs[1]]
    file = write_attention(folder / "attention", sources, texts[1])
    better = {"difference": 1.5, "p": 0.001, "corrected": 0.002, "winner": "row"}
    worse = {"difference": -1.5, "p": 0.001, "corrected": 0.0002, "winner": "column"}
    x = ["1-10", "11-20"]
    bands = {"low": [9.0, 19.0], "high": [11.0, 21.0]}
    test = {
        "name": names.get("test", "test"),
        "lines": len(LINES),
        "notes": ["Searched with a beam of 5."],
        "tables": [
            {
                "title": "Quality",
                "head": ["run", "BLEU"],
                "rows": [[name, "31.82"] for name, _, _ in runs],
                "note": "Higher is better.",
            }
        ],
        "words": [
            {
                "title": "Words that one gets right",
                "head": ["", "in references", plain],
                "rows": [["Haus", "3", "2"]],
                "note": None,
            }
        ],
        "matrices": [
            {"title": "BLEU", "names": [plain, looks], "cells": [[None, worse], [better, None]]}
        ],
        "curves": [
            {
                "title": "BLEU by length",
                "x": "words",
                "y": "BLEU",
                "categories": True,
                "series": [
                    {"name": plain, "system": plain, "x": x, "y": [10.0, 20.0], **bands},
                    {"name": looks, "system": looks, "x": x, "y": [30.0, None]}
                    | {"low": None, "high": None},
                ],
            },
            {
                "title": "BLEU against minutes",
                "x": "minutes",
                "y": "BLEU",
                "categories": False,
                "series": [
                    {"name": name, "system": system, "x": [1.0, 2.5], "y": [10.0, 20.0]}
                    | {"low": None, "high": None}
                    for name, system, _ in runs
                ],
            },
        ],
        "source": sources,
        "reference": references,
        "outputs": {
            name: {"text": text, "score": score}
            for (name, _, _), text, score in zip(runs, texts, scores, strict=True)
        },
        "attention": {plain: None, f"{looks} 1": str(file), f"{looks} 2": str(folder / "none")},
    }
    other = {**test, "name": "other", "notes": []}
    other |= {"words": [], "matrices": [], "curves": []}
    return {
        "title": names.get("title", "Comparison"),
        "source": "en",
        "target": "fr",
        "systems": [
            {"name": plain, "runs": [plain]},
            {"name": looks, "runs": [f"{looks} 1", f"{looks} 2"]},
        ],
        "runs": [{"name": name, "system": system, "seed": seed} for name, system, seed in runs],
        "tests": [test, {**other, "attention": {}}],
        "configuration": {
            "same": {"search.beam": 5},
            "different": {"head": ["run", "model"], "rows": [[plain, "rnn"]]},
        },
        "provenance": {"head": ["run", "seed"], "rows": [[plain, "-"], [f"{looks} 1", "1"]]},
        "notes": ["p is corrected by Holm's method."],
    }


def large_report_data(folder: Path, runs: int, lines: int) -> dict[str, Any]:
    """Return the data of a report of any size in which every run has attention."""
    rng = random.Random(1)
    words = [f"word{number}" for number in range(500)]
    sources = [" ".join(rng.choices(words, k=rng.randint(3, 25))) for _ in range(lines)]
    data, names = report_data(folder), [f"system {number}" for number in range(runs)]
    attention = {name: str(write_attention(folder / name, sources, sources)) for name in names}
    scores = [rng.uniform(0, 100) for _ in range(lines)]
    test = {
        **data["tests"][0],
        "lines": lines,
        "source": sources,
        "reference": sources,
        "outputs": {name: {"text": sources, "score": scores} for name in names},
        "attention": attention,
        "curves": [],
    }
    return {
        **data,
        "systems": [{"name": name, "runs": [name]} for name in names],
        "runs": [{"name": name, "system": name, "seed": None} for name in names],
        "tests": [test],
    }
