"""Compose the configurations of `seq2seq train` and `check` with Hydra, with error messages."""

import dataclasses
import functools
import itertools
import math
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seq2seq.config import LONGEST_NAME, NOT_FOR_FITTING, Config, not_a_folder_name
from seq2seq.errors import UserError, did_you_mean
from seq2seq.overrides import SWEEPING, Value, options, text_kind, values
from seq2seq.package_data import data_folder
from seq2seq.plugins import SECTION_PACKAGES, fits, locate
from seq2seq.schema import schema, shown


def config_folder() -> Path:
    """Return the folder of the YAML files."""
    return data_folder("configs")


@dataclass(frozen=True)
class Member:
    """One run of a command.

    Attributes:
        words: the arguments of `seq2seq train` for this run alone.
        config: the configuration of the run.
    """

    words: list[str]
    config: Config


class Part(NamedTuple):
    """One `key=value` of one run.

    Attributes:
        word: the text on the command line.
        key: a dotted key, or the name of a group.
        value: the value of a text key, which Hydra does not parse; None for any other key.
        override: the override parsed by Hydra; None for a text key.
    """

    word: str
    key: str
    value: Value | None
    override: Override | None


@dataclass(frozen=True)
class Command:
    """The runs of a command, and whether it is a sweep (-m)."""

    members: list[Member]
    sweep: bool


def parse_command(words: list[str], help: Callable[[list[str]], str]) -> Command | None:
    """Parse the arguments of a command, and compose and check the configurations of its runs.

    Args:
        words: the arguments.
        help: returns the text to print for --help.

    Returns:
        The runs; None after printing, if the arguments contain --help or --cfg.

    Raises:
        UserError: an option, argument, key or value is wrong; the message names it and the most
            similar valid one. In a sweep of several runs it also names the run.
    """
    given = options(words)
    with user_folder(given.folder):
        if given.help:
            print(help(given.words))
            return None
        command = Command(members(given.words, sweep=given.sweep), given.sweep)
        if not given.sweep:
            refuse_without_effect(given.words, command.members[0].config)
    if given.print:
        print_configurations(command.members, given.package)
        return None
    if given.folder:
        for member in command.members:
            member.words.extend(["--config-dir", str(given.folder.absolute())])
    return command


def refuse_without_effect(words: list[str], config: Config) -> None:
    """Refuse arguments that have no effect on a model that fits itself.

    A sweep may have them, for its other models.

    Raises:
        UserError: there is such an argument.
    """
    if fits(config.model):
        for key in (word.partition("=")[0].removeprefix("++") for word in words):
            if key in NOT_FOR_FITTING or key == "train":
                raise UserError(
                    f"{key} has no effect on model={config.model['name']}, which is not trained by "
                    f"gradients: remove it (model.iterations={config.model['iterations']} is the "
                    "length of its training)"
                )


def config(words: list[str]) -> Config:
    """Return the configuration of a single run from command-line arguments.

    Raises:
        UserError: an argument, key or value is wrong; the message names it and the most similar
            valid one.
    """
    [one] = members(words, sweep=None)
    return one.config


MOST = 1000  # maximum number of runs in a sweep


def members(words: list[str], *, sweep: bool | None) -> list[Member]:
    """Return the runs of a command; the values of the last argument vary fastest.

    Args:
        words: the arguments.
        sweep: whether -m was given; None for a command that has no -m.

    Raises:
        UserError: as in `parse_command`.
    """
    columns = [list(parts(word, sweep=sweep)) for word in words]
    if (count := math.prod(map(len, columns))) > MOST:
        raise UserError(f"this sweep has {count:,} runs; one command trains at most {MOST:,}")
    swept = [column[0].key for column in columns if len(column) > 1]
    rows = [list(row) for row in itertools.product(*columns)]
    check_keys(rows)
    runs = []
    for row in rows:
        composed = compose_parts(row)
        if swept and not any(part.key == "name" for part in row):
            name = name_of_swept_run(composed, swept)
            composed["name"] = literal(name)
            row = [*row, Part(f"name={name}", "name", None, None)]
        try:
            runs.append(Member([part.word for part in row], read(composed)))
        except UserError as error:
            if len(rows) == 1:
                raise
            values = " ".join(part.word for part in row if part.key in swept)
            raise UserError(f"{values}: {error}") from error
    return runs


