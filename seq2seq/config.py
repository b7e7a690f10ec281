"""The shape of a run's configuration: names, types and meaning live here, values in configs/.

The skeleton is the dataclasses below. In the sections `data`, `model` and `search` the key `name`
chooses a class of this package, and the keywords of its constructor are the schema. Either way the
meaning of a key is its line under `Args:` in the class's docstring, which is also what
`seq2seq train --help` prints.
"""

import dataclasses
import inspect
import pkgutil
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
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

Precision = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
BleuTokenizer = Literal[
    "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200", "flores101", "none"
]
THREADS = 512  # at most; many more end the process without a word
PLUGS = {"data": "seq2seq.corpora", "model": "seq2seq.models", "search": "seq2seq.search"}


@dataclass(frozen=True)
class Within:
    """The range of a number, written beside its type: `Annotated[int, Within(1, 9)]`.

    Attributes:
        low: the smallest allowed value.
        high: the largest allowed value.
        above: every allowed value is larger than this.
        below: every allowed value is smaller than this.
    """

    low: int | float | None = None
    high: int | float | None = None
    above: int | float | None = None
    below: int | float | None = None

    def broken(self, value: int | float) -> str | None:
        """The bound that a value violates, as the end of a sentence; None if it is in range."""
        if self.low is not None and value < self.low:
            return f"at least {self.low}"
        if self.above is not None and value <= self.above:
            return f"above {self.above}"
        if self.high is not None and value > self.high:
            return f"at most {self.high}"
        if self.below is not None and value >= self.below:
            return f"below {self.below}"
        return None

    def __str__(self) -> str:
        names = {"low": "at least", "above": "above", "high": "at most", "below": "below"}
        given = {word: getattr(self, name) for name, word in names.items()}
        return ", ".join(f"{word} {bound}" for word, bound in given.items() if bound is not None)


class Home:
    """Marks a text that is a path: a leading `~/` is the user's home folder."""


# The upper bounds are far beyond any model that is trained; they refuse slips of the keyboard
# before these take all memory or all time.
Width = Annotated[int, Within(1, 1 << 20)]  # of a layer, in units
Layers = Annotated[int, Within(1, 1000)]
Share = Annotated[float, Within(0, below=1)]  # such as a dropout probability
Positive = Annotated[int, Within(1)]
Natural = Annotated[int, Within(0)]
Folder = Annotated[str, Home()]


@dataclass(frozen=True)
class TokenizerConfig:
    """How text becomes pieces (SentencePiece).

    Args:
        kind: bpe (Sennrich et al. 2016) or unigram (Kudo 2018)
        vocab_size: pieces in a vocabulary, the four control pieces included
        shared: one vocabulary for both languages, or one each
        character_coverage: share of the text's characters that get a piece; the rest is unknown
        normalization: of source text: nmt_nfkc folds look-alike characters, identity none
        target_normalization: of target text: identity can write every character; null is the same
        sampling: in training, share of BPE merges dropped (or unigram smoothing); 0 is off
    """

    kind: Literal["bpe", "unigram"]
    vocab_size: Annotated[int, Within(5, 1_000_000)]
    shared: bool
    character_coverage: Annotated[float, Within(0.98, 1)]  # as SentencePiece allows it
    normalization: Normalization
    sampling: Share
    target_normalization: Normalization | None = None  # absent in runs that had one for both


@dataclass(frozen=True)
class DataScoring:
    """Keys of `data` that every corpus has and that scoring reads, not the corpus.

    Args:
        bleu_tokenizer: how BLEU splits text into words (sacreBLEU); null chooses by data.target
    """

    bleu_tokenizer: BleuTokenizer | None = None


