"""Tables and Multi30k, and the YAML of every corpus."""

import gzip
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from seq2seq.corpora.files import Files
from seq2seq.corpora.hub import Hub
from seq2seq.corpora.multi30k import Multi30k
from seq2seq.corpora.tables import Csv, Jsonl, Tsv
from seq2seq.errors import UserError

REAL = Path(__file__).parents[2] / "../shared/corpora"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "cache"


def made(kind, **changes):
    """A corpus from its own YAML, as the command line would make it."""
    from omegaconf import OmegaConf

    path = Path(__file__).parents[2] / f"configs/data/{kind.__name__.lower()}.yaml"
    config = OmegaConf.merge(OmegaConf.load(path), {"source": "en", "target": "de"}, changes)
    values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert values.pop("name") == kind.__name__.lower()
    return kind(**values)


# Tsv


def test_tsv_by_number_and_by_name(tmp_path):
    (tmp_path / "train.tsv").write_text('1\ta "b\tc\r\n2\t\td\\n\n')
    corpus = made(Tsv, root=str(tmp_path), source_column="1", target_column="2")
    assert list(corpus.text("train")) == [('a "b', "c"), ("", "d\\n")]
    (tmp_path / "test.v2.tsv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfen\tid\tde\na\t1\tb\n"))
    corpus = made(
        Tsv,
        root=str(tmp_path),
        source_column="en",
        target_column="2",
        header=True,
        tests=["test.v2.tsv.gz"],
    )
    assert corpus.tests == ("test.v2",)
    assert list(corpus.text("test.v2")) == [("a", "b")]


def test_tsv_errors_name_file_and_line(tmp_path):
    (tmp_path / "train.tsv").write_text("en\tde\na\tb\nc\n")
    with pytest.raises(UserError, match=r"line 3 of .*train\.tsv has 1 columns, but column 1"):
        made(Tsv, root=str(tmp_path)).text("train")
    with pytest.raises(UserError, match=r"train\.tsv has no column 'dee'; did you mean 'de'\?"):
        made(Tsv, root=str(tmp_path), header=True, target_column="dee").text("train")
    with pytest.raises(UserError, match="no column 'de'; without a header, give its number"):
        made(Tsv, root=str(tmp_path), target_column="de").text("train")
    with pytest.raises(UserError, match=r"did you mean 'train\.tsv'\?"):
        made(Tsv, root=str(tmp_path), train="trian.tsv").text("train")
    (tmp_path / "train.tsv").write_text("en\tde\n")
    with pytest.raises(UserError, match=r"train is empty.*train\.tsv"):
        made(Tsv, root=str(tmp_path), header=True).text("train")


# Jsonl


def test_jsonl_fields_are_dotted_and_one_line(tmp_path):
    records = [
        {"translation": {"en": "a\nb\r\nc", "de": "\u2028"}},
        {"translation": {"en": "", "de": "d"}},
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    corpus = made(Jsonl, root=str(tmp_path), tests=["x.jsonl.gz"])
    assert list(corpus.text("train")) == [("a b c", "\u2028"), ("", "d")]
    assert corpus.tests == ("x",)
    (tmp_path / "train.jsonl").write_text('{"src": "a", "tgt": "b"}')
    corpus = made(Jsonl, root=str(tmp_path), source_field="src", target_field="tgt")
    assert list(corpus.text("train")) == [("a", "b")]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "has a list where an object with both texts is expected"),
        ('{"en": "a", "dee": "b"}', r"has no field 'de': at 'de', did you mean 'dee'\?"),
        ('{"en": 3, "de": "b"}', "has a number in the field 'en', not text"),
        ('{"en": true, "de": "b"}', "has true or false in the field 'en', not text"),
        ('{"en": "a", "en": "c", "de": "b"}', "has the field 'en' twice in one object"),
        (
            r'{"en": "\ud83d", "de": "b"}',
            "has half a character .a lone surrogate. in the field 'en'",
        ),
    ],
)
def test_jsonl_errors_name_file_and_line(tmp_path, bad, message):
    (tmp_path / "train.jsonl").write_text(f'{{"en": "a", "de": "b"}}\n{bad}\n')
    with pytest.raises(UserError, match=rf"line 2 of .*train\.jsonl {message}"):
        made(Jsonl, root=str(tmp_path), source_field="en", target_field="de").text("train")


