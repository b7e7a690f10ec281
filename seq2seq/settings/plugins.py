"""The classes that the sections `data`, `model` and `search` of a configuration select by name."""

import inspect
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import (
    Any,
    Literal,
)

from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.schema import check, schema

BleuTokenizer = Literal[
    "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200", "flores101", "none"
]
SECTION_PACKAGES = {
    "data": "seq2seq.corpora",
    "model": "seq2seq.models",
    "search": "seq2seq.search",
}


@dataclass(frozen=True)
class DataScoring:
    """Keys of `data` that apply to every corpus and are used by scoring, not by the corpus.

    Args:
        bleu_tokenizer: sacreBLEU tokenizer for BLEU; null chooses one by data.target
    """

    bleu_tokenizer: BleuTokenizer | None = None


def fits(model: Mapping[str, Any]) -> bool:
    """Whether the model of a section learns by `fit` instead of gradients."""
    return bool(getattr(locate("model", model.get("name")), "fits", False))


SHARED_KEYS: dict[str, type] = {"data": DataScoring}  # keys of all classes of a section
# Arguments that no configuration gives: the tokenizers determine them
SUPPLIED_KEYS = {"model": ("source_vocab", "target_vocab", "shared_vocab")}


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """Convert a configuration stored by version 0.1.0, which has module paths, not names."""
    return {
        key: upgrade_section(section) if key in SECTION_PACKAGES else section
        for key, section in values.items()
    }


def upgrade_section(section: Any) -> Any:
    """Replace the module path in `_target_`, if there is one, by the class name in `name`."""
    known = isinstance(section, dict) and "name" not in section
    if not known or not isinstance(section.get("_target_"), str):
        return section
    class_name = section["_target_"].rpartition(".")[2]
    rest = {key: value for key, value in section.items() if key != "_target_"}
    return {"name": snake_case(class_name), **rest}


def snake_case(class_name: str) -> str:
    """Return the name of a class in the form of a choice: `MaskPredict` is `mask_predict`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()


def locate(plug: str, name: Any) -> type:
    """Find a class by name: `bahdanau` is `Bahdanau` in `seq2seq/models/bahdanau.py`.

    Nothing outside the package of the section is imported.

    Args:
        plug: `data`, `model` or `search`.
        name: the name of the module.

    Raises:
        UserError: there is no such class.
    """
    package = SECTION_PACKAGES[plug]
    known = [module.name for module in pkgutil.iter_modules(import_module(package).__path__)]
    if not isinstance(name, str) or name not in known:
        raise UserError(f"there is no {plug} {name!r}; {did_you_mean(str(name), known)}")
    module = import_module(f"{package}.{name}")
    by_name = {key.lower(): value for key, value in vars(module).items() if isinstance(value, type)}
    owner = by_name.get(name.replace("_", ""))
    if owner and owner.__module__.startswith(f"{package}.") and not inspect.isabstract(owner):
        return owner
    raise UserError(f"there is no {plug} {name!r}: {package}.{name} has no class of this name")


def arguments(
    plug: str, section: Mapping[str, Any], where: str | None = None
) -> tuple[type, dict[str, Any]]:
    """Return the class that a section selects, and its checked keyword arguments.

    `where` is the dotted name of the section in messages, if it is not `plug`.
    """
    where = where or plug
    if not section.get("name"):
        raise UserError(f"{plug} is not set: give {plug}=NAME")
    owner = locate(plug, section["name"])
    own = dict(section)
    if shared := SHARED_KEYS.get(plug):
        check(shared, {key: own.pop(key) for key in schema(shared) if key in own}, where)
    return owner, check(owner, own, where, SUPPLIED_KEYS.get(plug, ()))


def build(plug: str, section: Mapping[str, Any], **given: Any) -> Any:
    """Construct the object that a section describes; only classes of this package are used.

    Args:
        plug: `data`, `model` or `search`.
        section: the section of the configuration.
        **given: further keyword arguments for the constructor.

    Raises:
        UserError: there is no such class, a key is wrong, or the class rejects a value.
    """
    owner, keywords = arguments(plug, section)
    try:
        return owner(**keywords, **given)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{plug}: {error}") from error
