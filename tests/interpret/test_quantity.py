"""Lexeme, form and contrast of target words: exact values, and what is refused."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from untrained_runs import make_run

from seq2seq.alignment.method_names import PartName
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret import methods
from seq2seq.interpret.alignment import explain_pairs
from seq2seq.interpret.methods import base
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.occlusion import Variant, log_probabilities
from seq2seq.interpret.methods.quantity import Quantity
from seq2seq.interpret.methods.sites import Site, counted
from seq2seq.interpret.methods.word_forms import part_sites, site_of
from seq2seq.settings.config_files import model_names
from seq2seq.text.forms import Forms
from seq2seq.translation.translator import Translator

PAIRS = [
    ("a man rides", "ein Mann reitet"),
    ("two dogs", "zwei Hunde laufen."),
    ("cat", "die Katze"),
]
FORMS = Forms(
    [
        ["ein", "eine", "einer", "einen"],
        ["Mann", "Männer", "Mannes"],
        ["Hund", "Hunde", "Hunden"],
        ["der", "die", "das", "den"],
        ["Katze", "Katzen"],
        ["reiten", "reitet", "ritt"],
    ]
)
AUTOREGRESSIVE = [name for name in model_names() if name != "encoder_only"]
BY_GRADIENT = ("gradient", "smoothgrad", "integrated_gradients")


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    """Run folders by model, each made once, with a table of forms."""
    made = {}

    def get(name: str) -> Translator:
        if name not in made:
            made[name] = Translator(make_run(tmp_path_factory.mktemp(name), name), device="cpu")
            made[name].forms = FORMS
        return made[name]

    return get


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    for name, key in (("SmoothGrad", "copies"), ("IntegratedGradients", "steps")):
        monkeypatch.setattr(methods, name, partial(getattr(methods, name), **{key: 2}))


def ids_of(translator: Translator, pair: tuple[str, str]) -> tuple[list[int], list[int]]:
    tokenizers = translator.tokenizers
    return tokenizers.source.encode([pair[0]])[0], tokenizers.target.encode([pair[1]])[0]


def word_log_p(translator: Translator, source: list[int], before: list[int], word) -> float:
    """The log-probability of the pieces of a word, by a forced pass of its own."""
    (found,) = log_probabilities(translator, [Variant((source, [*before, *word]), [])])
    return float(found[len(before) : len(before) + len(word)].sum())


def mass(translator: Translator, source: list[int], before: list[int], words, chosen) -> float:
    """The probability of the chosen words, summed one by one.

    A word is what its pieces begin with, without the longer words among all words.
    """
    p = [math.exp(word_log_p(translator, source, before, word)) for word in words]

    def parent(i: int) -> int | None:
        shorter = [j for j in range(len(words)) if words[i][: len(words[j])] == words[j] and i != j]
        return max(shorter, key=lambda j: len(words[j]), default=None)

    return sum(p[i] - sum(p[j] for j in range(len(words)) if parent(j) == i) for i in chosen)


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
@pytest.mark.parametrize("pair", PAIRS[:2])
def test_the_parts_are_those_of_the_probabilities_of_all_forms(translators, name, pair):
    translator = translators(name)
    source, target = ids_of(translator, pair)
    tokenizer = translator.tokenizers.target
    values: dict[str, torch.Tensor] = {}
    which: PartName
    for which in ("lexeme", "form"):
        sites = part_sites(tokenizer, pair[1], target, FORMS, which)
        quantity = Quantity.of_sites(
            [target], [sites], translator.model.special.eos, elsewhere=which == "lexeme"
        )
        (values[which],) = log_probabilities(translator, [Variant((source, target), [])], quantity)
    assert sites
    (plain,) = log_probabilities(translator, [Variant((source, target), [])])
    inside = set()
    for site in sites:
        before = target[: site.start]
        places = slice(site.start, site.stop)
        inside |= set(range(site.start, site.stop))
        everything = range(len(site.words))
        whole = math.log(mass(translator, source, before, site.words, [0]))
        lexeme = math.log(mass(translator, source, before, site.words, everything))
        assert float(values["lexeme"][places].sum()) == pytest.approx(lexeme, abs=1e-3)
        assert float(values["form"][places].sum()) == pytest.approx(whole - lexeme, abs=1e-3)
    for place in set(range(len(plain))) - inside:
        assert values["lexeme"][place] == pytest.approx(float(plain[place]), abs=1e-5)
        assert values["form"][place] == 0


@pytest.mark.parametrize("name", ["rnn", "transformer", "word_for_word"])
def test_a_word_that_begins_another_one_is_counted_once(translators, name):
    """As of mort, mort s, mort es and mor te: the target may go on with the longer word or not."""
    translator = translators(name)
    source, target = ids_of(translator, PAIRS[0])
    a, b, c, d = target[1], target[2], target[0], target[3]
    words = [(a,), (a, b), (a, b, d), (c, d), (a, c)]
    eos = translator.model.special.eos
    for of, against in [
        ((0,), ()),
        ((0,), (1, 2, 3, 4)),
        ((0, 2), (1,)),
        (range(5), ()),
        ((1,), (0,)),
    ]:
        site = Site(1, 2, words, of, against)
        quantity = Quantity.of_sites([target], [[site]], eos, elsewhere=False)
        (found,) = log_probabilities(translator, [Variant((source, target), [])], quantity)
        masses = [mass(translator, source, target[:1], words, one) for one in (of, against) if one]
        expected = math.log(masses[0]) - sum(map(math.log, masses[1:]))
        assert float(found[1]) == pytest.approx(expected, abs=2e-3)
    assert counted([(1,), (1, 2), (1, 2, 3), (4,)], [0, 1, 2, 3]) == [1, 0, 0, 1]
    assert counted([(1,), (1, 2), (1, 2, 3), (4,)], [0]) == [1, -1, 0, 0]
    assert counted([(1,), (1, 2), (1, 2, 3), (4,)], [0, 2]) == [1, -1, 1, 0]


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer", "decoder_only"])
@pytest.mark.parametrize("method", ["occlusion", "gradient", "integrated_gradients"])
def test_lexeme_and_form_sum_to_the_whole(translators, name, method):
    """The whole is the map of the method wherever no form continues the word."""
    translator = translators(name)
    pair = ("two dogs run", "der Mann reitet")
    values = {}
    for part in ("", ":lexeme", ":form"):
        (found,) = explain_pairs(translator, [pair], Rule(method=method + part))
        assert found.map.method == method + part
        values[part] = found.values(Rule(method=method + part))
    _, target = ids_of(translator, pair)
    sites = part_sites(translator.tokenizers.target, pair[1], target, FORMS, "form")
    continued = {s.start for s in sites if -1 in counted(s.words, [0])}
    starts = np.cumsum([0, *(len(words) for words in words_of(translator, pair[1]))])
    rows = [i for i, start in enumerate(starts[:-1]) if start not in continued]
    assert rows
    total = values[":lexeme"] + values[":form"]
    np.testing.assert_allclose(total[rows], values[""][rows], atol=2e-4)


def words_of(translator: Translator, text: str) -> list[list[int]]:
    return translator.tokenizers.target.encode(text.split())


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer", "word_for_word"])
def test_a_word_of_one_form_has_no_form_part(translators, name):
    translator = translators(name)
    (found,) = explain_pairs(
        translator, [("two dogs", "zwei Pferde")], Rule(method="occlusion:form")
    )
    assert not found.map.values.any()
    methods_of = [Rule(method=one) for one in ("occlusion", "occlusion:lexeme")]
    maps = [
        next(iter(explain_pairs(translator, [("two dogs", "zwei Pferde")], rule))).map.values
        for rule in methods_of
    ]
    torch.testing.assert_close(*maps, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", model_names())
def test_every_model_has_the_parts_or_refuses_them(translators, name):
    translator = translators(name)
    before = {key: value.clone() for key, value in translator.model.state_dict().items()}
    random = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    for method in ("occlusion", *BY_GRADIENT):
        for part in ("lexeme", "form"):
            rule = Rule(method=f"{method}:{part}")
            if name == "encoder_only" or (name == "word_for_word" and method != "occlusion"):
                with pytest.raises(UnsupportedModelError) as refusal:
                    list(explain_pairs(translator, PAIRS, rule))
                assert "\n" not in str(refusal.value)
                continue
            for found in explain_pairs(translator, PAIRS, rule):
                values = found.map.values
                assert found.map.signed and values.isfinite().all()
                assert (values[..., -1] == 0).all()
    assert not translator.model.training
    for key, value in translator.model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(parameter.grad is None for parameter in translator.model.parameters())
    assert torch.equal(torch.random.get_rng_state(), random[0])
    assert (np.random.get_state()[1] == random[1]).all()


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "luong", "transformer", "decoder_only"])
def test_a_batch_has_the_parts_of_its_sentences_alone(translators, name, monkeypatch):
    translator = translators(name)
    for method in ("occlusion:lexeme", "occlusion:form", "gradient:form"):
        rule = Rule(method=method)
        together = list(explain_pairs(translator, [*PAIRS, ("", ""), ("a man", "")], rule))
        with monkeypatch.context() as patch:
            patch.setattr(base, "BATCH_TOKENS", 40)
            for pair, one in zip(PAIRS, together, strict=False):
                (alone,) = explain_pairs(translator, [pair], rule)
                torch.testing.assert_close(
                    one.map.values, alone.map.values, rtol=1e-3, atol=1e-4, msg=method
                )


def test_a_contrast_is_the_difference_of_log_probabilities(translators):
    translator = translators("transformer")
    pair = PAIRS[1]
    source, target = ids_of(translator, pair)
    site = site_of(translator.tokenizers.target, pair[1], target, (0, 4), ("drei", "die"))
    assert site is not None
    quantity = Quantity.of_sites([target], [[site]], translator.model.special.eos, elsewhere=False)
    (found,) = log_probabilities(translator, [Variant((source, target), [])], quantity)
    of = mass(translator, source, [], site.words, [0])
    against = mass(translator, source, [], site.words, range(1, len(site.words)))
    expected = math.log(of) - math.log(against)
    np.testing.assert_allclose(found[: site.stop], expected, atol=1e-3)
    assert not found[site.stop :].any()


def test_negligible_words_are_left_out_without_an_effect(translators, monkeypatch):
    translator = translators("bahdanau")
    rule = Rule(method="occlusion:lexeme")
    (pruned,) = explain_pairs(translator, PAIRS[:1], rule)
    monkeypatch.setattr("seq2seq.interpret.methods.quantity.NEGLIGIBLE", 1e9)
    (complete,) = explain_pairs(translator, PAIRS[:1], rule)
    torch.testing.assert_close(pruned.map.values, complete.map.values, rtol=0, atol=1e-5)


def test_without_a_table_the_parts_are_refused(tmp_path):
    translator = Translator(make_run(tmp_path / "run", "rnn"), device="cpu")
    with pytest.raises(UserError, match="give a table with --forms FILE"):
        list(explain_pairs(translator, PAIRS, Rule(method="occlusion:lexeme")))


def test_a_word_that_shares_a_piece_is_no_site(translators):
    tokenizer = translators("rnn").tokenizers.target
    assert site_of(tokenizer, "ein", tokenizer.encode(["ein"])[0], (0, 3), ("ein",)) is None
    assert site_of(tokenizer, "ein", tokenizer.encode(["ein"])[0], (0, 3), ()) is None
    assert isinstance(
        site_of(tokenizer, "ein", tokenizer.encode(["ein"])[0], (0, 3), ("die",)), Site
    )
