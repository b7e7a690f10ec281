"""Where a score comes from: whole sentences, lengths of the source, agreement at a distance."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from seq2seq.scoring import metrics
from seq2seq.text.agreement import Agreement

BUCKET = 10  # source words, as in figure 2 of Bahdanau et al. 2014


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> metrics.Score:
    """The share of sentences translated word for word as the reference has it, in percent."""
    pairs = zip(hypotheses, references, strict=True)
    right = sum(" ".join(ours.split()) == " ".join(theirs.split()) for ours, theirs in pairs)
    return metrics.Score(
        score=100 * right / len(references), signature="exact|case:mixed|spaces:folded"
    )


def by_length(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    language: str | None,
    tokenizer: str | None = None,
) -> list[dict[str, Any]]:
    """BLEU and exact match of every length of source that occurs, in buckets of BUCKET words.

    Returns:
        For each bucket, shortest first: `from` and `to` (words split at spaces), `lines`, `bleu`
        and `exact_match` in percent.
    """
    buckets: dict[int, list[int]] = {}
    for row, source in enumerate(sources):
        buckets.setdefault(max(0, len(source.split()) - 1) // BUCKET, []).append(row)
    found = []
    for bucket, rows in sorted(buckets.items()):
        ours, theirs = [hypotheses[row] for row in rows], [references[row] for row in rows]
        found.append(
            {
                "from": bucket * BUCKET + 1,
                "to": (bucket + 1) * BUCKET,
                "lines": len(rows),
                "bleu": metrics.bleu(ours, theirs, language=language, tokenizer=tokenizer),
                "exact_match": exact_match(ours, theirs)["score"],
            }
        )
    return found


def agreement(
    hypotheses: Sequence[str], agreements: Iterable[Agreement | None]
) -> dict[str, Any] | None:
    """How often a word agrees with its subject, by the distance between them.

    Returns:
        `score`, the share that is right in percent, its `signature`, and `by_distance`; None where
        nothing agrees with anything.
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


def agreement_of(hypothesis: str, known: Agreement) -> Literal["right", "wrong", "missing"]:
    """Whether a translation has only the form that agrees, has another one, or has none."""
    words = re.findall(r"\w+", hypothesis.lower())
    forms = {word for word in words if word in (known.right, *known.wrong)}
    return "missing" if not forms else "right" if forms == {known.right} else "wrong"
