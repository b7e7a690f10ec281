"""The door to COMET, with a stand-in for a library of gigabytes."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_runs import BAD, GOOD, TEST, make_run, shown

from seq2seq.compare import compare
from seq2seq.compare.report.record import record
from seq2seq.errors import UserError
from seq2seq.scoring.comet import Comet

pytestmark = pytest.mark.usefixtures("few_resamples")


class Model:
    """Likes translations that share words with their references."""

    def predict(self, data: list[dict[str, str]], **options: Any) -> dict[str, Any]:
        assert options["gpus"] == 0
        assert {frozenset(one) for one in data} == {frozenset(("src", "mt", "ref"))}
        found = []
        for one in data:
            ours, theirs = set(one["mt"].split()), set(one["ref"].split())
            found.append(len(ours & theirs) / len(theirs))
        return {"scores": found, "system_score": sum(found) / len(found)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "wmt" / "checkpoints").mkdir(parents=True)
    (tmp_path / "wmt" / "checkpoints" / "model.ckpt").write_bytes(b"weights")
    loaded = SimpleNamespace(load_from_checkpoint=lambda path, local_files_only: Model())
    monkeypatch.setitem(sys.modules, "comet", loaded)
    return tmp_path / "wmt"


def test_it_is_one_more_metric(folder: Path, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "good", GOOD), make_run(tmp_path / "bad", BAD)]
    comparison = compare(runs, comet=folder)
    quality = comparison.tests[0].quality
    expected = Model().predict(
        [
            {"src": "", "mt": line, "ref": reference}
            for line, reference in zip(BAD, comparison.tests[0].references, strict=True)
        ],
        gpus=0,
    )["system_score"]
    assert quality.means["bad"]["comet"].mean == pytest.approx(100 * expected)
    (pair,) = quality.pairs["comet"]
    assert pair.difference > 0 and pair.winner == "good"
    assert record(comparison)["tests"][TEST]["signatures"]["comet"].startswith("comet|model:wmt|")
    assert "COMET" in shown(comparison)


def test_without_the_library_one_sentence_says_how_to_get_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "comet", None)
    with pytest.raises(UserError, match=r"pip install 'seq2seq-toolkit\[comet\]'"):
        compare([make_run(tmp_path / "good", GOOD)], comet=folder)


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_must_have_one_model(folder: Path, tmp_path: Path, count: int) -> None:
    (folder / "checkpoints" / "model.ckpt").unlink()
    for number in range(count):
        (folder / f"{number}.ckpt").write_bytes(b"")
    with pytest.raises(UserError, match=rf"there must be one model .* but there are {count}"):
        compare([make_run(tmp_path / "good", GOOD)], comet=folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        Comet(tmp_path / "nowhere")
