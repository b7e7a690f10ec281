"""One file divided into splits: by source, by seed, exactly, and alike for every form of file."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from seq2seq.corpora import cut as cutting
from seq2seq.corpora.checker import check
from seq2seq.corpora.cut import Size, comparable, cut
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError


def teaching_file(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Lines like Anki's: a source has one to four translations, in lines of their own."""
    draw = random.Random(seed)
    lines: list[tuple[str, str, str]] = []
    while len(lines) < count:
        number = len(lines)
        words = " ".join(draw.choices(["we", "see", "two", "dogs", "cats", "here"], k=4))
        for way in range(draw.randint(1, 4)):
            source = f"{words} {number}" + draw.choice([".", "!", " ."])
            source = source.upper() if draw.random() < 0.3 else source
            lines.append((source, f"{words[::-1]} {number} {way}", f"CC-BY #{number}"))
    draw.shuffle(lines)
    return lines[:count]


@pytest.fixture
def made(tmp_path):
    """A corpus of a form, from the command line's words, whose one file has these lines."""
    from seq2seq.settings import train_arguments
    from seq2seq.settings.plugins import build

    def make(form: str, *words: str, lines=None):
        rows = teaching_file(600) if lines is None else lines
        name = {"tsv": "fra.txt", "csv": "fra.csv", "jsonl": "fra.jsonl", "files": "fra"}[form]
        if form == "files":
            for side, language in enumerate(("en", "fr")):
                text = "".join(f"{row[side]}\n" for row in rows)
                (tmp_path / f"fra.{language}").write_text(text, "utf-8")
        else:
            header = "en;fr;note\n" if form == "csv" else ""
            write = {
                "tsv": "\t".join,
                "csv": lambda row: ";".join(f'"{cell}"' for cell in row),
                "jsonl": lambda row: json.dumps({"en": row[0], "fr": row[1]}),
            }[form]
            text = header + "".join(f"{write(row)}\n" for row in rows)
            (tmp_path / name).write_text(text, "utf-8")
        base = [f"data={form}", f"data.root={tmp_path}", f"data.file={name}"]
        base += ["data.source=en", "data.target=fr", "name=x"]
        base += ["data.delimiter=semicolon"] if form == "csv" else []
        return build("data", train_arguments.config([*base, *words]).data)

    return make


SMALL = (
    "model=rnn model.dim=8 model.embedding=8 model.readout_dim=8 name=r train.max_steps=2 "
    "train.max_epochs=null tokenizer.vocab_size=60 trainer.accelerator=cpu trainer.threads=1"
)
FORMS = ("tsv", "csv", "jsonl", "files")


@pytest.mark.parametrize("form", FORMS)
def test_every_pair_is_in_one_split_and_every_source_too(made, form):
    corpus = made(form, "data.validation=50", "data.tests=[0.1]")
    splits = {split: list(corpus.read(split)) for split in corpus.splits}
    assert {split: len(pairs) for split, pairs in splits.items()} == {
        "train": 490,
        "validation": 50,
        "test": 60,
    }
    pairs = [Pair(*row[:2]) for row in teaching_file(600)]
    assert Counter(pair for part in splits.values() for pair in part) == Counter(pairs)
    sources = [{comparable(pair.source) for pair in part} for part in splits.values()]
    assert sum(map(len, sources)) == len(set.union(*sources))
    for split, part in splits.items():  # file order, and the place in the file itself
        rows = corpus.cut().rows(split)
        assert part == [pairs[row] for row in rows]
        assert corpus.place(split, 3, 0).line == rows[3] + 1 + (form == "csv")


def test_all_forms_split_alike(made):
    texts = [
        [list(corpus.read(split)) for split in corpus.splits]
        for corpus in (made(form, "data.validation=50", "data.tests=[60]") for form in FORMS)
    ]
    assert texts[1:] == texts[:-1]


def test_the_seed_decides_and_the_training_seed_does_not(made):
    words = ["data.validation=50", "data.tests=[60]"]
    usual = made("tsv", *words).content("test")
    assert made("tsv", *words, "seed=7").content("test") == usual
    assert made("tsv", *words, "data.split_seed=1").content("test") == usual
    assert made("tsv", *words, "data.split_seed=2").content("test") != usual
    # another size of the validation split leaves the test set as it is
    assert made("tsv", "data.validation=90", "data.tests=[60]").content("test") == usual


