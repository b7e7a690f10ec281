"""Words of the command line: what is typed for a text key is what is used; options."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.settings import compose, config_files, key_checks, train_arguments
from seq2seq.settings.config import Config
from seq2seq.settings.overrides import split, values

PLACES = ["data=files", "data.source=en", "data.target=de", "data.root=here", "name=run"]
HOSTILE = [
    "/home/josé/data", "2020_01_02", "1e3", "true", "it's", "a(b)", "a#b", "a,b", "a=b",
    "a b", " x ",
    "[x]", "{y}", "$HOME", "${x}", "\\${x}", "\\", "a\\", "'", '"', "''", '"a"', "ünï", "日本",
    "choice(a,b)",
    "glob(*)", "range(1,2)", "a:b", "&", "%", "@", "~x", "-m", "?", "!", "\n", "",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read(*words: str) -> Config:
    return train_arguments.config([*PLACES, *words])


@given(text=TEXT | st.text("'\"\\${}[](),=~#: ab\n", max_size=8))
def test_any_text_is_used_as_it_is_typed(text):
    if text not in ("???", "~") and not text.startswith("~/"):
        data = read(f"data.root={text}", f"data.train={text}").data
        assert data["root"] == data["train"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_used_as_they_are_typed(text):
    keys = ("root", "source", "validation")
    config = read(f"runs_dir={text}", *(f"data.{key}={text}" for key in keys))
    assert [config.runs_dir, *(config.data[key] for key in keys)] == [text] * 4


@given(texts=st.lists(TEXT.map(lambda text: text.replace("\\", "")), max_size=3))
@example(texts=["a, b", "it's", "null", "1", "[x]"])
def test_items_of_a_list_in_quotes_are_used_as_they_are(texts):
    items = ",".join('"' + text.replace('"', '\\"') + '"' for text in texts)
    assert read(f"data.tests=[{items}]").data["tests"] == texts


def test_items_of_a_list_need_no_quotes():
    assert read("data.tests=[it's, 01, null,a(b)]").data["tests"] == ["it's", "01", "null", "a(b)"]


def test_null_is_no_value_where_it_is_allowed():
    hub = ["data=hub", "data.source=en", "data.target=de", "data.path=x", "name=x"]
    assert train_arguments.config([*hub, "data.subset=null"]).data["subset"] is None
    assert train_arguments.config([*hub, "data.subset=1e3"]).data["subset"] == "1e3"


def test_a_leading_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/there")
    config = read("data.root=~/x", "runs_dir=~/runs")
    assert (config.data["root"], config.runs_dir) == ("/there/x", "/there/runs")
    assert read("data.root=a~/x").data["root"] == "a~/x"


@pytest.mark.parametrize("name", ["été", "日本", "it's", "a(b)", "a,b", " a", "[x]", "${x}"])
def test_a_folder_name_may_have_any_printable_character(name):
    assert read(f"name={name}").name == name


@pytest.mark.parametrize(
    ("name", "part"),
    [("a/b", "'/'"), ("a\nb", r"'\n'"), ("", "empty"), (".a", "'.'"), ("é" * 101, "202")],
)
def test_what_is_no_folder_name_is_refused_with_the_reason(name, part):
    with pytest.raises(UserError) as caught:
        read(f"name={name}")
    assert part in str(caught.value) and str(caught.value).startswith("name=")


@pytest.mark.parametrize("word", ["train.max_steps=é", "seed=&", "model.dim=("])
def test_a_character_that_stands_for_nothing_is_named(command, word):
    command("train", word).must_refuse(repr(word[-1]), word.partition("=")[0])


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("a,b", ["a", "b"]),
        ("'a,b',c", ["a,b", "c"]),
        ('"a,b", c', ["a,b", "c"]),
        ("it's,b", ["it's", "b"]),
        (r"'it\'s, a',b", ["it's, a", "b"]),
        ("a(b),c", ["a(b)", "c"]),
        (" a ", [" a "]),
    ],
)
def test_commas_separate_the_texts_of_a_sweep_and_quotes_protect_them(typed, parts):
    assert [value.means for value in values(typed, "text", sweep=True)] == parts


def test_a_sweep_may_give_lists():
    found = [value.means for value in values("[a,b],[c]", "list", sweep=True)]
    assert found == [["a", "b"], ["c"]]


@pytest.mark.parametrize("typed", ["'a", "[a", '"'])
def test_what_is_not_closed_is_named(typed):
    with pytest.raises(UserError, match="not closed"):
        split(typed)


# --- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--config-name", "x"], ["--config-name=x"], ["-cp", "x"], ["--info"], ["--cfg", "hydra"],
        ["--cfg"], ["--resolve"], ["--package", "train"], ["--config-dir", "absent"], ["--nope"],
        ["-r"], ["--hydra-help"], ["--cfg", "job", "--package", "nope"], ["hydra.run.dir=x"],
        ["hydra/launcher=joblib"], ["-m", "hydra/sweeper=ax"], ["-m", "seed=interval(1,2)"],
        ["-m", "seed=range(1,9,0)"], ["-m", "seed=range(1,100000)"], ["-m", "model=glob(x*)"],
        ["-m", "seed=glob(*)"], ["-m", "seed=choice()"], ["-m", "model=rnn,nope"], ["seed=glob(*)"],
    ],
)  # fmt: skip
def test_what_is_not_supported_is_one_sentence(command, words):
    command("train", *words).must_refuse()


def test_the_configuration_is_printed(command):
    answer = command("train", "--cfg", "job", "--resolve", "--package", "tokenizer")
    assert answer.status == 0 and "vocab_size: 4000\n" in answer.out
    whole = command("train", "-m", "seed=1,2", "--cfg", "job").out
    assert whole.count("\n---\n") == 1 and "name: controlled-bahdanau-2" in whole


@pytest.mark.parametrize("first", [True, False])
def test_experiments_of_a_users_own_folder_are_found(command, tmp_path, first):
    folder = tmp_path / "it's mine"
    (folder / "experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults: [{override /model: rnn}]\nseed: 7\n"
    (folder / "experiment" / "foo.yaml").write_text(text)
    words = [["--config-dir", folder], ["experiment=foo", "--cfg", "job"]]
    answer = command("train", *words[not first], *words[first])
    assert answer.status == 0 and "name: controlled-rnn-7" in answer.out, answer
    command("train", *words[0], "experiment=fo").must_refuse("did you mean 'foo'?")


@pytest.mark.parametrize("text", ["seed: 7\n", "defaults: [{override /model: rnn}]\n", ""])
def test_an_experiment_without_the_line_of_its_package_is_refused(command, tmp_path, text):
    file = tmp_path / "experiment" / "foo.yaml"
    file.parent.mkdir()
    file.write_text(text)
    command("train", "--config-dir", tmp_path, "experiment=foo", "--cfg", "job").must_refuse(
        f"{file} has no line `# @package _global_`: add it at the beginning"
    )


# --- members of a sweep -------------------------------------------------------------------------


def names(*words: str) -> list[str]:
    return [one.config.name for one in train_arguments.members([*PLACES[:-1], *words], sweep=True)]


def test_names_of_a_sweep_are_readable_unique_and_short():
    assert names("seed=1,2", "model=rnn") == ["files-rnn-1", "files-rnn-2"]
    assert names("model.dropout=0.1,0.20") == [
        "files-bahdanau-1,model.dropout=0.1",
        "files-bahdanau-1,model.dropout=0.2",
    ]
    paths = names("data.root=a/x,a/y,a-x")
    assert len(set(paths)) == 3 and not any("/" in name for name in paths)
    assert paths[0].startswith("files-bahdanau-1,data.root=a-x-")
    assert paths[2] == "files-bahdanau-1,data.root=a-x"
    many = names(*(f"data.{key}={'é' * 90}1,2" for key in ("root", "train", "validation")))
    assert len(set(many)) == 8 and all(len(name.encode()) <= 200 for name in many)


def test_the_words_of_each_run_give_the_same_configuration():
    words = [*PLACES[:-1], "data.root='a,b',c", "train.max_steps=1,2", "data.tests=[a],[b,c]"]
    found = train_arguments.members(words, sweep=True)
    assert len({one.config.name for one in found}) == len(found) == 8
    assert all(train_arguments.config(one.words) == one.config for one in found)


def test_the_last_word_of_a_sweep_changes_fastest():
    assert names("seed=1,2", "model=rnn,bahdanau") == [
        "files-rnn-1", "files-bahdanau-1", "files-rnn-2", "files-bahdanau-2",
    ]  # fmt: skip


def test_choices_and_ranges_give_values():
    assert names("model=glob(*n*)", "seed=range(1,3)")[::2] == [
        f"files-{name}-1" for name in config_files.model_names() if "n" in name
    ]


def test_a_key_that_one_choice_lacks_is_named_with_the_choice(command):
    command("train", "-m", "model=rnn,transformer", "model.embedding=16").must_refuse(
        "model=transformer has no key model.embedding"
    )


# --- training a sweep ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["name=foo", "seed=1,2"], "two runs"),
        (["name=foo", "seed=1,2", "fresh=true"], "two runs"),
        (["seed=1,1"], "remove one of the equal values"),
        (["name=a,b,a"], "remove one of the equal values"),
        (["name=a,b/c"], "'/'"),
        (["model.heads=2,3"], "model.dim=32 must be a multiple of model.heads=3"),
        (["model.heads=2,0"], "model.heads=0 must be at least 1"),
        (["search.beam=1,0"], "search.beam=0 must be at least 1"),
        (["train.batch_tokens=100,1"], "train.batch_tokens=1 must be at least 2"),
        (["seed=1,x"], "seed=x must be a whole number"),
        (["model.dim=1024,1048576"], "cannot be built"),
    ],
)
def test_all_runs_are_checked_before_the_first_trains(command, tiny, tmp_path, words, part):
    command("train", "-m", *tiny("transformer", *words)).must_refuse(part)
    assert not (tmp_path / "runs").exists()


def test_a_sweep_ends_with_a_table_and_goes_on_by_the_same_command(command, tiny, tmp_path):
    bad = tmp_path / "absent"
    words = [word for word in tiny("rnn", "train.max_steps=1", "seed=1") if "root" not in word]
    good = next(word for word in tiny("rnn") if "root" in word).partition("=")[2]
    sweep = ["train", "-m", *words, f"data.root={bad},{good}"]
    answer = command(*sweep)
    record = json.loads((tmp_path / "runs" / "sweep.json").read_text())["runs"]
    assert answer.status == 1
    assert [entry["status"] for entry in record.values()] == ["failed", "finished"]
    assert all(str(Path(name)) == name for name in record)
    table = answer.err[answer.err.index("best BLEU") :]
    assert "failed" in table and "finished" in table
    assert max(map(len, table.splitlines())) <= 80
    bad.symlink_to(good)
    answer = command(*sweep)
    assert answer.status == 0 and "finished before" in answer.err, answer
    record = json.loads((tmp_path / "runs" / "sweep.json").read_text())["runs"]
    assert {(entry["status"], entry["reason"]) for entry in record.values()} == {("finished", None)}


def test_a_stopped_sweep_says_what_was_not_trained(command, tiny, tmp_path, monkeypatch):
    def stop(config):
        raise KeyboardInterrupt

    monkeypatch.setattr("seq2seq.training.sweep.train", stop)
    answer = command("train", "-m", *tiny("rnn", "seed=1,2"))
    record = json.loads((tmp_path / "runs" / "sweep.json").read_text())["runs"]
    assert answer.status == 130 and "not trained" in answer.err
    assert [entry["status"] for entry in record.values()] == ["interrupted", "waiting"]


def test_a_comparison_names_the_missing_runs_of_a_sweep(tmp_path):
    from seq2seq.compare.runs import missing_of_sweep

    runs = {"a": {"status": "finished"}, "b": {"status": "failed", "reason": "no file"}, "c": 3}
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": runs}))
    [note] = missing_of_sweep(tmp_path, {"a"})
    assert "b" in note and "no file" in note


# --- composing once -----------------------------------------------------------------------------

COMPOSED = [
    [],
    ["train.max_steps=5", "train.betas=[0.5,0.9]", "train.max_minutes=null", "seed=0x1f"],
    ["train.max_steps=1e3", "train.learning_rate=1", "train.tensorboard=True", "seed=1_000"],
    ["model=transformer", "model.feed_forward=8", "train=adadelta", "train.eps=1e-6"],
    ["model=encoder_only", "search.rounds=3"],
    ["model=encoder_only", "search=greedy"],
    ["experiment=demo-rnn", "train.schedule=constant", "model.embedding=8"],
    ["model.embedding=${seed}", "seed=7", "train.max_steps=${oc.env:SEQ2SEQ_NONE,4}"],
    ["+seed=4"],
    ["model.nothing=2"],
    ["trainer=3"],
    ["train.max_steps={a: 1}"],
    ["tokenizer=[1]"],
    ["++train.max_steps=7", "model=gru"],
    ["model.embedding=8", "model=luong", "model.embedding=16", "seed=2", "seed=3"],
]


def outcome(function: Callable[[list], object], words: list) -> object:
    """The composed values, whether keys can be added, and Hydra's choices; or the message."""
    try:
        composed = function(words)
        plain = compose.OmegaConf.to_container(composed, resolve=True)
    except UserError as error:
        return str(error)
    choices = dict(compose.HydraConfig.get().runtime.choices)
    return plain, compose.OmegaConf.is_struct(composed), choices


