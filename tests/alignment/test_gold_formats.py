"""Word alignments in the formats in which corpora and aligners distribute them."""

import pytest

from seq2seq.alignment.gold import Links
from seq2seq.alignment.gold_files import read_links
from seq2seq.alignment.link_lines import naacl_lines, talp_line
from seq2seq.errors import UserError
from seq2seq.interpret.gold_set import read_texts

TEXTS = [(["a", "b", "c"], ["x", "y"]), (["d", "e"], ["z", "w", "v"])]
LINKS = [Links(frozenset({(0, 0), (2, 1)}), frozenset({(1, 1)})), Links(frozenset({(1, 2)}))]
A3 = (
    "# Sentence pair (1) source length 3 target length 2 alignment score : 1e-3\nx y \n"
    "NULL ({ }) a ({ 1 }) b ({ }) c ({ 2 }) \n"
    "# Sentence pair (2) source length 2 target length 3 alignment score : 1e-3\nz w v \n"
    "NULL ({ 1 2 }) d ({ }) e ({ 3 }) \n"
)
TURNED = (
    "# Sentence pair (1) source length 2 target length 3 alignment score : 1e-3\na b c \n"
    "NULL ({ 2 }) x ({ 1 }) y ({ 3 }) \n"
    "# Sentence pair (2) source length 3 target length 2 alignment score : 1e-3\nd e \n"
    "NULL ({ 1 }) z ({ }) w ({ }) v ({ 2 }) \n"
)
FORMS = {
    "pharaoh": "0-0 1?1 2-1\n1-2\n",
    "p for possible": "0-0 1p1 2-1\n1-2\n",
    "counted from 1": "1-1 2?2 3-2\n2-3\n",
    "talp": "1-1 2p2 3-2\n2-3\n",
    "marks": "1-1:S 2-2:P 3-2/S\n2-3S\n",
    "id and tab": "0\t0-0 1?1 2-1\n1\t1-2\n",
    "id and tab from 1": "1\t0-0 1?1 2-1\n2\t1-2\n",
    "byte order mark": "\ufeff0-0 1?1 2-1\n1-2\n",
    "carriage returns": "0-0 1?1 2-1\r\n1-2\r\n",
    "comments": "# gold\n0-0 1?1 2-1\n# more\n1-2\n",
    "naacl": "0001 1 1 S\n0001 2 2 P\n\n0001 3 2\n0002 2 3 S 0.9\n",
    "naacl with null links": "1 1 1 S\n1 0 2 S\n1 2 2 P\n1 3 2 S\n2 2 3 S\n2 1 0 P\n",
    "rwth": "SENT: 1\nS 1 1\nP 2 2\nS 3 2\n\nSENT: 2\nS 2 3\n",
    "rwth from 0": "SENT: 0\nS 0 0\nP 1 1\nS 2 1\n\nSENT: 1\nS 1 2\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_a_format_is_recognised_and_said(tmp_path, capsys, name):
    (tmp_path / "gold").write_text(FORMS[name], "utf-8", newline="")
    assert [gold.links for gold in read_links(tmp_path / "gold", TEXTS, "auto")] == LINKS
    said = capsys.readouterr().err
    assert "read as" in said and "counted from" in said
    assert ("null links" in said) == ("null" in name)


@pytest.mark.parametrize("content", [A3, TURNED])
def test_giza_blocks_are_read_in_both_directions(tmp_path, content):
    (tmp_path / "A3.final").write_text(content)
    found = [gold.links.sure for gold in read_links(tmp_path / "A3.final", TEXTS, "auto")]
    assert found == [{(0, 0), (2, 1)}, {(1, 2)}]


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("pharaoh", "1-1 3-2\n2-3\n", "the file probably counts from 1"),
        ("pharaoh", "1-1 3-2\n2-3 9-1\n", "the file probably counts from 1"),  # and an error
        ("pharaoh", "0-0 0-2\n1-1\n", "links fit with source and target exchanged"),
        ("auto", "0-0 0-2\n2-1\n", "links fit with source and target exchanged"),
        ("auto", "1-1\n1-1\n", "counted from 0 or from 1: give --gold-format"),
        ("talp", "0-1 1-1\n\n", "line 1: the link 0-1 has the number 0"),
        ("naacl", "1 0 0 S\n1 1 1 S\n", "line 1: the link 0-0 has the number 0"),
        ("auto", "0\t0-0\n2\t0-0\n", "line 2: the id is 2, expected 1"),
        ("auto", "SENT: 1\nS 1 1\nSENT: 3\nS 1 1\n", "with consecutive numbers"),
        ("auto", "SENT: 1\nS 1 1\n", "has 1 blocks for 2 sentence pairs"),
        ("auto", "S 1 1\nSENT: 1\nSENT: 2\n", "line 1: 'S 1 1' is neither"),
        ("auto", A3.replace(" c ", " k "), "the tokens of this block differ from the text"),
        ("auto", A3[:100], "has 1 blocks that begin with `# Sentence pair"),
        ("auto", "links!\n\n", "line 1: 'links!' is neither a sure link"),
        ("auto", "9" * 5000 + "-1\n\n", "line 1"),
    ],
)
def test_what_is_wrong_is_named_with_the_likely_reason(tmp_path, form, content, message):
    (tmp_path / "gold").write_text(content)
    with pytest.raises(UserError, match=message):
        read_links(tmp_path / "gold", TEXTS, form)


