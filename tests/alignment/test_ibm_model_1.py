"""IBM Model 1 against values computed by hand, and what must hold on any text."""

import math
from fractions import Fraction

import numpy as np
import pytest

from seq2seq.alignment import ibm_model_1
from seq2seq.alignment.ibm_model_1 import NULL, IBMModel1

A, B = 0, 1  # source words
X, Y = 0, 1  # target words
TWO = [([A, B], [X, Y]), ([A], [X])]


def probabilities(model: IBMModel1) -> dict[tuple[int, int], float]:
    words = zip(model.source.tolist(), model.target.tolist(), strict=True)
    return dict(zip(words, model.probability.tolist(), strict=True))


def test_two_sentences_equal_the_values_computed_by_hand() -> None:
    # The sentences are "a b" - "x y" and "a" - "x"; NULL is a source word of both.
    #
    # All t start at 1/2. In the first sentence each of NULL, a and b has 1/3 of x and 1/3 of y; in
    # the second, NULL and a have 1/2 of x each. Counts: c(x|NULL) = c(x|a) = 1/3 + 1/2 = 5/6,
    # c(y|NULL) = c(y|a) = 1/3, c(x|b) = c(y|b) = 1/3, which gives
    #   t(x|NULL) = t(x|a) = 5/7, t(y|NULL) = t(y|a) = 2/7, t(x|b) = t(y|b) = 1/2.
    # Likelihood before it: x and y of sentence 1 have (1/2 + 1/2 + 1/2)/3 = 1/2 each, x of
    # sentence 2 has (1/2 + 1/2)/2 = 1/2: 1/8.
    #
    # Second iteration. Sentence 1, x: 5/7 + 5/7 + 1/2 = 27/14, so that a has 10/27 and b 7/27;
    # y: 2/7 + 2/7 + 1/2 = 15/14, a has 4/15 and b 7/15. Sentence 2: x is half of NULL, half of a.
    #   c(x|a) = 10/27 + 1/2 = 47/54, c(y|a) = 4/15: t(x|a) = (235/270) / (307/270) = 235/307
    #   c(x|b) = 7/27, c(y|b) = 7/15: t(x|b) = (35/135) / (98/135) = 5/14
    # Likelihood before it: (27/14)/3 * (15/14)/3 * (10/7)/2 = 9/14 * 5/14 * 5/7 = 225/1372.
    #
    # Third. Sentence 1, x: p = 2 * 235/307 + 5/14, y: q = 2 * 72/307 + 9/14. With
    # c(x|a) = (235/307)/p + 1/2 and c(y|a) = (72/307)/q; c(x|b) = (5/14)/p, c(y|b) = (9/14)/q.
    model = IBMModel1(TWO)
    assert model.tokens == 3
    assert model.iterate() == pytest.approx(math.log(1 / 8))
    first = {(A, X): 5 / 7, (A, Y): 2 / 7, (B, X): 1 / 2, (B, Y): 1 / 2}
    first |= {(NULL, X): 5 / 7, (NULL, Y): 2 / 7}
    assert probabilities(model) == pytest.approx(first)

    assert model.iterate() == pytest.approx(math.log(225 / 1372))
    second = {(A, X): 235 / 307, (A, Y): 72 / 307, (B, X): 5 / 14, (B, Y): 9 / 14}
    second |= {(NULL, X): 235 / 307, (NULL, Y): 72 / 307}
    assert probabilities(model) == pytest.approx(second)

    model.iterate()
    p = 2 * Fraction(235, 307) + Fraction(5, 14)
    q = 2 * Fraction(72, 307) + Fraction(9, 14)
    a = Fraction(235, 307) / p + Fraction(1, 2), Fraction(72, 307) / q
    b = Fraction(5, 14) / p, Fraction(9, 14) / q
    found = probabilities(model)
    assert found[A, X] == pytest.approx(float(a[0] / sum(a)))
    assert found[B, Y] == pytest.approx(float(b[1] / sum(b)))


def reference(pairs, iterations: int) -> tuple[dict[tuple[int, int], float], list[float]]:
    """Model 1 as nested loops."""
    pairs = [([NULL, *source], target) for source, target in pairs]
    words = {f for _, target in pairs for f in target}
    t = {(e, f): 1 / len(words) for source, target in pairs for e in source for f in target}
    likelihoods = []
    for _ in range(iterations):
        counts, totals, likelihood = dict.fromkeys(t, 0.0), {}, 0.0
        for source, target in pairs:
            for f in target:
                total = sum(t[e, f] for e in source)
                likelihood += math.log(total / len(source))
                for e in source:
                    counts[e, f] += t[e, f] / total
                    totals[e] = totals.get(e, 0.0) + t[e, f] / total
        t = {(e, f): count / totals[e] for (e, f), count in counts.items()}
        likelihoods.append(likelihood)
    return t, likelihoods


def random_pairs(seed: int, count: int) -> list[tuple[list[int], list[int]]]:
    generator = np.random.default_rng(seed)
    return [
        tuple(generator.integers(0, 9, generator.integers(0, 7)).tolist() for _ in range(2))
        for _ in range(count)
    ]


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_it_equals_nested_loops(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Sentences with repeated words, without source words and without target words
    monkeypatch.setattr(ibm_model_1, "CHUNK", chunk)
    pairs = [([], []), ([1], []), ([], [2]), ([3, 3], [4, 4, 4]), *random_pairs(1, 40)]
    model = IBMModel1(pairs)
    expected, likelihoods = reference(pairs, 6)
    assert [model.iterate() for _ in range(6)] == pytest.approx(likelihoods)
    assert probabilities(model) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_never_falls_and_probabilities_sum_to_one(seed: int) -> None:
    model = IBMModel1(random_pairs(seed, 30))
    before = -math.inf
    for _ in range(30):
        likelihood = model.iterate()
        assert likelihood >= before - 1e-9
        before = likelihood
        sums = np.bincount(model.source - NULL, model.probability)
        np.testing.assert_allclose(sums[np.unique(model.source - NULL)], 1)


def test_the_best_translations_come_first_and_equal_ones_by_their_number() -> None:
    model = IBMModel1([([5, 6], [2, 1, 3])])
    model.iterate()
    found = {word: model.target[i].tolist() for word, i in model.best(2, np.full(4, True))}
    assert found == {5: [1, 2], 6: [1, 2]}
    usable = np.array([True, False, True, False])
    found = {word: model.target[i].tolist() for word, i in model.best(2, usable)}
    assert found == {5: [2], 6: [2]}


def test_text_without_target_words_is_refused() -> None:
    for pairs in ([], [([1], [])]):
        with pytest.raises(ValueError, match="no sentence pair has a target word"):
            IBMModel1(pairs)
