"""The keys `data.parts.NAME.KEY` of data=mixture on the command line, and what they default to.

`data.parts.NAME={KEY: VALUE, ...}` is short for one argument per key, so that values are read by
the same rules in both forms.
"""

import re
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.config_files import choices_of, file_of
from seq2seq.settings.overrides import unquoted
from seq2seq.settings.plugins import arguments

KEY = re.compile(r"data\.parts\.(?P<part>[^.=]+)\.(?P<key>\w+)")
GROUP = re.compile(r"(?:\+\+|\+)?(data\.parts\.[^.=]+)=\s*\{(.*)\}\s*", re.DOTALL)
ITEM = re.compile(
    r"""\s*(?P<key>\w+)\s*:\s*
    (?P<value> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | \[[^]]*\] | [^,'"\[][^,]*? | ) \s*(?:,|$)""",
    re.VERBOSE | re.DOTALL,
)
COMMON = ("max_length", "bleu_tokenizer")  # keys of the mixture that hold for all parts


def written_out(word: str) -> list[str]:
    """Return an argument, or one per key if it gives all keys of a part in braces.

    Raises:
        UserError: an item in the braces is not `KEY: VALUE`.
    """
    match = GROUP.fullmatch(word)
    if not match:
        key, equals, _ = word.partition("=")
        if equals and re.fullmatch(r"(\+\+|\+)?data\.parts(\.[^.]+)?", key):
            raise UserError(
                f"{word} is not a part of a mixture: write one argument for each part, "
                '"data.parts.NAME={kind: files, root: FOLDER}"'
            )
        return [word]
    key, items = match.groups()
    words, place = [], 0
    while items[place:].strip():
        item = ITEM.match(items, place)
        if not item:
            raise UserError(f"{key} has {items[place:].strip()!r}, which is not KEY: VALUE")
        words.append(f"{key}.{item['key']}={unquoted(item['value'])}")
        place = item.end()
    return words


def inner_key(key: str) -> str | None:
    """Return the key of a corpus that a key of a part stands for; None for any other key."""
    match = KEY.fullmatch(key)
    return match["key"] if match else None


def with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `data` section whose parts have all keys of their kinds.

    Raises:
        UserError: a part has no kind, an unknown one, or a key of the mixture.
    """
    parts = data.get("parts")
    if not isinstance(parts, Mapping):
        return dict(data)
    complete = {
        name: completed(f"data.parts.{name}", part, data) if isinstance(part, Mapping) else part
        for name, part in parts.items()
    }
    return {**data, "parts": complete}


def completed(where: str, part: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part with the keys of its kind; `kind` is replaced by the name of the class."""
    own = {key: value for key, value in part.items() if key != "kind"}
    if "kind" not in part:
        if "name" in part:  # from a stored configuration
            return own
        raise UserError(f"{where}.kind must be given: {', '.join(kinds())}")
    kind = str(part["kind"])
    if kind not in kinds():
        raise UserError(
            f"{where}.kind={kind}: there is no data {kind!r}; {did_you_mean(kind, kinds())}"
        )
    for key in COMMON:
        if key in own:
            raise UserError(f"{where}.{key} is not a key of a part: data.{key} holds for all parts")
    base = OmegaConf.load(file_of("data", kind))
    languages = {key: own.get(key, data.get(key)) for key in ("source", "target")}
    shared = {key: data[key] for key in ("max_length", "tokenized") if key in data and key in base}
    filled: Any = OmegaConf.to_container(OmegaConf.merge(base, languages, shared), resolve=True)
    unknown = next((key for key in own if key not in filled and key != "weight"), None)
    if unknown is not None:
        known = [key for key in filled if key not in ("name", *COMMON)]
        raise UserError(
            f"unknown key '{where}.{unknown}'; "
            f"{did_you_mean(str(unknown), [*known, 'kind', 'weight'], where + '.')}"
        )
    weight = own.pop("weight", None)
    _, checked = arguments("data", {**filled, **own}, where)
    return {"name": filled["name"], **checked, "weight": weight}


def kinds() -> list[str]:
    """Return the choices of data= that can be a part."""
    return [choice for choice in choices_of("data") if choice != "mixture"]
