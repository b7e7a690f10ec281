"""Alignments of whole texts as files."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from untrained_runs import ENGLISH, GERMAN, make_run, write_test_set

from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.gold_files import read_links
from seq2seq.alignment.rule import Rule
from seq2seq.commands.export_alignment import WRITERS, export_text
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Cut
from seq2seq.system.files import write_lines
from seq2seq.translation.translator import Translator

PAIRS = [*zip(ENGLISH, GERMAN, strict=True), ("", "ein"), ("a man", "")]


@pytest.fixture(scope="module", params=["bahdanau", "transformer"])
def run(request, tmp_path_factory) -> Path:
    run = make_run(tmp_path_factory.mktemp(request.param), request.param)
    return write_test_set(run, *map(list, zip(*PAIRS, strict=True)))


@pytest.mark.parametrize("rule", [Rule(), Rule(shift=True, threshold=0.2, end="keep")])
def test_every_form_holds_what_the_rule_reads_pair_by_pair(run, tmp_path, rule):
    outs = [tmp_path / f"all{ending}" for ending in (".align", ".jsonl", ".npz")]
    for out in outs:
        export_text(run, test="test", rule=rule, out=out, device="cpu")
    hard = outs[0].read_text("ascii").split("\n")
    soft = [json.loads(line) for line in outs[1].read_text("utf-8").splitlines()]
    arrays = np.load(outs[2], allow_pickle=False)
    assert hard.pop() == ""
    assert len(hard) == len(soft) == len(arrays) == len(PAIRS)
    translator = Translator(run, device="cpu")
    for number, (source, target) in enumerate(PAIRS):
        (read,) = translator.force([(source, target)])
        tokens = Gold(source.split(), target.split(), Links(frozenset()))
        cut = Cut.of(read, tokens, translator.tokenizers)
        weights = cut.pool(rule.read(read.attention))
        np.testing.assert_allclose(arrays[str(number + 1)], weights, atol=1e-5)
        rows = np.reshape(soft[number]["weights"], weights.shape)
        np.testing.assert_allclose(rows, weights, atol=2e-5)
        assert soft[number]["source"] == [*tokens.source, "</s>"]
        assert soft[number]["target"][: len(tokens.target)] == tokens.target
        assert len(soft[number]["target"]) == len(weights)
        links = rule.links(weights[: len(tokens.target)])
        assert Links.parse(hard[number]).sure == links
        assert {tuple(link) for link in soft[number]["links"]} == links
    assert hard[3] == hard[4] == ""


def test_pairs_are_read_as_they_are_written(run, tmp_path, monkeypatch):
    """What has been yielded is written before more than a chunk ahead is read."""
    monkeypatch.setattr("seq2seq.interpret.alignment.FORCED", 2)
    read, written = [], []

    def lines():
        for number in range(7):
            read.append(number)
            yield ENGLISH[0], GERMAN[0]

    def write(file, aligned):
        for _ in aligned:
            written.append(len(read) - len(written))

    monkeypatch.setattr("seq2seq.commands.export_alignment.stored_texts", lambda *paths: lines())
    monkeypatch.setitem(WRITERS, ".jsonl", ("w", write))
    export_text(run, test="test", rule=Rule(), out=tmp_path / "x.jsonl", device="cpu")
    assert len(written) == 7
    assert max(written) == 2


def test_an_archive_is_an_ordinary_zip_of_arrays(run, tmp_path):
    out = tmp_path / "x.npz"
    export_text(run, test="test", rule=Rule(), out=out, device="cpu")
    assert zipfile.ZipFile(out).namelist() == [f"{i}.npy" for i in range(1, len(PAIRS) + 1)]


@pytest.mark.parametrize(
    ("asked", "out", "message"),
    [
        ({"test": "test"}, "x.txt", r"--out x\.txt must end in \.align, \.jsonl, \.npz"),
        ({}, "x.align", "give --test NAME, or --text SOURCE TARGET"),
        ({"test": "tset"}, "x.align", "did you mean 'test'"),
    ],
)
def test_what_does_not_fit_is_refused(run, asked, out, message):
    with pytest.raises(UserError, match=message):
        export_text(run, **asked, rule=Rule(), out=Path(out), device="cpu")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a\n", "line i of one must be the translation"), (b"\xff\n", "not UTF-8")],
)
def test_files_that_are_no_pairs_are_refused_and_nothing_is_left(run, tmp_path, content, message):
    write_lines(tmp_path / "a.en", ENGLISH)
    (tmp_path / "a.de").write_bytes(content)
    texts = (tmp_path / "a.en", tmp_path / "a.de")
    with pytest.raises(UserError, match=message):
        export_text(run, texts=texts, rule=Rule(), out=tmp_path / "x.align", device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.de", "a.en"]


def test_a_model_without_attention_has_nothing_to_export(tmp_path):
    run = make_run(tmp_path, "rnn")
    write_lines(run / "a", ["a"])
    with pytest.raises(UserError, match=r"has no attention, .* add --method occlusion"):
        export_text(run, texts=(run / "a", run / "a"), rule=Rule(), out=run / "x.align")


@pytest.mark.parametrize("form", ["pharaoh", "talp", "naacl"])
def test_links_are_written_in_the_format_that_is_given(run, tmp_path, form):
    out = tmp_path / "links.align"
    export_text(run, test="test", rule=Rule(), out=tmp_path / "soft.jsonl", device="cpu")
    export_text(run, test="test", rule=Rule(), out=out, form=form, device="cpu")
    texts = [(source.split(), target.split()) for source, target in PAIRS]
    soft = [json.loads(line) for line in (tmp_path / "soft.jsonl").read_text("utf-8").splitlines()]
    for one, gold in zip(soft, read_links(out, texts, form), strict=True):
        assert gold.links == Links(frozenset(map(tuple, one["links"])))


def test_a_format_without_effect_is_refused(run, tmp_path):
    for ending in (".jsonl", ".npz"):
        out = tmp_path / f"x{ending}"
        with pytest.raises(UserError, match="--format talp has no effect"):
            export_text(run, test="test", rule=Rule(), out=out, form="talp", device="cpu")
