"""The words of `seq2seq train` before Hydra sees them: options, and the values of text keys.

Hydra's grammar reads a value by its looks: `2020_01_02` becomes a number, `a(b)` a call. For a key
whose type is text that is never wanted, so the values of such keys are read here and do not pass
through that grammar.
"""

import re
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from seq2seq.errors import UserError, did_you_mean

SWEEPING = re.compile(r"(choice|glob|interval|range|shuffle|sort|tag)\(.*\)", re.DOTALL)
OPTIONS = ["-m", "--multirun", "-h", "--help", "-cd", "--config-dir", "-c", "--cfg"]
OPTIONS += ["-p", "--package", "--resolve"]
# Hydra's other options, and what to do instead.
UNSUPPORTED = {
    "--config-name": "the settings are always those of train.yaml; write your own as an experiment",
    "--config-path": "--config-dir FOLDER adds a folder of your own experiments",
    "--info": "--cfg job prints the configuration, --help every key",
    "--hydra-help": "--help lists every key",
    "--run": "one run is what a command without -m trains",
    "--experimental-rerun": "the same command goes on with a run",
    "--shell-completion": "seq2seq --install-completion installs it",
    "--version": "seq2seq --version prints the version",
}
SHORT = {"-cn": "--config-name", "-cp": "--config-path", "-i": "--info", "-r": "--run"}
SHORT |= {"-sc": "--shell-completion"}


@dataclass
class Options:
    """The words that are no settings.

    Attributes:
        words: the others, in order.
        sweep: -m was given.
        help: -h was given.
        folder: of --config-dir, with the user's own choices.
        print: --cfg was given.
        package: of --package, the section to print.
    """

    words: list[str] = field(default_factory=list)
    sweep: bool = False
    help: bool = False
    folder: Path | None = None
    print: bool = False
    package: str | None = None


def options(words: Sequence[str]) -> Options:
    """Take the options out of the words, wherever they stand.

    Raises:
        UserError: an option is unknown, is not supported, or lacks its value.
    """
    found, rest, resolve = Options(), list(words), False
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            found.words.append(word)
            continue
        name, equals, value = word.partition("=")
        name = SHORT.get(name, name)
        if name in ("-cd", "--config-dir", "-c", "--cfg", "-p", "--package") and not equals:
            if not rest:
                raise UserError(f"{name} needs a value after it")
            value = rest.pop(0)
        elif equals and name not in ("--config-dir", "--cfg", "--package"):
            value = ""
        if name in ("-m", "--multirun"):
            found.sweep = True
        elif name in ("-h", "--help"):
            found.help = True
        elif name in ("-cd", "--config-dir"):
            found.folder = Path(value)
            if not found.folder.is_dir():
                raise UserError(f"--config-dir {value}: there is no such folder")
        elif name in ("-c", "--cfg"):
            if value != "job":
                raise UserError(f"--cfg {value}: only --cfg job is supported")
            found.print = True
        elif name in ("-p", "--package"):
            found.package = value
        elif name == "--resolve":
            resolve = True
        elif name in UNSUPPORTED:
            raise UserError(f"{name} is not supported: {UNSUPPORTED[name]}")
        else:
            raise UserError(f"unknown option {name!r}; {did_you_mean(name, OPTIONS)}")
    if (resolve or found.package is not None) and not found.print:
        raise UserError("--resolve and --package go with --cfg job")
    return found


def text_kind(kind: Any) -> str | None:
    """Whether a type is "text" or a "list" of texts, or either "or null"; None for any other."""
    if get_origin(kind) is Annotated:
        return text_kind(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        inner = [text_kind(one) for one in get_args(kind) if one is not type(None)]
        known = len(inner) == 1 and inner[0] and type(None) in get_args(kind)
        return f"{inner[0]} or null" if known else None
    if get_origin(kind) is list:
        return "list" if text_kind(get_args(kind)[0]) == "text" else None
    return "text" if kind is str else None


class Value(NamedTuple):
    """One value of a text key: as a command for this run alone has it, and what it means."""

    typed: str
    means: str | list[str] | None


def values(typed: str, kind: str, *, sweep: bool) -> list[Value]:
    """The values that a text key is given: one, or in a sweep those between commas.

    Args:
        typed: what stands after `key=`.
        kind: as `text_kind` names it.
        sweep: commas separate values, but not those inside quotes or brackets; a value in quotes
            is what is between them.

    Raises:
        UserError: a quote or bracket is not closed.
    """
    if not sweep:
        return [Value(typed, meaning(typed, kind))]
    parts = split(typed)
    if len(parts) > 1:
        parts = [part.strip() for part in parts]
    plain = parts if kind.startswith("list") else [unquoted(part) for part in parts]
    return [Value(part, meaning(part, kind)) for part in plain]


def meaning(typed: str, kind: str) -> str | list[str] | None:
    """The value of a text key as Python has it; a list that is no list stays a text."""
    if kind.endswith("or null") and typed == "null":
        return None
    inside = typed.strip()
    if kind.startswith("list") and inside.startswith("[") and inside.endswith("]"):
        items = [part.strip() for part in split(inside[1:-1])]
        return [] if items == [""] else [unquoted(item) for item in items]
    return typed


def split(text: str) -> list[str]:
    """The parts between commas that are neither in quotes nor in brackets.

    A quote counts as one only at the beginning of a part: the one in `it's` is a letter.

    Raises:
        UserError: a quote or bracket is not closed.
    """
    parts, depth, place = [""], 0, 0
    while place < len(text):
        character = text[place]
        if character in "'\"" and not parts[-1].strip(" ["):
            end = closing(text, place)
            parts[-1] += text[place:end]
            place = end
            continue
        if character == "," and depth == 0:
            parts.append("")
        else:
            opens = character == "[" and (depth > 0 or not parts[-1].strip())
            depth += opens - (character == "]" and depth > 0)
            parts[-1] += character
        place += 1
    if depth:
        raise UserError(f"{text}: a [ is not closed; put a value that has one in quotes")
    return parts


def closing(text: str, place: int) -> int:
    """The place behind the quote that closes the one at `place`."""
    end = place + 1
    while end < len(text):
        if text[end] == "\\":
            end += 1
        elif text[end] == text[place]:
            return end + 1
        end += 1
    raise UserError(f"{text}: the quote {text[place]} is not closed")


def unquoted(part: str) -> str:
    r"""What is between quotes, \' and \\ there as ' and \; a text without quotes as it is."""
    if len(part) > 1 and part[0] in "'\"" and part[-1] == part[0]:
        return re.sub(r"\\([\\'\"])", r"\1", part[1:-1])
    return part
