"""Why this word and not that one."""

import pytest
from untrained_runs import make_run

from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.contrast import Instead, contrast
from seq2seq.text.forms import Forms
from seq2seq.translation.translator import Translator

FORMS = Forms([["le", "la", "les", "l'"], ["ein", "eine", "einer"]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("le", Instead("le")),
        (" le ", Instead("le")),
        ("la=le", Instead("le", "la")),
        ("3:le", Instead("le", None, 3)),
        ("3:l'=le", Instead("le", "l'", 3)),
        ("auf dem", Instead("auf dem")),
    ],
)
def test_another_word_is_given_with_what_it_replaces(text, expected):
    assert Instead.parse(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "=", "la=", "=le", "a=b=c"])
def test_another_form_is_refused(text):
    with pytest.raises(UserError, match="give NEW, OLD=NEW or NUMBER:NEW"):
        Instead.parse(text)


TARGET = "La zone et l'ami, la fin."


@pytest.mark.parametrize(
    ("asked", "target", "word"),
    [
        ("le", "La zone, fin.", "La"),
        ("1:le", TARGET, "La"),
        ("4:le", TARGET, "l'"),
        ("l'=le", TARGET, "l'"),
        ("ami=amie", TARGET, "ami"),
        ("fin=mort", TARGET, "fin"),
        ("6:mort", TARGET, "fin"),  # without the full stop
        ("zone=aire", "Zone", "Zone"),  # capitalized
        ("5:la=le", TARGET, "la"),
        ("zone et=aire ou", TARGET, "zone et"),
        ("2:!", "zone . fin", "."),
    ],
)
def test_the_replaced_word_is_found(asked, target, word):
    start, stop = Instead.parse(asked).place(target, FORMS)
    assert target[start:stop] == word


@pytest.mark.parametrize(
    ("asked", "forms", "message"),
    [
        ("le", FORMS, "le can replace La (1) or l' (4) or la (5)"),
        ("le", None, "no word of the target is known as another form"),
        ("mort", FORMS, "no word of the target is known as another form"),
        ("zo=le", FORMS, "there is no word 'zo'"),
        ("a=le", FORMS, "there is no word 'a'"),
        ("2:la=le", FORMS, "there is no word 'la'"),
        ("9:le", FORMS, "the target has no word 9"),
        ("0:le", FORMS, "the target has no word 0"),
        ("4:mort", FORMS, "has several words"),
        ("4:le", None, "has several words"),
    ],
)
def test_an_unclear_word_is_refused(asked, forms, message):
    with pytest.raises(UserError) as refusal:
        Instead.parse(asked).place(TARGET, forms)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_other_word_is_capitalized_at_the_beginning():
    assert Instead("le").written("La zone", 0) == "Le"
    assert Instead("le").written("« La zone", 2) == "Le"
    assert Instead("le").written("et La zone", 3) == "le"
    assert Instead("le").written("la zone", 0) == "le"


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    made = {}

    def get(name: str) -> Translator:
        if name not in made:
            made[name] = Translator(make_run(tmp_path_factory.mktemp(name), name), device="cpu")
            made[name].forms = FORMS
        return made[name]

    return get


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer", "word_for_word"])
def test_a_contrast_is_the_change_of_the_difference(translators, name):
    """By occlusion: the difference minus that without the source word, as if forced alone."""
    translator = translators(name)
    source, target = "a man rides", "ein Mann reitet"
    found = {}
    for text in (source, "man rides", "a rides", "a man"):
        (translation,) = translator.force([(text, target)])
        found[text] = contrast(translator, translation, "Mann=Matte", Rule(method="occlusion"))
    whole = found.pop(source)
    assert (whole.word, whole.instead) == ("Mann", "Matte")
    assert whole.source_words == ["a", "man", "rides", "</s>"]
    expected = [whole.difference - one.difference for one in found.values()]
    assert whole.values[:-1] == pytest.approx(expected, abs=2e-3)
    assert whole.values[-1] == 0
    (translation,) = translator.force([(source, target.replace("Mann", "Matte"))])
    swapped = contrast(translator, translation, "Matte=Mann", Rule(method="occlusion"))
    assert swapped.difference == pytest.approx(-whole.difference, abs=1e-3)
    assert swapped.values == pytest.approx([-value for value in whole.values], abs=1e-3)


def test_the_gradient_explains_a_contrast(translators):
    (translation,) = translators("rnn").force([("a man", "ein Mann")])
    found = contrast(translators("rnn"), translation, "eine", Rule(method="gradient"))
    assert (found.word, found.instead) == ("ein", "eine")
    assert any(found.values)


@pytest.mark.parametrize(
    ("name", "method", "asked", "message"),
    [
        ("transformer", "attention", "eine", "does not explain a probability"),
        ("transformer", "alti", "eine", "does not explain a probability"),
        ("transformer", "occlusion:form", "eine", "use --method occlusion"),
        ("transformer", "occlusion", "ein=ein", "this is the word of the target itself"),
        ("transformer", "occlusion", "ein=日本", "the vocabulary"),
        ("encoder_only", "occlusion", "eine", "from the pieces on both sides"),
        ("word_for_word", "gradient", "eine", "--method"),
    ],
)
def test_what_cannot_be_compared_is_refused(translators, name, method, asked, message):
    (translation,) = translators(name).force([("a man", "ein Mann")])
    with pytest.raises(UserError, match=message) as refusal:
        contrast(translators(name), translation, asked, Rule(method=method))
    assert "\n" not in str(refusal.value)
