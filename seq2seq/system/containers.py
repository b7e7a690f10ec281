"""Open a text file whatever it is packed in: told by its first bytes, not by its name.

gzip, bzip2, xz, zstd, lz4 and zip archives of one file are unpacked while they are read, and UTF-16
and UTF-32 with a byte-order mark are turned into UTF-8. Other formats that are not text are refused
by their names.
"""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError

SUFFIXES = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".lz4", ".zip")  # usual ones of packed files
SAMPLE = 512  # bytes that show what a file is; the mark of a tar archive is at 257
BLOCK = 1 << 16  # bytes read at a time

PACKED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "lzma": re.compile(rb"\x5d\x00\x00.{7}[\x00\xff]", re.DOTALL),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
}
# Formats that are not text, with what to do about them
FOREIGN = {
    re.compile(rb".{257}ustar", re.DOTALL): "a tar archive: unpack it first",
    re.compile(rb"7z\xbc\xaf\x27\x1c"): "a 7-Zip archive: unpack it first",
    re.compile(rb"Rar!\x1a\x07"): "a RAR archive: unpack it first",
    re.compile(rb"\x1f[\x9d\xa0]"): "packed by compress (.Z): unpack it first, with `gzip -d`",
    re.compile(rb"PAR1[\x00-\x1f]"): "a Parquet file: data=hub reads a folder of such files",
    re.compile(rb"ARROW1\x00\x00|\xff\xff\xff\xff.{2}\x00\x00", re.DOTALL): "an Arrow file: "
    "data=hub reads a folder of such files",
    re.compile(rb"\x89HDF\r\n\x1a\n"): "an HDF5 file: write its text as .tsv or .jsonl",
    re.compile(rb"SQLite format 3\x00"): "an SQLite database: write its text as .tsv or .jsonl",
    re.compile(rb"%PDF-\d\.\d"): "a PDF: save it as plain text",
    re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"): "an old Microsoft Office file: save it as "
    "CSV or plain text",
    re.compile(rb"\x80[\x02-\x05]"): "a Python pickle, which is never opened: write its text as "
    ".tsv or .jsonl",
    re.compile(rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a"): "a picture",
}
# Longest marks first: that of UTF-32-LE begins with that of UTF-16-LE
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
DAMAGED = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    UnicodeDecodeError,
)


