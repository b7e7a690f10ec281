"""Create and save matplotlib figures: size limits, fonts and labels."""

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
LARGEST = 36.0  # maximum width and height of all cells of a figure in inches, 5,400 pixels
SPACED = 0.16  # minimum distance of word labels in inches
LONGEST = 40  # maximum characters of a word label
SLOT = 1.2  # minimum width of a panel with a title in inches
# Fonts in order of preference; for each character the first installed font that has it is used.
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
    """Return the step between word labels, and print a message if not all words have one.

    Args:
        cell: the size of a cell in inches.
        path: the output file, for the message.
    """
    every = max(1, int(np.ceil(SPACED / cell - 1e-9)))
    if every > 1:
        console.print(f"{path}: only one word in {every} has a label, for lack of space")
    return every


def wrapped(title: str, inches: float) -> str:
    """Wrap a title to at most three lines of a width in inches; omit its middle if too long."""
    width = max(8, int(inches / 0.11))
    if len(title) > 3 * width:
        half = 3 * width // 2 - 1
        title = f"{title[:half]}\N{HORIZONTAL ELLIPSIS}{title[-half:]}"
    return "\n".join(title[i : i + width] for i in range(0, len(title), width))


@contextmanager
def paper(path: Path, size: float = 10.0) -> Iterator[Figure]:
    """Context manager that yields an empty figure, and writes it to `path` at the end.

    Math mode is off, so a dollar sign is an ordinary character.
    """
    style: Any = {"font.family": installed(), "font.size": size}
    style |= {"pdf.fonttype": 42, "text.parse_math": False}
    with warnings.catch_warnings(record=True) as caught, rc_context(style):
        warnings.simplefilter("always")
        figure = Figure(dpi=150)
        yield figure
        save(figure, path)
        if has_missing_glyphs(caught) and add_new_fonts():
            for text in figure.findobj(Text):
                text.set_fontfamily(installed())
            caught.clear()
            save(figure, path)
    if has_missing_glyphs(caught):
        console.print(
            f"some characters in {path} are drawn as boxes, because no installed font has them: "
            "install the Noto fonts"
        )


def has_missing_glyphs(caught: Sequence[warnings.WarningMessage]) -> bool:
    """Whether matplotlib has warned that no font has a character."""
    return any("missing from font" in str(warning.message) for warning in caught)


def installed() -> list[str]:
    """Return the fonts of FONTS that matplotlib has found, in order."""
    known = set(font_manager.get_font_names())
    return [name for name in FONTS if name in known]


def add_new_fonts() -> bool:
    """Register fonts installed after matplotlib cached its font list; return whether any is new."""
    manager, before = font_manager.fontManager, installed()
    known = {entry.fname for entry in manager.ttflist}
    for file in set(font_manager.findSystemFonts()) - known:
        with suppress(OSError, RuntimeError):  # skip unreadable fonts
            manager.addfont(file)
    return installed() != before


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically and without a date, so that equal figures have equal bytes."""
    kind = path.suffix.lower().lstrip(".")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with replacing(path, "wb") as file:
        figure.savefig(file, format=kind, bbox_inches="tight", pad_inches=0.1, metadata=undated)


def word_label(word: str) -> str:
    """Return the label of a word: without invisible characters, and shortened if it is long."""
    shown = visible(word)
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[: LONGEST // 2]}\N{HORIZONTAL ELLIPSIS}{shown[-LONGEST // 2 + 1 :]}"
