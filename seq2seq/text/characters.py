"""Escape characters that are unsafe to display.

Invisible characters are part of the orthography of many languages (the narrow no-break space of
French, the joiners of Persian and Hindi, soft hyphens, variation selectors) and are kept.
Characters that a terminal, an editor or a browser interprets as commands are escaped.
"""

import re
import unicodedata

# Format characters (category Cf) that affect more than the adjacent letters, or are not text.
FORMAT_CONTROLS = re.compile(
    "[\u202a-\u202e\u2066-\u2069]"  # bidirectional embeddings, overrides and isolates
    "|[\u206a-\u206f\ufff9-\ufffb]"  # deprecated format characters, interlinear annotation
    "|\ufeff"  # the byte-order mark
    "|[\U000e0000-\U000e007f]"  # tags, which can carry hidden text
)
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # they change the shapes of letters


def harmful(character: str) -> bool:
    """Whether a character must not be displayed as it is.

    These are control characters, line and paragraph separators, lone surrogates, noncharacters and
    FORMAT_CONTROLS.
    """
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    number = ord(character)
    noncharacter = number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF
    return noncharacter or bool(FORMAT_CONTROLS.match(character))


def invisible(character: str) -> bool:
    """Whether a character is invisible: spaces, format characters, variation selectors."""
    return unicodedata.category(character) in ("Cf", "Zs") or bool(
        re.match("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]", character)
    )


def printable(string: str) -> str:
    r"""Escape every harmful character in a string, as \x1b or \u202e.

    In a string of invisible characters only, every character except plain spaces is escaped.
    """
    if string.isascii() and string.isprintable():
        return string
    empty = all(map(invisible, string)) and not string.isspace()
    return "".join(_escaped(c) if harmful(c) or (empty and c != " ") else c for c in string)


def visible(word: str) -> str:
    r"""Convert a word for drawing with fonts: no invisible characters, U+FFFD for harmful ones.

    Joiners are kept, because they change the shapes of the adjacent letters; every space becomes a
    plain one. A word that would be empty becomes U+FFFD.
    """
    kept = [
        "\N{REPLACEMENT CHARACTER}" if harmful(c) else " " if unicodedata.category(c) == "Zs" else c
        for c in word
        if harmful(c) or c in JOINERS or not invisible(c) or unicodedata.category(c) == "Zs"
    ]
    drawn = "".join(kept)
    return drawn if drawn.strip(JOINERS + " ") or not word else "\N{REPLACEMENT CHARACTER}"


def named(character: str) -> str:
    """Return a character with its code point and name: `… (U+2026 HORIZONTAL ELLIPSIS)`."""
    name = unicodedata.name(character, "no name")
    code = f"U+{ord(character):04X} {name}"
    hidden = harmful(character) or invisible(character) or unicodedata.combining(character)
    return code if hidden else f"{character} ({code})"


def _escaped(character: str) -> str:
    """Return the escape sequence of a character in a Python string."""
    return character.encode("unicode_escape").decode("ascii")
