"""Tables and Multi30k, and the YAML of every corpus."""

import gzip
import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from seq2seq.corpora import multi30k
from seq2seq.corpora.csv import Csv
from seq2seq.corpora.files import Files
from seq2seq.corpora.hub import Hub
from seq2seq.corpora.jsonl import Jsonl
from seq2seq.corpora.multi30k import Multi30k
from seq2seq.corpora.tmx import Tmx
from seq2seq.corpora.tsv import Tsv
from seq2seq.errors import UserError
from seq2seq.settings.schema import meanings

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
            "has a lone surrogate .not valid Unicode text. in the field 'en'",
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


@pytest.fixture
def known(upstream, monkeypatch):
    """The hashes of the stand-in's files take the place of the real ones."""
    for file in upstream.iterdir():
        digest = hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest()
        monkeypatch.setitem(multi30k.KNOWN, file.name.removesuffix(".gz"), digest)


def fetched(**changes):
    return made(Multi30k, **({"mirrors": []} | changes))


def test_multi30k_fetches_only_what_is_asked_for_and_once(server, known, cache, capsys):
    url, asked = server
    for _ in range(2):
        assert list(fetched(root=url).text("validation")) == [("val in en", "val in de")]
    assert sorted(asked) == ["/val.de.gz", "/val.en.gz"]
    files = [path.name for path in (cache / "multi30k").rglob("*") if path.is_file()]
    assert sorted(files) == ["val.de", "val.en"]
    said = capsys.readouterr()
    assert f"fetched val.en from {url}val.en.gz" in (said.out + said.err).replace("\n", "")


BAD_ANSWERS = [
    (None, "404 File not found"),
    (b"<html>please log in</html>", "unexpected content"),
    (gzip.compress(b"another text\n", mtime=0), "unexpected content"),
    (gzip.compress(bytes(range(256)) * 9, mtime=0)[:-9], "not a complete gzip file"),
    (b"", "the response is empty"),
]


@pytest.mark.parametrize(("answer", "reason"), BAD_ANSWERS)
def test_multi30k_keeps_nothing_that_is_not_known(server, known, upstream, cache, answer, reason):
    file = upstream / "train.en.gz"
    file.unlink() if answer is None else file.write_bytes(answer)
    with pytest.raises(UserError, match=rf"train\.en cannot be fetched: .*{reason}.*data\.root"):
        fetched(root=server[0]).text("train")
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("answer", "reason"), BAD_ANSWERS)
def test_multi30k_goes_on_to_the_next_address(server, known, upstream, answer, reason):
    good = upstream / "mirror"
    good.mkdir()
    file = upstream / "train.en.gz"
    (good / file.name).write_bytes(file.read_bytes())
    file.unlink() if answer is None else file.write_bytes(answer)
    corpus = fetched(root=server[0], mirrors=["http://127.0.0.1:9/raw", f"{server[0]}mirror"])
    assert corpus.text("train")[0] == ("train in en", "train in de")


def test_multi30k_reads_json_lines_of_the_hub(server, known, upstream):
    record = {"en": "test_2016_flickr in en", "de": "test_2016_flickr in de"}
    (upstream / "test.jsonl").write_text(json.dumps(record) + "\n")
    corpus = fetched(root="http://127.0.0.1:9/raw", mirrors=[server[0] + "{split}.jsonl"])
    assert list(corpus.text("test_2016_flickr")) == [(record["en"], record["de"])]
    with pytest.raises(UserError, match=r"test_2017_flickr\.en cannot be fetched"):
        corpus.text("test_2017_flickr")  # which the hub does not have
    (upstream / "test.jsonl").write_text('{"en": 1}\n[]\n')
    corpus = fetched(target="cs", root=server[0], mirrors=[])
    assert corpus.text("test_2016_flickr")[0].target == "test_2016_flickr in cs"


