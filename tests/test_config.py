"""What may be configured, what is refused and with which sentence. Nothing here trains for long."""

import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.layers.parts import AttentionKeys, LayerKeys, Parts
from seq2seq.settings import compose, config_files
from seq2seq.settings.config import Config
from seq2seq.settings.config_files import choices, config_folder
from seq2seq.settings.plugins import SECTION_PACKAGES, SUPPLIED_KEYS, build, locate, upgrade
from seq2seq.settings.ranges import Natural
from seq2seq.settings.schema import check_values, defaults, meanings, optional, schema

GROUPS = ("data", "model", "search", "train")
CHOICES = [(group, name) for group in GROUPS for name in choices(config_folder() / group)]
MANDATORY = ["data.source=en", "data.target=de"]
PLACES = dict.fromkeys(("files", "tsv", "csv", "tmx", "jsonl"), "data.root=here") | {
    "hub": "data.path=here"
}


def read(*words: str) -> Config:
    return compose.read(compose.compose(["name=run", *words]))


def refused(*words: str) -> str:
    with pytest.raises(UserError) as caught:
        read(*words)
    return str(caught.value)


# --- refused with one sentence ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("train.max_step=3", ["'train.max_step'", "did you mean 'train.max_steps'?"]),
        ("trian.max_steps=3", ["'trian.max_steps'", "did you mean 'train.max_steps'?"]),
        ("model=bahdanu", ["no model 'bahdanu'", "did you mean 'bahdanau'?"]),
        ("data=multi30", ["no data 'multi30'", "did you mean 'multi30k'?"]),
        ("search=bem", ["no search 'bem'", "did you mean 'beam'?"]),
        ("train=adma", ["no train 'adma'", "did you mean 'adam'?"]),
        ("model=zzz", ["no model 'zzz'", *config_files.model_names()]),
        ("mdoel=rnn", ["'mdoel'", "did you mean 'model'?"]),
        ("model.heads=2", ["'model.heads'", "it is a key of model=", "transformer"]),
        ("train.foo=2", ["'train.foo'", "none of the 33 known names is similar"]),
        ("search.bean=2", ["'search.bean'", "did you mean 'search.beam'?"]),
        ("trainer.foo=2", ["'trainer.foo'", "choose from trainer.accelerator, trainer.compile"]),
        ("+new.key=1", ["'new.key'"]),
        ("+train.new=1", ["'train.new'"]),
        ("~train.max_steps", ["train.max_steps"]),
        ("model=[", ["'model=['", "key=value"]),
        ("rnn", ["'rnn'", "key=value"]),
        ("search=null", ["no search 'null'", "beam, greedy, mask_predict, sample"]),
        ("+model=rnn", ["cannot be composed", "model"]),
        ("seed=" + "9" * 5000, ["cannot parse", "key=value"]),
        ("train.betas={}", ["cannot be composed", "train.betas"]),
        ("model=rnn,bahdanau", ["model=rnn,bahdanau", "-m"]),
        ("train.max_steps=1,2", ["train.max_steps=1,2", "-m"]),
        ("data.target=${no}", ["data.target=${no}", "choose from"]),
        ("data=files", ["data.source must be given", "language translated from"]),
        ("train.max_steps=abc", ["train.max_steps=abc", "a whole number"]),
        ("model._target_=os.system", ["unknown key 'model._target_'"]),
        ("model.name=os.system", ["there is no model 'os.system'"]),
    ],
)
def test_a_wrong_word_is_named_in_one_sentence(command, word, parts):
    corpus = [] if word.startswith("data=") else ["data=multi30k", "data.root=nowhere"]
    command("train", *corpus, word).must_refuse(*parts)


