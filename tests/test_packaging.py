"""The package's name, version and files, and what the shell completes."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import seq2seq

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NAME = PROJECT["name"]
COMMANDS = ("train", "translate", "evaluate", "compare")
TEXTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("constraints*.txt"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "seq2seq").rglob("*.py"),
]
WITHOUT_TORCH = (
    "import sys; from seq2seq.cli import main\n"
    "try: main()\n"
    "finally: assert 'torch' not in sys.modules, 'torch was imported'"
)


def answer(*words, **environment):
    """What the command prints, in a process that fails if it imports torch."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_version_is_printed_and_has_one_place():
    assert answer("--version") == f"seq2seq {seq2seq.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", seq2seq.__version__)
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {seq2seq.__version__}\n" in citation
    assert f"## {seq2seq.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell):
    asked = {"COMP_WORDS": "seq2seq ", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "seq2seq "}
    asked["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    printed = answer(_SEQ2SEQ_COMPLETE=f"complete_{shell}", **asked)
    assert all(command in printed for command in COMMANDS)
    assert "_SEQ2SEQ_COMPLETE" in answer(_SEQ2SEQ_COMPLETE=f"source_{shell}")


def test_the_shell_completes_options_of_a_command():
    asked = {"COMP_WORDS": "seq2seq translate --be", "COMP_CWORD": "2"}
    assert "--beam" in answer(_SEQ2SEQ_COMPLETE="complete_bash", **asked)


def test_completion_is_installed_for_a_shell(tmp_path):
    unknown = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # whatever runs the tests
    printed = answer("--install-completion", "bash", HOME=str(tmp_path), **unknown)
    assert "completion installed" in printed
    assert "seq2seq" in (tmp_path / ".bashrc").read_text("utf-8")


def test_the_tests_of_the_lowest_versions_exist():
    make = (ROOT / "Makefile").read_text("utf-8")
    named = re.search(r"^LOWEST_TESTS :=((?:.*\\\n)*.*)", make, re.M)[1].replace("\\", "").split()
    assert named and all((ROOT / name).is_file() for name in named)


def test_hints_to_install_name_this_package_and_its_extras():
    """`seq2seq` on PyPI is another package."""
    hints = {
        (path.name, *hint)
        for path in TEXTS
        for hint in re.findall(r"([\w-]*seq2seq[\w-]*)\[([\w,]+)\]'", path.read_text("utf-8"))
    }
    assert hints
    for file, name, extras in hints:
        assert name == NAME, file
        assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys(), file


def test_the_lowest_versions_that_are_promised_are_those_that_are_tested():
    """constraints-lowest.txt has the lower bound of every dependency, torch apart."""
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    for dependency in PROJECT["dependencies"]:
        name, bound = re.match(r"([\w-]+)>=([\d.]+)", dependency).groups()
        if name == "torch":
            continue  # only the pinned version has a small build for CPUs
        have, promised = ([*map(int, v.split(".")), 0, 0, 0][:4] for v in (pinned[name], bound))
        assert have == promised, f"{name}: {pinned[name]} is tested, {bound} is promised"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "tests").rglob("conftest.py")), ids=lambda f: f.parent.name
)
def test_a_conftest_imports_no_part_of_the_package(file):
    """pytest loads the one of a folder on its command line before the package can be checked."""
    code = f"import runpy, sys; runpy.run_path({str(file)!r}); assert 'seq2seq' not in sys.modules"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)
