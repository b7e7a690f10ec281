"""Exact match, BLEU by source length, agreement and pronouns by distance; points on an axis."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from seq2seq.scoring import metrics
from seq2seq.text.agreement import Agreement
from seq2seq.text.pronoun import ROLES, Pronoun

BUCKET = 10  # source words, as in figure 2 of Bahdanau et al. 2014
GROUP = 5  # number of distances per point, above 1


def length_bucket(source: str) -> int:
    """Return the number of the bucket of a source, by its number of words between spaces."""
    return max(0, len(source.split()) - 1) // BUCKET


def length_label(bucket: int) -> str:
    """Return the numbers of words of a bucket, such as 11-20 with an en dash."""
    return f"{bucket * BUCKET + 1}\N{EN DASH}{(bucket + 1) * BUCKET}"


def exact_match(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    more: Sequence[Sequence[str]] = (),
) -> metrics.Score:
    """Return the percentage of translations equal to a reference, ignoring extra spaces.

    Args:
        hypotheses: the translations.
        references: their references.
        more: further references of the same sentences.
    """
    rows = zip(hypotheses, references, *more, strict=True)
    folded = ([" ".join(text.split()) for text in row] for row in rows)
    equal = sum(hypothesis in own for hypothesis, *own in folded)
    several = f"|nrefs:{1 + len(more)}" if more else ""
    return metrics.Score(
        score=100 * equal / len(references),
        signature=f"exact|case:mixed|spaces:folded{several}",
    )


def by_length(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    more: Sequence[Sequence[str]] = (),
    language: str | None,
    tokenizer: str | None = None,
) -> list[dict[str, Any]]:
    """Compute BLEU and exact match by source length, in buckets of BUCKET words.

    Args:
        sources: the source sentences.
        hypotheses: their translations.
        references: their references.
        more: further references of the same sentences.
        language: the target language code, which selects the BLEU tokenizer.
        tokenizer: another sacreBLEU tokenizer.

    Returns:
        A mapping for each bucket that occurs, shortest first: `from` and `to` (words separated by
        spaces), `lines`, and `bleu` and `exact_match` in percent.
    """
    buckets: dict[int, list[int]] = {}
    for row, source in enumerate(sources):
        buckets.setdefault(length_bucket(source), []).append(row)
    scores = []
    for bucket, rows in sorted(buckets.items()):
        hyps, refs, *others = (
            [texts[row] for row in rows] for texts in (hypotheses, references, *more)
        )
        scores.append(
            {
                "from": bucket * BUCKET + 1,
                "to": (bucket + 1) * BUCKET,
                "lines": len(rows),
                "bleu": metrics.bleu(
                    hyps, refs, more=others, language=language, tokenizer=tokenizer
                ),
                "exact_match": exact_match(hyps, refs, more=others)["score"],
            }
        )
    return scores


def agreement(
    hypotheses: Sequence[str], agreements: Iterable[Agreement | None]
) -> dict[str, Any] | None:
    """Compute how often a verb agrees with its subject, in total and by their distance.

    Args:
        hypotheses: the translations.
        agreements: the agreement to test in each sentence; None if it has none.

    Returns:
        `score`, the percentage of correct forms, its `signature`, and the counts `by_distance`;
        None if no sentence has an agreement.
    """
    counts: dict[int, Counter[str]] = {}
    for hypothesis, known in zip(hypotheses, agreements, strict=True):
        if known is not None:
            kind = agreement_of(hypothesis, known)
            counts.setdefault(known.distance, Counter())[kind] += 1
    if not counts:
        return None
    right = sum(count["right"] for count in counts.values())
    return {
        "score": 100 * right / sum(count.total() for count in counts.values()),
        "signature": "agreement|right:only that form|missing:not right",
        "by_distance": [
            {"distance": distance, **{kind: count[kind] for kind in ("right", "wrong", "missing")}}
            for distance, count in sorted(counts.items())
        ],
    }


def pronoun(hypotheses: Sequence[str], pronouns: Sequence[Pronoun | None]) -> dict[str, Any] | None:
    """Compute how often a pronoun has the gender of its antecedent, in total, by distance and role.

    Args:
        hypotheses: the translations.
        pronouns: the pronoun to test in each sentence; None if it has none.

    Returns:
        As `agreement`, with the counts `by_role` too; None if no sentence has a pronoun.
    """
    scores = agreement(hypotheses, [known and known.agreement for known in pronouns])
    if scores is None:
        return None
    counts = Counter(
        (known.role, agreement_of(hypothesis, known.agreement))
        for hypothesis, known in zip(hypotheses, pronouns, strict=True)
        if known is not None
    )
    by_role = [
        {"role": role, **{kind: counts[role, kind] for kind in ("right", "wrong", "missing")}}
        for role in ROLES
    ]
    signature = "pronoun|right:only that form|missing:not right"
    return {**scores, "signature": signature, "by_role": by_role}


def agreement_of(hypothesis: str, known: Agreement) -> Literal["right", "wrong", "missing"]:
    """Classify a translation.

    Returns:
        "right" if the only form in it is the right one, "wrong" if it has another form, "missing"
        if it has none.
    """
    words = " ".join(["", *re.findall(r"\w+", hypothesis.lower()), ""])
    forms = {form for form in (known.right, *known.wrong) if f" {form} " in words}
    return "missing" if not forms else "right" if forms == {known.right} else "wrong"


class Point(NamedTuple):
    """A value at a position of the axis, and the number of lines or verbs it is measured on."""

    place: str
    value: float
    lines: int


def length_points(scores: dict[str, Any]) -> list[Point]:
    """Return BLEU by source length from the scores of a test set; empty if they have none."""
    return [
        Point(f"{bucket['from']}\N{EN DASH}{bucket['to']}", bucket["bleu"], bucket["lines"])
        for bucket in scores.get("by_length", [])
    ]


def distance_points(scores: dict[str, Any]) -> list[Point]:
    """Return agreement in percent at distances of 0, 1, 2-5, 6-10 and so on, from stored scores."""
    spans: dict[str, list[int]] = {}
    for entry in scores.get("agreement", {}).get("by_distance", []):
        counts = spans.setdefault(distance_label(entry["distance"]), [0, 0])
        counts[0] += entry["right"]
        counts[1] += entry["right"] + entry["wrong"] + entry["missing"]
    return [Point(name, 100 * right / total, total) for name, (right, total) in spans.items()]


def distance_label(distance: int) -> str:
    """Return the label of the group of a distance, such as 6-10."""
    if distance < 2:
        return str(distance)
    last = -(-distance // GROUP) * GROUP
    return f"{max(2, last - GROUP + 1)}\N{EN DASH}{last}"
