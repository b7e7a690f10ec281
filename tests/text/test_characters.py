"""What may be shown of a text as it is, and what is spelled out."""

import pytest

from seq2seq.text.characters import named, printable, visible

HARMLESS = ["\u202f", "\xa0", "\u200c", "\u200d", "\xad", "\ufe0f", "\u2009", "\u3000", "\u200f"]
HARMFUL = [
    *"\0\x07\x1b\x7f\x85\x9b\n\r\t",
    *"\u2028\u2029",
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    *"\ufeff\ufff9\ufffe\ufdd0\ud800",
    "\U000e0041",
]


@pytest.mark.parametrize("character", HARMLESS, ids=ascii)
def test_characters_of_ordinary_spelling_are_shown_as_they_are(character):
    assert printable(f"a{character}b") == f"a{character}b"
    assert "\N{REPLACEMENT CHARACTER}" not in visible(f"a{character}b")


@pytest.mark.parametrize("character", HARMFUL, ids=ascii)
def test_what_a_terminal_or_editor_obeys_is_spelled_out(character):
    shown = printable(f"a{character}b")
    assert character not in shown and shown[0] == "a" and shown[-1] == "b" and "\\" in shown
    assert visible(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("text", ["", " ", "été", "狗", "👩\u200d👧", "\u0645\u06cc\u200c\u062e"])
def test_other_text_is_left_alone(text):
    assert printable(text) == text


def test_a_text_that_shows_nothing_is_spelled_out():
    assert printable("\u200b") == r"\u200b"
    assert printable("\xad\u200c") == r"\xad\u200c"
    assert visible("\xad") == "\N{REPLACEMENT CHARACTER}"


def test_words_are_drawn_without_what_leaves_no_ink():
    assert visible("Donau\xaddampf\u202f!") == "Donaudampf !"
    assert visible("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"


def test_characters_are_named_by_number_and_name():
    assert named("…") == "… (U+2026 HORIZONTAL ELLIPSIS)"
    assert named("\u200c") == "U+200C ZERO WIDTH NON-JOINER"
