"""Every planted bug is caught, every right repair passes, and no other repair does."""

import contextlib
import difflib
import io
import re
import runpy
from pathlib import Path

import pytest
from exercise_repairs import RIGHT, TOGETHER, WRONG

from seq2seq.commands.exercise import counterexample
from seq2seq.exercises.catalog import Exercise, exercises
from seq2seq.exercises.expect import shown
from seq2seq.exercises.judge import Verdict, judge, properties
from seq2seq.exercises.program import Program, StudentError
from seq2seq.exercises.values import decode, encode

ROOT = Path(__file__).parents[2]
ALL = {exercise.number: exercise for exercise in exercises()}
SEEDS = range(5)


def ids(value: object) -> str | None:
    return f"{value.number:02}-{value.name}" if isinstance(value, Exercise) else None


every = pytest.mark.parametrize("exercise", ALL.values(), ids=ids)


def judged(exercise: Exercise, text: str, seed: int = 1) -> Verdict:
    return judge(exercise, Program(text, exercise.file_name), seed)


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new)


def test_there_are_at_least_twelve_exercises_numbered_from_one():
    assert len(ALL) >= 12
    assert list(ALL) == list(range(1, len(ALL) + 1))
    assert RIGHT.keys() == WRONG.keys() == ALL.keys()


@every
def test_the_planted_bug_is_caught(exercise):
    for seed in SEEDS:
        verdict = judged(exercise, exercise.text, seed)
        failed = [finding for finding in verdict.findings if finding.broken]
        assert failed and not verdict.solved
        assert len(failed) < len(verdict.findings) or exercise.number in (1, 10)
        assert str(failed[0].broken)


@every
def test_a_counterexample_names_its_inputs_if_there_are_any(exercise):
    verdict = judged(exercise, exercise.text)
    broken = next(finding for finding in verdict.findings if finding.broken)
    lines = list(counterexample(verdict, exercise.number))
    assert lines[0].startswith("Expected: ") and lines[1].startswith("Found: ")
    assert lines[1].endswith(".") and not lines[1].endswith("..")
    inputs = [line.split(" = ")[0].strip() for line in lines if line.startswith("  ")]
    assert inputs == list(broken.broken.inputs)
    assert ("Inputs:" in lines) == bool(inputs)


@every
def test_the_model_answer_passes(exercise):
    for seed in SEEDS:
        failed = [f for f in judged(exercise, exercise.model_answer, seed).findings if f.broken]
        assert not failed, [(f.statement, str(f.broken)) for f in failed]


@every
def test_the_model_answer_differs_in_few_lines(exercise):
    before, after = exercise.text.splitlines(), exercise.model_answer.splitlines()
    changes = [line for line in difflib.ndiff(before, after) if line[:1] in "+-"]
    assert 1 <= len(changes) <= 5


@pytest.mark.parametrize("number", RIGHT)
def test_other_right_answers_pass(number):
    for old, several in RIGHT[number].items():
        for new in several:
            text = replaced(ALL[number].text, old, new)
            for more in TOGETHER.get(number, []):
                text = replaced(text, *more)
            failed = [f for f in judged(ALL[number], text).findings if f.broken]
            assert not failed, (new, [(f.statement, str(f.broken)) for f in failed])


@pytest.mark.parametrize("number", WRONG)
def test_wrong_repairs_do_not_pass(number):
    for old, several in WRONG[number].items():
        for new in several:
            text = replaced(ALL[number].text, old, new)
            try:
                solved = judged(ALL[number], text).solved
            except StudentError as error:
                assert f"{ALL[number].file_name}, line " in str(error)
                solved = False
            assert not solved, new


@every
def test_the_numbers_of_the_symptom_are_those_that_the_file_prints(exercise):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(exercise.source_file), run_name="__main__")
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?<!,)", exercise.symptom)
    measured = [number for number in numbers if "." in number]
    assert measured
    assert [number for number in measured if number not in printed.getvalue()] == []


@every
def test_a_file_is_short_complete_and_says_nothing_of_the_answer(exercise):
    lines = exercise.text.splitlines()
    assert 28 <= len(lines) <= 90
    assert lines[0].startswith(f'"""Exercise {exercise.number}: ')
    assert "The file runs, and is wrong in one way." in lines
    assert 1 <= len(exercise.hints) <= 3
    assert exercise.wrong and exercise.why and exercise.source
    for hint in exercise.hints:
        assert exercise.repairs[0].new.strip() not in hint
    imported = set(re.findall(r"^(?:from|import) (\w+)", exercise.text, re.M))
    assert imported <= {"torch", "math", "random", "re", "statistics", "seq2seq"}
    statements = [str(check.__doc__).splitlines()[0] for check in properties(exercise)]
    assert len(statements) >= 3 and all(line.endswith(".") for line in statements)


@every
def test_the_lesson_of_an_exercise_exists(exercise):
    assert 1 <= exercise.lesson <= 13
    lessons = {int(path.name[:2]) for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py")}
    if not lessons:
        pytest.skip("there are no lessons in this checkout")
    assert exercise.lesson in lessons


def test_the_files_of_an_exercise_belong_together():
    folder = ROOT / "lessons" / "exercises"
    stems = {path.stem for path in folder.iterdir() if path.suffix in (".py", ".toml")}
    assert stems == {f"{exercise.number:02}_{exercise.name}" for exercise in ALL.values()}
    modules = {path.stem for path in (ROOT / "seq2seq/exercises/properties").glob("*.py")}
    assert modules - {"__init__", "common"} == {exercise.name for exercise in ALL.values()}


@every
def test_an_exercise_is_in_the_documentation(exercise):
    page = (ROOT / "docs" / "exercises.md").read_text("utf-8")
    row = f"| {exercise.number} | {exercise.title} | {exercise.topic} | {exercise.lesson} |"
    assert row in page.splitlines()


def test_inputs_are_shown_without_a_negative_zero():
    import torch

    assert shown(torch.tensor([[-0.0, 0.5], [-0.25, 2.0]])) == "[[0, 0.5], [-0.25, 2]]"


def test_results_keep_type_and_digits():
    import torch

    values = [
        torch.tensor([[0.1, float("inf")]]), torch.tensor([], dtype=torch.long),
        torch.tensor(True), 0.1, 1, "é\n", None, (1, [2.5, (3,)]), {1, 2}, {"a": (1, 2)},
    ]  # fmt: skip
    for value in values:
        again = decode(encode(value))
        assert type(again) is type(value)
        if isinstance(value, torch.Tensor):
            assert again.dtype == value.dtype and torch.equal(again, value)
        else:
            assert again == value
    assert "object of type" in decode(encode(object())).description
    assert "shape [1000, 1000]" in decode(encode(torch.zeros(1000, 1000))).description


def test_results_that_are_not_real_and_finite_are_refused():
    import torch

    from seq2seq.exercises.expect import PropertyError, number, tensor

    assert number(10**300, "f") == 1e300
    for value in (10**400, -(10**400), float("inf"), float("nan"), 1j, torch.tensor(1j)):
        with pytest.raises(PropertyError, match="is expected"):
            number(value, "f")
    with pytest.raises(PropertyError, match="complex numbers"):
        tensor(torch.ones(2, dtype=torch.complex64), [2], "f")
