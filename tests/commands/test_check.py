"""`seq2seq check`: what is planted in a corpus is found where it lies, a clean one left alone."""

import gzip
import json
import random
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from seq2seq.commands.check import findings_table
from seq2seq.corpora import cache, overlap
from seq2seq.corpora.checker import FIRST, MEANINGS, Findings, check
from seq2seq.corpora.files import Files
from seq2seq.corpora.jsonl import Jsonl
from seq2seq.corpora.lines import Place
from seq2seq.corpora.overlap import HashSet, overlaps
from seq2seq.corpora.shift import ShiftFinder
from seq2seq.corpora.tables import Table
from seq2seq.corpora.text import Pair, Text, content
from seq2seq.corpora.tsv import Tsv
from seq2seq.errors import UserError
from seq2seq.system import text_lines
from seq2seq.text.markup import KINDS
from seq2seq.training.examples import print_overlap

SPLITS = ("train", "validation", "test")
USUAL = {"source": "en", "target": "de", "max_length": 40, "tokenized": False}


def sentences(count: int, seed: int = 0) -> list[Pair]:
    """Pairs of like lengths, with a number that both sides share in one of five."""
    draw = random.Random(seed)
    pairs = []
    for _ in range(count):
        words = ["".join(draw.choices("abcdefgh", k=draw.randint(1, 9))) for _ in range(9)]
        words = words[: draw.randint(2, 9)] + [f"{draw.randint(0, 999)}"] * (draw.random() < 0.2)
        other = [word if word.isdigit() else f"{word[::-1]}en" for word in words]
        pairs.append(Pair(" ".join(words), " ".join(other)))
    return pairs


def write(root: Path, split: str, sources: list[str], targets: list[str]) -> None:
    for language, lines in (("en", sources), ("de", targets)):
        content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        (root / f"{split}.{language}").write_bytes(content)


@pytest.fixture
def corpus(tmp_path) -> Path:
    """A clean corpus: 300 pairs to train on, 40 to validate, 40 to test."""
    pairs = sentences(380)
    for split, part in zip(SPLITS, (pairs[:300], pairs[300:340], pairs[340:]), strict=True):
        write(tmp_path, split, *map(list, zip(*part, strict=True)))
    return tmp_path


def files(root: Path) -> Files:
    tests = ["test"]
    return Files(**USUAL, root=str(root), train="train", validation="validation", tests=tests)


def found(root: Path) -> dict[str, dict[str, tuple[int, list[tuple[str, int]]]]]:
    """Number and places of every kind, by split."""
    return {
        split.split: {
            kind: (one.count, [tuple(place) for place in one.places])
            for kind, one in split.kinds.items()
        }
        for split in check(files(root))
    }


def edit(root: Path, name: str, line: int, content: str) -> None:
    path = root / name
    lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    lines[line - 1] = content
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))


def test_a_clean_corpus_is_left_alone(corpus):
    assert found(corpus) == {split: {} for split in SPLITS}
    assert [split.pairs for split in check(files(corpus))] == [300, 40, 40]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("train.en", "caf\udce9 au lait", "not UTF-8"),
        ("train.de", "", "empty side"),
        ("test.en", " \u00a0 ", "empty side"),
        ("train.en", "a\0bc defgh", "control character"),
        ("train.de", "a\x1b[31m defgh", "control character"),
        ("validation.de", "abcd\u2028efgh", "line separator"),
        ("train.en", "abcd\x85efgh", "line separator"),
        ("train.en", "abcd\fefgh", "line separator"),
        ("train.en", "abcd efgh\r", "carriage return"),
        ("train.en", "abcd\refgh", "carriage return"),
        ("test.de", "\ufeffabcd efgh", "byte-order mark"),
    ],
)
def test_a_planted_line_is_found_where_it_lies(corpus, name, content, kind):
    edit(corpus, name, 17, content)
    split = name.partition(".")[0]
    assert found(corpus)[split] == {kind: (1, [(name, 17)])}


