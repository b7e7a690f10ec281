"""A run's attention measured against gold."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from untrained_runs import (
    gold_alignments,
    make_run,
    make_run_with_gold,
)

from seq2seq.alignment.gold import Gold, Links, write_gold
from seq2seq.alignment.links import Tally
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Cut, measure
from seq2seq.interpret.chosen_rule import RULE, chosen_rule
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import write_json
from seq2seq.translation.translator import Translator


@pytest.fixture(scope="module", params=["bahdanau", "transformer"])
def run(request, tmp_path_factory) -> Path:
    return make_run_with_gold(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def copy(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_a_run_is_measured_as_its_pairs_are_one_by_one(run):
    translator = Translator(run, device="cpu")
    found = measure(translator, run / "hyps" / "test")
    tally, entropies = Tally(), []
    for gold in gold_alignments():
        (read,) = translator.force([(" ".join(gold.source), " ".join(gold.target))])
        cut = Cut.of(read, gold, translator.tokenizers)
        weights = cut.pool(Rule().read(read.attention))[: len(gold.target)]
        tally += Tally.of(Rule().links(weights), gold.links)
        entropies += [-sum(p * np.log(p) for p in row if p) for row in weights.tolist()]
    assert found == {
        **tally.scores(),
        "entropy": pytest.approx(np.mean(entropies), rel=1e-4),
        "links": tally.links,
        "sure": 6,
        "possible": 3,
        "unmatched": 0,
        "pairs": 3,
        "rule": Rule().resolve(*read.attention.shape[:2]).record(),
    }
    assert tally.links == sum(len(gold.target) for gold in gold_alignments())
    json.dumps(found)


def test_gold_tokens_cut_otherwise_are_found_and_others_counted(copy):
    test, (first, *rest) = copy / "hyps" / "test", gold_alignments()
    recut = first._replace(source=["a", "m", "an", "RIDES", "a", "horse"])
    write_gold(test, [recut, *rest])
    assert measure(Translator(copy, device="cpu"), test)["unmatched"] == 1


def test_the_spelling_is_that_of_the_pieces(tmp_path):
    """The tokenizer's normalisation changes characters; tokens are changed alike."""
    folder = make_run(tmp_path, "bahdanau", normalization="nmt_nfkc")
    translator = Translator(folder, device="cpu")
    gold = Gold(["a…", "ﬁrst", "½"], ["\uff21", "e\u0301"], Links(frozenset()))
    (read,) = translator.force([("a… ﬁrst ½", "\uff21 e\u0301")])
    assert Cut.of(read, gold, translator.tokenizers).unmatched == 0


def test_the_runs_own_rule_is_used_unless_another_is_given(copy):
    write_json(copy / RULE, {"rule": asdict(Rule(layer=1, head=1, shift=True, threshold=0.2))})
    translator, test = Translator(copy, device="cpu"), copy / "hyps" / "test"
    assert measure(translator, test)["rule"]["threshold"] == 0.2
    assert measure(translator, test, Rule(head=1))["rule"]["threshold"] is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"rule": {"leyer": 1}}',
        '{"rule": [1]}',
        '{"rule": {"shift": "no"}}',
        '{"rule": {"shift": 1}}',
        '{"rule": {"layer": "first"}}',
        '{"rule": {"layer": 0}}',
        '{"rule": {"layer": true}}',
        '{"rule": {"layer": [1]}}',
        '{"rule": {"head": 1.5}}',
        '{"rule": {"head": null}}',
        '{"rule": {"end": "kept"}}',
        '{"rule": {"end": ["keep"]}}',
        '{"rule": {"threshold": "x"}}',
        '{"rule": {"threshold": 2}}',
        '{"rule": {"threshold": NaN}}',
    ],
)
def test_a_damaged_rule_is_named(copy, content):
    (copy / RULE).parent.mkdir()
    (copy / RULE).write_text(content)
    read = "cannot be read" if content in ("{", "[]") else "cannot be read as a rule"
    with pytest.raises(UserError, match=rf"rule\.json {read}: .*\(delete it to use the default"):
        chosen_rule(RunFolder.open(copy))


def test_without_gold_or_attention_there_is_no_measure(copy, tmp_path):
    test = copy / "hyps" / "test"
    plain = make_run(tmp_path / "rnn", "rnn")
    assert measure(Translator(plain, device="cpu"), test) is None
    (test / "gold.links.txt").unlink()
    assert measure(Translator(copy, device="cpu"), test) is None


def test_gold_of_other_pairs_is_refused(copy):
    write_gold(copy / "hyps" / "test", gold_alignments(2))
    with pytest.raises(UserError, match="test has 3 pairs, but gold links for 2"):
        measure(Translator(copy, device="cpu"), copy / "hyps" / "test")
