"""Every method on every model: laws, refusals, and values against other computations."""

from functools import partial

import numpy as np
import pytest
import torch
from untrained_runs import GERMAN

from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.method_names import WITHOUT_HEADS, WITHOUT_LAYERS
from seq2seq.alignment.rule import Rule, shares
from seq2seq.interpret import methods
from seq2seq.interpret.alignment import Explained, explain, explain_pairs
from seq2seq.interpret.methods import base
from seq2seq.interpret.methods.alti import contributions
from seq2seq.interpret.methods.base import UnsupportedModelError, source_words
from seq2seq.interpret.methods.baseline import with_words_hidden
from seq2seq.interpret.methods.gradient import Gradient
from seq2seq.interpret.methods.integrated_gradients import IntegratedGradients
from seq2seq.interpret.methods.occlusion import Variant, log_probabilities
from seq2seq.interpret.methods.smoothgrad import SmoothGrad
from seq2seq.interpret.methods.vectors import weighted_norms
from seq2seq.layers.latent import LatentAttention
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.models.results import SourceRead
from seq2seq.settings.config_files import model_names
from seq2seq.text.batching import collate
from seq2seq.translation.translator import Translator

PAIRS = [("a man rides", "ein Mann"), ("two dogs", "zwei Hunde laufen"), ("cat", "die Katze")]
RULES = [
    Rule(),
    Rule(method="vectors"),
    Rule(method="alti"),
    *(Rule(method="occlusion", hide=hide) for hide in ("drop", "unk", "mean")),
    Rule(method="gradient"),
    Rule(method="smoothgrad"),
    Rule(method="integrated_gradients"),
]
PLAIN = {"rnn", "elman", "lstm", "gru"}
TRANSFORMERS = {"transformer", "transformer_modern"}
REFUSED = {
    "attention": PLAIN,
    "vectors": {*PLAIN, "word_for_word", "encoder_only"},
    "alti": set(model_names()) - TRANSFORMERS,
    "occlusion": set(),
    "gradient": {"word_for_word"},
    "smoothgrad": {"word_for_word"},
    "integrated_gradients": {"word_for_word"},
}


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    """Fewer gradients, to save time; the laws hold for any number."""
    for name, key in (("SmoothGrad", "copies"), ("IntegratedGradients", "steps")):
        few = partial(getattr(methods, name), **{key: 2})
        monkeypatch.setattr(methods, name, few)


def is_refused(rule: Rule, name: str) -> bool:
    return name in REFUSED[rule.method] or (rule.hide == "mean" and name == "word_for_word")


@pytest.mark.parametrize("name", model_names())
def test_every_model_has_every_method_or_refuses_it(translators, name):
    translator = translators(name)
    before = {key: value.clone() for key, value in translator.model.state_dict().items()}
    random = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    for rule in RULES:
        if is_refused(rule, name):
            with pytest.raises(UnsupportedModelError, match="--method") as refusal:
                list(explain_pairs(translator, PAIRS, rule))
            assert "\n" not in str(refusal.value)
            continue
        for (source, target), (one, _, _, found) in zip(
            PAIRS, explain_pairs(translator, PAIRS, rule), strict=True
        ):
            assert (one.source, one.text, found.method) == (source, target, rule.method)
            size = len(one.target_pieces), len(one.source_pieces)
            assert found.values.shape[2:] == size
            assert found.values.isfinite().all()
            if found.signed:
                assert found.values.shape[:2] == (1, 1)
                assert (found.values[..., -1] == 0).all()
                assert found.values.any() or name == "word_for_word"
            else:
                total = found.values.sum(-1)
                if rule.method == "alti":  # no position may make the sum larger
                    total = torch.where(total == 0, 1.0, total)
                torch.testing.assert_close(total, torch.ones_like(total))
    assert not translator.model.training
    for key, value in translator.model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(parameter.grad is None for parameter in translator.model.parameters())
    assert torch.equal(torch.random.get_rng_state(), random[0])
    assert (np.random.get_state()[1] == random[1]).all()


def test_options_of_layers_and_heads_are_refused_where_the_map_has_one(translators):
    for rule in RULES:
        first = next(iter(explain_pairs(translators("transformer"), PAIRS, rule)))
        layers, heads = first.map.values.shape[:2]
        assert (layers == 1) == (rule.method in WITHOUT_LAYERS), rule.method
        assert (heads == 1) == (rule.method in WITHOUT_HEADS), rule.method


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "luong", "transformer", "decoder_only"])
def test_a_batch_has_the_values_of_its_sentences_alone(translators, name, monkeypatch):
    """Also in batches that hold only some of the hidden words of a sentence."""
    translator = translators(name)
    for rule in RULES:
        if is_refused(rule, name):
            continue
        together = list(explain_pairs(translator, [*PAIRS, ("", ""), ("a man", "")], rule))
        assert together[3].map.values.shape[2:] == (1, 1)
        with monkeypatch.context() as patch:
            patch.setattr(base, "BATCH_TOKENS", 40)
            for pair, one in zip(PAIRS, together, strict=False):
                (alone,) = explain_pairs(translator, [pair], rule)
                torch.testing.assert_close(
                    one.map.values, alone.map.values, rtol=1e-3, atol=1e-4, msg=rule.method
                )


