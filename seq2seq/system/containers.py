"""Open compressed and differently encoded text files, detected by their first bytes.

gzip, bzip2, xz, zstd, lz4 and zip archives with a single file are decompressed while reading.
UTF-16 and UTF-32 with a byte-order mark are converted to UTF-8. Known formats that are not text
raise an error that names the format.
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

SUFFIXES = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".lz4", ".zip")  # of compressed files
SAMPLE = 512  # bytes for detecting the format; the signature of a tar archive is at offset 257
BLOCK = 1 << 16  # bytes per read

PACKED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "lzma": re.compile(rb"\x5d\x00\x00.{7}[\x00\xff]", re.DOTALL),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
}
# Signatures of formats that are not text, with the error message
NOT_TEXT = {
    re.compile(rb".{257}ustar", re.DOTALL): "a tar archive: unpack it first",
    re.compile(rb"7z\xbc\xaf\x27\x1c"): "a 7-Zip archive: unpack it first",
    re.compile(rb"Rar!\x1a\x07"): "a RAR archive: unpack it first",
    re.compile(rb"\x1f[\x9d\xa0]"): "compressed with compress (.Z): unpack it first, with "
    "`gzip -d`",
    re.compile(rb"PAR1[\x00-\x1f]"): "a Parquet file: data=hub reads a folder of such files",
    re.compile(rb"ARROW1\x00\x00|\xff\xff\xff\xff.{2}\x00\x00", re.DOTALL): "an Arrow file: "
    "data=hub reads a folder of such files",
    re.compile(rb"\x89HDF\r\n\x1a\n"): "an HDF5 file: write its text as .tsv or .jsonl",
    re.compile(rb"SQLite format 3\x00"): "an SQLite database: write its text as .tsv or .jsonl",
    re.compile(rb"%PDF-\d\.\d"): "a PDF: save it as plain text",
    re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"): "an old Microsoft Office file: save it as "
    "CSV or plain text",
    re.compile(rb"\x80[\x02-\x05]"): "a Python pickle, which is not safe to open: write its text "
    "as .tsv or .jsonl",
    re.compile(rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a"): "an image",
}
# Byte-order marks, longest first: that of UTF-32-LE starts with that of UTF-16-LE
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
    """A binary stream that converts another encoding to UTF-8.

    Args:
        file: the stream, starting with its byte-order mark.
        encoding: the name of the encoding, without byte order.
    """

    def __init__(self, file: Any, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""

    def readable(self) -> bool:
        """The stream can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into the buffer; return the number of bytes, 0 at the end of the stream."""
        while not self._ready:
            block = self._file.read(BLOCK)
            # Pass on a lone surrogate as invalid UTF-8, which the reader reports with its line
            self._ready = self._decoder.decode(block, final=not block).encode(
                "utf-8", "surrogatepass"
            )
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        """Close the stream and the underlying file."""
        self._file.close()
        super().close()


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a text file as a stream of UTF-8 bytes, decompressed if necessary.

    Raises:
        OSError: the file cannot be opened.
        UserError: the file is not text, is UTF-16 or UTF-32 without a byte-order mark, or is an
            archive of several files.
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
    """Do the same as `open_bytes` for an open stream, such as standard input.

    Args:
        stream: a binary stream with `peek` or `seek`.
        name: the name of the stream in error messages.
    """
    sample = peek(stream)
    packed = packing(sample)
    if packed == "zip":
        raise UserError(f"{name} is a zip archive: unpack it into the pipe with `unzip -p FILE`")
    if packed:
        return as_text(OPENERS[packed](stream), name, packed)
    require_text(sample, name)
    encoding = encoding_by_mark(sample)
    # A plain UTF-8 stream is returned unchanged, so that typed lines arrive one by one
    return stream if encoding is None else buffered(Utf8(stream, encoding))


def as_text(raw: Any, name: str, packed: str | None) -> io.BufferedReader:
    """Convert a decompressed stream to UTF-8.

    Raises:
        UserError: the content is not text.
    """
    file = raw if isinstance(raw, io.BufferedReader) else buffered(raw)
    sample = file.peek(SAMPLE)[:SAMPLE]
    if packed and (inner := packing(sample)):
        raise UserError(f"{name} is compressed twice, with {packed} and {inner}: unpack it first")
    require_text(sample, f"{name}, unpacked," if packed else name)
    encoding = encoding_by_mark(sample)
    return file if encoding is None else buffered(Utf8(file, encoding))


def buffered(raw: Any) -> io.BufferedReader:
    """Wrap a raw stream in a buffered reader, which can iterate over lines."""
    return io.BufferedReader(raw, BLOCK)


def peek(stream: Any) -> bytes:
    """The first bytes of a stream, without changing its position."""
    if isinstance(stream, io.BufferedReader):
        return stream.peek(SAMPLE)[:SAMPLE]
    position = stream.tell()
    sample = stream.read(SAMPLE)
    stream.seek(position)
    return sample


def packing(sample: bytes) -> str | None:
    """The compression format of a file that starts with these bytes; None if not compressed."""
    return next((name for name, magic in PACKED.items() if magic.match(sample)), None)


def encoding_by_mark(sample: bytes) -> str | None:
    """The encoding given by a byte-order mark; None for UTF-8 and without a mark."""
    return next((name for mark, name in MARKS.items() if sample.startswith(mark)), None)


def require_text(sample: bytes, name: str) -> None:
    """Check that the start of a file is text in a supported encoding.

    Raises:
        UserError: it is not; the message names the format and says what to do.
    """
    for magic, description in NOT_TEXT.items():
        if magic.match(sample):
            raise UserError(f"{name} is {description}")
    if encoding_by_mark(sample) is None and (encoding := guess_encoding(sample)):
        raise UserError(
            f"{name} is not UTF-8: it looks like {encoding} without a byte-order mark; "
            f"convert it with `iconv -f {encoding} -t UTF-8`"
        )


def guess_encoding(sample: bytes) -> str | None:
    """Detect UTF-16 or UTF-32 by the positions of zero and control bytes; None for other text.

    In UTF-16 every other byte is the upper half of a character: zero for Latin text, another
    control byte for most alphabets. In other scripts at least spaces and line ends have a zero
    upper half.
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
        not_utf8 = not is_utf8(sample) and newlines == sample.count(b"\n") and zeros > 1
        if not_utf8 or 10 * len(CONTROL.findall(upper)) > 7 * len(upper):
            return name
    return None


def is_utf8(sample: bytes) -> bool:
    """Whether the start of a file is valid UTF-8; the last character may be incomplete."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def open_zip(path: Path) -> Any:
    """Open the only file of a zip archive.

    Raises:
        UserError: the archive has no file or several files, or needs a password.
    """
    with zipfile.ZipFile(path) as archive:
        # macOS adds metadata in __MACOSX/; manythings.org adds the license of the sentence pairs
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
    """Return an opener with Arrow, for a codec that the standard library lacks before 3.14."""

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
