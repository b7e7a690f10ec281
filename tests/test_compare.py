"""Comparison: every refusal by its sentence, every number by its source, every name unharmed."""

import io
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from rich.console import Console

from seq2seq import scores
from seq2seq.compare import Comparison, compare
from seq2seq.disk import write_json, write_lines
from seq2seq.errors import UserError
from seq2seq.report import markdown, render, report, write

SOURCES = [f"dog {n} runs over the green meadow {n % 5} ." for n in range(24)]
REFERENCES = [f"der Hund {n} läuft über die grüne Wiese {n % 5} ." for n in range(24)]
GOOD = [line.replace("grüne", "rote") if n % 3 else line for n, line in enumerate(REFERENCES)]
BAD = [line.replace("läuft über", "geht auf") for line in GOOD]
TEST = "test_2016_flickr"


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the thousand, for speed; tests/test_scores.py proves the thousand."""
    monkeypatch.setattr(scores, "RESAMPLES", 50)


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def make_run(
    path: Path,
    hypotheses: list[str],
    *,
    tests: tuple[str, ...] = (TEST,),
    references: list[str] = REFERENCES,
    sources: list[str] = SOURCES,
    target: str = "de",
    **info: Any,
) -> Path:
    """A run folder as training and evaluation leave it."""
    path.mkdir(parents=True)
    config = {"data": {"source": "en", "target": target, "tokenized": False}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "model.safetensors").write_bytes(b"weights")
    measured = {
        "format": 1,
        "status": "finished",
        "parameters": 12_345_678,
        "steps": 4000,
        "minutes": 20.04,
        "target_tokens_per_second": 12_340.5,
        "seed": 7,
        "commit": "abc1234",
        "tokenizer": {"source": "s", "target": "t"},
    }
    write_json(path / "run.json", measured | info)
    stored = {}
    for test in tests:
        folder = path / "hyps" / test
        write_lines(folder / "source.txt", sources)
        write_lines(folder / "reference.txt", references)
        write_lines(folder / "hypothesis.txt", hypotheses)
        stored[test] = {
            **scores.score(hypotheses, references, tokenized=False, language=target),
            "perplexity": {"score": 12.3456, "unit": "piece"},
            "sentences_per_second": 10.5,
            "search": {"beam": 5},
            "model_sha256": digest(path / "model.safetensors"),
            "test": {
                "lines": len(references),
                "source_sha256": digest(folder / "source.txt"),
                "reference_sha256": digest(folder / "reference.txt"),
            },
        }
    write_json(path / "scores.json", stored)
    return path


def edit_json(path: Path, *keys: str, value: Any) -> None:
    content = json.loads(path.read_text("utf-8"))
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    write_json(path, content)


def shown(comparison: Comparison, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(render(comparison))
    return file.getvalue()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return make_run(tmp_path / "good", GOOD), make_run(tmp_path / "bad", BAD)


# what is said


def test_numbers_are_those_of_the_sacrebleu_command(pair: tuple[Path, Path]) -> None:
    files = [str(run / "hyps" / TEST / "hypothesis.txt") for run in pair]
    reference = str(pair[0] / "hyps" / TEST / "reference.txt")
    command = [sys.executable, "-m", "sacrebleu", reference, "-i", *files]
    command += ["--paired-bs", "--paired-bs-n", "50"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    printed = [system["BLEU"] for system in json.loads(output)]
    results = report(compare(pair))["tests"][TEST]["results"]
    for result, theirs in zip(results, printed, strict=True):
        ours = result["bootstrap"]["bleu"]
        assert (ours["score"], ours["p"]) == (theirs["score"], theirs["p_value"])
        assert ours["low"] == pytest.approx(theirs["mean"] - theirs["ci"])
        assert ours["high"] == pytest.approx(theirs["mean"] + theirs["ci"])
    gap = printed[1]["score"] - printed[0]["score"]
    assert results[1]["bootstrap"]["bleu"]["difference"] == pytest.approx(gap)


def test_a_table_has_every_number_and_fits_80_columns(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "a-transformer-with-a-very-long-name_seed=1", GOOD),
        make_run(
            tmp_path / "rnn",
            BAD,
            parameters=999_960_000,
            minutes=14_400.0,
            target_tokens_per_second=999_900,
            tokenizer={"target": "u"},
            status="interrupted",
        ),
        make_run(tmp_path / "perfect", REFERENCES),
    ]
    edit_json(runs[1] / "scores.json", TEST, "perplexity", "score", value=123_456.7)
    comparison = compare(runs)
    table = shown(comparison)
    assert all(len(line.rstrip()) <= 80 for line in table.splitlines())
    assert "…" not in table
    values = ["1.0G", "14400", "999.9k", "123457*", "rnn†", "100.00", "12.3M", "20.04", "12.3k"]
    first, second, _ = (found["bleu"] for found in comparison.tests[0].resampled)
    values += [f"{first.score:.2f}", f"{first.low:.1f}-{first.high:.1f}"]
    values += [f"{second.difference:+.2f}", f"{second.p:.4f}"]
    for value in values:
        assert value in table
    assert "a-transformer-with-a-very-long-name_seed=1" in shown(comparison, width=200)
    assert first.signature in "".join(table.split("\n"))


def test_a_run_may_stand_alone(pair: tuple[Path, Path]) -> None:
    comparison = compare(pair[:1])
    assert "paired bootstrap" not in shown(comparison)
    assert report(comparison)["tests"][TEST]["results"][0]["bootstrap"]["bleu"]["p"] is None


def test_the_markdown_says_how_it_was_measured(pair: tuple[Path, Path]) -> None:
    comparison = compare(pair)
    text = markdown(comparison)
    stored = json.loads((pair[0] / "scores.json").read_text("utf-8"))[TEST]
    for metric in ("bleu", "chrf", "ter"):
        assert f"{metric}: `{stored[metric]['signature']}`" in text
    for side in ("source", "reference"):
        assert f"{side} SHA-256: `{stored['test'][f'{side}_sha256']}`" in text
    assert "test\\_2016\\_flickr, 24 lines, en to de" in text
    assert "seed:12345" in text
    assert '- Searched with {"beam": 5}.' in text
    assert "noise unless p is below 0.05" in text
    tables = [line for line in text.splitlines() if line.startswith("| good |")]
    assert len(tables) == 2
    assert "| 7 | 4000 | 12345678 | 20.04 | finished | abc1234 |" in tables[1]


def test_the_reports_are_written(pair: tuple[Path, Path], tmp_path: Path) -> None:
    comparison = compare(pair)
    write(comparison, tmp_path / "new" / "report")
    assert (tmp_path / "new/report/report.md").read_text("utf-8") == markdown(comparison)
    written = json.loads((tmp_path / "new/report/report.json").read_text("utf-8"))
    assert written["schema"] == 1
    assert (written["source"], written["target"]) == ("en", "de")
    assert [run["name"] for run in written["runs"]] == ["good", "bad"]
    assert written["runs"][0]["info"]["seed"] == 7
    test = written["tests"][TEST]
    assert test["test"]["lines"] == len(REFERENCES)
    assert set(test["signatures"]) == {"bleu", "bleu_lowercase", "chrf", "ter"}
    assert test["results"][1]["scores"]["ter"]["score"] > 0
    assert set(test["results"][1]["bootstrap"]) == {"bleu", "chrf"}


def test_a_file_in_the_reports_place_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(UserError, match="it is a file"):
        write(compare(pair), tmp_path / "report")


def test_what_an_old_run_does_not_tell_is_a_dash(tmp_path: Path) -> None:
    run = make_run(tmp_path / "old", GOOD)
    write_json(run / "run.json", {"minutes": "many"})
    (run / "config.yaml").write_text("model: {}\n")
    for key in ("chrf", "perplexity", "search", "model_sha256"):
        edit_json(run / "scores.json", TEST, key, value=None)
    comparison = compare([run])
    row = next(line for line in markdown(comparison).splitlines() if line.startswith("| old"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "old†"
    assert cells[1:4] + cells[6:] == ["-"] * 7
    assert "24 lines, - to -" in shown(comparison)


def test_tests_that_not_all_runs_share_are_named(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", GOOD, tests=(TEST, "test_2017"))
    b = make_run(tmp_path / "b", BAD)
    comparison = compare([a, b])
    assert [test.name for test in comparison.tests] == [TEST]
    assert "Left out is test_2017, not scored for: b." in comparison.notes


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


def test_two_unknown_vocabularies_are_not_taken_for_equal(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, GOOD, tokenizer=None) for name in ("a", "b")]
    assert compare(runs).incomparable == {"b"}


def test_a_run_that_was_interrupted_is_marked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "short", GOOD, status="interrupted")
    comparison = compare([run])
    assert "short†" in shown(comparison)
    assert any("short" in note and "interrupted" in note for note in comparison.notes)


def test_a_different_search_is_told(pair: tuple[Path, Path]) -> None:
    edit_json(pair[1] / "scores.json", TEST, "search", value={"beam": 1})
    text = shown(compare(pair))
    assert 'Run good searched with {"beam": 5}.' in text
    assert 'Run bad searched with {"beam": 1}.' in text


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
    write(comparison, tmp_path / "out")
    text = markdown(comparison)
    cells = [
        "".join(part.content for part in token.children or [])
        for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        if token.type == "inline"
    ]
    assert cells.count(comparison.runs[0].name) == 2  # of the scores, of the runs
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
        ({"sources": SOURCES[::-1]}, "its source text's SHA-256 is"),
        ({"references": REFERENCES[::-1]}, "its reference's SHA-256 is"),
        (
            {"sources": SOURCES[:9], "references": REFERENCES[:9]},
            "its number of lines is 24 in 'a' and 9 in 'b'",
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
    assert message.startswith(f"{metric} on {TEST!r} was not measured alike")
    assert f"as {signature} in 'good', as nrefs:1|tok:spm in 'bad'" in message


def test_a_signature_that_cannot_be_repeated_is_refused(pair: tuple[Path, Path]) -> None:
    signature = "nrefs:1|case:mixed|eff:no|tok:intl|smooth:exp|version:2.6.0"
    edit_json(pair[0] / "scores.json", TEST, "bleu", "signature", value=signature)
    assert f"was measured as {signature}, which cannot be repeated here" in refusal(pair[0])


def test_another_version_of_sacrebleu_is_no_other_measure(pair: tuple[Path, Path]) -> None:
    signature = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.0.0"
    edit_json(pair[0] / "scores.json", TEST, "bleu", "signature", value=signature)
    assert compare(pair[:1]).tests


def test_missing_translations_are_refused(pair: tuple[Path, Path]) -> None:
    (pair[1] / "hyps" / TEST / "hypothesis.txt").unlink()
    assert "hypothesis.txt is missing: `seq2seq evaluate" in refusal(*pair)


def test_a_translation_too_few_is_refused(pair: tuple[Path, Path]) -> None:
    write_lines(pair[1] / "hyps" / TEST / "hypothesis.txt", BAD[1:])
    assert "hypothesis.txt has 23 lines and the reference 24" in refusal(*pair)


def test_edited_translations_are_refused(pair: tuple[Path, Path]) -> None:
    write_lines(pair[1] / "hyps" / TEST / "hypothesis.txt", [REFERENCES[1], *BAD[1:]])
    assert "one of the two was edited" in refusal(*pair)


def test_an_edited_score_is_refused(pair: tuple[Path, Path]) -> None:
    edit_json(pair[1] / "scores.json", TEST, "bleu", "score", value=99.5)
    assert "is 99.5 in scores.json but" in refusal(*pair)


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
    program = "import sys, seq2seq.compare; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert output.stdout.strip() == b"False"
