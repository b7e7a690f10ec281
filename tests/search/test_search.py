"""Searching and drawing: against brute force, against the model itself, then by law."""

import math
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.models.bahdanau import Bahdanau
from seq2seq.models.base import Autoregressive
from seq2seq.models.rnn import RNN
from seq2seq.models.transformer import Transformer
from seq2seq.search.base import Hypothesis, Search
from seq2seq.search.beam import Beam
from seq2seq.search.sample import Sample
from seq2seq.text.batching import collate, pad
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
BOS, EOS, PAD = SPECIAL.bos, SPECIAL.eos, SPECIAL.pad

VOCAB, WORDS = 6, (3, 4, 5)
SOURCES = [[3, 4, 5, 4, 3], [5], [4, 3]]
SRC = pad([[*words, EOS] for words in SOURCES], SPECIAL)
DRAWS = 4000


def tiny(kind: type[Autoregressive], seed: int = 0) -> Autoregressive:
    """A model whose weights are large enough for its choices to be clear."""
    recurrent = {"cell": "gru", "embedding": 8, "layers": 1, "readout": "tanh", "readout_dim": 8}
    layers = {"heads": 2, "encoder_layers": 1, "decoder_layers": 2, "feed_forward": 8}
    own = {
        RNN: {**recurrent, "context": "every_step", "bidirectional": False, "reverse": False},
        Bahdanau: {**recurrent, "align_dim": 8},
        Transformer: {**layers, "norm": "pre", "attention_dropout": 0.0},
    }
    sizes = {"source_vocab": VOCAB, "target_vocab": VOCAB, "shared_vocab": True}
    torch.manual_seed(seed)
    model = kind(**sizes, **own[kind], dim=8, dropout=0.0).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


@pytest.fixture(params=[RNN, Bahdanau, Transformer], scope="module")
def model(request) -> Autoregressive:
    return tiny(request.param)


def leaning(word: int, weight: float) -> Transformer:
    """A model that finds one word much likelier, or much less likely, than all others."""
    model = tiny(Transformer)
    with torch.no_grad():
        model.bias[word] += weight
    return model


CAPS = {"max_length": 3, "length_ratio": 2.0, "length_extra": 2}


def beam(size: int = 3, **changes) -> Beam:
    return Beam(**{"beam": size, "length_penalty": 1.0, **CAPS, **changes})


