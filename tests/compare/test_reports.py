"""What a comparison says, in every form: each number from its source, each form sound."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
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
    edit_json,
    make_run,
    shown,
)

from seq2seq.compare import Comparison, compare
from seq2seq.compare.axes import curves_of
from seq2seq.compare.ngrams import Matches
from seq2seq.compare.report import write
from seq2seq.compare.report.markdown import markdown
from seq2seq.compare.report.page import page
from seq2seq.compare.report.record import record
from seq2seq.compare.report.tex import escape, tex
from seq2seq.compare.sentences import largest_differences
from seq2seq.compare.verdict import decimals, turned, verdict
from seq2seq.errors import UserError
from seq2seq.scoring import breakdown
from seq2seq.system.files import write_json, write_lines
from seq2seq.text.languages import Target
from seq2seq.text.word_counts import count, write_counts

SCHEMA = Path(write.__file__).with_name("report.schema.json")
LONG = [f"{line} " * 2 if n % 2 else line for n, line in enumerate(SOURCES)]


pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture
def rich(tmp_path: Path) -> Comparison:
    """Two systems, one of two seeds, and an outside one, with all that there can be."""
    runs = [
        make_run(tmp_path / f"good-{seed}", lines, sources=LONG, seed=seed, joules=7200.0)
        for seed, lines in ((1, GOOD), (2, REFERENCES))
    ]
    runs.append(make_run(tmp_path / "bad", BAD, sources=LONG, model={"dim": 3}))
    for run in runs:
        aligned = {"aer": 0.1, "precision": 0.9, "recall": 0.8, "rule": {"layer": 1, "head": 2}}
        edit_json(run / "scores.json", TEST, "alignment", value=aligned)
        edit_json(run / "scores.json", TEST, "exact_match", value={"score": 12.5})
        logged = [{"step": 5, "loss": 3.0}, {"step": 5, "validation_bleu": 20.0}]
        clocked = [{"step": 5, "minutes": 0.4}, {"step": 5, "minutes": 0.5}]
        clocked[1]["validation_seconds"] = 6.0
        write_lines(run / "log.jsonl", map(json.dumps, logged))
        write_lines(run / "clock.jsonl", map(json.dumps, clocked))
        distances = [f"{n % 3}\tläuft\tgeht" if n % 4 else "" for n in range(len(LONG))]
        write_lines(run / "hyps" / TEST / "gold.agreement.tsv", distances)
        roles = [("subject", "object")[n % 2] for n in range(len(LONG))]
        pronouns = [
            f"{role}\t3\t1\t2\t3\t1\t2\t{5 + n % 2}\tläuft\tgeht" if n % 4 else ""
            for n, role in enumerate(roles)
        ]
        write_lines(run / "hyps" / TEST / "gold.pronoun.tsv", pronouns)
        write_counts(run, count([f"dog {n}" for n in range(0, 24, 2)] * 3, LONG))
    write_lines(tmp_path / "marian", BAD)
    return compare(runs, hyps=[f"marian={tmp_path / 'marian'}"])


# numbers


def test_bleu_by_length_is_that_of_evaluate(rich: Comparison) -> None:
    axis = next(axis for axis in rich.tests[0].axes if axis.key == "length")
    expected = breakdown.by_length(LONG, BAD, REFERENCES, language="de")
    assert axis.lines == [bucket["lines"] for bucket in expected]
    found = [point.value.mean for point in axis.points["bad"]]
    assert found == pytest.approx([bucket["bleu"] for bucket in expected])
    assert axis.places == [f"{b['from']}\N{EN DASH}{b['to']}" for b in expected]


def test_one_place_is_no_axis(rich: Comparison) -> None:
    """All sentences have a word that the training text has not: one place is no axis."""
    assert "rarity" not in {axis.key for axis in rich.tests[0].axes}


def test_scores_by_the_rarest_word(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", GOOD)
    text = [*SOURCES, *(line for n, line in enumerate(SOURCES) if n % 2 for _ in range(11))]
    write_counts(run, count(text, SOURCES))
    axis = next(axis for axis in compare([run]).tests[0].axes if axis.key == "rarity")
    assert axis.places == ["1", "10\N{EN DASH}99"]
    assert axis.lines == [9, 15]  # even numbers from 6 on are there once
    assert "No scores by the rarest word" not in "".join(compare([run]).notes)


def test_older_runs_say_why_there_is_nothing_by_rarity(pair: tuple[Path, Path]) -> None:
    assert any("No scores by the rarest word" in note for note in compare(pair).notes)


def test_agreement_by_distance_is_that_of_evaluate(rich: Comparison) -> None:
    axis = next(axis for axis in rich.tests[0].axes if axis.key == "agreement")
    assert axis.places == ["0", "1", "2\N{EN DASH}5"]
    assert [point.value.mean for point in axis.points["good"]] == [100.0] * 3
    assert [point.value.mean for point in axis.points["bad"]] == [0.0] * 3
    assert sum(axis.lines) == 18


def test_pronouns_by_distance_are_those_of_evaluate(rich: Comparison) -> None:
    axis = next(axis for axis in rich.tests[0].axes if axis.key == "pronoun")
    assert axis.places == ["2\N{EN DASH}5", "6\N{EN DASH}10"]
    assert [point.value.mean for point in axis.points["good"]] == [100.0] * 2
    assert [point.value.mean for point in axis.points["marian"]] == [0.0] * 2
    assert sum(axis.lines) == 18
    text = markdown(rich)
    assert "Pronouns by distance" in text and "one gender gives 50 %" in text


def test_a_place_of_few_sentences_is_no_point_of_a_curve(rich: Comparison) -> None:
    axis = rich.tests[0].axes[0]
    assert axis.lines == [12, 12]
    assert all(not curve for curve in curves_of(axis)[0].values())


def test_ngrams_are_counted_as_by_hand(rich: Comparison) -> None:
    references = ["a b c", "a a", "d"]
    outputs = {"good-1": ["a b", "a", "x"], "good-2": ["c", "a a a", "d d"], "bad": ["b", "a", "d"]}
    outputs["marian"] = ["", "", ""]
    found = Matches(rich.systems, references, outputs, Target("de"))
    assert found.references["a"] == 3
    assert found.rate("good", "a") == (2 + 2) / 2
    assert found.rate("bad", "a") == 1
    assert found.rate("good", "a b") == 0.5
    best = found.better("good", "bad", phrases=False)
    assert best[0] == ("a", 3, 2.0, 1.0)
    assert {one.text for one in best} == {"a", "c"}
    assert [one.text for one in found.better("bad", "good", phrases=False)] == ["b", "d"]


def test_a_phrase_is_shown_once_in_its_longest_form(rich: Comparison) -> None:
    outputs = {name: ["a b c d"] if name != "bad" else [""] for name in rich.tests[0].outputs}
    matches = Matches(rich.systems, ["a b c d"], outputs, Target("de"))
    found = matches.better("good", "bad", phrases=True)
    assert [one.text for one in found] == ["a b c d"]


def test_the_sentences_that_one_system_wins_most_come_first(rich: Comparison) -> None:
    good, bad, _ = rich.systems
    scores = {"good-1": [10, 50, 90], "good-2": [30, 50, 90], "bad": [0.0, 60, 10]}
    arrays = {name: np.array(of, np.float64) for name, of in scores.items()}
    assert largest_differences(good, bad, arrays) == [(3, 90, 10), (1, 20, 0)]
    assert largest_differences(bad, good, arrays) == [(2, 60, 50)]


def test_the_course_of_training_is_read_from_both_logs(rich: Comparison) -> None:
    assert [(one.run, one.minutes, one.bleu) for one in rich.validation_curves] == [
        (name, [0.5], [20.0]) for name in ("good-1", "good-2", "bad")
    ]


def test_what_is_the_same_is_said_once(rich: Comparison) -> None:
    assert rich.configuration.different["model.dim"] == ["-", "3", "-"]
    assert rich.configuration.different["seed"] == ["1, 2", "7", "-"]
    alone = compare([run.path for run in rich.runs[:2]]).configuration
    assert alone.same["data.source"] == "en"
    assert not alone.different


# forms


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
    quality = comparison.tests[0].quality
    first = quality.runs["a-transformer-with-a-very-long-name_seed=1"]["bleu"]
    values += [f"{first.score:.2f}", f"{first.low:.1f}\N{EN DASH}{first.high:.1f}"]
    values += [f"{pair.difference:+.1f}" for pair in quality.pairs["bleu"]]
    for value in values:
        assert value in table
    assert "a-transformer-with-a-very-long-name_seed=1" in shown(comparison, width=200)
    assert "bs:1000|seed:12345|" in "".join(table.split("\n"))


@pytest.mark.parametrize("count", [9, 14])
def test_many_systems_fit_80_columns(tmp_path: Path, count: int) -> None:
    runs = [
        make_run(tmp_path / f"system-{n}", REFERENCES if n % 2 else GOOD, model={"dim": n})
        for n in range(count)
    ]
    table = shown(compare([*runs[1:], runs[0]]))
    assert all(len(line.rstrip()) <= 80 for line in table.splitlines())
    assert "…" not in table
    matrix = [line.split() for line in table.split("Who beats whom")[1].splitlines()[3:]][:count]
    assert [row[0] for row in matrix] == [str(n) for n in range(1, count + 1)]
    assert {len(row) for row in matrix} == {2 + count - 1}  # number, name, and all the others
    assert matrix[-1][1] == "system-0"


def test_too_few_draws_for_so_many_pairs_are_told(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"system-{n}", GOOD, model={"dim": n}) for n in range(12)]
    note = "With 66 pairs, the corrected bootstrap p cannot be below 0.07"
    assert any(one.startswith(note) for one in compare(runs).notes)
    assert not any("bootstrap p cannot" in one for one in compare(runs[:2]).notes)


def test_a_run_may_stand_alone(pair: tuple[Path, Path]) -> None:
    comparison = compare(pair[:1])
    assert "bootstrap resampling" not in shown(comparison)
    assert record(comparison)["tests"][TEST]["pairs"] == {"bleu": [], "chrf": [], "ter": []}
    assert "beats" not in markdown(comparison) + tex(comparison)


def test_nothing_is_written_if_the_maps_of_a_run_are_damaged(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    (pair[1] / "hyps" / TEST / "attention.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"attention\.safetensors cannot be read"):
        write.write(compare(pair), tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_matrix_is_read_from_both_sides(pair: tuple[Path, Path]) -> None:
    comparison = compare(pair)
    (found,) = comparison.tests[0].quality.pairs["bleu"]
    ps = f"({found.randomised_corrected:.4f}, {found.bootstrap_corrected:.4f})"
    text = markdown(comparison)
    assert f"| ▲ +{found.difference:.2f} {ps} |" in text
    assert f"| ▼ -{found.difference:.2f} {ps} |" in text
    cells = page(comparison)["tests"][0]["matrices"][0]["cells"]
    assert [[cell and cell["winner"] for cell in row] for row in cells] == [
        [None, "row"],
        ["column", None],
    ]
    assert cells[0][1]["difference"] == -cells[1][0]["difference"] == found.difference


def test_the_markdown_says_how_it_was_measured(pair: tuple[Path, Path]) -> None:
    text = markdown(compare(pair))
    stored = json.loads((pair[0] / "scores.json").read_text("utf-8"))[TEST]
    for metric in ("bleu", "chrf", "ter"):
        assert f"{metric}: `{stored[metric]['signature']}`" in text
    for side in ("source", "reference"):
        assert f"{side} SHA-256: `{stored['test'][f'{side}_sha256']}`" in text
    assert "test\\_2016\\_flickr, 24 lines, en to de" in text
    assert "seed:12345" in text
    assert '- Search settings: {"beam": 5}.' in text
    assert "corrected by Holm's method" in text
    assert text.count("<details>") == text.count("</details>") > 2
    assert "Line 1: chrF" in text


def test_every_form_is_written(rich: Comparison, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report"
    written = write.write(rich, out)
    assert {path.name for path in written} == {path.name for path in out.iterdir()}
    names = {"report.md", "report.json", "table.tex", "training.png", "training.svg"}
    assert names <= {path.name for path in written}
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", (out / "report.md").read_text("utf-8"))
    assert all((out / picture).is_file() for picture in pictures) and pictures


def test_a_file_in_the_reports_place_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(UserError, match="it is a file"):
        write.write(compare(pair), tmp_path / "report")


def test_what_an_old_run_does_not_tell_is_a_dash(tmp_path: Path) -> None:
    run = make_run(tmp_path / "old", GOOD)
    write_json(run / "run.json", {"minutes": "many"})
    (run / "config.yaml").write_text("model: {}\n")
    for key in ("chrf", "perplexity", "search", "model_sha256"):
        edit_json(run / "scores.json", TEST, key, value=None)
    comparison = compare([run])
    text = markdown(comparison)
    assert "| old† | 1 |" in text
    assert "| old | - | - | - | - | - | - | 10.5 |" in text
    assert "24 lines, - to -" in shown(comparison)


def test_tex_is_balanced_and_escaped(tmp_path: Path) -> None:
    name = "50%_of {x} & $y$ #1 ~^\\end"
    made = [make_run(tmp_path / name, GOOD), make_run(tmp_path / "b", BAD, model={"dim": 1})]
    text = tex(compare(made))
    escaped = r"50\%\_of \{x\} \& \$y\$ \#1 \textasciitilde{}\textasciicircum{}\textbackslash{}end"
    assert escaped in text
    bare = re.sub(r"\\[\\{}%&$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 1
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
    assert text.count("\\textbf{") == 3  # the better one's BLEU, chrF and TER


# forms for programs


def check(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "report") -> None:
    """Hold a value against those parts of JSON Schema that ours uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kinds |= {"integer": int, "number": int | float}
    wanted = schema.get("type", list(kinds))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    assert any(isinstance(value, kinds[kind]) for kind in wanted), f"{at} is {value!r}"
    assert value == schema.get("const", value), at
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= value.keys(), at
        for key, inner in value.items():
            further = schema.get("additionalProperties", False)
            known = schema.get("properties", {}).get(key, further)
            assert known is not False, f"{at}.{key} is not described"
            check(inner, known, root, f"{at}.{key}")
    if isinstance(value, list):
        for place, inner in enumerate(value):
            check(inner, schema["items"], root, f"{at}[{place}]")