def test_every_value_of_a_sweep_is_checked_before_the_first_run(command):
    command("train", "-m", "model=rnn,rn").must_refuse("did you mean 'rnn'?")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("train.batch_tokens=1.5", "a whole number"),
        ("train.batch_tokens=true", "a whole number"),
        ("train.batch_tokens=null", "a whole number"),
        ("seed=x", "a whole number"),
        ("model.dim=wide", "a whole number"),
        ("tokenizer.shared=3", "true or false"),
        ("train.learning_rate=fast", "a number"),
        ("train.betas=0.9", "a list"),
        ("train.betas=[0.9,x]", "a number"),
        ("model.cell=gro", "did you mean 'gru'?"),
        ("trainer.accelerator=cdua", "did you mean 'cuda'?"),
        ("trainer.precision=33", "32-true"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_the_right_one(word, kind):
    key, _, value = word.partition("=")
    message = refused(word)
    assert message.startswith(key) and kind in message
    assert value.strip("[]").split(",")[-1] in message


@pytest.mark.parametrize(
    ("word", "bound"),
    [
        ("train.label_smoothing=1.5", "below 1"),
        ("train.batch_tokens=0", "at least 2"),
        ("train.accumulate=0", "at least 1"),
        ("train.accumulate=9223372036854775807", "at most 10000"),  # an update without end
        ("train.learning_rate=1e308", "below 1e300 in absolute value"),
        ("train.max_steps=1e19", "below 2^63 in absolute value"),
        ("train.max_steps=-inf", "a whole number, and finite"),
        ("train.max_steps=0", "at least 1"),
        ("train.learning_rate=-1", "at least 0"),
        ("train.betas=[0.9]", "two numbers"),
        ("train.betas=[0.9,1]", "below 1"),
        ("tokenizer.vocab_size=4", "at least 5"),
        ("tokenizer.sampling=1", "below 1"),
        ("train.max_minutes=0", "above 0"),
        ("train.eps=0", "above 0"),  # 0/0 for a word that no batch has had
        ("train.plateau_factor=0", "above 0"),
        ("train.plateau_factor=1", "below 1"),
        ("train.save_every=-1", "at least 0"),
        ("train.max_skipped=0", "at least 1"),
        ("train.patience=0", "at least 1"),
        ("train.average=0", "at least 1"),
        ("train.log_every=0", "at least 1"),
        ("train.validate_every=0", "at least 1"),
        ("trainer.devices=0", "at least 1"),
        ("trainer.devices=100000", "at most 64"),
        ("trainer.threads=0", "at least 1"),
        ("trainer.threads=100000", "at most 512"),
        ("seed=-1", "at least 0"),
        ("seed=1e30", "below 2^63"),
        ("seed=99999999999999999999", "below 2^63"),
        ("train.learning_rate=nan", "and finite"),
        ("train.max_minutes=inf", "and finite"),
        ("name=a/b", "plain folder name"),
        ("name=..", "plain folder name"),
        ("name=''", "plain folder name"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_bound(word, bound):
    message = refused(word)
    assert message.startswith(word.partition("=")[0]) and bound in message


def test_training_without_an_end_is_refused_with_its_three_ends():
    message = refused("train.max_epochs=null")
    assert all(f"train.max_{unit}" in message for unit in ("steps", "epochs", "minutes"))


@pytest.mark.parametrize(("name", "place"), PLACES.items())
def test_what_a_corpus_must_be_told_is_named(name, place):
    key = place.partition("=")[0]
    with pytest.raises(UserError) as caught:  # data.root by the corpus itself
        build("data", read(f"data={name}", *MANDATORY).data)
    assert str(caught.value).startswith(f"{key} must be given: ")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("data.name=builtins", "there is no data 'builtins'"),
        ("search.name=this", "there is no search 'this'"),
        ("model.name=models.rnn", "there is no model 'models.rnn'"),
        ("model.name=beam", "there is no model 'beam'"),
        ("model.name=..os", "there is no model '..os'"),
        ("model.name=trnasformer", "did you mean 'transformer'?"),
        ("model.name=base", "has no class of this name"),
    ],
)
def test_a_foreign_class_is_refused_before_anything_is_imported(word, why):
    message = refused(word)
    assert why in message
    assert "this" not in sys.modules


def test_module_paths_of_version_0_1_0_become_names():
    stored = {
        "model": {"_target_": "seq2seq.models.rnn.RNN", "dim": 3},
        "data": {"_target_": "seq2seq.corpora.multi30k.Multi30k"},
        "search": {"_target_": "seq2seq.search.Beam", "beam": 5},
        "seed": 1,
    }
    assert upgrade(stored) == {
        "model": {"name": "rnn", "dim": 3},
        "data": {"name": "multi30k"},
        "search": {"name": "beam", "beam": 5},
        "seed": 1,
    }
    assert upgrade(upgrade(stored)) == upgrade(stored)


# --- read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_fits_its_schema(group, name):
    told = [*MANDATORY, PLACES.get(name, "data.root=here")]
    if group != "data" or name == "controlled":  # which knows where it lies
        told = []
    if name == "mask_predict":
        told = [*told, "model=encoder_only"]
    if name == "mixture":
        told = [*MANDATORY, "data.parts.a={kind: tsv, root: here}", "data.validation=a"]
    config = read(*told, f"{group}={name}")
    if group in SECTION_PACKAGES and group != "model":
        build(group, getattr(config, group))


def test_numbers_are_read_by_type_and_not_by_spelling():
    train = read("train.max_steps=1e3", "train.eps=1", "train.learning_rate=1e-3").train
    assert (train.max_steps, train.eps, train.learning_rate) == (1000, 1.0, 1e-3)
    assert isinstance(train.max_steps, int) and isinstance(train.eps, float)


def test_the_default_name_tells_corpus_model_and_seed(command):
    answer = command("train", "data=multi30k", "data.root=/absent", "model=rnn", "seed=3")
    assert "run folder: runs/multi30k-rnn-3\n" in answer.err


# --- help ---------------------------------------------------------------------------------------


def plugs() -> list[object]:
    """The class behind every choice of every plug point."""
    return [
        pytest.param(group, locate(group, compose.compose([f"{group}={name}"])[group]["name"]))
        for group, name in CHOICES
        if group in SECTION_PACKAGES
    ]


@pytest.mark.parametrize(("group", "owner"), plugs())
def test_every_key_of_a_plug_in_has_a_meaning(group, owner):
    assert schema(owner, SUPPLIED_KEYS.get(group, ())).keys() <= meanings(owner).keys()


def test_every_other_key_has_a_meaning():
    assert schema(Config).keys() == meanings(Config).keys()
    for section in ("tokenizer", "train", "trainer"):
        owner = schema(Config)[section]
        assert schema(owner).keys() == meanings(owner).keys()


def test_help_lists_every_group_choice_and_key(command):
    answer = command("train", "--help")
    assert (answer.status, answer.err) == (0, "")
    words = " ".join(answer.out.split())  # without the ends of lines
    for group in GROUPS:
        assert f"{group}= {' | '.join(choices(config_folder() / group))} " in words
    for name, section in schema(Config).items():
        keys = [name] if name not in ("tokenizer", "train", "trainer") else schema(section)
        prefix = "" if keys == [name] else f"{name}."
        assert [key for key in keys if f"\n  {prefix}{key}=" not in answer.out] in ([], [name])


@pytest.mark.parametrize("name", config_files.model_names())
def test_help_shows_the_keys_of_the_chosen_model(command, name):
    owner = locate("model", config_files.model_settings(name)["name"])
    out = command("train", f"model={name}", "--help").out
    assert f"model: architecture ({owner.__name__})" in out
    for key in schema(owner, SUPPLIED_KEYS["model"]):
        assert f"\n  model.{key}=" in out


def test_help_of_a_choice_that_must_be_told_more_still_helps(command):
    answer = command("train", "data=files", "-h")
    assert answer.status == 0
    assert "data.source=(must be given)" in answer.out


def test_help_of_an_unknown_choice_is_refused(command):
    command("train", "model=rn", "--help").must_refuse("did you mean 'rnn'?")


TRANSFORMERS = ["transformer", "transformer_modern", "decoder_only", "encoder_only"]


def test_the_layers_of_transformers_have_exactly_the_shared_keys():
    assert {field.name for field in fields(Parts)} == schema_of_keys(AttentionKeys)
    assert schema_of_keys(LayerKeys) < schema_of_keys(AttentionKeys)
    for keys in (LayerKeys, AttentionKeys):
        assert meanings(keys).keys() == schema_of_keys(keys)


def schema_of_keys(owner) -> set[str]:
    return {*owner.__required_keys__, *owner.__optional_keys__}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_share_their_keys_and_describe_them_in_one_place(name):
    owner = locate("model", name)
    shared = LayerKeys if name == "encoder_only" else AttentionKeys
    assert schema_of_keys(shared) <= schema(owner).keys()
    assert {key: meanings(owner)[key] for key in meanings(shared)} == meanings(shared)


@pytest.mark.parametrize("name", config_files.model_names())
def test_every_key_of_a_model_that_may_be_absent_has_a_default(name):
    owner = locate("model", name)
    assert optional(owner) == defaults(owner).keys()


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformer_without_newer_keys_is_that_of_their_defaults(name):
    sizes = {"source_vocab": 9, "target_vocab": 9, "shared_vocab": True}
    given = config_files.model_settings(name)
    younger = defaults(locate("model", name))
    old = build("model", {key: given[key] for key in given if key not in younger}, **sizes)
    new = build("model", given | younger, **sizes)
    assert old.parts == new.parts
    assert old.state_dict().keys() == new.state_dict().keys()


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heds": 4}, "unknown key 'model.heds'; did you mean 'heads'?"),
        ({"heads": "four"}, "model.heads=four must be a whole number"),
        ({"dim": 0}, "model.dim=0 must be at least 1"),
        ({"max_positions": 0}, "model.max_positions=0 must be at least 1"),
        ({"bias": 1}, "model.bias=1 must be true or false"),
        ({"norm": "pree"}, "model.norm=pree is unknown; did you mean 'pre'?"),
        ({"dropout": 1}, "model.dropout=1.0 must be below 1"),
        ({"heads": "???"}, "model.heads must be given: number of attention heads"),
    ],
)
def test_shared_keys_are_checked_in_every_transformer(name, values, message):
    sizes = {"source_vocab": 9, "target_vocab": 9, "shared_vocab": True}
    with pytest.raises(UserError) as refused:
        build("model", config_files.model_settings(name) | values, **sizes)
    assert message in str(refused.value)


