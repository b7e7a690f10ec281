"""How good a translation is: BLEU, chrF and TER as sacreBLEU computes them, and how sure that is.

The only door to sacrebleu (Post 2018, "A Call for Clarity in Reporting BLEU Scores"). Every number
here equals what the `sacrebleu` command prints for the same files, and carries its signature.
"""

from typing import NamedTuple, TypedDict, cast

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest, Result

from seq2seq.errors import UserError

RESAMPLES = 1000

THREE_LETTER_CODES = {"cmn": "zh", "zho": "zh", "jpn": "ja", "kor": "ko"}


class Score(TypedDict):
    """A number between 0 and 100 (TER may be above) and how it was measured."""

    score: float
    signature: str


class Resampled(NamedTuple):
    """One metric of one system, bootstrapped (Koehn 2004).

    Attributes:
        score: on the whole test set.
        low: lower end of the 95 % interval around the mean of the resamples.
        high: its upper end.
        difference: the score minus the baseline's; None for the baseline itself.
        p: how likely chance alone makes a difference this large; None for the baseline itself.
        signature: the metric's, with the number of resamples and their seed.
    """

    score: float
    low: float
    high: float
    difference: float | None
    p: float | None
    signature: str


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
        "ter": _ter(language),
    }
    if tokenized:
        metrics["bleu_tokenized"] = BLEU(tokenize="none", force=True)
    return {
        name: Score(
            score=float(metric.corpus_score(hypotheses, [references]).score),
            signature=str(metric.get_signature()),
        )
        for name, metric in metrics.items()
    }


def bleu(hypotheses: list[str], references: list[str], *, language: str | None) -> float:
    """The `bleu` of `score` alone, quick enough for validation while training.

    Raises:
        UserError: the two differ in length, or are empty.
    """
    hypotheses, references = _pairs(hypotheses, references)
    return float(_bleu(language).corpus_score(hypotheses, [references]).score)


def interval(
    hypotheses: list[str], references: list[str], *, language: str | None
) -> tuple[float, float]:
    """The ends of the 95 % bootstrap interval of BLEU.

    Raises:
        UserError: the two differ in length, or are empty.
    """
    alone = paired_bootstrap(hypotheses, [], references, language=language)[0]["bleu"]
    return alone.low, alone.high


def paired_bootstrap(
    baseline: list[str],
    systems: list[list[str]],
    references: list[str],
    *,
    language: str | None,
) -> list[dict[str, Resampled]]:
    """Test each system against the baseline by paired bootstrap resampling (Koehn 2004).

    The resamples are the same for all; their seed is sacreBLEU's (12345, or SACREBLEU_SEED).

    Returns:
        `bleu` and `chrf` of the baseline, then of every system in the order given.

    Raises:
        UserError: a system differs in length from the references, or they are empty.
    """
    outputs = [_pairs(lines, references)[0] for lines in (baseline, *systems)]
    _, references = _pairs(baseline, references)
    metrics = {
        "bleu": _bleu(language, references=[references]),
        "chrf": CHRF(references=[references]),
    }
    signatures, results = PairedTest(
        [(str(number), lines) for number, lines in enumerate(outputs)],
        metrics,
        references=None,  # the metrics hold them
        test_type="bs",
        n_samples=RESAMPLES,
    )()
    answer: list[dict[str, Resampled]] = [{} for _ in outputs]
    for metric, (title, signature) in zip(metrics, signatures.items(), strict=True):
        first, *others = cast(list[Result], results[title])
        answer[0][metric] = _resampled(first, None, str(signature))
        for system, result in zip(answer[1:], others, strict=True):
            system[metric] = _resampled(result, first, str(signature))
    return answer


def _resampled(result: Result, baseline: Result | None, signature: str) -> Resampled:
    """What sacreBLEU found, as plain numbers."""
    mean, half = float(result.mean or 0), float(result.ci or 0)
    difference = p = None
    if baseline is not None:
        difference = float(result.score - baseline.score)
        # sacreBLEU counts the resamples that exceed what was observed. Where that is nothing at
        # all, as between equal outputs, it finds none and would report its smallest p.
        p = result.p_value if difference else 1.0
    return Resampled(float(result.score), mean - half, mean + half, difference, p, signature)


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
    *,
    lowercase: bool = False,
    force: bool = True,
    references: list[list[str]] | None = None,
) -> BLEU:
    """BLEU with the words of the language: zh, ja-mecab, ko-mecab, and 13a for all others."""
    try:
        return BLEU(
            trg_lang=_code(language), lowercase=lowercase, force=force, references=references
        )
    except RuntimeError:  # MeCab, which splits Japanese and Korean, is an extra of sacreBLEU
        return BLEU(tokenize="char", lowercase=lowercase, force=force, references=references)


def _ter(language: str | None) -> TER:
    """TER; over characters where words are not set apart, for else a sentence were one word."""
    unspaced = _code(language) in ("zh", "ja")
    return TER(normalized=unspaced, asian_support=unspaced)
