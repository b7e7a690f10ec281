"""Text in, text out, by the tiny run of a model that has learned nothing."""

import math
import os
import re
import shutil
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile

import pytest
import torch
import yaml
from untrained_runs import ENGLISH, GERMAN, MODELS, SEARCH, make_run

import seq2seq
from seq2seq.errors import UserError
from seq2seq.runs.folder import RunFolder
from seq2seq.scoring.perplexity import mean_loss
from seq2seq.search.beam import Beam
from seq2seq.search.sample import Sample
from seq2seq.system.devices import pick_device
from seq2seq.system.streams import ready_lines
from seq2seq.text.batching import collate
from seq2seq.text.special_ids import SpecialIds
from seq2seq.translation.stream import filter_lines
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator, run_search, sampling

SPECIAL = SpecialIds()
EOS, UNK = SPECIAL.eos, SPECIAL.unk


@pytest.fixture(scope="module", params=MODELS)
def tiny_run(request, tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def translator(tiny_run) -> Translator:
    return Translator(tiny_run, device="cpu")


@pytest.fixture
def one_run(tmp_path) -> Path:
    return make_run(tmp_path, "bahdanau")


@pytest.fixture
def one(one_run) -> Translator:
    return Translator(one_run, device="cpu")


def lean_to_the_end(translator: Translator, weight: float) -> None:
    """Make the model end its translations at once, or never."""
    with torch.no_grad():
        translator.model.readout.words.bias[EOS] = weight


def filtered(
    translator: Translator,
    content: bytes,
    *,
    n_best: int = 1,
    refused: AbstractContextManager | None = None,
) -> list[str]:
    with TemporaryFile() as lines, TemporaryFile() as out:
        lines.write(content)
        lines.seek(0)
        with refused or nullcontext():
            filter_lines(translator, lines, out, n_best=n_best)
        out.seek(0)
        return out.read().decode().split("\n")[:-1]


def texts(translator: Translator, sources: list[str]) -> list[str]:
    return [found.text for found in translator(sources)]


def test_the_translator_is_the_librarys_face(one_run):
    found = seq2seq.Translator(str(one_run))(["a man"])
    assert isinstance(found[0], seq2seq.Translation)


def test_order_and_company_change_no_translation(translator):
    sources = [" ".join(words) for words in (s.split()[:n] for s in ENGLISH for n in range(1, 7))]
    together = translator(sources)
    assert [found.source for found in together] == sources
    for source, found in zip(sources, together, strict=True):
        assert translator([source])[0].text == found.text
    assert texts(translator, sources[::-1]) == [found.text for found in together[::-1]]


def test_a_text_without_words_is_translated_by_nothing_in_its_place(translator):
    sources = ["", "two dogs", "  ", "\t", "the cat", "\u200b"]
    for source, found in zip(sources, translator(sources, attention=True), strict=True):
        if source in ("two dogs", "the cat"):
            assert [found.text] == texts(translator, [source])
        else:
            assert (found.text, found.attention) == ("", None)
            assert found.source_pieces == found.target_pieces == [END]


@pytest.mark.parametrize(
    "text", ["😀", "火 😀 a man", "a\0man\x07", "a\u2028man", "a\r\nman", "</s>"]
)
def test_any_character_may_come(translator, text):
    (found,) = translator([text])
    assert found.source == text
    assert found.source_pieces[-1] == END


def test_no_texts_have_no_translations(translator):
    assert translator([]) == []


def test_one_text_instead_of_a_list_is_refused(one):
    with pytest.raises(TypeError, match="give a list of texts"):
        one("a man")


def test_attention_has_a_row_and_a_column_for_every_piece(translator):
    for found in translator(ENGLISH, attention=True):
        if translator.run.config["model"]["name"] in ("rnn", "elman"):
            assert found.attention is None
            continue
        layers, heads, rows, columns = found.attention.shape
        assert (rows, columns) == (len(found.target_pieces), len(found.source_pieces))
        assert (layers, heads) in {(1, 1), (3, 2)}
        torch.testing.assert_close(found.attention.sum(-1), torch.ones(layers, heads, rows))


def test_attention_comes_only_where_it_is_asked_for(one):
    assert one(["a man"])[0].attention is None


def test_n_best_is_best_first_and_begins_with_the_best(translator):
    for group, best in zip(translator.n_best(ENGLISH, 3), translator(ENGLISH), strict=True):
        scores = [found.score for found in group]
        assert len(group) == 3
        assert scores == sorted(scores, reverse=True)
        assert group[0].text == best.text


def test_done_is_told_of_every_text_once(one):
    heard = []
    one.n_best([*ENGLISH, ""], 1, done=heard.append)
    assert sum(heard) == 4


@pytest.mark.parametrize(("weight", "pieces"), [(-50, 8), (50, 0)])
def test_a_translation_that_the_cap_has_ended_is_marked_as_cut(one, weight, pieces):
    lean_to_the_end(one, weight)
    for found in one(ENGLISH):
        assert len(found.target_pieces) == pieces + 1
        assert found.cut == (pieces == 8)


def test_a_forced_target_is_scored_as_the_model_scores_it(translator):
    source, target = ENGLISH[0], GERMAN[0]
    (found,) = translator.force([(source, target)])
    tokenizers = translator.tokenizers
    pair = tokenizers.source.encode([source])[0], tokenizers.target.encode([target])[0]
    with torch.inference_mode():
        loss = translator.model.loss(collate([pair], SPECIAL)).item()
    assert found.text == target
    assert found.log_probability == pytest.approx(-loss, abs=1e-4)
    if found.attention is not None:
        assert found.attention.shape[2:] == (len(found.target_pieces), len(found.source_pieces))


def test_a_forced_target_shows_its_unknown_characters(one):
    (found,) = one.force([("a man 😀", "ein 火 Mann")])
    assert UNK in one.tokenizers.target.encode(["火"])[0]
    assert "火" in found.target_pieces
    assert "😀" in found.source_pieces
    assert found.attention.shape == (1, 1, len(found.target_pieces), len(found.source_pieces))


@pytest.mark.parametrize(("source", "target"), [("", "ein Mann"), ("a man", ""), ("", "")])
def test_an_empty_side_may_be_forced(translator, source, target):
    (found,) = translator.force([(source, target)])
    assert found.log_probability < 0
    assert found.source_pieces[-1] == found.target_pieces[-1] == END


def test_order_and_company_change_no_forced_target(translator, monkeypatch):
    monkeypatch.setattr("seq2seq.translation.translator.FORCED", 3)
    pairs = [*zip(ENGLISH, GERMAN, strict=True), ("", "ein"), ("a", ""), ("a man", "ein Mann")]
    found = list(translator.force(iter(pairs)))
    assert [(one.source, one.text) for one in found] == pairs
    for pair, together in zip(pairs, found, strict=True):
        (alone,) = translator.force([pair])
        assert together.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
        if alone.attention is not None:
            torch.testing.assert_close(together.attention, alone.attention, atol=1e-5, rtol=1e-4)


def test_where_memory_is_short_the_same_is_done_in_smaller_batches(translator, monkeypatch):
    sides, model = list(zip(ENGLISH, GERMAN, strict=True)), translator.model
    ids = [([5], [6]), ([5, 6], [6, 7]), ([7], [8, 9])]

    def work():
        scores = [one.score for one in translator.force(sides)]
        return texts(translator, ENGLISH), scores, mean_loss(model, ids)

    with_room, encode = work(), type(model).encode

    def narrow(self, src, mask):
        if len(src) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(self, src, mask)

    monkeypatch.setattr(type(model), "encode", narrow)
    translations, scores, loss = work()
    assert translations == with_room[0]
    assert scores == pytest.approx(with_room[1], rel=1e-5)
    assert loss == pytest.approx(with_room[2], rel=1e-5)


def test_forced_targets_are_read_as_they_are_asked_for(one, monkeypatch):
    monkeypatch.setattr("seq2seq.translation.translator.FORCED", 2)
    taken = []
    pairs = (taken.append(i) or ("a man", "ein Mann") for i in range(9))
    next(one.force(pairs))
    assert taken == [0, 1]


def test_a_sentence_of_five_thousand_words_is_translated(one):
    (found,) = one([" ".join(["man"] * 5000)], attention=True)
    assert found.attention.size(3) == len(found.source_pieces) > 5000
    assert len(found.target_pieces) <= 9


def test_another_beam_keeps_the_rest_of_the_runs_search(one_run):
    run = RunFolder.open(one_run)
    caps = {"max_length": 8, "length_ratio": 2.0, "length_extra": 2}
    assert run_search(run) == Beam(beam=3, length_penalty=1.0, **caps)
    assert run_search(run, beam=7) == Beam(beam=7, length_penalty=1.0, **caps)
    assert run_search(run, max_length=99).max_length == 99
    drawn = sampling(run_search(run), temperature=0.5, top_k=4, top_p=0.9, seed=3)
    assert drawn == Sample(temperature=0.5, top_k=4, top_p=0.9, seed=3, **caps)
    assert Translator(run, beam=1).search.beam == 1
    assert Translator(run, search=drawn).search is drawn


@pytest.mark.parametrize("key", ["beam", "rounds", "lengths"])
def test_numbers_beside_a_search_have_no_effect_and_are_refused(one_run, key):
    search = run_search(RunFolder.open(one_run))
    with pytest.raises(UserError, match=f"{key} has no effect with search"):
        Translator(one_run, search=search, **{key: 2})


def test_a_beam_of_none_is_refused(one_run):
    with pytest.raises(UserError, match=r"^search\.beam=0 must be at least 1"):
        Translator(one_run, beam=0)


def test_an_unknown_device_is_refused_by_name(one_run):
    with pytest.raises(UserError, match="there is no device 'abacus' here"):
        Translator(one_run, device="abacus")


@pytest.mark.parametrize("name", ["", "meta", "cpu:7", "cuda:x", "cuda:-1", "xla", "cpu "])
def test_a_name_that_is_no_device_is_answered_by_those_there_are(name):
    with pytest.raises(UserError, match="choose auto, cpu, cuda, cuda:1 or mps"):
        pick_device(name)


@pytest.mark.parametrize("name", ["model.safetensors", "source.model", "target.model"])
def test_a_damaged_file_of_the_run_is_refused_by_name(one_run, name):
    (one_run / name).write_bytes(b"garbage")
    with pytest.raises(UserError, match=re.escape(name)):
        Translator(one_run)


def test_the_weights_of_another_model_are_refused(one_run, tmp_path_factory):
    other = make_run(tmp_path_factory.mktemp("other"), "rnn")
    shutil.copy(other / "model.safetensors", one_run)
    with pytest.raises(UserError, match=r"model\.safetensors does not fit the model"):
        Translator(one_run)


LINES = {
    "plain": b"a man\ntwo dogs\n",
    "without a last newline": b"a man\ntwo dogs",
    "empty lines": b"\n\na man\n\n",
    "nothing but newlines": b"\n\n\n",
    "one blank": b" ",
    "odd breaks inside": "a\u2028man\nb\u0085c\x0b\x0cd\re\n".encode(),
    "emoji and controls": "😀\n\0\x07\n".encode(),
}


@pytest.mark.parametrize("content", LINES.values(), ids=LINES)
def test_there_is_one_line_out_for_each_line_in(one, content):
    lines = content.decode().removesuffix("\n").split("\n")
    assert filtered(one, content) == texts(one, lines)


def test_nothing_in_is_nothing_out(one):
    assert filtered(one, b"") == []


def test_windows_line_ends_change_nothing(tmp_path):
    exact = Translator(make_run(tmp_path, "bahdanau", normalization="identity"), device="cpu")
    assert filtered(exact, b"a man\r\n\r\nthe cat\r\n") == texts(exact, ["a man", "", "the cat"])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_lines_translated_at_a_time_change_nothing(one, monkeypatch, size):
    content = "\n".join([*ENGLISH, "", *ENGLISH[::-1]]).encode()
    expected = filtered(one, content)
    monkeypatch.setattr("seq2seq.translation.stream.CHUNK", size)
    assert filtered(one, content) == expected


def test_n_best_lines_have_number_text_and_score(one):
    sources = ["a man", "", "two dogs"]
    groups = one.n_best(sources, 2)
    expected = [
        f"{number} ||| {found.text} ||| {found.score:.4f}"
        for number, found in chain.from_iterable(
            [(number, found) for found in group] for number, group in enumerate(groups)
        )
    ]
    assert filtered(one, "\n".join(sources).encode(), n_best=2) == expected
    assert [line.split(" ||| ")[0] for line in expected] == ["0", "0", "1", "2", "2"]


@pytest.mark.parametrize("size", [1, 2, 3, 512])
def test_a_line_that_is_not_utf8_is_named_after_those_before_it_are_done(one, monkeypatch, size):
    monkeypatch.setattr("seq2seq.translation.stream.CHUNK", size)
    content = b"a man\ntwo dogs\n\xff\xfe\nthe cat\n"
    refusal = pytest.raises(UserError, match="is not UTF-8 at line 3")
    assert filtered(one, content, refused=refusal) == texts(one, ["a man", "two dogs"])


def test_a_line_longer_than_all_training_is_remarked_upon(one, capsys):
    filtered(one, b"a man\n" + b"man " * 41)
    heard = capsys.readouterr()
    assert re.search(r"line 2: \d+ pieces, but the model was trained on at most 40", heard.err)
    assert not re.search("line 1: .*trained", heard.err)
    assert heard.out == ""


def test_a_translation_cut_off_is_remarked_upon(one, capsys):
    lean_to_the_end(one, -50)
    filtered(one, b"\na man\n")
    heard = capsys.readouterr().err
    assert "line 2: the translation has 8 pieces, the maximum, and may be cut off" in heard
    assert "line 1" not in heard


def test_forced_targets_that_are_not_scored_are_read_all_the_same(translator):
    pairs = [("a b", "b a"), ("b", "a b b")]
    scored, read = (list(translator.force(pairs, scored=way)) for way in (True, False))
    for with_score, without in zip(scored, read, strict=True):
        assert math.isnan(without.log_probability) and math.isfinite(with_score.log_probability)
        if with_score.attention is None:
            assert without.attention is None
        else:
            torch.testing.assert_close(without.attention, with_score.attention)


def test_an_n_best_wider_than_the_beam_widens_it(one, one_run):
    wide = Translator(one_run, beam=7, device="cpu")
    assert one.n_best(["a man"], 7) == wide.n_best(["a man"], 7)
    assert len(one.n_best(["a man"], 7)[0]) == 7


@pytest.mark.parametrize(("n", "word"), [(n, n) for n in (0, -1, 1001, 20_000)] + [(True, "true")])
def test_an_n_best_that_is_no_number_of_translations_is_refused(one, n, word):
    with pytest.raises(UserError, match=f"^n_best={word} must be "):
        one.n_best(["a man"], n)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", bad) for bad in (0.0, -1.0, 1e-39, 1e39, math.nan, math.inf)),
        *(("top_p", bad) for bad in (0.0, -0.5, 2.0, math.nan)),
        *(("top_k", bad) for bad in (-1, 2**70)),
        *(("seed", bad) for bad in (-1, 2**70)),
    ],
)
def test_numbers_of_sampling_out_of_range_are_refused_by_name(one_run, name, value):
    with pytest.raises(UserError, match=rf"^search\.{name}=.* must be "):
        sampling(run_search(RunFolder.open(one_run)), **{name: value})


