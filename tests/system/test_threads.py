"""The choice of threads: by what an update takes with each number, never by how many there are."""

from types import SimpleNamespace

import pytest
import torch

from seq2seq.system import threads


class Machine:
    """A clock that an update moves on by what it takes with the present number of threads."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds, self.now, self.count, self.tried = seconds, 0.0, 0, []

    def work(self) -> None:
        self.tried.append(self.count)
        warming = self.tried.count(self.count) == 1
        self.now += 100.0 if warming else self.seconds[self.count]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine({1: 4.0, 2: 2.0, 4: 1.95, 6: 8.0})
    monkeypatch.setattr(threads, "time", SimpleNamespace(perf_counter=lambda: machine.now))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: setattr(machine, "count", count))
    return machine


def test_every_number_is_timed_by_turns_and_the_first_turn_does_not_count(machine):
    assert threads.probe(machine.work, 6) == pytest.approx(machine.seconds)
    assert machine.tried == [1, 2, 4, 6] * threads.ROUNDS


def test_more_threads_are_taken_where_they_pay(machine):
    assert threads.fastest(threads.probe(machine.work, 6)) == 2  # four are hardly faster


def test_one_thread_is_taken_beside_a_busy_neighbour():
    assert threads.fastest({1: 0.4, 2: 1.6}) == 1


def test_the_choice_is_told_with_its_reason():
    assert threads.describe({1: 0.4, 2: 0.25}) == "2 (an update takes 0.40 s with 1, 0.25 s with 2)"
