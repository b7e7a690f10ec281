"""Pictures: the only door to matplotlib."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from seq2seq.system.console import console
from seq2seq.system.files import replacing
from seq2seq.text.characters import visible

FORMATS = (".png", ".svg", ".pdf")
LARGEST = 36.0  # inches that the cells of a picture may take on a side, 5,400 pixels
SPACED = 0.16  # inches from one written word to the next
LONGEST = 40  # characters of a word that are written
SLOT = 1.2  # inches that a panel with a title takes at least
# Asked in this order for a character that the fonts before lack, if they are installed.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Symbols2",
)


def spacing(cell: float, path: Path) -> int:
    """Every how many words one is written where a word has so many inches; said if not all are."""
    every = max(1, int(np.ceil(SPACED / cell - 1e-9)))
    if every > 1:
        console.print(f"{path}: one word in {every} is written, for lack of space")
    return every


def wrapped(title: str, inches: float) -> str:
    """A title in lines of a width, its middle left out where it would take more than three."""
    width = max(8, int(inches / 0.11))
    if len(title) > 3 * width:
        half = 3 * width // 2 - 1
        title = f"{title[:half]}\N{HORIZONTAL ELLIPSIS}{title[-half:]}"
    return "\n".join(title[i : i + width] for i in range(0, len(title), width))


@contextmanager
def paper(path: Path, size: float = 10.0) -> Iterator[Figure]:
    """An empty figure with our fonts, written to `path` at the end; a dollar is a dollar."""
    style: Any = {"font.family": installed(), "font.size": size}
    style |= {"pdf.fonttype": 42, "text.parse_math": False}
    with warnings.catch_warnings(record=True) as caught, rc_context(style):
        warnings.simplefilter("always")
        figure = Figure(dpi=150)
        yield figure
        save(figure, path)
        if lacking(caught) and look_for_fonts():
            for text in figure.findobj(Text):
                text.set_fontfamily(installed())
            caught.clear()
            save(figure, path)
    if lacking(caught):
        console.print(
            f"some characters in {path} are drawn as boxes: no font here has them "
            "(installing the Noto fonts mends it)"
        )


def lacking(caught: Sequence[warnings.WarningMessage]) -> bool:
    """Whether matplotlib has remarked that no font has a character."""
    return any("missing from font" in str(warning.message) for warning in caught)


def installed() -> list[str]:
    """Those of FONTS that matplotlib knows, in their order."""
    known = set(font_manager.get_font_names())
    return [name for name in FONTS if name in known]


def look_for_fonts() -> bool:
    """Show matplotlib the fonts installed since it made its list, which it never makes anew."""
    manager, before = font_manager.fontManager, installed()
    known = {entry.fname for entry in manager.ttflist}
    for file in set(font_manager.findSystemFonts()) - known:
        with suppress(OSError, RuntimeError):  # a font that cannot be read is none
            manager.addfont(file)
    return installed() != before


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, equal bytes for equal pictures."""
    kind = path.suffix.lower().lstrip(".")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with replacing(path, "wb") as file:
        figure.savefig(file, format=kind, bbox_inches="tight", pad_inches=0.1, metadata=undated)


def word_label(word: str) -> str:
    """A word as a label: without characters that draw nothing, shortened where it is long."""
    shown = visible(word)
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[: LONGEST // 2]}\N{HORIZONTAL ELLIPSIS}{shown[-LONGEST // 2 + 1 :]}"