def test_the_json_is_as_its_schema_says(rich: Comparison, tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    scored = make_run(tmp_path / "scored", GOOD)
    add_probabilities(scored)
    for comparison in (rich, compare([make_run(tmp_path / "alone", GOOD)]), compare([scored])):
        found = json.loads(json.dumps(record(comparison), allow_nan=False))
        check(found, schema, schema)
    broken = record(rich) | {"systems": [{"name": 3}]}
    with pytest.raises(AssertionError):
        check(broken, schema, schema)


def test_the_json_has_the_numbers_of_the_tables(rich: Comparison) -> None:
    found = record(rich)
    test = found["tests"][TEST]
    quality = rich.tests[0].quality
    assert test["systems"]["good"]["bleu"]["mean"] == quality.means["good"]["bleu"].mean
    assert test["runs"]["bad"]["ter"]["score"] == quality.runs["bad"]["ter"].score
    assert [one["seed"] for one in found["runs"]] == [1, 2, 7, None]
    assert test["cost"]["good"]["joules"] == 7200.0
    assert test["lines"] == len(REFERENCES)


def test_the_page_is_plain_data_of_one_shape(rich: Comparison) -> None:
    found = json.loads(json.dumps(page(rich), allow_nan=False))
    runs = [run["name"] for run in found["runs"]]
    assert runs == ["good-1", "good-2", "bad", "marian"]
    assert found["systems"][0] == {"name": "good", "runs": ["good-1", "good-2"]}
    (test,) = found["tests"]
    assert test["lines"] == len(test["source"]) == len(test["reference"]) == 24
    assert list(test["outputs"]) == list(test["attention"]) == runs
    for output in test["outputs"].values():
        assert len(output["text"]) == len(output["score"]) == 24
    for table in [*test["tables"], *test["words"]]:
        assert {len(row) for row in table["rows"]} <= {len(table["head"])}
        assert all(isinstance(cell, str) for row in table["rows"] for cell in row)
    names = [system["name"] for system in found["systems"]]
    for matrix in test["matrices"]:
        assert matrix["names"] == names
        assert [len(row) for row in matrix["cells"]] == [3, 3, 3]
        assert all(row[place] is None for place, row in enumerate(matrix["cells"]))
    for curve in test["curves"]:
        for series in curve["series"]:
            assert series["system"] in names
            assert len(series["x"]) == len(series["y"])
            assert {type(place) for place in series["x"]} <= (
                {str} if curve["categories"] else {float}
            )
    assert test["attention"] == dict.fromkeys(runs)


def test_the_page_names_the_attention_that_was_stored(pair: tuple[Path, Path]) -> None:
    file = pair[0] / "hyps" / TEST / "attention.safetensors"
    file.write_bytes(b"weights")
    (test,) = page(compare(pair))["tests"]
    assert test["attention"] == {"good": str(file.resolve()), "bad": None}


HOSTILE = "[b] *--,,---?`!`<<>>''\"%_&#~^\\{}|é"


def test_names_that_tex_would_obey_are_set_as_they_are(tmp_path: Path) -> None:
    """No name begins an option of the row before it, and none has a ligature."""
    for name in ("[2ex] a", "*b", HOSTILE):
        assert not escape(name).startswith(("[", "*"))
    text = escape(HOSTILE)
    assert not any(one in text for one in ("--", ",,", "?`", "!`", "<<", ">>", "''", '"'))
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    (tmp_path / "o").mkdir()
    runs = [make_run(tmp_path / "o" / "good", GOOD), make_run(tmp_path / "o" / "bad", BAD)]
    write_lines(tmp_path / "h", BAD)
    names = (HOSTILE, "[2ex] a", "*b")
    comparison = compare(runs, hyps=[f"{name}={tmp_path / 'h'}" for name in names])
    (tmp_path / "table.tex").write_text(tex(comparison), "utf-8")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}"
        "\\begin{document}\\input{table.tex}\\end{document}\n",
        "utf-8",
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-800:]


