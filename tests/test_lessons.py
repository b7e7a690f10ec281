"""The lessons: each runs, keeps the rules of CONTRIBUTING.md, and prints what its page shows."""

import ast
import json
import re
import sys
import tomllib
from itertools import zip_longest
from pathlib import Path

import pytest
import torch

from seq2seq.commands import lessons
from seq2seq.commands.lessons import Cell, Lesson, all_lessons, cells_of

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "lessons"
ALL = all_lessons()
TITLES = [
    "Query, key, value",
    "A whole sentence: simplified self-attention",
    'Trained projections: "it" finds "ball"',
    "Causal attention: hiding the future",
    "Many heads",
    "Why attention: the plain RNN by length",
    "Additive attention, and Figure 3",
    "The Transformer is `attend` three times",
    "The key/value cache, counted",
    "Fewer keys: multi-query, grouped, latent",
    "Is attention an alignment? Occlusion beside it",
    "One stack: translators like GPT and like BERT",
    "Comparing two systems without fooling yourself",
]
NUMBER = re.compile(r"(-?\d[\d,]*(?:\.\d+)?)")


def names(lesson: Lesson) -> str:
    return lesson.path.stem


@pytest.fixture(autouse=True)
def one_thread():
    """Lessons that train set the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers_differ(old: str, new: str) -> bool:
    """Whether two numbers differ by more than other processors and versions of torch explain."""
    a, b = (float(text.replace(",", "")) for text in (old, new))
    if "." not in old and "." not in new:  # an exact count, or a percentage
        return abs(a - b) > (3 if abs(a) <= 100 else 0)
    return abs(a - b) > 0.05 + 0.1 * abs(a)


def differences(old: str, new: str) -> list[str]:
    """The lines of a page that are not those of a new one, apart from small changes of numbers."""
    found = []
    for a, b in zip_longest(old.splitlines(), new.splitlines(), fillvalue=""):
        words, others = NUMBER.split(a), NUMBER.split(b)
        pairs = list(zip_longest(words[1::2], others[1::2], fillvalue=None))
        same_text = [" ".join(part.split()) for part in words[::2]] == [
            " ".join(part.split()) for part in others[::2]
        ]
        if not same_text or any(None in pair or numbers_differ(*pair) for pair in pairs):
            found.append(f"- {a}\n+ {b}")
    return found


@pytest.mark.parametrize("lesson", ALL, ids=names)
def test_a_lesson_runs_and_its_page_shows_what_it_prints(lesson, tmp_path, monkeypatch):
    """Its asserts hold; its pictures are drawn; `make lessons` writes the page again."""
    monkeypatch.chdir(tmp_path)
    state = torch.random.get_rng_state()
    text = lessons.page(lesson)
    torch.random.set_rng_state(state)
    page = PAGES / f"{lesson.path.stem}.md"
    assert not differences(page.read_text("utf-8"), text), "run `make lessons`"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(lesson.pictures)
    for name in lesson.pictures:
        assert (PAGES / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert (PAGES / name).stat().st_size < 120_000


def test_pages_differ_by_text_and_by_large_changes_of_numbers():
    assert not differences("a 0.51 and 12 %\nb", "a 0.53 and 11 %\nb")
    assert not differences("AER 0.000  x", "AER 0.001 x")
    assert not differences("1,275 and 2.0", "1,275 and 2.1")
    for new in ("a 0.81", "b 0.51", "a 0.51 0.2", "a", "a 0.51\nmore"):
        assert differences("a 0.51", new), new
    assert differences("1,275 words", "1,276 words")


def test_every_page_and_picture_belongs_to_a_lesson():
    expected = {"index.md", *(f"{one.path.stem}.md" for one in ALL)}
    expected |= {name for one in ALL for name in one.pictures}
    assert {path.name for path in PAGES.iterdir()} == expected
    index = (PAGES / "index.md").read_text("utf-8")
    for one in ALL:
        assert f"| {one.number} | [{one.title}]({one.path.stem}.md) | {one.needs} |" in index


# --- the rules of a lesson ----------------------------------------------------------------------


def test_the_lessons_are_those_planned_in_order():
    assert [one.title for one in ALL] == TITLES
    assert [one.number for one in ALL] == list(range(1, 14))
    for one in ALL:
        assert re.fullmatch(rf"{one.number:02}_[a-z_]+\.py", one.path.name)
        needed = [int(number) for number in re.findall(r"\d+", one.needs)]
        assert all(number < one.number for number in needed)
        assert one.needs == "nothing" or needed


@pytest.mark.parametrize("lesson", ALL, ids=names)
def test_a_lesson_is_short_and_imports_only_torch_before_its_last_cell(lesson):
    assert len(lesson.path.read_text("utf-8").splitlines()) < 120
    *before, last = [cell for cell in lesson.cells if cell.is_code]
    for cell in before:
        assert imports(cell) <= {"torch", *sys.stdlib_module_names}
    assert "seq2seq" in imports(last)
    assert imports(last) <= {"seq2seq", "torch", *sys.stdlib_module_names}
    assert "assert" in last.text and lesson.pictures


def imports(cell: Cell) -> set[str]:
    """The top-level packages that a cell imports."""
    found = set()
    for node in ast.walk(ast.parse(cell.text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("lesson", ALL, ids=names)
def test_numbers_in_the_text_are_in_the_code(lesson):
    """A decimal or large number, or a percentage, is asserted or printed by the code."""
    page = (PAGES / f"{lesson.path.stem}.md").read_text("utf-8")
    printed = "\n".join(re.findall(r"```text\n(.*?)```", page, re.S))
    code = "\n".join(cell.text for cell in lesson.cells if cell.is_code)
    known = {value(text) for text in NUMBER.findall(printed)}
    known |= {
        float(node.value)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }
    text = "\n".join(cell.text for cell in lesson.cells if not cell.is_code)
    text = re.sub(r"\*Needs:.*\*|\b(?:19|20)\d\d\b|`[^`]*`", "", text)  # years
    for found in re.findall(r"(?<![\w.])\d{3,}(?![\d,.])|\d{1,3}(?:,\d{3})+|\d*\.\d+|\d+ ?%", text):
        number = value(found.rstrip(" %"))
        shares = {number, round(number / 100, 4)} if "%" in found else {number}
        assert shares & known, f"{found} is neither printed nor in the code"


def value(text: str) -> float:
    """The value of a number in a text, such as .51 or 1,275."""
    return float(text.replace(",", ""))


def test_cells_are_divided_at_their_marks():
    text = "# %% [markdown]\n# # 1. Title\n#\n# text\n\n# %%\na = 1\n\n\nb = 2\n"
    first, second = cells_of(text)
    assert first == Cell("# 1. Title\n\ntext", is_code=False, line=2)
    assert second == Cell("a = 1\n\n\nb = 2", is_code=True, line=7)


def test_a_lesson_without_its_facts_is_named(tmp_path):
    file = tmp_path / "01_x.py"
    file.write_text("# %% [markdown]\n# # 1. Title\n", "utf-8")
    with pytest.raises(ValueError, match="01_x"):
        Lesson.read(file)


# --- seq2seq lessons ----------------------------------------------------------------------------


def test_the_lessons_are_listed(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    answer = command("lessons")
    assert answer.status == 0
    for one in ALL:
        assert f"{one.number}. {one.title}" in answer.out
    assert "seq2seq lessons 3" in answer.err


def test_a_lesson_is_copied_and_a_changed_copy_is_kept(command):
    copy = Path("03_trained_projections.py")
    for _ in range(2):  # a second time, nothing changes
        assert command("lessons", 3).err == f"wrote {copy}\n"
        assert copy.read_bytes() == ALL[2].path.read_bytes()
    copy.write_text("mine", "utf-8")
    command("lessons", 3).must_refuse(str(copy), "rename or delete")
    assert copy.read_text("utf-8") == "mine"
    copy.unlink()
    copy.symlink_to("nowhere")
    command("lessons", 3).must_refuse(str(copy), "rename or delete")
    copy.unlink()
    copy.mkdir()
    command("lessons", 3).must_refuse(str(copy), "rename or delete")


def test_a_lesson_is_shown_with_its_results(command):
    answer = command("lessons", 1, "--run")
    assert answer.status == 0
    assert "# 1. Query, key, value" in answer.out  # text
    assert "\n    query = torch.tensor([2.0, 0.0])" in answer.out  # code
    assert "\ncontext: (2.1, 7.9)\n" in answer.out  # result
    assert answer.err == "wrote 01_query_key_value.png\n"
    assert Path("01_query_key_value.png").is_file()


def test_wrong_use_is_refused(command):
    command("lessons", 14).must_refuse("no lesson 14", "1 to 13")
    for words in (["--run"], ["--notebook"], [3, "--run", "--notebook"], [0], ["three"]):
        answer = command("lessons", *words)
        assert (answer.status, answer.out) == (2, "")


def test_a_closed_output_is_refused(command, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    for words in ([], [1, "--run"]):
        command("lessons", *words).must_refuse("standard output is closed")
    assert not Path("01_query_key_value.png").exists()


def test_a_notebook_has_the_cells_of_the_lesson(command):
    pytest.importorskip("jupytext", reason="jupytext is not installed (extra lessons)")
    for _ in range(2):  # the same bytes again
        assert command("lessons", 4, "--notebook").err == "wrote 04_causal_attention.ipynb\n"
    file = Path("04_causal_attention.ipynb")
    cells = json.loads(file.read_text("utf-8"))["cells"]
    shown = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells]
    assert shown == [(cell.text, cell.is_code) for cell in ALL[3].cells]
    file.write_text("{}", "utf-8")
    command("lessons", 4, "--notebook").must_refuse("04_causal_attention.ipynb", "rename or delete")


def test_a_notebook_needs_jupytext(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    command("lessons", 4, "--notebook").must_refuse("pip install 'seq2seq-toolkit[lessons]'")


def test_the_lessons_are_in_the_wheel_and_in_the_source_distribution():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["force-include"]["lessons"] == "seq2seq/lessons"
    assert "lessons" in build["targets"]["sdist"]["include"]
