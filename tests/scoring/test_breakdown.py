"""Exact match, BLEU by length and agreement, against counts by hand; stored scores as points."""

from typing import Any

import pytest

from seq2seq.scoring import metrics
from seq2seq.scoring.breakdown import (
    agreement,
    by_length,
    distance_points,
    exact_match,
    length_points,
    pronoun,
)
from seq2seq.text.agreement import Agreement
from seq2seq.text.pronoun import Places, Pronoun

LEFT = Agreement(3, "partie", ("parti", "partis", "parties"))


def test_exact_match_counts_whole_sentences_and_forgives_spaces_alone() -> None:
    references = ["Le chat dort.", "Elle est partie.", "Bonjour."]
    hypotheses = ["Le  chat dort. ", "elle est partie.", "Bonjour !"]
    assert exact_match(hypotheses, references)["score"] == pytest.approx(100 / 3)


def test_every_line_is_in_one_bucket_of_source_words() -> None:
    sources = [" ".join(["a"] * n) for n in (0, 1, 10, 11, 20, 21, 60)]
    found = by_length(sources, sources, sources, language="en")
    assert [(b["from"], b["to"], b["lines"]) for b in found] == [
        *((1, 10, 3), (11, 20, 2), (21, 30, 1), (51, 60, 1))
    ]


def test_the_bleu_of_a_bucket_is_that_of_its_lines_alone() -> None:
    sources = ["one two three", " ".join(["word"] * 15), "four five"]
    references = ["eins zwei drei vier", "ein langer Satz aus Wörtern", "vier fünf sechs sieben"]
    hypotheses = ["eins zwei drei fünf", "ein langer Satz", "vier fünf sechs sieben"]
    short, long = by_length(sources, hypotheses, references, language="de")
    assert short["bleu"] == metrics.bleu(hypotheses[::2], references[::2], language="de")
    assert long["bleu"] == metrics.bleu(hypotheses[1:2], references[1:2], language="de")
    assert (short["exact_match"], long["exact_match"]) == (50, 0)


@pytest.mark.parametrize(
    ("hypothesis", "kind"),
    [
        ("La fille que les garçons ont vue est partie.", "right"),
        ("Partie, la fille l'est.", "right"),
        ("La fille que les garçons ont vue sont partis.", "wrong"),
        ("La partie est parti.", "wrong"),
        ("La fille est sortie.", "missing"),
        ("", "missing"),
    ],
)
def test_a_translation_agrees_if_it_has_the_right_form_and_no_other(hypothesis, kind) -> None:
    found = agreement([hypothesis], [LEFT])
    assert found["by_distance"] == [
        {"distance": 3, "right": 0, "wrong": 0, "missing": 0} | {kind: 1}
    ]
    assert found["score"] == 100 * (kind == "right")


def test_agreement_is_counted_by_distance_over_the_pairs_that_have_it() -> None:
    near = LEFT._replace(distance=0)
    found = agreement(["partie", "parti", "x", "parties"], [LEFT, near, None, LEFT])
    assert [(e["distance"], e["right"], e["wrong"]) for e in found["by_distance"]] == [
        *((0, 0, 1), (3, 1, 1))
    ]
    assert found["score"] == pytest.approx(100 / 3)


def test_without_agreements_there_is_no_score() -> None:
    assert agreement(["a", "b"], [None, None]) is None


IT = Pronoun(
    Agreement(4, "peut pas la", ("peut pas le",)), "object", Places(9, 4, 1), Places(10, 4, 1)
)


@pytest.mark.parametrize(
    ("hypothesis", "kind"),
    [
        ("Le chien aime la vache, mais il ne peut pas la mordre.", "right"),
        ("La vache est là: il ne PEUT PAS LA voir.", "right"),
        ("Le chien aime la vache, mais il ne peut pas le mordre.", "wrong"),
        ("Il ne peut pas la voir, mais il ne peut pas le mordre.", "wrong"),
        ("Le chien aime la vache, mais il ne peut pas lancer la balle.", "missing"),
        ("Le chien aime la vache, mais il ne doit pas la mordre.", "missing"),
        ("", "missing"),
    ],
)
def test_a_form_of_several_words_is_found_as_a_whole(hypothesis, kind) -> None:
    found = pronoun([hypothesis], [IT])
    assert found["by_distance"] == [
        {"distance": 4, "right": 0, "wrong": 0, "missing": 0} | {kind: 1}
    ]
    assert found["score"] == 100 * (kind == "right")


def test_pronouns_are_counted_by_distance_and_role() -> None:
    he = Pronoun(Agreement(7, "il", ("elle",)), "subject", Places(9, 1, 4), Places(9, 1, 4))
    lines = ["mais qu'il dorme", "elle dort", "peut pas la", "x"]
    found = pronoun(lines, [he, he, IT, None])
    assert [(e["distance"], e["right"], e["wrong"]) for e in found["by_distance"]] == [
        *((4, 1, 0), (7, 1, 1))
    ]
    assert [(e["role"], e["right"], e["wrong"], e["missing"]) for e in found["by_role"]] == [
        *(("subject", 1, 1, 0), ("object", 1, 0, 0))
    ]
    assert found["score"] == pytest.approx(200 / 3)
    assert found["signature"].startswith("pronoun|")
    assert pronoun(["a"], [None]) is None


def stored_agreement(*rights: int) -> dict[str, Any]:
    """Scores of 40 sentences at each distance, with these numbers of correct forms."""
    entries = [
        {"distance": i, "right": right, "wrong": 39 - right, "missing": 1}
        for i, right in enumerate(rights)
    ]
    return {"score": 50.0, "by_distance": entries}


def test_scores_of_an_older_version_have_no_points() -> None:
    assert length_points({"bleu": {"score": 1}}) == distance_points({}) == []


def test_bleu_by_length_names_every_bucket_and_its_lines() -> None:
    bucket = {"from": 11, "to": 20, "lines": 7, "bleu": 80.04, "exact_match": 0.0}
    assert length_points({"by_length": [bucket]}) == [("11\N{EN DASH}20", 80.04, 7)]


def test_distances_of_two_and_more_are_taken_together_by_fives() -> None:
    points = distance_points({"agreement": stored_agreement(40, 20, *[10] * 4, *[0] * 5)})
    assert [point.place for point in points] == ["0", "1", "2\N{EN DASH}5", "6\N{EN DASH}10"]
    assert [point.lines for point in points] == [40, 40, 160, 200]
    assert [point.value for point in points] == pytest.approx([100, 50, 25, 0])


def test_all_references_count_in_every_bucket() -> None:
    sources = ["one two three", " ".join(["word"] * 15)]
    references = ["eins zwei drei vier", "ein langer Satz aus Wörtern"]
    other = ["eins zwei drei fünf", "ein sehr langer Satz aus vielen Wörtern"]
    hypotheses = ["eins zwei drei fünf", "ein sehr langer Satz aus Wörtern"]
    assert exact_match(hypotheses, references)["score"] == 0
    several = exact_match(hypotheses, references, more=[other])
    assert several["score"] == 50 and "nrefs:2" in several["signature"]
    short, long = by_length(sources, hypotheses, references, more=[other], language="de")
    assert (short["exact_match"], long["exact_match"]) == (100, 0)
    assert short["bleu"] == pytest.approx(100)
    both = metrics.bleu([hypotheses[1]], [references[1]], more=[[other[1]]], language="de")
    assert long["bleu"] == both > metrics.bleu([hypotheses[1]], [references[1]], language="de")