def test_every_table_is_written_as_csv(rich: Comparison, tmp_path: Path) -> None:
    write.write(rich, tmp_path / "out")
    raw = {path.name: path.read_bytes() for path in (tmp_path / "out" / "tables").iterdir()}
    assert all(text.endswith(b"\r\n") for text in raw.values())
    found = {
        name: list(csv.DictReader(io.StringIO(text.decode("utf-8"), newline="")))
        for name, text in raw.items()
    }
    quality = rich.tests[0].quality
    (good,) = (
        row for row in found["systems.csv"] if (row["system"], row["metric"]) == ("good", "bleu")
    )
    assert float(good["mean"]) == quality.means["good"]["bleu"].mean
    assert float(good["deviation"]) == quality.means["good"]["bleu"].deviation
    pairs = [float(row["difference"]) for row in found["pairs.csv"] if row["metric"] == "bleu"]
    assert pairs == [pair.difference for pair in quality.pairs["bleu"]]
    names = "runs systems pairs axes measures ngrams sentences training settings provenance"
    assert found.keys() == {f"{name}.csv" for name in names.split()}
    assert all(None not in row and None not in row.values() for t in found.values() for row in t)


def test_the_verdict_names_who_is_ahead_how_surely_and_on_how_much(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "bad", BAD), make_run(tmp_path / "good", REFERENCES)]
    comparison = compare(runs)
    said = " ".join(verdict(comparison))
    (pair,) = comparison.tests[0].quality.pairs["bleu"]
    assert f"(24 sentences), good beats bad by {-pair.difference:.1f} BLEU" in said
    assert f"(95 % interval {-pair.high:.1f} to {-pair.low:.1f})" in said
    assert f"p = {pair.randomised_corrected:.4f}" in said
    assert "Each system has one training run: other seeds may change the ranking." in said
    assert pair.low < pair.difference < pair.high
    assert " ".join(shown(comparison, width=500).split("\n")[0].split()) == said
    assert markdown(comparison).split("\n")[2].startswith("On test")
    assert page(comparison)["verdict"] == record(comparison)["verdict"] == verdict(comparison)


