"""Anything at all: no traceback, no wrong pairing, and what is refused is refused in one sentence.

`make test` tries a few dozen examples of each; SEQ2SEQ_EXAMPLES=10000 tries ten thousand new ones.
"""

import gzip
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from hostile import CHANGES, apply
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from untrained_runs import make_run

from seq2seq.alignment.gold import FILES, Gold, Links, read_gold, write_gold
from seq2seq.alignment.rule import Rule
from seq2seq.cli import main
from seq2seq.commands.evaluate import evaluate
from seq2seq.corpora import Corpus
from seq2seq.corpora.checker import check
from seq2seq.corpora.files import Files
from seq2seq.corpora.jsonl import Jsonl
from seq2seq.corpora.tsv import Tsv
from seq2seq.errors import UserError
from seq2seq.settings import compose, config_files, train_arguments
from seq2seq.settings.config import Config
from seq2seq.system.files import write_json
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.training.sweep import dry_run
from seq2seq.training.train import train
from seq2seq.translation.stream import filter_lines
from seq2seq.translation.translator import Translator

SPECIAL = "\r\v\f\x1c\x1e\x85\u2028\u2029\ufeff\0\t \u00a0\u200b▁<>/s\\\"'{}[]:,|-?0123é字🐈\u0301"
CHARACTERS = st.sampled_from(SPECIAL) | st.characters(exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, max_size=30)
LINES = st.lists(TEXT.map(lambda text: text.replace("\n", "")), max_size=8)
BYTES = st.binary(max_size=80) | LINES.map(lambda lines: "\n".join(lines).encode())
USUAL = {"source": "en", "target": "de", "max_length": 40, "tokenized": False}
ONE = {"train": "train", "validation": "train", "tests": []}
PATIENCE = 300  # seconds; what takes longer hangs


def expected(content: bytes) -> list[str] | None:
    r"""What the lines of a file are by docs/corpora.md: UTF-8, ended by \n and one \r before it."""
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def pairs_or_sentence(corpus: Corpus) -> list[tuple[str, str]] | str:
    """What a training would read; the checker must say the same."""
    try:
        result: list | str = list(corpus.text("train"))
    except UserError as error:
        result = str(error)
        assert "\n" not in result
    report = check(corpus)[0]
    refusals = [str(refusal) for refusal in report.refusals]
    if isinstance(result, str):
        assert result in refusals
    else:
        assert report.pairs == len(result)
        assert [text for text in refusals if not text.startswith("no training pair is left")] == []
    return result


# --- readers ------------------------------------------------------------------------------------


@given(source=BYTES, target=BYTES, pack=st.booleans())
def test_two_files_give_line_beside_line_or_one_sentence(tmp_path, source, target, pack):
    for language, content in (("en", source), ("de", target)):
        content = gzip.compress(content) if pack else content
        (tmp_path / f"train.{language}").write_bytes(content)
    read = pairs_or_sentence(Files(**USUAL, root=str(tmp_path), **ONE))
    assume(pack or not (source.startswith(b"\x1f\x8b") or target.startswith(b"\x1f\x8b")))
    left, right = expected(source), expected(target)
    if left and right and len(left) == len(right):
        assert read == list(zip(left, right, strict=True))
    else:
        assert isinstance(read, str)


@given(source=LINES, data=st.data())
def test_lines_come_back_in_order(tmp_path, source, data):
    target = data.draw(st.lists(TEXT, min_size=len(source), max_size=len(source)))
    ends = data.draw(st.sampled_from(["\n", "\r\n"]))
    target = [line.replace("\n", " ") for line in target]
    for language, lines in (("en", source), ("de", target)):
        content = "".join(line + ends for line in lines)
        (tmp_path / f"train.{language}").write_bytes(content.encode())
    read = pairs_or_sentence(Files(**USUAL, root=str(tmp_path), **ONE))
    whole = [
        expected("".join(line + ends for line in lines).encode()) for lines in (source, target)
    ]
    assert len(whole[0]) == len(whole[1]) == len(source) or "\ufeff" in source[0] + target[0]
    assert read == list(zip(*whole, strict=True)) or not source or "\ufeff" in source[0] + target[0]


