"""Which noun is "it": attention of a pronoun to its antecedent and to a noun of the other gender.

Three maps are measured, each in all layers and heads: from the English pronoun to both English
nouns in the encoder, and from the decoder's row that predicts the French pronoun to both English
nouns and to both French nouns. A noun counts together with the word before it, its determiner or an
adjective, which shows the gender in French too. A forced choice is measured as well: whether the
model prefers the reference to the same sentence with the pronoun of the other gender.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from seq2seq.alignment.gold import Gold
from seq2seq.alignment.rule import pool
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Cut
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.models.base import Seq2Seq
from seq2seq.models.results import Maps
from seq2seq.scoring.breakdown import distance_label
from seq2seq.system.console import track
from seq2seq.text.pronoun import PRONOUN, ROLES, Pronoun, read_pronouns
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.forced import force
from seq2seq.translation.translation import Translation

CHUNK = 32  # pairs whose maps are in memory
BOTH = "both"  # both roles
Nouns = Float[ndarray, "2 layers heads"]  # attention to the antecedent and to the distractor


class PronounSet(NamedTuple):
    """The pairs of a test set that have a pronoun with a known antecedent."""

    name: str
    texts: list[tuple[str, str]]
    golds: list[Gold]
    pronouns: list[Pronoun]

    @classmethod
    def of_test(cls, folder: Path) -> "PronounSet":
        """Read the pairs in the folder of a test set.

        Raises:
            UserError: there are none, or the gold files are invalid or do not fit the test set.
        """
        gold_set, pronouns = GoldSet.of_test(folder), read_pronouns(folder)
        if gold_set is None or pronouns is None or not any(pronouns):
            raise UserError(
                f"{folder} has no pronouns to test: the built-in corpus has them in test_pronoun, "
                "for translation into French"
            )
        if len(pronouns) != len(gold_set.texts):
            raise UserError(
                f"{folder / PRONOUN} has {len(pronouns)} lines for {len(gold_set.texts)} pairs"
            )
        texts, golds, known = [], [], []
        rows = zip(gold_set.texts, gold_set.golds, pronouns, strict=True)
        for number, (text, gold, pronoun) in enumerate(rows, 1):
            if pronoun is None:
                continue
            for side, tokens in ((gold.source, pronoun.source), (gold.target, pronoun.target)):
                if max(tokens) >= len(side):
                    raise UserError(
                        f"{folder / PRONOUN}, line {number}: token {max(tokens)} is outside the "
                        f"{len(side)} tokens of this side (counted from 0)"
                    )
            texts.append(text)
            golds.append(gold)
            known.append(pronoun)
        return cls(folder.name, texts, golds, known)

    def changed(self) -> list[tuple[str, str]]:
        """Return the pairs with the pronoun of the other gender in the reference.

        Raises:
            UserError: a reference does not contain the pronoun exactly once.
        """
        pairs = []
        for (source, reference), pronoun in zip(self.texts, self.pronouns, strict=True):
            right, wrong = pronoun.agreement.right, pronoun.agreement.wrong[0]
            parts = re.split(rf"\b{re.escape(right)}\b", reference)
            if len(parts) != 2:
                raise UserError(f"{self.name}/{PRONOUN}: {right!r} must be once in {reference!r}")
            pairs.append((source, wrong.join(parts)))
        return pairs


@dataclass(frozen=True)
class Probe:
    """What one state of the weights does with the pronouns of a test set.

    Attributes:
        preferred: for each sentence, whether the right pronoun is more probable than the other.
        attention: the mean attention to both nouns by map and role; empty without attention.
    """

    preferred: Bool[ndarray, " sentences"]
    attention: dict[tuple[str, str], Nouns]

    def choices(self, pronouns: Sequence[Pronoun]) -> dict[str, tuple[int, int]]:
        """Return (number of preferred right pronouns, number of sentences), in all and by group.

        Groups without sentences are left out.
        """
        counts: dict[str, tuple[int, int]] = {}
        distances = sorted({pronoun.agreement.distance for pronoun in pronouns})
        names = ["all", *ROLES, *(f"{distance_label(at)} words" for at in distances)]
        for name in names:
            rows = [
                name in ("all", one.role, f"{distance_label(one.agreement.distance)} words")
                for one in pronouns
            ]
            if any(rows):
                counts[name] = int(self.preferred[rows].sum()), sum(rows)
        return counts

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the attention of every map, role, layer and head, as means and as a share.

        The share is that of the antecedent in the sum of both: 0.5 is no difference.
        """
        for (name, role), nouns in self.attention.items():
            for layer, head in np.ndindex(nouns.shape[1:]):
                antecedent, distractor = nouns[:, layer, head].tolist()
                yield {
                    "map": name,
                    "role": role,
                    "layer": layer + 1,
                    "head": head + 1,
                    "antecedent": antecedent,
                    "distractor": distractor,
                    "share": share(antecedent, distractor),
                }


