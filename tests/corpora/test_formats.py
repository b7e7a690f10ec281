"""Files with markup: IWSLT's XML and train.tags, WMT's SGML and XML, TMX; whole and damaged."""

import gzip
from pathlib import Path

import pytest

from seq2seq.corpora.checker import check
from seq2seq.corpora.files import Files
from seq2seq.corpora.segments import form_of
from seq2seq.corpora.tmx import Tmx
from seq2seq.errors import UserError

KEYS = {"source": "en", "target": "de", "max_length": 100, "tokenized": False}
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


def files(root: Path, part: str, **more: str) -> Files:
    keys = KEYS | {"root": str(root), "validation": "v", "tests": [], "train": part}
    return Files(**(keys | more))


def tmx(root: Path, **more: str) -> Tmx:
    keys = KEYS | {"root": str(root), "train": "x.tmx", "validation": "v", "tests": []}
    return Tmx(**(keys | more))


def talk(kind: str, texts: list[str], **ids: str) -> str:
    """An evaluation set of IWSLT: two documents."""
    lines = [f'{XML}<mteval>\n<{kind} setid="x" srclang="en" trglang="de">']
    for number in (0, 1):
        lines.append(f'<doc docid="{ids.get("doc", "d")}{number}" genre="lectures">')
        lines.append("<title>A &amp; B</title>\n<talkid>7</talkid>")
        part = texts[number::2]
        lines += [f'<seg id="{i}"> {text} </seg>' for i, text in enumerate(part, start=1)]
        lines.append("</doc>")
    return "\n".join([*lines, f"</{kind}>", "</mteval>"]) + "\n"


def sgml(kind: str, texts: list[str], doc: str = 'sysid="ref" docid="n1"') -> str:
    segments = "".join(f"<seg id={i}>{text}</seg>\n" for i, text in enumerate(texts, start=1))
    head = f'<{kind} setid="newstest" srclang="any" trglang="de">\n<DOC {doc}>\n<hl>\n'
    return f"{head}{segments}</hl>\n</DOC>\n</{kind}>\n"


DATASET = f"""{XML}<dataset id="newstest">
<collection id="c">
<doc origlang="en" id="d1">
<src lang="en"><p><seg id="1">One &amp; two</seg>
<seg id="2">Three</seg></p></src>
<ref lang="de" translator="A"><p><seg id="1">Eins</seg><seg id="2">Drei</seg></p></ref>
<ref lang="de" translator="B"><p><seg id="1">B1</seg><seg id="2">B2</seg></p></ref>
<hyp system="s" language="de"><p><seg id="1">H1</seg><seg id="2">H2</seg></p></hyp>
</doc>
<doc origlang="en" id="d2">
<src lang="en"><p><seg id="1">Four</seg></p></src>
<ref lang="de" translator="A"><p><seg id="1">Vier</seg></p></ref>
</doc>
</collection></dataset>
"""
DATASET_PAIRS = [("One & two", "Eins"), ("Three", "Drei"), ("Four", "Vier")]


@pytest.fixture
def iwslt(tmp_path):
    head = ["<url>http://x</url>", "<keywords>a, b</keywords>", "<talkid>1</talkid>"]
    for language, texts, extra in (
        ("en", [" One.", " R&D < 2.", "<b> is text"], []),
        ("de", [" Eins.", " F&E < 2.", "<b> ist Text"], ["<translator>T</translator>"]),
    ):
        lines = [*head, f"<title>Title {language}</title>", *texts, *extra, "<reviewer></reviewer>"]
        (tmp_path / f"train.tags.en-de.{language}").write_text("\n".join([*lines, *lines]) + "\n")
        name = f"IWSLT14.TED.dev2010.en-de.{language}.xml"
        texts = [f"{language}{i} &lt;x&gt;" for i in range(5)]
        (tmp_path / name).write_text(talk("srcset" if language == "en" else "refset", texts))
    return tmp_path


@pytest.mark.parametrize("part", ["train.tags.en-de", "train.tags.en-de.en", "train.tags.en-de.de"])
def test_tags_are_dropped_and_text_is_not(iwslt, part):
    corpus = files(iwslt, part)
    pairs = [("One.", "Eins."), ("R&D < 2.", "F&E < 2."), ("<b> is text", "<b> ist Text")]
    assert list(corpus.read("train")) == pairs * 2
    assert corpus.place("train", 3, 0) == ("train.tags.en-de.en", 13)
    assert corpus.place("train", 3, 1) == ("train.tags.en-de.de", 14)


DEV = "IWSLT14.TED.dev2010.en-de"


