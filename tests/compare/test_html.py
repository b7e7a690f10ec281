"""The page of a comparison, as a file: one document, nothing loaded, data that stays data."""

import json
import random
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zlib import decompress

import numpy as np
import pytest

from seq2seq.compare import html
from seq2seq.errors import UserError
from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import FILE, WordAttention
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


def attend(folder: Path, sources: list[str], outputs: list[str], seed: int = 0) -> Path:
    """Attention as `evaluate` keeps it; the first output word looks at the last source word."""
    chance, lines = np.random.default_rng(seed), []
    write_lines(folder / "hypothesis.txt", outputs)
    for source, output in zip(sources, outputs, strict=True):
        sides = [*source.split(), END], [*output.split(), END]
        shape = [len(side) for side in reversed(sides)]
        weights = chance.integers(0, 255 // shape[1], shape, dtype=np.uint8)
        weights[0] = 0
        weights[0, -2:-1] = 204
        empty = WordAttention([], [], np.zeros((0, 0), dtype=np.uint8))
        lines.append(WordAttention(*sides, weights) if source else empty)
    stored_attention.write(folder, lines, {"layer": 1})
    return folder / FILE


def made(folder: Path, **names: str) -> dict[str, Any]:
    """What `compare` hands over, for three runs of two systems on two test sets."""
    plain, looks = names.get("plain", "plain"), names.get("looks", "looks")
    runs = [(plain, plain, None), (f"{looks} 1", looks, 1), (f"{looks} 2", looks, 2)]
    sources, references, *outputs = map(list, zip(*LINES, strict=True))
    scores = [SCORES["plain"], SCORES["looks 1"], [90.0, 30.0, 10.0, 5.0, 100.0]]
    texts = [outputs[0], outputs[1], outputs[1]]
    file = attend(folder / "attention", sources, texts[1])
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


def large(folder: Path, runs: int, lines: int) -> dict[str, Any]:
    """Made data of a size, every run with attention."""
    chance = random.Random(1)
    words = [f"word{number}" for number in range(500)]
    sources = [" ".join(chance.choices(words, k=chance.randint(3, 25))) for _ in range(lines)]
    data, names = made(folder), [f"system {number}" for number in range(runs)]
    scores = [chance.uniform(0, 100) for _ in range(lines)]
    test = {
        **data["tests"][0],
        "lines": lines,
        "source": sources,
        "reference": sources,
        "outputs": {name: {"text": sources, "score": scores} for name in names},
        "attention": {name: str(attend(folder / name, sources, sources)) for name in names},
        "curves": [],
    }
    return {
        **data,
        "systems": [{"name": name, "runs": [name]} for name in names],
        "runs": [{"name": name, "system": name, "seed": None} for name in names],
        "tests": [test],
    }


class Elements(HTMLParser):
    """The elements of a document: what they are and what text they hold."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.inside = False
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))
        self.inside = True

    def handle_data(self, data: str) -> None:
        if self.inside:
            tag, attributes, text = self.found[-1]
            self.found[-1] = (tag, attributes, text + data)

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def stored(self, name: str) -> Any:
        """The data in the element of an id."""
        (text,) = [text for _, attributes, text in self.found if attributes.get("id") == name]
        return json.loads(text)


@pytest.fixture
def written(tmp_path) -> Path:
    html.write(made(tmp_path), tmp_path / "report.html")
    return tmp_path / "report.html"


def test_everything_handed_over_is_in_the_page(tmp_path, written):
    data = made(tmp_path)
    stored = Elements(written.read_text()).stored("report")
    assert stored.pop("chunk") == html.CHUNK
    assert [test.pop("attention") for test in stored["tests"]] == [[1], []]
    for test in data["tests"]:
        test.pop("attention")
    assert stored == data


def test_attention_is_packed_in_chunks_of_lines(tmp_path, written):
    chunks = Elements(written.read_text()).stored("attention-0-1")
    lines = [line for chunk in chunks for line in json.loads(decompress(b64decode(chunk)))]
    kept = stored_attention.read(tmp_path / "attention" / FILE)
    assert [(*line[:2],) for line in lines] == [(line.source, line.target) for line in kept]
    assert [line[2] for line in lines] == [line.weights.ravel().tolist() for line in kept]


def test_only_the_pages_own_scripts_and_styles_run(written):
    elements = Elements(written.read_text())
    (policy,) = [a["content"] for _, a, _ in elements.found if "http-equiv" in a]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    hashes = {
        tag: f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
        for tag, attributes, text in elements.found
        if tag in ("script", "style") and "type" not in attributes
    }
    library = decompress(b64decode(elements.stored("plotly")))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"].split() == [
        hashes["script"],
        f"'sha256-{b64encode(sha256(library).digest()).decode()}'",
    ]
    assert rules["style-src"].split()[0] == hashes["style"]
    assert "unsafe" not in policy and "*" not in policy


def test_nothing_handed_over_becomes_markup(tmp_path):
    harmless, names = made(tmp_path), ("plain", "looks", "test", "title")
    hostile = made(tmp_path, **{name: f"{name} {HOSTILE}" for name in names})
    shapes = []
    for data in (harmless, hostile):
        html.write(data, tmp_path / "report.html")
        elements = Elements((tmp_path / "report.html").read_text())
        shapes.append([(tag, attributes) for tag, attributes, _ in elements.found])
        assert elements.stored("report")["title"] == data["title"]
        document = (tmp_path / "report.html").read_text()
        assert len(re.findall("<script", document)) == len(re.findall("</script", document)) == 4
    assert shapes[0] == shapes[1]


def test_half_a_character_does_not_stop_the_page(tmp_path):
    html.write(made(tmp_path, title="run \udcff"), tmp_path / "report.html")
    assert (
        Elements((tmp_path / "report.html").read_text()).stored("report")["title"] == "run \udcff"
    )


def test_attention_of_another_test_set_is_refused(tmp_path):
    data = made(tmp_path)
    data["tests"][0]["lines"] = 6
    with pytest.raises(UserError, match=r"has 5 lines but the test set has 6: run `seq2seq eval"):
        html.write(data, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_damaged_attention_is_named(tmp_path):
    data = made(tmp_path)
    (tmp_path / "attention" / FILE).write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"attention\.safetensors cannot be read"):
        html.write(data, tmp_path / "report.html")


def test_a_page_of_nine_runs_and_a_thousand_lines_is_light(tmp_path):
    html.write(large(tmp_path, runs=9, lines=1000), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 10_000_000
