"""BLEU, chrF and TER, computed by sacreBLEU.

This is the only module that imports sacrebleu (Post 2018, "A Call for Clarity in Reporting BLEU
Scores"). Every score is equal to that of the `sacrebleu` command for the same files, and has its
signature.
"""

import os
from collections.abc import Callable, Collection, Sequence
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
from seq2seq.text.languages import BY_SPACES, TOKENIZERS, Target, code, unspaced

MECAB = {  # tokenizers that need an extra of sacreBLEU
    "ja-mecab": "pip install 'sacrebleu[ja]'",
    "ko-mecab": "pip install 'sacrebleu[ko]'",
}


class Score(TypedDict):
    """A score between 0 and 100 (TER may be above), and its signature."""

    score: float
    signature: str


class Statistics(NamedTuple):
    """The sufficient statistics of one metric for each sentence of one system.

    Attributes:
        sentences: a row per sentence; the score of a set is `formula` of the sum of its rows.
        formula: computes scores from sums, with any leading dimensions.
        signature: the signature of the metric.
    """

    sentences: Float[ndarray, "lines numbers"]
    formula: Callable[[Any], Any]
    signature: str

    @property
    def score(self) -> float:
        """The score of the whole test set."""
        return float(self.formula(self.sentences.sum(0, keepdims=True))[0])


def score(
    hypotheses: list[str],
    references: list[str],
    *,
    tokenized: bool,
    language: str | None,
    tokenizer: str | None = None,
    more: Sequence[list[str]] = (),
) -> dict[str, Score]:
    """Score translations with one reference each, or several.

    Args:
        hypotheses: detokenized translations.
        references: a reference for each translation.
        tokenized: the corpus is tokenized, so also compute BLEU on its tokens.
        language: code of the target language, which selects the BLEU tokenizer; None if unknown.
        tokenizer: a sacreBLEU tokenizer, instead of that of the language.
        more: further references of the same sentences.

    Returns:
        `bleu` (cased), `bleu_lowercase`, `chrf` (chrF2), `ter`, and, if `tokenized`,
        `bleu_tokenized` (BLEU of the text split at spaces).

    Raises:
        UserError: the lists differ in length, or are empty.
    """
    sides = [_pairs(hypotheses, side)[1] for side in (references, *more)]
    hypotheses, _ = _pairs(hypotheses, references)
    # Only the first BLEU may warn about tokenized text, and only if the corpus is not tokenized.
    metrics = {
        "bleu": _bleu(language, tokenizer, force=tokenized),
        "bleu_lowercase": _bleu(language, tokenizer, lowercase=True),
        "chrf": CHRF(),
    }
    if tokenized:
        metrics["bleu_tokenized"] = BLEU(tokenize="none", force=True)
    scores = {
        name: Score(
            score=float(metric.corpus_score(hypotheses, sides).score),
            signature=str(metric.get_signature()),
        )
        for name, metric in metrics.items()
    }
    ter = _ter_statistics(hypotheses, sides, language)
    return {**scores, "ter": Score(score=ter.score, signature=ter.signature)}


def bleu(
    hypotheses: list[str],
    references: list[str],
    *,
    more: Sequence[list[str]] = (),
    language: str | None,
    tokenizer: str | None = None,
) -> float:
    """Compute only the `bleu` of `score`, which is fast enough for validation during training.

    Raises:
        UserError: the lists differ in length, or are empty.
    """
    sides = [_pairs(hypotheses, side)[1] for side in (references, *more)]
    hypotheses, _ = _pairs(hypotheses, references)
    return float(_bleu(language, tokenizer).corpus_score(hypotheses, sides).score)


def sentence_chrf(hypothesis: str, reference: str) -> float:
    """Compute chrF2 of one sentence."""
    return float(CHRF().corpus_score([hypothesis], [[reference]]).score)


def statistics(
    hypotheses: list[str],
    references: list[str],
    *,
    language: str | None,
    tokenizer: str | None = None,
    more: Sequence[list[str]] = (),
    only: Collection[str] = ("bleu", "chrf", "ter"),
) -> dict[str, Statistics]:
    """Compute the sentence statistics of BLEU, chrF and TER, for resampling.

    Args:
        hypotheses: detokenized translations.
        references: a reference for each translation.
        language: code of the target language; None if unknown.
        tokenizer: a sacreBLEU tokenizer, instead of that of the language.
        more: further references of the same sentences.
        only: the metrics to compute. TER takes most of the time.

    Returns:
        The statistics `bleu`, `chrf` and `ter`, or those of `only`.

    Raises:
        UserError: the lists differ in length, or are empty.
    """
    sides = [_pairs(hypotheses, side)[1] for side in (references, *more)]
    hypotheses, _ = _pairs(hypotheses, references)
    bleu, chrf = _bleu(language, tokenizer), CHRF()
    result = {}
    for name, metric, formula in (("bleu", bleu, formulas.bleu), ("chrf", chrf, formulas.chrf)):
        if name in only:
            counts = metric._extract_corpus_statistics(hypotheses, sides)
            signature = str(metric.get_signature())
            result[name] = Statistics(np.array(counts, np.float64), formula, signature)
    if "ter" in only:
        result["ter"] = _ter_statistics(hypotheses, sides, language)
    return result


