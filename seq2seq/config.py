"""The schema of a run's configuration: names, types and descriptions; the values are in configs/.

The dataclasses below define the fixed sections. In the sections `data`, `model` and `search`, the
key `name` selects a class of this package, and the keyword arguments of its constructor are the
schema. The description of a key is its line under `Args:` in the docstring of the class;
`seq2seq train --help` prints it.
"""

import dataclasses
import inspect
import math
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
THREADS = 512  # maximum; with many more, the process is killed without a message
SECTION_PACKAGES = {
    "data": "seq2seq.corpora",
    "model": "seq2seq.models",
    "search": "seq2seq.search",
}


@dataclass(frozen=True)
class Within:
    """The range of a number, as an annotation of its type: `Annotated[int, Within(1, 9)]`.

    Attributes:
        low: the smallest allowed value.
        high: the largest allowed value.
        above: exclusive lower bound.
        below: exclusive upper bound.
    """

    low: int | float | None = None
    high: int | float | None = None
    above: int | float | None = None
    below: int | float | None = None

    def broken(self, value: int | float) -> str | None:
        """Return the bound that a value violates, such as "at least 1"; None if it is in range."""
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
    """Annotation of a text that is a path: a leading `~/` is the user's home folder."""


@dataclass(frozen=True)
class Default:
    """Annotation of a key of a TypedDict: the value of an absent key.

    In a constructor, the default of the keyword has this meaning.
    """

    value: Any


# The upper bounds are far above realistic values. They catch typing errors before these use all
# memory or run forever.
Width = Annotated[int, Within(1, 1 << 20)]  # units of a layer
Layers = Annotated[int, Within(1, 1000)]
Share = Annotated[float, Within(0, below=1)]  # such as a dropout probability
Positive = Annotated[int, Within(1)]
Natural = Annotated[int, Within(0)]
Folder = Annotated[str, Home()]


@dataclass(frozen=True)
class TokenizerConfig:
    """Subword tokenization (SentencePiece).

    Args:
        kind: bpe (Sennrich et al. 2016) or unigram (Kudo 2018)
        vocab_size: vocabulary size in pieces, including the four control pieces
        shared: true for one vocabulary for both languages, false for one vocabulary per language
        character_coverage: share of the characters that get a piece; other characters are unknown
        normalization: of source text; nmt_nfkc maps equivalent characters to one, identity is none
        target_normalization: of target text; null uses tokenizer.normalization
        sampling: in training, BPE dropout probability (or unigram smoothing); 0 turns it off
    """

    kind: Literal["bpe", "unigram"]
    vocab_size: Annotated[int, Within(5, 1_000_000)]
    shared: bool
    character_coverage: Annotated[float, Within(0.98, 1)]  # SentencePiece's own range
    normalization: Normalization
    sampling: Share
    target_normalization: Normalization | None = None  # absent in older runs


@dataclass(frozen=True)
class DataScoring:
    """Keys of `data` that apply to every corpus and are used by scoring, not by the corpus.

    Args:
        bleu_tokenizer: sacreBLEU tokenizer for BLEU; null chooses one by data.target
    """

    bleu_tokenizer: BleuTokenizer | None = None


