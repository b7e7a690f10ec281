"""Keys of a configuration: their names, types and descriptions, and checks of their values.

The keys of a class are the keyword arguments of its constructor, or the fields of a dataclass. The
description of a key is its line under `Args:` in the docstring of the class; `seq2seq train --help`
prints it.
"""

import dataclasses
import inspect
import math
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.ranges import Default, Home, Within


def meanings(owner: type) -> dict[str, str]:
    """Return the descriptions under `Args:` in the docstring of a class, by name.

    A class without a constructor of its own also has those of the class that it inherits it from.
    """
    shared = unpacked(owner)
    found = {} if shared is None else meanings(shared)
    if is_typeddict(owner):  # the bases are not in its method resolution order
        for base in vars(owner).get("__orig_bases__", ()):
            found |= meanings(base) if is_typeddict(base) else {}
    bases = inspect.getmro(owner)
    last = next((i for i, base in enumerate(bases) if "__init__" in vars(base)), 0)
    for base in reversed(bases[: last + 1]):  # those of a class replace those of its bases
        _, _, arguments = inspect.cleandoc(base.__doc__ or "").partition("Args:\n")
        block, _, _ = arguments.partition("\n\n")
        found |= dict(re.findall(r"^ {4}(\w+): (.+)$", block, flags=re.MULTILINE))
    return found


def unpacked(owner: type) -> type | None:
    """Return the TypedDict of a constructor's `**keys: Unpack[...]`; None if there is none."""
    if is_typeddict(owner):
        return None
    for parameter in inspect.signature(owner).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            hint = get_type_hints(owner.__init__).get(parameter.name)  # type: ignore[misc]
            return get_args(hint)[0] if get_origin(hint) is Unpack else None
    return None