@given(content=BYTES, header=st.booleans(), columns=st.tuples(TEXT, TEXT) | st.just(("0", "1")))
@example(content=b"a\tb\n", header=False, columns=("0", "9" * 5000))
@example(content=b"a\tb\n", header=False, columns=("0", "٣"))
@example(content=b"a\tb\n", header=True, columns=("0", "²"))
def test_columns_stay_together_or_one_sentence(tmp_path, content, header, columns):
    (tmp_path / "train").write_bytes(content)
    source, target = columns
    corpus = Tsv(
        **USUAL,
        root=str(tmp_path),
        **ONE,
        source_column=source,
        target_column=target,
        header=header,
    )
    read, lines = pairs_or_sentence(corpus), expected(content)
    if isinstance(read, list) and columns == ("0", "1"):
        assert lines is not None
        names = lines[0].split("\t") if header else []
        first, second = (names.index(c) if c in names else int(c) for c in columns)
        rows = [line.split("\t") for line in lines[1 if header else 0 :]]
        assert read == [(row[first], row[second]) for row in rows]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
RECORDS = st.lists(st.fixed_dictionaries({"en": TEXT | JSON, "de": TEXT | JSON}), max_size=5)


@given(records=RECORDS, ascii_only=st.booleans())
def test_records_stay_together_or_one_sentence(tmp_path, records, ascii_only):
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    (tmp_path / "train").write_bytes(content)
    fields = {"source_field": "en", "target_field": "de"}
    read = pairs_or_sentence(Jsonl(**USUAL, root=str(tmp_path), **ONE, **fields))
    nulls = [{side: "" if text is None else text for side, text in one.items()} for one in records]
    texts = [(record["en"], record["de"]) for record in nulls]
    good = all(isinstance(text, str) and "\ud800" not in text for pair in texts for text in pair)
    if good and records:
        flat = [tuple(t.replace("\r\n", " ").replace("\n", " ") for t in pair) for pair in texts]
        assert read == flat
    else:
        assert isinstance(read, str)


@given(content=BYTES, field=TEXT)
@example(content=b'{"a": ' + b"9" * 5000 + b"}\n", field="a")
@example(content=b"[" * 100_000, field="a")
def test_any_line_is_a_record_or_one_sentence(tmp_path, content, field):
    (tmp_path / "train").write_bytes(content)
    fields = {"source_field": field, "target_field": "b" if field == "a" else "a"}
    pairs_or_sentence(Jsonl(**USUAL, root=str(tmp_path), **ONE, **fields))


# --- gold alignments ----------------------------------------------------------------------------

LINKS = st.text("0123456789-? \t\r", max_size=20) | TEXT
WORDS = st.lists(st.text("ab-", min_size=1, max_size=3), min_size=1, max_size=4)


@given(texts=st.tuples(BYTES, BYTES, BYTES | LINKS.map(str.encode)))
def test_any_three_files_are_gold_or_one_sentence(tmp_path, texts):
    for name, content in zip(FILES, texts, strict=True):
        (tmp_path / name).write_bytes(content)
    try:
        golds = read_gold(tmp_path)
    except UserError as error:
        assert "\n" not in str(error)
        return
    assert golds is not None
    sources = texts[0].decode().split("\n")
    assert [gold.source for gold in golds] == [line.split() for line in sources[: len(golds)]]
    for gold in golds:
        for i, j in gold.links.sure | gold.links.possible:
            assert i < len(gold.source) and j < len(gold.target)


@st.composite
def gold(draw: st.DrawFn) -> Gold:
    source, target = draw(WORDS), draw(WORDS)
    links = st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))
    sure, possible = draw(st.frozensets(links)), draw(st.frozensets(links))
    return Gold(source, target, Links(sure, possible - sure))


@given(golds=st.lists(gold(), max_size=5))
def test_gold_comes_back(tmp_path, golds):
    write_gold(tmp_path, golds)
    assert read_gold(tmp_path) == golds


# --- tokenizer and translate --------------------------------------------------------------------

LETTERS = "a man rides horse two dogs run over the grass éß字"


@pytest.fixture(scope="module")
def tokenizers() -> list[SentencePiece]:
    return [
        SentencePiece.train(
            [LETTERS],
            kind=kind,
            vocab_size=25,
            character_coverage=1.0,
            normalization=normalization,
        )
        for kind in ("bpe", "unigram")
        for normalization in ("identity", "nmt_nfkc")
    ]


@given(texts=st.lists(TEXT, max_size=4))
def test_any_text_has_pieces_and_comes_back_but_for_what_is_unknown(tokenizers, texts):
    for tokenizer in tokenizers:
        rows = tokenizer.encode(texts)
        assert len(rows) == len(texts)
        for text, row in zip(texts, rows, strict=True):
            assert [row] == tokenizer.encode([text])
            assert all(3 <= piece < len(tokenizer) for piece in row)  # no control piece from text
            assert len(tokenizer.surfaces(text)) == len(row)
            decoded = tokenizer.decode(row)
            if 3 not in row:
                assert tokenizer.encode([decoded]) == [row]