def explained(translator: Translator, pair: tuple[str, str], rule: Rule) -> Explained:
    (found,) = explain_pairs(translator, [pair], rule)
    return found


@pytest.mark.parametrize("name", model_names())
def test_occlusion_is_the_difference_of_forced_log_probabilities(translators, name):
    """The values of a word sum to how much less probable the target is without it."""
    translator = translators(name)
    source, target = PAIRS[1]
    found = explained(translator, (source, target), Rule(method="occlusion"))
    by_word = found.map.values[0, 0].sum(0).numpy() @ found.cut.source
    words = source.split()
    variants = [source, *(" ".join(words[:i] + words[i + 1 :]) for i in range(len(words)))]
    whole, *others = [
        one.log_probability for one in translator.force([(text, target) for text in variants])
    ]
    np.testing.assert_allclose(by_word[:-1], [whole - other for other in others], atol=2e-3)
    assert by_word[-1] == 0


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer"])
def test_leaving_out_every_word_is_the_model_without_a_source(translators, name):
    translator = translators(name)
    found = explained(translator, ("man", GERMAN[0]), Rule(method="occlusion"))
    (whole,) = translator.force([("man", GERMAN[0])])
    (nothing,) = translator.force([("", GERMAN[0])])
    difference = whole.log_probability - nothing.log_probability
    assert float(found.map.values.sum()) == pytest.approx(difference, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("rnn", 1e-3),
        ("bahdanau", 1e-3),
        ("luong", 1e-3),
        ("transformer", 2e-2),  # ReLU has a kink
        ("transformer_modern", 2e-3),
        ("encoder_only", 2e-2),
    ],
)
def test_integrated_gradients_sum_to_the_difference_from_the_baseline(translators, name, error):
    """Completeness (Sundararajan et al. 2017, proposition 1)."""
    translator = translators(name)
    (translation,) = translator.force([PAIRS[0]])
    (values,) = IntegratedGradients(steps=40).values(translator, [translation], [np.ones((1, 1))])
    source, target = (
        tokenizer.encode([text])[0]
        for tokenizer, text in zip(translator.tokenizers, PAIRS[0], strict=True)
    )
    hidden = [[], list(range(len(source)))]
    whole, nothing = log_probabilities(
        translator, [Variant((source, target), places) for places in hidden]
    )
    torch.testing.assert_close(values[0, 0].sum(-1), whole - nothing, rtol=0, atol=error)


def test_norms_are_those_of_the_sums_of_vectors():
    torch.manual_seed(0)
    weights, values = torch.rand(2, 3, 4, 5), torch.randn(2, 5, 3, 7)
    sums = torch.einsum("bhts,bshd->btsd", weights, values)
    torch.testing.assert_close(weighted_norms(SourceRead(weights, values)), sums.norm(dim=-1))


def test_vectors_of_one_norm_give_the_weights():
    weights = torch.rand(1, 1, 4, 5).softmax(-1)
    values = torch.nn.functional.normalize(torch.randn(1, 5, 1, 7), dim=-1)
    torch.testing.assert_close(weighted_norms(SourceRead(weights, values)), weights[:, 0])


@pytest.mark.parametrize(
    "layer",
    [
        MultiHeadAttention(8, 4, 0.0),
        MultiHeadAttention(8, 4, 0.0, key_value_heads=2),
        MultiHeadAttention(8, 4, 0.0, key_value_heads=1, bias=False),
        LatentAttention(8, 4, 0.0, latent_dim=6),
    ],
)
def test_value_vectors_add_up_to_the_output_of_the_layer(layer):
    torch.manual_seed(0)
    x, source = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    cache = layer.remember(source)
    output, weights = layer(x, cache, None)
    total = torch.einsum("bhts,bshd->btd", weights, layer.value_vectors(cache))
    bias = 0 if layer.out.bias is None else layer.out.bias
    torch.testing.assert_close(total + bias, output)