def test_a_mark_at_the_beginning_of_a_file_is_found(corpus):
    edit(corpus, "train.de", 1, "\ufeff" + files(corpus).text("train")[0].target)
    assert found(corpus)["train"] == {"byte-order mark": (1, [("train.de", 1)])}


def test_pairs_that_differ_too_much_or_not_at_all_are_found(corpus):
    edit(corpus, "train.en", 5, "one word")
    edit(corpus, "train.de", 5, "abc " * 30)
    edit(corpus, "train.en", 6, "same words here")
    edit(corpus, "train.de", 6, "same words here")
    edit(corpus, "train.en", 7, "1998 : 2001")
    edit(corpus, "train.de", 7, "1998 : 2001")  # numbers are the same in every language
    assert found(corpus)["train"] == {
        "length ratio": (1, [("train.en", 5)]),
        "identical sides": (1, [("train.en", 6)]),
    }


@pytest.mark.parametrize("content", ["w " * 41, "abcdefgh" * 81])
def test_what_no_vocabulary_can_make_short_enough_is_found(corpus, content):
    for name in ("test.en", "test.de"):
        edit(corpus, name, 3, content if name == "test.en" else content.upper())
    assert found(corpus)["test"] == {"too long": (1, [("test.en", 3)])}


def test_duplicates_and_overlap_are_found_by_pair_and_by_source(corpus):
    pairs = files(corpus).text("train")
    for side, name in enumerate(("en", "de")):
        edit(corpus, f"train.{name}", 100, pairs[8][side])
        edit(corpus, f"train.{name}", 101, pairs[8][side])
        edit(corpus, f"test.{name}", 2, pairs[4][side])
        edit(corpus, f"validation.{name}", 9, pairs[4][side])
    edit(corpus, "test.en", 3, pairs[5].source)
    assert found(corpus) == {
        "train": {"duplicate": (2, [("train.en", 100), ("train.en", 101)])},
        "validation": {"pair in train": (1, [("validation.en", 9)])},
        "test": {
            "pair in train": (1, [("test.en", 2)]),
            "source in train": (1, [("test.en", 3)]),
            "pair in validation": (1, [("test.en", 2)]),
        },
    }


def test_the_first_places_in_each_file_are_kept_and_all_are_counted(corpus):
    for line in range(10, 30):
        edit(corpus, "train.en", line, f"a\0b {line} efgh")
        edit(corpus, "train.de", line, f"a\0b {line} efghen")
    count, places = found(corpus)["train"]["control character"]
    assert count == 40
    assert sorted(places) == sorted(
        (name, line) for name in ("train.en", "train.de") for line in range(10, 10 + FIRST)
    )


# --- what a training would refuse ---------------------------------------------------------------


def lost(root: Path) -> str:
    with (root / "train.en").open("a") as file:
        file.write("one more\n")
    return "unequal counts"


def missing(root: Path) -> str:
    (root / "train.de").unlink()
    return "unreadable"


def damaged(root: Path) -> str:
    packed = gzip.compress((root / "train.de").read_bytes())
    (root / "train.de").write_bytes(packed[:-20])
    return "unreadable"


def nothing(root: Path) -> str:
    write(root, "train", [], [])
    return "no pairs"


def one_sided(root: Path) -> str:
    write(root, "train", ["a", ""], [" ", "b"])
    return "nothing left"


def latin(root: Path) -> str:
    edit(root, "train.en", 4, "caf\udce9")
    edit(root, "train.en", 9, "caf\udce9")
    return "not UTF-8"


REFUSED = [lost, missing, damaged, nothing, one_sided, latin]


