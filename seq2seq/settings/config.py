"""The configuration of a run: names, types and descriptions; the values are in configs/.

The dataclasses below define the fixed sections. In the sections `data`, `model` and `search`, the
key `name` selects a class of this package, and the keyword arguments of its constructor are the
schema (`plugins`, `schema`).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
)

from seq2seq.errors import UserError
from seq2seq.settings.plugins import SECTION_PACKAGES, arguments, locate
from seq2seq.settings.ranges import (
    Folder,
    Natural,
    Positive,
    Share,
    Within,
    above,
    at_least,
    at_most,
    below,
)
from seq2seq.settings.schema import check, schema, shown

Precision = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
THREADS = 512  # maximum; with many more, the process is killed without a message


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
class TrainConfig:
    """Optimization, stopping criteria, validation and logging.

    Args:
        optimizer: adam, adamw, or adadelta (Bahdanau et al. 2014)
        learning_rate: maximum learning rate of the schedule; 0 keeps the initial weights
        betas: Adam's beta1 and beta2; Adadelta uses the first as rho
        eps: term added to the denominator for numerical stability; above 0
        weight_decay: decoupled in adamw, L2 penalty in the others
        schedule: constant, inverse_sqrt, cosine (to zero at the end of training) or plateau
        warmup_steps: updates of a linear increase at the start; inverse_sqrt decays after it
        plateau_factor: learning rate factor of plateau, after a validation without a new best score
        clip_norm: maximum gradient norm; 0 is no limit
        label_smoothing: probability mass spread uniformly over the vocabulary
        source_word_dropout: probability that a source piece is read as unknown
        target_word_dropout: probability that a preceding target piece is read as unknown
        r_drop: weight alpha of R-Drop (Wu et al. 2021), such as 1; doubles the time; 0 is off
        guided_attention: weight of teaching a head word links (Garg et al. 2019); 0 is off
        guided_layer: decoder layer of that head, from 1; null is the layer before the last
        guided_head: that head, from 1; null is 1
        guided_links: null or gold for links of the corpus, fast_align, or a file (Pharaoh format)
        batch_tokens: maximum tokens per batch on the longer side, including padding
        accumulate: batches per update (gradient accumulation)
        max_steps: stop after this many updates; null is no limit
        max_epochs: stop after this many passes over the corpus; null is no limit
        max_minutes: stop after this many minutes of wall time (not reproducible); null is no limit
        validate_every: updates between validations (loss and greedy BLEU)
        validate_by: score that selects the best checkpoint, bleu or loss
        patience: stop after this many validations without a new best score; null is never
        ema: decay of an exponential moving average of the weights, such as 0.999; 0 is off
        keep_every: store a checkpoint every N updates, for plot steps and play; null stores none
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
    guided_attention: Annotated[float, Within(0, 1000)] = 0.0
    guided_layer: Positive | None = None
    guided_head: Positive | None = None
    guided_links: Folder | None = None
    keep_every: Annotated[int, Within(1)] | None = None

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
        for key in ("guided_layer", "guided_head", "guided_links"):
            if getattr(self, key) is not None and not self.guided_attention:
                raise UserError(
                    f"train.{key}={getattr(self, key)} has no effect with "
                    "train.guided_attention=0: set its weight, such as 0.05, or remove the key"
                )
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
        devices: number of processes, one per device; torchrun and srun start their own number
        precision: floating-point precision, such as bf16-mixed
        threads: CPU threads per process; null is a fixed number if deterministic, else the fastest
        tf32: products of float32 matrices in TF32 on an NVIDIA GPU: faster, 3 digits instead of 7
        compile: compile the Transformer layers with torch.compile, which takes minutes at the start
        cuda_graphs: record passes as CUDA graphs; null does so on one NVIDIA GPU if possible
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: int
    precision: Precision
    threads: int | None
    tf32: bool
    compile: bool
    cuda_graphs: bool | None

    def __post_init__(self) -> None:
        if self.tf32 and self.precision != "32-true":
            raise UserError(
                f"trainer.tf32=true has no effect with trainer.precision={self.precision}: it is "
                "for matrices in float32 (32-true); remove it"
            )
        for key, without in (
            ("devices", self.devices == 1),
            ("precision", self.precision != "16-mixed"),
            ("compile", not self.compile),
        ):
            if self.cuda_graphs and not without:
                value = str(getattr(self, key)).lower()
                raise UserError(
                    f"trainer.cuda_graphs=true cannot be combined with trainer.{key}={value}: "
                    "remove one of the two"
                )
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


# Keys without an effect on a model that fits itself (`Seq2Seq.fits`)
NOT_FOR_FITTING = {
    *(f"train.{key}" for key in schema(TrainConfig)),
    *("tokenizer.sampling", "trainer.devices", "trainer.precision", "trainer.compile"),
    *("trainer.tf32", "trainer.cuda_graphs"),
} - {"train.validate_every", "train.validate_by", "train.save_every", "train.tensorboard"}