def schema(owner: type, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the keys and types of a dataclass or constructor.

    Args:
        owner: a dataclass, or a class whose constructor takes keyword arguments only.
        given: keywords that the code supplies, to leave out.
    """
    if dataclasses.is_dataclass(owner):
        hints = get_type_hints(owner, include_extras=True)
        names = [field.name for field in dataclasses.fields(owner)]
    else:
        hints = get_type_hints(owner.__init__, include_extras=True)  # type: ignore[misc]
        names = [
            name
            for name, parameter in inspect.signature(owner).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
        if shared := unpacked(owner):
            own = get_type_hints(shared, include_extras=True)
            hints |= {key: required(kind) for key, kind in own.items()}
            names = [*own, *names]
    return {name: hints[name] for name in names if name not in given}


def required(kind: Any) -> Any:
    """Return a type without `NotRequired`."""
    return get_args(kind)[0] if get_origin(kind) is NotRequired else kind


def optional(owner: type) -> set[str]:
    """Return the keys with a default, which may be absent because older runs do not have them."""
    return {*defaults(owner), *getattr(unpacked(owner), "__optional_keys__", ())}


def defaults(owner: type) -> dict[str, Any]:
    """Return the defaults of a constructor or TypedDict: what keys mean that older runs lack."""
    if is_typeddict(owner):
        hints = get_type_hints(owner, include_extras=True).items()
        marks = ((key, mark) for key, kind in hints for mark in get_args(required(kind)))
        return {key: mark.value for key, mark in marks if isinstance(mark, Default)}
    parameters = inspect.signature(owner).parameters.items()
    own = {key: one.default for key, one in parameters if one.default is not one.empty}
    shared = unpacked(owner)
    return own if shared is None else defaults(shared) | own


def check(owner: type, values: Any, where: str, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check plain values against the schema of a class, and convert them to its types.

    Args:
        owner: a dataclass, or a class whose constructor takes keyword arguments only.
        values: a mapping of keys; the key `name` is ignored.
        where: the dotted name of the mapping, for messages; empty at the top level.
        given: keywords that the code supplies; `values` must not contain them.

    Returns:
        The keyword arguments for the constructor.

    Raises:
        UserError: a key is unknown or missing, or a value has the wrong type.
    """
    if not isinstance(values, Mapping):
        raise UserError(
            f"{where or 'the configuration'} must be a group of keys, not {shown(values)}"
        )
    expected, texts, younger = schema(owner, given), meanings(owner), optional(owner)
    prefix = f"{where}." if where else ""
    for key in values:
        if key not in expected and key != "name":
            raise UserError(
                f"unknown key {prefix + str(key)!r}; {did_you_mean(str(key), expected)}"
            )
    checked = {}
    for key, kind in expected.items():
        if key not in values and key in younger:
            continue
        if key not in values or values[key] == "???":
            raise UserError(f"{prefix}{key} must be given: {texts.get(key, 'no default')}")
        checked[key] = coerce(values[key], kind, prefix + key)
    return checked


NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def describe(kind: Any) -> str:
    """Describe a type and its range in words."""
    if get_origin(kind) is Annotated:
        base, *marks = get_args(kind)
        ranges = [str(mark) for mark in marks if isinstance(mark, Within)]
        return ", ".join([describe(base), *ranges])
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join("null" if k is type(None) else describe(k) for k in get_args(kind))
    if get_origin(kind) is list:
        return "a list, each " + describe(get_args(kind)[0])
    if get_origin(kind) is dict:
        return "a mapping"
    return NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def coerce(value: Any, kind: Any, key: str) -> Any:
    """Convert a plain value to a type.

    Raises:
        UserError: the value does not have this type; the message names the key.
    """
    origin, options = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return marked(coerce(value, options[0], key), options[1:], key)
    if dataclasses.is_dataclass(kind):
        return kind(**check(kind, value, key))  # type: ignore[arg-type, operator]
    if origin is Literal:
        if value in options:
            return value
        raise UserError(
            f"{key}={shown(value)} is unknown; {did_you_mean(shown(value), map(str, options))}"
        )
    if origin in (Union, types.UnionType):
        if value is None:
            if type(None) in options:
                return None
        else:
            choices = [k for k in options if k is not type(None)]
            words = [k for k in choices if value in get_args(k)] if isinstance(value, str) else []
            return coerce(value, (words or choices)[0], key)
    elif origin is list and isinstance(value, list | tuple):
        return [coerce(item, options[0], f"{key}[{i}]") for i, item in enumerate(value)]
    elif origin is dict and isinstance(value, Mapping):
        return dict(value)
    elif kind is bool and isinstance(value, bool):
        return value
    elif kind is str and isinstance(value, str | int | float) and not isinstance(value, bool):
        if not_text := next((c for c in str(value) if "\ud800" <= c <= "\udfff"), None):
            raise UserError(f"{key}={value!a} must be text in UTF-8, without {not_text!a}")
        return str(value)
    elif kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < math.inf:  # NaN or infinity
            raise UserError(f"{key}={shown(value)} must be {describe(kind)}, and finite")
        if abs(value) >= (1 << 63 if kind is int else 1e300):
            limit = "2^63" if kind is int else "1e300"
            raise UserError(f"{key}={shown(value)} must be below {limit} in absolute value")
        if kind is float or value == int(value):  # 1e5 is an integer, too
            return kind(value)
    raise UserError(f"{key}={shown(value)} must be {describe(kind)}")


LONGEST_SHOWN = 200  # characters of a value in a message


def shown(value: Any) -> str:
    """Format a value for a message as it is written in YAML, without the end if it is long."""
    names = {None: "null", True: "true", False: "false"}
    text = names[value] if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def marked(value: Any, marks: tuple[Any, ...], key: str) -> Any:
    """Apply the annotations of a type to a value: check its range, expand `~/`.

    Raises:
        UserError: the value is out of range.
    """
    for mark in marks:
        if isinstance(mark, Within) and (bound := mark.broken(value)):
            raise UserError(f"{key}={value} must be {bound}")
        if isinstance(mark, Home) and (value == "~" or value.startswith("~/")):
            value = str(Path(value).expanduser())
    return value


def check_values(settings: Any, section: str) -> None:
    """Check and convert the fields of a dataclass that was built in code, such as 3.0 to 3.

    Raises:
        UserError: a value has the wrong type or is out of range.
    """
    for key, kind in schema(type(settings)).items():
        value = coerce(getattr(settings, key), kind, f"{section}.{key}")
        object.__setattr__(settings, key, value)  # the dataclass is frozen