@given(words=st.lists(st.text("amrideshorswgvtné字", min_size=1, max_size=6), max_size=8))
def test_known_characters_come_back_as_they_were(tokenizers, words):
    for tokenizer in tokenizers:
        [row] = tokenizer.encode([" ".join(words)])
        assert tokenizer.decode(row) == " ".join(words)


@pytest.fixture(scope="module", params=["rnn", "bahdanau", "luong", "transformer"])
def translator(request, tmp_path_factory) -> Translator:
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    return Translator(make_run(folder, request.param), device="cpu")


def filtered(translator: Translator, content: bytes, n_best: int) -> list[str]:
    with TemporaryFile() as lines, TemporaryFile() as out:
        lines.write(content)
        lines.seek(0)
        filter_lines(translator, lines, out, n_best=n_best)
        out.seek(0)
        return out.read().decode().split("\n")[:-1]


@given(lines=LINES, n_best=st.sampled_from([1, 2]))
def test_any_lines_are_translated_each_in_its_place(translator, lines, n_best):
    together = filtered(translator, "".join(f"{line}\n" for line in lines).encode(), n_best)
    if n_best == 1:
        alone = [filtered(translator, f"{line}\n".encode(), 1) for line in lines]
        assert together == [text for one in alone for text in one]
        assert len(together) == len(lines)
    else:
        numbers = [int(line.split(" ||| ")[0]) for line in together]
        assert numbers == sorted(numbers) and set(numbers) == set(range(len(lines)))


@given(content=BYTES)
def test_any_bytes_are_translated_up_to_the_first_that_is_no_text(translator, content):
    try:
        lines = filtered(translator, content, 1)
    except UserError as error:
        assert "is not UTF-8" in str(error)
        with pytest.raises(UnicodeDecodeError):
            content.decode()
    else:
        assert len(lines) == content.count(b"\n") + (content[-1:] not in (b"", b"\n"))


# --- configuration ------------------------------------------------------------------------------

KEYS = sorted(set(compose.dotted(compose.compose(["data=files"]))))
GROUPS = ("data", "model", "search", "train", "experiment")
VALUES = (
    TEXT
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["null", "true", "[]", "{}", "[1,2]", "{a: 1}", "${seed}", "${oc.env:HOME}"])
    | st.sampled_from(["rnn", "files", "1,2", "???", "9" * 5000, "1e999", "nan", "''", "\\", "$"])
)
WORDS_OF_TRAIN = st.one_of(
    st.builds("{}={}".format, st.sampled_from(KEYS) | st.sampled_from(GROUPS), VALUES),
    st.builds("{}{}={}".format, st.sampled_from(["+", "++", "~", ""]), TEXT, VALUES),
    TEXT,
).filter(lambda word: not word.startswith("-") and "hydra" not in word and "\0" not in word)
START = ["data=files", "data.root=.", "data.source=en", "data.target=de", "name=x"]


@pytest.fixture
def composed(monkeypatch, capfd) -> Iterator[Callable[[list[str]], Config | str]]:
    """A configuration from words, or the sentence that refuses them."""
    argv = sys.argv

    def run(words: list[str]) -> Config | str:
        found: list[Config] = []
        monkeypatch.setattr(sys, "argv", ["seq2seq", "check", *words])
        monkeypatch.setattr(
            "seq2seq.commands.check.check", lambda config: found.append(config) or []
        )
        capfd.readouterr()
        try:
            main()
        except SystemExit as end:
            if end.code:
                return capfd.readouterr().err
        return found[0]

    yield run
    sys.argv = argv


@given(words=st.lists(WORDS_OF_TRAIN, min_size=1, max_size=3))
@example(words=["seed=" + "9" * 5000])
@example(words=["model.dim=1e30"])
@example(words=["data.tests=[" + "9" * 5000 + "]"])
def test_any_words_give_a_configuration_or_one_sentence(composed, words):
    result = composed([*START, *words])
    if isinstance(result, str):
        assert result.startswith("seq2seq: ") and result.count("\n") == 1, result
    else:
        assert result == Config.read(json.loads(json.dumps(asdict(result))))
        try:
            dry_run(result)
        except UserError as error:
            assert "\n" not in str(error)


SIZES = [key for name in config_files.model_names() for key in config_files.model_settings(name)]
NUMBERS = st.sampled_from(["0", "-1", "1", "3", "1e9", "1000000000000", "nan", "1.0", "0.999", "2"])


