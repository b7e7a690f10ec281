"""Packed files, other encodings, and files that are no text: read, or named for what they are."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from seq2seq.corpora.encoded import encode
from seq2seq.corpora.files import Files
from seq2seq.corpora.tsv import Tsv
from seq2seq.errors import UserError
from seq2seq.system.containers import SAMPLE
from seq2seq.system.text_lines import read_lines, read_stream

TEXT = "".join(f"Zeile {n}\u2028 ü \u0085\0\r\n" for n in range(SAMPLE))
LINES = [line.removesuffix("\r") for line in TEXT.split("\n")[:-1]]


def zipped(content: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("text.txt",):
            archive.writestr(name, content)
    return file.getvalue()


def arrow(codec: str):
    def pack(content: bytes) -> bytes:
        file = pa.BufferOutputStream()
        with pa.CompressedOutputStream(file, codec) as out:
            out.write(content)
        return file.getvalue().to_pybytes()

    return pack


PACKERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "zstd": arrow("zstd"),
    "lz4": arrow("lz4"),
    "zip": zipped,
    "zip of a Mac": lambda content: zipped(content, "a.txt", "__MACOSX/._a.txt"),
}


def read(folder: Path, content: bytes, name: str = "some.name") -> list[str]:
    (folder / name).write_bytes(content)
    return list(read_lines(folder / name))


def stream_lines(stream: io.BytesIO) -> list[str]:
    return [line for lines in read_stream(stream, 2) for line in lines]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packer", PACKERS)
def test_packed_text_is_read_whatever_its_name(tmp_path, packer, encoding):
    assert read(tmp_path, PACKERS[packer](TEXT.encode(encoding))) == LINES
    assert read(tmp_path, PACKERS[packer](b"")) == []


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("lost", [1, 9, 200])
def test_what_was_cut_off_is_one_sentence(tmp_path, packer, lost):
    with pytest.raises(UserError, match=r"some\.name is damaged or was cut off"):
        read(tmp_path, PACKERS[packer](TEXT.encode())[:-lost])


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zip"])  # those with a checksum
def test_damage_inside_is_one_sentence(tmp_path, packer):
    content = bytearray(PACKERS[packer](TEXT.encode()))
    middle = len(content) // 2
    content[middle : middle + 9] = bytes(byte ^ 0x55 for byte in content[middle : middle + 9])
    with pytest.raises(UserError, match=r"some\.name is damaged or was cut off"):
        read(tmp_path, bytes(content))


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("train.en"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(b"a\n", "x.en", "x.fr"), r"is a zip archive of 2 files \(x\.en, x\.fr\)"),
        (zipped(b"", "[Content_Types].xml", "x"), "is an Office file"),
        (tar(), "unpacked, is a tar archive"),
        (gzip.compress(bz2.compress(b"a\n")), "is compressed twice, with gzip and bzip2"),
        (b"\x1f\x9d\x90abc", r"is compressed with compress \(\.Z\)"),
        (b"\x80\x04\x95abc", "is a Python pickle"),
        (b"SQLite format 3\0", "is an SQLite database"),
        (b"%PDF-1.7\n", "is a PDF"),
        (b"PAR1\x15\x04", "is a Parquet file: data=hub"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive"),
    ],
    ids=lambda value: (
        value[:30] if isinstance(value, str) else ""
    ),  # bytes with a time in them differ
)
def test_what_is_no_text_is_named(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"some\.name.* {message}"):
        read(tmp_path, content)


@pytest.mark.parametrize("text", ["hello\nworld\n", "a\n", "ЗДЙ ЛЖЩ\nЮЯЫ\n", "今天 天气\n你好\n"])
@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE", "UTF-32LE"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_utf16_without_its_mark_is_named(tmp_path, text, encoding, pack):
    with pytest.raises(UserError, match=f"looks like {encoding} without a byte-order mark"):
        read(tmp_path, pack(text.encode(encoding)))


@pytest.mark.parametrize(
    "content", [b"BZh is text\n", b"PK\n", b"a\0b\n\0\nc\0\0\n", b"]\n", b"\0"]
)
def test_text_that_begins_like_something_else_is_text(tmp_path, content):
    assert read(tmp_path, content) == content.decode().split("\n")[: max(1, content.count(b"\n"))]


@pytest.mark.parametrize("tail", [b"a", b"\xd8"])
def test_utf16_that_was_cut_off_is_one_sentence(tmp_path, tail):
    with pytest.raises(UserError, match="is not utf-16-le, or was cut off"):
        read(tmp_path, "a\n".encode("utf-16") + tail)


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd"])
def test_a_stream_is_read_like_a_file(packer):
    assert stream_lines(io.BytesIO(TEXT.encode())) == LINES
    assert stream_lines(io.BytesIO(b"\xef\xbb\xbf" + TEXT.encode())) == LINES
    assert stream_lines(io.BytesIO(TEXT.encode("utf-16"))) == LINES
    assert stream_lines(io.BytesIO(PACKERS[packer](TEXT.encode()))) == LINES
    with pytest.raises(UserError, match="standard input is a zip archive"):
        stream_lines(io.BytesIO(zipped(b"a\n")))
    with pytest.raises(UserError, match="standard input is not UTF-8 at line 2, byte 1"):
        stream_lines(io.BytesIO(b"a\n\xffb\n"))


class Characters:
    fingerprint = "characters"

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [list(map(ord, text)) for text in texts]


USUAL = {"source": "en", "target": "de", "max_length": 99, "tokenized": False}


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_corpus_is_prepared_like_a_plain_one(tmp_path, monkeypatch, packer):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "josé [1] 数据"
    root.mkdir()
    pairs = [(f"a {n}", f"b {n}") for n in range(50)]
    for side, name in enumerate(("train.en", "train.de")):
        content = "".join(pair[side] + "\n" for pair in pairs).encode()
        (root / name).write_bytes(PACKERS[packer](content))
    table = "".join("\t".join(pair) + "\n" for pair in pairs).encode()
    (root / "数 据.tsv.zst").write_bytes(PACKERS[packer](table))
    names = {"root": str(root), "validation": "none", "tests": []}
    (root / "train.de").rename(root / "train.de.xz")  # a usual ending, whatever it is packed by
    files = Files(**USUAL, **names, train="train")
    columns = {"source_column": "0", "target_column": "1", "header": False}
    tsv = Tsv(**USUAL, **names, **columns, train="数 据.tsv.zst")
    for corpus in (files, tsv):
        text = corpus.text("train")
        assert list(text) == pairs
        assert encode(text, Characters(), Characters())[7][0].tolist() == list(map(ord, "a 7"))


def test_the_licence_beside_the_pairs_of_tatoeba_is_passed_over(tmp_path):
    path = tmp_path / "fra-eng.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_about.txt", "CC-BY 2.0\n")
        archive.writestr("fra.txt", "Go.\tVa !\n")
    assert list(read_lines(path)) == ["Go.\tVa !"]
