"""`seq2seq evaluate`: translate the test sets of a run, and compute and store its scores."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seq2seq.alignment.method_names import Hide, MethodName, hides_words
from seq2seq.alignment.rule import Rule
from seq2seq.compare.files import more_references
from seq2seq.errors import UserError
from seq2seq.interpret import alignment, calibration
from seq2seq.interpret.chosen_rule import changed, chosen_rule
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.methods.attention import NoAttentionError
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.interpret.stored_maps import store_maps
from seq2seq.interpret.token_scores import HIDE, Scored, score_translations, token_scores
from seq2seq.runs import stored_attention, word_scores
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.references import (
    read_references,
    references_sha256,
    write_further_references,
)
from seq2seq.runs.weights import unchanged_weights
from seq2seq.scoring import breakdown, metrics
from seq2seq.scoring.perplexity import perplexity, perplexity_key
from seq2seq.scoring.source_share import summarize
from seq2seq.system.console import bar, console, track
from seq2seq.system.files import folder_lock, read_lines_checked, sha256, write_json, write_lines
from seq2seq.system.provenance import environment, timestamp
from seq2seq.system.terminal_table import TableView
from seq2seq.text.agreement import read_agreements
from seq2seq.text.languages import Target, is_tokenized
from seq2seq.text.pronoun import read_pronouns
from seq2seq.translation.processes import TranslationProcesses
from seq2seq.translation.translator import Translator

UNSCORED = ("validation", "examples")  # seen during training; a few sentences for figures


def evaluate(
    path: str | Path,
    tests: Sequence[str] = (),
    *,
    beam: int | None = None,
    method: MethodName | None = None,
    methods: Sequence[MethodName] = (),
    hide: Hide | None = None,
    source_share: bool = False,
    rounds: int | None = None,
    lengths: int | None = None,
    forms: Path | None = None,
    references: Sequence[Path] = (),
    device: str = "auto",
    devices: int = 1,
) -> dict[str, Any]:
    """Translate test sets; write scores.json, and in hyps/TEST the hypotheses and what reads them.

    Args:
        path: the run folder.
        tests: names of test sets; if empty, all except UNSCORED.
        beam: beam size; that of the run if None.
        method: the method whose map is stored and scored against gold links; that of the run's
            extraction rule if None.
        methods: instead of `method`, several methods whose maps are stored. The map of the first is
            scored against gold links.
        hide: how the method `occlusion` hides a word.
        source_share: compute how much of each word the source explains, which takes another forced
            pass.
        rounds: number of rounds of mask-predict; that of the run if None.
        lengths: number of lengths of mask-predict; that of the run if None.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        references: `TEST=FILE`, further references of a test set, which are stored in the run;
            BLEU, chrF and TER use all references.
        device: the device to translate on.
        devices: number of processes that translate together, each on a GPU or a share of the
            processors; the scores are the same as with one.

    Returns:
        The entry in scores.json of each test set, by name; nothing in a process with rank > 0.

    Raises:
        UserError: the path is not a run folder with saved weights, it has no such test set, a
            number has no effect on its search, or a method cannot be applied to the model.
    """
    processes = TranslationProcesses(devices, device)
    with processes.ended_together():
        run = RunFolder.open(path)
        run.scores  # noqa: B018 - a damaged file is refused before the work, not after it
        names = list(tests) or [name for name in run.tests if name not in UNSCORED]
        if not names:
            rest = list(run.tests)
            hint = f"; try --test {rest[0]}" if rest else ", which `push --no-texts` leaves out"
            raise UserError(f"the run {str(path)!r} has no test set{hint}")
        folders = {name: run.test(name) for name in names}
        added = more_references(
            references,
            {name: read_lines_checked(one / "source.txt") for name, one in folders.items()},
        )
        with unchanged_weights(run) as weights_sha256:
            translator = Translator(
                run, beam=beam, rounds=rounds, lengths=lengths, device=processes.device
            )
        rules = rules_of(run, method, methods, hide)
        refuse_forms(forms, *rules)
        if forms is not None:
            with_forms(translator, forms)
        for rule in rules:
            check_rule(translator, rule, named=bool(method or methods))
        processes.start()
        if not processes.leads:
            help_translating(processes, translator, folders.values())
            return {}
        done = {}
        for name, folder in folders.items():
            # Another process may evaluate the same run. Lock the test set's folder, and merge the
            # scores into the current content of scores.json.
            waiting = f"waiting for another process that evaluates {folder}"
            with folder_lock(folder, waiting=waiting):
                if name in added:
                    write_further_references(folder, [lines for _, lines in added[name]])
                done[name] = evaluate_one(
                    translator,
                    folder,
                    rules,
                    source_share=source_share,
                    processes=processes,
                    weights_sha256=weights_sha256,
                )
                with folder_lock(run.path):
                    write_json(run.path / "scores.json", {**run.scores, name: done[name]})
    return done


def help_translating(
    processes: TranslationProcesses, translator: Translator, folders: Iterable[Path]
) -> None:
    """Translate this process's share of each test set, for the process with rank 0."""
    for folder in folders:
        if processes.wait():
            translator.n_best(read_lines_checked(folder / "source.txt"), 1, share=processes.share)


