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
from seq2seq.text.languages import BY_SPACES, TOKENIZERS, Target, code, unspaced

MECAB = {  # what a tokenizer needs that may be missing
    "ja-mecab": "pip install 'sacrebleu[ja]'",
    "ko-mecab": "pip install 'sacrebleu[ko]'",
}


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
    hypotheses: list[str],
    references: list[str],
    *,
    tokenized: bool,
    language: str | None,
    tokenizer: str | None = None,
) -> dict[str, Score]:
    """Score translations, one reference each.

    Args:
        hypotheses: detokenised translations.
        references: as many references.
        tokenized: the corpus came with its tokens split, so that tokenised BLEU makes sense too.
        language: code of the target language, which decides how BLEU splits words; None if unknown.
        tokenizer: of sacreBLEU, where another than the language's is wanted.

    Returns:
        `bleu` (cased), `bleu_lowercase`, `chrf` (chrF2), `ter`, and `bleu_tokenized` (the text
        split at its spaces) where asked for.

    Raises:
        UserError: the two differ in length, or are empty.
    """
    hypotheses, references = _pairs(hypotheses, references)
    # Only the first is allowed to warn of text that looks tokenised, and only where it shouldn't be
    metrics = {
        "bleu": _bleu(language, tokenizer, force=tokenized),
        "bleu_lowercase": _bleu(language, tokenizer, lowercase=True),
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


def bleu(
    hypotheses: list[str],
    references: list[str],
    *,
    language: str | None,
    tokenizer: str | None = None,
) -> float:
    """The `bleu` of `score` alone, quick enough for validation while training.

    Raises:
        UserError: the two differ in length, or are empty.
    """
    hypotheses, references = _pairs(hypotheses, references)
    return float(_bleu(language, tokenizer).corpus_score(hypotheses, [references]).score)


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


def bleu_tokenizer(target: Target) -> str:
    """The sacreBLEU tokenizer that a target is split by, as signatures name it.

    Raises:
        UserError: the one that was chosen is unknown, or cannot be used here.
    """
    return str(_bleu(target.language, target.tokenizer).tokenizer.signature())


def remarks(target: Target, references: list[str]) -> list[str]:
    """What is to be said of how BLEU splits these references: a substitute, or a likely mistake."""
    used, wanted = bleu_tokenizer(target), TOKENIZERS.get(code(target.language))
    said = []
    if target.tokenizer is None and wanted in MECAB and used != wanted:
        said.append(
            f"BLEU is over characters (tok:char), because {wanted} is not installed: "
            f"{MECAB[wanted]}"
        )
    if used in BY_SPACES and unspaced(references):
        said.append(
            f"the references have next to no spaces, but BLEU splits them at spaces (tok:{used}), "
            "so that a sentence is nearly one word: name the language by its code in data.target "
            f"(now {target.language}; zh, ja, th, ...), or set data.bleu_tokenizer=char (or zh, "
            "ja-mecab, flores200)"
        )
    return said


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


def _bleu(
    language: str | None,
    tokenizer: str | None = None,
    *,
    lowercase: bool = False,
    force: bool = True,
) -> BLEU:
    """BLEU with the words of a tokenizer; if None, with those of the language (13a by default).

    Raises:
        UserError: the tokenizer is unknown, or lacks what it needs.
    """
    chosen = tokenizer or TOKENIZERS.get(code(language), "13a")
    try:
        return BLEU(tokenize=chosen, lowercase=lowercase, force=force)
    except RuntimeError as error:  # MeCab, which splits Japanese and Korean, is an extra
        if tokenizer is None:
            return BLEU(tokenize="char", lowercase=lowercase, force=force)
        raise UserError(
            f"data.bleu_tokenizer={tokenizer} needs a package that is not installed: "
            f"{MECAB.get(tokenizer, str(error).strip())}"
        ) from error
    except AssertionError as error:
        raise UserError(f"data.bleu_tokenizer={chosen} cannot be used: {error}") from error
    except (KeyError, ValueError) as error:
        raise UserError(f"data.bleu_tokenizer={chosen} is no tokenizer of sacreBLEU") from error
    except (OSError, ImportError) as error:
        raise UserError(
            f"data.bleu_tokenizer={chosen} needs a model that sacreBLEU downloads on first use, "
            f"which failed here ({type(error).__name__}): run `sacrebleu --tokenize {chosen}` once "
            "with internet access, or choose char"
        ) from error


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
    by_character = code(language) in ("zh", "ja")
    return TER(normalized=by_character, asian_support=by_character)