def test_multi30k_says_which_files_to_put_where():
    with pytest.raises(UserError) as refused:
        fetched(root="http://127.0.0.1:9/raw", mirrors=["ftp://127.0.0.1/x"]).text("train")
    for part in (
        "http://127.0.0.1:9/raw/train.en.gz: ",
        "ftp://127.0.0.1/x/train.en.gz: only http and https",
        "train.en.gz, train.de.gz, val.en.gz, val.de.gz, test_2016_flickr.en.gz",
        "data.root=FOLDER",
    ):
        assert part in str(refused.value)


@pytest.mark.parametrize("root", ["http://127.0.0.1:9/raw", "gopher://x/raw", "http://[broken/"])
def test_multi30k_unreachable_is_one_sentence(root):
    with pytest.raises(UserError, match=r"train\.en cannot be fetched: .+data\.root=FOLDER"):
        fetched(root=root).text("train")


def test_multi30k_without_the_key_is_as_older_runs_have_it(upstream):
    values = {"source": "en", "target": "de", "root": str(upstream), "max_length": 100}
    assert len(Multi30k(**values).text("train")) == 1


@pytest.mark.skipif(not (REAL / "multi30k/raw").is_dir(), reason="needs the corpus multi30k")
def test_multi30k_knows_the_real_files():
    for name, digest in multi30k.KNOWN.items():
        content = gzip.decompress((REAL / f"multi30k/raw/{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest


@pytest.mark.skipif(not (REAL / "multi30k/raw").is_dir(), reason="needs the corpus multi30k")
def test_multi30k_has_its_real_counts():
    corpus = made(Multi30k, root=str(REAL / "multi30k/raw"))
    assert [len(corpus.text(split)) for split in corpus.splits] == [29_000, 1_014, 1_000, 1_000]


@pytest.mark.parametrize("kind", [Multi30k, Files, Tsv, Csv, Jsonl, Tmx, Hub])
def test_every_key_has_its_meaning_on_one_line(kind):
    path = Path(__file__).parents[2] / f"configs/data/{kind.__name__.lower()}.yaml"
    keys = set(yaml.safe_load(path.read_text())) - {"name"}
    known = meanings(kind)
    assert all(known.values())
    assert keys == set(known)


def test_multi30k_tokenized_has_the_same_names_of_test_sets(tmp_path):
    for part in ("train", "val", "test_2016_flickr", "test_2017_flickr"):
        for language in ("en", "de"):
            (tmp_path / f"{part}.lc.norm.tok.{language}").write_text(f"{part} , {language} .\n")
    corpus = made(Multi30k, root=str(tmp_path), form="tokenized")
    assert corpus.tests == ("test_2016_flickr", "test_2017_flickr") and corpus.tokenized
    for split in corpus.splits:
        part = {"validation": "val"}.get(split, split)
        assert list(corpus.text(split)) == [(f"{part} , en .", f"{part} , de .")]
    with pytest.raises(UserError, match=r"no data\.target=cs with data\.form=tokenized"):
        made(Multi30k, root=str(tmp_path), form="tokenized", target="cs")


def test_multi30k_tokenized_is_fetched_unpacked(server, upstream, monkeypatch):
    url, asked = server
    for language in ("en", "de"):
        content = f"text in {language}\n".encode()
        (upstream / f"val.lc.norm.tok.{language}").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        monkeypatch.setitem(multi30k.KNOWN_TOKENIZED, f"val.{language}", digest)
    corpus = fetched(root=url, form="tokenized")
    assert list(corpus.text("validation")) == [("text in en", "text in de")]
    assert sorted(asked) == ["/val.lc.norm.tok.de", "/val.lc.norm.tok.en"]


@pytest.mark.skipif(not (REAL / "multi30k/tok").is_dir(), reason="needs the corpus multi30k")
def test_multi30k_knows_the_real_tokenized_files():
    for name, digest in multi30k.KNOWN_TOKENIZED.items():
        part, language = name.rsplit(".", 1)
        file = REAL / f"multi30k/tok/{part}{multi30k.TOKENIZED}.{language}.gz"
        assert hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest() == digest
