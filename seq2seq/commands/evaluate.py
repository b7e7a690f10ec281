"""Scores of a run on its test sets: translate, measure, write down with all that it took."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.errors import UserError
from seq2seq.interpret import alignment, chosen_rule
from seq2seq.runs import stored_attention
from seq2seq.runs.folder import RunFolder
from seq2seq.scoring import breakdown, metrics
from seq2seq.scoring.perplexity import mean_loss, perplexity
from seq2seq.system.console import bar, console, track
from seq2seq.system.files import alone_in, read_back, sha256, write_json, write_lines
from seq2seq.system.provenance import commit, machine, versions
from seq2seq.system.terminal_table import TableView
from seq2seq.text.agreement import read_agreements
from seq2seq.text.languages import Target
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator

UNSCORED = ("validation", "examples")  # what training looked at; a handful of sentences to draw


def evaluate(
    path: str | Path,
    tests: Sequence[str] = (),
    *,
    beam: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Translate test sets and write scores.json, and hypotheses and their attention into hyps/TEST.

    Args:
        path: the run folder.
        tests: names of test sets; all that the corpus has, if empty (UNSCORED only by name).
        beam: another beam than the run's own.
        device: where to translate.

    Returns:
        What was written for each test set, by name.

    Raises:
        UserError: the run is none or unfinished, or has no such test set.
    """
    run = RunFolder.open(path)
    names = list(tests) or [name for name in run.tests if name not in UNSCORED]
    if not names:
        raise UserError(f"the run {str(path)!r} has no test set; try --test validation")
    folders = {name: run.test(name) for name in names}
    translator = Translator(run, beam=beam, device=device)
    done = {}
    for name, folder in folders.items():
        # Another process may evaluate the same run: one at a time writes into a test set's folder,
        # and what it has found joins what is in scores.json by then.
        with alone_in(folder, waiting=f"waiting for another process that evaluates {folder}"):
            done[name] = evaluate_one(translator, folder)
            with alone_in(run.path):
                write_json(run.path / "scores.json", {**run.scores, name: done[name]})
    return done


def evaluate_one(translator: Translator, folder: Path) -> dict[str, Any]:
    """Translate one test set, write its hypotheses, return its entry of scores.json."""
    sources, references = read_back(folder / "source.txt"), read_back(folder / "reference.txt")
    if len(sources) != len(references):
        raise UserError(
            f"{folder / 'source.txt'} has {len(sources)} lines and reference.txt {len(references)}"
        )
    if not sources:
        raise UserError(f"{folder / 'source.txt'} has no lines")
    started = time.perf_counter()
    with bar() as progress:
        task = progress.add_task(f"translating {folder.name}", total=len(sources), unit="sentences")
        found = translator.n_best(sources, 1, done=lambda n: progress.advance(task, n))
    seconds = time.perf_counter() - started
    if cut := sum(best.cut for best, *_ in found):
        console.print(f"{cut} translations of {folder.name} reached the longest length allowed")
    hypotheses = [best.text for best, *_ in found]
    write_lines(folder / "hypothesis.txt", hypotheses)
    keep_attention(translator, folder, list(zip(sources, hypotheses, strict=True)))

    tokenizers, data = translator.tokenizers, translator.run.config["data"]
    ids = zip(tokenizers.source.encode(sources), tokenizers.target.encode(references), strict=True)
    info = translator.run.info
    target, agreements = Target.of(data), read_agreements(folder)
    say_how_words_are_split(target, references, info)
    agreeing = agreements and breakdown.agreement(hypotheses, agreements)
    aligned = alignment.measure(translator, folder)
    return {
        **metrics.score(
            hypotheses,
            references,
            tokenized=data.get("tokenized", False),
            **target._asdict(),
        ),
        "exact_match": breakdown.exact_match(hypotheses, references),
        "by_length": breakdown.by_length(sources, hypotheses, references, **target._asdict()),
        **({"agreement": agreeing} if agreeing else {}),
        **({"alignment": aligned} if aligned else {}),
        "perplexity": {
            "score": perplexity(mean_loss(translator.model, list(ids))),
            "unit": "piece",
        },
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
        "versions": versions(),
        "commit": commit(),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def say_how_words_are_split(target: Target, references: list[str], info: Mapping[str, Any]) -> None:
    """Say what is odd in how BLEU splits references, or other than while training."""
    for remark in metrics.remarks(target, references):
        console.print(remark, markup=False)
    facts = info.get("data")
    before = facts.get("bleu_tokenizer") if isinstance(facts, dict) else None
    if before not in (None, now := metrics.bleu_tokenizer(target)):
        console.print(
            f"BLEU is measured with tok:{now}, but validation while training used tok:{before}: "
            "the two are not comparable",
            markup=False,
        )


def keep_attention(translator: Translator, folder: Path, pairs: list[tuple[str, str]]) -> None:
    """Write where the words of each translation looked; nothing for a model without attention.

    The model reads its translations again, all their words at once: that takes a fraction of the
    search's time, and no more memory than a few sentences at a time.
    """
    rule, lines = chosen_rule.chosen_rule(translator.run), []
    for read in track(
        translator.force(pairs, scored=False),
        f"looking at {folder.name}",
        total=len(pairs),
        unit="sentences",
    ):
        if read.attention is None:
            return
        rule = rule.resolve(*read.attention.shape[:2])
        if read.source_pieces == [END]:
            lines.append(stored_attention.WordAttention([], [], np.zeros((0, 0), dtype=np.uint8)))
            continue
        words = alignment.Alignment.of(read, rule, translator.tokenizers, forced=True)
        weights = np.rint(255 * np.array(words.weights)).astype(np.uint8)
        lines.append(
            stored_attention.WordAttention(words.source_words, words.target_words, weights)
        )
    stored_attention.write(folder, lines, asdict(rule))


def score_table(done: dict[str, Any]) -> TableView:
    """The scores of each test set, a row each."""
    columns = {"bleu": "BLEU", "bleu_lowercase": "lower", "bleu_tokenized": "tokens"}
    columns |= {"chrf": "chrF", "ter": "TER", "perplexity": "ppl", "exact_match": "exact"}
    columns |= {"agreement": "agree"}
    columns = {key: head for key, head in columns.items() if any(key in e for e in done.values())}
    rows = []
    for name, entry in done.items():
        numbers = [f"{entry[key]['score']:.2f}" if key in entry else "-" for key in columns]
        rows.append([name, *numbers, f"{entry['sentences_per_second']:.1f}"])
    return TableView(["test", *columns.values(), "sent/s"], rows)
