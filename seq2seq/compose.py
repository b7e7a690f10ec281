"""The words of `seq2seq train` and `check`, read by Hydra; their mistakes explained, their help."""

import dataclasses
import functools
import itertools
import math
import re
import shutil
import string
import textwrap
from collections.abc import Callable, Iterator, Sequence
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

from seq2seq.config import (
    GIVEN,
    LONGEST_NAME,
    PLUGS,
    SHARED,
    Config,
    describe,
    locate,
    meanings,
    not_a_folder_name,
    schema,
)
from seq2seq.errors import UserError, did_you_mean
from seq2seq.overrides import SWEEPING, Value, options, text_kind, values


def config_folder() -> Path:
    """The YAML files: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


@dataclass(frozen=True)
class Member:
    """One run that a command asks for.

    Attributes:
        words: the words of `seq2seq train` that ask for this run alone.
        config: its configuration.
    """

    words: list[str]
    config: Config


class Part(NamedTuple):
    """One `key=value` of one run.

    Attributes:
        word: as the command line has it.
        key: dotted, or the name of a group.
        value: of a text key, which Hydra does not parse; of any other key, None.
        override: the same as Hydra parsed it; None for a text key.
    """

    word: str
    key: str
    value: Value | None
    override: Override | None


@dataclass(frozen=True)
class Asked:
    """What a command asks for: its runs, and whether it is a sweep (-m)."""

    members: list[Member]
    sweep: bool


def asked(words: list[str], help: Callable[[list[str]], str]) -> Asked | None:
    """Every run that command-line words ask for; None where they ask for help or --cfg.

    All runs are composed and checked before the first is returned.

    Raises:
        UserError: an option, word, key or value is wrong; the message names it and the nearest
            valid one. In a sweep of several runs it names the run too.
    """
    given = options(words)
    with user_folder(given.folder):
        if given.help:
            print(help(given.words))
            return None
        found = Asked(members(given.words, sweep=given.sweep), given.sweep)
    if given.print:
        print_configurations(found.members, given.package)
        return None
    if given.folder:
        for member in found.members:
            member.words.extend(["--config-dir", str(given.folder.absolute())])
    return found


def config(words: list[str]) -> Config:
    """The configuration that command-line words say, without running anything.

    Raises:
        UserError: a word, key or value is wrong; the message names it and the nearest valid one.
    """
    [one] = members(words, sweep=False)
    return one.config


MOST = 1000  # runs of one sweep


def members(words: list[str], *, sweep: bool) -> list[Member]:
    """The runs that words ask for; the values of the last word change fastest.

    Raises:
        UserError: as `asked` says it.
    """
    columns = [list(parts(word, sweep=sweep)) for word in words]
    if (count := math.prod(map(len, columns))) > MOST:
        raise UserError(f"this sweep has {count:,} runs; one command trains at most {MOST:,}")
    swept = [column[0].key for column in columns if len(column) > 1]
    rows = [list(row) for row in itertools.product(*columns)]
    check_keys(rows)
    found = []
    for row in rows:
        composed = compose_parts(row)
        if swept and not any(part.key == "name" for part in row):
            named = name_by_what_is_swept(composed, swept)
            composed["name"] = literal(named)
            row = [*row, Part(f"name={named}", "name", None, None)]
        try:
            found.append(Member([part.word for part in row], read(composed)))
        except UserError as error:
            if len(rows) == 1:
                raise
            values = " ".join(part.word for part in row if part.key in swept)
            raise UserError(f"{values}: {error}") from error
    return found


def parts(word: str, *, sweep: bool) -> Iterator[Part]:
    """What one word gives: one value, or each value of a sweep.

    Raises:
        UserError: it cannot be read, names an unknown choice, or is a sweep without -m.
    """
    key, equals, typed = word.partition("=")
    key = key.removeprefix("++")
    if equals and (kind := text_keys().get(key)) and not (sweep and SWEEPING.fullmatch(typed)):
        for value in values(typed, kind, sweep=sweep):
            yield Part(f"{key}={value.typed}", key, value, None)
        return
    [override] = parse([word])
    key = override.key_or_group
    if key.split("/")[0].split(".")[0] == "hydra":
        raise UserError(
            f"{key} is a setting of Hydra, which only reads the command line here: runs_dir= and "
            "name= say where a run goes, and -m trains one run after the other"
        )
    if override.is_delete():
        raise UserError(f"{key} cannot be left out; give it a value (null is no limit)")
    if not override.is_sweep_override():
        check_choice(override, str(override.value()))
        yield Part(word, key, None, override)
        return
    if not sweep:
        raise UserError(
            f"{word} gives several values: add -m to train one run for each, or write "
            "key=[a,b] for a list"
        )
    start = word.partition("=")[0]
    for each in swept_values(override):
        [one] = parse([f"{start}={each}"])
        check_choice(one, str(one.value()))
        text = Value(str(one.value()), str(one.value())) if key in text_keys() else None
        yield Part(f"{key}={text.typed}" if text else one.input_line or "", key, text, one)


def swept_values(override: Override) -> list[str]:
    """The values of a sweep as words: of commas, choice(), range() and glob().

    Raises:
        UserError: there are none, too many, or Hydra gives none for such a word.
    """
    if override.value_type is ValueType.GLOB_CHOICE_SWEEP:
        found = override._value.filter(choices_of(override.key_or_group))  # type: ignore[union-attr]
    elif override.is_discrete_sweep():
        try:
            found = list(itertools.islice(override.sweep_string_iterator(), MOST + 1))
        except (HydraException, ValueError, TypeError, ArithmeticError) as error:
            raise UserError(f"{override.input_line} is no sweep: {error}") from error
    else:
        raise UserError(
            f"{override.input_line} gives no list of values: write them with commas, or as "
            "choice(a,b), range(START,STOP,STEP) or glob(*)"
        )
    if not found:
        raise UserError(f"{override.input_line} gives no value at all")
    return found


def check_choice(override: Override, value: str) -> None:
    """Refuse an unknown choice of a group before Hydra does, with the nearest known one."""
    group = override.key_or_group
    if group in groups() and value not in choices_of(group):
        raise UserError(f"there is no {group} {value!r}; {did_you_mean(value, choices_of(group))}")


def check_keys(rows: list[list[Part]]) -> None:
    """Refuse a key that the choices of its run do not have.

    Raises:
        UserError: the message names the nearest known key, or the choice that lacks it.
    """
    chosen_of = [tuple(part.word for part in row if part.key in groups()) for row in rows]
    known = {chosen: known_keys(chosen, _user_folder.get()) for chosen in chosen_of}
    every = set().union(*(keys for keys, _ in known.values()))
    for row, chosen in zip(rows, chosen_of, strict=True):
        keys, made = known[chosen]
        for key in (part.key for part in row):
            group = key.partition(".")[0]
            if key in keys or key in groups():
                continue
            if key in every and group in made:
                raise UserError(
                    f"{group}={made[group]} has no key {key}: sweep it in a command of its own, "
                    f"without {group}={made[group]}"
                )
            raise UserError(f"unknown key {key!r}; {hint(key, {*keys, *groups()})}")


@functools.lru_cache
def known_keys(chosen: tuple[str, ...], own: Path | None) -> tuple[set[str], dict[str, Any]]:
    """The dotted keys that some choices have, and all choices made, the defaults included.

    Args:
        chosen: the words for groups.
        own: the user's folder of choices.
    """
    composed = compose(list(chosen))
    return set(dotted(composed)), dict(HydraConfig.get().runtime.choices)


def compose_parts(row: Sequence[Part]) -> DictConfig:
    """The configuration of one run: Hydra composes, then the text keys are set."""
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
    """Inside, what Hydra and OmegaConf refuse is a UserError."""
    try:
        yield
    except UserError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"the configuration cannot be composed: {reason}") from error


def literal(text: str) -> str:
    """A text as OmegaConf has to be given it: no `${` in it is an interpolation."""
    return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)


def read(composed: Any) -> Config:
    """A typed configuration from what Hydra composed (a DictConfig)."""
    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(
            f"the configuration cannot be resolved: {str(error).splitlines()[0]}"
        ) from error
    return Config.read(plain)


def print_configurations(found: list[Member], package: str | None) -> None:
    """Print configurations as YAML, or one section of each (--cfg job --package SECTION)."""
    for number, member in enumerate(found):
        plain: Any = dataclasses.asdict(member.config)
        for key in package.split(".") if package else []:
            if not isinstance(plain, dict) or key not in plain:
                raise UserError(f"--package {package}: there is no such section")
            plain = plain[key]
        if number:
            print("---")
        print(OmegaConf.to_yaml(OmegaConf.create(plain)) if isinstance(plain, dict) else plain)


def parse(overrides: list[str]) -> list[Override]:
    """Command-line words as Hydra reads them."""
    parser = OverridesParser.create()
    parsed = []
    for word in overrides:
        try:
            parsed.append(parser.parse_override(word))
        except (HydraException, ValueError) as error:  # ValueError: a number of 5,000 digits
            key, _, value = word.partition("=")
            odd = next((character for character in value if character not in PLAIN), None)
            reason = f": {odd!r} stands for nothing in a value of {key!r}" if odd else ""
            raise UserError(f"cannot read {word!r}, write key=value{reason}") from error
    return parsed


PLAIN = string.ascii_letters + string.digits + "_+-./"  # what numbers and names consist of


def hint(key: str, known: set[str]) -> str:
    """What an unknown key was likely meant to be: a key of another choice, or a near name."""
    group, _, inner = key.partition(".")
    if inner and group in groups():
        for choice in choices_of(group):
            if inner in OmegaConf.load(file_of(group, choice)):
                return f"it is a key of {group}={choice}"
    return f"{did_you_mean(key, known)} (seq2seq train --help lists them)"


_user_folder: ContextVar[Path | None] = ContextVar("user_folder", default=None)


@contextmanager
def user_folder(folder: Path | None) -> Iterator[None]:
    """Inside, choices are also looked for in this folder of the user's (--config-dir)."""
    token = _user_folder.set(None if folder is None else folder.absolute())
    try:
        yield
    finally:
        _user_folder.reset(token)


