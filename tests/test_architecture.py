"""The picture of the package that docs/architecture.py draws from its imports."""

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "architecture.py"
PACKAGE = SCRIPT.parents[1] / "seq2seq"


@pytest.fixture(scope="module")
def drawing():
    spec = importlib.util.spec_from_file_location("architecture", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_has_every_part_of_the_package(drawing):
    sizes, imports = drawing.read_imports()
    svg = drawing.draw(sizes, imports)
    names = {text.text for text in ElementTree.fromstring(svg).findall(".//{*}text")}
    folders = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    files = {p.name for p in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert names == files | {f"{folder} ({sizes[folder]})" for folder in folders}
    assert drawing.draw(*drawing.read_imports()) == svg  # the same bytes each time
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_arrows_point_downwards_unless_parts_import_each_other(drawing):
    edges = {"a": {"b", "c", "d"}, "b": {"c"}, "c": set(), "d": {"e"}, "e": {"d"}}
    layers = drawing.layers_of(edges)
    assert layers == {"c": 0, "b": 1, "a": 2, "d": 0, "e": 0}
    assert drawing.cyclic_groups(edges) == [["a"], ["b"], ["c"], ["d", "e"]]


def test_implied_arrows_are_left_out(drawing):
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert drawing.reduced(edges) == {"a": {"b"}, "b": {"c"}, "c": set()}
    cycle = {"a": {"b"}, "b": {"a"}}
    assert drawing.reduced(cycle) == cycle
