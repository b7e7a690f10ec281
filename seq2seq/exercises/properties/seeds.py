"""Properties of exercise 18: the score of several seeds."""

import math

from seq2seq.compare.systems import Spread
from seq2seq.exercises.expect import Draw, Student, described, expect, number, parts

COUNTS = (2, 3, 5)
DRAWS = 100


def scores(draw: Draw, count: int) -> list[float]:
    """Return random scores with one decimal."""
    return [round(30 + value, 1) for value in draw.normal(count).tolist()]


def call(student: Student, given: list[float]) -> tuple[float, float | None]:
    """Call `summary`."""
    pair = parts(student("summary", given), 2, "summary", scores=given)
    score = number(pair[0], "summary (score)", scores=given)
    if pair[1] is None:
        return score, None
    return score, number(pair[1], "summary (deviation)", scores=given)


def near(actual: float, wanted: float) -> bool:
    """Whether two scores are equal up to rounding."""
    return math.isclose(actual, wanted, rel_tol=1e-6, abs_tol=1e-6)


def single(student: Student, draw: Draw) -> None:
    """One seed has its score, and no deviation."""
    given = scores(draw, 1)
    score, deviation = call(student, given)
    expect(near(score, given[0]), f"the score is {score:.4g}", scores=given)
    message = f"the deviation is {described(deviation)}, where None is expected"
    expect(deviation is None, message, scores=given)


def each(student: Student, draw: Draw) -> None:
    """Each seed has an effect on the score."""
    for count in COUNTS:
        given = scores(draw, count)
        before, _ = call(student, given)
        for place in range(count):
            changed = [*given]
            changed[place] -= 0.5
            after, _ = call(student, changed)
            message = f"lowering score {place} by 0.5 does not change the result {before:.4g}"
            expect(not near(after, before), message, scores=given)


def size(student: Student, draw: Draw) -> None:
    """More seeds of one system have no higher score on average."""
    few, many = [], []
    for _ in range(DRAWS):
        given = scores(draw, 12)
        few.append(call(student, given[:2])[0])
        many.append(call(student, given)[0])
    gap = sum(many) / DRAWS - sum(few) / DRAWS
    message = (
        f"scores are drawn from one distribution with standard deviation 1: 12 seeds have a score "
        f"{gap:+.2f} higher than 2 of them, on average over {DRAWS} draws"
    )
    expect(abs(gap) < 0.3, message)


def toolkit(student: Student, draw: Draw) -> None:
    """Score and deviation are those of seq2seq.compare."""
    for count in COUNTS:
        given = scores(draw, count)
        score, deviation = call(student, given)
        wanted = Spread.of(given)
        expect(near(score, wanted.mean), f"the score is {score:.6g}", scores=given)
        good = deviation is not None and near(deviation, wanted.deviation or 0.0)
        message = f"the deviation is {described(deviation)}, expected {wanted.deviation:.6g}"
        expect(good, message, scores=given)


PROPERTIES = (single, each, size, toolkit)