def folders() -> list[Path]:
    """Where choices are looked for."""
    own = _user_folder.get()
    return [config_folder(), *([own] if own else [])]


def groups() -> list[str]:
    """The names of all groups of choices."""
    return [path.name for path in sorted(config_folder().iterdir()) if path.is_dir()]


def choices(folder: Path) -> list[str]:
    """The names of the choices in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def choices_of(group: str) -> list[str]:
    """The names that a group can be given."""
    return sorted({name for folder in folders() for name in choices(folder / group)})


def file_of(group: str, choice: str) -> Path:
    """The file of a choice: the package's before the user's, as Hydra searches."""
    files = (folder / group / f"{choice}.yaml" for folder in folders())
    return next(file for file in files if file.is_file())


@functools.cache
def text_keys() -> dict[str, str]:
    """Every dotted key whose value is text, or a list of texts, in some choice."""
    found = {}
    for name, kind in schema(Config).items():
        owners: list[type] = [kind] if isinstance(kind, type) and is_dataclass(kind) else []
        if name in PLUGS:
            files = (config_folder() / name).glob("*.yaml")
            targets = {str(OmegaConf.select(OmegaConf.load(file), "name")) for file in files}
            owners = [locate(name, target) for target in sorted(targets)]
        sections = [(f"{name}.{key}", k) for owner in owners for key, k in schema(owner).items()]
        for key, one in [*sections, (name, kind)]:
            if text := text_kind(one):
                found[key] = text
    return found


def variants() -> list[str]:
    """The names of all models."""
    return choices_of("model")


def variant(name: str) -> dict[str, Any]:
    """What a model's YAML says.

    Raises:
        UserError: there is no such model.
    """
    if name not in variants():
        raise UserError(f"there is no model {name!r}; {did_you_mean(name, variants())}")
    plain: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "model" / f"{name}.yaml"))
    return plain


def dotted(tree: Any, prefix: str = "") -> Iterator[str]:
    """The names of a nested mapping's keys."""
    for key in tree:
        yield prefix + str(key)
        inner = tree._get_node(key)
        if isinstance(inner, DictConfig):
            yield from dotted(inner, f"{prefix}{key}.")


