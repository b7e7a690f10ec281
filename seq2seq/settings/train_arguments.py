"""The arguments of `seq2seq train` and `check`: from words to the configurations of runs."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from seq2seq.errors import UserError
from seq2seq.settings.compose import Part, compose_once, compose_parts, literal, parse, read
from seq2seq.settings.config import LONGEST_NAME, NOT_FOR_FITTING, Config, not_a_folder_name
from seq2seq.settings.config_files import choices_of, groups, user_folder
from seq2seq.settings.key_checks import check_choice, check_keys, text_keys
from seq2seq.settings.mixture_parts import inner_key, written_out
from seq2seq.settings.overrides import SWEEPING, Value, options, values
from seq2seq.settings.plugins import fits
from seq2seq.settings.schema import shown


@dataclass(frozen=True)
class Member:
    """One run of a command.

    Attributes:
        words: the arguments of `seq2seq train` for this run alone.
        config: the configuration of the run.
    """

    words: list[str]
    config: Config


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
    """Refuse arguments that have no effect with the others.

    These are keys of the training of a model that fits itself, and keys that need another one. A
    sweep may have them, for its other runs.

    Raises:
        UserError: there is such an argument.
    """
    needs = {
        "train.plateau_factor": (config.train.schedule == "plateau", "train.schedule=plateau"),
        "train.average_of": (config.train.average > 1, "train.average above 1"),
    }
    for word in words:
        key = word.partition("=")[0].removeprefix("++")
        if fits(config.model) and (key in NOT_FOR_FITTING or key == "train"):
            raise UserError(
                f"{key} has no effect on model={config.model['name']}, which is not trained by "
                f"gradients: remove it (model.iterations={config.model['iterations']} is the "
                "length of its training)"
            )
        met, need = needs.get(key, (True, ""))
        if not met:
            raise UserError(f"{word} has no effect without {need}: set it, or remove {key}")


def config(words: list[str]) -> Config:
    """Return the configuration of a single run from command-line arguments.

    Raises:
        UserError: an argument, key or value is wrong; the message names it and the most similar
            valid one.
    """
    [one] = members(words, sweep=None)
    return one.config


MAX_RUNS = 1000  # maximum number of runs in a sweep


def members(words: list[str], *, sweep: bool | None) -> list[Member]:
    """Return the runs of a command; the values of the last argument vary fastest.

    Args:
        words: the arguments.
        sweep: whether -m was given; None for a command that has no -m.

    Raises:
        UserError: as in `parse_command`.
    """
    compose_once.cache_clear()  # a file may have changed since the last command of this process
    words = [one for word in words for one in written_out(word)]
    columns = [list(parts(word, sweep=sweep)) for word in words]
    if (count := math.prod(map(len, columns))) > MAX_RUNS:
        raise UserError(f"this sweep has {count:,} runs; one command trains at most {MAX_RUNS:,}")
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
    part_key = inner_key(key)
    text_key = key if part_key is None else f"data.{part_key}"
    kind = None if key in groups() else text_keys(key.partition(".")[0]).get(text_key)
    if equals and kind and not (sweep and SWEEPING.fullmatch(typed)):
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
        text = Value(str(one.value()), str(one.value())) if kind else None
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
            swept = list(itertools.islice(override.sweep_string_iterator(), MAX_RUNS + 1))
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
    row = [next(parts(one, sweep=True)) for word in words for one in written_out(word)]
    check_keys([row])
    composed: Any = OmegaConf.to_container(compose_parts(row), resolve=False)
    return composed
