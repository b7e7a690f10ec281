"""`seq2seq evaluate`: translate the test sets of a run, and compute and store its scores."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.alignment.method_names import Hide, MethodName
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret import alignment
from seq2seq.interpret.chosen_rule import changed, chosen_rule
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.methods.attention import NoAttentionError
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.interpret.self_attention import with_self_attention
from seq2seq.runs import stored_attention
from seq2seq.runs.folder import RunFolder
from seq2seq.scoring import breakdown, metrics
from seq2seq.scoring.perplexity import mean_loss, perplexity, perplexity_key
from seq2seq.system.console import bar, console, track
from seq2seq.system.files import folder_lock, read_lines_checked, sha256, write_json, write_lines
from seq2seq.system.provenance import environment, timestamp
from seq2seq.system.terminal_table import TableView
from seq2seq.text.agreement import read_agreements
from seq2seq.text.languages import Target, is_tokenized
from seq2seq.text.pronoun import read_pronouns
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator

UNSCORED = ("validation", "examples")  # seen during training; a few sentences for figures


def evaluate(
    path: str | Path,
    tests: Sequence[str] = (),
    *,
    beam: int | None = None,
    method: MethodName | None = None,
    hide: Hide | None = None,
    rounds: int | None = None,
    lengths: int | None = None,
    forms: Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Translate test sets; write scores.json, and the hypotheses and attention in hyps/TEST.

    Args:
        path: the run folder.
        tests: names of test sets; if empty, all except UNSCORED.
        beam: beam size; that of the run if None.
        method: the method whose map is stored and scored against gold links; that of the run's
            extraction rule if None.
        hide: how the method `occlusion` hides a word.
        rounds: number of rounds of mask-predict; that of the run if None.
        lengths: number of lengths of mask-predict; that of the run if None.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        device: the device to translate on.

    Returns:
        The entry in scores.json of each test set, by name.

    Raises:
        UserError: the path is not a run folder, its training has not finished, it has no such test
            set, a number has no effect on its search, or the method cannot be applied to the model.
    """
    run = RunFolder.open(path)
    names = list(tests) or [name for name in run.tests if name not in UNSCORED]
    if not names:
        raise UserError(f"the run {str(path)!r} has no test set; try --test validation")
    folders = {name: run.test(name) for name in names}
    translator = Translator(run, beam=beam, rounds=rounds, lengths=lengths, device=device)
    rule = changed(chosen_rule(run), method=method, hide=hide)
    refuse_forms(forms, rule)
    if forms is not None:
        with_forms(translator, forms)
    check_rule(translator, rule)
    done = {}
    for name, folder in folders.items():
        # Another process may evaluate the same run. Lock the test set's folder, and merge the
        # scores into the current content of scores.json.
        with folder_lock(folder, waiting=f"waiting for another process that evaluates {folder}"):
            done[name] = evaluate_one(translator, folder, rule)
            with folder_lock(run.path):
                write_json(run.path / "scores.json", {**run.scores, name: done[name]})
    return done


def check_rule(translator: Translator, rule: Rule) -> None:
    """Apply a rule to a short pair, so that it is refused before a test set is translated.

    A model without attention can be evaluated: the default rule has no map then.

    Raises:
        UserError: the method cannot be applied to the model, or it has no such layer or head.
    """
    try:
        (explained,) = alignment.explain_pairs(translator, [("a", "a")], rule)
    except NoAttentionError:
        return
    rule.resolve(*explained.map.values.shape[:2])