def test_the_order_of_lines_does_not_matter_but_for_the_order_of_pairs(made):
    lines = [row for row in teaching_file(600) if row[1].endswith(" 0")]  # a source each
    first = set(made("tsv", "data.tests=[60]", lines=lines).read("test"))
    assert set(made("tsv", "data.tests=[60]", lines=lines[::-1]).read("test")) == first


def test_usual_sizes_and_several_tests(made, tmp_path):
    assert made("tsv").cut().counts == {"train": 540, "test": 30, "validation": 30}
    corpus = made("tsv", "data.tests=[20,5%]", "data.validation=0.05")
    assert corpus.tests == ("test_1", "test_2")
    assert corpus.cut().counts == {"train": 520, "test_1": 20, "test_2": 30, "validation": 30}
    (tmp_path / "news.tsv").write_text("a\tb\n")
    corpus = made("tsv", "data.tests=[news.tsv,20]", "data.validation=10")
    assert corpus.splits == ("train", "validation", "test", "news")
    assert list(corpus.read("news")) == [("a", "b")]
    assert made("tsv", "data.tests=[]", "data.validation=10").splits == ("train", "validation")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["data.tests=[600]"],
            ["600 pairs", "data.tests[0]=600", "no training pairs would be left"],
        ),
        (
            ["data.tests=[0.6]", "data.validation=0.5"],
            ["need 660", "no training pairs would be left"],
        ),
        (["data.tests=[0.5,300]"], ["no training pairs would be left"]),
        (["data.validation=1.0"], ["data.validation=1.0", "below 1"]),
        (["data.validation=1.5"], ["is not the size"]),
        (["data.validation=100%"], ["is not the size"]),
        (["data.validation=0"], ["data.validation=0 is not the size"]),
        (["data.validation=-5"], ["data.validation=-5 is not the size"]),
        (["data.validation=nan"], ["is not the size"]),
        (["data.validation=inf"], ["is not the size"]),
        (["data.validation=1,000"], ["is not the size"]),
        (["data.validation=1_000x"], ["there is no file", "1_000x"]),
        (["data.validation=0.0001"], ["data.validation=0.0001 of 600 pairs is less than one"]),
        (["data.train=fra.txt"], ["data.train=fra.txt has no effect with data.file"]),
        (["data.split_seed=-1"], ["data.split_seed=-1"]),
        (["data.tests=[fra.txt]"], ["is the training file", "data.file=fra.txt"]),
        (["data.tests=[5,test.tsv]"], ["would both be 'test'"]),
        (["data.tests=[]", "data.validation=v.tsv"], ["data.train", "data.validation=1000"]),
    ],
)
def test_impossible_requests_are_one_sentence(made, words, parts):
    with pytest.raises(UserError) as refused:
        corpus = made("tsv", *words)
        for split in corpus.splits:
            corpus.text(split)
    assert [part for part in parts if part not in str(refused.value)] == []


def test_one_file_for_all_splits_is_refused(command, tmp_path):
    text = "".join("\t".join(row) + "\n" for row in teaching_file(60))
    for name in ("fra.txt", "copy1.txt", "copy2.txt"):
        (tmp_path / name).write_text(text)
    words = ["data=tsv", "data.root=.", "data.source=en", "data.target=fr"]
    same = ["data.train=fra.txt", "data.validation=fra.txt", "data.tests=[./fra.txt]"]
    command("check", *words, *same).must_refuse("is the training file", "data.file=")
    copies = ["data.train=fra.txt", "data.validation=copy1.txt", "data.tests=[copy2.txt]"]
    answer = command("check", *words, *copies)
    assert answer.status == 1 and "the same pairs as the training set" in " ".join(
        answer.out.split()
    )
    answer = command("train", *words, *copies, *SMALL.split())
    assert "copy2 has the same pairs as the training set" in answer.err
    command("check", *words, "data.split_seed=2").must_refuse("no effect without data.file")
    bare = [word for word in words if "root" not in word]
    command("check", *bare).must_refuse("data.root must be given")


