"""The table of inflected forms, and where its words occur in a text."""

from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.text.forms import Forms, read_forms

FRENCH = Forms(
    [
        ["le", "la", "les", "l'"],
        ["porte", "portes"],
        ["porter", "porte", "portent"],
        ["aujourd'hui", "Aujourd'hui-même"],
        ["d'", "de"],
    ]
)


def found(text: str, forms: Forms = FRENCH) -> list[str]:
    return [text[one.start : one.stop] for one in forms.occurrences(text)]


def test_other_forms_are_written_like_the_word():
    assert FRENCH.others("la") == ("le", "les", "l'")
    assert FRENCH.others("La") == ("Le", "Les", "L'")
    assert FRENCH.others("LA") == ("LE", "LES", "L'")
    assert FRENCH.others("chat") == FRENCH.others("") == ()


def test_a_form_of_two_lexemes_has_the_forms_of_both():
    assert FRENCH.others("porte") == ("portes", "porter", "portent")
    assert FRENCH.others("portes") == ("porte",)  # the lexemes are not merged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("La porte.", ["La", "porte"]),
        ("l'ami l' ami", ["l'", "l'"]),
        ("il l'a, le", ["l'", "le"]),
        ("aujourd'hui d'ami", ["aujourd'hui", "d'"]),  # not d' in aujourd'hui
        ("portera apporte porte2 porte_", []),
        ("les\u0301 les", ["les"]),  # a letter with a combining mark is another letter
        ("", []),
        ("  ...  ", []),
        ("(porte)-porte", ["porte", "porte"]),
    ],
)
def test_whole_words_are_found_in_a_text(text, expected):
    assert found(text) == expected


def test_a_genitive_is_a_word_of_its_own():
    english = Forms([["'s", "'"], ["girl", "girls"]])
    assert found("the girl's cats, the girls' cats", english) == ["girl", "'s", "girls", "'"]


def test_a_table_has_a_lexeme_a_line(tmp_path):
    file = tmp_path / "forms"
    file.write_text("# articles\nle la\tles\n\nchat\n", encoding="utf-8")
    forms = read_forms(file)
    assert forms.others("la") == ("le", "les")
    assert forms.others("chat") == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("le la\nun une un\n", "line 2: the form 'un' is given twice"),
        ("", "has no lexeme of several forms"),
        ("le\nla\n", "has no lexeme of several forms"),
        ("# le la\n", "has no lexeme of several forms"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, content, message):
    file = tmp_path / "forms"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as refusal:
        read_forms(file)
    assert str(file) in str(refusal.value)


def test_a_table_that_cannot_be_read_is_refused(tmp_path):
    for bad in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError):
            read_forms(Path(bad))
