"""The words of `seq2seq train` and `check`, read by Hydra; their mistakes explained, their help."""

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seq2seq.config import GIVEN, PLUGS, SHARED, Config, describe, locate, meanings, schema
from seq2seq.errors import UserError, did_you_mean, reporting_user_errors


def config_folder() -> Path:
    """The YAML files: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def run(words: list[str], job: Callable[[Config], Any], help: Callable[[list[str]], str]) -> None:
    """Compose a configuration from command-line words and do the job with it; with -m, with each.

    With -h or --help among the words, print what `help` says of the others instead.

    Raises:
        UserError: a word, key or value is wrong; the message names it and the nearest valid one.
    """
    if {"-h", "--help"} & set(words):
        print(help(words))
        return
    flags = {word for word in words if word.startswith("-")}
    if flags <= {"-m", "--multirun"}:  # with others, such as --config-dir, Hydra must judge itself
        overrides = [word for word in words if word not in flags]
        check_words(overrides, sweeps=bool(flags))
        words = [*flags, *overrides, *name_by_what_is_swept(overrides)]

    def once(composed: Any) -> None:
        with reporting_user_errors():  # here, for Hydra would print a traceback
            config = read(composed)
            # Further processes of a run are started by Lightning with the words of this one.
            sys.argv = [sys.argv[0], "train", *HydraConfig.get().overrides.task]
            job(config)

    sys.argv = [sys.argv[0], *words]
    hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")(once)()


def config(words: list[str]) -> Config:
    """The configuration that command-line words say, without Hydra's running anything.

    Raises:
        UserError: a word, key or value is wrong; the message names it and the nearest valid one.
    """
    check_words(words, sweeps=False)
    return read(compose(words))


def read(composed: Any) -> Config:
    """A typed configuration from what Hydra composed (a DictConfig)."""
    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(
            f"the configuration cannot be resolved: {str(error).splitlines()[0]}"
        ) from error
    return Config.read(plain)


def parse(overrides: list[str]) -> list[Override]:
    """Command-line words as Hydra reads them."""
    parser = OverridesParser.create()
    parsed = []
    for word in overrides:
        try:
            parsed.append(parser.parse_override(word))
        except (HydraException, ValueError) as error:  # ValueError: a number of 5,000 digits
            raise UserError(
                f"cannot read {word!r}: write key=value, and quote what the shell or Hydra would "
                "take apart, as in 'name=\"a, b\"'"
            ) from error
    return parsed


def check_words(overrides: list[str], *, sweeps: bool = True) -> None:
    """Refuse unknown groups, choices and keys before Hydra does, with the nearest known one."""
    groups = {
        folder.name: choices(folder) for folder in config_folder().iterdir() if folder.is_dir()
    }
    parsed = [o for o in parse(overrides) if not o.get_key_element().startswith("hydra")]
    for override in parsed:
        if override.is_sweep_override() and not sweeps:
            word = override.input_line
            raise UserError(
                f"{word} gives several values: add -m to train one run for each, or write "
                "key=[a,b] for a list"
            )
        group = override.key_or_group
        if group in groups and not override.is_delete():
            for value in values(override):
                if value not in groups[group]:
                    known = did_you_mean(value, groups[group])
                    raise UserError(f"there is no {group} {value!r}; {known}")
    known_keys = set(keys_of(parsed, groups))
    for override in parsed:
        key = override.key_or_group
        if override.is_delete():
            raise UserError(f"{key} cannot be left out; give it a value (null is no limit)")
        if key not in groups and key not in known_keys:
            raise UserError(f"unknown key {key!r}; {hint(key, {*known_keys, *groups})}")
    if not any(override.is_sweep_override() for override in parsed):
        try:
            compose(overrides)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            reason = str(error).split("\n")[0]
            raise UserError(f"the configuration cannot be composed: {reason}") from error


def hint(key: str, known: set[str]) -> str:
    """What an unknown key was likely meant to be: a key of another choice, or a near name."""
    group, _, inner = key.partition(".")
    folder = config_folder() / group
    if inner and folder.is_dir():
        for choice in choices(folder):
            if inner in OmegaConf.load(folder / f"{choice}.yaml"):
                return f"it is a key of {group}={choice}"
    return f"{did_you_mean(key, known)} (seq2seq train --help lists them)"


def choices(folder: Path) -> list[str]:
    """The names that a group can be given."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def variants() -> list[str]:
    """The names of all models."""
    return choices(config_folder() / "model")


def variant(name: str) -> dict[str, Any]:
    """What a model's YAML says.

    Raises:
        UserError: there is no such model.
    """
    if name not in variants():
        raise UserError(f"there is no model {name!r}; {did_you_mean(name, variants())}")
    plain: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "model" / f"{name}.yaml"))
    return plain


def values(override: Override) -> Iterator[str]:
    """What one word gives: one value, or each of a sweep."""
    if override.is_sweep_override():
        yield from (str(value) for value in override.sweep_string_iterator())
    else:
        yield str(override.value())


def keys_of(parsed: list[Override], groups: dict[str, list[str]]) -> Iterator[str]:
    """Every dotted key that some choice among these words makes valid."""
    chosen = [o for o in parsed if o.key_or_group in groups and o.value() is not None]
    yield from dotted(compose([f"{o.key_or_group}={next(values(o))}" for o in chosen]))
    for override in chosen:
        for value in values(override):
            yield from dotted(compose([f"{override.key_or_group}={value}"]))


