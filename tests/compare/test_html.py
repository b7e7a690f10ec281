"""The page of a comparison, as a file: one document, nothing loaded, data that stays data."""

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest
from made_runs import BAD, GOOD, REFERENCES, SOURCES, TEST, make_run
from report_data import HOSTILE, large_report_data, report_data, write_attention

from seq2seq.compare import compare, html
from seq2seq.compare.html import packing
from seq2seq.compare.report import pictures
from seq2seq.compare.report.page import page
from seq2seq.errors import UserError
from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import FILE, Columns


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
    html.write(report_data(tmp_path), tmp_path / "report.html")
    return tmp_path / "report.html"


def test_everything_handed_over_is_in_the_page(tmp_path, written):
    data = report_data(tmp_path)
    stored = Elements(written.read_text()).stored("report")
    assert stored.pop("chunk") == packing.CHUNK
    assert [test.pop("attention") for test in stored["tests"]] == [[1], []]
    assert [test.pop("maps") for test in stored["tests"]] == [{}, {}]
    assert [test.pop("methods") for test in stored["tests"]] == [{}, {}]
    assert [test.pop("scored") for test in stored["tests"]] == [{}, {}]
    for test in data["tests"]:
        test.pop("attention")
    assert stored == data


def test_attention_is_packed_in_chunks_of_lines(tmp_path, written):
    chunks = Elements(written.read_text()).stored("attention-0-1")
    lines = [line for chunk in chunks for line in json.loads(decompress(b64decode(chunk)))]
    kept = stored_attention.read(tmp_path / "attention" / FILE)
    assert [(*line[:2],) for line in lines] == [(line.source, line.target) for line in kept]
    assert [line[2] for line in lines] == [line.weights.ravel().tolist() for line in kept]


@pytest.mark.parametrize("columns", [Columns("<s>", False), Columns(None, True)])
def test_self_attention_is_packed_with_its_line(tmp_path, columns):
    data, (sources, outputs) = report_data(tmp_path), (["a b", ""], ["c", "d e"])
    file = write_attention(tmp_path / "own", sources, outputs, columns=columns)
    test = {**data["tests"][0], "lines": 2, "attention": {"looks 1": str(file)}}
    html.write({**data, "tests": [test]}, tmp_path / "report.html")
    stored = Elements((tmp_path / "report.html").read_text()).stored
    (test,) = stored("report")["tests"]
    assert (test["attention"], test["maps"]) == ([1], {"1": ["target", "encoder"]})
    (chunk,) = stored("attention-0-1")
    (_, _, _, maps, _), (_, _, _, empty, _) = json.loads(decompress(b64decode(chunk)))
    assert empty == {}
    a, c = ["a", "b", "</s>"], ["c", "</s>"]
    assert maps["encoder"] == [a, a, [0, 0, 255] * 3, None]
    if columns.joint:
        assert maps["target"] == [c, [*a, *c], [0, 0, 0, 0, 255] * 2, 3]
    else:
        assert maps["target"] == [c, ["<s>", "c"], [0, 255] * 2, None]


def test_a_map_of_too_many_words_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MAX_WORDS", 4)
    file = write_attention(tmp_path, ["a b", "a b c d", "a"], ["c", "c", "c d e f"])
    (chunk,) = packing.packed(file, 3).chunks
    lines = json.loads(decompress(b64decode(chunk)))
    assert [len(line[2] or ()) for line in lines] == [6, 0, 0]
    assert lines[1] == [["a", "b", "c", "d", "</s>"], ["c", "</s>"], None, {}, {}]


