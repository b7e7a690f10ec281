"""Mask-predict: against a loop over one sentence at a time, and what each round masks."""

from itertools import pairwise
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.models.encoder_only import EncoderOnly
from seq2seq.models.rnn import RNN
from seq2seq.search.base import Search
from seq2seq.search.beam import Beam
from seq2seq.search.mask_predict import MaskPredict, lowest
from seq2seq.search.sample import Sample
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.text.batching import pad
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
BOS, EOS, PAD = SPECIAL.bos, SPECIAL.eos, SPECIAL.pad

VOCAB = 11
SOURCES = [[3, 4, 5, 4, 3, 9], [5], [4, 3, 7]]
SRC = pad([[*words, EOS] for words in SOURCES], SPECIAL)
LIMITS = {"max_length": 9, "length_ratio": 2.0, "length_extra": 2}
SMALL = {"dim": 16, "heads": 2, "layers": 2, "feed_forward": 24, "dropout": 0.0}
SMALL |= {"attention_dropout": 0.0, "largest_offset": 3}


def make(**changes: Any) -> EncoderOnly:
    """A model whose weights are large enough for its choices to be clear."""
    torch.manual_seed(3)
    section = model_settings("encoder_only") | SMALL | changes
    model = build("model", section, source_vocab=VOCAB, target_vocab=VOCAB, shared_vocab=True)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model.eval()


class Watched(EncoderOnly):
    """A model that records the target of every pass."""

    seen: list[torch.Tensor]

    def fill(self, tgt, memory, *, weights=True):
        self.seen.append(tgt.clone())
        return super().fill(tgt, memory, weights=weights)


def watched() -> Watched:
    model = make()
    model.__class__ = Watched
    model.seen = []
    return model


def search(rounds: int, lengths: int, **limits: Any) -> MaskPredict:
    return MaskPredict(rounds=rounds, lengths=lengths, **LIMITS | limits)


def by_hand(model: EncoderOnly, source: list[int], length: int, rounds: int) -> tuple[Any, ...]:
    """Mask-predict of one sentence and length, as the paper describes it (section 3).

    Returns the tokens, the sum of their log-probabilities, and the attention of each position in
    the last pass that predicted its token; that of the end is from the last pass of all.
    """
    src = torch.tensor([[*source, EOS]])
    memory, attention = model.encode(src, src > 0), None
    tokens, log_p = [model.special.mask] * length, [0.0] * length
    for number in range(rounds):
        count = length * (rounds - number) // rounds
        masked = sorted(range(length), key=lambda place: log_p[place])[:count]
        if number == 0:
            masked = list(range(length))
        if not masked:
            break
        for place in masked:
            tokens[place] = model.special.mask
        hidden = model.fill(torch.tensor([[*tokens, EOS]]), memory)
        scores = model.project(hidden.states)[0].log_softmax(-1)
        scores[:, [PAD, BOS, EOS]] = -torch.inf
        for place in masked:
            log_p[place], tokens[place] = (one.item() for one in scores[place].max(-1))
        attention = hidden.attention[0].clone() if attention is None else attention
        for place in [*masked, length]:
            attention[:, :, place] = hidden.attention[0, :, :, place]
    return tokens, sum(log_p), attention


@pytest.mark.parametrize("rounds", [1, 3, 4, 20])
@torch.no_grad()
def test_it_is_the_algorithm_of_the_paper(rounds):
    model = make()
    found = search(rounds, 4)(model, SRC, SRC != PAD, n_best=4, attention=True)
    for source, hypotheses in zip(SOURCES, found, strict=True):
        assert len({len(one.tokens) for one in hypotheses}) == len(hypotheses) > 1
        means = [by_hand(model, source, len(one.tokens), rounds) for one in hypotheses]
        for one, (tokens, total, attention) in zip(hypotheses, means, strict=True):
            assert one.tokens == tokens
            assert one.score == pytest.approx(total / len(tokens), abs=1e-4)
            torch.testing.assert_close(one.attention, attention, atol=1e-5, rtol=1e-4)
        scores = [one.score for one in hypotheses]
        assert scores == sorted(scores, reverse=True)


@torch.no_grad()
def test_the_lengths_are_the_most_probable_ones():
    model, caps = make(), search(1, 1).caps(SRC != PAD)
    log_p = model.length_log_p(model.encode(SRC, SRC != PAD), caps)
    found = search(2, 3)(model, SRC, SRC != PAD, n_best=3)
    for row, hypotheses in zip(log_p, found, strict=True):
        assert {len(one.tokens) for one in hypotheses} == set(row.topk(3).indices.tolist())
        for one in hypotheses:
            tokens = one.score * len(one.tokens)
            expected = tokens + row[len(one.tokens)].item()
            assert one.log_probability == pytest.approx(expected, abs=1e-4)


def test_one_token_a_round_leaves_one_more_token_each_round():
    model = watched()
    [[best]] = search(1, 1)(model, SRC[:1], SRC[:1] != PAD)
    length, model.seen = len(best.tokens), []
    search(length, 1)(model, SRC[:1], SRC[:1] != PAD)
    masked = [int((one == model.special.mask).sum()) for one in model.seen]
    assert masked == list(range(length, 0, -1))
    assert length > 2


