"""How well a run's attention finds the links of a test set that has gold."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from numpy import ndarray

from seq2seq.disk import read_lines
from seq2seq.errors import UserError
from seq2seq.gold import Gold, read_gold
from seq2seq.links import Tally
from seq2seq.progress import track
from seq2seq.reading import Rule, pool, shares
from seq2seq.run import RunFolder
from seq2seq.stranger import read_json
from seq2seq.tokenizer import Tokenizers
from seq2seq.translate import Translation, Translator

RULE = Path("align") / "rule.json"  # in a run folder: the rule that a development set chose


class Cut(NamedTuple):
    """How the pieces of a pair make up the tokens of its gold, `</s>` last on both sides."""

    source: Float[ndarray, "src_pieces src_tokens"]
    target: Float[ndarray, "tgt_pieces tgt_tokens"]

    @classmethod
    def of(cls, translation: Translation, gold: Gold, tokenizers: Tokenizers) -> "Cut":
        """Find the gold's tokens in the pieces of both sides."""
        return cls(
            shares(translation.source_pieces, tokenizers.source.normalize(gold.source)),
            shares(translation.target_pieces, tokenizers.target.normalize(gold.target)),
        )

    @property
    def unmatched(self) -> int:
        """Tokens that have no pieces, because their characters are not there."""
        return sum(int((~side.any(0)).sum()) for side in self)

    def pool(
        self, attention: Float[ndarray, "*any rows src"]
    ) -> Float[ndarray, "*any token_rows src_tokens"]:
        """Attention between tokens; `</s>` is the last column, and the last row unless shifted."""
        return pool(attention, self.source, self.target)


def measure(
    translator: Translator, folder: Path, rule: Rule | None = None
) -> dict[str, Any] | None:
    """Force-decode the references of a test set and score the links that a rule reads.

    Args:
        translator: the trained run.
        folder: of the test set, with source.txt, reference.txt and gold beside them.
        rule: how attention is read; if None the run's own choice, else the one that `Rule`
            describes as its default.

    Returns:
        Scores over the whole set, what they were counted from, and the rule; None where the test
        set has no gold or the model no attention.

    Raises:
        UserError: the gold is not of this test set, or the model has no such layer or head.
    """
    golds = read_gold(folder)
    if golds is None:
        return None
    rule, tally, unmatched = rule or chosen_rule(translator.run), Tally(), 0
    for translation, gold in forced(translator, folder, golds):
        if translation.attention is None:
            return None
        rule = rule.resolve(*translation.attention.shape[:2])
        cut = Cut.of(translation, gold, translator.tokenizers)
        weights = cut.pool(rule.read(translation.attention))[: len(gold.target)]
        tally += Tally.of(rule.links(weights), gold.links)
        unmatched += cut.unmatched
    return {
        **tally.scores(),
        "links": tally.links,
        "sure": tally.sure,
        "possible": sum(len(gold.links.possible) for gold in golds),
        "unmatched": unmatched,
        "pairs": len(golds),
        "rule": asdict(rule),
    }


def forced(
    translator: Translator, folder: Path, golds: Sequence[Gold]
) -> Iterator[tuple[Translation, Gold]]:
    """The references of a test set as the model reads them, beside their gold.

    Raises:
        UserError: text and gold are not of the same number of pairs.
    """
    sources, references = (read_lines(folder / f"{side}.txt") for side in ("source", "reference"))
    if not len(sources) == len(references) == len(golds):
        raise UserError(
            f"{folder} has {len(sources)} sources, {len(references)} references and the gold of "
            f"{len(golds)} pairs: there must be as many of each"
        )
    read = translator.force(zip(sources, references, strict=True))
    pairs = zip(read, golds, strict=True)
    return track(pairs, f"aligning {folder.name}", total=len(golds), unit="pairs")


def chosen_rule(run: RunFolder) -> Rule:
    """The rule that was picked for a run on a development set, else the default.

    Raises:
        UserError: the file that holds the choice is damaged.
    """
    file = run.path / RULE
    if not file.is_file():
        return Rule()
    try:
        return replace(Rule(), **read_json(file)["rule"])
    except (UserError, TypeError, KeyError) as error:
        raise UserError(
            f"{file} cannot be read as a rule: {error} (delete it to read by the default rule)"
        ) from error
