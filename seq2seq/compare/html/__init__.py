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

from seq2seq.compare.html.packing import CHUNK, chunks_of, fitting, pack, too_large
from seq2seq.system.files import replacing

SCRIPTS = (
    "elements.js",
    "theme.js",
    "dom.js",
    "tables.js",
    "curves.js",
    "words.js",
    "numbers.js",
    "heatmap.js",
    "attention.js",
    "sentences.js",
    "page.js",
)


def write(data: dict[str, Any], path: Path) -> None:
    """Write the page of a comparison.

    Args:
        data: the data of the page, as returned by `seq2seq.compare.report.page.page`. The
            `attention` of each test set maps runs to attention files; runs without a file have no
            heatmap. In the page, `maps` has the names of the maps of self-attention in each file,
            and `methods` those of the methods in each file, unless it has attention only. The
            `probabilities` map runs to the scores of the words of each line; in the page, `scored`
            has the runs, and whether the shares of the source are known.
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
    tests = [_without_files(test) for test in data["tests"]]
    elements = []
    for (t, r, _), one in zip(kept, fitting(kept, data["tests"]), strict=True):
        elements.append(_data(f"attention-{t}-{r}", one.chunks))
        tests[t]["attention"].append(r)
        tests[t]["maps"] |= {r: one.maps} if one.maps else {}
        tests[t]["methods"] |= {r: one.methods} if one.methods != ["attention"] else {}
        tests[t]["dropped"] = max(tests[t].get("dropped", 0), one.dropped)
    for test in tests:
        if dropped := test.pop("dropped", 0):
            note = too_large(dropped, test["lines"], alone=len(data["runs"]) == 1)
            test["notes"] = [*test["notes"], note]
    for t, test in enumerate(data["tests"]):
        for r, run in enumerate(data["runs"]):
            if scored := test.get("probabilities", {}).get(run["name"]):
                elements.append(_data(f"words-{t}-{r}", chunks_of(scored)))
                tests[t]["scored"] |= {r: any(shares for _, _, shares, _ in scored)}
    report = _data("report", {**data, "tests": tests, "chunk": CHUNK})
    plotly = _plotly()
    style, script = part("page.css"), "\n".join(['"use strict";', *map(part, SCRIPTS)])
    parts = {
        "policy": _policy([script, plotly], [style, "", *_styles(plotly)]),
        "style": style,
        "data": "\n".join([report, _data("plotly", pack(plotly)), *elements]),
        "script": script,
    }
    # A single pass, so that placeholders inside inserted data are not replaced.
    page = re.sub(r"{{(\w+)}}", lambda match: parts[match[1]], part("page.html"))
    with replacing(path, "wb") as file:
        file.write(page.encode(errors="backslashreplace"))  # escapes lone surrogates as JSON does


def _without_files(test: dict[str, Any]) -> dict[str, Any]:
    """Return a test set of the page's data without what is in elements of its own."""
    kept = {key: value for key, value in test.items() if key != "probabilities"}
    return {**kept, "attention": [], "maps": {}, "methods": {}, "scored": {}}


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