def rules_of(
    run: RunFolder,
    method: MethodName | None,
    methods: Sequence[MethodName],
    hide: Hide | None,
) -> list[Rule]:
    """Return the extraction rule of each method whose map is stored.

    Raises:
        UserError: `method` and `methods` are given, or `hide` has no effect.
    """
    own = chosen_rule(run)
    if not methods:
        return [changed(own, method=method, hide=hide)]
    if method is not None:
        raise UserError("--method and --methods exclude each other: --methods has all methods")
    hiding = {name for name in methods if hides_words(name)}
    if hide is not None and not hiding:
        raise UserError(f"--hide {hide} has no effect without occlusion in --methods")
    return [changed(own, method=name, hide=hide if name in hiding else None) for name in methods]


def check_rule(translator: Translator, rule: Rule, *, named: bool) -> None:
    """Apply a rule to a short pair, so that it is refused before a test set is translated.

    A model without attention can be evaluated if no method was named: the default rule has no map
    then.

    Raises:
        UserError: the method cannot be applied to the model, or it has no such layer or head.
    """
    try:
        (explained,) = alignment.explain_pairs(translator, [("a", "a")], rule)
    except NoAttentionError:
        if named:
            raise
        return
    rule.resolve(*explained.map.values.shape[:2])


def evaluate_one(
    translator: Translator,
    folder: Path,
    rules: Sequence[Rule],
    *,
    source_share: bool,
    processes: TranslationProcesses,
    weights_sha256: str,
) -> dict[str, Any]:
    """Translate one test set, write its hypotheses, and return its entry in scores.json."""
    sources = read_lines_checked(folder / "source.txt")
    references, *more = read_references(folder)
    if len(sources) != len(references):
        raise UserError(
            f"{folder / 'source.txt'} has {len(sources)} lines and reference.txt {len(references)}"
        )
    if not sources:
        raise UserError(f"{folder / 'source.txt'} has no lines")
    # Gold files are read first, so that damaged ones are refused before the test set is translated.
    agreements, pronouns = read_agreements(folder), read_pronouns(folder)
    GoldSet.of_test(folder)
    processes.begin()
    started, count = time.perf_counter(), processes.share.count
    with bar() as progress:
        task = progress.add_task(f"translating {folder.name}", total=len(sources), unit="sentences")
        translations = translator.n_best(
            sources, 1, done=lambda n: progress.advance(task, n * count), share=processes.share
        )
    seconds = time.perf_counter() - started
    if cut := sum(best.cut for best, *_ in translations):
        console.print(
            f"{cut} translations of {folder.name} have the maximum length and may be cut off"
        )
    hypotheses = [best.text for best, *_ in translations]
    for file in (stored_attention.FILE, word_scores.FILE):  # they are of the old translations
        (folder / file).unlink(missing_ok=True)
    write_lines(folder / "hypothesis.txt", hypotheses)
    pairs = list(zip(sources, hypotheses, strict=True))
    store_maps(translator, folder, pairs, rules)
    scored = store_word_scores(translator, folder, pairs, source_share=source_share)

    tokenizers, data = translator.tokenizers, translator.run.config["data"]
    ids = tokenizers.target.encode(references)
    tokens = token_scores(
        translator, list(zip(tokenizers.source.encode(sources), ids, strict=True))
    )
    loss = -sum(float(one.log_p.sum()) for one in tokens) / sum(len(one.log_p) for one in tokens)
    shares = summarize(sources, [one.words for one in scored], HIDE) if source_share else None
    info = translator.run.info
    target = Target.of(data)
    warn_about_bleu_tokenizer(target, references, info)
    agreeing = agreements and breakdown.agreement(hypotheses, agreements)
    referring = pronouns and breakdown.pronoun(hypotheses, pronouns)
    aligned = alignment.measure(translator, folder, rules[0])
    name = perplexity_key(translator.model)
    return {
        **metrics.score(
            hypotheses,
            references,
            more=more,
            tokenized=is_tokenized(data),
            **target._asdict(),
        ),
        "exact_match": breakdown.exact_match(hypotheses, references, more=more),
        "by_length": breakdown.by_length(
            sources, hypotheses, references, more=more, **target._asdict()
        ),
        **({"agreement": agreeing} if agreeing else {}),
        **({"pronoun": referring} if referring else {}),
        **({"alignment": aligned} if aligned else {}),
        name: {"score": perplexity(loss), "unit": "piece"},
        "calibration": calibration.measure(translator.model, scored, tokens, ids),
        **({"source_share": shares} if shares else {}),
        "seconds": seconds,
        "sentences_per_second": len(sources) / seconds,
        **({"processes": count} if count > 1 else {}),
        "search": {"kind": type(translator.search).__name__, **vars(translator.search)},
        "test": {
            "lines": len(sources),
            "source_sha256": sha256(folder / "source.txt"),
            "reference_sha256": references_sha256(folder),
        },
        "model_sha256": weights_sha256,
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


def store_word_scores(
    translator: Translator, folder: Path, pairs: list[tuple[str, str]], *, source_share: bool
) -> list[Scored]:
    """Score the words of translations, and write the scores unless they are too large."""
    found = score_translations(translator, pairs, source_share=source_share)
    work = f"scoring the words of {folder.name}"
    scored = list(track(found, work, total=len(pairs), unit="sentences"))
    if not word_scores.write(folder, [one.words for one in scored], HIDE if source_share else None):
        console.print(f"the scores of the words of {folder.name} are not stored: too many words")
    return scored


def score_table(done: dict[str, Any]) -> TableView:
    """Return a table of scores with a row per test set."""
    columns = {"bleu": "BLEU", "bleu_lowercase": "lower", "bleu_tokenized": "tokens"}
    columns |= {"chrf": "chrF", "ter": "TER", "perplexity": "ppl", "exact_match": "exact"}
    columns |= {"pseudo_perplexity": "pseudo-ppl", "agreement": "agree", "pronoun": "pronoun"}
    columns |= {"output": "ECE", "source_share": "source"}  # the ECE is that of the own output
    known = {name: {**one, **one.get("calibration", {})} for name, one in done.items()}
    columns = {
        key: head for key, head in columns.items() if any(e.get(key) for e in known.values())
    }
    rows = []
    for name, entry in known.items():
        numbers = [f"{entry[key]['score']:.2f}" if entry.get(key) else "-" for key in columns]
        rows.append([name, *numbers, f"{entry['sentences_per_second']:.1f}"])
    return TableView(["test", *columns.values(), "sent/s"], rows)