@pytest.mark.parametrize("spoil", REFUSED)
def test_what_a_training_refuses_is_marked_with_its_own_sentence(command, tiny, corpus, spoil):
    kind = spoil(corpus)
    words = [f"data.root={corpus}", "data.max_length=40"]
    answer = command("check", *tiny("rnn", *words))
    assert answer.status == 1 and f"! {kind}" in answer.out
    splits = check(files(corpus))
    assert [split.split for split in splits if split.refusals] == ["train"]
    assert [one.kind for one in splits[0].kinds.values() if one.refusal] == [kind]
    if spoil is not one_sided:  # a training stumbles over the vocabulary before that
        [sentence] = splits[0].refusals
        command("train", *tiny("rnn", *words)).must_refuse(str(sentence))


def test_the_rest_is_read_past_what_is_refused(corpus):
    latin(corpus)
    edit(corpus, "train.de", 200, "")
    edit(corpus, "train.en", 9, "caf\udce9 \0")
    lost(corpus)
    assert found(corpus)["train"] == {
        "not UTF-8": (2, [("train.en", 4), ("train.en", 9)]),
        "empty side": (1, [("train.de", 200)]),
        "unequal counts": (1, [("train.en", 301)]),
    }


def test_remarks_do_not_change_the_exit_status(command, tiny, corpus):
    edit(corpus, "train.de", 5, "")
    answer = command("check", *tiny("rnn", f"data.root={corpus}"))
    assert answer.status == 0
    assert "empty side" in answer.out and "train.de 5" in answer.out
    assert "Training would accept this corpus" in answer.out


def tables(root: Path, kind: type[Table], lines: list[str], **more) -> list[Findings]:
    for split in SPLITS:
        (root / split).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    names = {"train": "train", "validation": "validation", "tests": ["test"]}
    return check(kind(**USUAL, root=str(root), **names, **more))


def test_a_table_is_read_past_lines_without_their_columns(tmp_path):
    lines = ["en\tde", "abc\tabcen", "abc", "", "\tabcen", "abd\tabden"]
    columns = {"source_column": "en", "target_column": "de", "header": True}
    train = tables(tmp_path, Tsv, lines, **columns)[0]
    assert train.pairs == 5
    few, empty = train.kinds["too few columns"], train.kinds["empty side"]
    assert few.places == [Place("train", 3), Place("train", 4)]
    assert str(few.refusal).startswith(f"line 3 of {tmp_path}/train has 1 columns")
    assert empty.places == [Place("train", 5)] and empty.refusal is None


def test_json_lines_are_read_past_those_that_are_none(tmp_path):
    good = json.dumps({"en": "abc\0", "de": "abcen"})
    lines = [good, "{", '{"en": 3, "de": "x"}', '{"en": "x"}', good.replace("abc", "abd")]
    train = tables(tmp_path, Jsonl, lines, source_field="en", target_field="de")[0]
    kinds = {kind: [place.line for place in one.places] for kind, one in train.kinds.items()}
    assert kinds == {"not JSON": [2], "no such text": [3, 4], "control character": [1, 5]}
    assert len(train.refusals) == 2


# --- lines that are lost on one side ------------------------------------------------------------


def shift_of(sources: list[str], targets: list[str], *offsets: int, batch: int = 700):
    finder = ShiftFinder(*[offsets] if offsets else [])
    pairs = [Pair(*both) for both in zip(sources, targets, strict=False)]
    for first in range(0, len(pairs), batch):
        finder.add(pairs[first : first + batch])
    return finder.found


@pytest.fixture(scope="module")
def many() -> tuple[list[str], list[str]]:
    pairs = sentences(3000, seed=7)
    return [pair.source for pair in pairs], [pair.target for pair in pairs]


@pytest.mark.parametrize("line", [700, 1500, 2700])
@pytest.mark.parametrize("count", [1, 3])
def test_a_lost_line_is_found_where_it_was(many, line, count):
    sources, targets = many
    shift = shift_of(sources[:line] + sources[line + count :], targets)
    assert abs(shift.row - line) <= 5 and shift.by == count
    shift = shift_of(sources, targets[:line] + targets[line + count :])
    assert abs(shift.row - line) <= 5 and shift.by == -count


