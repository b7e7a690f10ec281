"""Write a comparison as one self-contained, interactive page, `report.html`.

The page consists of the template, style sheet and scripts in this folder and the data of one
comparison. It loads nothing: a Content-Security-Policy blocks all requests and all scripts except
its own, which are allowed by hash. Text from corpora and file names is stored as JSON and shown as
text, so it is never parsed as markup.

Plotly draws the curves as SVG, which prints well and follows the colors of the page (MIT license;
it is installed by pip with everything that a page needs). Only this module imports it. Its script
is compressed in the page and runs after the rest is shown.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import compress

from jaxtyping import UInt8
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import WordAttention
from seq2seq.system.console import track
from seq2seq.system.files import replacing

SCRIPTS = (
    "elements.js",
    "theme.js",
    "dom.js",
    "tables.js",
    "curves.js",
    "words.js",
    "heatmap.js",
    "attention.js",
    "sentences.js",
    "page.js",
)
CHUNK = 50  # lines per compressed block of attention; a block is unpacked when first needed
MOST = 1000  # maximum number of words per side of a heatmap in the page


def write(data: dict[str, Any], path: Path) -> None:
    """Write the page of a comparison.

    Args:
        data: the data of the page, as returned by `seq2seq.compare.report.page.page`. The
            `attention` of each test set maps runs to attention files; runs without a file have no
            heatmap. In the page, `maps` has the names of the maps of self-attention in each file,
            and `methods` the method of each file that is not of attention.
        path: the file to write.

    Raises:
        UserError: the attention file of a run is damaged or of another test set.
    """
    kept = [
        (t, r, Path(file))
        for t, test in enumerate(data["tests"])
        for r, run in enumerate(data["runs"])
        if (file := test["attention"].get(run["name"])) and Path(file).is_file()
    ]
    attention, tests = [], [_without_files(test) for test in data["tests"]]
    for t, r, file in track(kept, "packing attention", total=len(kept), unit="files"):
        maps, chunks = _packed(file, tests[t]["lines"])
        attention.append(_data(f"attention-{t}-{r}", chunks))
        tests[t]["attention"].append(r)
        tests[t]["maps"] |= {r: maps} if maps else {}
        if (method := stored_attention.method_of(file)) != "attention":
            tests[t]["methods"] |= {r: method}
    report = _data("report", {**data, "tests": tests, "chunk": CHUNK})
    plotly = _plotly()
    style, script = part("page.css"), "\n".join(['"use strict";', *map(part, SCRIPTS)])
    parts = {
        "policy": _policy([script, plotly], [style, "", *_styles(plotly)]),
        "style": style,
        "data": "\n".join([report, _data("plotly", _pack(plotly)), *attention]),
        "script": script,
    }
    # A single pass, so that placeholders inside inserted data are not replaced.
    page = re.sub(r"{{(\w+)}}", lambda match: parts[match[1]], part("page.html"))
    with replacing(path, "wb") as file:
        file.write(page.encode(errors="backslashreplace"))  # escapes lone surrogates as JSON does


def _without_files(test: dict[str, Any]) -> dict[str, Any]:
    """Return a test set of the page's data without runs that have heatmaps, which are added."""
    return {**test, "attention": [], "maps": {}, "methods": {}}


def _packed(path: Path, lines: int) -> tuple[list[str], list[str]]:
    """Read the attention of one run on one test set and compress it in blocks of CHUNK lines.

    Maps of more than MOST words per side are left out; the page says so in their place.

    Returns:
        The names of the maps of self-attention, and the blocks.
    """
    attention = stored_attention.read(path)
    if len(attention) != lines:
        raise UserError(
            f"{path} has {len(attention)} lines but the test set has {lines}: "
            "run `seq2seq evaluate` again"
        )
    chunks = (map(_entry, attention[first : first + CHUNK]) for first in range(0, lines, CHUNK))
    names = {name: None for line in attention for name in line.maps}
    return list(names), [_pack(json.dumps(list(chunk), separators=(",", ":"))) for chunk in chunks]


def _entry(line: WordAttention) -> tuple[Any, ...]:
    """Return the words and maps of one line for JSON."""
    maps = {
        name: (one.rows, one.columns, _values(one.weights), one.border)
        for name, one in line.maps.items()
    }
    return line.source, line.target, _values(line.weights), maps


def _values(weights: UInt8[ndarray, "rows columns"]) -> list[int] | None:
    """Return the elements of a matrix row by row; None if it has more than MOST per side."""
    return weights.ravel().tolist() if max(weights.shape) <= MOST else None


def _pack(text: str) -> str:
    """Compress a text for `unpack` in dom.js."""
    return b64encode(compress(text.encode())).decode()


def _data(name: str, content: Any) -> str:
    """Return a script element with JSON data, escaped so that no data can close the element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", r"\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _plotly() -> str:
    """Return the script of Plotly."""
    from plotly.offline import get_plotlyjs  # slow to import, and needed here only

    return get_plotlyjs()


def _styles(library: str) -> list[str]:
    """Extract the style sheets that a library's script adds to the page."""
    return re.findall(r"\.textContent='((?:[^'\\]|\\.)*)'", library)


def _policy(scripts: list[str], styles: list[str]) -> str:
    """Return a Content-Security-Policy that allows only these scripts and styles, by hash."""

    def hashes(texts: list[str]) -> str:
        digests = (sha256(text.encode()).digest() for text in texts)
        return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {hashes(scripts)}; style-src {hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )


def part(name: str) -> str:
    """Read a file in the folder of this module."""
    return (Path(__file__).parent / name).read_text("utf-8")