def lines_with_maps(folder: Path, runs: int, most: int | None) -> tuple[set[int], list[str], int]:
    """The lines whose maps are in the page of some runs, the notes, and the size of all maps."""
    data = large_report_data(folder, runs, 120)
    scores = {f"system {n}": [float(n * line) for line in range(120)] for n in range(runs)}
    for name, output in data["tests"][0]["outputs"].items():
        output["score"] = scores[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MAX_BYTES", most or packing.MAX_BYTES)
        html.write(data, folder / "report.html")
    stored = Elements((folder / "report.html").read_text()).stored
    blocks = [stored(f"attention-0-{run}") for run in range(runs)]
    (first, *others) = [
        {
            number * packing.CHUNK + place
            for number, block in enumerate(chunks)
            for place, line in enumerate(json.loads(decompress(b64decode(block))))
            if line is not None
        }
        for chunks in blocks
    ]
    assert all(other == first for other in others)
    return (
        first,
        stored("report")["tests"][0]["notes"],
        sum(len(one) for run in blocks for one in run),
    )


def test_the_maps_of_all_runs_together_have_a_largest_size(tmp_path):
    """Those lines are kept on which the runs differ most: here the last ones."""
    every, notes, size = lines_with_maps(tmp_path / "all", 3, None)
    assert every == set(range(120)) and not any("left out" in note for note in notes)
    kept, notes, smaller = lines_with_maps(tmp_path / "some", 3, size // 2)
    assert 30 < len(kept) < 90 and min(kept) > 20
    assert len([line for line in range(min(kept), 120) if line not in kept]) == 0
    assert smaller < 0.6 * size
    (note,) = [note for note in notes if "left out" in note]
    assert f"Heatmaps of {120 - len(kept)} of 120 lines" in note and "differ least" in note


def test_of_one_run_the_worst_lines_are_kept(tmp_path):
    _, _, size = lines_with_maps(tmp_path / "all", 1, None)
    kept, notes, _ = lines_with_maps(tmp_path / "some", 1, size // 2)
    assert "with the highest scores" in " ".join(notes)
    assert 30 < len(kept) < 90


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
    harmless, names = report_data(tmp_path), ("plain", "looks", "test", "title")
    hostile = report_data(tmp_path, **{name: f"{name} {HOSTILE}" for name in names})
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
    html.write(report_data(tmp_path, title="run \udcff"), tmp_path / "report.html")
    assert (
        Elements((tmp_path / "report.html").read_text()).stored("report")["title"] == "run \udcff"
    )


def test_attention_of_another_test_set_is_refused(tmp_path):
    data = report_data(tmp_path)
    data["tests"][0]["lines"] = 6
    with pytest.raises(UserError, match=r"has 5 lines but the test set has 6: run `seq2seq eval"):
        html.write(data, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_damaged_attention_is_named(tmp_path):
    data = report_data(tmp_path)
    (tmp_path / "attention" / FILE).write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"attention\.safetensors cannot be read"):
        html.write(data, tmp_path / "report.html")


def test_a_page_of_nine_runs_and_a_thousand_lines_is_light(tmp_path):
    html.write(large_report_data(tmp_path, runs=9, lines=1000), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 10_000_000


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize(("copies", "every", "drawn"), [(1, 2, 0), (2, 12, 0), (2, 2, 1)])
def test_curves_of_fewer_than_two_points_are_left_out(tmp_path, copies, every, drawn):
    """A point is a bin of 20 sentences or more: here none, one and two; one in `every` is long."""
    sources = [f"{line} " * (2 - (n % every > 0)) for n, line in enumerate(SOURCES * copies)]
    texts = {"references": REFERENCES * copies, "sources": sources}
    comparison = compare([make_run(tmp_path / "run", GOOD * copies, **texts)])
    (axis,) = [axis for axis in comparison.tests[0].axes if axis.key == "length"]
    curves = page(comparison)["tests"][0]["curves"]
    assert [curve["title"] for curve in curves] == [axis.title] * drawn
    names = {file.stem for file in pictures.draw(comparison, tmp_path)}
    assert names == {f"length-{TEST}"} if drawn else not names


@pytest.mark.usefixtures("few_resamples")
def test_the_page_knows_outside_systems(tmp_path):
    run = make_run(tmp_path / "run", GOOD)
    (tmp_path / "marian.txt").write_text("\n".join([*BAD, ""]))
    runs = page(compare([run], hyps=[f"marian={tmp_path / 'marian.txt'}"]))["runs"]
    assert {one["name"]: one["outside"] for one in runs} == {"run": False, "marian": True}
