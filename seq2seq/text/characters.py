"""Which characters of a text may be shown as they are, and how the others are written.

Invisible characters belong to the spelling of many languages: the narrow no-break space of French,
the joiners of Persian and Hindi, soft hyphens, variation selectors. They are text. What a terminal,
an editor or a browser obeys instead of showing it is not.
"""

import re
import unicodedata

# Format characters (category Cf) that change more than the letters beside them, or mark no text.
OBEYED = re.compile(
    "[\u202a-\u202e\u2066-\u2069]"  # bidirectional embeddings, overrides and isolates
    "|[\u206a-\u206f\ufff9-\ufffb]"  # deprecated format characters, interlinear annotation
    "|\ufeff"  # the byte-order mark
    "|[\U000e0000-\U000e007f]"  # tags, which can carry hidden text
)
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # they decide how letters are drawn


def harmful(character: str) -> bool:
    """Whether a character must not be shown as it is.

    Control characters, line and paragraph separators, lone surrogates, noncharacters and OBEYED.
    """
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    number = ord(character)
    nothing = number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF
    return nothing or bool(OBEYED.match(character))


def invisible(character: str) -> bool:
    """Whether a character leaves no ink: spaces, format characters, variation selectors."""
    return unicodedata.category(character) in ("Cf", "Zs") or bool(
        re.match("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]", character)
    )


def printable(string: str) -> str:
    r"""The string with every harmful character spelled out, as \x1b or \u202e.

    Of a string that shows nothing at all (but for plain spaces), every character is spelled out.
    """
    if string.isascii() and string.isprintable():
        return string
    empty = all(map(invisible, string)) and not string.isspace()
    return "".join(_spelled(c) if harmful(c) or (empty and c != " ") else c for c in string)


def visible(word: str) -> str:
    r"""A word as fonts can draw it: U+FFFD for harmful characters, and nothing that leaves no ink.

    Joiners stay, because they decide the shapes of the letters beside them; spaces are plain ones.
    A word that would be empty is U+FFFD.
    """
    kept = [
        "\N{REPLACEMENT CHARACTER}" if harmful(c) else " " if unicodedata.category(c) == "Zs" else c
        for c in word
        if harmful(c) or c in JOINERS or not invisible(c) or unicodedata.category(c) == "Zs"
    ]
    drawn = "".join(kept)
    return drawn if drawn.strip(JOINERS + " ") or not word else "\N{REPLACEMENT CHARACTER}"


def named(character: str) -> str:
    """A character with its number and name: `… (U+2026 HORIZONTAL ELLIPSIS)`."""
    name = unicodedata.name(character, "no name")
    code = f"U+{ord(character):04X} {name}"
    alone = harmful(character) or invisible(character) or unicodedata.combining(character)
    return code if alone else f"{character} ({code})"


def _spelled(character: str) -> str:
    """The character's number, as a Python string writes it."""
    return character.encode("unicode_escape").decode("ascii")
