"""Mixtures of corpora: what is read, the command line, training and exact resume."""

import json
import shutil

import pytest

from seq2seq.corpora.mixture import Mixture
from seq2seq.errors import UserError
from seq2seq.settings import compose, train_arguments
from seq2seq.training.train import train

DIRECTION = ["data=mixture", "data.source=en", "data.target=de"]
TINY = [
    *("model=rnn", "model.dim=16", "model.embedding=16", "tokenizer.vocab_size=90"),
    *("trainer.accelerator=cpu", "train.max_epochs=null", "train.max_steps=1"),
    *("train.batch_tokens=100", "train.log_every=1", "train.validate_every=100"),
    "train.warmup_steps=20",
]


def write_tsv(path, pairs):
    path.write_text("".join("\t".join(pair) + "\n" for pair in pairs), "utf-8")


@pytest.fixture
def web(tmp_path, phrases):
    """A folder with a training table of 50 pairs and a test table of 5."""
    folder = tmp_path / "web"
    folder.mkdir()
    sides = [
        (phrases / f"train.{language}").read_text("utf-8").splitlines() for language in ("en", "de")
    ]
    pairs = [*zip(*sides, strict=True)]
    write_tsv(folder / "train.tsv", pairs[:50])
    write_tsv(folder / "test.tsv", pairs[50:55])
    return folder


@pytest.fixture
def words(phrases, web, tmp_path):
    return [
        *DIRECTION,
        f"data.parts.news={{kind: files, root: {phrases}}}",
        f"data.parts.web={{kind: tsv, root: {web}}}",
        "data.validation=news",
        f"runs_dir={tmp_path}",
        "name=run",
        *TINY,
    ]


WEIGHTS = ["data.parts.news.weight=1", "data.parts.web.weight=3"]


def config(words):
    return compose.read(compose.compose(words))


def corpus(words):
    return Mixture(
        **{k: v for k, v in config(words).data.items() if k not in ("name", "bleu_tokenizer")}
    )


def test_the_training_text_is_that_of_all_parts(words):
    mixed = corpus(words)
    text = mixed.text("train")
    assert len(text) == 176 + 50
    assert [text[row] for row in range(len(text))] == [*text] == [*mixed.read("train")]
    assert [*text.sources()] == [pair.source for pair in text]
    assert mixed.tests == ("test",)
    assert len(mixed.text("test")) == 20


def test_test_sets_of_several_parts_have_the_names_of_their_parts(words):
    mixed = corpus([*words, "data.tests=[news,web]"])
    assert mixed.tests == ("news-test", "web-test")
    assert len(mixed.text("web-test")) == 5


def test_all_ways_to_write_a_part_give_the_same_configuration(words, phrases, web):
    separate = [
        *DIRECTION,
        "data.parts.news.kind=files",
        f"data.parts.news.root={phrases}",
        f"data.parts.web={{kind: 'tsv', root: \"{web}\", source_column: 0}}",
        *words[5:],
        "data.validation=news",
    ]
    assert config(separate).data == config(words).data
    [member] = train_arguments.members(separate, sweep=None)
    assert member.config.data == config(words).data


def test_the_text_of_a_part_is_read_as_elsewhere(words):
    given = [*words, "data.parts.odd={kind: csv, root: 2020_01_02, train: 'a, b.csv'}"]
    [member] = train_arguments.members(given, sweep=None)
    odd = member.config.data["parts"]["odd"]
    assert (odd["root"], odd["train"], odd["source_column"]) == ("2020_01_02", "a, b.csv", "en")


def test_weights_can_be_swept(words):
    swept = train_arguments.members(
        [word for word in words if not word.startswith("name=")]
        + ["data.parts.news.weight=1,2", "data.parts.web.weight=1"],
        sweep=True,
    )
    weights = [member.config.data["parts"]["news"]["weight"] for member in swept]
    assert weights == [1, 2]
    assert len({member.config.name for member in swept}) == 2


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            ["data.parts.web.weight=0", "data.parts.news.weight=1"],
            ["data.parts.web.weight", "above 0"],
        ),
        (["data.parts.web.weight=-1", "data.parts.news.weight=1"], ["web.weight=-1", "above 0"]),
        (["data.parts.web.weight=2"], ["data.parts.news has no weight"]),
        (["data.parts.web.kind=tvs"], ["data.parts.web.kind=tvs", "did you mean 'tsv'?"]),
        (["data.parts.web.rot=x"], ["'data.parts.web.rot'", "did you mean 'data.parts.web.root'?"]),
        (["data.parts.x.root=y"], ["data.parts.x.kind must be given"]),
        (["data.parts.web.source=fr"], ["data.parts.web.source=fr", "data.source=en"]),
        (["data.parts.web={source: de, target: en}"], ["data.parts.web.source=de", "direction"]),
        (["data.parts.web.max_length=3"], ["data.max_length holds for all parts"]),
        (["data.parts.web.tokenized=true"], ["data.parts.web is tokenized", "alike"]),
        (["data.parts.web.kind=mixture"], ["data.parts.web.kind=mixture"]),
        (["data.parts.web=3"], ["data.parts.web=3", "data.parts.NAME={"]),
        (["data.parts.web.header=3"], ["data.parts.web.header=3 must be true or false"]),
        (["data.parts.x.kind=hub"], ["data.parts.x.path must be given"]),
        (["data.parts={a: {kind: tsv}}"], ["one argument for each part"]),
        (["data.parts.web={kind tsv}"], ["'kind tsv'", "not KEY: VALUE"]),
        (["data.validation=nws"], ["data.validation", "did you mean 'news'?"]),
        (["data.tests=[wbe]"], ["data.tests", "did you mean 'web'?"]),
        (["data.temperature=0"], ["data.temperature=0", "above 0"]),
        (["data.parts.web.train=nowhere.tsv"], ["data.parts.web:", "no file", "nowhere.tsv"]),
        (["data.parts.web.train=empty.tsv"], ["data.parts.web: train is empty"]),
        (["data.parts.web.train=half.tsv"], ["data.parts.web is left", "empty side"]),
        (["data=files", "data.root=."], ["data.parts.news", "it is a key of data=mixture"]),
        (["model=word_for_word", *WEIGHTS], ["weights of data.parts", "no effect"]),
    ],
)
def test_a_wrong_mixture_is_refused(command, words, web, changes, parts):
    (web / "empty.tsv").write_text("")
    (web / "half.tsv").write_text("\ta\n")
    if "model=word_for_word" in changes:
        words = [word for word in words if not word.startswith(("model.", "train."))]
    command("train", *words, *changes).must_refuse(*parts)


