"""The command `seq2seq exercise`: list, copy, hints, check."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from seq2seq.exercises.catalog import exercises, find
from seq2seq.exercises.progress import FILE

ROOT = Path(__file__).parents[2]


def test_all_exercises_are_listed_with_what_became_of_them(command):
    answer = command("exercise")
    assert answer.status == 0
    for exercise in exercises():
        assert exercise.title in answer.out and exercise.topic in answer.out
    assert "copied" not in answer.out and not Path(FILE).exists()
    command("exercise", 3)
    assert re.search(r"Attention with a mask .* copied", command("exercise").out)


def test_an_exercise_is_copied_and_described(command):
    answer = command("exercise", 14)
    assert answer.status == 0
    assert Path("exercise_14.py").read_text("utf-8") == find(14).text
    said = " ".join(answer.out.split())
    assert " ".join(find(14).symptom.split()) in said
    assert "wrote exercise_14.py" in said and "seq2seq exercise 14 --check" in said


def test_a_file_is_never_overwritten(command, tmp_path):
    for name in ("exercise_03.py", "other.py"):
        Path(name).write_text("mine\n", "utf-8")
    answer = command("exercise", 3)
    assert answer.status == 0 and "exercise_03.py exists already, and was not changed" in answer.out
    command("exercise", 3, "--out", "other.py").must_refuse("other.py exists already")
    Path("link.py").symlink_to(tmp_path / "elsewhere.py")
    command("exercise", 3, "--out", "link.py").must_refuse("link.py exists already")
    assert Path("exercise_03.py").read_text("utf-8") == Path("other.py").read_text("utf-8")
    assert not (tmp_path / "elsewhere.py").exists()


def test_hints_come_one_after_the_other(command):
    first, second = find(3).hints
    shown = [" ".join(command("exercise", 3, "--hint").out.split()) for _ in range(3)]
    assert shown == [f"hint 1 of 2 {first}", f"hint 2 of 2 {second}", f"hint 2 of 2 {second}"]
    assert first in " ".join(command("exercise", 3, "--hint", 1).out.split())
    assert find(4).hints[1] in " ".join(command("exercise", 4, "--hint", 2).out.split())
    command("exercise", 3, "--hint", 3).must_refuse("no hint 3", "has 2")
    command("exercise", 3, "--hint", "x").must_refuse("--hint x")


def test_a_repair_is_judged_and_explained(command):
    command("exercise", 3)
    answer = command("exercise", 3, "--check")
    assert (answer.status, answer.err) == (1, "")
    assert (
        "not yet" in answer.out
        and "  fails  A hidden key has no weight, whatever the scores are." in answer.out
    )
    assert "  query = [[" in answer.out and find(3).wrong[:20] not in answer.out
    Path("exercise_03.py").write_text(find(3).model_answer, "utf-8")
    answer = command("exercise", 3, "--check")
    assert answer.status == 0 and "Exercise 3, Attention with a mask: solved" in answer.out
    said = " ".join(answer.out.split())
    for text in (find(3).wrong, find(3).why, find(3).source):
        assert " ".join(text.split()) in said
    assert re.search(r"Attention with a mask .* solved\n", command("exercise").out)
    with Path("exercise_03.py").open("a", encoding="utf-8") as file:
        file.write("# more\n")
    assert re.search(r"Attention with a mask .* changed\n", command("exercise").out)


def test_a_file_with_another_name_is_judged(command):
    command("exercise", 9, "--out", "work/mine.py")
    path = Path("work/mine.py")
    path.write_text(find(9).text.replace("[[*sentence, EOS] for", "[[*sentence, EOS for"), "utf-8")
    command("exercise", 9, "--check", path).must_refuse("work/mine.py, line ", "SyntaxError")


def test_the_file_of_another_exercise_is_refused(command):
    command("exercise", 3)
    message = "exercise_03.py is a file of exercise 3, not of exercise 2"
    command("exercise", 2, "--check", "exercise_03.py").must_refuse(message)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["99"], "no exercise 99: they are numbered from 1 to "),
        (["0"], "no exercise 0"),
        (["3", "--check"], "no file exercise_03.py"),
        (["3", "--check", "none.py"], "no file none.py"),
        (["3", "--check", "."], "is not a file"),
        (["3", "mine.py"], "'mine.py' has no effect"),
        (["3", "--out", "a.py", "--check"], "exclude each other"),
        (["3", "--hint", "--check"], "exclude each other"),
        (["--check"], "--check needs the number of an exercise"),
        (["--out", "a.py"], "--out needs the number"),
    ],
)
def test_what_cannot_be_done_is_refused(command, words, part):
    command("exercise", *words).must_refuse(part)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"3": 1}', b"\xff"])
def test_a_damaged_record_is_named(command, content):
    Path(FILE).write_bytes(content)
    Path("exercise_03.py").touch()
    for words in ([], ["3", "--hint"], ["3", "--check"]):
        command("exercise", *words).must_refuse(FILE, "delete it")


def test_values_of_a_wrong_kind_in_the_record_have_no_effect(command):
    Path(FILE).write_text('{"3": {"hints": "x", "file": 7, "solved": []}}', "utf-8")
    assert "hint 1 of 2" in command("exercise", 3, "--hint").out
    assert command("exercise").status == 0


def test_listing_and_copying_import_no_torch(tmp_path):
    for words in ([], ["3"], ["3", "--hint"]):
        code = (
            "import sys; from seq2seq.cli import main\n"
            "try: main()\n"
            "finally: assert not {'torch', 'sacrebleu', 'numpy'} & set(sys.modules)"
        )
        line = [sys.executable, "-c", code, "exercise", *words]
        subprocess.run(line, cwd=tmp_path, check=True, capture_output=True)


def test_the_exercises_are_part_of_the_wheel():
    """`.ci/test-wheel` uses them there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    targets = project["tool"]["hatch"]["build"]["targets"]
    included = targets["wheel"]["force-include"]
    assert any(
        installed == f"seq2seq/{folder}" and (ROOT / folder) in find(1).source_file.parents
        for folder, installed in included.items()
    )
    assert "lessons" in targets["sdist"]["include"]