@pytest.mark.parametrize("part", [DEV, f"{DEV}.en.xml", f"{DEV}.de.xml"])
@pytest.mark.parametrize("packed", [False, True])
def test_talks_in_xml(iwslt, part, packed):
    if packed:
        for file in iwslt.glob("*.xml"):
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
        part += ".gz" if part.endswith(".xml") else ""
    corpus = files(iwslt, part)
    assert list(corpus.read("train"))[:2] == [("en0 <x>", "de0 <x>"), ("en2 <x>", "de2 <x>")]
    assert len(corpus.text("train")) == 5
    assert corpus.place("train", 3, 0) == (f"{DEV}.en.xml{'.gz' * packed}", 14)


def test_old_wmt_sets_need_not_be_well_formed(tmp_path):
    (tmp_path / "n-src.en.sgm").write_text(sgml("srcset", ["A & B", "AT&T &quot;x&quot;", "a < b"]))
    (tmp_path / "n-ref.de.sgm").write_text(sgml("refset", ["A & B", "&#228;", "a\n  b"]))
    for part in ("n", "n-src.en.sgm", "n-ref.de.sgm", "n-src.en.sgm:n-ref.de.sgm"):
        assert list(files(tmp_path, part).read("train")) == [
            ("A & B", "A & B"),
            ('AT&T "x"', "\u00e4"),
            ("a < b", "a b"),
        ]


def test_of_several_references_the_first_is_read_and_that_is_said(tmp_path):
    (tmp_path / "w.en-de.xml").write_text(DATASET)
    corpus = files(tmp_path, "w.en-de.xml", validation="w.en-de.xml")
    assert list(corpus.read("train")) == DATASET_PAIRS
    turned = files(tmp_path, "w.en-de.xml", source="de", target="en")
    assert list(turned.read("train")) == [pair[::-1] for pair in DATASET_PAIRS]
    assert any("w.en-de.xml has several from line 8" in line for line in corpus.describe())
    train = check(corpus)[0]
    assert train.kinds["several references"].places == [("w.en-de.xml", 8)]
    other = files(tmp_path, "w.en-de.xml", target="cs")
    with pytest.raises(UserError, match="has no <seg> for the language 'cs'"):
        list(other.read("train"))
    (tmp_path / "n.en").write_text(sgml("srcset", ["a"]))
    two = sgml("refset", ["r1"]) + sgml("refset", ["r2"], 'sysid="other" docid="n1"')
    (tmp_path / "n.de").write_text(two)
    assert list(files(tmp_path, "n").read("train")) == [("a", "r1")]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (
            talk("srcset", list("abcde")),
            talk("refset", list("abcd")),
            r"line 9 \(segment 3 of document 'd0'\) of .*t\.en is paired with "
            r"line 13 \(segment 1 .*'d1'",
        ),
        (
            talk("srcset", list("abcd")),
            talk("refset", list("abcd"), doc="e"),
            r"segment 1 of document 'd0'\) of .* is paired with .*segment 1 of document 'e0'\)",
        ),
        (
            talk("srcset", list("abcd")),
            talk("refset", list("abc")),
            r"t\.en has 4 segments and .*t\.de has 3: .*segment 2 of document 'd1'\) of t\.en",
        ),
        (
            talk("srcset", list("abcd")),
            "a\nb\n",
            r"t\.en has 4 segments and .*t\.de has 2: the first .* line 13",
        ),
        (talk("srcset", ["<x>"]), "a\n", r"line \d+ of .*t\.en is not well-formed XML: mismatched"),
        (talk("srcset", ["a &nosuch; b"]), "a\n", r"line 7 of .*t\.en .*undefined entity"),
        (sgml("srcset", ["a"]).replace("</seg>", ""), "a\n", r"line 4 of .* is not closed"),
        (sgml("srcset", ["a", "<seg>b"]), "a\n", r"line 5 of .* inside the <seg> of line 5"),
        (sgml("srcset", ["a</seg>"]), "a\n", r"line 4 of .* a </seg> without a <seg>"),
        (sgml("srcset", []), "a\n", r"has no <seg>"),
        (XML + "<tmx><body/></tmx>", "a\n", r"is TMX, .*use data=tmx"),
    ],
)
def test_damaged_files_name_the_line(tmp_path, source, target, message):
    (tmp_path / "t.en").write_text(source)
    (tmp_path / "t.de").write_text(target)
    with pytest.raises(UserError, match=message):
        list(files(tmp_path, "t").read("train"))
    assert check(files(tmp_path, "t"))[0].refusals


def test_one_side_alone_is_not_paired_with_itself(tmp_path):
    (tmp_path / "dev.xml").write_text(talk("srcset", list("abc")))
    with pytest.raises(UserError, match=r"dev\.xml has one side only: name both files"):
        list(files(tmp_path, "dev.xml").read("train"))
    (tmp_path / "dev.en.xml").write_text(talk("srcset", list("abc")))
    with pytest.raises(UserError, match=r"no file .*dev\.de\.xml"):
        list(files(tmp_path, "dev.en.xml").read("train"))


