"""Tables without types: every cell is read as the text it is, or its line is refused."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from seq2seq.corpora.checker import check
from seq2seq.corpora.csv import Csv
from seq2seq.corpora.hub import Hub
from seq2seq.corpora.jsonl import Jsonl
from seq2seq.corpora.tsv import Tsv
from seq2seq.errors import UserError

WORDS = [
    "None",
    "nan",
    "null",
    "NA",
    "n/a",
    "N/A",
    "#N/A",
    "NULL",
    "NaN",
    "-NaN",
    "<NA>",
    "007",
    "1e5",
    "1.0",
    "+5",
    "0x1F",
    "1,5",
    "inf",
    "-inf",
    "true",
    "True",
    "FALSE",
    "2020-01-01",
    "12:30",
    "2020-01-01T00:00:00Z",
]
CELLS = [
    *WORDS,
    "",
    " ",
    "  x ",
    "a\u2028b",
    "a\x85b",
    'It is "ok".',
    '"',
    'a\\"b',
    "\0",
    "#x",
    "x;y",
]
ROWS = [(cell, f"{number} {cell}") for number, cell in enumerate(CELLS)]
USUAL = {"source": "en", "target": "fr", "max_length": 99, "tokenized": False}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


def write_tsv(path: Path, rows) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), newline="")


def write_csv(path: Path, rows, quoting=csv.QUOTE_MINIMAL, delimiter=",") -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=quoting, delimiter=delimiter).writerows(rows)


def write_jsonl(path: Path, rows) -> None:
    names, *rest = rows
    records = (dict(zip(names, row, strict=True)) for row in rest)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_array(path: Path, rows) -> None:
    names, *rest = rows
    records = [{"translation": dict(zip(names, row, strict=True))} for row in rest]
    path.write_text(json.dumps(records, indent=2, ensure_ascii=False))


def as_table(rows) -> pa.Table:
    names, *rest = rows
    return pa.table(dict(zip(names, map(list, zip(*rest, strict=True)), strict=True)))


def write_parquet(path: Path, rows) -> None:
    pa.parquet.write_table(as_table(rows), path)


def write_arrow(path: Path, rows) -> None:
    table = as_table(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
        out.write_table(table)


FORMS = {
    "train.tsv": write_tsv,
    "train.csv": write_csv,
    "train.CSV": lambda path, rows: write_csv(path, rows, csv.QUOTE_ALL),
    "train.jsonl": write_jsonl,
    "train.json": write_array,
    "train.parquet": write_parquet,
    "train.arrow": write_arrow,
}


def hub(folder: Path, **changes) -> Hub:
    path = Path(__file__).parents[2] / "configs/data/hub.yaml"
    values = yaml.safe_load(path.read_text()) | USUAL | {"path": str(folder)}
    values |= {"validation": "train", "tests": []}
    values.pop("name")
    return Hub(**(values | changes))


def table(kind, folder: Path, name: str = "train", **changes):
    usual = {"root": str(folder), "train": name, "validation": name, "tests": []}
    columns = {"source_column": "en", "target_column": "fr", "header": True}
    own = {
        Tsv: columns,
        Csv: {**columns, "delimiter": ","},
        Jsonl: {"source_field": None, "target_field": None},
    }[kind]
    return kind(**(USUAL | usual | own | changes))


@pytest.mark.parametrize("name", FORMS)
def test_hub_keeps_every_cell_of_a_local_table(tmp_path, name):
    # A reader of `datasets` is called csv too, and [1] is a pattern to it
    for folder in (tmp_path / "csv", tmp_path / "josé [1] 数据"):
        folder.mkdir()
        FORMS[name](folder / name.lower(), [("en", "fr"), *ROWS])
        assert list(hub(folder).text("train")) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_csv_keeps_every_cell(tmp_path, delimiter, quoting):
    rows = [("id", "fr", "en"), *((str(n), b, a) for n, (a, b) in enumerate(ROWS))]
    write_csv(tmp_path / "train", rows, quoting, delimiter)
    assert list(table(Csv, tmp_path, delimiter=delimiter).text("train")) == ROWS
    by_number = {"source_column": "2", "target_column": "1", "delimiter": delimiter}
    assert list(table(Csv, tmp_path, **by_number).text("train")) == ROWS


def test_cells_with_line_ends_are_one_text_and_lines_are_still_known(tmp_path):
    rows = [("en", "fr"), ("a\nb\r\n\nc", "x"), ("d", ""), ("", 'y "\n"')]
    write_csv(tmp_path / "train", rows)
    corpus = table(Csv, tmp_path)
    assert list(corpus.text("train")) == [("a b  c", "x"), ("d", ""), ("", 'y " "')]
    found = check(corpus)[0].kinds
    assert [place.line for place in found["line end in a cell"].places] == [2, 7]
    assert [place.line for place in found["empty side"].places] == [6, 7]
    folder = tmp_path / "hub"
    folder.mkdir()
    write_csv(folder / "train-0.csv", rows)
    write_csv(folder / "train-1.csv", rows)
    corpus = hub(folder, train="train[1:]")
    assert len(corpus.text("train")) == 5
    places = check(corpus)[0].kinds["empty side"].places
    assert [*map(tuple, places)] == [(f"train-{n}.csv", line) for n in (0, 1) for line in (6, 7)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"Hi,x', "begins a quoted cell that is not closed: "),
        ('"Hi" there,x', "begins a quoted cell that has ' there,x' after"),
        ('"say \\"hi\\"",x', "begins a quoted cell that has .* after its closing quote"),
        ("Hello, you,x", "has 3 columns, but the first has 2"),
        ("alone", "has 1 columns, but column 1"),
    ],
)
def test_csv_refuses_what_it_would_have_to_guess(tmp_path, line, message):
    (tmp_path / "train.csv").write_text(f"en,fr\na,b\n{line}\nc,d\ne,f\n")
    for corpus in (table(Csv, tmp_path, "train.csv"), hub(tmp_path)):
        with pytest.raises(UserError, match=rf"line 3 of .*train\.csv {message}"):
            corpus.text("train")
        found = check(corpus)[0]
        assert found.pairs == 4  # those after it are read
        assert {place.line for one in found.kinds.values() for place in one.places} == {3}


def test_a_quote_that_is_never_closed_does_not_read_the_whole_file(tmp_path):
    (tmp_path / "train").write_text('en,fr\n"a,b\n' + "c,d\n" * 3_000)
    with pytest.raises(UserError, match=r"line 2 of .* not closed within 1,000 lines"):
        table(Csv, tmp_path).text("train")


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ("en;fr\na;b\n", {}, "is one column: is the delimiter a semicolon?"),
        ("en,fr,en\na,b,c\n", {}, "several matching columns"),
        ("", {}, "has no header"),
        ("English,fr\na,b\n", {}, "has no column 'en'"),
        ("en,fr\na,b\n", {"delimiter": "::"}, "data.delimiter is '::', but must be one character"),
    ],
)
def test_columns_that_cannot_be_had_are_explained(tmp_path, content, changes, message):
    (tmp_path / "train").write_text(content)
    with pytest.raises(UserError, match=message):
        table(Csv, tmp_path, **changes).text("train")


def test_quotes_in_tsv_are_text_and_noticed(tmp_path):
    write_tsv(tmp_path / "train.tsv", [("en", "fr"), ('"Hi', '"a ""b"""'), ("c", "d\te")])
    for corpus in (table(Tsv, tmp_path, "train.tsv"), hub(tmp_path)):
        assert list(corpus.text("train")) == [('"Hi', '"a ""b"""'), ("c", "d")]
        found = check(corpus)[0]
        assert found.kinds["quoted cell"].count == found.kinds["other columns"].count == 1
        assert not found.refusals


