"""The shape of a run's configuration: names, types and meaning live here, values in configs/.

The skeleton is the dataclasses below. At the plug points (`data`, `model`, `search`) a `_target_`
names a class of this package, and the keywords of its constructor are the schema. Either way the
meaning of a key is its line under `Args:` in the class's docstring, which is also what
`seq2seq train --help` prints.
"""

import dataclasses
import importlib
import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seq2seq.errors import UserError, did_you_mean

Precision = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
PLUGS = {"data": "seq2seq.corpora", "model": "seq2seq.models", "search": "seq2seq.search"}


@dataclass(frozen=True)
class TokenizerConfig:
    """How text becomes pieces (SentencePiece).

    Args:
        kind: bpe (Sennrich et al. 2016) or unigram (Kudo 2018)
        vocab_size: pieces in a vocabulary, the four control pieces included
        shared: one vocabulary for both languages, or one each
        character_coverage: share of the text's characters that get a piece; the rest is unknown
        normalization: nmt_nfkc folds look-alike characters, identity changes nothing
        sampling: in training, share of BPE merges dropped (or unigram smoothing); 0 is off
    """

    kind: Literal["bpe", "unigram"]
    vocab_size: int
    shared: bool
    character_coverage: float
    normalization: Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
    sampling: float

    def __post_init__(self) -> None:
        at_least(self, "tokenizer", vocab_size=5, sampling=0)
        below(self, "tokenizer", sampling=1)


@dataclass(frozen=True)
class TrainConfig:
    """How a model learns, and when it stops.

    Args:
        optimizer: adam, adamw, or adadelta (Bahdanau et al. 2014)
        learning_rate: the peak of the schedule
        betas: Adam's two decay rates; Adadelta takes the first as its rho
        eps: the number that keeps the optimizer from dividing by zero
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
        max_minutes: stop after this many minutes, validation included; null is no limit
        validate_every: updates between validations (loss and greedy BLEU)
        validate_by: what the best checkpoint is best at, bleu or loss
        patience: stop after this many validations without a new best; null is never
        average: checkpoints to average at the end; 1 is none
        average_of: average the last ones or the best ones
        log_every: updates between lines of log.jsonl
        save_every: minutes between saves of the whole state; one is also made at every validation
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
        at_least(self, "train", max_steps=1, max_epochs=1, max_minutes=0, label_smoothing=0)
        at_least(self, "train", learning_rate=0, eps=0, plateau_factor=0)
        at_least(self, "train", save_every=0, max_skipped=1)
        below(self, "train", label_smoothing=1)
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
        accelerator: auto, cpu, cuda, mps, ...
        devices: processes, one a device
        precision: of the arithmetic, such as bf16-mixed
        threads: CPU threads a process (last bits depend on it); null tries what is fastest here
        compile: have torch.compile make kernels of a Transformer's layers, for minutes at the start
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: int
    precision: Precision
    threads: int | None
    compile: bool

    def __post_init__(self) -> None:
        at_least(self, "trainer", devices=1, threads=1)


@dataclass(frozen=True)
class Config:
    """One training run.

    Args:
        name: the run goes to runs_dir/NAME
        runs_dir: where runs go
        fresh: move an older run of this name aside and begin again
        resume: exact goes on with an older run if nothing changed that matters, force in any case
        seed: decides initial weights, order of batches, dropout and sampling
        deterministic: same command and threads give the same weights, on a GPU as far as torch can
        data: the corpus
        tokenizer: text to pieces
        model: the variant
        search: how translations are found
        train: learning
        trainer: the machine
    """

    name: str
    runs_dir: str
    fresh: bool
    resume: Literal["exact", "force"]
    seed: int
    deterministic: bool
    data: dict[str, Any]
    tokenizer: TokenizerConfig
    model: dict[str, Any]
    search: dict[str, Any]
    train: TrainConfig
    trainer: TrainerConfig

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise UserError(
                f"name={self.name!r} must be a plain folder name (runs_dir says where it lies)"
            )
        if self.seed < 0:
            raise UserError(f"seed={self.seed} must not be negative")

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Config":
        """Check plain nested values against the whole schema, plug points included.

        Raises:
            UserError: a key is unknown or missing, or a value has the wrong type; the message names
                the key and the nearest valid one.
        """
        config = cls(**check(cls, values, ""))
        for plug in PLUGS:
            arguments(plug, getattr(config, plug))
        return config


def at_least(settings: Any, section: str, **bounds: int | float) -> None:
    """Refuse numbers under their bound; None passes."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value < bound:
            raise UserError(f"{section}.{key}={value} must be at least {bound}")