def parts(word: str, *, sweep: bool | None) -> Iterator[Part]:
    """Yield the value of one argument, or each value of a sweep (see `members`).

    Raises:
        UserError: it cannot be parsed, names an unknown choice, or is a sweep without -m.
    """
    key, equals, typed = word.partition("=")
    key = key.removeprefix("++")
    if equals and (kind := text_keys().get(key)) and not (sweep and SWEEPING.fullmatch(typed)):
        for value in values(typed, kind, sweep=bool(sweep)):
            yield Part(f"{key}={value.typed}", key, value, None)
        return
    [override] = parse([word])
    key = override.key_or_group
    if key.split("/")[0].split(".")[0] == "hydra":
        raise UserError(
            f"{key} is a Hydra setting, which has no effect here: set the run folder with "
            "runs_dir= and name=; -m trains the runs of a sweep one after another"
        )
    if override.is_delete():
        raise UserError(f"{key} cannot be deleted; give it a value (null is no limit)")
    if not override.is_sweep_override():
        check_choice(override, shown(override.value()))
        yield Part(word, key, None, override)
        return
    if not sweep:
        one_each = "give one" if sweep is None else "add -m to train one run for each"
        raise UserError(f"{word} has several values: {one_each}, or write key=[a,b] for a list")
    start = word.partition("=")[0]
    for each in swept_values(override):
        [one] = parse([f"{start}={each}"])
        check_choice(one, shown(one.value()))
        text = Value(str(one.value()), str(one.value())) if key in text_keys() else None
        yield Part(f"{key}={text.typed}" if text else one.input_line or "", key, text, one)


def swept_values(override: Override) -> list[str]:
    """Return the values of a sweep as text: from commas, choice(), range() or glob().

    Raises:
        UserError: there are no values, or Hydra cannot enumerate them.
    """
    if override.value_type is ValueType.GLOB_CHOICE_SWEEP:
        names = choices_of(override.key_or_group)
        swept = override._value.filter(names)  # type: ignore[union-attr]
    elif override.is_discrete_sweep():
        try:
            swept = list(itertools.islice(override.sweep_string_iterator(), MOST + 1))
        except (HydraException, ValueError, TypeError, ArithmeticError) as error:
            raise UserError(f"{override.input_line} is not a sweep: {error}") from error
    else:
        raise UserError(
            f"{override.input_line} is not a list of values: write them with commas, or as "
            "choice(a,b), range(START,STOP,STEP) or glob(*)"
        )
    if not swept:
        raise UserError(f"{override.input_line} has no values")
    return swept


def check_choice(override: Override, value: str) -> None:
    """Raise UserError for an unknown choice of a group, with the most similar known one."""
    group = override.key_or_group
    if group in groups() and value not in choices_of(group):
        raise UserError(f"there is no {group} {value!r}; {did_you_mean(value, choices_of(group))}")


def check_keys(rows: list[list[Part]]) -> None:
    """Check that every key exists in the configuration of its run.

    Raises:
        UserError: a key is unknown; the message names the most similar known key, or the choice
            that does not have it.
    """
    chosen_of = [tuple(part.word for part in row if part.key in groups()) for row in rows]
    known = {chosen: known_keys(chosen, _user_folder.get()) for chosen in chosen_of}
    every = set().union(*(keys for keys, _ in known.values()))
    for row, chosen in zip(rows, chosen_of, strict=True):
        keys, selected = known[chosen]
        for key in (part.key for part in row):
            group = key.partition(".")[0]
            if key in keys or key in groups():
                continue
            if key in every and group in selected:
                raise UserError(
                    f"{group}={selected[group]} has no key {key}: sweep it in a separate command, "
                    f"without {group}={selected[group]}"
                )
            raise UserError(f"unknown key {key!r}; {hint(key, {*keys, *groups()})}")


@functools.lru_cache
def known_keys(chosen: tuple[str, ...], own: Path | None) -> tuple[set[str], dict[str, Any]]:
    """Return the dotted keys of a configuration, and its choice for each group.

    Args:
        chosen: the arguments GROUP=CHOICE; other groups have their default.
        own: the user's folder of choices; part of the cache key.
    """
    composed = compose(list(chosen))
    return set(dotted(composed)), dict(HydraConfig.get().runtime.choices)


def compose_parts(row: Sequence[Part]) -> DictConfig:
    """Compose the configuration of one run with Hydra, then set the text keys."""
    composed = compose([part.word for part in row if part.value is None])
    with composing():
        for part in row:
            if part.value is not None:
                means = part.value.means
                if isinstance(means, list):
                    OmegaConf.update(composed, part.key, [literal(item) for item in means])
                else:
                    text = literal(means) if isinstance(means, str) else None
                    OmegaConf.update(composed, part.key, text)
    return composed


@contextmanager
def composing() -> Iterator[None]:
    """Context manager that converts errors of Hydra and OmegaConf to UserError."""
    try:
        yield
    except UserError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"the configuration cannot be composed: {reason}") from error


