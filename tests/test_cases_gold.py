"""The gold of six pairs of the Hansards in the formats of other people, through the command."""

import json
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "shared" / "cases" / "gold"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")


@pytest.mark.parametrize("text", ["test", "raw"])
@pytest.mark.parametrize("gold", ["test.wa.nonullalign", "test.wa.nullalign", "talp.gold"])
def test_all_formats_and_texts_give_the_same_scores(command, tmp_path, text, gold):
    (tmp_path / "links").write_text("0-0 1-1 2-2\n" * 6)
    answer = command(
        "score-alignment",
        *("--text", CASES / f"{text}.e", CASES / f"{text}.f"),
        *("--gold", CASES / gold, "--links", f"a={tmp_path / 'links'}", "--out", "x.json"),
    )
    assert answer.status == 0, answer
    found = json.loads((tmp_path / "x.json").read_text("utf-8"))
    naacl = [line.split() for line in (CASES / "test.wa.nonullalign").read_text().splitlines()]
    sure = {tuple(map(int, fields[:3])) for fields in naacl if fields[3] == "S"}
    assert (found["sure"], found["pairs"]) == (len(sure), 6)
    near = {tuple(map(int, fields[:3])) for fields in naacl}
    links = {(pair, i, i) for pair in range(1, 7) for i in (1, 2, 3)}
    hits = len(links & sure) + len(links & near)
    assert found["rows"]["a"]["aer"] == pytest.approx(1 - hits / (len(links) + len(sure)))
    assert ("the tags around" in answer.err) == (text == "raw")


def test_ids_before_tabs_are_read(command):
    words = ["--text", CASES / "test.e", CASES / "test.f", "--gold", CASES / "simalign.gold"]
    answer = command("score-alignment", *words, "--links", f"a={CASES / 'simalign.gold'}")
    assert answer.status == 0 and "0.000" in answer.out


def test_gold_of_another_text_is_refused_without_misleading(command):
    words = ["--text", CASES / "test.e", CASES / "test.f", "--gold", CASES / "bom.gold"]
    command("score-alignment", *words, "--links", f"a={CASES / 'talp.gold'}").must_refuse(
        "bom.gold has 1 lines for 6 sentence pairs"
    )