@dataclass(frozen=True)
class TrainConfig:
    """How a model learns, and when it stops.

    Args:
        optimizer: adam, adamw, or adadelta (Bahdanau et al. 2014)
        learning_rate: the peak of the schedule; 0 leaves the weights as they begin
        betas: Adam's two decay rates; Adadelta takes the first as its rho
        eps: keeps the optimizer from dividing by zero; above 0
        weight_decay: pull towards zero: decoupled in adamw, L2 in the others
        schedule: constant, inverse_sqrt, cosine (to zero at the end of the budget) or plateau
        warmup_steps: updates over which the rate climbs from zero, in every schedule
        plateau_factor: the plateau schedule multiplies the rate by this after a validation in vain
        clip_norm: longest gradient; 0 is no limit
        label_smoothing: share of the target given to all words alike
        batch_tokens: tokens a batch on its longer side, padding included
        accumulate: batches an update
        max_steps: stop after this many updates; null is no limit
        max_epochs: stop after this many passes over the corpus; null is no limit
        max_minutes: stop after this many minutes, by a clock (not repeatable); null is no limit
        validate_every: updates between validations (loss and greedy BLEU)
        validate_by: what the best checkpoint is best at, bleu or loss
        patience: stop after this many validations without a new best; null is never
        average: checkpoints to average at the end; 1 is none
        average_of: average the last ones or the best ones
        log_every: updates between lines of log.jsonl
        save_every: minutes between saves of the state, also made at validations; 0 is every update
        max_skipped: stop after so many updates in a row whose loss or gradient was no number
        tensorboard: also write TensorBoard events into the run folder
    """

    optimizer: Literal["adam", "adamw", "adadelta"]
    learning_rate: float
    betas: list[float]
    eps: float
    weight_decay: float
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"]
    warmup_steps: int
    plateau_factor: float
    clip_norm: float
    label_smoothing: float
    batch_tokens: int
    accumulate: int
    max_steps: int | None
    max_epochs: int | None
    max_minutes: float | None
    validate_every: int
    validate_by: Literal["bleu", "loss"]
    patience: int | None
    average: int
    average_of: Literal["last", "best"]
    log_every: int
    save_every: float
    max_skipped: int
    tensorboard: bool

    def __post_init__(self) -> None:
        at_least(self, "train", batch_tokens=2, accumulate=1, validate_every=1, patience=1)
        at_least(self, "train", average=1, log_every=1, warmup_steps=0, clip_norm=0, weight_decay=0)
        at_least(self, "train", max_steps=1, max_epochs=1, label_smoothing=0, learning_rate=0)
        at_least(self, "train", save_every=0, max_skipped=1)
        above(self, "train", max_minutes=0, eps=0, plateau_factor=0)
        below(self, "train", label_smoothing=1, plateau_factor=1)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"train.betas={self.betas} must be two numbers from 0 to below 1")
        if self.max_steps is self.max_epochs is self.max_minutes is None:
            raise UserError(
                "training would never end: set one of train.max_steps, train.max_epochs and "
                "train.max_minutes"
            )


