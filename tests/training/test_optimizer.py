"""Schedules against their formulas, and the budget."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from seq2seq.settings.config import TrainConfig
from seq2seq.settings.schema import check
from seq2seq.training.optimizer import Budget, Schedule, make_optimizer, without_compiler

CONFIGS = Path(__file__).parents[2] / "configs" / "train"
PEAK, WARMUP = 0.004, 10


@pytest.fixture
def settings() -> TrainConfig:
    values = yaml.safe_load((CONFIGS / "adam.yaml").read_text())
    numbers = {"learning_rate": PEAK, "warmup_steps": WARMUP, "eps": 1e-9}
    return TrainConfig(**check(TrainConfig, values | numbers, "train"))


@pytest.mark.parametrize("name", ["constant", "inverse_sqrt", "cosine", "plateau"])
def test_every_schedule_climbs_in_a_straight_line(settings, name):
    schedule = Schedule(replace(settings, schedule=name))
    rates = [schedule.rate(step, spent=0.0) for step in range(1, WARMUP + 1)]
    assert rates == pytest.approx([PEAK * step / WARMUP for step in range(1, WARMUP + 1)])


@pytest.mark.parametrize("name", ["constant", "cosine", "plateau"])
def test_without_warmup_the_first_update_has_the_peak(settings, name):
    schedule = Schedule(replace(settings, schedule=name, warmup_steps=0))
    assert schedule.rate(1, spent=0.0) == PEAK


@pytest.mark.parametrize("step", [11, 40, 1000])
def test_constant_stays_at_the_peak(settings, step):
    assert Schedule(replace(settings, schedule="constant")).rate(step, spent=0.7) == PEAK


@pytest.mark.parametrize("step", [1, 9, 10, 11, 40, 1000])
def test_inverse_sqrt_is_the_papers_equation_3_with_its_peak_as_parameter(settings, step):
    rate = Schedule(replace(settings, schedule="inverse_sqrt")).rate(step, spent=0.5)
    paper = min(step**-0.5, step * WARMUP**-1.5)
    assert rate == pytest.approx(PEAK * math.sqrt(WARMUP) * paper)


@pytest.mark.parametrize("step", [1, 4, 100])
def test_inverse_sqrt_without_warmup_begins_at_the_peak(settings, step):
    schedule = Schedule(replace(settings, schedule="inverse_sqrt", warmup_steps=0))
    assert schedule.rate(step, spent=0.5) == pytest.approx(PEAK / math.sqrt(step))


@pytest.mark.parametrize(("spent", "factor"), [(0.0, 1), (1 / 3, 0.75), (0.5, 0.5), (2 / 3, 0.25)])
def test_cosine_follows_the_budget(settings, spent, factor):
    rate = Schedule(replace(settings, schedule="cosine")).rate(100, spent)
    assert rate == pytest.approx(PEAK * factor)


@pytest.mark.parametrize("spent", [1.0, 1.3])
def test_cosine_is_zero_at_the_end_and_after_it(settings, spent):
    rate = Schedule(replace(settings, schedule="cosine")).rate(100, spent)
    assert rate == pytest.approx(0, abs=1e-12)


def test_plateau_falls_with_every_validation_in_vain(settings):
    schedule = Schedule(replace(settings, schedule="plateau", plateau_factor=0.3))
    for falls in range(4):
        assert schedule.rate(50, spent=0.5) == pytest.approx(PEAK * 0.3**falls)
        schedule.falls += 1


@pytest.mark.parametrize(
    ("steps", "epochs", "minutes", "share"),
    [(50, 1.0, 1.0, 0.5), (10, 3.0, 1.0, 0.75), (10, 1.0, 54.0, 0.9), (200, 1.0, 1.0, 2.0)],
)
def test_the_budget_is_spent_by_what_ends_first(steps, epochs, minutes, share):
    budget = Budget(steps=100, epochs=4, minutes=60.0)
    assert budget.spent(steps, epochs, minutes) == pytest.approx(share)


@pytest.mark.parametrize(
    ("budget", "done"),
    [
        (Budget(10, None, None), (5, 1e6, 1e6)),
        (Budget(None, 10, None), (10**6, 5.0, 1e6)),
        (Budget(None, None, 10.0), (10**6, 1e6, 5.0)),
    ],
)
def test_what_has_no_limit_is_never_spent(budget, done):
    assert budget.spent(*done) == 0.5


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("adadelta", torch.optim.Adadelta)],
)
def test_the_optimizer_is_made_with_the_settings(settings, name, kind):
    settings = replace(settings, optimizer=name, betas=[0.8, 0.9], weight_decay=0.01)
    optimizer = make_optimizer([torch.nn.Parameter(torch.ones(2))], settings)
    assert isinstance(optimizer, kind)
    assert type(optimizer).__name__ == kind.__name__
    (group,) = optimizer.param_groups
    assert (group["lr"], group["eps"], group["weight_decay"]) == (PEAK, 1e-9, 0.01)
    momentum = {"rho": 0.8} if name == "adadelta" else {"betas": (0.8, 0.9)}
    assert momentum.items() <= group.items()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.Adadelta])
def test_an_optimizer_without_decorators_for_the_compiler_does_the_same(kind):
    fused = {} if kind is torch.optim.Adadelta else {"fused": True}
    states, calls = [], []
    for own in (kind, without_compiler(kind)):
        x = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        y = torch.nn.Parameter(torch.tensor([3.0]))
        optimizer = own([x], lr=0.1, **fused)
        optimizer.add_param_group({"params": [y], "lr": 0.01})
        optimizer.register_step_post_hook(lambda *_: calls.append(1))
        for _ in range(3):
            optimizer.zero_grad()
            assert x.grad is None
            (x.square().sum() + y.sum()).backward()
            assert optimizer.step() is None
            assert torch.is_grad_enabled() and not x.grad.requires_grad
        weights = (torch.nn.Parameter(torch.ones(size)) for size in (2, 1))
        other = own([{"params": [one]} for one in weights], **fused)
        other.load_state_dict(optimizer.state_dict())
        states.append((x.tolist(), y.tolist(), str(other.state_dict())))
    assert states[0] == states[1]
    assert len(calls) == 6


@pytest.mark.parametrize("name", ["adam", "adamw", "adadelta"])
def test_every_optimizer_goes_downhill(settings, name):
    x = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    settings = replace(settings, optimizer=name, learning_rate=0.1, eps=1e-6)
    optimizer = make_optimizer([x], settings)
    for _ in range(20):
        optimizer.zero_grad()
        x.square().sum().backward()
        optimizer.step()
    assert x.square().sum() < 5