@dataclass(frozen=True)
class TrainConfig:
    """Optimization, stopping criteria, validation and logging.

    Args:
        optimizer: adam, adamw, or adadelta (Bahdanau et al. 2014)
        learning_rate: maximum learning rate of the schedule; 0 keeps the initial weights
        betas: Adam's beta1 and beta2; Adadelta uses the first as rho
        eps: term added to the denominator for numerical stability; above 0
        weight_decay: decoupled in adamw, L2 penalty in the others
        schedule: constant, inverse_sqrt, cosine (to zero at the end of training) or plateau
        warmup_steps: updates over which the learning rate increases linearly, in every schedule
        plateau_factor: learning rate factor of plateau, after a validation without a new best score
        clip_norm: maximum gradient norm; 0 is no limit
        label_smoothing: probability mass spread uniformly over the vocabulary
        source_word_dropout: probability that a source piece is read as unknown
        target_word_dropout: probability that a preceding target piece is read as unknown
        r_drop: weight alpha of R-Drop (Wu et al. 2021), about 5; doubles the time; 0 is off
        batch_tokens: maximum tokens per batch on the longer side, including padding
        accumulate: batches per update (gradient accumulation)
        max_steps: stop after this many updates; null is no limit
        max_epochs: stop after this many passes over the corpus; null is no limit
        max_minutes: stop after this many minutes of wall time (not reproducible); null is no limit
        validate_every: updates between validations (loss and greedy BLEU)
        validate_by: score that selects the best checkpoint, bleu or loss
        patience: stop after this many validations without a new best score; null is never
        ema: decay of an exponential moving average of the weights, such as 0.999; 0 is off
        average: number of checkpoints to average at the end; 1 is no averaging
        average_of: average the last or the best checkpoints
        log_every: updates between lines of log.jsonl
        save_every: minutes between saves of the training state; 0 saves after every update
        max_skipped: stop after this many consecutive updates with NaN or infinite loss or gradient
        tensorboard: also write TensorBoard events to the run folder
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
    source_word_dropout: Share = 0.0  # absent in older runs, like the following
    target_word_dropout: Share = 0.0
    r_drop: Annotated[float, Within(0, 1000)] = 0.0
    ema: Share = 0.0

    def __post_init__(self) -> None:
        at_least(self, "train", batch_tokens=2, accumulate=1, validate_every=1, patience=1)
        at_least(self, "train", average=1, log_every=1, warmup_steps=0, clip_norm=0, weight_decay=0)
        at_least(self, "train", max_steps=1, max_epochs=1, label_smoothing=0, learning_rate=0)
        at_least(self, "train", save_every=0, max_skipped=1)
        at_most(self, "train", accumulate=10_000)  # one update must end
        above(self, "train", max_minutes=0, eps=0, plateau_factor=0)
        below(self, "train", label_smoothing=1, plateau_factor=1)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"train.betas={self.betas} must be two numbers from 0 to below 1")
        if self.ema and self.average > 1:
            raise UserError(
                f"train.ema={self.ema} and train.average={self.average} both average the weights: "
                "use one of them (train.ema=0 or train.average=1)"
            )
        if self.max_steps is self.max_epochs is self.max_minutes is None:
            raise UserError(
                "training would never end: set one of train.max_steps, train.max_epochs and "
                "train.max_minutes"
            )


@dataclass(frozen=True)
class TrainerConfig:
    """Hardware to train on (Lightning Fabric).

    Args:
        accelerator: auto uses an NVIDIA or AMD GPU if available, else the CPU; never mps
        devices: number of processes, one per device
        precision: floating-point precision, such as bf16-mixed
        threads: CPU threads per process; null is a fixed number if deterministic, else the fastest
        compile: compile the Transformer layers with torch.compile, which takes minutes at the start
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
    """The configuration of one training run.

    Args:
        name: name of the run; the run folder is runs_dir/NAME
        runs_dir: folder of all runs
        fresh: rename an existing run of this name and start over
        resume: exact resumes a run if all keys that affect training are unchanged, force always
        seed: random seed of initial weights, batch order, dropout and sampling
        deterministic: use deterministic algorithms: the same command gives the same weights
        data: corpus
        tokenizer: subword tokenization
        model: architecture
        search: decoding
        train: optimization
        trainer: hardware
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
                f"name={shown(self.name)!r} must be a plain folder name, {reason} (to change the "
                "parent folder, set runs_dir=)"
            )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Config":
        """Check nested plain values against the schema, including `data`, `model` and `search`.

        Raises:
            UserError: a key is unknown or missing, or a value has the wrong type; the message names
                the key and the most similar valid one.
        """
        config = cls(**check(cls, values, ""))
        sections: dict[str, Any] = {}
        for plug in SECTION_PACKAGES:
            section = getattr(config, plug)
            _, checked = arguments(plug, section)
            sections[plug] = {key: checked.get(key, value) for key, value in section.items()}
        search: Any = locate("search", config.search["name"])
        search.check_model(locate("model", config.model["name"]))
        return dataclasses.replace(config, **sections)


LONGEST_NAME = 200  # bytes; file systems allow 255, and a renamed run has a longer name


def not_a_folder_name(name: str) -> str | None:
    """Return the rule that an invalid folder name violates, such as "not empty"; None if valid."""
    if not name:
        return "not empty"
    if name.startswith("."):
        return "without '.' at the beginning"
    for character in name:
        if character == "/" or not character.isprintable():
            return f"without {character!r}"
    if (size := len(name.encode())) > LONGEST_NAME:
        return f"of at most {LONGEST_NAME} bytes, not {size}"
    return None


def at_least(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values below their bound; None is allowed."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value < bound:
            raise UserError(f"{section}.{key}={value} must be at least {bound}")


def at_most(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values above their bound; None is allowed."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value > bound:
            raise UserError(f"{section}.{key}={value} must be at most {bound}")


def above(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values at or below their bound; None is allowed."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if value is not None and value <= bound:
            raise UserError(f"{section}.{key}={value} must be above {bound}")


def below(settings: Any, section: str, **bounds: int | float) -> None:
    """Raise UserError for values at or above their bound."""
    for key, bound in bounds.items():
        if getattr(settings, key) >= bound:
            raise UserError(f"{section}.{key}={getattr(settings, key)} must be below {bound}")


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


# Keys without an effect on a model that fits itself (`Seq2Seq.fits`)
NOT_FOR_FITTING = {
    *(f"train.{key}" for key in schema(TrainConfig)),
    *("tokenizer.sampling", "trainer.devices", "trainer.precision", "trainer.compile"),
} - {"train.validate_every", "train.validate_by", "train.save_every", "train.tensorboard"}


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


def arguments(plug: str, section: Mapping[str, Any]) -> tuple[type, dict[str, Any]]:
    """Return the class that a section selects, and its checked keyword arguments."""
    if not section.get("name"):
        raise UserError(f"{plug} is not set: give {plug}=NAME")
    owner = locate(plug, section["name"])
    own = dict(section)
    if shared := SHARED_KEYS.get(plug):
        check(shared, {key: own.pop(key) for key in schema(shared) if key in own}, plug)
    return owner, check(owner, own, plug, SUPPLIED_KEYS.get(plug, ()))


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
