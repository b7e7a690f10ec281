"""Counting by several processes gives what counting here gives."""

import os
import sys

import numpy as np
import pytest

from seq2seq.compare import counting
from seq2seq.errors import UserError
from seq2seq.text.languages import Target

REFERENCES = ["the cat sat on the mat", "a dog", "two birds sing"]
OUTPUTS = {
    "one": ["the cat sat on a mat", "dog a", "birds sing two"],
    "two": ["", "a dog", "two birds"],
}
TEXTS = {"test": (REFERENCES, REFERENCES, OUTPUTS), "other": (["x"], ["y"], {"one": ["z"]})}


@pytest.fixture
def expected() -> dict[str, counting.Counted]:
    return counting.count_all(TEXTS, Target("en"))


def check_alike(found: dict[str, counting.Counted], expected: dict[str, counting.Counted]) -> None:
    assert {test: [*runs] for test, runs in found.items()} == {
        test: [*runs] for test, runs in expected.items()
    }
    for test, runs in expected.items():
        for name, metrics in runs.items():
            for metric, here in metrics.items():
                there = found[test][name][metric]
                assert np.array_equal(there.sentences, here.sentences)
                assert (there.signature, there.formula) == (here.signature, here.formula)


def test_other_processes_count_the_same_and_none_is_a_copy_of_this_one(expected, monkeypatch):
    def refuse() -> int:
        raise AssertionError("a process with threads must not be copied")

    monkeypatch.setattr(counting, "MANY", 1)
    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(counting, "count_one", None)  # not here
    check_alike(counting.count_all(TEXTS, Target("en")), expected)


@pytest.mark.parametrize("interpreter", ["", "/bin/false"])
def test_where_no_other_process_can_be_had_it_counts_here(expected, monkeypatch, interpreter):
    monkeypatch.setattr(counting, "MANY", 1)
    monkeypatch.setattr(sys, "executable", interpreter)
    check_alike(counting.count_all(TEXTS, Target("en")), expected)


def test_a_mistake_is_raised_here(monkeypatch):
    monkeypatch.setattr(counting, "MANY", 1)
    with pytest.raises(UserError, match="2"):
        counting.count_all({"test": (["a"], ["a"], {"one": ["a", "b"]})}, Target("en"))