def test_no_parts_are_refused_with_an_example(command):
    answer = command("train", *DIRECTION, "data.validation=news")
    answer.must_refuse("data.parts is empty", "data.parts.news={kind: files")


def test_check_reads_on_after_a_part_that_cannot_be_read(command, words, web):
    answer = command("check", *words, "data.parts.gone={kind: tsv, root: nowhere}")
    assert answer.status == 1
    assert "gone 1" in answer.out
    write_tsv(web / "train.tsv", [("a", "b")] * 2)
    answer = command("check", *words)
    assert (answer.status, "train.tsv 2" in answer.out) == (0, True)


def test_overlap_with_any_part_is_printed(command, words, web, phrases):
    sides = [
        (phrases / f"test.{language}").read_text("utf-8").splitlines() for language in ("en", "de")
    ]
    write_tsv(web / "train.tsv", [*zip(*sides, strict=True)][:3])
    answer = command("train", *words, "train.max_steps=1")
    assert answer.status == 0
    assert "3 of the 20 pairs of test are also in the training set" in answer.err


def test_a_run_records_its_parts_and_the_pairs_seen(words, tmp_path):
    train(config([*words, *WEIGHTS, "train.max_steps=30"]))
    info = json.loads((tmp_path / "run/run.json").read_text())
    parts = info["data"]["train"]["parts"]
    assert [parts[name]["share"] for name in ("news", "web")] == [0.25, 0.75]
    assert [parts[name]["used"] for name in ("news", "web")] == [176, 50]
    assert parts["web"]["sha256"] == corpus(words).corpora["web"].content("train").sha256
    seen = info["pairs_seen"]
    assert sum(seen.values()) > 226 * info["epochs"] * 0.9
    assert seen["web"] / sum(seen.values()) == pytest.approx(0.75, abs=0.05)


def test_an_interrupted_mixture_ends_with_the_same_bits(words, tmp_path):
    def run(name, *more):
        return train(config([*words, *WEIGHTS, f"name={name}", "train.save_every=0", *more]))

    whole = run("whole", "train.max_steps=9")
    begun = run("begun", "train.max_steps=5")
    assert run("begun", "train.max_steps=9") == begun
    assert (whole / "model.safetensors").read_bytes() == (begun / "model.safetensors").read_bytes()
    seen = [json.loads((run / "run.json").read_text())["pairs_seen"] for run in (whole, begun)]
    assert seen[0] == seen[1]


def test_other_weights_or_other_text_of_a_part_do_not_resume(command, words, web):
    assert command("train", *words, *WEIGHTS, "train.max_steps=1").status == 0
    more = ["train.max_steps=2", "data.parts.news.weight=1"]
    answer = command("train", *words, *more, "data.parts.web.weight=2")
    answer.must_refuse("data.parts.web.weight=3 (now 2)", "resume=force")
    shutil.copy(web / "test.tsv", web / "train.tsv")
    answer = command("train", *words, *more, "data.parts.web.weight=3")
    answer.must_refuse("the train text has changed")


def test_a_part_with_another_code_of_the_language_is_accepted(words, phrases, tmp_path):
    for split in ("train", "validation", "test"):
        for language, code in (("en", "eng"), ("de", "deu")):
            shutil.copy(phrases / f"{split}.{language}", tmp_path / f"{split}.{code}")
    part = f"data.parts.more={{kind: files, root: {tmp_path}, source: eng, target: deu}}"
    assert len(corpus([*words, part]).text("train")) == 2 * 176 + 50


def test_nested_mixtures_are_refused_in_code(words):
    with pytest.raises(UserError, match=r"data\.parts\.a is a mixture"):
        Mixture(
            **{k: v for k, v in config(words).data.items() if k not in ("name", "bleu_tokenizer")}
            | {"parts": {"a": {"name": "mixture"}}}
        )