LAUGHS = (
    '<?xml version="1.0"?>\n<!DOCTYPE tmx [\n<!ENTITY a "ha">\n'
    + "".join(
        f'<!ENTITY {b} "&{a};&{a};&{a};">\n' for a, b in zip("abcdefg", "bcdefgh", strict=True)
    )
    + "]>\n<tmx><body><tu><tuv xml:lang='en'><seg>&h;</seg></tuv></tu></body></tmx>\n"
)
OUTSIDE = (
    '<?xml version="1.0"?>\n<!DOCTYPE tmx [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<tmx/>'
)


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE])
def test_entities_are_refused(tmp_path, text):
    (tmp_path / "x.tmx").write_text(text)
    with pytest.raises(UserError, match=r"line [23] of .*x\.tmx declares the entity"):
        list(tmx(tmp_path).read("train"))
    (tmp_path / "t.en").write_text(text.replace("tmx", "mteval"))
    (tmp_path / "t.de").write_text("a\n")
    with pytest.raises(UserError, match="declares the entity"):
        list(files(tmp_path, "t").read("train"))


MEMORY = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en-US"><seg>Hello <bpt i="1">&lt;b&gt;</bpt>you<ept i="1">&lt;/b&gt;</ept>
 and <hi>me</hi></seg></tuv><tuv xml:lang="de"><seg>Hallo&nbsp;du</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>a</seg></tuv><tuv xml:lang="en-GB"><seg>b</seg></tuv>
<tuv xml:lang="de-AT"><seg>c</seg></tuv><tuv xml:lang="de-DE"><seg>d</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>only</seg></tuv><tuv xml:lang="fr"><seg>seul</seg></tuv></tu>
<tu><tuv lang="EN"><seg><![CDATA[x < y]]></seg></tuv><tuv lang="DE"><seg></seg></tuv></tu>
</body></tmx>
"""


def test_tmx_by_language_codes(tmp_path):
    (tmp_path / "x.tmx").write_text(MEMORY)
    corpus = tmx(tmp_path)
    assert list(corpus.read("train")) == [
        ("Hello you and me", "Hallo\u00a0du"),
        ("a", "c"),
        ("x < y", ""),
    ]
    assert corpus.place("train", 2, 0) == ("x.tmx", 9)
    assert list(tmx(tmp_path, source="en-gb", target="de_DE").read("train")) == [("b", "d")]
    assert check(corpus)[0].kinds["other languages"].places == [("x.tmx", 8)]
    with pytest.raises(UserError, match=r"has no text in 'es'; "):
        list(tmx(tmp_path, target="es").read("train"))
    with pytest.raises(UserError, match=r"no unit in both 'de' and 'fr'"):
        list(tmx(tmp_path, source="de", target="fr").read("train"))


def test_tmx_of_one_file_is_split(tmp_path):
    units = "".join(
        f'<tu><tuv xml:lang="en"><seg>s {i // 2}</seg></tuv>'
        f'<tuv xml:lang="de"><seg>t {i}</seg></tuv></tu>\n'
        for i in range(600)
    )
    (tmp_path / "x.tmx").write_text(f"<tmx><body>\n{units}</body></tmx>")
    keys = {"train": None, "validation": "10", "tests": ["0.1"]}
    corpus = tmx(tmp_path, file="x.tmx", **keys)
    splits = {split: list(corpus.read(split)) for split in corpus.splits}
    assert [len(pairs) for pairs in splits.values()] == [530, 10, 60]
    sources = [{pair.source for pair in pairs} for pairs in splits.values()]
    assert sum(map(len, sources)) == 300
    row = corpus.cut().rows("test")[5]
    assert corpus.place("test", 5, 0) == ("x.tmx", row + 2)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "plain"),
        ("\n\n", "plain"),
        ("a <seg> b\n", "plain"),
        ("<b>bold</b>\n<url>x</url>\n", "plain"),
        ("Title\n<title>x</title>\n", "plain"),
        ("\n<doc docid='1'>\na\n</doc>\n", "tags"),
        ("<TSTSET setid=x>\n", "sgml"),
        ('<!DOCTYPE mteval SYSTEM "x">\n<mteval>', "sgml"),
        (XML + "<mteval/>", "xml"),
        ("\ufeff" + XML + "<mteval/>", "xml"),
        (XML + "<tmx>", "tmx"),
        ("<tmx version='1'>", "tmx"),
    ],
)
def test_a_file_shows_what_it_is(tmp_path, text, form):
    (tmp_path / "x").write_text(text, "utf-8")
    assert form_of(tmp_path / "x") == form


@pytest.mark.parametrize("text", ["a & b", "a &eacute; b", "a < b"])
def test_an_unescaped_character_in_xml_is_explained(tmp_path, text):
    from seq2seq.corpora.elements import xml_events

    (tmp_path / "a.xml").write_text(f"<doc>\n<seg>{text}</seg>\n</doc>\n")
    with pytest.raises(UserError, match=r"line 2 of .*a literal & is written &amp;"):
        list(xml_events(tmp_path / "a.xml", lambda defect: None))