def words(lines: list[str], language: str | None, tokenizer: str | None = None) -> list[list[str]]:
    """Split each line into the words that BLEU counts."""
    split = _bleu(language, tokenizer).tokenizer
    return [split(line.rstrip()).split() for line in lines]


def bleu_tokenizer(target: Target) -> str:
    """Return the name, as in signatures, of the sacreBLEU tokenizer of a target.

    Raises:
        UserError: the configured tokenizer is unknown or not available.
    """
    return str(_bleu(target.language, target.tokenizer).tokenizer.signature())


def warnings_about(target: Target, references: list[str]) -> list[str]:
    """Return warnings about the BLEU tokenizer: a substitute is used, or the choice is unlikely."""
    used, wanted = bleu_tokenizer(target), TOKENIZERS.get(code(target.language))
    warnings = []
    if target.tokenizer is None and wanted in MECAB and used != wanted:
        warnings.append(
            f"BLEU is computed on characters (tok:char), because {wanted} is not installed: "
            f"{MECAB[wanted]}"
        )
    if used in BY_SPACES and unspaced(references):
        warnings.append(
            f"the references have almost no spaces, but BLEU splits them at spaces (tok:{used}), "
            "so a sentence is about one word: set data.target to the language code (zh, ja, th, "
            f"...; now {target.language}), or set data.bleu_tokenizer=char (or zh, ja-mecab, "
            "flores200)"
        )
    return warnings


def bootstrap_generator() -> np.random.Generator:
    """Return a random generator seeded like that of sacreBLEU: SACREBLEU_SEED, or 12345."""
    seed = bootstrap_seed()
    return np.random.default_rng(None if seed == "none" else int(seed))


def bootstrap_seed() -> str:
    """Return the seed of resampling, as in signatures.

    Raises:
        UserError: the environment variable SACREBLEU_SEED is neither none nor a whole number.
    """
    seed = os.environ.get("SACREBLEU_SEED", "12345").lower()
    if seed != "none" and not (seed.isascii() and seed.isdecimal()):
        raise UserError(
            f"the environment variable SACREBLEU_SEED is {seed!r}: set it to none or to a whole "
            "number that is not negative, or unset it"
        )
    return seed


def _pairs(hypotheses: list[str], references: list[str]) -> tuple[list[str], list[str]]:
    """Check the lengths of both sides, and remove trailing spaces like the sacrebleu command.

    Raises:
        UserError: the lists differ in length, or are empty.
    """
    if len(hypotheses) != len(references):
        raise UserError(
            f"{len(hypotheses)} translations cannot be scored against "
            f"{len(references)} references: there must be one for each"
        )
    if not references:
        raise UserError("there is nothing to score: there are no translations and references")
    return [line.rstrip() for line in hypotheses], [line.rstrip() for line in references]


def _bleu(
    language: str | None,
    tokenizer: str | None = None,
    *,
    lowercase: bool = False,
    force: bool = True,
) -> BLEU:
    """Construct BLEU with a tokenizer; if None, with that of the language (default: 13a).

    Raises:
        UserError: the tokenizer is unknown, or its package or model is missing.
    """
    chosen = tokenizer or TOKENIZERS.get(code(language), "13a")
    try:
        return BLEU(tokenize=chosen, lowercase=lowercase, force=force)
    except RuntimeError as error:  # MeCab, for Japanese and Korean, is an extra
        if tokenizer is None:
            return BLEU(tokenize="char", lowercase=lowercase, force=force)
        raise UserError(
            f"data.bleu_tokenizer={tokenizer} needs a package that is not installed: "
            f"{MECAB.get(tokenizer, str(error).strip())}"
        ) from error
    except AssertionError as error:
        raise UserError(f"data.bleu_tokenizer={chosen} cannot be used: {error}") from error
    except (KeyError, ValueError) as error:
        raise UserError(f"data.bleu_tokenizer={chosen} is not a sacreBLEU tokenizer") from error
    except (OSError, ImportError) as error:
        raise UserError(
            f"data.bleu_tokenizer={chosen} needs a model that sacreBLEU downloads on first use, "
            f"and the download failed ({type(error).__name__}): run `sacrebleu --tokenize {chosen}`"
            " once with internet access, or choose char"
        ) from error


def _ter_statistics(
    hypotheses: list[str], references: Sequence[list[str]], language: str | None
) -> Statistics:
    """Compute the number of edits and the reference length of each sentence."""
    lines = zip(hypotheses, zip(*references, strict=True), strict=True)
    counts = np.array([_edits(hyp, refs, language) for hyp, refs in lines], np.float64)
    metric = _ter(language)
    # The signature includes the number of references, which is known after a call.
    metric.corpus_score([""], [[""] for _ in references])
    return Statistics(counts, formulas.ter, str(metric.get_signature()))


@lru_cache(maxsize=1 << 16)  # slow, and needed for scores and for comparison
def _edits(
    hypothesis: str, references: tuple[str, ...], language: str | None
) -> tuple[float, float]:
    """Compute the statistics of TER for one sentence."""
    sides = [[reference] for reference in references]
    ((edits, words),) = _ter(language)._extract_corpus_statistics([hypothesis], sides)
    return float(edits), float(words)


def _ter(language: str | None) -> TER:
    """Construct TER; on characters for languages without spaces between words."""
    by_character = code(language) in ("zh", "ja")
    return TER(normalized=by_character, asian_support=by_character)