def evaluate_one(translator: Translator, folder: Path, rule: Rule) -> dict[str, Any]:
    """Translate one test set, write its hypotheses, and return its entry in scores.json."""
    sources = read_lines_checked(folder / "source.txt")
    references = read_lines_checked(folder / "reference.txt")
    if len(sources) != len(references):
        raise UserError(
            f"{folder / 'source.txt'} has {len(sources)} lines and reference.txt {len(references)}"
        )
    if not sources:
        raise UserError(f"{folder / 'source.txt'} has no lines")
    # Gold files are read first, so that damaged ones are refused before the test set is translated.
    agreements, pronouns = read_agreements(folder), read_pronouns(folder)
    GoldSet.of_test(folder)
    started = time.perf_counter()
    with bar() as progress:
        task = progress.add_task(f"translating {folder.name}", total=len(sources), unit="sentences")
        translations = translator.n_best(sources, 1, done=lambda n: progress.advance(task, n))
    seconds = time.perf_counter() - started
    if cut := sum(best.cut for best, *_ in translations):
        console.print(f"{cut} translations of {folder.name} were cut off at the maximum length")
    hypotheses = [best.text for best, *_ in translations]
    (folder / stored_attention.FILE).unlink(missing_ok=True)  # it is of the old translations
    write_lines(folder / "hypothesis.txt", hypotheses)
    store_attention(translator, folder, list(zip(sources, hypotheses, strict=True)), rule)

    tokenizers, data = translator.tokenizers, translator.run.config["data"]
    ids = zip(tokenizers.source.encode(sources), tokenizers.target.encode(references), strict=True)
    info = translator.run.info
    target = Target.of(data)
    warn_about_bleu_tokenizer(target, references, info)
    agreeing = agreements and breakdown.agreement(hypotheses, agreements)
    referring = pronouns and breakdown.pronoun(hypotheses, pronouns)
    aligned = alignment.measure(translator, folder, rule)
    name = perplexity_key(translator.model)
    return {
        **metrics.score(
            hypotheses,
            references,
            tokenized=is_tokenized(data),
            **target._asdict(),
        ),
        "exact_match": breakdown.exact_match(hypotheses, references),
        "by_length": breakdown.by_length(sources, hypotheses, references, **target._asdict()),
        **({"agreement": agreeing} if agreeing else {}),
        **({"pronoun": referring} if referring else {}),
        **({"alignment": aligned} if aligned else {}),
        name: {"score": perplexity(mean_loss(translator.model, list(ids))), "unit": "piece"},
        "seconds": seconds,
        "sentences_per_second": len(sources) / seconds,
        "search": {"kind": type(translator.search).__name__, **vars(translator.search)},
        "test": {
            "lines": len(sources),
            "source_sha256": sha256(folder / "source.txt"),
            "reference_sha256": sha256(folder / "reference.txt"),
        },
        "model_sha256": sha256(translator.run.path / "model.safetensors"),
        "config": translator.run.config,
        "data": info.get("data"),
        "seed": info.get("seed"),
        **environment(),
        "date": timestamp(),
    }


def warn_about_bleu_tokenizer(
    target: Target, references: list[str], info: Mapping[str, Any]
) -> None:
    """Print a warning if the BLEU tokenizer does not fit, or differs from that of training."""
    for remark in metrics.warnings_about(target, references):
        console.print(remark, markup=False)
    facts = info.get("data")
    before = facts.get("bleu_tokenizer") if isinstance(facts, dict) else None
    if before not in (None, now := metrics.bleu_tokenizer(target)):
        console.print(
            f"BLEU is computed with tok:{now}, but validation during training used tok:{before}: "
            "the scores are not comparable",
            markup=False,
        )


def store_attention(
    translator: Translator, folder: Path, pairs: list[tuple[str, str]], rule: Rule
) -> None:
    """Write the map of a rule between the words of each pair, unless there is no attention.

    Maps that are too large are not written, which is reported.

    The translations are force-decoded in batches, which takes a fraction of the time of the search.
    """
    lines, size = [], 0
    found = alignment.explain_pairs(translator, pairs, rule)
    work = f"reading the {rule.method} of {folder.name}"
    try:
        for explained in track(found, work, total=len(pairs), unit="sentences"):
            rule = rule.resolve(*explained.map.values.shape[:2])
            lines.append(word_attention(explained, rule))
            size += lines[-1].weights.size
            if size > stored_attention.MOST_WEIGHTS:
                console.print(
                    f"the {rule.method} of {folder.name} is not stored: it has more than "
                    f"{stored_attention.MOST_WEIGHTS:,} bytes"
                )
                return
    except NoAttentionError:
        return
    lines, columns = with_self_attention(translator, folder.name, pairs, lines)
    stored_attention.write(folder, lines, rule.record(), columns)


def word_attention(explained: alignment.Explained, rule: Rule) -> stored_attention.WordAttention:
    """Return the values that a rule reads, between words; empty for an empty source."""
    if explained.translation.source_pieces == [END]:
        return stored_attention.WordAttention([], [], np.zeros((0, 0), dtype=np.uint8))
    weights = np.rint(255 * explained.shares(rule)).astype(np.uint8)
    target = [*explained.gold.target, END][: len(weights)]
    return stored_attention.WordAttention([*explained.gold.source, END], target, weights)


def score_table(done: dict[str, Any]) -> TableView:
    """Return a table of scores with a row per test set."""
    columns = {"bleu": "BLEU", "bleu_lowercase": "lower", "bleu_tokenized": "tokens"}
    columns |= {"chrf": "chrF", "ter": "TER", "perplexity": "ppl", "exact_match": "exact"}
    columns |= {"pseudo_perplexity": "pseudo-ppl", "agreement": "agree", "pronoun": "pronoun"}
    columns = {key: head for key, head in columns.items() if any(key in e for e in done.values())}
    rows = []
    for name, entry in done.items():
        numbers = [f"{entry[key]['score']:.2f}" if key in entry else "-" for key in columns]
        rows.append([name, *numbers, f"{entry['sentences_per_second']:.1f}"])
    return TableView(["test", *columns.values(), "sent/s"], rows)
