"""How good a translation is: BLEU, chrF and TER as sacreBLEU computes them, and how sure that is.

The only door to sacrebleu (Post 2018, "A Call for Clarity in Reporting BLEU Scores"). Every number
here equals what the `sacrebleu` command prints for the same files, and carries its signature.
"""

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from seq2seq.errors import UserError
from seq2seq.scoring import formulas

THREE_LETTER_CODES = {"cmn": "zh", "zho": "zh", "jpn": "ja", "kor": "ko"}


class Score(TypedDict):
    """A number between 0 and 100 (TER may be above) and how it was measured."""

    score: float
    signature: str


class Statistics(NamedTuple):
    """What one metric counts in each sentence of one output.

    Attributes:
        sentences: a row a sentence; a score is a formula of their sum.
        formula: from sums to scores, over any leading axes.
        signature: of the metric.
    """

    sentences: Float[ndarray, "lines numbers"]
    formula: Callable[[Any], Any]
    signature: str

    @property
    def score(self) -> float:
        """On the whole test set."""
        return float(self.formula(self.sentences.sum(0, keepdims=True))[0])


def score(
    hypotheses: list[str], references: list[str], *, tokenized: bool, language: str | None
) -> dict[str, Score]:
    """Score translations, one reference each.

    Args:
        hypotheses: detokenised translations.
        references: as many references.
        tokenized: the corpus came with its tokens split, so that tokenised BLEU makes sense too.
        language: code of the target language, which decides how BLEU splits words; None if unknown.

    Returns:
        `bleu` (cased), `bleu_lowercase`, `chrf` (chrF2), `ter`, and `bleu_tokenized` (the text
        split at its spaces) where asked for.

    Raises:
        UserError: the two differ in length, or are empty.
    """
    hypotheses, references = _pairs(hypotheses, references)
    # Only the first is allowed to warn of text that looks tokenised, and only where it shouldn't be
    metrics = {
        "bleu": _bleu(language, force=tokenized),
        "bleu_lowercase": _bleu(language, lowercase=True),
        "chrf": CHRF(),
    }
    if tokenized:
        metrics["bleu_tokenized"] = BLEU(tokenize="none", force=True)
    found = {
        name: Score(
            score=float(metric.corpus_score(hypotheses, [references]).score),
            signature=str(metric.get_signature()),
        )
        for name, metric in metrics.items()
    }
    ter = _ter_statistics(hypotheses, [references], language)
    return {**found, "ter": Score(score=ter.score, signature=ter.signature)}


def bleu(hypotheses: list[str], references: list[str], *, language: str | None) -> float:
    """The `bleu` of `score` alone, quick enough for validation while training.

    Raises:
        UserError: the two differ in length, or are empty.
    """
    hypotheses, references = _pairs(hypotheses, references)
    return float(_bleu(language).corpus_score(hypotheses, [references]).score)


def statistics(
    hypotheses: list[str],
    references: list[str],
    *,
    language: str | None,
    tokenizer: str | None = None,
    more: Sequence[list[str]] = (),
) -> dict[str, Statistics]:
    """What `bleu`, `chrf` and `ter` count in each sentence, to be scored again and again.

    Args:
        hypotheses: detokenised translations.
        references: as many references.
        language: code of the target language; None if unknown.
        tokenizer: of sacreBLEU, where another than the language's is wanted.
        more: further references of the same sentences.

    Raises:
        UserError: two of them differ in length, or are empty.
    """
    sides = [_pairs(hypotheses, side)[1] for side in (references, *more)]
    hypotheses, _ = _pairs(hypotheses, references)
    bleu, chrf = _bleu(language, tokenizer), CHRF()
    found = {}
    for name, metric, formula in (("bleu", bleu, formulas.bleu), ("chrf", chrf, formulas.chrf)):
        counts = metric._extract_corpus_statistics(hypotheses, sides)
        signature = str(metric.get_signature())
        found[name] = Statistics(np.array(counts, np.float64), formula, signature)
    return {**found, "ter": _ter_statistics(hypotheses, sides, language)}


def words(lines: list[str], language: str | None, tokenizer: str | None = None) -> list[list[str]]:
    """The words that BLEU counts in each line."""
    split = _bleu(language, tokenizer).tokenizer
    return [split(line.rstrip()).split() for line in lines]


def bootstrap_generator() -> np.random.Generator:
    """The generator that sacreBLEU resamples with: seeded by SACREBLEU_SEED, else by 12345."""
    seed = bootstrap_seed()
    return np.random.default_rng(None if seed == "none" else int(seed))


def bootstrap_seed() -> str:
    """The seed as signatures tell it."""
    return os.environ.get("SACREBLEU_SEED", "12345").lower()


def _pairs(hypotheses: list[str], references: list[str]) -> tuple[list[str], list[str]]:
    """Both sides without trailing spaces, as the sacrebleu command reads them."""
    if len(hypotheses) != len(references):
        raise UserError(
            f"{len(hypotheses)} translations cannot be scored against "
            f"{len(references)} references: there must be one for each"
        )
    if not references:
        raise UserError("there is nothing to score: 0 translations and 0 references")
    return [line.rstrip() for line in hypotheses], [line.rstrip() for line in references]


def _code(language: str | None) -> str:
    """The two-letter code that sacreBLEU knows a language by: `zh` for zh, zh-CN, zho_Hans."""
    code = (language or "").replace("_", "-").split("-")[0].lower()
    return THREE_LETTER_CODES.get(code, code)


def _bleu(
    language: str | None,
    tokenizer: str | None = None,
    *,
    lowercase: bool = False,
    force: bool = True,
) -> BLEU:
    """BLEU with the words of the language: zh, ja-mecab, ko-mecab, and 13a for all others."""
    if tokenizer is not None:
        try:
            return BLEU(tokenize=tokenizer, lowercase=lowercase, force=force)
        except (AssertionError, KeyError, ValueError, RuntimeError, ImportError, OSError) as error:
            raise UserError(f"the BLEU tokenizer {tokenizer!r} cannot be used: {error}") from error
    try:
        return BLEU(trg_lang=_code(language), lowercase=lowercase, force=force)
    except RuntimeError:  # MeCab, which splits Japanese and Korean, is an extra of sacreBLEU
        return BLEU(tokenize="char", lowercase=lowercase, force=force)


def _ter_statistics(
    hypotheses: list[str], references: Sequence[list[str]], language: str | None
) -> Statistics:
    """Edits and words of the references, sentence by sentence."""
    lines = zip(hypotheses, zip(*references, strict=True), strict=True)
    counts = np.array([_edits(ours, theirs, language) for ours, theirs in lines], np.float64)
    metric = _ter(language)
    metric.corpus_score(
        [""], [[""] for _ in references]
    )  # a signature is that of a metric which has seen references
    return Statistics(counts, formulas.ter, str(metric.get_signature()))


@lru_cache(maxsize=1 << 16)  # what is scored is then compared, and this takes seconds a text
def _edits(
    hypothesis: str, references: tuple[str, ...], language: str | None
) -> tuple[float, float]:
    """What TER counts in one sentence."""
    sides = [[reference] for reference in references]
    ((edits, words),) = _ter(language)._extract_corpus_statistics([hypothesis], sides)
    return float(edits), float(words)


def _ter(language: str | None) -> TER:
    """TER; over characters where words are not set apart, for else a sentence were one word."""
    unspaced = _code(language) in ("zh", "ja")
    return TER(normalized=unspaced, asian_support=unspaced)