def refuse_keys(words: Sequence[str], reasons: Mapping[str, str], command: str) -> None:
    """Check that no argument is a key that the command sets itself or has no use for.

    Args:
        words: arguments KEY=VALUE.
        reasons: the keys that are refused, and why or what to do instead.
        command: the command, for the message.

    Raises:
        UserError: one of them is.
    """
    for word in words:
        key = word.partition("=")[0].lstrip("+~")
        if key in reasons:
            raise UserError(f"{word}: {command} does not take {key}: {reasons[key]}")


def literal(text: str) -> str:
    """Escape a text for OmegaConf, so that `${` in it is not an interpolation."""
    return re.sub(r"(\\*)\$\{", lambda match: 2 * match[1] + r"\${", text)


def read(composed: Any) -> Config:
    """Convert a DictConfig composed by Hydra to a checked configuration."""
    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(
            f"the configuration cannot be resolved: {str(error).splitlines()[0]}"
        ) from error
    return Config.read(plain)


def print_configurations(runs: list[Member], package: str | None) -> None:
    """Print configurations as YAML, or one section of each (--cfg job --package SECTION)."""
    for number, member in enumerate(runs):
        plain: Any = dataclasses.asdict(member.config)
        for key in package.split(".") if package else []:
            if not isinstance(plain, dict) or key not in plain:
                raise UserError(f"--package {package}: there is no such section")
            plain = plain[key]
        if number:
            print("---")
        print(OmegaConf.to_yaml(OmegaConf.create(plain)) if isinstance(plain, dict) else plain)


def parse(overrides: list[str]) -> list[Override]:
    """Parse command-line arguments with Hydra.

    Raises:
        UserError: an argument cannot be parsed.
    """
    parser = OverridesParser.create()
    parsed = []
    for word in overrides:
        try:
            parsed.append(parser.parse_override(word))
        except (HydraException, ValueError) as error:  # ValueError: very long numbers
            key, _, value = word.partition("=")
            invalid = next((character for character in value if character not in PLAIN), None)
            reason = f": {invalid!r} is not allowed in a value of {key!r}" if invalid else ""
            raise UserError(f"cannot parse {word!r}, write key=value{reason}") from error
    return parsed


PLAIN = string.ascii_letters + string.digits + "_+-./"  # characters of numbers and names


# What a corpus of files has instead of a key of another corpus
INSTEAD = {
    "data.path": "; here data.file=FILE is one file to divide into all splits, and "
    "data.root=FOLDER the folder of separate files"
}


def hint(key: str, known: set[str]) -> str:
    """Return a hint for an unknown key: the choice that has this key, or a similar key."""
    group, _, inner = key.partition(".")
    if inner and group in groups():
        # A list, because a key without a value (???) is not `in` a configuration
        having = [
            choice
            for choice in choices_of(group)
            if inner in list(OmegaConf.load(file_of(group, choice)))
        ]
        if having:
            other = INSTEAD.get(key, "") if "data.file" in known else ""
            return f"it is a key of {group}={', '.join(having)}{other}"
    # Compare only the part that may be wrong: a long common prefix makes any keys similar.
    inside = {name.removeprefix(f"{group}.") for name in known if name.startswith(f"{group}.")}
    near = (
        did_you_mean(inner, inside, f"{group}.") if inner and inside else did_you_mean(key, known)
    )
    return f"{near} (seq2seq train --help lists all keys)"


_user_folder: ContextVar[Path | None] = ContextVar("user_folder", default=None)


@contextmanager
def user_folder(folder: Path | None) -> Iterator[None]:
    """Context manager that adds a folder with the user's own choices (--config-dir)."""
    token = _user_folder.set(None if folder is None else folder.absolute())
    try:
        yield
    finally:
        _user_folder.reset(token)


def folders() -> list[Path]:
    """Return the folders to search for choices."""
    own = _user_folder.get()
    return [config_folder(), *([own] if own else [])]


def groups() -> list[str]:
    """Return the names of all groups."""
    return [path.name for path in sorted(config_folder().iterdir()) if path.is_dir()]


def choices(folder: Path) -> list[str]:
    """Return the names of the choices in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def choices_of(group: str) -> list[str]:
    """Return the names of all choices of a group."""
    return sorted({name for folder in folders() for name in choices(folder / group)})


def file_of(group: str, choice: str) -> Path:
    """Return the file of a choice: the package's folder has priority, as in Hydra."""
    files = (folder / group / f"{choice}.yaml" for folder in folders())
    return next(file for file in files if file.is_file())


@functools.cache
def text_keys() -> dict[str, str]:
    """Return the `text_kind` of every dotted key that is a text or a list of texts."""
    keys = {}
    for name, kind in schema(Config).items():
        owners: list[type] = [kind] if isinstance(kind, type) and is_dataclass(kind) else []
        if name in SECTION_PACKAGES:
            files = (config_folder() / name).glob("*.yaml")
            targets = {str(OmegaConf.select(OmegaConf.load(file), "name")) for file in files}
            owners = [locate(name, target) for target in sorted(targets)]
        sections = [(f"{name}.{key}", k) for owner in owners for key, k in schema(owner).items()]
        for key, one in [*sections, (name, kind)]:
            if text := text_kind(one):
                keys[key] = text
    return keys