@pytest.mark.parametrize("norm", [None, torch.nn.LayerNorm(3), torch.nn.RMSNorm(3, eps=1e-6)])
def test_a_contribution_is_by_how_much_a_vector_makes_the_sum_larger(norm):
    """Two of three vectors agree with the sum, the last one opposes it."""
    values = torch.tensor([[2.0, -1.0, -1.0], [1.0, 0.0, -1.0], [-0.5, 0.0, 0.5]])
    output = values.sum(0) + torch.tensor([0.5, 0.5, -1.0])  # a residual input
    weights = torch.ones(1, 1, 1, 3)
    read = SourceRead(weights, values[None, :, None], output[None, None], norm)
    parts, whole = values, output
    if norm is not None:
        centre = (
            (lambda x: x - x.mean(-1, keepdim=True))
            if isinstance(norm, torch.nn.LayerNorm)
            else (lambda x: x)
        )
        scale = centre(output).square().mean().add(norm.eps).rsqrt()
        parts, whole = centre(values) * scale, norm(output)
    expected = [whole.abs().sum() - (whole - part).abs().sum() for part in parts]
    found = contributions(read)
    torch.testing.assert_close(found[0, 0], torch.stack(expected).clamp(min=0))
    assert found[0, 0, 2] == 0 < found[0, 0, 1] < found[0, 0, 0]


@pytest.mark.parametrize(
    ("pieces", "tokens", "expected"),
    [
        (["▁a", "▁m", "an", "</s>"], ["a", "man"], [[0], [1, 2]]),
        (["▁l'", "ami", "</s>"], ["l'", "ami"], [[0], [1]]),
        (["▁l'a", "mi", "</s>"], ["l'", "ami"], [[0, 1]]),  # one piece belongs to both
        (["▁", "a", "▁b", "</s>"], ["a", "b"], [[0, 1], [2]]),
        (["▁a", "x", "▁b", "</s>"], ["A", "b"], [[2]]),  # "ax" is not "A"
        (["</s>"], [], []),
    ],
)
def test_a_word_is_hidden_with_all_its_pieces(pieces, tokens, expected):
    assert source_words(shares(pieces, tokens)) == expected


def test_gold_tokens_are_hidden_apart(translators):
    """Without gold, what is between spaces is one word."""
    translator = translators("bahdanau")
    (translation,) = translator.force([("the cat, a man", "die Katze")])
    tokens = ["the", "cat", ",", "a", "man"]
    rule = Rule(method="occlusion")
    gold = Gold(tokens, ["die", "Katze"], Links(frozenset()))
    for own in (None, gold):
        (found,) = explain(translator, [translation], rule, [own])
        count = len(source_words(found.cut.source))
        assert count == (5 if own else 4)
        assert found.values(rule).shape == (3, count + 1)


def test_a_rule_reads_the_positive_part_of_a_signed_map(translators):
    found = explained(translators("rnn"), ("two dogs run", GERMAN[0]), Rule(method="occlusion"))
    rule = Rule(method="occlusion")
    values, weights = found.values(rule), found.shares(rule)
    assert (values < 0).any()
    assert (weights[values <= 0] == 0).all()
    np.testing.assert_allclose(weights.sum(1)[(values > 0).any(1)], 1, rtol=1e-5)
    assert all(values[j, i] > 0 for i, j in found.links(rule))


def test_a_long_sentence_fits(translators):
    words = " ".join(["a man"] * 30)
    found = explained(translators("bahdanau"), (words, "ein Mann"), Rule(method="occlusion"))
    assert found.values(Rule(method="occlusion")).shape == (3, 61)


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer_modern"])
def test_a_gradient_is_the_slope_of_the_log_probability_away_from_the_mean(translators, name):
    translator = translators(name)
    model = translator.model
    (translation,) = translator.force([PAIRS[0]])
    asked = translator, [translation], [np.ones((1, 1))]
    (values,) = Gradient().values(*asked)
    batch = collate(base.encoded(translator, [translation]), model.special)
    with torch.no_grad():
        vectors = model.embed_source(batch.src)
        change = vectors - with_words_hidden(translator, vectors, batch.src)

        def log_p(share: float) -> torch.Tensor:
            memory = model.encode_embedded(vectors + share * change, batch.src_mask)
            hidden = model.hidden(batch.tgt_in, memory, weights=False)
            return model.token_log_probability(hidden.states, batch, memory)[0]

        slope = (log_p(1e-2) - log_p(-1e-2)) / 2e-2
    torch.testing.assert_close(values[0, 0].sum(-1), slope, atol=5e-3, rtol=1e-2)
    (calm,) = SmoothGrad(copies=3, noise=0.0).values(*asked)
    torch.testing.assert_close(calm, values)
    assert not torch.allclose(SmoothGrad(copies=3).values(*asked)[0], values)