# Multi30k


@pytest.fixture
def upstream(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("train", "val", "test_2016_flickr", "test_2017_flickr"):
        for language in ("en", "de", "cs"):
            if (name, language) != ("test_2017_flickr", "cs"):
                content = f"{name} in {language}\n".encode()
                (folder / f"{name}.{language}.gz").write_bytes(gzip.compress(content))
    return folder


@pytest.fixture
def server(upstream):
    asked = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=upstream)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/", asked
        http.shutdown()
        thread.join()


def test_multi30k_from_a_folder(upstream):
    corpus = made(Multi30k, root=str(upstream))
    assert corpus.tests == ("test_2016_flickr", "test_2017_flickr")
    for split in corpus.splits:
        part = {"validation": "val"}.get(split, split)
        assert list(corpus.text(split)) == [(f"{part} in en", f"{part} in de")]
    (upstream / "train.en.gz").unlink()
    (upstream / "train.en").write_text("unpacked\n")
    assert corpus.text("train")[0].source == "unpacked"
    with pytest.raises(UserError, match=r"no file .*train\.fr"):
        made(Multi30k, root=str(upstream), target="fr").text("train")


def test_multi30k_has_no_czech_of_2017(upstream):
    corpus = made(Multi30k, root=str(upstream), target="cs")
    assert corpus.splits == ("train", "validation", "test_2016_flickr")
    assert corpus.text("train")[0].target == "train in cs"


def test_multi30k_refuses_other_languages():
    with pytest.raises(UserError, match=r"no data\.target=dee; did you mean 'de'\?"):
        made(Multi30k, target="dee")
    with pytest.raises(UserError, match="both en; choose from cs, de, fr"):
        made(Multi30k, target="en")


def test_multi30k_fetches_only_what_is_asked_for_and_once(server, cache):
    url, asked = server
    for _ in range(2):
        assert list(made(Multi30k, root=url).text("validation")) == [("val in en", "val in de")]
    assert sorted(asked) == ["/val.de.gz", "/val.en.gz"]
    (folder,) = (cache / "multi30k").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["val.de.gz", "val.en.gz"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "404 File not found"),
        (b"<html>please log in</html>", "not a whole gzip file"),
        (gzip.compress(bytes(range(256)) * 9)[:-9], "not a whole gzip file"),
        (b"", "not a whole gzip file"),
    ],
)
def test_multi30k_keeps_nothing_that_is_not_whole(server, upstream, cache, answer, reason):
    file = upstream / "train.en.gz"
    file.unlink() if answer is None else file.write_bytes(answer)
    with pytest.raises(
        UserError, match=rf"train\.en\.gz cannot be fetched: .*{reason}.*data\.root"
    ):
        made(Multi30k, root=server[0]).text("train")
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("root", ["http://127.0.0.1:9/raw", "gopher://x/raw", "http://[broken/"])
def test_multi30k_unreachable_is_one_sentence(root):
    with pytest.raises(UserError, match=r"train\.en\.gz cannot be fetched: .+data\.root=FOLDER"):
        made(Multi30k, root=root).text("train")


@pytest.mark.skipif(not (REAL / "multi30k/raw").is_dir(), reason="needs the corpus multi30k")
def test_multi30k_has_its_real_counts():
    corpus = made(Multi30k, root=str(REAL / "multi30k/raw"))
    assert [len(corpus.text(split)) for split in corpus.splits] == [29_000, 1_014, 1_000, 1_000]


@pytest.mark.parametrize("kind", [Multi30k, Files, Tsv, Csv, Jsonl, Hub])
def test_every_key_has_its_meaning_on_one_line(kind):
    path = Path(__file__).parents[2] / f"configs/data/{kind.__name__.lower()}.yaml"
    keys = set(yaml.safe_load(path.read_text())) - {"name"}
    meanings = [
        line.strip().partition(": ")[0] for line in kind.__doc__.partition("Args:")[2].splitlines()
    ]
    assert keys == set(filter(None, meanings))
