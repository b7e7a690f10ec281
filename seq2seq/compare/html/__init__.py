"""A comparison as one self-contained page, report.html, that answers the pointer and the keyboard.

The page is its template, its style and its scripts, found beside this file, with the data of one
comparison. It loads nothing: a Content-Security-Policy forbids all requests and every script but
its own, by hash. What comes from a corpus or a file name is data in it, never markup: JSON that the
scripts show as text. Plotly draws the curves (MIT licence, as vectors that print and follow the
page's colours; it is the only library for curves that comes by pip with all that a page needs);
this is its only door. It is packed, and unpacked once the page is there to be read.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import compress

from seq2seq.errors import UserError
from seq2seq.runs import stored_attention
from seq2seq.system.console import track
from seq2seq.system.files import replacing

SCRIPTS = ("dom.js", "tables.js", "curves.js", "words.js", "heatmap.js", "sentences.js", "page.js")
CHUNK = 50  # lines whose attention is packed together, and unpacked when one of them is looked at


def write(data: dict[str, Any], path: Path) -> None:
    """Write the page of a comparison.

    Args:
        data: `title`, `source`, `target`, `systems`, `runs`, `tests`, `configuration`, `provenance`
            and `notes`, as `compare` makes them. Each test's `attention` names the file of each run
            that may have one; where there is no such file, the page shows no heatmap.
        path: where to.

    Raises:
        UserError: the attention of a run is damaged, or is not of this test set.
    """
    kept = [
        (t, r, Path(file))
        for t, test in enumerate(data["tests"])
        for r, run in enumerate(data["runs"])
        if (file := test["attention"].get(run["name"])) and Path(file).is_file()
    ]
    attention = [
        _data(f"attention-{t}-{r}", _packed(file, data["tests"][t]["lines"]))
        for t, r, file in track(kept, "packing attention", total=len(kept), unit="files")
    ]
    tests = [
        {**test, "attention": [r for of, r, _ in kept if of == t]}
        for t, test in enumerate(data["tests"])
    ]
    report = _data("report", {**data, "tests": tests, "chunk": CHUNK})
    plotly = _plotly()
    style, script = _text("page.css"), "\n".join(['"use strict";', *map(_text, SCRIPTS)])
    parts = {
        "policy": _policy([script, plotly], [style, "", *_styles(plotly)]),
        "style": style,
        "data": "\n".join([report, _data("plotly", _pack(plotly)), *attention]),
        "script": script,
    }
    # In one pass, so that nothing is looked for in what was filled in.
    page = re.sub(r"{{(\w+)}}", lambda match: parts[match[1]], _text("page.html"))
    with replacing(path, "wb") as file:
        file.write(page.encode(errors="backslashreplace"))  # half a character, as JSON escapes it


def _packed(path: Path, lines: int) -> list[str]:
    """The attention of one run on one test set, in chunks of CHUNK lines."""
    found = stored_attention.read(path)
    if len(found) != lines:
        raise UserError(
            f"{path} is of {len(found)} lines and the test set has {lines}: "
            "run `seq2seq evaluate` again"
        )
    entries = [(line.source, line.target, line.weights.ravel().tolist()) for line in found]
    chunks = (entries[first : first + CHUNK] for first in range(0, lines, CHUNK))
    return [_pack(json.dumps(chunk, separators=(",", ":"))) for chunk in chunks]


def _pack(text: str) -> str:
    """A text as the page's `unpack` takes it."""
    return b64encode(compress(text.encode())).decode()


def _data(name: str, content: Any) -> str:
    """An element that holds data and cannot be left by anything in it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", r"\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _plotly() -> str:
    """The library's script."""
    from plotly.offline import get_plotlyjs  # takes a moment, and only a page needs it

    return get_plotlyjs()


def _styles(library: str) -> list[str]:
    """The style sheets that a library's script adds to the page."""
    return re.findall(r"\.textContent='((?:[^'\\]|\\.)*)'", library)


def _policy(scripts: list[str], styles: list[str]) -> str:
    """The Content-Security-Policy that knows these texts by their hashes and forbids all else."""

    def hashes(texts: list[str]) -> str:
        digests = (sha256(text.encode()).digest() for text in texts)
        return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {hashes(scripts)}; style-src {hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _text(name: str) -> str:
    """A file beside this one."""
    return (Path(__file__).parent / name).read_text("utf-8")
