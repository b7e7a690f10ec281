"""The documentation is run: its Python code, its commands, its links and the files it names.

Covers README.md, the other pages of the root folder and every page in docs/, so a new page is
tested without a change here. What is tested on a page:

- Python (```python) is executed in order, all blocks of a page in one namespace, in a folder with
  the run folders runs/first (RNN with attention) and runs/second (Transformer) and a file in.txt;
  ```pycon is run as a doctest; YAML and JSON must parse.
- A block with a title="PATH" is a file: it is written there, and the page's commands see it. A
  model or corpus that a page adds by its two files is known to `seq2seq train`, and a model must
  pass the contract tests.
- Commands `seq2seq ...`, in blocks and in `inline code`, are parsed with all their options and
  composed with all their keys and options, without being run. If the next line is
  `seq2seq: MESSAGE`, the command must be refused with that message. `make TARGET` must name a
  target.
- Links to files, and paths of this repository in inline code, must exist.

A block that is none of these is marked ```text. The pages in docs/lessons/ are made by running the
lessons, which tests/test_lessons.py tests, so their code is not run again here.
"""

import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
import yaml

import seq2seq.corpora
import seq2seq.models
from seq2seq import cli
from seq2seq.errors import UserError
from seq2seq.settings import config_files, key_checks, train_arguments
from seq2seq.settings import help as settings_help

ROOT = Path(__file__).parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
WITH_CODE = [page for page in PAGES if page.parent.name != "lessons"]
REPORTS = sorted((ROOT / "experiments").rglob("*.md"))  # of older commits: only their links
RUNS = {"first": "bahdanau", "second": "transformer"}  # of tests/data/runs-0.1.0
GENERATED = {ROOT / "docs" / "architecture.svg"}  # when the documentation is built
SHELL = {"", "sh", "bash", "shell", "console"}

FENCE = re.compile(
    r"^( *)(```+|~~~+) *([\w+-]*)(?: +title=\"([^\"]+)\")?[^\n]*\n(.*?)^\1\2 *$", re.M | re.S
)
INDENTED = re.compile(r"(?<=\n\n)((?: {4}[^\n]*\n|\n(?= {4}))+)")
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
OURS = re.compile(r"(?:seq2seq|tests|configs|experiments|docs|data|\.ci)/[\w./-]+")


class Block(NamedTuple):
    """A piece of code on a page, the number of its first line, and the file that it is."""

    language: str
    code: str
    line: int
    file: str | None = None


def blocks(text: str) -> list[Block]:
    """The fenced and indented blocks, from top to bottom."""
    found = []
    for match in FENCE.finditer(text):
        code = re.sub(rf"^{match[1]}", "", match[5], flags=re.M)
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(match[3].lower(), code, line, match[4]))
    bare = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    # The text of a list item is indented as well, but does not begin with four spaces after none.
    for match in INDENTED.finditer(bare):
        line = bare.count("\n", 0, match.start()) + 1
        found.append(Block("", re.sub(r"^ {4}", "", match[1], flags=re.M), line))
    return sorted(found, key=lambda block: block.line)


def files(text: str) -> dict[str, str]:
    """The files that a page has its reader write, and what is in them."""
    return {block.file: block.code for block in blocks(text) if block.file}


def prose(text: str) -> str:
    """A page without its blocks."""
    return INDENTED.sub("\n", FENCE.sub("", text))


class Command(NamedTuple):
    """The words of a command, and the message that it is refused with, if it is."""

    words: list[str]
    refusal: str | None = None


def commands(text: str) -> Iterator[Command]:
    """The commands `seq2seq ...` and `make ...` on a page, in blocks and in inline code."""
    for block in blocks(text):
        if block.language not in SHELL:
            continue
        lines = re.sub(r"\\\n\s*", " ", block.code).splitlines()
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            said = after if after.startswith("seq2seq: ") else None
            for words in split(line.removeprefix("$ ")):
                yield Command(words, said)
    for code in INLINE.findall(prose(text)):
        if re.match(r"(?:seq2seq|make) \S", code):
            if len(code.split()) == 2 and not code.split()[1].startswith("-"):
                code += " --help"  # the name of a command
            # What stands for something else: `...`, `data=NAME`, `COMMAND`.
            for words in split(code):
                other = re.compile(r"\.{3}|…|[a-z_.]+=[A-Z]+|COMMAND")
                yield Command([word for word in words if not other.fullmatch(word)])