def compose(overrides: list[str]) -> DictConfig:
    """The configuration for these words, without running anything.

    Raises:
        UserError: Hydra refuses one of them.
    """
    if own := _user_folder.get():
        place = str(own).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [*overrides, f"hydra.searchpath=['file://{place}']"]
    with composing(), hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        composed = hydra.compose("train", overrides, return_hydra_config=True)
    HydraConfig.instance().set_config(composed)  # for ${hydra:runtime.choices.model} and the like
    with open_dict(composed):
        del composed["hydra"]
    return composed


def name_by_what_is_swept(composed: DictConfig, swept: Sequence[str]) -> str:
    """A name that tells a run's swept values, so that no two runs of a sweep share a folder."""
    made = HydraConfig.get().runtime.choices
    base = f"{made['data']}-{made['model']}-{composed['seed']}"
    others = [key for key in swept if key not in ("model", "data", "seed")]
    values = (made[key] if key in groups() else OmegaConf.select(composed, key) for key in others)
    pairs = (f"{key}={value}" for key, value in zip(others, values, strict=True))
    return folder_name(",".join([base, *pairs]))


def folder_name(wanted: str) -> str:
    """A text as a folder's name: itself, or shortened and with a hash of the whole at the end."""
    if not_a_folder_name(wanted) is None:
        return wanted
    plain = "".join(c if c.isprintable() and c not in "/\\" else "-" for c in wanted).lstrip(".")
    short = plain.encode("utf-8", "replace")[: LONGEST_NAME // 2].decode("utf-8", "ignore")
    return f"{short}-{sha256(wanted.encode('utf-8', 'replace')).hexdigest()[:8]}"


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
    lines += [f"  {group + '=':<12} {' | '.join(choices_of(group))}" for group in groups()]
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
        f"  data=  {' | '.join(choices_of('data'))}",
        "",
        *plug_keys("data", composed_for_help(words)["data"]),
        "",
        "seq2seq check data=CHOICE --help shows the keys of another choice.",
    ]
    return "\n".join(lines)


def composed_for_help(words: list[str]) -> dict[str, Any]:
    """The configuration that words give so far, interpolations shown as they are written."""
    row = [next(parts(word, sweep=True)) for word in words]
    check_keys([row])
    composed: Any = OmegaConf.to_container(compose_parts(row), resolve=False)
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