@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        ('{"en": "a", "fr": "b"}\n\n \t\n{"en": "c", "fr": null}', [("a", "b"), ("c", "")]),
        ('{"translation": {"en": "a", "fr": "b"}}', [("a", "b")]),
        ('{"translation.en": "a", "translation.fr": "b"}', [("a", "b")]),
        (
            '\ufeff\n [\n{"en": "a", "fr": "b"},\n{"fr": "d", "en": "c"}]\n',
            [("a", "b"), ("c", "d")],
        ),
    ],
)
def test_json_is_read_where_it_can_only_mean_one_thing(tmp_path, content, pairs):
    (tmp_path / "train.json").write_text(content)
    assert list(table(Jsonl, tmp_path, "train.json").text("train")) == pairs
    assert list(hub(tmp_path).text("train")) == pairs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": [{"en": "a", "fr": "b"}]}', "line 1 .* a list of 1 objects in its field 'data'"),
        ('{\n"en": "a"}', "line 1 .* is not JSON: .*one whole object in each line, or one array"),
        ('[{"en": "a", "fr": "b"}', "line 1 .* is not JSON"),
        ('[\n{"en": "a", "fr": "b"},\n{"en": "a"}]', "line 3 .* has no field 'translation.fr' or"),
        ('[{"en": "a", "fr": "b"}]\n{}', "line 2 .* text after the array"),
        ('{"en": "a", "fr": "b", "translation": {"en": "c"}}', "several matching fields"),
        ('{"en": 7, "fr": "b"}', "has a number in the field 'en', not text"),
        ('"a"', "has text where an object with both texts is expected"),
        ("null", "has null where an object"),
        ("[]", "train is empty"),
    ],
)
def test_json_says_what_is_there_and_what_is_expected(tmp_path, content, message):
    (tmp_path / "train.json").write_text(content)
    for corpus in (table(Jsonl, tmp_path, "train.json"), hub(tmp_path)):
        with pytest.raises(UserError, match=message):
            corpus.text("train")