def below(settings: Any, section: str, **bounds: int | float) -> None:
    """Refuse numbers at or over their bound."""
    for key, bound in bounds.items():
        if getattr(settings, key) >= bound:
            raise UserError(f"{section}.{key}={getattr(settings, key)} must be below {bound}")


def meanings(owner: type) -> dict[str, str]:
    """The lines under `Args:` of a class's docstring, by name."""
    _, _, arguments = (inspect.getdoc(owner) or "").partition("Args:\n")
    block, _, _ = arguments.partition("\n\n")
    return dict(re.findall(r"^ {4}(\w+): (.+)$", block, flags=re.MULTILINE))


def schema(owner: type, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keys of a dataclass or of a constructor with their types, less those that code gives."""
    if dataclasses.is_dataclass(owner):
        hints = get_type_hints(owner)
        names = [field.name for field in dataclasses.fields(owner)]
    else:
        hints = get_type_hints(owner.__init__)  # type: ignore[misc]
        names = [
            name
            for name, parameter in inspect.signature(owner).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
    return {name: hints[name] for name in names if name not in given}


def optional(owner: type) -> set[str]:
    """The keys that may be absent, as they are in runs older than the key: a default says so."""
    parameters = inspect.signature(owner).parameters.items()
    return {name for name, parameter in parameters if parameter.default is not parameter.empty}


def check(owner: type, values: Any, where: str, given: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keywords for an owner from plain values, each of the type that its schema has.

    Args:
        owner: a dataclass, or a class whose constructor takes keywords only.
        values: a mapping of keys; a `_target_` in it is passed over.
        where: the dotted name of the mapping, for messages; empty at the top.
        given: keywords that code supplies, and that values must not have.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{where or 'the configuration'} must be a group of keys, not {values!r}")
    expected, texts, younger = schema(owner, given), meanings(owner), optional(owner)
    prefix = f"{where}." if where else ""
    for key in values:
        if key not in expected and key != "_target_":
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
    """A type in plain words."""
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
        return str(value)
    elif kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < (1 << 63 if kind is int else 1e300):  # nan and infinity too
            raise UserError(f"{key}={value} must be {describe(kind)}, finite and of 64 bits")
        if kind is float or value == int(value):  # 1e5 is whole as well
            return kind(value)
    raise UserError(f"{key}={value} must be {describe(kind)}")


GIVEN = {"model": ("source_vocab", "target_vocab", "shared_vocab")}  # by the tokenizers


def locate(plug: str, target: Any) -> type:
    """The class that a `_target_` names, looked for in the plug's own package alone.

    Raises:
        UserError: it lies elsewhere (refused before anything is imported), or does not exist.
    """
    home = PLUGS[plug]
    if not isinstance(target, str) or not re.fullmatch(rf"{re.escape(home)}(\.\w+)+", target):
        raise UserError(
            f"{plug}._target_={target} is refused: it must name a class in {home} "
            f"(choose one by {plug}=NAME)"
        )
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{plug}._target_={target} does not exist") from error
    if not isinstance(found, type) or inspect.isabstract(found):
        raise UserError(f"{plug}._target_={target} is not a class that can be built")
    return found


def arguments(plug: str, section: Mapping[str, Any]) -> tuple[type, dict[str, Any]]:
    """The class behind a plug point and its checked keywords."""
    if not section.get("_target_"):
        raise UserError(f"{plug} is not chosen: give {plug}=NAME")
    owner = locate(plug, section["_target_"])
    return owner, check(owner, section, plug, GIVEN.get(plug, ()))


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
