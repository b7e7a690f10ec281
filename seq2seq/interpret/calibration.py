"""Calibration of a model on a test set, as `evaluate` stores it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seq2seq.interpret.token_scores import Scored, TokenScores
from seq2seq.models.base import Seq2Seq
from seq2seq.scoring.calibration import SIGNATURE, calibration, paired
from seq2seq.text.batching import Ids


def measure(
    model: Seq2Seq,
    scored: Sequence[Scored],
    reference_scores: Sequence[TokenScores],
    references: Sequence[Ids],
) -> dict[str, Any]:
    """Return the entry `calibration` of scores.json, see `seq2seq.scoring.calibration`.

    `</s>` is a token of the references. It is none of the output, where it is always paired with
    that of the reference, nor where a pseudo-likelihood has the probability of the length instead.

    Args:
        model: the model.
        scored: the scores of its translations.
        reference_scores: the scores of the references.
        references: the ids of the references.

    Returns:
        The `signature`, what the probabilities are `given`, and the calibration of each kind of
        token; None for a kind without tokens.
    """
    pseudo = model.pseudo_likelihood
    last = -1 if pseudo else None
    output = calibration(
        np.concatenate([np.empty(0), *(np.exp(one.log_p[:-1]) for one in scored)]),
        np.concatenate(
            [
                np.empty(0, dtype=bool),
                *(paired(one.ids[1], ids) for one, ids in zip(scored, references, strict=True)),
            ]
        ),
    )
    reference = calibration(
        np.concatenate([np.empty(0), *(np.exp(one.top_log_p[:last]) for one in reference_scores)]),
        np.concatenate(
            [np.empty(0, dtype=bool), *(one.top_right[:last] for one in reference_scores)]
        ),
    )
    return {
        "signature": SIGNATURE,
        "given": "all other tokens" if pseudo else "the tokens before",
        "reference": reference,
        "output": output,
    }
