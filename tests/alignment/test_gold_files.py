"""Gold links as others write them, and every way to write them wrongly."""

import re
from pathlib import Path

import pytest

from seq2seq.alignment.baselines import diagonal
from seq2seq.alignment.gold import Links
from seq2seq.alignment.gold_files import read_links
from seq2seq.alignment.links import Tally
from seq2seq.errors import UserError

TEXTS = [(["a", "b", "c"], ["x", "y"]), (["d", "e"], ["z", "w", "v"])]
LINKS = [Links(frozenset({(0, 0), (2, 1)}), frozenset({(1, 1)})), Links(frozenset({(1, 2)}))]
FORMS = {
    "pharaoh": "0-0 1?1 2-1\n1-2\n",
    "pharaoh-1": "1-1 2?2 3-2\n2-3\n",
    "naacl": "1 1 1 S\n1 2 2 P\n1 3 2\n2 2 3 S 0.9\n",
}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "gold.txt"


@pytest.mark.parametrize("form", FORMS)
def test_the_same_links_in_every_form(file, form):
    file.write_text(FORMS[form])
    golds = read_links(file, TEXTS, form)
    assert [gold.links for gold in golds] == LINKS
    assert [(gold.source, gold.target) for gold in golds] == TEXTS


def test_pairs_without_links_and_links_named_twice(file):
    file.write_text("2 1 1 P\n2 1 1 S\n")
    assert [g.links for g in read_links(file, TEXTS, "naacl")] == [
        Links(frozenset()),
        Links(frozenset({(0, 0)})),
    ]
    file.write_text("\n0-0 0?0\n")
    assert read_links(file, TEXTS, "pharaoh")[1].links == Links(frozenset({(0, 0)}))


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("pharaoh", FORMS["pharaoh-1"], "line 1: the link 2-2 is outside the pair of 3 and 2"),
        ("pharaoh-1", FORMS["pharaoh"], "line 1: the link 0-0 has the number 0, but this format"),
        ("pharaoh", "0-0\n1-3\n", "line 2: the link 1-3 is outside the pair of 2 and 3 tokens"),
        ("pharaoh-1", "1-1\n2-4\n", r"line 2: the link 2-4 is outside .* \(counted from 1\)"),
        ("pharaoh", "0-0\n", "has 1 lines for 2 sentence pairs$"),
        ("pharaoh", "\n\n\n", "has 3 lines for 2 sentence pairs"),
        (
            "pharaoh",
            FORMS["naacl"],
            "has 4 lines for 2 sentence pairs .*one line per link use .* naacl",
        ),
        ("pharaoh", "0-0\n0:0\n", "line 2: '0:0' is neither a sure link i-j nor a possible one"),
        (
            "naacl",
            "1 1 1 S\n1 1 1 X\n",
            r"line 2: the type is 'X', expected S \(sure\) or P \(possible\)",
        ),
        ("naacl", "1 1 1 s\n", "line 1: the type is 's', expected"),
        ("naacl", "1 0 0 S\n", "line 1: the link 0-0 has the number 0, but this format"),
        ("naacl", "1 1 1 S\n3 1 1 S\n", "line 2: there is no pair 3: the pairs are 1 to 2"),
        ("naacl", "0 1 1 S\n", "line 1: there is no pair 0"),
        ("naacl", "1 4 1 S\n", "line 1: the link 4-1 is outside the pair of 3 and 2 tokens"),
        ("naacl", "0-0\n", "line 1: '0-0' is not of the form `pair source target S|P`"),
    ],
)
def test_a_bad_file_is_named_with_its_line(file, form, content, message):
    file.write_text(content)
    with pytest.raises(UserError, match=re.escape(str(file)) + ".*" + message):
        read_links(file, TEXTS, form)


def test_a_file_of_bytes_is_refused(file):
    file.write_bytes(b"\xff0-0\n")
    with pytest.raises(UserError, match="is not UTF-8"):
        read_links(file, TEXTS, "pharaoh")


def test_the_error_rate_agrees_with_a_count_by_hand_on_the_hansards(real_corpora):
    """All is read and counted once more, line by line, without the code that is tested."""
    folder = real_corpora / "hansards-dev-en-fr"
    english, french = (
        [line.split() for line in (folder / f"dev.{side}").read_text("utf-8").splitlines()]
        for side in "ef"
    )
    texts = list(zip(english, french, strict=True))
    forms = {"pharaoh": "dev.en-fr.gold", "naacl": "dev.wa.nonullalign"}
    tallies = []
    for form, name in forms.items():
        golds = read_links(folder / name, texts, form)
        tally = Tally()
        for gold in golds:
            tally += Tally.of(diagonal(gold.source, gold.target), gold.links)
        tallies.append(tally)
    sure = hits = near = found = 0
    links: dict[int, dict[tuple[int, int], str]] = {}
    for line in (folder / forms["naacl"]).read_text("ascii").splitlines():
        number, i, j, kind = line.split()
        links.setdefault(int(number), {})[int(i), int(j)] = kind
    for number, (source, target) in enumerate(texts, 1):
        sure += sum(kind == "S" for kind in links[number].values())
        for j in range(1, len(target) + 1):
            i = 1 + int((j - 0.5) * len(source) / len(target))
            found += 1
            hits += links[number].get((i, j)) == "S"
            near += (i, j) in links[number]
    assert tallies == [Tally(found, sure, hits, near)] * 2
    assert tallies[0].aer == pytest.approx(1 - (hits + near) / (found + sure))