def test_one_token_a_round_visits_each_position_once():
    """If the log-probabilities of the places never change order, no place is masked again."""
    certainty, real = torch.tensor([[-3.0, -1.0, -2.0, -5.0]]), torch.ones(1, 4, dtype=torch.bool)
    left = [lowest(certainty, real, torch.tensor([count]))[0] for count in (4, 3, 2, 1, 0)]
    visited = [(a & ~b).nonzero().flatten().tolist() for a, b in pairwise(left)]
    assert visited == [[1], [2], [0], [3]]


def test_of_equal_certainties_the_first_is_masked_and_padding_never():
    equal = torch.zeros(2, 4)
    real = torch.tensor([[True, True, True, True], [True, True, False, False]])
    masked = lowest(equal, real, torch.tensor([2, 2]))
    assert masked.tolist() == [[True, True, False, False]] * 2


def test_tokens_that_are_not_masked_are_copied():
    model = watched()
    search(5, 1)(model, SRC[:1], SRC[:1] != PAD)
    copied = 0
    for before, after in pairwise(model.seen):
        kept = (before != model.special.mask) & (after != model.special.mask)
        assert torch.equal(before[kept], after[kept])
        copied += int(kept.sum())
    assert copied > 4  # more than EOS


@pytest.mark.parametrize("rounds", [1, 5])
def test_padding_company_and_other_lengths_change_nothing(rounds):
    model = make()
    together = search(rounds, 4)(model, SRC, SRC != PAD, n_best=4, attention=True)
    wider = torch.nn.functional.pad(SRC, (0, 3), value=PAD)
    padded = search(rounds, 4)(model, wider, wider != PAD, n_best=4, attention=True)
    for i, source in enumerate(SOURCES):
        src = torch.tensor([[*source, EOS]])
        [alone] = search(rounds, 4)(model, src, src != PAD, n_best=4, attention=True)
        [single] = search(rounds, 1)(model, src, src != PAD)
        assert single[0].tokens in [one.tokens for one in alone]
        for others in (together[i], padded[i]):
            for one, other in zip(alone, others, strict=True):
                assert one.tokens == other.tokens
                assert one.score == pytest.approx(other.score, abs=1e-5)
                torch.testing.assert_close(one.attention, other.attention)


def test_attention_is_that_of_the_last_prediction():
    model = make()
    found = search(1, 2)(model, SRC, SRC != PAD, attention=True)
    for source, [best] in zip(SOURCES, found, strict=True):
        src = torch.tensor([[*source, EOS]])
        tgt = torch.tensor([[*[model.special.mask] * len(best.tokens), EOS]])
        expected = model.fill(tgt, model.encode(src, src != PAD)).attention
        assert expected is not None
        torch.testing.assert_close(best.attention, expected[0].detach())
        assert best.attention.shape[2:] == (len(best.tokens) + 1, len(source) + 1)
    [[unasked], *_] = search(1, 2)(model, SRC, SRC != PAD)
    assert unasked.attention is None


def test_neither_special_tokens_nor_the_mask_are_predicted():
    model = make()
    with torch.no_grad():
        model.bias[[PAD, BOS, EOS]] += 100
    for [best] in search(3, 2)(model, SRC, SRC != PAD):
        assert not {PAD, BOS, EOS, model.special.mask} & set(best.tokens)


@pytest.mark.parametrize("cap", [1, 2])
def test_a_cap_is_kept_and_leaves_fewer_lengths(cap):
    found = search(3, 5, max_length=cap)(make(), SRC, SRC != PAD, n_best=5)
    for hypotheses in found:
        assert [len(one.tokens) for one in hypotheses] != []
        assert {len(one.tokens) for one in hypotheses} <= set(range(1, cap + 1))


def test_scores_that_are_no_numbers_have_no_hypothesis():
    for broken in ("bias", "offset.bias"):
        model = make()
        with torch.no_grad():
            model.get_parameter(broken).fill_(float("nan"))
        assert search(3, 2)(model, SRC, SRC != PAD) == [[], [], []]


def test_greedy_has_one_length_and_n_best_as_many_as_asked():
    own = search(4, 3)
    assert own.greedy() == search(4, 1)
    assert own.for_n_best(2) == own
    assert own.for_n_best(6) == search(4, 6)
    with pytest.raises(UserError, match="n-best 4 needs at least 4 lengths"):
        own(make(), SRC, SRC != PAD, n_best=4)
    with pytest.raises(UserError, match=r"no effect on search=mask_predict.*search\.rounds"):
        own.with_beam(3)
    with pytest.raises(UserError, match="cannot continue given tokens"):
        own(make(), SRC, SRC != PAD, prefix=SRC[:, :1])


@pytest.mark.parametrize(
    ("kind", "model", "parts"),
    [
        (Beam, EncoderOnly, ["search=beam needs an autoregressive", "use search=mask_predict"]),
        (Sample, EncoderOnly, ["search=sample needs an autoregressive", "use search=mask_predict"]),
        (MaskPredict, RNN, ["search=mask_predict needs a masked language", "use search=beam"]),
    ],
)
def test_a_search_of_another_kind_of_model_is_refused(kind: type[Search], model, parts):
    with pytest.raises(UserError) as refusal:
        kind.check_model(model)
    assert all(part in str(refusal.value) for part in parts)
    Beam.check_model(RNN)
    MaskPredict.check_model(EncoderOnly)