def model_names() -> list[str]:
    """Return the names of all models."""
    return choices_of("model")


def model_settings(name: str) -> dict[str, Any]:
    """Load the YAML file of a model.

    Raises:
        UserError: there is no such model.
    """
    if name not in model_names():
        raise UserError(f"there is no model {name!r}; {did_you_mean(name, model_names())}")
    plain: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "model" / f"{name}.yaml"))
    return plain


def search_settings(name: str) -> dict[str, Any]:
    """Load the YAML file of a search."""
    plain: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "search" / f"{name}.yaml"))
    return plain


def dotted(tree: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the keys of a nested mapping."""
    for key in tree:
        yield prefix + str(key)
        inner = tree._get_node(key)
        if isinstance(inner, DictConfig):
            yield from dotted(inner, f"{prefix}{key}.")


def compose(overrides: list[str]) -> DictConfig:
    """Compose the configuration for command-line arguments.

    Without `search=`, the search is the natural one of the model, unless an experiment chose
    another than the default.

    Raises:
        UserError: Hydra rejects an argument.
    """
    if not any(word.startswith("search=") for word in overrides):
        chosen = tuple(word for word in overrides if word.partition("=")[0] in groups())
        overrides = [*natural_search(chosen, _user_folder.get()), *overrides]
    return compose_exactly(overrides)


@functools.lru_cache
def natural_search(chosen: tuple[str, ...], own: Path | None) -> list[str]:
    """Return the argument `search=` that fits the model better than the default; [] if none does.

    Args:
        chosen: the arguments GROUP=CHOICE; none is `search=`.
        own: the user's folder of choices; part of the cache key.
    """
    composed = compose_exactly(list(chosen))
    if HydraConfig.get().runtime.choices["search"] != default_search():
        return []  # chosen by an experiment
    try:
        model: Any = locate("model", composed.model.get("name"))
    except UserError:
        return []  # reported when the configuration is checked
    natural = model.natural_search
    return [] if natural == default_search() else [f"search={natural}"]


@functools.lru_cache
def default_search() -> str:
    """Return the choice of `search` in train.yaml."""
    defaults = OmegaConf.load(config_folder() / "train.yaml").defaults
    return next(str(one["search"]) for one in defaults if "search" in one)


def compose_exactly(overrides: list[str]) -> DictConfig:
    """Compose the configuration for these arguments alone.

    Raises:
        UserError: Hydra rejects an argument.
    """
    if own := _user_folder.get():
        path = str(own).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [*overrides, f"hydra.searchpath=['file://{path}']"]
    with composing(), hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        composed = hydra.compose("train", overrides, return_hydra_config=True)
    HydraConfig.instance().set_config(composed)  # for ${hydra:runtime.choices.model} and the like
    with open_dict(composed):
        del composed["hydra"]
    return composed


def name_of_swept_run(composed: DictConfig, swept: Sequence[str]) -> str:
    """Return a name with the swept values, so that no two runs of a sweep share a folder."""
    selected = HydraConfig.get().runtime.choices
    base = f"{selected['data']}-{selected['model']}-{composed['seed']}"
    others = [key for key in swept if key not in ("model", "data", "seed")]
    values = (
        selected[key] if key in groups() else OmegaConf.select(composed, key) for key in others
    )
    pairs = (f"{key}={value}" for key, value in zip(others, values, strict=True))
    return folder_name(",".join([base, *pairs]))


def folder_name(wanted: str) -> str:
    """Return a text as a valid folder name; an invalid one is cut and gets a hash at the end."""
    if not_a_folder_name(wanted) is None:
        return wanted
    plain = "".join(c if c.isprintable() and c not in "/\\" else "-" for c in wanted).lstrip(".")
    short = plain.encode("utf-8", "replace")[: LONGEST_NAME // 2].decode("utf-8", "ignore")
    return f"{short}-{sha256(wanted.encode('utf-8', 'replace')).hexdigest()[:8]}"


def composed_for_help(words: list[str]) -> dict[str, Any]:
    """Compose the configuration to show in the help, without resolving interpolations."""
    row = [next(parts(word, sweep=True)) for word in words]
    check_keys([row])
    composed: Any = OmegaConf.to_container(compose_parts(row), resolve=False)
    return composed


def clear_hydra() -> None:
    """Forget Hydra's global configuration, by which other libraries notice that it was used."""
    HydraConfig.instance().cfg = None