def dotted(tree: Any, prefix: str = "") -> Iterator[str]:
    """The names of a nested mapping's keys."""
    for key in tree:
        yield prefix + str(key)
        inner = tree._get_node(key)
        if isinstance(inner, DictConfig):
            yield from dotted(inner, f"{prefix}{key}.")


def compose(overrides: list[str]) -> DictConfig:
    """The configuration for these words, without running anything."""
    folder = str(config_folder())
    with hydra.initialize_config_dir(folder, version_base="1.3"):
        return hydra.compose("train", overrides)


def name_by_what_is_swept(overrides: list[str]) -> list[str]:
    """With -m, have a run's name tell its swept values, so that no two share a folder."""
    parsed = parse(overrides)
    told = ("model", "data", "seed")
    swept = [o.key_or_group for o in parsed if o.is_sweep_override() and o.key_or_group not in told]
    if not swept or any(o.key_or_group == "name" for o in parsed):
        return []
    groups = {folder.name for folder in config_folder().iterdir() if folder.is_dir()}
    base = "${hydra:runtime.choices.data}-${hydra:runtime.choices.model}-${seed}"
    parts = (
        f"{k}=${{hydra:runtime.choices.{k}}}" if k in groups else f"{k}=${{{k}}}" for k in swept
    )
    return [f'name="{",".join([base, *parts])}"']


def help_text(words: list[str]) -> str:
    """What can be configured: groups with their choices, keys with type, value and meaning."""
    composed = composed_for_help(words)
    composed["name"] = "DATA-MODEL-SEED"
    lines = [
        "usage: seq2seq train [KEY=VALUE ...] [GROUP=CHOICE ...] [-m]",
        "",
        "Train one model; the results go to runs/NAME. With -m, values split by commas are swept:",
        "  seq2seq train -m model=rnn,bahdanau,transformer seed=1,2,3",
        "",
        "Groups:",
    ]
    for folder in sorted(config_folder().iterdir()):
        if folder.is_dir() and choices(folder):
            lines.append(f"  {folder.name + '=':<12} {' | '.join(choices(folder))}")
    lines += ["", "Keys (those of data, model and search are of the choice made):"]
    top = meanings(Config)
    for name, kind in schema(Config).items():
        section = composed[name]
        if name in PLUGS:
            lines += ["", *plug_keys(name, section)]
        elif isinstance(section, dict):
            lines += ["", f"{name}: {top[name]}"]
            lines += keys(kind, section, f"{name}.")
        else:
            lines.append(entry(name, section, kind, top[name]))
    lines += ["", "seq2seq train GROUP=CHOICE --help shows the keys of another choice."]
    return "\n".join(lines)


def check_help(words: list[str]) -> str:
    """What `seq2seq check` does, and the keys of the chosen corpus."""
    lines = [
        "usage: seq2seq check data=CHOICE [KEY=VALUE ...]",
        "",
        "Read a corpus from end to end without training, and tell what is odd in it: how",
        "often, and in which lines first. Takes the words of seq2seq train; those about",
        "other things than data change nothing. Exit status: 0 where there is nothing but",
        "remarks, 1 where a training would be refused. What depends on the vocabulary,",
        "such as which pairs are too long in pieces, is left to a training.",
        "",
        f"  data=  {' | '.join(choices(config_folder() / 'data'))}",
        "",
        *plug_keys("data", composed_for_help(words)["data"]),
        "",
        "seq2seq check data=CHOICE --help shows the keys of another choice.",
    ]
    return "\n".join(lines)


def composed_for_help(words: list[str]) -> dict[str, Any]:
    """The configuration that words give so far, interpolations shown as they are written."""
    overrides = [word for word in words if not word.startswith("-")]
    check_words(overrides)
    composed: Any = OmegaConf.to_container(compose(overrides), resolve=False)
    return composed


def plug_keys(name: str, section: dict[str, Any]) -> list[str]:
    """A plug point, the class chosen for it, and its keys."""
    owner = locate(name, section["name"])
    title = f"{name}: {meanings(Config)[name]}, {owner.__name__}"
    shared = keys(SHARED[name], section, f"{name}.") if name in SHARED else []
    return [title, *keys(owner, section, f"{name}.", GIVEN.get(name, ())), *shared]


def keys(
    owner: type, section: dict[str, Any], prefix: str, given: tuple[str, ...] = ()
) -> list[str]:
    """A line for every key of a section."""
    texts = meanings(owner)
    return [
        entry(prefix + key, section.get(key), kind, texts.get(key, ""))
        for key, kind in schema(owner, given).items()
    ]


def entry(key: str, value: Any, kind: Any, meaning: str) -> str:
    """Name and value, then meaning and type, wrapped to the terminal."""
    words = {None: "null", True: "true", False: "false", "???": "(must be given)"}
    shown = words.get(value, value) if isinstance(value, str | bool | None) else value
    column = f"  {f'{key}={shown}':<38}"
    first = column if len(column) <= 40 else f"{column}\n{' ' * 40}"
    width = max(shutil.get_terminal_size((100, 0)).columns, 80)
    return first + f"\n{' ' * 40}".join(textwrap.wrap(f"{meaning} [{describe(kind)}]", width - 40))
