"""Parse the options of `seq2seq train`, and the values of text keys, before Hydra.

Hydra's grammar infers the type of a value from its form: `2020_01_02` becomes a number, `a(b)` a
function call. This is never right for a key whose type is text, so the values of text keys are
parsed here instead.
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
    "--config-name": "the main configuration is always train.yaml; write an experiment instead",
    "--config-path": "--config-dir FOLDER adds a folder of your own experiments",
    "--info": "--cfg job prints the configuration, --help lists all keys",
    "--hydra-help": "--help lists all keys",
    "--run": "a command without -m trains one run",
    "--experimental-rerun": "the same command resumes a run",
    "--shell-completion": "seq2seq --install-completion installs it",
    "--version": "seq2seq --version prints the version",
}
SHORT = {"-cn": "--config-name", "-cp": "--config-path", "-i": "--info", "-r": "--run"}
SHORT |= {"-sc": "--shell-completion"}


@dataclass
class Options:
    """The options of a command line, and the remaining words.

    Attributes:
        words: the words that are not options, in order.
        sweep: -m was given.
        help: -h was given.
        folder: the value of --config-dir, a folder with the user's own choices.
        print: --cfg was given.
        package: the value of --package, the section to print.
    """

    words: list[str] = field(default_factory=list)
    sweep: bool = False
    help: bool = False
    folder: Path | None = None
    print: bool = False
    package: str | None = None


def options(words: Sequence[str]) -> Options:
    """Separate the options, at any position, from the other words.

    Raises:
        UserError: an option is unknown, is not supported, or lacks its value.
    """
    parsed, rest, resolve = Options(), list(words), False
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            parsed.words.append(word)
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
            parsed.sweep = True
        elif name in ("-h", "--help"):
            parsed.help = True
        elif name in ("-cd", "--config-dir"):
            parsed.folder = Path(value)
            if not parsed.folder.is_dir():
                raise UserError(f"--config-dir {value}: there is no such folder")
        elif name in ("-c", "--cfg"):
            if value != "job":
                raise UserError(f"--cfg {value}: only --cfg job is supported")
            parsed.print = True
        elif name in ("-p", "--package"):
            parsed.package = value
        elif name == "--resolve":
            resolve = True
        elif name in UNSUPPORTED:
            raise UserError(f"{name} is not supported: {UNSUPPORTED[name]}")
        else:
            raise UserError(f"unknown option {name!r}; {did_you_mean(name, OPTIONS)}")
    if (resolve or parsed.package is not None) and not parsed.print:
        raise UserError("--resolve and --package need --cfg job")
    return parsed


def text_kind(kind: Any) -> str | None:
    """Classify a type as "text", "list" (of texts) or either "or null"; None for other types."""
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
    """One value of a text key.

    Attributes:
        typed: the text to write on the command line of a single run.
        means: the parsed value.
    """

    typed: str
    means: str | list[str] | None


def values(typed: str, kind: str, *, sweep: bool) -> list[Value]:
    """Return the values of a text key: one, or several in a sweep.

    Args:
        typed: the text after `key=`.
        kind: the type, as returned by `text_kind`.
        sweep: split at commas outside quotes and brackets, and remove quotes around a value.

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
    """Parse the value of a text key; a list type without brackets stays a string."""
    if kind.endswith("or null") and typed == "null":
        return None
    inside = typed.strip()
    if kind.startswith("list") and inside.startswith("[") and inside.endswith("]"):
        items = [part.strip() for part in split(inside[1:-1])]
        return [] if items == [""] else [unquoted(item) for item in items]
    return typed


def split(text: str) -> list[str]:
    """Split a text at the commas that are outside quotes and brackets.

    A quote is recognized only at the beginning of a part: the one in `it's` is an apostrophe.

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
        raise UserError(f"{text}: a [ is not closed; put a value that contains [ in quotes")
    return parts


def closing(text: str, place: int) -> int:
    """Return the position after the quote that closes the one at `place`.

    Raises:
        UserError: the quote is not closed.
    """
    end = place + 1
    while end < len(text):
        if text[end] == "\\":
            end += 1
        elif text[end] == text[place]:
            return end + 1
        end += 1
    raise UserError(f"{text}: the quote {text[place]} is not closed")


def unquoted(part: str) -> str:
    r"""Remove quotes around a text and unescape \' and \\ inside; keep a text without quotes."""
    if len(part) > 1 and part[0] in "'\"" and part[-1] == part[0]:
        return re.sub(r"\\([\\'\"])", r"\1", part[1:-1])
    return part
