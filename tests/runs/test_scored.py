"""Evaluated runs of a folder."""

import json

import pytest

from seq2seq.errors import UserError
from seq2seq.runs.scored import scored_runs


@pytest.fixture
def write(tmp_path):
    """Write what an evaluated run leaves, without its weights."""

    def written(name, status="finished"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"status": status, "steps": 3}))
        (folder / "scores.json").write_text(json.dumps({"test": {"bleu": {"score": 20.0}}}))
        return folder

    return written


def test_runs_come_by_name_and_those_without_scores_are_left_out(tmp_path, write):
    write("rnn-2"), write("bahdanau-1"), (write("rnn-1") / "scores.json").unlink()
    runs = list(scored_runs(tmp_path))
    assert [run.name for run in runs] == ["bahdanau-1", "rnn-2"]
    assert runs[1].path == tmp_path / "rnn-2"
    assert runs[1].info["steps"] == 3
    assert runs[1].scores["test"]["bleu"]["score"] == 20.0


def test_names_that_the_pattern_does_not_have_are_left_out(tmp_path, write):
    write("rnn-1"), write("rnn-20-1", status="running")
    assert [run.name for run in scored_runs(tmp_path, "rnn-?")] == ["rnn-1"]


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_scores_of_an_unfinished_training_are_refused(tmp_path, write, status):
    write("rnn-1", status=status)
    with pytest.raises(UserError, match=rf"rnn-1 is {status}: train it to the end"):
        list(scored_runs(tmp_path))