def sample(**changes) -> Sample:
    return Sample(**{"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 1, **CAPS, **changes})


def search_all(search: Search, model: Autoregressive, **asked) -> list[list[Hypothesis]]:
    return search(model, SRC, SRC != PAD, **asked)


def tokens(found: list[list[Hypothesis]]) -> list[list[list[int]]]:
    return [[hypothesis.tokens for hypothesis in group] for group in found]


def log_probability(model: Autoregressive, source: list[int], target: list[int]) -> float:
    with torch.inference_mode():
        return -model.loss(collate([(source, target)], SPECIAL)).item()


def first_word(model: Autoregressive, temperature: float) -> dict[int, float]:
    """The model's own probabilities of the first word of the first sentence."""
    src = SRC[:1]
    with torch.inference_mode():
        logits = model.decode(torch.tensor([[BOS]]), model.encode(src, src != PAD)).logits[0, 0]
        logits[[PAD, BOS]] = float("-inf")
    return dict(enumerate((logits / temperature).softmax(-1).tolist()))


def drawn_first(search: Sample, model: Autoregressive) -> Counter[int]:
    found = search(model, SRC[:1], SRC[:1] != PAD, n_best=DRAWS)[0]
    return Counter(hypothesis.tokens[0] if hypothesis.tokens else EOS for hypothesis in found)


SEARCHES = pytest.mark.parametrize(
    "search", [beam(1), beam(4), sample()], ids=["greedy", "beam", "sample"]
)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_beam_of_all_translations_ranks_them_as_brute_force_does(model, penalty):
    # A pool of 1 + 3 + 9 + 27 is not full, and so stops nothing, before all of them are in it.
    possible = [list(words) for n in range(4) for words in product(WORDS, repeat=n)]
    found = search_all(beam(len(possible), length_penalty=penalty), model, n_best=len(possible))
    for source, group in zip(SOURCES, found, strict=True):
        scores = {
            tuple(words): log_probability(model, source, words) / (len(words) + 1) ** penalty
            for words in possible
        }
        assert {tuple(h.tokens): h.score for h in group} == pytest.approx(scores, abs=1e-4)
        assert tuple(group[0].tokens) == max(scores, key=scores.get)
        assert [h.score for h in group] == sorted((h.score for h in group), reverse=True)


def plain_beam(model: Autoregressive, source: list[int], search: Beam) -> dict[tuple, float]:
    """The docstring of `Beam` for one sentence, hypothesis by hypothesis."""
    src = torch.tensor([[*source, EOS]])
    memory, pool, going = model.encode(src, src != PAD), {}, {(): 0.0}
    for length in range(1, search.max_length + 2):
        paths = {}
        for words, total in going.items():
            logits = model.decode(torch.tensor([[BOS, *words]]), memory).logits[0, -1]
            for word in (EOS, *WORDS) if length <= search.max_length else (EOS,):
                paths[*words, word] = total + logits.log_softmax(-1)[word].item()
        ranked = sorted(paths, key=paths.get, reverse=True)
        for words in ranked[: search.beam]:
            if words[-1] == EOS:
                pool[words[:-1]] = paths[words] / length**search.length_penalty
        best = sorted(pool, key=pool.get, reverse=True)[: search.beam]
        pool = {words: pool[words] for words in best}
        unfinished = [words for words in ranked if words[-1] != EOS][: search.beam]
        going = {words: paths[words] for words in unfinished}
        hopes = [paths[words] / length**search.length_penalty for words in unfinished]
        if len(pool) == search.beam and max(hopes, default=-math.inf) <= min(pool.values()):
            break
    return pool


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_beam_search_is_its_description(model, size, penalty):
    search = beam(size, length_penalty=penalty, max_length=7, length_extra=7)
    found = search_all(search, model, n_best=size)
    for source, group in zip(SOURCES, found, strict=True):
        with torch.inference_mode():
            expected = plain_beam(model, source, search)
        assert {tuple(h.tokens): h.score for h in group} == pytest.approx(expected, abs=1e-4)


def test_greedy_takes_the_likeliest_word_at_each_step(model):
    for source, (found,) in zip(SOURCES, search_all(beam(1, max_length=6), model), strict=True):
        src, words = torch.tensor([[*source, EOS]]), []
        memory = model.encode(src, src != PAD)
        while len(words) < 6:
            logits = model.decode(torch.tensor([[BOS, *words]]), memory).logits[0, -1]
            word = max((EOS, *WORDS), key=lambda word: logits[word].item())
            if word == EOS:
                break
            words.append(word)
        assert found.tokens == words[: 2 * len(source) + 2]


@SEARCHES
def test_the_log_probability_is_the_models_own(model, search):
    for source, group in zip(SOURCES, search_all(search, model), strict=True):
        for found in group:
            own = log_probability(model, source, found.tokens)
            assert found.log_probability == pytest.approx(own, abs=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
def test_the_score_is_log_probability_over_length_to_the_penalty(model, penalty):
    for group in search_all(beam(4, length_penalty=penalty), model, n_best=4):
        for found in group:
            length = len(found.tokens) + 1  # the EOS is a piece
            assert found.score == pytest.approx(found.log_probability / length**penalty)


def test_hypotheses_are_sorted_and_distinct(model):
    for group in search_all(beam(5, max_length=8), model, n_best=5):
        scores, texts = [h.score for h in group], {tuple(h.tokens) for h in group}
        assert scores == sorted(scores, reverse=True)
        assert len(texts) == len(group) == 5


def test_n_best_is_the_head_of_the_beam(model):
    whole = tokens(search_all(beam(4), model, n_best=4))
    assert tokens(search_all(beam(4), model, n_best=2)) == [group[:2] for group in whole]


@SEARCHES
def test_a_sentence_is_translated_alike_in_any_company(model, search):
    search = replace(search, max_length=12)
    n_best = getattr(search, "beam", 4)
    together = search_all(search, model, n_best=n_best, attention=True)
    for words, group in zip(SOURCES, together, strict=True):
        src = torch.tensor([[*words, EOS]])
        alone = search(model, src, src != PAD, n_best=n_best, attention=True)[0]
        assert [h.tokens for h in alone] == [h.tokens for h in group]
        for one, other in zip(alone, group, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)
            torch.testing.assert_close(one.attention, other.attention)


@SEARCHES
def test_attention_follows_the_words_to_their_end(model, search):
    n_best = getattr(search, "beam", 4)
    found = search_all(search, model, n_best=n_best, attention=True)
    for source, group in zip(SOURCES, found, strict=True):
        for hypothesis in group:
            with torch.inference_mode():
                expected = model(collate([(source, hypothesis.tokens)], SPECIAL)).attention
            if expected is None:
                assert hypothesis.attention is None
                continue
            assert hypothesis.attention.shape[2:] == (len(hypothesis.tokens) + 1, len(source) + 1)
            torch.testing.assert_close(hypothesis.attention, expected[0])


@SEARCHES
def test_attention_is_kept_only_where_it_is_asked_for(model, search):
    assert all(h.attention is None for group in search_all(search, model) for h in group)


def test_a_cap_that_is_a_whole_number_is_not_rounded_down():
    """0.42 * 150 is 63, and less in single precision."""
    search = beam(1, max_length=256, length_ratio=0.42, length_extra=0)
    assert search.caps(torch.ones(1, 151, dtype=torch.bool)).tolist() == [63]


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.5, 1.0, 1.5]),
    st.integers(0, 3),
    st.booleans(),
)
def test_a_translation_without_end_is_ended_at_its_own_sentences_cap(
    lengths, max_length, length_ratio, length_extra, greedy
):
    caps = {"max_length": max_length, "length_ratio": length_ratio, "length_extra": length_extra}
    search = beam(1, **caps) if greedy else sample(**caps)
    src = pad([[3] * length + [EOS] for length in lengths], SPECIAL)
    found = search(leaning(EOS, -50.0), src, src != PAD)
    expected = [
        max(1, min(max_length, math.floor(n * length_ratio + length_extra))) for n in lengths
    ]
    assert [len(group[0].tokens) for group in found] == expected
    assert search.caps(src != PAD).tolist() == expected