@given(
    name=st.sampled_from(config_files.model_names()),
    key=st.sampled_from(sorted({*SIZES} - {"name"})),
    to=NUMBERS,
)
@example(name="bahdanau", key="encoder_dim", to="0")
@example(name="transformer", key="heads", to="0")
@example(name="rnn", key="dropout", to="1.0")
def test_any_size_gives_a_model_or_one_sentence(name, key, to):
    try:
        dry_run(train_arguments.config([f"model={name}", f"model.{key}={to}"]))
    except UserError as error:
        assert "\n" not in str(error)
        assert key in str(error) or "cannot be built" in str(error)


# --- run folders and one update -----------------------------------------------------------------


@pytest.fixture(scope="module")
def stranger(tiny, tmp_path_factory) -> Path:
    """A run with all that a run folder can have: gold, scores, a rule, attention, saves."""
    folder = tmp_path_factory.mktemp("hostile")
    words = ["train.average=2", "train.validate_every=2", "data.tests=[heart]"]
    words += ["data.validation=heart", f"runs_dir={folder}", "name=run"]
    run = train(compose.read(compose.compose(tiny("bahdanau", *words))))
    test = run / "hyps" / "heart"
    for side in ("source", "reference"):
        shutil.copy(test / f"{side}.txt", test / f"gold.{side}.txt")
    (test / "gold.links.txt").write_text("0-0 1-1 2?2\n" * 6)
    write_json(run / "align" / "rule.json", {"rule": asdict(Rule()), "aer": 0.5})
    evaluate(run, device="cpu")
    return run


def resumed(run: Path, tiny: Callable[..., list[str]]) -> list[str]:
    """The words that go on with a run."""
    words = tiny("bahdanau", "train.average=2", "train.validate_every=2", "data.tests=[heart]")
    more = ["data.validation=heart", f"runs_dir={run.parent}", f"name={run.name}"]
    return ["train", *words, *more, "train.max_steps=5"]


# Each of these takes a second.
FEW = settings(max_examples=int(os.environ.get("SEQ2SEQ_EXAMPLES", "12")))


@FEW
@given(change=st.lists(CHANGES, min_size=1, max_size=2), number=st.integers(0, 8))
def test_a_changed_run_folder_works_or_is_refused_in_one_sentence(
    stranger, tiny, command, tmp_path, change, number
):
    run = tmp_path / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(stranger, run)
    done = [apply(run, one) for one in change]
    drawn = ("--test", "heart", "--out", tmp_path / "x.png")
    words: list[Any] = [
        ["translate", run],
        ["evaluate", run],
        ["align", run, *drawn, "--lines", "1"],
        ["score-alignment", run, "--test", "heart"],
        ["export-alignment", run, "--test", "heart", "--out", tmp_path / "x.jsonl"],
        ["plot", "heads", run, *drawn, "--line", "1"],
        ["plot", "steps", run, *drawn, "--line", "1"],
        ["compare", run, "--out", tmp_path / "report"],
        resumed(run, tiny),
    ][number]
    with Limit(PATIENCE):
        answer = command(*words, stdin="two cats see trees\n")
    said = answer.err.splitlines()
    told = (done, words[0], answer.err)
    assert answer.status in (0, 1), told
    assert "Traceback" not in answer.err, told
    if answer.status:
        assert said[-1].startswith("seq2seq: ") and len(said[-1]) < 2000, told


@FEW
@given(
    name=st.sampled_from(["rnn", "bahdanau", "transformer"]),
    words=st.lists(WORDS_OF_TRAIN, min_size=1, max_size=2),
)
def test_any_words_train_one_update_or_are_refused_in_one_sentence(
    tiny, command, tmp_path, name, words
):
    start = tiny(name, "train.max_steps=1", "data.tests=[heart]", "data.validation=heart")
    given_words = [word for word in words if not word.startswith(("model=", "+model", "runs_dir"))]
    runs = tmp_path / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    with Limit(PATIENCE):
        answer = command("train", *start, f"runs_dir={runs}", *given_words)
    told = (given_words, answer.err)
    assert answer.status in (0, 1) and "Traceback" not in answer.err, told
    for run in [path.parent for path in runs.glob("*/model.safetensors")]:
        with Limit(PATIENCE):
            evaluated = command("evaluate", run)
        assert evaluated.status in (0, 1) and "Traceback" not in evaluated.err, (told, evaluated)


class Limit:
    """At most so many seconds."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it takes too long"))
        signal.alarm(self.seconds)

    def __exit__(self, *_: object) -> None:
        signal.alarm(0)
