"""The defaults of the version that started a run, for resuming it."""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seq2seq.corpora.splits import Splits
from seq2seq.errors import UserError
from seq2seq.package_data import data_folder
from seq2seq.runs.folder import read_config
from seq2seq.runs.nested import flatten, section
from seq2seq.runs.untrusted import read_yaml
from seq2seq.settings.config import Config, TrainConfig, TrainerConfig
from seq2seq.settings.config_files import model_names, model_settings
from seq2seq.settings.plugins import locate
from seq2seq.settings.schema import defaults

# Defaults of earlier versions that have changed since.
FORMER = {
    "train.warmup_steps": 200,
    "model.attention_dropout": 0.1,
    "model.activation_dropout": None,
    "model.attention_init": "xavier",
    "model.align_init": "paper",
    "model.init": "paper",
}


def with_original_defaults(folder: Path, config: Config) -> Config:
    """Adapt the configuration of a resumed run to the defaults of the version that started it.

    Keys newer than the run get their old behavior.
    """
    stored = read_config(folder)
    config = with_former_defaults(stored, config)
    data = {**config.data}
    if "bleu_tokenizer" not in section(stored, "data"):
        data.pop("bleu_tokenizer", None)
    tokenizer = config.tokenizer
    if "target_normalization" not in section(stored, "tokenizer"):
        tokenizer = dataclasses.replace(tokenizer, target_normalization=None)
    return dataclasses.replace(config, data=data, tokenizer=tokenizer)


def with_former_defaults(stored: Mapping[str, Any], config: Config) -> Config:
    """Replace defaults by the FORMER ones of a stored configuration, unless resume=force.

    This lets the command that started a run of an earlier version resume it.
    """
    if config.resume == "force":
        return config
    name = config.model["name"]
    model = model_settings(name) if name in model_names() else {}
    today = flatten({"train": shipped_defaults()["train"], "model": model})
    then, given = flatten(written_out(dict(stored))), flatten(dataclasses.asdict(config))
    kept: dict[str, dict[str, Any]] = {"train": {}, "model": {}}
    for key, former in FORMER.items():
        if key in today and key in then and given.get(key) == today[key] and then[key] == former:
            part, _, inner = key.partition(".")
            kept[part][inner] = former
    train = dataclasses.replace(config.train, **kept["train"])
    return dataclasses.replace(config, train=train, model=config.model | kept["model"])


def written_out(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with explicit values for absent keys and for null in its `data`.

    An older run lacks newer keys. The defaults of their classes are what it did, except in
    `tokenizer` and `data`; those of the configuration files may have changed.
    """
    config, data = dict(config), section(config, "data")
    for name, owner in (("train", TrainConfig), ("trainer", TrainerConfig)):
        with contextlib.suppress(UserError):
            config[name] = shipped_defaults()[name] | defaults(owner) | section(config, name)
    with contextlib.suppress(UserError):
        model = section(config, "model")
        config["model"] = defaults(locate("model", model.get("name"))) | model
    with contextlib.suppress(UserError):
        corpus = locate("data", data.get("name"))
        if issubclass(corpus, Splits):
            config["data"] = corpus.written_out(data)
    return config


@functools.cache
def shipped_defaults() -> dict[str, dict[str, Any]]:
    """The sections `train` and `trainer` of the configuration files of this package."""
    folder = data_folder("configs")
    return {
        "train": read_yaml(folder / "train" / "adam.yaml"),
        "trainer": section(read_yaml(folder / "train.yaml"), "trainer"),
    }
