"""Lines that are no plain text are noticed, and plain text is left alone."""

import pytest

from seq2seq.compare import checks
from seq2seq.corpora.checker import check
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError
from seq2seq.text import markup

N_BEST = ["0 ||| a b ||| -0.3", "0 ||| a ||| F0= -1 ||| -1.5e-2", "12 |||  ||| 0"]
FAIRSEQ = ["H-0\t-0.3\ta b", "S-12\tc", "P-3\t-0.1 -0.2"]
TAGS = ['<seg id="1"> a </seg>', "<s snum=0001> a b </s>", "<url>http://x.y</url>", "<doc id='1'>"]
REMARKS = {
    "both sides": "a b ||| c d",
    "subtitle times": "00:00:01,000 --> 00:00:02,500",
    "subword marks": "hel@@ lo",
    "character codes": "it &apos;s",
}
PLAIN = [
    "",
    "a || b",
    "x < y > z",
    "H-0 is a name",
    "Use <b>bold</b> words.",
    "1 | 2 | 3",
    "AT&T; R&D",
    "mail@@home",
    "||| ||| |||",
    "<unk>",
]


def names(line: str) -> list[str]:
    return [kind.name for kind in markup.kinds(line)]


def test_every_form_is_known_by_its_lines():
    assert [names(line) for line in N_BEST] == [["n-best list"]] * len(N_BEST)
    assert [names(line) for line in FAIRSEQ] == [["fairseq output"]] * len(FAIRSEQ)
    assert [names(line) for line in TAGS] == [["tags"]] * len(TAGS)
    assert [names(line) for line in REMARKS.values()] == [[name] for name in REMARKS]
    assert [names(line) for line in PLAIN] == [[]] * len(PLAIN)


@pytest.mark.parametrize("lines", [N_BEST, FAIRSEQ, TAGS])
def test_a_text_is_refused_only_where_all_lines_match(lines):
    with pytest.raises(UserError, match="x is not plain text but"):
        markup.refuse_markup([*lines, ""], "x")
    markup.refuse_markup([*lines, "plain"], "x")
    assert markup.remark([*lines, "plain"], "x").startswith(f"x: {len(lines)} of")
    assert markup.remark(PLAIN, "x") is None
    assert markup.of_all([]) is None and markup.of_all(["", ""]) is None


@pytest.mark.parametrize("lines", [N_BEST, FAIRSEQ, TAGS])
def test_hyps_of_such_a_form_are_refused_before_their_number(tmp_path, lines):
    (tmp_path / "system").write_text("\n".join([*lines, "Generate test with beam=5"]))
    with pytest.raises(UserError, match="system is not plain text but"):
        checks.translations(tmp_path / "system", "test", ["a"] * 2)
    # A test set may be about tags, and then a good translation has them too
    (tmp_path / "system").write_text("\n".join(lines))
    assert checks.translations(tmp_path / "system", "test", lines) == lines


def test_hyps_are_read_as_references_are(tmp_path):
    (tmp_path / "system").write_bytes("\ufeffa\r\nb\u2028c\r\n\0".encode())
    lines = checks.translations(tmp_path / "system", "test", ["a", "b", "c"])
    assert lines == ["a", "b\u2028c", "\0"]


@pytest.mark.parametrize("side", ["en", "de"])
def test_training_text_is_refused_or_remarked(tmp_path, monkeypatch, side):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))

    def corpus() -> Files:
        usual = {"source": "en", "target": "de", "max_length": 99, "tokenized": False}
        names = {"train": "train", "validation": "train", "tests": []}
        return Files(**usual, **names, root=str(tmp_path))

    for language in ("en", "de"):
        (tmp_path / f"train.{language}").write_text("a b\n" * len(TAGS))
    (tmp_path / f"train.{side}").write_text("\n".join(TAGS))
    with pytest.raises(UserError, match=r"(source|target) side of .* is not plain text but tagged"):
        corpus().text("train")
    found = check(corpus())[0]
    assert found.kinds["tags"].count == len(TAGS) and len(found.refusals) == 1
    (tmp_path / f"train.{side}").write_text("\n".join([*TAGS[:-1], "plain"]))
    assert len(corpus().text("train")) == len(TAGS)
    found = check(corpus())[0]
    assert found.kinds["tags"].count == len(TAGS) - 1 and not found.refusals