def split(line: str) -> Iterator[list[str]]:
    """The commands of a line of shell that are checked, without redirections and assignments."""
    line = re.sub(r"(?<!\S)\d(?=>)", "", line)  # 2> file
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # an apostrophe: a line of output
        return
    part: list[str] = []
    skip = False
    for word in [*words, ";"]:
        if skip:  # the file of a redirection
            skip = False
        elif re.fullmatch(r"[<>]+&?", word):
            skip = True
        elif re.fullmatch(r"[|;&]+", word):
            while part and re.fullmatch(r"(?:\w+=.*|do|then|time)", part[0]):
                part.pop(0)
            if part[:1] in (["seq2seq"], ["make"]):
                yield part
            part = []
        else:
            part.append(word)


def check(words: list[str]) -> None:
    """Fail if a command, an option or a key does not exist, or a value is refused."""
    program, *words = words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        for word in set(words) - {"--help"}:
            assert "=" in word or word in targets, f"make has no target {word}"
        return
    group = typer.main.get_command(cli.app)
    if not words or words[0].startswith("-"):  # COMMAND --help, --version
        options = {name for option in group.params for name in option.opts} | {"--help"}
        assert set(words) & options or not words, f"no such option: {words}"
        return
    name, *words = words
    assert name in group.commands, f"there is no command {name}"
    if name in ("train", "check"):
        if {"-h", "--help"} & set(words):  # of choices whose keys need not all be given
            settings_help.help_text([word for word in words if word not in ("-h", "--help")])
        else:
            compose_words(words)
    elif not {"--help"} & set(words):
        context = group.commands[name].make_context(name, list(words))
        given = context.params.get("words") or []
        keys = [word for word in given if "=" in word]
        if name == "demo":
            compose_words(["experiment=demo-rnn", *keys])
        elif name == "bench":
            for model in set(given) - set(keys):
                config_files.model_settings(model)
            compose_words(keys)


def compose_words(words: list[str]) -> None:
    """Compose the configuration of each run, as `seq2seq train` does."""
    train_arguments.parse_command(words, settings_help.help_text)


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def forget_choices() -> None:
    """What was read of configs/ is read anew."""
    key_checks.known_keys.cache_clear()
    key_checks.text_keys.cache_clear()