@pytest.mark.parametrize("changes", [{"beam": 0}, {"beam": 10**6}, {"max_length": 10**9}])
def test_numbers_of_a_search_out_of_range_are_refused_by_name(one_run, changes):
    with pytest.raises(UserError, match=rf"^search\.{next(iter(changes))}=.* must be "):
        run_search(RunFolder.open(one_run), **changes)


def test_a_run_that_samples_keeps_its_way_of_sampling(one_run):
    own = {"temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 4}
    limits = {key: SEARCH[key] for key in ("max_length", "length_ratio", "length_extra")}
    config = yaml.safe_load((one_run / "config.yaml").read_text())
    config["search"] = {"name": "sample", **own, **limits}
    (one_run / "config.yaml").write_text(yaml.safe_dump(config))
    search = run_search(RunFolder.open(one_run))
    assert search == Sample(**own, **limits)
    assert sampling(search, top_k=5) == Sample(**{**own, "top_k": 5}, **limits)
    assert search.greedy() == Beam(beam=1, length_penalty=1.0, **limits)


def test_lines_come_as_soon_as_no_more_are_ready():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        lines = ready_lines(stream, 3)
        os.write(writing, b"one\ntwo\nthr")
        assert next(lines) == [b"one", b"two"]
        os.write(writing, b"ee\n4\n5\n6\n7\n")
        assert next(lines) == [b"three", b"4", b"5"]
        assert next(lines) == [b"6", b"7"]
        os.write(writing, b"last")
        os.close(writing)
        assert list(lines) == [[b"last"]]


def test_a_file_gives_full_lists_of_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("seq2seq.system.streams.READ", 7)  # bytes at a time
    (tmp_path / "in.txt").write_bytes(b"".join(b"line %d\n" % n for n in range(10)))
    with (tmp_path / "in.txt").open("rb") as stream:
        assert [len(chunk) for chunk in ready_lines(stream, 4)] == [4, 4, 2]
    assert list(ready_lines(BytesIO(b"\n\na\r\n\0"), 2)) == [[b"", b""], [b"a\r", b"\0"]]
