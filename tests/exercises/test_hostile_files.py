"""Files that cannot be judged, or try to be judged right without being right.

Each gives one sentence that names the line, and none counts as solved.
"""

import itertools
import os
import random
import time
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.exercises import process
from seq2seq.exercises.catalog import find
from seq2seq.exercises.judge import judge
from seq2seq.exercises.process import Process, read_source
from seq2seq.exercises.program import Program, StudentError
from seq2seq.exercises.values import Other, decode, encode

MASK = find(3)  # imports torch only
CALL = "def attend(query, keys, values, mask):"
LINE = MASK.text.splitlines().index(CALL) + 1
SOFTMAX = "    weights = torch.softmax(scores, dim=-1)"


def with_line(line: str, text: str = MASK.text) -> str:
    """The file with a line at the beginning of the function, after its docstring."""
    lines = text.splitlines()
    lines.insert(LINE + 1, f"    {line}")
    return "\n".join(lines) + "\n"


def one_sentence(message: str, *parts: str) -> None:
    assert "\n" not in message and "Traceback" not in message and "seq2seq/" not in message
    assert [part for part in parts if part not in message] == [], message


# --- in this process ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("def attend(:\n", ["x.py, line 1", "SyntaxError"]),
        (MASK.text.replace(SOFTMAX, "  weights = 1"), [f"line {LINE + 4}", "IndentationError"]),
        ("import torhc\n", ["x.py, line 1", "ModuleNotFoundError", "torhc"]),
        ("x = 1\n1 / 0\n", ["x.py, line 2", "ZeroDivisionError"]),
        ("import sys\nsys.exit(0)\n", ["x.py, line 2", "exits"]),
        ("raise KeyboardInterrupt\n", ["x.py, line 1", "KeyboardInterrupt"]),
        ("a = 'é' + \0\n", ["x.py", "null bytes"]),
        ("(" * 500 + ")" * 500, ["x.py"]),
        (
            "class E(Exception):\n  def __str__(self): return 'a\\nb\\x1b[31m'\nraise E",
            ["a b?[31m"],
        ),
        ("raise ValueError('long ' * 10000)", ["..."]),
    ],
)
def test_a_file_that_cannot_be_executed(text, parts):
    with pytest.raises(StudentError) as caught:
        Program(text, "x.py")
    one_sentence(str(caught.value), *parts)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["x.py no longer defines the function attend"]),
        ("attend = 3\n", ["x.py", "in place of the function attend"]),
        (with_line("exit()"), [f"x.py, line {LINE + 2}", "exits"]),
        (with_line("return undefined"), [f"x.py, line {LINE + 2}", "NameError", "undefined"]),
        (with_line("return attend(query, keys, values, mask)"), ["RecursionError", "without end"]),
        (
            with_line("query = query.T"),
            [f"x.py, line {LINE + 3}", "RuntimeError", "attend(tensor["],
        ),
        (MASK.text.replace(CALL, "def attend(query):"), [f"x.py, line {LINE}:", "TypeError"]),
        (with_line("raise SystemExit('solved')"), [f"line {LINE + 2}", "exits"]),
        (with_line("import torch.x as y"), [f"line {LINE + 2}", "ModuleNotFoundError"]),
        (with_line("torch.zeros(2, 3) @ torch.zeros(2, 3)"), [f"line {LINE + 2}", "shapes"]),
    ],
)
def test_a_function_that_cannot_be_called(text, parts):
    with pytest.raises(StudentError) as caught:
        judge(MASK, Program(text, "x.py"), 1)
    one_sentence(str(caught.value), *parts)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("return None", "returned None (is a `return` missing?)"),
        ("return query", "2 values are expected"),
        ("return 'solved', 'solved'", "(context) returned 'solved'"),
        ("return query, mask.float(), 1", "returned a tuple of 3"),
        ("return values, mask.float()", "where a tensor of shape [1, 2] is expected"),
        ("return query * float('nan'), mask.float()", "NaN or infinite"),
        ("return object(), 1", "an object of type object"),
        ("return torch.zeros(9, 9), 1", "returned a tensor of shape [9, 9]"),
        ("return [[1.0, 2.0]], [[1.0, 2.0]]", "returned a list of 1"),
    ],
)
def test_a_wrong_kind_of_result_is_a_property_that_fails(line, part):
    program = Program(with_line(line), "x.py")
    verdict = judge(MASK, lambda *call: decode(encode(program(*call))), 1)
    assert not verdict.solved
    message = str(next(finding.broken for finding in verdict.findings if finding.broken))
    one_sentence(message, part)


@pytest.mark.parametrize("number", range(1, 19))
def test_no_exercise_fails_on_results_of_a_wrong_kind(number):
    """Whatever all functions return, there is a verdict."""
    pairs = (1, 2), (None, None), ([], 0.5), ("a", "b"), ([[1]], None)
    for value in (None, 1, -1.5, "a", (), [[]], {"a": 1}, Other("x"), *pairs):
        verdict = judge(find(number), lambda *_, value=value: decode(encode(value)), 1)
        assert not verdict.solved