def test_an_aligner_counts_from_0_where_nothing_speaks_against_it(tmp_path):
    (tmp_path / "links").write_text("1-1\n1-1\n")
    found = read_links(tmp_path / "links", TEXTS, "auto", gold=False)
    assert [gold.links.sure for gold in found] == [{(1, 1)}] * 2


def test_tags_around_lines_are_removed_and_that_is_said(tmp_path, capsys):
    (tmp_path / "a").write_text("\ufeff<s snum=1> a b </s>\r\n<s snum=2> c  </s>\r\n", "utf-8")
    (tmp_path / "b").write_text("x\ny < z\n")
    assert read_texts(tmp_path / "a", tmp_path / "b") == [
        ("a b", "x"),
        ("c", "y < z"),
    ]
    assert "the tags around each line" in capsys.readouterr().err
    (tmp_path / "a").write_text("<s snum=1> a b </s>\nc\n")
    with pytest.raises(UserError, match="line 2: this line has no tags"):
        read_texts(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    "text",
    ["1-1 2?2 3-2 0-1\n2-3 1-0\n", "SENT: 1\nS 1 1\nP 2 2\nS 3 2\nS 0 1\nSENT: 2\nS 2 3\n"],
)
def test_null_links_counted_from_1_are_recognized_by_a_last_token(tmp_path, text):
    (tmp_path / "gold").write_text(text)
    assert [gold.links for gold in read_links(tmp_path / "gold", TEXTS, "auto")] == LINKS


def test_gold_without_any_link_is_an_error_but_an_aligner_may_have_none(tmp_path):
    (tmp_path / "gold").write_text("\n\n")
    with pytest.raises(UserError, match="has no links"):
        read_links(tmp_path / "gold", TEXTS, "auto")
    assert read_links(tmp_path / "gold", TEXTS, "auto", gold=False)[0].links == Links(frozenset())


@pytest.mark.parametrize("form", ["talp", "naacl"])
def test_written_links_are_read_again(tmp_path, form):
    lines = (
        [talp_line(links) for links in LINKS]
        if form == "talp"
        else [line for pair, links in enumerate(LINKS, 1) for line in naacl_lines(pair, links)]
    )
    file = tmp_path / "links"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    assert [gold.links for gold in read_links(file, TEXTS, form)] == LINKS
    message = "the file probably counts from 1" if form == "talp" else "lines for 2 sentence pairs"
    with pytest.raises(UserError, match=message):
        read_links(file, TEXTS, "pharaoh")


def test_a_giza_sentence_without_words_is_a_blank_line(tmp_path):
    empty = (
        "# Sentence pair (1) source length 0 target length 0 alignment score : 1\n\nNULL ({ }) \n"
        "\n# Sentence pair (2) source length 1 target length 1 alignment score : 1\nx\n"
        "NULL ({ }) a ({ 1 }) \n\n"
    )
    (tmp_path / "A3.final").write_text(empty)
    texts = [([], []), (["a"], ["x"])]
    found = [gold.links.sure for gold in read_links(tmp_path / "A3.final", texts, "auto")]
    assert found == [set(), {(0, 0)}]
    (tmp_path / "A3.final").write_text(empty.replace("\nx\n", "\ny\n"))
    with pytest.raises(UserError, match="line 5: the tokens of this block differ"):
        read_links(tmp_path / "A3.final", texts, "auto")