@pytest.mark.parametrize("other", ["train.tsv", "train.json", "train.csv.gz"])
def test_hub_refuses_a_table_in_two_formats(tmp_path, other):
    write_csv(tmp_path / "train.csv", [("en", "fr"), ("a", "b")])
    (tmp_path / other).write_text("en\tfr\n")
    with pytest.raises(UserError, match=r"there are both .*train\.|same data file format"):
        hub(tmp_path).text("train")


def test_hub_obeys_a_dataset_card_or_refuses_it(tmp_path):
    card = "---\nconfigs:\n- config_name: default\n  data_files: train.csv\n  {}\n---\n"
    write_csv(tmp_path / "train.csv", [("a", "b;c"), ("NA", "d")], delimiter=";")
    (tmp_path / "README.md").write_text(card.format('sep: ";"\n  names: [en, fr]'))
    assert list(hub(tmp_path).text("train")) == [("a", "b;c"), ("NA", "d")]
    (tmp_path / "README.md").write_text(card.format("skiprows: 1"))
    with pytest.raises(UserError, match="sets skiprows to 1, which is not supported"):
        hub(tmp_path).text("train")


def test_hub_says_what_reads_a_file_or_lines(tmp_path):
    write_csv(tmp_path / "train.csv", [("en", "fr"), ("a", "b")])
    with pytest.raises(
        UserError, match=r"is a file.*data=csv data\.root=.* data\.train=train\.csv"
    ):
        hub(tmp_path / "train.csv").text("train")
    (tmp_path / "train.csv").rename(tmp_path / "train.txt")
    with pytest.raises(UserError, match=r"is stored as text; .*data=files reads lines"):
        hub(tmp_path).text("train")
    with pytest.raises(UserError, match=r"no file .*: .*train\.txt is a file, not a folder"):
        table(Tsv, tmp_path / "train.txt").text("train")
    with pytest.raises(UserError, match=r"data\.path=csv is neither a folder nor"):
        hub(Path("csv")).text("train")


def test_hub_reports_nulls_and_two_columns_of_one_language(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    write_parquet(folder / "train.parquet", [("en", "fr"), ("a", None), ("c", "d")])
    assert check(hub(folder))[0].kinds["null"].count == 1
    both = {"en": ["a"], "fr": ["b"], "translation": [{"en": "a", "fr": "b"}]}
    pa.parquet.write_table(pa.table(both), folder / "train.parquet")
    with pytest.raises(UserError, match=r"has both 'translation\.en' and 'en'"):
        hub(folder).text("train")


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        ("a,b\nc,d\n", {}, r"data\.source_column, or data\.header=false if the first line is text"),
        ("a,b\n", {"header": False}, r"give its number from 0 as data\.source_column"),
        ("sep=;\nen;fr\n", {"delimiter": ";"}, "'sep=;', is a setting of Excel: remove it"),
        ("en,fr\ra,b\rc,d\r", {}, "carriage return alone"),
        ("English,German\na,b\n", {}, "choose from English, German"),
    ],
)
def test_a_column_that_is_not_there_says_why_and_names_the_key(tmp_path, text, changes, reason):
    (tmp_path / "train").write_text(text, newline="")
    with pytest.raises(UserError, match=reason):
        table(Csv, tmp_path, **changes).text("train")


def test_invalid_quotes_are_one_finding(tmp_path):
    (tmp_path / "train").write_text('en,fr\na,b\n"c,d\n')
    kinds = check(table(Csv, tmp_path))[0].kinds
    assert kinds["quotes"].count == 1 and "too few columns" not in kinds


def test_a_very_long_number_is_a_number(tmp_path):
    (tmp_path / "train").write_text('{"en": %s, "fr": "x"}' % ("1" * 5000))
    with pytest.raises(UserError, match="has a number in the field 'en'"):
        table(Jsonl, tmp_path).text("train")
