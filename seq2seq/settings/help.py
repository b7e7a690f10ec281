"""Help of `seq2seq train` and `seq2seq check`: the choices of every group, and every key."""

import shutil
import textwrap
from typing import Any

from seq2seq.settings import config_files, train_arguments
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import SECTION_PACKAGES, SHARED_KEYS, SUPPLIED_KEYS, locate
from seq2seq.settings.schema import describe, meanings, schema

OPTION_LINES = [
    "Options:",
    "  -m, --multirun            one run per combination of comma-separated values",
    "  -cd, --config-dir FOLDER  search this folder for choices, too",
    "  -c, --cfg job             print the configuration and exit",
    "  -p, --package SECTION     with --cfg job: print only this section",
    "  -h, --help                print this message and exit",
]


def help_text(words: list[str]) -> str:
    """Return the help of `seq2seq train`: groups and choices; keys, values, descriptions, types."""
    composed = train_arguments.composed_for_help(words)
    composed["name"] = "DATA-MODEL-SEED"
    lines = [
        "Usage: seq2seq train [KEY=VALUE ...] [GROUP=CHOICE ...] [-m]",
        "",
        "Train a model and write the run folder runs/NAME. With -m, train one run for",
        "each combination of comma-separated values:",
        "  seq2seq train -m model=rnn,bahdanau,transformer seed=1,2,3",
        "",
        *OPTION_LINES,
        "",
        "Groups:",
    ]
    for group in config_files.groups():
        lines.append(choices(group, f"  {group + '=':<12} "))
    lines += ["", "Keys (data, model and search have the keys of the selected choice):"]
    top = meanings(Config)
    for name, kind in schema(Config).items():
        section = composed[name]
        if name in SECTION_PACKAGES:
            lines += ["", *plug_keys(name, section)]
        elif isinstance(section, dict):
            lines += ["", f"{name}: {top[name]}"]
            lines += keys(kind, section, f"{name}.")
        else:
            lines.append(entry(name, section, kind, top[name]))
    lines += ["", "seq2seq train GROUP=CHOICE --help shows the keys of another choice."]
    return "\n".join(lines)


def check_help(words: list[str]) -> str:
    """Return the help of `seq2seq check`, with the keys of the selected corpus."""
    lines = [
        "Usage: seq2seq check data=CHOICE [KEY=VALUE ...]",
        "",
        "Read a whole corpus without training, and report problems, how often they",
        "occur and the first lines that have them. The arguments are those of seq2seq",
        "train; keys that do not concern the data have no effect. Exit status: 0 if there",
        "are only warnings, 1 if training would refuse the corpus. Checks that need the",
        "vocabulary, such as the length in pieces, are done when training starts.",
        "",
        *OPTION_LINES,
        "",
        choices("data", "  data=  "),
        "",
        *plug_keys("data", train_arguments.composed_for_help(words)["data"]),
        "",
        "seq2seq check data=CHOICE --help shows the keys of another choice.",
    ]
    return "\n".join(lines)


def choices(group: str, column: str) -> str:
    """Return the choices of a group, wrapped, after a first column."""
    no_break = "\N{NO-BREAK SPACE}|"  # so that no line begins with a bar
    filled = textwrap.fill(
        f"{no_break} ".join(config_files.choices_of(group)),
        help_width(),
        initial_indent=column,
        subsequent_indent=" " * len(column),
        break_on_hyphens=False,
    )
    return filled.replace(no_break, " |")


def help_width() -> int:
    """Return the width of the terminal, at least 80."""
    return max(shutil.get_terminal_size((100, 0)).columns, 80)


def plug_keys(name: str, section: dict[str, Any]) -> list[str]:
    """Return the help lines of `data`, `model` or `search`: the selected class and its keys."""
    owner = locate(name, section["name"])
    title = f"{name}: {meanings(Config)[name]} ({owner.__name__})"
    shared = keys(SHARED_KEYS[name], section, f"{name}.") if name in SHARED_KEYS else []
    return [title, *keys(owner, section, f"{name}.", SUPPLIED_KEYS.get(name, ())), *shared]


def keys(
    owner: type, section: dict[str, Any], prefix: str, given: tuple[str, ...] = ()
) -> list[str]:
    """Return the help entry of every key of a section."""
    texts = meanings(owner)
    return [
        entry(prefix + key, section.get(key), kind, texts.get(key, ""))
        for key, kind in schema(owner, given).items()
    ]


def entry(key: str, value: Any, kind: Any, meaning: str) -> str:
    """Return the help entry of a key: name, value, description and type, wrapped."""
    words = {None: "null", True: "true", False: "false", "???": "(must be given)"}
    shown = words.get(value, value) if isinstance(value, str | bool | None) else value
    column = f"  {f'{key}={shown}':<38}"
    first = column if len(column) <= 40 else f"{column}\n{' ' * 40}"
    described = textwrap.wrap(f"{meaning} [{describe(kind)}]", help_width() - 40)
    return first + f"\n{' ' * 40}".join(described)
