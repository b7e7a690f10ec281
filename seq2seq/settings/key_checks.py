"""Checks of the keys and choices on a command line."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings import config_files
from seq2seq.settings.compose import Part, compose_choices, dotted
from seq2seq.settings.config import Config
from seq2seq.settings.config_files import choices_of, file_of, groups, own_folder
from seq2seq.settings.mixture_parts import inner_key
from seq2seq.settings.overrides import text_kind
from seq2seq.settings.plugins import SECTION_PACKAGES, locate
from seq2seq.settings.schema import schema


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
    known = {chosen: known_keys(chosen, own_folder()) for chosen in chosen_of}
    every = set().union(*(keys for keys, _ in known.values()))
    for row, chosen in zip(rows, chosen_of, strict=True):
        keys, selected = known[chosen]
        for key in (part.key for part in row):
            group = key.partition(".")[0]
            if key in keys or key in groups():
                continue
            if inner_key(key) and "data.parts" in keys:  # checked with the part
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
    composed = compose_choices(chosen)
    return set(dotted(composed)), dict(HydraConfig.get().runtime.choices)


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
            if inner.split(".")[0] in list(OmegaConf.load(file_of(group, choice)))
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


@functools.cache
def text_keys(name: str) -> dict[str, str]:
    """Return the `text_kind` of every dotted key that is a text or a list of texts.

    Args:
        name: the section of the keys, or the only key.
    """
    kind = schema(Config).get(name)
    owners: list[type] = [kind] if isinstance(kind, type) and is_dataclass(kind) else []
    if name in SECTION_PACKAGES:
        owners = [locate(name, target) for target in config_files.classes(name)]
    sections = [(f"{name}.{key}", k) for owner in owners for key, k in schema(owner).items()]
    kinds = ((key, text_kind(one)) for key, one in [*sections, (name, kind)])
    return {key: kind for key, kind in kinds if kind}