def test_a_tie_is_called_a_tie(tmp_path: Path) -> None:
    same = [make_run(tmp_path / name, GOOD, model={"dim": n}) for n, name in enumerate("ab")]
    assert "a and b are tied: their BLEU is the same." in verdict(compare(same))[0]
    almost = [GOOD[0], REFERENCES[1], *GOOD[2:-1], BAD[-1]]  # better once, and worse once
    make_run(tmp_path / "c", almost, model={"dim": 5})
    said = verdict(compare([same[0], tmp_path / "c"]))[0]
    assert "a and c are tied: " in said and "not significant" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.34, "12.3"), (0.14, "0.1"), (0.04, "0.04"), (-0.004, "-0.004"), (0.0, "0.0"),
     (-0.0, "0.0"), (1e-9, "0.0000"), (-1e-9, "0.0000")],
)  # fmt: skip
def test_a_difference_is_not_rounded_to_nothing(value: float, text: str) -> None:
    assert decimals(value) == text
    assert decimals(value, "+") == (text if text.startswith("-") else f"+{text}")


def test_a_small_difference_between_failed_systems_is_written_out(tmp_path: Path) -> None:
    """No `beats by 0.0 BLEU`: the size is written out, and that both scores are near 0."""
    nearly = [f"x{n} {'x ' * 60}Wiese ." for n in range(24)]
    nothing = [f"x{n} {'x ' * 60}" for n in range(24)]
    made = [make_run(tmp_path / "a", nothing), make_run(tmp_path / "b", nearly, model={"dim": 1})]
    comparison = compare(made)
    (pair,) = comparison.tests[0].quality.pairs["bleu"]
    assert 0 < abs(pair.difference) < 1
    said = " ".join(verdict(comparison))
    assert " 0.0 BLEU" not in said and "(+0.0)" not in said
    assert "No BLEU score is above 1: " in said
    assert "No BLEU score is above 1: " in " ".join(verdict(compare(made[:1])))