@dataclass(frozen=True)
class TrainerConfig:
    """The machine to train on (Lightning Fabric).

    Args:
        accelerator: auto is cuda where there is a GPU of NVIDIA or AMD, else cpu; mps must be named
        devices: processes, one a device
        precision: of the arithmetic, such as bf16-mixed
        threads: CPU threads a process; null is fixed if deterministic, else what is fastest here
        compile: have torch.compile make kernels of a Transformer's layers, for minutes at the start
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: int
    precision: Precision
    threads: int | None
    compile: bool

    def __post_init__(self) -> None:
        at_least(self, "trainer", devices=1, threads=1)
        at_most(self, "trainer", devices=64, threads=THREADS)


@dataclass(frozen=True)
class Config:
    """One training run.

    Args:
        name: the run goes to runs_dir/NAME
        runs_dir: where runs go
        fresh: move an older run of this name aside and begin again
        resume: exact goes on with an older run if nothing changed that matters, force in any case
        seed: decides initial weights, order of batches, dropout and sampling
        deterministic: the same command gives the same weights, on a GPU as far as torch can
        data: the corpus
        tokenizer: text to pieces
        model: the variant
        search: how translations are found
        train: learning
        trainer: the machine
    """

    name: str
    runs_dir: Folder
    fresh: bool
    resume: Literal["exact", "force"]
    seed: Natural
    deterministic: bool
    data: dict[str, Any]
    tokenizer: TokenizerConfig
    model: dict[str, Any]
    search: dict[str, Any]
    train: TrainConfig
    trainer: TrainerConfig

    def __post_init__(self) -> None:
        if reason := not_a_folder_name(self.name):
            raise UserError(
                f"name={self.name!r} must be a plain folder name, {reason} (runs_dir= says where "
                "the folder lies)"
            )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Config":
        """Check plain nested values against the whole schema, plug points included.

        Raises:
            UserError: a key is unknown or missing, or a value has the wrong type; the message names
                the key and the nearest valid one.
        """
        config = cls(**check(cls, values, ""))
        sections: dict[str, Any] = {}
        for plug in PLUGS:
            section = getattr(config, plug)
            _, checked = arguments(plug, section)
            sections[plug] = {key: checked.get(key, value) for key, value in section.items()}
        return dataclasses.replace(config, **sections)


LONGEST_NAME = 200  # bytes: file systems allow 255, and an older run's folder gets a longer name


def not_a_folder_name(name: str) -> str | None:
    """What keeps a text from naming a folder, as a part of a sentence; None if it can."""
    if not name:
        return "not empty"
    if name.startswith("."):
        return "without '.' at its beginning"
    for character in name:
        if character == "/" or not character.isprintable():
            return f"without {character!r}"
    if (size := len(name.encode())) > LONGEST_NAME:
        return f"of at most {LONGEST_NAME} bytes, not {size}"
    return None


def at_least(settings: Any, section: str, **bounds: int | float) -> None:
    """Refuse numbers under their bound; None passes."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value < bound:
            raise UserError(f"{section}.{key}={value} must be at least {bound}")


def at_most(settings: Any, section: str, **bounds: int | float) -> None:
    """Refuse numbers over their bound; None passes."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value > bound:
            raise UserError(f"{section}.{key}={value} must be at most {bound}")


def above(settings: Any, section: str, **bounds: int | float) -> None:
    """Refuse numbers at or under their bound; None passes."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value <= bound:
            raise UserError(f"{section}.{key}={value} must be above {bound}")


def below(settings: Any, section: str, **bounds: int | float) -> None:
    """Refuse numbers at or over their bound."""
    for key, bound in bounds.items():
        if getattr(settings, key) >= bound:
            raise UserError(f"{section}.{key}={getattr(settings, key)} must be below {bound}")


def meanings(owner: type) -> dict[str, str]:
    """The lines under `Args:` of a class's docstring, by name."""
    shared = unpacked(owner)
    found = {} if shared is None else meanings(shared)
    _, _, arguments = (inspect.getdoc(owner) or "").partition("Args:\n")
    block, _, _ = arguments.partition("\n\n")
    return found | dict(re.findall(r"^ {4}(\w+): (.+)$", block, flags=re.MULTILINE))


def unpacked(owner: type) -> type | None:
    """The TypedDict of further keywords that a constructor takes as `**keys: Unpack[...]`."""
    if is_typeddict(owner):
        return None
    for parameter in inspect.signature(owner).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            hint = get_type_hints(owner.__init__).get(parameter.name)  # type: ignore[misc]
            return get_args(hint)[0] if get_origin(hint) is Unpack else None
    return None