def test_check_and_train_say_how_the_split_came_out(command, tmp_path):
    text = "".join("\t".join(row) + "\n" for row in teaching_file(300))
    (tmp_path / "fra.txt").write_text(text)
    words = ["data=tsv", "data.file=fra.txt", "data.source=en", "data.target=fr"]
    words += ["data.validation=20", "data.tests=[20]"]
    answer = command("check", *words)
    said = " ".join((answer.out + answer.err).split())
    assert answer.status == 0
    assert "split: 300 pairs of fra.txt with seed 1: train 260, test 20, validation 20" in said
    assert "pairs share their source with another pair" in said
    answer = command("train", *words, *SMALL.split())
    assert "split: 300 pairs of fra.txt" in " ".join((answer.out + answer.err).split())
    facts = json.loads((tmp_path / "runs/r/run.json").read_text())["data"]["split"]
    assert facts["splits"] == {"train": 260, "test": 20, "validation": 20}
    assert facts["seed"] == 1 and len(facts["sha256"]) == 64
    held = [
        {comparable(line) for line in path.read_text().splitlines()}
        for path in (tmp_path / "runs/r/hyps").glob("*/source.txt")
    ]
    assert len(held) == 2 and not held[0] & held[1]


def test_defects_and_places_are_those_of_the_file(made):
    lines = teaching_file(200)
    lines[120] = ("", "x", "")
    corpus = made("tsv", "data.validation=20", "data.tests=[20]", lines=lines)
    train, *held_out_texts = check(corpus)
    assert train.kinds["empty side"].places == [("fra.txt", 121)]
    assert not any("empty side" in split.kinds for split in held_out_texts)
    path = Path(corpus.where("train"))
    path.write_text(path.read_text() + "no tab here\n")
    train, *held_out_texts = check(corpus)
    assert train.kinds["too few columns"].places == [("fra.txt", 201)]
    assert not any("too few columns" in split.kinds for split in held_out_texts)
    with pytest.raises(UserError, match=r"line 201 of .*fra\.txt has 1 columns"):
        corpus.text("train")


def test_a_file_that_changes_is_split_anew(made):
    corpus = made("tsv", "data.validation=20", "data.tests=[20]")
    assert sum(corpus.cut().counts.values()) == 600
    path = Path(corpus.where("train"))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:300]))
    assert sum(corpus.cut().counts.values()) == 300


def test_two_named_files_are_one_pair_of_files(made, tmp_path):
    pairs = list(made("files", "data.validation=20", "data.tests=[20]").read("test"))
    (tmp_path / "fra.en").rename(tmp_path / "eng.txt")
    (tmp_path / "fra.fr").rename(tmp_path / "fra.txt")
    from seq2seq.corpora.files import Files

    keys = {"source": "en", "target": "fr", "root": str(tmp_path), "train": None}
    keys |= {"validation": "20", "tests": ["20"], "max_length": 100, "tokenized": False}
    assert list(Files(**keys, file="eng.txt:fra.txt").read("test")) == pairs


def test_groups_too_large_for_a_split_are_passed_over():
    pairs = [Pair("same", f"{i}") for i in range(50)] + [Pair(f"other {i}", "x") for i in range(50)]
    found = cut(pairs, {"test": Size("t", 20), "validation": Size("v", 20)}, 1, "here")
    assert found.counts == {"train": 60, "test": 20, "validation": 20}
    assert set(found.split_of[:50].tolist()) == {0}
    assert (found.sources, found.repeated) == (51, 50)
    with pytest.raises(UserError, match="no group fits into t"):
        cut(pairs[:50] * 2, {"test": Size("t", 20)}, 1, "here")
    twos = [Pair(f"{i // 2}", "x") for i in range(50)]
    assert cut(twos, {"test": Size("t", 5)}, 1, "here").counts["test"] == 4  # as near as can be