@SEARCHES
def test_a_translation_may_be_empty(search):
    for (found,) in search_all(search, leaning(EOS, 50.0), attention=True):
        assert found.tokens == []
        assert found.attention.size(2) == 1


@SEARCHES
@pytest.mark.parametrize("word", [PAD, BOS])
def test_padding_and_begin_are_never_part_of_a_translation(search, word):
    for (found,) in search_all(search, leaning(word, 50.0)):
        assert not {PAD, BOS, EOS} & set(found.tokens)
        assert math.isfinite(found.score)


def test_a_beam_wider_than_the_choice_finds_what_there_is():
    found = search_all(beam(9, max_length=1), tiny(Transformer), n_best=9)
    assert [len(group) for group in found] == [4, 4, 4]


def test_more_hypotheses_than_the_beam_holds_are_refused(model):
    with pytest.raises(UserError, match="n-best 4 needs a beam size of at least 4, but it is 3"):
        search_all(beam(3), model, n_best=4)


def test_the_seed_decides_the_draws(model):
    draws = [tokens(search_all(sample(seed=seed), model, n_best=20)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_more_draws_keep_those_that_were_there(model):
    few, many = (search_all(sample(), model, n_best=n) for n in (5, 10))
    for some, whole in zip(tokens(few), tokens(many), strict=True):
        assert Counter(map(tuple, some)) <= Counter(map(tuple, whole))


def test_draws_come_likeliest_first_and_are_scored_by_the_model(model):
    found = search_all(sample(temperature=0.5), model, n_best=10)
    for source, group in zip(SOURCES, found, strict=True):
        scores = [hypothesis.score for hypothesis in group]
        assert len(scores) == 10 and scores == sorted(scores, reverse=True)
        expected = [log_probability(model, source, hypothesis.tokens) for hypothesis in group]
        assert scores == pytest.approx(expected, abs=1e-4)
        assert scores == [hypothesis.log_probability for hypothesis in group]


@pytest.mark.parametrize("limit", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}])
def test_drawing_from_the_likeliest_word_alone_is_greedy(model, limit):
    greedy = tokens(search_all(beam(1, max_length=8), model))
    assert tokens(search_all(sample(max_length=8, **limit), model)) == greedy


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_words_are_drawn_as_often_as_the_model_says(temperature):
    model = tiny(Bahdanau)
    counts = drawn_first(sample(temperature=temperature, max_length=1), model)
    for word, p in first_word(model, temperature).items():
        error = math.sqrt(p * (1 - p) / DRAWS)
        assert counts[word] / DRAWS == pytest.approx(p, abs=4 * error)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_top_k_draws_from_the_likeliest_k_words(top_k):
    model = tiny(Bahdanau)
    p = first_word(model, 1.0)
    likeliest = sorted(p, key=p.get, reverse=True)[:top_k]
    assert set(drawn_first(sample(top_k=top_k, max_length=1), model)) == set(likeliest)


@pytest.mark.parametrize("top_p", [0.2, 0.5, 0.8, 0.99])
def test_top_p_draws_from_the_fewest_words_that_make_up_p(top_p):
    model, nucleus, mass = tiny(Bahdanau), set(), 0.0
    for word, p in sorted(first_word(model, 1.0).items(), key=lambda item: -item[1]):
        if mass < top_p:
            nucleus.add(word)
        mass += p
    assert set(drawn_first(sample(top_p=top_p, max_length=1), model)) == nucleus