def test_the_verdict_says_where_the_order_turns(tmp_path: Path) -> None:
    """The second is better on short sentences, and on another test set."""
    sources = [f"{line} " * 3 if n % 2 else line for n, line in enumerate(SOURCES * 2)]
    references = REFERENCES * 2
    first = [references[n] if n % 2 else GOOD[n % 24].replace("Hund", "Katze") for n in range(48)]
    second = [BAD[n % 24] if n % 2 else references[n] for n in range(48)]
    made = [
        make_run(tmp_path / name, lines, sources=sources, references=references, model={"dim": n})
        for n, (name, lines) in enumerate((("first", first), ("second", second)))
    ]
    said = " ".join(verdict(compare(made)))
    assert "On sources of 1\N{EN DASH}10 words (24 sentences, +" in said
    assert "second is ahead (not tested separately)" in said


def test_settings_are_shown_by_the_names_they_are_chosen_by(tmp_path: Path) -> None:
    models = ({"name": "bahdanau"}, {"_target_": "seq2seq.models.rnn.RNN"})  # the second by 0.1.0
    runs = [make_run(tmp_path / str(n), GOOD, model=model) for n, model in enumerate(models)]
    assert compare(runs).configuration.different["model"] == ["bahdanau", "rnn"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_cell_is_cut_at_any_width(tmp_path: Path, width: int) -> None:
    runs = [
        make_run(
            tmp_path / f"a-system-whose-name-is-rather-long-{n}",
            GOOD,
            model={"dim": n, "a_setting_of_some_length": f"value-{n}-of-a-setting"},
        )
        for n in range(5)
    ]
    text = shown(compare(runs), width=width)
    assert "…" not in text
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    settings = text.split("Settings that differ")[1]
    for n in range(5):
        assert f"value-{n}-of-a-setting" in settings
        if width > 40:
            assert f"a-system-whose-name-is-rather-long-{n}:" in settings


def test_the_verdict_of_three_systems_two_sets_and_seeds(tmp_path: Path) -> None:
    outputs = (("a-1", REFERENCES, 1), ("a-2", REFERENCES, 2), ("b", GOOD, 1), ("c", BAD, 1))
    runs = [
        make_run(
            tmp_path / name, lines, tests=(TEST, "two"), seed=seed, model={"dim": ord(name[0])}
        )
        for name, lines, seed in outputs
    ]
    first, *each = verdict(compare(runs))
    assert "a has the highest BLEU on all 2 test sets." in first
    assert "Training runs: a 2, b 1, c 1. Other seeds of b, c may differ." in first
    assert len(each) == 2 and all("a also beats c (+" in one for one in each)


def test_other_metrics_that_turn_the_order_are_named(pair: tuple[Path, Path]) -> None:
    test = compare(pair).tests[0]
    (found,) = test.quality.pairs["bleu"]
    for differences, names in (
        ({"bleu": 1.0, "chrf": -1.0, "ter": 2.0}, "chrF and TER"),
        ({"bleu": 1.0, "chrf": 1.0, "ter": 2.0}, "TER"),
        ({"bleu": 1.0, "chrf": -1.0, "ter": -2.0}, "chrF"),
    ):
        made = {name: [found._replace(difference=value)] for name, value in differences.items()}
        changed = replace(test, quality=replace(test.quality, pairs=made), axes=[])
        assert list(turned(changed, "good", "bad")) == [f"By {names}, bad is ahead of good."]


def test_a_speed_of_several_processes_is_not_shown(pair: tuple[Path, Path]) -> None:
    edit_json(pair[0] / "scores.json", TEST, "processes", value=2)
    costs = compare(pair).tests[0].costs
    assert costs["good"].sentences_per_second is None
    assert costs["bad"].sentences_per_second.mean == 10.5
