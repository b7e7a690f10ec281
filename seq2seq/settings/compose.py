"""Compose configurations with Hydra, with error messages."""

import functools
import re
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seq2seq.errors import UserError
from seq2seq.settings import config_files
from seq2seq.settings.config import Config
from seq2seq.settings.config_files import default_search, groups, own_folder
from seq2seq.settings.mixture_parts import inner_key, with_defaults, written_out
from seq2seq.settings.overrides import Value
from seq2seq.settings.plugins import locate


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


def compose_parts(row: Sequence[Part]) -> DictConfig:
    """Compose the configuration of one run with Hydra, then set the text keys.

    Raises:
        UserError: Hydra rejects an argument.
    """
    composed = compose_parsed([part for part in row if part.value is None])
    with composing():
        for part in row:
            if part.value is not None:
                means = part.value.means
                if isinstance(means, list):
                    items = [literal(item) for item in means]
                    OmegaConf.update(composed, part.key, items, force_add=added(part.key))
                else:
                    text = literal(means) if isinstance(means, str) else None
                    OmegaConf.update(composed, part.key, text, force_add=added(part.key))
    return composed


def compose_parsed(parts: Sequence[Part]) -> DictConfig:
    """Like `compose`, for arguments parsed by Hydra.

    The choices are composed once in a command; the values are set in a copy, as Hydra sets them.
    """
    values = [part for part in parts if part.key not in groups()]
    if all(part.override and replaces_value(part.override) for part in values):
        composed = compose_choices(tuple(part.word for part in parts if part.key in groups()))
        try:
            for part in values:
                assert part.override is not None
                OmegaConf.update(composed, part.key, part.override.value(), merge=True)
            return composed
        except (OmegaConfBaseException, ValueError):
            pass  # Hydra rejects it, too, and its message names the argument
    return compose([part.word for part in parts])


def replaces_value(override: Override) -> bool:
    """Whether an argument is KEY=VALUE, without a sign or a package, which Hydra treats apart."""
    signs = override.is_add() or override.is_force_add() or override.is_delete()
    return override.package is None and not signs


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
    return Config.read({**plain, "data": with_defaults(plain["data"])})


def added(key: str) -> bool:
    """Whether a key is one of a part of a mixture, which configs/data/mixture.yaml lacks."""
    return inner_key(key) is not None


def for_hydra(word: str) -> str:
    """Return an argument; with ++ if it is a key of a part of a mixture."""
    return f"++{word}" if added(word.partition("=")[0]) else word


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
    overrides = [for_hydra(one) for word in overrides for one in written_out(word)]
    chosen = tuple(word for word in overrides if word.partition("=")[0] in groups())
    return installed(compose_exactly([*natural_search(chosen), *overrides]))


def compose_choices(chosen: tuple[str, ...]) -> DictConfig:
    """Like `compose`, for arguments GROUP=CHOICE only."""
    return installed(compose_once((*natural_search(chosen), *chosen), own_folder()))


def natural_search(chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return the argument `search=` that fits the model better than the default; () if none does.

    Args:
        chosen: the arguments GROUP=CHOICE.
    """
    if any(word.startswith("search=") for word in chosen):
        return ()
    composed = compose_once(chosen, own_folder())
    if composed.hydra.runtime.choices["search"] != default_search():
        return ()  # chosen by an experiment
    try:
        model: Any = locate("model", composed.model.get("name"))
    except UserError:
        return ()  # reported when the configuration is checked
    natural = model.natural_search
    return () if natural == default_search() else (f"search={natural}",)


@functools.lru_cache
def compose_once(chosen: tuple[str, ...], own: Path | None) -> DictConfig:
    """Return `compose_exactly` of the arguments GROUP=CHOICE, cached, so that it must not change.

    Args:
        chosen: the arguments.
        own: the user's folder of choices; part of the cache key.
    """
    return compose_exactly(list(chosen))


def compose_exactly(overrides: list[str]) -> DictConfig:
    """Compose the configuration for these arguments alone, with Hydra's own section.

    Raises:
        UserError: Hydra rejects an argument, or an experiment has no line with its package.
    """
    for word in overrides:
        if word.startswith("experiment="):
            check_package(word.partition("=")[2])
    if own := own_folder():
        path = str(own).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [*overrides, f"hydra.searchpath=['file://{path}']"]
    folder = str(config_files.config_folder())
    with composing(), hydra.initialize_config_dir(folder, version_base="1.3"):
        return hydra.compose("train", overrides, return_hydra_config=True)


def check_package(experiment: str) -> None:
    """Check that the keys of an experiment are those of the configuration.

    Without the line, Hydra puts them under `experiment`, and says neither so nor in which file.

    Raises:
        UserError: the line is missing.
    """
    if experiment not in config_files.choices_of("experiment"):
        return  # null, or reported by Hydra
    file = config_files.file_of("experiment", experiment)
    lines = file.read_bytes().decode(errors="replace").splitlines()
    if not any(re.fullmatch(r"#\s*@package\s+_global_\s*", line) for line in lines):
        raise UserError(f"{file} has no line `# @package _global_`: add it at the beginning")


def installed(composed: DictConfig) -> DictConfig:
    """Return a copy without Hydra's own section, which becomes Hydra's global configuration."""
    # for ${hydra:runtime.choices.model} and the like
    HydraConfig.instance().set_config(composed)
    copy = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    OmegaConf.set_struct(copy, True)  # as in the original
    return copy


def clear_hydra() -> None:
    """Forget Hydra's global configuration, by which other libraries notice that it was used."""
    HydraConfig.instance().cfg = None