def test_filling_takes_later_what_was_passed_over():
    members = np.array([9, 1, 1, 5, 1, 1])
    assert cutting.fill(members, [2, 9]).tolist() == [2, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Go.", "go !"),
        ("Don\u2019t go", "DON'T  GO"),
        ("\uff21 b", "a\u00a0b"),
        ("so\u00adft", "soft"),
        ("e\u0301te", "\u00e9te"),
    ],
)
def test_sources_that_are_one(one, other):
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("nowhere", "now here"), ("\u0915\u093f", "\u0915\u0941"), ("?", "!"), ("5", "6")],
)
def test_sources_that_are_not(one, other):
    assert comparable(one) != comparable(other)


@pytest.mark.parametrize(
    ("name", "text", "words", "reason"),
    [
        ("a.jsonl", '{"english": "a", "german": "b"}\n' * 30, [], "line 1 of .*no field"),
        ("a.jsonl", '["a", "b"]\n' * 30, [], "line 1 of .*an object with both texts"),
        ("a.json", '{"data": [{"en": "a"}]}', [], "a list of 1 objects in its field 'data'"),
        ("a.json", '{\n"en": "a",\n"fr": "b"\n}\n', [], "line 1 of .*is not JSON"),
        ("a.tsv", "en,fr\na,b\n", [], "line 1 of .* has 1 columns, but column 1"),
        ("a.csv", "en,fr\na,b\n", ["data.target_column=9"], "line 2 of .* has 2 columns"),
        ("a.csv", 'en,fr\n"a,b\n', [], "line 2 of .* quoted cell that is not closed"),
    ],
)
def test_an_unreadable_file_to_divide_names_its_first_bad_line(
    command, tmp_path, name, text, words, reason
):
    (tmp_path / name).write_text(text)
    kind = {"json": "jsonl"}.get(name[2:], name[2:])
    words = [f"data={kind}", f"data.file={name}", "data.source=en", "data.target=fr", *words]
    answer = command("check", *words)
    said = " ".join(answer.out.split())
    assert answer.status == 1 and len(re.findall(reason, said)) == 1, said
    assert "nothing to split" not in said


def test_a_validation_set_that_is_the_training_set_is_for_overfitting_and_is_reported(
    command, tmp_path
):
    lines = [f"{row[0]}\t{row[1]}\n" for row in teaching_file(100)]
    (tmp_path / "train.tsv").write_text("".join(lines))
    words = ["data=tsv", "data.source=en", "data.target=fr", "data.root=.", "data.tests=[]"]
    answer = command("check", *words, "data.validation=train.tsv")
    assert answer.status == 0 and "pair in train" in answer.out
    answer = command("train", *words, "data.validation=train.tsv", *SMALL.split())
    assert answer.status == 0 and "pairs of validation are also in the training" in answer.err
    words[-1] = "data.tests=[train.tsv]"
    command("train", *words, "data.validation=train.tsv").must_refuse("is the training file")


def test_a_file_in_place_of_a_folder_names_the_keys_to_use(command, tmp_path):
    (tmp_path / "a.csv").write_text("en,fr\n" + "a b,c d\n" * 3)
    words = ["data=csv", "data.source=en", "data.target=fr"]
    command("check", *words, "data.root=a.csv").must_refuse("use data.file=a.csv")
    command("check", *words, "data.path=a.csv").must_refuse("a key of data=hub; here data.file=")
    command("check", *words, "data.train=a.csv").must_refuse("data.root=. is the working")


@pytest.mark.parametrize(
    "words",
    [
        ["data=csv", "data.file=a.csv", "data.source_column=en", "data.target_column=0"],
        ["data=csv", "data.file=a.csv", "data.source=en", "data.target=en"],
        ["data=jsonl", "data.file=a.jsonl", "data.source_field=en", "data.target_field=en"],
        ["data=files", "data.file=a.en:a.en"],
        ["data=hub", "data.path=.", "data.source_column=en", "data.target_column=en"],
    ],
)
def test_one_text_for_both_sides_is_refused(command, tmp_path, words):
    (tmp_path / "a.csv").write_text("en,fr\n" + "a b,c d\n" * 30)
    (tmp_path / "a.jsonl").write_text('{"en": "a", "fr": "b"}\n' * 30)
    (tmp_path / "a.en").write_text("a\n" * 30)
    answer = command("check", "data.source=en", "data.target=fr", *words)
    assert answer.status == 1 and "both sides are " in answer.out + answer.err