@pytest.mark.parametrize(
    ("make", "key", "value"),
    [
        (beam, "beam", 0),
        (beam, "max_length", 0),
        (beam, "length_ratio", -0.5),
        (beam, "length_extra", -1),
        (sample, "max_length", 0),
        (sample, "temperature", 0.0),
        (sample, "top_k", -1),
        (sample, "top_p", 0.0),
        (sample, "top_p", 1.5),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(make, key, value):
    with pytest.raises(UserError, match=rf"search\.{key}={value} must be "):
        make(**{key: value})


# --- given first tokens ---------------------------------------------------------------------------

BEAM = Beam(beam=3, length_penalty=1.0, max_length=8, length_ratio=2.0, length_extra=2)
DRAWN = Sample(
    temperature=1.0, top_k=0, top_p=1.0, seed=1, max_length=8, length_ratio=2.0, length_extra=2
)
GIVEN = [[5, 3], [4], []]


def log_p_of(model: Autoregressive, source: list[int], tokens: list[int]) -> float:
    """The log-probability of a target and its end."""
    batch = collate([(source, tokens)], SPECIAL)
    with torch.inference_mode():
        memory = model.encode(batch.src, batch.src_mask)
        states = model.hidden(batch.tgt_in, memory).states
        return float(model.log_probability(states, batch, memory)[0])


@pytest.mark.parametrize("search", [BEAM, BEAM.with_beam(1), DRAWN])
def test_a_search_continues_given_tokens(model, search):
    groups = search(model, SRC, SRC != PAD, attention=True, prefix=pad(GIVEN, SPECIAL))
    free = search(model, SRC, SRC != PAD, attention=True)
    for source, first, (best, *_), (other, *_) in zip(SOURCES, GIVEN, groups, free, strict=True):
        assert best.tokens[: len(first)] == first
        expected = log_p_of(model, source, best.tokens)
        assert best.log_probability == pytest.approx(expected, abs=1e-4)
        if not first:
            assert best.tokens == other.tokens
        if best.attention is not None:
            assert best.attention.size(2) == len(best.tokens) + 1


@pytest.mark.parametrize("search", [BEAM, DRAWN])
def test_its_own_beginning_changes_no_translation(model, search):
    for row, source in enumerate(SOURCES):
        src = SRC[row : row + 1, : len(source) + 1]
        (free,) = search(model, src, src != PAD)
        for length in range(1, len(free[0].tokens) + 1):
            prefix = torch.tensor([free[0].tokens[:length]])
            (forced,) = search(model, src, src != PAD, prefix=prefix)
            assert forced[0].tokens[:length] == free[0].tokens[:length]
            if search is DRAWN:  # with the random numbers of the same positions
                assert forced[0].tokens == free[0].tokens
            else:
                assert forced[0].log_probability >= free[0].log_probability - 1e-4


@pytest.mark.parametrize("search", [BEAM, DRAWN])
@pytest.mark.parametrize("given", [[EOS], [3, EOS], [5] * 11, [5] * 11 + [EOS]])
def test_an_end_and_a_length_beyond_the_limit_can_be_given(model, search, given):
    src = SRC[1:2, :2]  # at most 4 tokens
    (found,) = search(model, src, src != PAD, prefix=torch.tensor([given]))
    assert found[0].tokens == [token for token in given if token != EOS]


def test_the_n_best_of_a_prefix_are_those_of_brute_force(model):
    source, given = SOURCES[1], [4]
    src = SRC[1:2, :2]
    wide = Beam(beam=200, length_penalty=0.0, max_length=3, length_ratio=0.0, length_extra=3)
    (found,) = wide(model, src, src != PAD, n_best=5, prefix=torch.tensor([given]))
    every = {
        (*given, *tail): log_p_of(model, source, [*given, *tail])
        for size in range(3)
        for tail in product(WORDS, repeat=size)
    }
    best = sorted(every, key=every.get, reverse=True)[:5]
    assert [tuple(hypothesis.tokens) for hypothesis in found] == best
    expected = [every[tokens] for tokens in best]
    assert [one.log_probability for one in found] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("search", [beam(1), beam(3), sample()], ids=["greedy", "beam", "sample"])
def test_scores_that_are_no_numbers_have_no_hypothesis(search):
    model = leaning(WORDS[0], math.nan)
    assert search_all(search, model) == [[], [], []]
