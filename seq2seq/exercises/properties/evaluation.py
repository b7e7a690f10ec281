"""Properties of exercise 15: dropout in training and evaluation."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, close, equal, expect, tensor

SIZES = ((1, 2, 3, 1), (3, 4, 5, 2))  # rows, dim, units, outputs
LARGE = 2000  # hidden units, for a share of dropped units


def inputs(
    draw: Draw, rows: int, dim: int, units: int, outputs: int, rate: float = 0.5
) -> dict[str, Tensor | float]:
    """Return random rows and weights; all hidden units are positive."""
    return {
        "x": draw.normal(rows, dim).abs(),
        "w_hidden": draw.normal(dim, units).abs(),
        "w_out": draw.normal(units, outputs),
        "rate": rate,
    }


def call(student: Student, function: str, given: dict[str, Tensor | float]) -> Tensor:
    """Call one of the two functions."""
    x, _, w_out, _ = given.values()
    assert isinstance(x, Tensor) and isinstance(w_out, Tensor)
    return tensor(student(function, *given.values()), [x.size(0), w_out.size(1)], function, **given)


def repeated(student: Student, draw: Draw) -> None:
    """Two evaluations give the same."""
    for size in SIZES:
        for rate in (0.5, 0.9):
            given = inputs(draw, *size, rate=rate)
            results = [call(student, "evaluation_pass", given) for _ in range(4)]
            expect(
                all(close(one, results[0]) for one in results),
                "evaluation_pass returns different results for the same inputs",
                **given,
            )


def whole(student: Student, draw: Draw) -> None:
    """An evaluation uses all hidden units as they are."""
    for size in SIZES:
        given = inputs(draw, *size)
        x, w_hidden, w_out = (torch.as_tensor(value) for value in list(given.values())[:3])
        wanted = torch.relu(x @ w_hidden) @ w_out
        equal(call(student, "evaluation_pass", given), wanted, "evaluation_pass", **given)


def dropped(student: Student, draw: Draw) -> None:
    """In training, a share `rate` of the hidden units is zero, and the others are scaled."""
    for rate in (0.25, 0.75):
        given: dict[str, Tensor | float] = {
            "x": torch.ones(1, 1),
            "w_hidden": torch.ones(1, LARGE),
            "w_out": torch.ones(LARGE, 1),
            "rate": rate,
        }
        sums = [call(student, "training_pass", given).item() for _ in range(3)]
        expect(
            abs(sums[0] - LARGE) < 0.25 * LARGE,
            f"the sum of {LARGE:,} hidden units, which are 1 without dropout, is {sums[0]:,.0f} in "
            f"training with rate {rate}: with dropout it is close to {LARGE:,}",
        )
        message = f"in training with rate {rate}, three passes use the same hidden units"
        expect(len(set(sums)) > 1, message)
        small = given | {"w_hidden": torch.ones(1, 1), "w_out": torch.ones(1, 1)}
        values = {round(call(student, "training_pass", small).item(), 4) for _ in range(60)}
        message = (
            f"in training with rate {rate}, a hidden unit of 1 becomes {sorted(values)}: dropout "
            f"makes it 0 or {1 / (1 - rate):.4g}"
        )
        expect(values == {0.0, round(1 / (1 - rate), 4)}, message)


def without(student: Student, draw: Draw) -> None:
    """With a rate of 0, training and evaluation give the same."""
    for size in SIZES:
        given = inputs(draw, *size, rate=0.0)
        one, other = (call(student, f"{mode}_pass", given) for mode in ("training", "evaluation"))
        expect(close(one, other), "with a rate of 0, both passes differ", **given)


PROPERTIES = (without, dropped, repeated, whole)