def test_a_side_that_is_shifted_from_the_start_is_found(many):
    sources, targets = many
    shift = shift_of(sources[1:], targets)
    assert shift.row < 20 and shift.by == 1


def test_no_shift_is_seen_where_there_is_none(many):
    sources, targets = many
    assert shift_of(sources, targets) is None
    assert shift_of(sources[:1] * 3000, targets[:1] * 3000) is None
    order = np.argsort([len(source) for source in sources], kind="stable")
    assert shift_of([sources[i] for i in order], [targets[i] for i in order]) is None
    assert shift_of(sources, random.Random(1).sample(targets, 3000)) is None  # no translations
    assert shift_of(sources[:16], targets[1:17]) is None  # too little to be sure


def test_many_lost_lines_are_found_by_the_counts(corpus, many):
    sources, targets = many
    write(corpus, "train", sources[:1000] + sources[1077:], targets)
    finding = check(files(corpus))[0].kinds["shifted"]
    [place] = finding.places
    assert place.file == "train.en" and abs(place.line - 1001) <= 5
    assert finding.note == f"which looks like train.de {place.line + 77}"


# --- the same text twice ------------------------------------------------------------------------


def test_hashes_are_remembered_like_a_set(monkeypatch):
    draw = np.random.default_rng(1)
    seen, known = HashSet(), set()
    for size in draw.integers(1, 60, 40):
        batch = draw.integers(0, 900, size)
        expected = []
        for item in batch.tolist():
            expected.append(item in known)
            known.add(item)
        assert seen.repeated(batch).tolist() == expected
    monkeypatch.setattr(overlap, "MAX_HASHES", 3)
    full = HashSet()
    full.repeated(np.array([1, 2, 3]))
    assert full.repeated(np.array([9, 1])).tolist() == [False, True]
    assert full.repeated(np.array([9, 2])).tolist() == [False, True]  # 9 came too late


def test_overlap_is_told_before_training(corpus, command, tiny):
    pairs = files(corpus).text("train")
    edit(corpus, "test.en", 2, pairs[4].source)
    edit(corpus, "test.de", 2, pairs[4].target)
    edit(corpus, "test.en", 3, pairs[5].source)
    answer = command("train", *tiny("rnn", f"data.root={corpus}", "train.max_steps=1"))
    told = (
        "overlap: 1 of the 40 pairs of test are also in the training set, and 1 more of its sources"
    )
    assert answer.status == 0, answer
    assert answer.err.index(told) < answer.err.index("model: RNN")
    assert "of validation" not in answer.err


def test_empty_sides_are_no_overlap(capsys):
    def text(name: str, *pairs: tuple[str, str]) -> Text:
        given = [Pair(*pair) for pair in pairs]
        return Text.store(content(given, what=name), given, what=name)

    train = text("train", ("", ""), ("a", ""), ("", "b"), ("a", "b"))
    assert overlaps(train, {"test": text("test", ("", ""), ("a", ""), ("", "b"), ("c", "b"))}) == []
    print_overlap(train, {"again": text("again", ("a", "b"))})
    assert "1 of the 1 pairs of again" in capsys.readouterr().err


# --- the report ---------------------------------------------------------------------------------


def test_the_report_fits_eighty_columns_and_explains_what_it_names(corpus, capsys):
    from rich.console import Console

    for name in ("train.en", "validation.de", "test.en"):
        for line, odd in enumerate(("", "a\0b", "a\u2028b", "caf\udce9", "a\r", "\ufeffa"), 5):
            edit(corpus, name, line, odd)
    shutil.copyfile(corpus / "validation.en", corpus / "test.en")
    lost(corpus)
    splits = check(files(corpus))
    Console(width=80, no_color=True).print(findings_table(splits))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for kind in {kind for split in splits for kind in split.kinds}:
        assert any(
            line.split("  ")[0] in (kind, kind.removesuffix(" validation")) for line in lines
        )
    assert "! Training would refuse this corpus:" in lines


