"""Small inputs that failed once, in ../shared/cases: a folder is one test function."""

from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.settings.plugins import build
from seq2seq.settings.train_arguments import config

CASES = Path(__file__).parents[1] / "../shared/cases"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


def case(name: str) -> Path:
    """The folder of a case; the test is skipped where it is not there."""
    folder = CASES / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/cases/{name}")
    return folder.resolve()


def corpus(*words: str):
    """A corpus as the command line builds it, from English to French."""
    return build("data", config(["name=case", "data.source=en", "data.target=fr", *words]).data)


def table(folder: Path, kind: str, file: str, *words: str):
    """A corpus of one file, as its training text."""
    root = [f"data={kind}", f"data.root={folder}", f"data.train={file}"]
    return corpus(*root, f"data.validation={file}", "data.tests=[]", *words)


def test_hub_tsv_quote():
    folder = case("hub-tsv-quote")
    found = corpus("data=hub", f"data.path={folder}")
    plain = corpus("data=tsv", f"data.root={folder}", "data.header=true")
    for split in found.splits:
        assert list(found.text(split)) == list(plain.text(split))
    texts = list(found.text("test"))
    assert len(texts) == 20
    assert ('"Hi there.', "Salut.") in texts and ('It is "ok".', "C'est « ok ».") in texts


def test_hub_csv_na():
    folder = case("hub-csv-na")
    found = corpus("data=hub", f"data.path={folder}")
    plain = corpus("data=csv", f"data.root={folder}")
    for split in found.splits:
        lines = (folder / f"{split}.csv").read_text("utf-8").split("\n")[1:-1]
        assert list(found.text(split)) == list(plain.text(split))
        assert [",".join(pair) for pair in found.text(split)] == lines


def test_containers():
    folder = case("containers")
    names = ["train.tsv.xz", "train.tsv.bz2", "fra-eng.zip", "train.utf16.tsv"]
    texts = [list(table(folder, "tsv", name, "data.header=true").text("train")) for name in names]
    assert texts[0] and texts == [texts[0]] * len(names)


def test_jsonl():
    folder = case("jsonl")
    array = list(table(folder, "jsonl", "array.json").text("train"))
    assert len(array) == 10
    assert list(table(folder, "jsonl", "flat.jsonl").text("train")) == array
    assert list(table(folder, "jsonl", "blank.jsonl").text("train")) == [("a", "b"), ("c", "")]
    message = "line 1 of .* but a list of 10 objects in its field 'data'"
    with pytest.raises(UserError, match=message):
        table(folder, "jsonl", "data.json").text("train")