# --- sweeps and the working directory -----------------------------------------------------------


def names(answer) -> list[str]:
    return [line.removeprefix("runs/") for line in answer.out.splitlines()]


def test_a_sweep_over_models_trains_each_in_a_folder_of_its_own(command, tiny, tmp_path):
    words = [word for word in tiny("rnn", "train.max_steps=1") if not word.startswith("model")]
    answer = command("train", "-m", "model=rnn,bahdanau", "model.dim=8", "seed=2", *words)
    assert answer.status == 0, answer
    assert names(answer) == ["files-rnn-2", "files-bahdanau-2"]
    kinds = [json.loads((tmp_path / f"runs/{name}/run.json").read_text()) for name in names(answer)]
    assert [info["model"]["kind"] for info in kinds] == ["RNN", "Bahdanau"]


@pytest.mark.parametrize("swept", ["model.cell=gru,tanh", "train=adam,adadelta"])
def test_a_sweep_over_any_key_gives_each_run_a_name_of_its_own(command, tiny, swept):
    answer = command("train", "-m", *tiny("rnn", "train.max_steps=1", swept))
    assert answer.status == 0, answer
    key, values = swept.split("=")
    assert names(answer) == [f"files-rnn-1,{key}={value}" for value in values.split(",")]


def test_a_flag_may_stand_anywhere(command, tiny):
    words = tiny("rnn", "train.max_steps=1", "seed=1,2")
    answer = command("train", *words[:3], "-m", *words[3:])
    assert names(answer) == ["files-rnn-1", "files-rnn-2"]


def test_hydra_leaves_nothing_behind_and_the_working_directory_alone(command, tiny, tmp_path):
    answer = command("train", *tiny("rnn", "train.max_steps=1"))
    assert answer.out == "runs/files-rnn-1\n"
    assert Path.cwd() == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["files-rnn-1"]
    assert not list(tmp_path.rglob(".hydra"))


@dataclass(frozen=True)
class Limits:
    count: Natural


def test_a_whole_number_in_a_dataclass_may_be_written_as_a_float():
    limits = Limits(1e2)
    check_values(limits, "limits")
    assert limits.count == 100 and isinstance(limits.count, int)
    with pytest.raises(UserError, match=r"^limits\.count=1\.5 must be a whole number"):
        check_values(Limits(1.5), "limits")