def schema(owner: type, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keys of a dataclass or of a constructor with their types, less those that code gives."""
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
    """A type without the mark of a key that may be absent."""
    return get_args(kind)[0] if get_origin(kind) is NotRequired else kind


def optional(owner: type) -> set[str]:
    """The keys that may be absent, as they are in runs older than the key: a default says so."""
    parameters = inspect.signature(owner).parameters.items()
    named = {name for name, parameter in parameters if parameter.default is not parameter.empty}
    return named | set(getattr(unpacked(owner), "__optional_keys__", ()))


def check(owner: type, values: Any, where: str, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keywords for an owner from plain values, each of the type that its schema has.

    Args:
        owner: a dataclass, or a class whose constructor takes keywords only.
        values: a mapping of keys; a `name` in it is passed over.
        where: the dotted name of the mapping, for messages; empty at the top.
        given: keywords that code supplies, and that values must not have.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{where or 'the configuration'} must be a group of keys, not {values!r}")
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
    """A type in plain words, with its range."""
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
    """The value as its type has it, or a sentence that names the key."""
    origin, options = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return marked(coerce(value, options[0], key), options[1:], key)
    if dataclasses.is_dataclass(kind):
        return kind(**check(kind, value, key))  # type: ignore[arg-type, operator]
    if origin is Literal:
        if value in options:
            return value
        raise UserError(f"{key}={value} is unknown; {did_you_mean(str(value), map(str, options))}")
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
        if not abs(value) < (1 << 63 if kind is int else 1e300):  # nan and infinity too
            raise UserError(f"{key}={value} must be {describe(kind)}, finite and of 64 bits")
        if kind is float or value == int(value):  # 1e5 is whole as well
            return kind(value)
    raise UserError(f"{key}={value} must be {describe(kind)}")


def marked(value: Any, marks: tuple[Any, ...], key: str) -> Any:
    """The value as the marks beside its type have it: in range, `~/` expanded.

    Raises:
        UserError: it is out of range.
    """
    for mark in marks:
        if isinstance(mark, Within) and (bound := mark.broken(value)):
            raise UserError(f"{key}={value} must be {bound}")
        if isinstance(mark, Home) and (value == "~" or value.startswith("~/")):
            value = str(Path(value).expanduser())
    return value


def check_values(settings: Any, section: str) -> None:
    """Check the fields of a dataclass that code has built against their types and ranges.

    Raises:
        UserError: a value has the wrong type or is out of range.
    """
    for key, kind in schema(type(settings)).items():
        coerce(getattr(settings, key), kind, f"{section}.{key}")


SHARED: dict[str, type] = {"data": DataScoring}  # keys of every choice of a plug point
GIVEN = {"model": ("source_vocab", "target_vocab", "shared_vocab")}  # by the tokenizers


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration as it is stored today: version 0.1.0 stored module paths, not names."""
    return {
        key: upgrade_section(section) if key in PLUGS else section
        for key, section in values.items()
    }


def upgrade_section(section: Any) -> Any:
    """A section that names its class by `name` where it did so by the path in `_target_`."""
    known = isinstance(section, dict) and "name" not in section
    if not known or not isinstance(section.get("_target_"), str):
        return section
    class_name = section["_target_"].rpartition(".")[2]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()
    return {"name": name, **{key: value for key, value in section.items() if key != "_target_"}}


def locate(plug: str, name: Any) -> type:
    """The class of a name: `bahdanau` is `Bahdanau` in `seq2seq/models/bahdanau.py`.

    Raises:
        UserError: there is no such class. Nothing outside the plug's own package is imported.
    """
    package = PLUGS[plug]
    known = [module.name for module in pkgutil.iter_modules(import_module(package).__path__)]
    if not isinstance(name, str) or name not in known:
        raise UserError(f"there is no {plug} {name!r}; {did_you_mean(str(name), known)}")
    module = import_module(f"{package}.{name}")
    by_name = {key.lower(): value for key, value in vars(module).items() if isinstance(value, type)}
    found = by_name.get(name.replace("_", ""))
    if found and found.__module__.startswith(f"{package}.") and not inspect.isabstract(found):
        return found
    raise UserError(f"there is no {plug} {name!r}: {package}.{name} holds no class of this name")


def arguments(plug: str, section: Mapping[str, Any]) -> tuple[type, dict[str, Any]]:
    """The class behind a plug point and its checked keywords."""
    if not section.get("name"):
        raise UserError(f"{plug} is not chosen: give {plug}=NAME")
    owner = locate(plug, section["name"])
    own = dict(section)
    if shared := SHARED.get(plug):
        check(shared, {key: own.pop(key) for key in schema(shared) if key in own}, plug)
    return owner, check(owner, own, plug, GIVEN.get(plug, ()))


def build(plug: str, section: Mapping[str, Any], **given: Any) -> Any:
    """Construct what a plug point names, from this package only.

    Raises:
        UserError: a key or the class is wrong, or the class refuses its values.
    """
    owner, keywords = arguments(plug, section)
    try:
        return owner(**keywords, **given)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{plug}: {error}") from error
