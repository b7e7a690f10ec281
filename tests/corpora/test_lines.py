"""What a line is, and what is said of files that are not lines."""

import gzip
from pathlib import Path

import pytest

from seq2seq.corpora.lines import read_lines, read_pairs
from seq2seq.errors import UserError


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", []),
        ("a\nb\n", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("\n\n", ["", ""]),
        ("a\u2028b\u0085c\fd\ve\x1cf\n", ["a\u2028b\u0085c\fd\ve\x1cf"]),
        ("a\rb\n", ["a\rb"]),
        ("a\r\nb\r\r\nc\r", ["a", "b\r", "c"]),
        ("\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]),
        ("\ufeff", []),
        ("\ufeff\n", [""]),
        ("\0 \U0001f600\n", ["\0 \U0001f600"]),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_line_ends_at_newline_and_nowhere_else(tmp_path, content, lines, pack):
    path = write(tmp_path / "some.name", pack(content.encode()))
    assert list(read_lines(path)) == lines


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    assert list(read_lines(write(tmp_path / "a.gz", "plain\n"))) == ["plain"]
    assert list(read_lines(write(tmp_path / "a.en", gzip.compress(b"packed\n")))) == ["packed"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_invalid_utf8_names_file_line_and_byte(tmp_path, pack):
    path = write(tmp_path / "bad.en", pack(b"good\ngood\nab\xffcd\n"))
    with pytest.raises(UserError, match=r"bad\.en is not UTF-8 at line 3, byte 3"):
        list(read_lines(path))


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:40] + b"!!!!" + b[44:]])
def test_damaged_gzip_names_the_file(tmp_path, damage):
    whole = gzip.compress("".join(f"{n * n}\n" for n in range(999)).encode())
    with pytest.raises(UserError, match=r"bad\.gz is damaged"):
        list(read_lines(write(tmp_path / "bad.gz", damage(whole))))


def test_unequal_counts_name_both_files_and_both_counts(tmp_path):
    long = write(tmp_path / "x.en", "a\n" * 1200)
    short = write(tmp_path / "x.de", "b\n" * 7)
    with pytest.raises(UserError, match=r"x\.en has 1,200 lines and .*x\.de has 7"):
        list(read_pairs(long, short))
    with pytest.raises(UserError, match=r"x\.de has 7 lines and .*x\.en has 1,200"):
        list(read_pairs(short, long))
    with pytest.raises(UserError, match=r"x\.de has 7 lines and .*none has 0"):
        list(read_pairs(short, write(tmp_path / "none", "")))