class Utf8(io.RawIOBase):
    """A stream in another encoding as UTF-8.

    Args:
        file: the stream, with its byte-order mark.
        encoding: its name, without a byte order.
    """

    def __init__(self, file: Any, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""

    def readable(self) -> bool:
        """A reader."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer as far as one block goes; 0 at the end."""
        while not self._ready:
            block = self._file.read(BLOCK)
            # A lone surrogate must not end in a traceback: it is passed on, and is not UTF-8
            self._ready = self._decoder.decode(block, final=not block).encode(
                "utf-8", "surrogatepass"
            )
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        """Close the stream below too."""
        self._file.close()
        super().close()


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a file as UTF-8, unpacked where it is packed.

    Raises:
        OSError: it cannot be opened.
        UserError: it is no text, is UTF-16 without a byte-order mark, or is an archive of several
            files; the sentence says which.
    """
    with path.open("rb") as plain:
        sample = plain.read(SAMPLE)
    packed = packing(sample)
    if packed == "zip":
        raw: Any = open_zip(path)
    elif packed:
        raw = OPENERS[packed](path)
    else:
        raw = path.open("rb")
    try:
        return as_text(raw, f"{path}", packed)
    except BaseException:
        raw.close()
        raise


def open_stream(stream: Any, name: str) -> Any:
    """The same for a stream that is already open, such as standard input.

    Args:
        stream: one with `peek`, or one that can be rewound.
        name: what a message calls it.
    """
    sample = peek(stream)
    packed = packing(sample)
    if packed == "zip":
        raise UserError(f"{name} is a zip archive: `unzip -p FILE` unpacks it into a pipe")
    if packed:
        return as_text(OPENERS[packed](stream), name, packed)
    refuse_foreign(sample, name)
    encoding = marked(sample)
    # A plain stream is passed on as it is, so that lines typed by a person arrive one by one
    return stream if encoding is None else buffered(Utf8(stream, encoding))


def as_text(raw: Any, name: str, packed: str | None) -> io.BufferedReader:
    """An unpacked stream as UTF-8.

    Raises:
        UserError: what is in it is no text.
    """
    file = raw if isinstance(raw, io.BufferedReader) else buffered(raw)
    sample = file.peek(SAMPLE)[:SAMPLE]
    what = f"{name}, unpacked," if packed else name
    if packed and (again := packing(sample)):
        raise UserError(f"{what} is packed once more, by {again}: unpack it first")
    refuse_foreign(sample, what)
    encoding = marked(sample)
    return file if encoding is None else buffered(Utf8(file, encoding))


def buffered(raw: Any) -> io.BufferedReader:
    """A reader that can be asked for lines."""
    return io.BufferedReader(raw, BLOCK)


def peek(stream: Any) -> bytes:
    """The first bytes of a stream, which stay in it."""
    if isinstance(stream, io.BufferedReader):
        return stream.peek(SAMPLE)[:SAMPLE]
    place = stream.tell()
    sample = stream.read(SAMPLE)
    stream.seek(place)
    return sample


def packing(sample: bytes) -> str | None:
    """What a file that begins so is packed by; None if it is not."""
    return next((name for name, magic in PACKED.items() if magic.match(sample)), None)


def marked(sample: bytes) -> str | None:
    """The encoding that a byte-order mark names; None for UTF-8 and where there is no mark."""
    return next((name for mark, name in MARKS.items() if sample.startswith(mark)), None)


def refuse_foreign(sample: bytes, name: str) -> None:
    """Refuse what is not text, or in an encoding that cannot be read.

    Raises:
        UserError: the sentence says what it is and what to do.
    """
    for magic, what in FOREIGN.items():
        if magic.match(sample):
            raise UserError(f"{name} is {what}")
    if marked(sample) is None and (encoding := unmarked(sample)):
        raise UserError(
            f"{name} is not UTF-8: it looks like {encoding} without a byte-order mark; "
            f"convert it, with `iconv -f {encoding} -t UTF-8`"
        )


def unmarked(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 by where its zero and control bytes are; None if it does not look like it.

    In UTF-16 every other byte is the upper half of a character: zero in Latin text, another control
    byte in most alphabets. Elsewhere spaces and line ends at least have a zero there.
    """
    quarters = [sample[first : len(sample) & ~3 : 4] for first in range(4)]
    if len(sample) > 4:
        for name, highest, next_highest in (("UTF-32LE", 3, 2), ("UTF-32BE", 0, 1)):
            if not any(quarters[highest]) and max(quarters[next_highest]) <= 16:
                return name
    sample = sample[: len(sample) & ~1]
    halves = sample[::2], sample[1::2]
    for name, lower, upper in (
        ("UTF-16LE", halves[0], halves[1]),
        ("UTF-16BE", halves[1], halves[0]),
    ):
        zeros = upper.count(0)
        if not zeros or lower.count(0):
            continue
        newlines = sum(byte == 10 and not upper[at] for at, byte in enumerate(lower))
        foreign = not is_utf8(sample) and newlines == sample.count(b"\n") and zeros > 1
        if foreign or 10 * len(CONTROL.findall(upper)) > 7 * len(upper):
            return name
    return None


def is_utf8(sample: bytes) -> bool:
    """Whether the beginning of a file is UTF-8, but for a character that was cut at its end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def open_zip(path: Path) -> Any:
    """The only file of a zip archive.

    Raises:
        UserError: there is none, there are several, or it needs a password.
    """
    with zipfile.ZipFile(path) as archive:
        # Nobody's text is what macOS adds to every archive that it packs, and the licence beside
        # the sentence pairs of Tatoeba as manythings.org packs them (fra-eng.zip)
        names = [
            info.filename
            for info in archive.infolist()
            if not info.is_dir()
            and not info.filename.startswith("__MACOSX/")
            and info.filename != "_about.txt"
        ]
        if "[Content_Types].xml" in names:
            raise UserError(f"{path} is an Office file (.xlsx, .docx): save it as CSV or text")
        if len(names) != 1:
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise UserError(
                f"{path} is a zip archive of {len(names)} files"
                + (f" ({shown}): unpack it and name one of them" if names else "")
            )
        try:
            return archive.open(names[0])
        except (RuntimeError, NotImplementedError) as error:
            raise UserError(f"{path} cannot be unpacked: {error}") from error


def _arrow(codec: str) -> Callable[[Any], Any]:
    """An opener for what the standard library cannot unpack (before Python 3.14) and Arrow can."""

    def opened(file: Any) -> Any:
        import pyarrow

        source = str(file) if isinstance(file, Path) else file
        return pyarrow.CompressedInputStream(source, codec)

    return opened


OPENERS: dict[str, Callable[[Any], Any]] = {
    "gzip": gzip.open,
    "bzip2": bz2.open,
    "xz": lzma.open,
    "lzma": lzma.open,
    "zstd": _arrow("zstd"),
    "lz4": _arrow("lz4"),
}