@pytest.fixture
def folder(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of the code on a page, with the files of the page."""
    for name, fixture in RUNS.items():
        stored = ROOT / "tests" / "data" / "runs-0.1.0" / fixture
        shutil.copytree(stored, tmp_path / "runs" / name)
    (tmp_path / "in.txt").write_text("The little girl did not see him.\n", "utf-8")
    added_files = files(page.read_text("utf-8"))
    for name, content in added_files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    shutil.copytree(ROOT / "configs", tmp_path / "configs", dirs_exist_ok=True)
    monkeypatch.setattr(config_files, "config_folder", lambda: tmp_path / "configs")
    for package in (seq2seq.corpora, seq2seq.models):
        added = str(tmp_path / package.__name__.replace(".", "/"))
        monkeypatch.setattr(package, "__path__", [*package.__path__, added])
    before = set(sys.modules)
    forget_choices()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget_choices()
    for name in {name for name in sys.modules if name.startswith("seq2seq.")} - before:
        if any(name == file.removesuffix(".py").replace("/", ".") for file in added_files):
            del sys.modules[name]


@pytest.mark.parametrize("page", WITH_CODE, ids=ids)
def test_the_code_of_a_page_runs(page: Path, folder: Path) -> None:
    namespace = {"__name__": "__main__"}
    for block in blocks(page.read_text("utf-8")):
        place = "\n" * (block.line - 1)  # so that a traceback has the line of the page
        if block.language in ("python", "py") and not block.file:
            exec(compile(place + block.code, str(page), "exec"), namespace)
        elif block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(
                block.code, namespace, ids(page), str(page), block.line
            )
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert doctest.DocTestRunner(optionflags=flags).run(test, clear_globs=False).failed == 0
        elif block.language in ("yaml", "yml"):
            yaml.safe_load(block.code)
        elif block.language == "json":
            json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_commands_of_a_page_exist(page: Path, folder: Path) -> None:
    wrong = []
    for words, refusal in commands(page.read_text("utf-8")):
        try:
            check(words)
            said = None
        except UserError as error:
            said = f"seq2seq: {error}"
        except Exception as error:  # of the parser of options, or an assertion above
            said = getattr(error, "message", None) or str(error) or repr(error)
        if said != refusal:
            wrong.append(f"{shlex.join(words)}\n    {said or 'was accepted'}")
    assert not wrong, "\n".join([ids(page), *wrong])


@pytest.mark.parametrize("page", [*PAGES, *REPORTS], ids=ids)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = prose(page.read_text("utf-8"))
    targets = {link.split("#")[0] for link in LINK.findall(INLINE.sub("", text))}
    missing = {
        target
        for target in targets
        if target and not re.match(r"[a-z]+:", target)
        if (path := (page.parent / target).resolve()) not in GENERATED and not path.exists()
    }
    if page in PAGES:
        named = {code for code in INLINE.findall(text) if OURS.fullmatch(code)}
        added = files(page.read_text("utf-8"))
        missing |= {name for name in named - added.keys() if not (ROOT / name).exists()}
    assert not missing


@pytest.mark.parametrize("page", [ROOT / "docs" / "add-a-model.md"], ids=ids)
def test_the_model_of_a_page_keeps_the_contract(page: Path, tmp_path: Path) -> None:
    """In a copy of the tree with the page's two files, as the page says."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("seq2seq", "configs", "tests/models"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    added = files(page.read_text("utf-8"))
    for name, content in added.items():
        (tmp_path / name).write_text(content, "utf-8")
    [model] = [Path(name).stem for name in added if name.startswith("seq2seq/models/")]
    pytest_words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", model]
    done = subprocess.run(
        [sys.executable, *pytest_words, "tests/models/test_model_contract.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


def test_commands_are_found_and_checked() -> None:
    """The test of the tests above: what is wrong on a page is seen."""
    page = (
        "Text `seq2seq evaluate --beem 2 runs/first` and `seq2seq` alone.\n\n"
        "    seq2seq translate runs/first < in.txt > out.txt   # a comment\n"
        "    X=1 seq2seq train \\\n      model=rnn train.max_step=3 && make nothing\n\n"
        "- an item\n\n  its text\n\n"
        "```sh\n$ seq2seq train -m seed=1,2 2> log\n```\n\n"
        "```python\nseq2seq = 1\n```\n"
    )
    found = [command.words for command in commands(page)]
    assert found == [
        ["seq2seq", "translate", "runs/first"],
        ["seq2seq", "train", "model=rnn", "train.max_step=3"],
        ["make", "nothing"],
        ["seq2seq", "train", "-m", "seed=1,2"],
        ["seq2seq", "evaluate", "--beem", "2", "runs/first"],
    ]
    for good in (found[0], found[3]):
        check(good)
    usage_error = typer.BadParameter.__base__  # which typer does not export
    for bad, kind, message in (
        (found[1], UserError, "unknown key 'train.max_step'; did you mean 'train.max_steps'?"),
        (found[2], AssertionError, "make has no target nothing"),
        (found[4], usage_error, "No such option: --beem"),
        (["seq2seq", "trian"], AssertionError, "there is no command trian"),
        (["seq2seq", "--versoin"], AssertionError, "no such option: ['--versoin']"),
    ):
        with pytest.raises(kind, match=re.escape(message)):
            check(bad)
    assert [(block.language, block.line) for block in blocks(page)] == [
        ("", 3), ("sh", 12), ("python", 16),
    ]  # fmt: skip