def test_every_kind_that_can_be_found_has_a_meaning():
    package = Path(overlap.__file__).parent
    kinds = set(MEANINGS) - {"pair in", "source in"} - {kind.name for kind in KINDS}
    files = [*package.glob("*.py"), Path(text_lines.__file__)]
    source = "".join(path.read_text("utf-8") for path in files)
    assert [kind for kind in kinds if source.count(f'"{kind}"') < 2] == []


def test_names_are_shown_as_they_are(tmp_path, capsys):
    from rich import print as show

    finding = Findings("[bold]")
    finding.add("empty side", Place("[red]x", 3))
    show(findings_table([finding]))
    assert "[bold]" in (out := capsys.readouterr().out) and "[red]x 3" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--help"], "without training"),
        (["check", "data=tsv", "-h"], "without training"),
        (["train", "--help"], "Train a model"),
    ],
)
def test_its_help_fits_a_terminal(command, words, said, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = command(*words)
    assert answer.status == 0
    assert said in answer.out and "data.max_length=100" in answer.out
    assert max(len(line) for line in answer.out.splitlines() if "://" not in line) <= 80


def test_check_takes_the_words_of_train_and_refuses_them_alike(command, tiny):
    assert command("check", *tiny("rnn", "train.max_steps=9")).status == 0
    command("check", "data=multi30").must_refuse("did you mean 'multi30k'?")
    command("check", "data.max_lenght=3").must_refuse("did you mean 'data.max_length'?")


# --- large and real -----------------------------------------------------------------------------


def test_memory_is_that_of_a_batch(corpus, monkeypatch):
    monkeypatch.setattr(cache, "BATCH", 500)
    pairs = sentences(500)
    sources = [f"{pair.source} {n}" for n in range(24) for pair in pairs]
    write(corpus, "train", sources, [pair.target for pair in pairs] * 24)
    tracemalloc.start()
    check(files(corpus))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_500_000  # of over 10 million bytes that the strings would take


CLEAN = [
    ("news-en-fr", "en", "fr", {}),
    ("europarl-en-de", "en", "de", {}),
    ("multi30k/raw", "en", "cs", {"validation": "val", "tests": ["test_2016_flickr"]}),
    ("greek-nt", "grc", "eng", {"train": "nt", "validation": "nt", "tests": []}),
]


@pytest.mark.parametrize(("folder", "source", "target", "names"), CLEAN)
def test_real_corpora_are_not_refused_and_not_shifted(real_corpora, folder, source, target, names):
    usual = {"train": "train", "validation": "validation", "tests": ["test"], "max_length": 100}
    languages = {"source": source, "target": target, "tokenized": False}
    corpus = Files(root=str(real_corpora / folder), **languages, **usual | names)
    splits = {split.split: split for split in check(corpus)}
    assert not [kind for split in splits.values() for kind in split.kinds if kind == "shifted"]
    assert not [split.refusals for split in splits.values() if split.refusals]
    if folder == "news-en-fr":
        train = splits["train"]
        assert (train.pairs, train.count("carriage return")) == (12_065, 56)
        assert train.kinds["line separator"].places == [Place("train.fr.gz", 3467)]
    for side in (0, 1):
        sides = [list(corpus.text("train").sources()), list(corpus.text("train").targets())]
        middle = len(sides[0]) // 2
        del sides[side][middle]
        shift = shift_of(*sides, batch=10_000)
        assert abs(shift.row - middle) <= 5 and shift.by == (1, -1)[side]


def test_the_sentence_of_a_refusal_is_an_error_of_the_user(corpus):
    lost(corpus)
    [refusal] = check(files(corpus))[0].refusals
    assert isinstance(refusal, UserError)