def share(antecedent: float, distractor: float) -> float:
    """Return the share of the antecedent in the attention to both nouns; 0.5 if there is none."""
    total = antecedent + distractor
    return antecedent / total if total > 0 else 0.5


def probe(model: Seq2Seq, tokenizers: Tokenizers, pronouns: PronounSet) -> Probe:
    """Measure forced choices and attention of a model."""
    right, wrong = (
        np.array([one.log_probability for one in forced(model, tokenizers, pairs, maps=False)])
        for pairs in (pronouns.texts, pronouns.changed())
    )
    found: dict[tuple[str, str], list[Nouns]] = {}
    translations = forced(model, tokenizers, pronouns.texts, maps=True)
    rows = zip(translations, pronouns.golds, pronouns.pronouns, strict=True)
    for translation, gold, pronoun in track(
        rows, f"reading the attention of {pronouns.name}", total=len(pronouns.texts), unit="pairs"
    ):
        cut = Cut.of(translation, gold, tokenizers)
        maps = to_nouns(translation.maps or Maps(None), cut, pronoun, model.target_input)
        for name, nouns in maps.items():
            for role in (BOTH, pronoun.role):
                found.setdefault((name, role), []).append(nouns)
    return Probe(right > wrong, {key: np.mean(nouns, axis=0) for key, nouns in found.items()})


def forced(
    model: Seq2Seq, tokenizers: Tokenizers, pairs: Sequence[tuple[str, str]], *, maps: bool
) -> Iterator[Translation]:
    """Force-decode pairs in chunks, with all maps or with log-probabilities."""
    for start in range(0, len(pairs), CHUNK):
        yield from force(model, tokenizers, pairs[start : start + CHUNK], maps=maps)


def to_nouns(maps: Maps, cut: Cut, pronoun: Pronoun, target_input: str) -> dict[str, Nouns]:
    """Return the attention of one pronoun to antecedent and distractor, by map.

    Args:
        maps: the maps of the pair, between pieces.
        cut: the mapping from pieces to gold tokens.
        pronoun: the tokens.
        target_input: as in `Seq2Seq.target_input`.
    """
    source, target, columns = pronoun.source, pronoun.target, cut.target
    if target_input == "tgt_in":  # column 0 is `<s>`, and there is none for `</s>`
        columns = np.roll(columns, 1, axis=0)
    # Map: the attention, the tokens of rows and columns, the row, and the places of both nouns
    measured = {
        "encoder": (maps.encoder, cut.source, cut.source, source.pronoun, source[1:]),
        "source": (maps.source, cut.target, cut.source, target.pronoun, source[1:]),
        "target": (maps.target, cut.target, columns, target.pronoun, target[1:]),
    }
    found = {}
    for name, (attention, rows, to, row, nouns) in measured.items():
        if attention is not None:
            weights = pool(attention.float().numpy(), to, rows)[:, :, row]
            found[name] = np.stack(
                [weights[..., max(noun - 1, 0) : noun + 1].sum(-1) for noun in nouns]
            )
    return found
