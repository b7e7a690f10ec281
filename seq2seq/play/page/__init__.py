"""The files of the page: HTML, a style sheet and a script, without any request to elsewhere.

The script consists of the parts below, and of those of `report.html` that both pages have.
"""

from pathlib import Path

from seq2seq.compare import html

SHARED = ("elements.js", "theme.js", "words.js", "heatmap.js")
SCRIPTS = (
    "connection.js",
    "link.js",
    "pictures.js",
    "source.js",
    "alternatives.js",
    "numbers.js",
    "pointing.js",
    "card_view.js",
    "card.js",
    "start.js",
)


def index() -> str:
    """Return the HTML."""
    return _text("page.html")


def style() -> str:
    """Return the style sheet: that of `report.html`, then what this page adds."""
    return f"{html.part('page.css')}\n{_text('play.css')}"


def script() -> str:
    """Return the script."""
    parts = [*map(html.part, SHARED), *map(_text, SCRIPTS)]
    return "\n".join(['"use strict";', *parts])


def _text(name: str) -> str:
    """Read a file in the folder of this module."""
    return (Path(__file__).parent / name).read_text("utf-8")