@pytest.mark.parametrize("words", COMPOSED, ids=" ".join)
def test_values_that_are_set_later_are_those_that_hydra_composes(words):
    parts = [part for word in words for part in train_arguments.parts(word, sweep=False)]
    assert outcome(compose.compose_parts, parts) == outcome(compose.compose, words)


def test_a_configuration_is_composed_once(monkeypatch):
    asked = []
    exactly = compose.compose_exactly
    monkeypatch.setattr(compose, "compose_exactly", lambda own: asked.append(own) or exactly(own))
    key_checks.known_keys.cache_clear()
    read("model=rnn", "train.max_steps=3", "model.embedding=8", "seed=3")
    assert asked == [["data=files", "model=rnn"]]
    asked.clear()
    read("model=encoder_only", "seed=3")  # the second time with its natural search
    assert asked == [
        ["data=files", "model=encoder_only"],
        ["search=mask_predict", "data=files", "model=encoder_only"],
    ]


def test_a_file_that_has_changed_is_read_again(tmp_path):
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "own.yaml"
    for seed in (3, 4):
        file.write_text(f"# @package _global_\nseed: {seed}\n", "utf-8")
        words = ["--config-dir", str(tmp_path), *PLACES, "experiment=own"]
        command = train_arguments.parse_command(words, str)
        assert command.members[0].config.seed == seed


def test_only_the_sections_of_a_command_line_are_searched_for_text_keys(monkeypatch):
    asked = []
    text_keys = key_checks.text_keys
    monkeypatch.setattr(
        train_arguments, "text_keys", lambda name: asked.append(name) or text_keys(name)
    )
    list(train_arguments.parts("model=rnn", sweep=False))
    assert asked == []
    list(train_arguments.parts("train.max_steps=3", sweep=False))
    assert asked == ["train"]