# --- data.train_pairs ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_first_training_pairs_and_all_held_out_ones(made, form):
    words = ["data.validation=50", "data.tests=[60]"]
    every, first = made(form, *words), made(form, *words, "data.train_pairs=100")
    assert list(first.read("train")) == list(every.read("train"))[:100]
    assert first.text("train").fingerprint != every.text("train").fingerprint
    for split in ("validation", "test"):
        assert first.content(split) == every.content(split)
    assert first.division() == every.division()
    assert "train: the first 100 pairs" in first.describe()[-1]
    rows, total = first.rows_of_file("train")
    assert rows.tolist() == every.cut().rows("train")[:100].tolist() and total == 600
    assert len(list(made(form, *words, "data.train_pairs=490").read("train"))) == 490
    with pytest.raises(UserError, match=r"data.train_pairs=491 is more than the 490 training"):
        made(form, *words, "data.train_pairs=491").text("train")


def files(folder: Path, source: list[str], target: list[str]) -> list[str]:
    """Write the same files for each split, and return the words of the command line."""
    for split in ("train", "validation", "test"):
        for language, lines in (("en", source), ("de", target)):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{split}.{language}").write_text(text, "utf-8")
    (folder / "test.en").write_text("other words\n", "utf-8")
    (folder / "test.de").write_text("andere Wörter\n", "utf-8")
    return ["data=files", f"data.root={folder}", "data.source=en", "data.target=de"]


def test_files_of_their_own_and_a_validation_set_that_is_the_training_file(tmp_path):
    from seq2seq.settings import train_arguments
    from seq2seq.settings.plugins import build

    lines = [f"line {number}" for number in range(40)]
    words = files(tmp_path, lines, lines)
    words += ["data.validation=train", "data.train_pairs=7", "name=x"]
    corpus = build("data", train_arguments.config(words).data)
    assert [len(corpus.text(split)) for split in corpus.splits] == [7, 40, 1]
    rows, total = corpus.rows_of_file("train")
    assert rows.tolist() == list(range(7)) and total == 40
    assert corpus.place("train", 6, 0).line == 7


def test_later_pairs_are_not_checked_but_the_number_of_lines_is(tmp_path, command):
    lines = [f"line {number}" for number in range(40)]
    words = files(tmp_path, lines, lines)
    (tmp_path / "train.de").write_bytes(b"".join(b"line\n" for _ in lines[1:]) + b"\xff\n")
    assert command("check", *words, "data.train_pairs=20", "tokenizer.vocab_size=40").status == 0
    (tmp_path / "train.de").write_text("line\n" * 39, "utf-8")
    command("train", *words, *SMALL.split(), "data.train_pairs=20").must_refuse("40 lines")


def test_more_training_pairs_than_there_are(tmp_path, command):
    words = files(tmp_path, ["a line"] * 9, ["eine Zeile"] * 9)
    command("train", *words, *SMALL.split(), "data.train_pairs=10").must_refuse("the 9 training")
    command("train", *words, *SMALL.split(), "data.train_pairs=0").must_refuse("data.train_pairs=0")
    command("train", *SMALL.split(), "data.train_pairs=9").must_refuse("data.train_pairs")


def test_links_of_the_whole_file_guide_a_training_on_its_first_pairs(tmp_path, command):
    words = files(tmp_path, ["a line here"] * 9, ["eine Zeile hier"] * 9)
    links = tmp_path / "train.links"
    model = SMALL.replace("model=rnn", "model=bahdanau model.align_dim=8").split()
    run = [*words, *model, "data.train_pairs=5", "train.guided_attention=1"]
    run += [f"train.guided_links={links}", "tokenizer.vocab_size=30"]
    links.write_text("0-0 1-1\n" * 5, "utf-8")
    command("train", *run).must_refuse("5 lines for 9 pairs")
    links.write_text("0-0 1-1\n" * 9, "utf-8")
    assert command("train", *run).status == 0