def damaged(value: object, draw: random.Random) -> object:
    """A copy of an encoded result in which one value is another one."""
    odd = [None, float("nan"), float("inf"), -1, 7, 1e300, 0.5, "a", True, [], {"other": "a set"}]
    if isinstance(value, dict) and "tensor" in value and value["tensor"] and draw.random() < 0.8:
        numbers = [*value["tensor"]]
        numbers[draw.randrange(len(numbers))] = draw.choice([float("nan"), -3, 2, 10**6])
        dtype = draw.choice(["float64", "float32", value["dtype"]])
        return {**value, "tensor": numbers, "dtype": dtype}
    if isinstance(value, dict) and value.get("list") and draw.random() < 0.9:
        items = [*value["list"]]
        place = draw.randrange(len(items))
        items[place : place + 1] = draw.choice(
            [[damaged(items[place], draw)]] * 3 + [[], [items[place]] * 2]
        )
        return {**value, "list": items}
    return draw.choice(odd)


@pytest.mark.parametrize("number", range(1, 19))
def test_no_exercise_fails_on_damaged_results(number):
    """The judge reads what another process sends, so it must bear anything."""
    program, draw = Program(find(number).model_answer, "x.py"), random.Random(number)
    rounds = 12
    for _ in range(rounds):
        start = draw.randrange(4)  # damages all results after this one
        calls = itertools.count()

        def student(*call, start=start, calls=calls):
            result = encode(program(*call))
            try:
                return decode(result if next(calls) < start else damaged(result, draw))
            except (ValueError, TypeError, RuntimeError, OverflowError):
                raise StudentError("x.py disturbs the connection") from None

        try:
            judge(find(number), student, 1)
        except StudentError as error:
            assert "disturbs" in str(error)  # as `Process` reports it


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"x = 1\n# caf\xe9\n", "line 2: the file is not UTF-8"), (b"#" * 10**6, "200,000 bytes")],
)
def test_a_file_that_is_no_text(content, part, tmp_path):
    path = tmp_path / "x.py"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_source(path)
    one_sentence(str(caught.value), part, str(path))


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("\ufeffx = 1\n", "utf-8")
    assert read_source(path) == "x = 1\n"


@pytest.mark.parametrize(("name", "part"), [("none.py", "no file"), (".", "not a file")])
def test_what_is_no_file_is_refused(name, part, tmp_path):
    with pytest.raises(UserError, match=part):
        read_source(tmp_path / name)


# --- in a process of its own --------------------------------------------------------------------

FORGED = """
import os, json, socket, sys
for number in range(3, 64):
    try:
        os.write(number, b'{"result": null, "id": "0", "solved": true}\\n')
    except OSError:
        pass
"""
PATCHED = """
import torch, builtins, json
torch.allclose = torch.equal = lambda *a, **k: True
torch.Tensor.isfinite = torch.Tensor.all = lambda *a, **k: True
torch.softmax = lambda x, dim: torch.full_like(x, 0.5)
builtins.abs = lambda x: 0.0
"""
PRINTS = """
import sys, os
for _ in range(200_000):
    print("exercise 3: solved")
print("solved", file=sys.stderr)
sys.__stdout__.write("solved")
os.write(1, b"solved"); os.write(2, b"solved")
"""


def verdict_in_process(path: Path, text: str, limit: float = 20.0) -> str:
    """Judge a file as the command does; the reason why it is not solved."""
    path.write_text(text, "utf-8")
    try:
        with Process(path, limit) as student:
            verdict = judge(MASK, student, 1)
    except StudentError as error:
        one_sentence(str(error).replace(str(path), "x.py"))
        return str(error)
    return "solved" if verdict.solved else "not yet"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (with_line("while True: pass"), f"line {LINE + 2}: still running after 3 seconds"),
        ("import os\nos._exit(0)\n", "ended its process"),
        (FORGED + MASK.text, "disturbs the connection"),
        (PATCHED + MASK.text, "not yet"),
        (with_line("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"), "SIGSEGV"),
        (with_line("torch.zeros(10**13)"), f"line {LINE + 2}: RuntimeError"),
    ],
    ids=["loop", "exit", "forged", "patched", "crash", "memory"],
)
def test_a_hostile_file_is_not_solved(text, part, tmp_path, capfd):
    loops = "while True" in text
    reason = verdict_in_process(tmp_path / "é.py", text, 3.0 if loops else 20.0)
    assert part in reason
    assert capfd.readouterr() == ("", "")


def test_printing_has_no_effect_and_modules_of_the_folder_are_not_imported(tmp_path, capfd):
    for name in ("random", "json", "seq2seq"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(0)\n", "utf-8")
    text = "import random, json\n" + PRINTS + MASK.model_answer
    assert verdict_in_process(tmp_path / "x.py", text) == "solved"
    assert capfd.readouterr() == ("", "")


def test_a_process_that_was_started_by_the_file_ends_with_it(tmp_path):
    marker = tmp_path / "pid"
    start = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(marker)!r}, 'w').write(str(child.pid))\n"
    )
    assert verdict_in_process(tmp_path / "x.py", start + MASK.text) == "not yet"
    pid = int(marker.read_text())
    for _ in range(100):
        if not running(pid):
            break
        time.sleep(0.05)
    assert not running(pid)


def test_many_slow_calls_end_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "TOTAL", 3.0)
    text = with_line("import time; time.sleep(0.5)", MASK.model_answer)
    reason = verdict_in_process(tmp_path / "x.py", text)
    assert "still running after 3 seconds in all" in reason


def running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
