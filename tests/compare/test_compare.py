"""Comparison: what is compared with what, every refusal by its sentence, every name unharmed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import (
    BAD,
    GOOD,
    REFERENCES,
    SOURCES,
    TEST,
    add_probabilities,
    digest,
    edit_json,
    make_run,
    shown,
)
from markdown_it import MarkdownIt
from sacrebleu.metrics import BLEU, CHRF, TER

from seq2seq.compare import compare
from seq2seq.compare.report import write
from seq2seq.compare.report.markdown import markdown
from seq2seq.compare.significance import Resampling
from seq2seq.errors import UserError
from seq2seq.scoring.metrics import statistics
from seq2seq.system.files import write_lines

OTHER = [line.replace("Wiese", "Weide") for line in GOOD]


pytestmark = pytest.mark.usefixtures("few_resamples")


# what is compared


def test_runs_that_differ_in_their_seed_are_one_system(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"rnn-{seed}", GOOD, seed=seed) for seed in (1, 2, 10)]
    runs += [make_run(tmp_path / "other", BAD, model={"dim": 3}, seed=1)]
    found = compare([runs[0], runs[3], *runs[1:3]])
    assert [system.name for system in found.systems] == ["rnn", "other"]
    assert [run.name for run in found.systems[0].runs] == ["rnn-1", "rnn-2", "rnn-10"]


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},  # again: something else must differ
        {"data": {"train": {"sha256": "other text"}}},
        {"seed": None},
    ],
)
def test_what_differs_in_more_is_a_system_of_its_own(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    first = make_run(tmp_path / "a", GOOD, seed=1)
    second = make_run(tmp_path / "b", GOOD, **{"seed": 2, **changed})
    assert len(compare([first, second]).systems) == 2


def test_another_search_is_another_system(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"a-{seed}", GOOD, seed=seed) for seed in (1, 2)]
    edit_json(runs[1] / "scores.json", TEST, "search", value={"beam": 1})
    found = compare(runs)
    assert [system.name for system in found.systems] == ["a-1", "a-2"]
    assert 'Search settings of a-2: {"beam": 1}.' in found.tests[0].notes


def test_names_and_places_make_no_other_system(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name / "run", GOOD, seed=seed, config={"runs_dir": name, "name": name})
        for seed, name in enumerate(("here", "there"), 1)
    ]
    assert [system.name for system in compare(runs).systems] == ["here/run and 1 more"]


def test_a_system_has_the_mean_over_its_seeds_and_their_deviation(tmp_path: Path) -> None:
    outputs = GOOD, OTHER, BAD
    runs = [make_run(tmp_path / f"a-{n}", lines, seed=n) for n, lines in enumerate(outputs)]
    found = compare(runs).tests[0].quality
    alone = [compare([run]).tests[0].quality.means[run.name]["bleu"].mean for run in runs]
    mean = sum(alone) / 3
    assert found.means["a"]["bleu"].mean == pytest.approx(mean)
    squares = sum((score - mean) ** 2 for score in alone)
    assert found.means["a"]["bleu"].deviation == pytest.approx((squares / 2) ** 0.5)
    assert found.systems["a"]["bleu"].low < mean < found.systems["a"]["bleu"].high


def test_a_system_of_equal_seeds_is_tested_as_one_of_them(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"a-{seed}", GOOD, seed=seed) for seed in (1, 2)]
    other = make_run(tmp_path / "b", OTHER, model={"dim": 3})
    for metric in ("bleu", "chrf", "ter"):
        (many,) = compare([*runs, other]).tests[0].quality.pairs[metric]
        (one,) = compare([runs[0], other]).tests[0].quality.pairs[metric]
        assert many.difference == pytest.approx(one.difference)
        assert (many.bootstrap, many.randomised) == (one.bootstrap, one.randomised)


def test_only_who_is_ahead_with_every_seed_is_a_winner(tmp_path: Path) -> None:
    good = make_run(tmp_path / "a-1", REFERENCES, seed=1)
    worse = make_run(tmp_path / "a-2", BAD, seed=2)
    other = make_run(tmp_path / "b", GOOD, model={"dim": 3})
    for runs, winner, ahead in (([good], "a-1", 1), ([good, worse], None, 0.5)):
        for metric in ("bleu", "ter"):
            (found,) = compare([*runs, other]).tests[0].quality.pairs[metric]
            assert (found.winner, found.ahead) == (winner, ahead)


@pytest.mark.parametrize("depth", ["sweep", "sweep/more"])
def test_a_folder_of_runs_stands_for_them(tmp_path: Path, depth: str) -> None:
    for seed in (1, 2):
        make_run(tmp_path / depth / f"a-{seed}", GOOD, seed=seed)
    make_run(tmp_path / depth / "a-1.20260102-030405", BAD, seed=9)  # moved aside
    unread = make_run(tmp_path / depth / "b", BAD)
    (unread / "scores.json").unlink()
    found = compare([tmp_path / "sweep"])
    assert [run.name for run in found.runs] == ["a-1", "a-2"]
    assert [note for note in found.notes if note.startswith("Skipped b: ")]


def test_a_run_is_found_once_in_a_folder_that_is_named_after_it(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "sweep" / f"a-{seed}", GOOD, seed=seed) for seed in (1, 2)]
    assert [run.name for run in compare([runs[1], tmp_path / "sweep"]).runs] == ["a-2", "a-1"]


def test_an_outside_system_is_measured_like_a_run(pair: tuple[Path, Path], tmp_path: Path) -> None:
    write_lines(tmp_path / "marian.txt", BAD)
    found = compare(pair, hyps=[f"marian={tmp_path / 'marian.txt'}"])
    test = found.tests[0]
    assert [system.name for system in found.systems] == ["good", "bad", "marian"]
    assert test.quality.runs["marian"] == test.quality.runs["bad"]
    assert "marian" in shown(found)


def test_a_file_of_translations_is_of_one_test_set(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", GOOD, tests=(TEST, "two"))
    write_lines(tmp_path / "hyp", BAD)
    with pytest.raises(UserError, match=f"scored on {TEST}, two: choose one with --test NAME"):
        compare([run], hyps=[f"x={tmp_path / 'hyp'}"])
    found = compare([run], hyps=[f"x={tmp_path / 'hyp'}"], tests=["two"])
    assert [test.name for test in found.tests] == ["two"]


def test_test_sets_can_be_chosen(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", GOOD, tests=("one", "three", "two"))
    assert [test.name for test in compare([run], tests=["two", "one"]).tests] == ["one", "two"]
    with pytest.raises(UserError, match=r"--test tow: .* did you mean 'two'"):
        compare([run], tests=["tow"])


def test_tests_that_not_all_runs_share_are_named(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", GOOD, tests=(TEST, "test_2017"))
    b = make_run(tmp_path / "b", BAD)
    comparison = compare([a, b])
    assert [test.name for test in comparison.tests] == [TEST]
    assert "Test set test_2017 is left out: not scored for b." in comparison.notes


def test_perplexity_over_other_pieces_is_marked(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "a", GOOD),
        make_run(tmp_path / "same", BAD),
        make_run(tmp_path / "other", BAD, tokenizer={"source": "s", "target": "x"}),
        make_run(tmp_path / "unknown", BAD, tokenizer=None),
    ]
    comparison = compare(runs)
    assert comparison.incomparable == {"other", "unknown"}
    assert shown(comparison).count("12.35*") == 2
    assert markdown(comparison).count("12.35\\*") == 2
    assert any(note.startswith("* Perplexity") for note in comparison.notes)


def test_a_pseudo_perplexity_has_a_column_of_its_own(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "rnn", GOOD), make_run(tmp_path / "encoder", BAD)]
    edit_json(runs[1] / "scores.json", TEST, "perplexity", value=None)
    edit_json(runs[1] / "scores.json", TEST, "pseudo_perplexity", value={"score": 4.5678})
    comparison = compare(runs)
    table = shown(comparison)
    assert "pseudo-perplexity" in table
    assert table.count("12.35") == 1
    assert table.count("4.57") == 1
    assert "4.57*" not in table
    assert any(note.startswith("Pseudo-perplexity") for note in comparison.notes)
    alone = compare([runs[0]])
    assert "seudo-perplexity" not in shown(alone)


def test_two_unknown_vocabularies_are_not_taken_for_equal(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, GOOD, tokenizer=None) for name in ("a", "b")]
    assert compare(runs).incomparable == {"b"}


def test_a_run_that_was_interrupted_is_marked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "short", GOOD, status="interrupted")
    comparison = compare([run])
    assert "short†" in shown(comparison)
    assert any("short" in note and "interrupted" in note for note in comparison.notes)


# names


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    folders = ("p/a/x", "q/a/x", "q/b/x", "y")
    runs = [make_run(tmp_path / name, GOOD) for name in folders]
    assert [run.name for run in compare(runs).runs] == ["p/a/x", "q/a/x", "b/x", "y"]


@pytest.mark.parametrize(
    "name",
    [
        "a|b",
        "[red]x[/red]",
        "*bold*_x_`c`",
        "<script>alert(1)<",
        "a\\|b",
        "rtl\u202egnp",
        "esc\x1b[31m",
        "two\nlines",
        "狗" * 30,
        "🐕&amp;",
        "~~a~~![b](c)",
    ],
)
def test_hostile_names_are_only_names(tmp_path: Path, name: str) -> None:
    runs = [make_run(tmp_path / name, GOOD), make_run(tmp_path / "b", BAD)]
    comparison = compare(runs)
    write.write(comparison, tmp_path / "out")
    text = markdown(comparison)
    cells = [
        "".join(part.content for part in token.children or [])
        for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        if token.type == "inline"
    ]
    assert cells.count(comparison.runs[0].name) >= 2  # of the scores, of the runs
    table = shown(comparison)
    assert not {"\x1b", "\u202e", "…"} & set(text + table)
    assert comparison.runs[0].name in shown(comparison, width=300)


def test_a_hostile_name_is_escaped_in_markdown(tmp_path: Path) -> None:
    text = markdown(compare([make_run(tmp_path / "a|b_<i>", GOOD)]))
    assert "| a\\|b\\_\\<i\\> |" in text


# what is refused


def refusal(*runs: Path) -> str:
    with pytest.raises(UserError) as caught:
        compare(runs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("hyps", "said"),
    [
        ("FILE", "give NAME=FILE"),
        ("=FILE", "give NAME=FILE"),
        ("good=FILE", "the name 'good' is taken"),
        ("x=FILE.lost", "there is no file"),
    ],
)
def test_a_file_that_is_none_is_refused(
    pair: tuple[Path, Path], tmp_path: Path, hyps: str, said: str
) -> None:
    write_lines(tmp_path / "hyp", GOOD)
    with pytest.raises(UserError, match=said):
        compare(pair, hyps=[hyps.replace("FILE", str(tmp_path / "hyp"))])


def test_a_file_of_a_line_too_few_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    write_lines(tmp_path / "hyp", GOOD[1:])
    with pytest.raises(UserError, match=rf"hyp has 23 lines but the test set '{TEST}' has 24"):
        compare(pair, hyps=[f"x={tmp_path / 'hyp'}"])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert f"there is no run folder in '{tmp_path / 'empty'}'" in refusal(tmp_path / "empty")


def test_a_folder_of_runs_none_of_which_will_do_is_refused(tmp_path: Path) -> None:
    (make_run(tmp_path / "sweep" / "a", GOOD) / "scores.json").unlink()
    assert "none of the 1 runs in" in (message := refusal(tmp_path / "sweep"))
    assert "is not evaluated yet" in message


def test_a_run_of_a_newer_version_is_refused(pair: tuple[Path, Path]) -> None:
    edit_json(pair[1] / "run.json", "format", value=99)
    assert "reads formats up to 2: install a newer seq2seq" in refusal(*pair)


def draw_only_if_nan(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    """Leave out the figures, which take most of the time, unless a number could be in them."""
    if not isinstance(value, float):
        monkeypatch.setattr(write, "draw", lambda *_: [])


@pytest.mark.parametrize("value", ["many", {}, True, float("nan")])
@pytest.mark.parametrize(
    "keys",
    [
        ("bleu",),
        ("bleu", "score"),
        ("chrf", "signature"),
        ("ter",),
        ("perplexity",),
        ("perplexity", "score"),
        ("search",),
        ("sentences_per_second",),
        ("by_length",),
        ("exact_match",),
        ("agreement",),
        ("pronoun",),
        ("alignment",),
        ("alignment", "aer"),
        ("alignment", "rule"),
        ("calibration",),
        ("calibration", "output"),
        ("calibration", "output", "score"),
        ("calibration", "output", "bins"),
        ("calibration", "given"),
        ("source_share",),
        ("source_share", "score"),
        ("source_share", "words"),
        ("test", "lines"),
        ("model_sha256",),
    ],
)
def test_hostile_scores_are_refused_in_a_sentence_or_not_used(
    pair: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    value: Any,
) -> None:
    """Nothing else than a refusal may come of them, and what is written is sound JSON."""
    draw_only_if_nan(monkeypatch, value)
    if keys[0] == "alignment":
        edit_json(pair[0] / "scores.json", TEST, "alignment", value={"aer": 0.1, "rule": {}})
    if keys[0] in ("calibration", "source_share"):
        add_probabilities(pair[0])
    edit_json(pair[0] / "scores.json", TEST, *keys, value=value)
    try:
        comparison = compare(pair)
    except UserError as error:
        assert str(pair[0]) in str(error) or "'good'" in str(error)
        return
    write.write(comparison, tmp_path / "out")
    assert shown(comparison)
    json.loads((tmp_path / "out" / "report.json").read_text("utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize("keys", [(), ("output",), ("output", "score"), ("output", "bins")])
def test_a_damaged_calibration_is_named(pair: tuple[Path, Path], keys: tuple[str, ...]) -> None:
    add_probabilities(pair[0])
    note = "The calibration of good on"
    assert not any(note in one for one in compare(pair).notes)
    edit_json(pair[0] / "scores.json", TEST, "calibration", *keys, value="many")
    assert any(note in one and "seq2seq evaluate" in one for one in compare(pair).notes)


@pytest.mark.parametrize("value", ["many", [], True, float("nan")])
@pytest.mark.parametrize(
    "key",
    [
        "seed",
        "parameters",
        "minutes",
        "status",
        "commit",
        "tokenizer",
        "data",
        "versions",
        "machine",
        "joules",
        "peak_memory",
        "multiply_adds_per_target_token",
        "steps",
    ],
)
def test_hostile_facts_are_not_used(
    pair: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    value: Any,
) -> None:
    draw_only_if_nan(monkeypatch, value)
    edit_json(pair[0] / "run.json", key, value=value)
    comparison = compare(pair)
    write.write(comparison, tmp_path / "out")
    assert shown(comparison)
    json.loads((tmp_path / "out" / "report.json").read_text("utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize("line", ["nothing", "[]", '{"step": 1', "1e999"])
def test_a_damaged_log_is_refused_by_its_line(pair: tuple[Path, Path], line: str) -> None:
    write_lines(pair[1] / "log.jsonl", ['{"step": 1}', line])
    assert "log.jsonl, line 2, cannot be read" in refusal(*pair)


@pytest.mark.parametrize("line", ["nothing", "dog\tmany", "dog\t-1", "dog\t" + "9" * 30])
def test_damaged_counts_are_refused_by_their_line(pair: tuple[Path, Path], line: str) -> None:
    write_lines(pair[0] / "source_words.tsv", ["cat\t3", line])
    assert "source_words.tsv, line 2: " in refusal(*pair)


def test_no_run_is_refused() -> None:
    assert "nothing to compare" in refusal()


def test_a_run_given_twice_is_refused(pair: tuple[Path, Path]) -> None:
    assert "good' is given twice" in refusal(pair[0], pair[1], pair[0] / ".." / "good")


def test_a_run_not_evaluated_is_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "scores.json").unlink()
    assert f"`seq2seq evaluate {pair[1]}`" in refusal(*pair)


def test_empty_scores_are_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "scores.json").write_text("{}")
    assert "is not evaluated yet" in refusal(*pair)


def test_runs_without_a_common_test_are_refused(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", GOOD, tests=("one",))
    b = make_run(tmp_path / "b", GOOD, tests=("three", "two"))
    assert "('a' on one; 'b' on three, two)" in refusal(a, b)


def test_other_languages_are_refused(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", GOOD)
    b = make_run(tmp_path / "b", GOOD, target="fr")
    assert "the target is 'de' for 'a' and 'fr' for 'b'" in refusal(a, b)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": SOURCES[::-1]}, "the source SHA-256 is"),
        ({"references": REFERENCES[::-1]}, "the reference SHA-256 is"),
        (
            {"sources": SOURCES[:9], "references": REFERENCES[:9]},
            "the number of lines is 24 in 'a' and 9 in 'b'",
        ),
    ],
)
def test_other_tests_of_the_same_name_are_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    a = make_run(tmp_path / "a", GOOD)
    b = make_run(tmp_path / "b", GOOD[: len(changed.get("references", GOOD))], **changed)
    message = refusal(a, b)
    assert f"{TEST!r} is not the same test set in all runs" in message
    assert said in message


@pytest.mark.parametrize("metric", ["bleu", "bleu_lowercase", "chrf", "ter"])
def test_other_signatures_are_refused(pair: tuple[Path, Path], metric: str) -> None:
    signature = json.loads((pair[0] / "scores.json").read_text("utf-8"))[TEST][metric]["signature"]
    edit_json(pair[1] / "scores.json", TEST, metric, "signature", value="nrefs:1|tok:spm")
    message = refusal(*pair)
    assert message.startswith(f"{metric} on {TEST!r} was computed with different settings")
    assert f"{signature} in 'good', nrefs:1|tok:spm in 'bad'" in message


def test_a_signature_that_cannot_be_repeated_is_refused(pair: tuple[Path, Path]) -> None:
    signature = "nrefs:1|case:mixed|eff:no|tok:intl|smooth:exp|version:2.6.0"
    edit_json(pair[0] / "scores.json", TEST, "bleu", "signature", value=signature)
    assert f"was computed as {signature}, but this version computes" in refusal(pair[0])


def test_another_version_of_sacrebleu_is_no_other_measure(pair: tuple[Path, Path]) -> None:
    signature = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.0.0"
    edit_json(pair[0] / "scores.json", TEST, "bleu", "signature", value=signature)
    assert compare(pair[:1]).tests


def test_missing_translations_are_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "hyps" / TEST / "hypothesis.txt").unlink()
    assert "hypothesis.txt is missing: run `seq2seq evaluate" in refusal(*pair)


def test_a_translation_too_few_is_refused(pair: tuple[Path, Path]) -> None:
    write_lines(pair[1] / "hyps" / TEST / "hypothesis.txt", BAD[1:])
    assert "hypothesis.txt has 23 lines but the reference has 24" in refusal(*pair)


def test_edited_translations_are_refused(pair: tuple[Path, Path]) -> None:
    write_lines(pair[1] / "hyps" / TEST / "hypothesis.txt", [REFERENCES[1], *BAD[1:]])
    assert "one of the two files was edited" in refusal(*pair)


def test_an_edited_score_is_refused(pair: tuple[Path, Path]) -> None:
    edit_json(pair[1] / "scores.json", TEST, "bleu", "score", value=99.5)
    assert "is 99.5 in scores.json, but" in refusal(*pair)


def test_translations_that_are_no_text_are_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "hyps" / TEST / "hypothesis.txt").write_bytes(b"\xff\n")
    assert "not UTF-8" in refusal(*pair)


@pytest.mark.parametrize(
    "file", [f"hyps/{TEST}/source.txt", f"hyps/{TEST}/reference.txt", "model.safetensors"]
)
def test_files_that_changed_since_are_refused(pair: tuple[Path, Path], file: str) -> None:
    with (pair[1] / file).open("ab") as opened:
        opened.write(b"more\n")
    message = refusal(*pair)
    assert f"{file} has changed since {TEST!r} was scored" in message
    assert digest(pair[1] / file) in message


def test_a_missing_reference_is_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "hyps" / TEST / "reference.txt").unlink()
    assert "reference.txt is missing" in refusal(*pair)


@pytest.mark.parametrize("keys", [("bleu",), ("bleu", "score"), ("test",), ("test", "lines")])
def test_scores_without_what_a_comparison_needs_are_refused(
    pair: tuple[Path, Path], keys: tuple[str, ...]
) -> None:
    edit_json(pair[1] / "scores.json", TEST, *keys, value=None)
    message = refusal(*pair)
    assert f"have no {keys[0]}" in message
    assert "`seq2seq evaluate" in message


def test_an_unfinished_run_and_no_run_are_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "model.safetensors").unlink()
    assert "unfinished" in refusal(*pair)
    assert "there is no run folder" in refusal(pair[0], pair[0] / "nothing")


def test_it_needs_no_model_code() -> None:
    program = "import sys, seq2seq.compare.report; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert output.stdout.strip() == b"False"


# files without runs


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {"s.en": SOURCES, "r1": REFERENCES, "r2": GOOD, "a": GOOD, "b": BAD}
    for name, lines in texts.items():
        write_lines(tmp_path / name, lines)
    return {name: tmp_path / name for name in texts}


def test_files_are_compared_without_a_run(files: dict[str, Path], tmp_path: Path) -> None:
    hyps = [f"{name}={files[name]}" for name in "ab"]
    found = compare(hyps=hyps, source=files["s.en"], reference=[files["r1"]], target_language="de")
    (test,) = found.tests
    assert (test.name, found.target, test.sources) == ("s", "de", SOURCES)
    runs = compare([make_run(tmp_path / "x" / n, lines) for n, lines in (("a", GOOD), ("b", BAD))])
    assert test.quality.runs == runs.tests[0].quality.runs
    assert test.quality.pairs["ter"][0].winner == "a"
    written = {path.name for path in write.write(found, tmp_path / "out")}
    assert {"report.html", "report.md", "report.json", "table.tex", "tables"} <= written
    text = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "### Cost" not in text and "Settings" not in text and "Alignment" not in text
    assert "rarest" not in text
    assert not any("rarest" in note for note in found.notes)


def test_several_references_are_scored_as_sacrebleu_scores_them(files: dict[str, Path]) -> None:
    sides = [files["r1"], files["r2"]]
    found = compare(hyps=[f"b={files['b']}"], source=files["s.en"], reference=sides).tests[0]
    for metric, scorer in (("bleu", BLEU()), ("chrf", CHRF()), ("ter", TER())):
        expected = scorer.corpus_score(BAD, [REFERENCES, GOOD])
        assert found.quality.runs["b"][metric].score == pytest.approx(expected.score)
        assert found.quality.signatures[metric] == str(scorer.get_signature())
    assert found.quality.signatures["bleu"].startswith("nrefs:2|")


def test_the_tokenizer_can_be_chosen(files: dict[str, Path]) -> None:
    given = {"hyps": [f"b={files['b']}"], "source": files["s.en"], "reference": [files["r1"]]}
    found = compare(**given, bleu_tokenizer="char").tests[0].quality
    assert "|tok:char|" in found.signatures["bleu"]
    assert found.runs["b"]["bleu"].score == pytest.approx(
        BLEU(tokenize="char").corpus_score(BAD, [REFERENCES]).score
    )
    with pytest.raises(UserError, match="nonsense"):
        compare(**given, bleu_tokenizer="nonsense")


def test_files_that_do_not_go_together_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    write_lines(tmp_path / "short", BAD[:-1])
    source, reference = files["s.en"], [files["r1"]]
    short = tmp_path / "short"
    with pytest.raises(UserError, match=r"short has 23 lines but .*s\.en has 24"):
        compare(hyps=[f"b={short}"], source=source, reference=reference)
    with pytest.raises(UserError, match=r"short has 23 lines but .*s\.en has 24"):
        compare(hyps=[f"b={files['b']}"], source=source, reference=[*reference, short])
    with pytest.raises(UserError, match=r"--reference .*nowhere: there is no such file"):
        compare(hyps=[f"b={files['b']}"], source=source, reference=[tmp_path / "nowhere"])
    for missing in ({"reference": reference}, {"source": source}, {"hyps": [f"b={files['b']}"]}):
        with pytest.raises(UserError, match="--source FILE --reference FILE --hyps NAME=FILE"):
            compare(**missing)
    with pytest.raises(UserError, match="--test needs run folders"):
        compare(hyps=[f"b={files['b']}"], source=source, reference=reference, tests=["x"])


def test_options_of_files_have_no_effect_on_runs_and_are_refused(pair: tuple[Path, Path]) -> None:
    for option in ({"source": pair[0]}, {"reference": [pair[0]]}, {"target_language": ""}):
        with pytest.raises(UserError, match="cannot be used with run folders"):
            compare(pair, **option)


def test_references_are_added_to_the_test_sets_of_runs(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    write_lines(tmp_path / "second", OTHER)
    write_lines(tmp_path / "third", BAD)
    files = [tmp_path / "second", tmp_path / "third"]
    found = compare(pair, reference=[Path(f"{TEST}={file}") for file in files])
    (test,) = found.tests
    for metric, scorer in (("bleu", BLEU()), ("chrf", CHRF()), ("ter", TER())):
        for name, lines in (("good", GOOD), ("bad", BAD)):
            expected = scorer.corpus_score(lines, [REFERENCES, OTHER, BAD])
            assert test.quality.runs[name][metric].score == pytest.approx(expected.score)
        assert test.quality.signatures[metric] == str(scorer.get_signature())
    assert test.facts["reference_sha256"].split(", ")[1:] == [digest(file) for file in files]
    assert any(f"all 3 references of {TEST}" in note for note in found.notes)
    assert "nrefs:3" in shown(found)


def test_references_that_do_not_fit_the_runs_are_refused(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    write_lines(tmp_path / "short", BAD[:-1])
    write_lines(tmp_path / "second", BAD)
    for value, message in (
        ("nowhere.txt", "give --reference TEST=FILE"),
        ("=x", "give --reference TEST=FILE"),
        (f"test={tmp_path / 'second'}", "do not include 'test'"),
        (f"{TEST}={tmp_path / 'nowhere'}", "there is no file"),
        (f"{TEST}={tmp_path / 'short'}", "has 23 lines but the test set"),
    ):
        with pytest.raises(UserError, match=message):
            compare(pair, reference=[Path(value)])
    edit_json(pair[0] / "scores.json", TEST, "bleu", "score", value=1.0)
    with pytest.raises(UserError, match="one of the two files was edited"):
        compare(pair, reference=[Path(f"{TEST}={tmp_path / 'second'}")])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("{n} ||| {text} ||| -0.3", "n-best"),
        ("H-{n}\t-0.3\t{text}", "H-"),
        ("<s snum=1> {text} </s>", "tag"),
    ],
)
def test_markup_in_files_is_noticed_without_a_run(
    files: dict[str, Path], tmp_path: Path, line: str, kind: str
) -> None:
    lines = files["b"].read_text("utf-8").splitlines()
    odd = tmp_path / "odd.txt"
    odd.write_text("".join(line.format(n=n, text=text) + "\n" for n, text in enumerate(lines)))
    with pytest.raises(UserError, match=kind):
        compare(hyps=[f"b={odd}"], source=files["s.en"], reference=[files["r1"]])


def test_options_without_a_run_are_named_as_they_were_given(files: dict[str, Path]) -> None:
    given = {"hyps": [f"b={files['b']}"], "source": files["s.en"], "reference": [files["r1"]]}
    with pytest.raises(UserError, match=r"^--bleu-tokenizer nonsense is not a sacreBLEU tokenizer"):
        compare(**given, bleu_tokenizer="nonsense")
    for path in (files["r1"], files["s.en"], files["b"]):
        path.write_text("你好世界\n" * len(path.read_text("utf-8").splitlines()), "utf-8")
    [note] = compare(**given).tests[0].notes
    assert "--target-language" in note and "not given" in note and "data." not in note


def test_the_suggested_command_quotes_the_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path / "it's (1)", GOOD)
    (run / "scores.json").unlink()
    with pytest.raises(UserError) as caught:
        compare([run])
    assert shlex.quote(str(run)) in str(caught.value)


def test_the_corrected_p_of_randomization_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, p in (("randomised", 0.02), ("bootstrap", 0.001)):
        table = lambda self, systems, p=p: np.full((len(systems), len(systems)), p)  # noqa: E731
        monkeypatch.setattr(Resampling, name, table)
    outputs = {"a": REFERENCES, "b": GOOD, "c": BAD}
    runs = [
        make_run(tmp_path / name, lines, model={"dim": number})
        for number, (name, lines) in enumerate(outputs.items())
    ]
    (two,) = compare(runs[:2]).tests[0].quality.pairs["bleu"]
    assert (two.winner, two.randomised_corrected) == ("a", 0.02)
    for pair in compare(runs).tests[0].quality.pairs["bleu"]:
        assert pair.winner is None
        corrected = pair.randomised_corrected, pair.bootstrap_corrected
        assert corrected == pytest.approx((0.06, 0.003))


def test_the_interval_of_a_difference_is_paired(pair: tuple[Path, Path]) -> None:
    (found,) = compare(pair).tests[0].quality.pairs["bleu"]
    draws = Resampling(len(REFERENCES))
    both = [
        draws.resampled(statistics(lines, REFERENCES, language="de")["bleu"])
        for lines in (GOOD, BAD)
    ]
    gaps = np.sort(both[0] - both[1])
    half = (gaps[-2] - gaps[1]) / 2  # 2.5 % of 50 on each side
    assert (found.low, found.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half))
