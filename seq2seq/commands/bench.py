"""`seq2seq bench`: training and translation speed, absolute and relative to matrix products.

The measurement uses the corpus, vocabulary, batches, update, device and threads that `seq2seq
train` would use with the same arguments. Only the learning rate is close to 0, so that the model
stays untrained and translations reach their maximum length.
"""

import contextlib
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.text import Text

from seq2seq.corpora import Corpus, encode
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError, did_you_mean
from seq2seq.models.base import Seq2Seq
from seq2seq.search.base import Hypothesis, Search
from seq2seq.settings import config_files, key_checks, train_arguments
from seq2seq.settings.config import Config, TrainConfig
from seq2seq.settings.plugins import build, fits
from seq2seq.settings.schema import schema
from seq2seq.system import devices, provenance, threads
from seq2seq.system.console import console
from seq2seq.system.files import write_lines
from seq2seq.system.lightning import Fabric
from seq2seq.system.memory import PeakMemory
from seq2seq.system.terminal_table import TableView
from seq2seq.text.batching import pad
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.examples import learn_tokenizers
from seq2seq.training.learner import Learner
from seq2seq.translation.translation import ON_A_GPU

WINDOWS, SECONDS = 5, 2.0  # number and approximate length of the measurements of a median
BEAMS = (1, 5)
# Sentences to decode, in total and per batch; on other devices than a CPU, 16 times as many
SENTENCES, MEASURED_TOGETHER = 128, 64
FORCED = 16  # pieces in every decoded sentence
PAIRS = 20_000  # maximum number of pairs in the preparation measurement
TRAINED = 6  # FLOPs of a training step per multiply-add of the forward pass: 2 forward, 4 backward
RATE = 1e-7  # learning rate
# Keys of train without an effect on the measurement, and what to do instead
NO_EFFECT = dict.fromkeys(
    ("name", "runs_dir", "fresh", "resume"), "it writes no run folder (--json FILE writes a file)"
) | {
    "model": "give the names of models without `model=`",
    "model.name": "give the names of models without `model=`",
}
# Keys of train that the measured updates, or the estimated time of a training, depend on
MEASURED = {
    *("max_steps", "max_epochs", "max_minutes"),
    *("optimizer", "betas", "eps", "weight_decay", "clip_norm", "label_smoothing"),
    *("source_word_dropout", "target_word_dropout", "r_drop", "ema", "batch_tokens", "accumulate"),
    *("guided_attention", "guided_layer", "guided_head", "guided_links"),
}
NO_EFFECT |= dict.fromkeys(
    [f"train.{key}" for key in schema(TrainConfig) if key not in MEASURED],
    "it measures updates at a fixed learning rate, without validation",
)
SQUARE = {"cpu": 1024}  # size of the square matrices


def bench(names: Sequence[str], words: Sequence[str] = (), *, own: bool = False) -> dict[str, Any]:
    """Measure matrix products, preparation, and training and decoding of each model.

    Args:
        names: the models; if empty, all that are trained by gradients.
        words: arguments KEY=VALUE of `seq2seq train`.
        own: use the default sizes of each model, not the sizes compared in experiments/speed.

    Returns:
        The measurements, as `--json` writes them.

    Raises:
        UserError: there is no such model, or `seq2seq train` would refuse the arguments.
    """
    key_checks.refuse_keys(words, NO_EFFECT, "bench")
    for word in words:
        if word.lstrip("+~").partition("=")[0].partition(".")[0] == "search":
            raise UserError(
                f"{word} has no effect: bench decodes {FORCED} pieces in every sentence, with a "
                f"beam of {' and of '.join(map(str, BEAMS))}"
            )
    known = config_files.model_names()
    for name in names:
        if name not in known:
            raise UserError(f"there is no model {name!r}; {did_you_mean(name, known)}")
        if fits(config_files.model_settings(name)):
            raise UserError(f"bench measures updates by gradients, which {name} does not have")
    known = [name for name in known if not fits(config_files.model_settings(name))]
    configs = {
        name: train_arguments.config([f"name=bench-{name}", *sizes(name, own), *words])
        for name in names or known
    }
    first = next(iter(configs.values()))
    if first.trainer.devices > 1:
        raise UserError(f"bench measures one device, not trainer.devices={first.trainer.devices}")
    fabric = devices.fabric(first.trainer)
    devices.set_determinism(first.deterministic, compiled=first.trainer.compile)
    corpus: Corpus = build("data", first.data)
    tokenizers = learn_tokenizers(corpus, first.tokenizer)
    most = torch.get_num_threads()
    results: dict[str, Any] = {"words": list(words), "gflops": {}, "models": {}}
    with console.status("measuring matrix products"):
        for count in sorted({1, most}) if fabric.device.type == "cpu" else [most]:
            torch.set_num_threads(count)
            rates = [matrix_products(fabric) for _ in range(WINDOWS)]
            results["gflops"][str(count)] = statistics.median(rates)
    with console.status("measuring preparation"):
        results["preparation"] = preparation(corpus, tokenizers)
    for name, config in configs.items():
        with console.status(f"measuring {name}"):
            memory = PeakMemory(fabric.device)
            torch.set_num_threads(threads.given(config) or most)
            results["models"][name] = measure(Learner(fabric, config, corpus, tokenizers), config)
            results["models"][name]["peak_memory"] = memory.read()
    environment = provenance.environment()
    return {
        **results,
        "device": fabric.device.type,
        "precision": first.trainer.precision,
        "tf32": first.trainer.tf32,
        **environment,
        "machine": environment["machine"] | {"threads": most},
    }


def sizes(name: str, own: bool) -> list[str]:
    """Return the arguments that select a model and its sizes."""
    if own:
        return [f"model={name}"]
    known = config_files.choices_of("experiment")
    experiment = f"speed-{name}"
    return [f"model={name}", f"experiment={experiment if experiment in known else 'speed'}"]


def matrix_products(fabric: Fabric) -> float:
    """Return the GFLOP/s of products of square matrices, in the precision of the training."""
    size, repeats = SQUARE.get(fabric.device.type, 8192), 20
    with fabric.init_tensor():  # of the type of the weights; autocast converts them
        left, right = (torch.randn(size, size, device=fabric.device) for _ in range(2))
    with fabric.autocast():
        seconds = timed(fabric.device, lambda: [left @ right for _ in range(repeats)])
    return 2 * size**3 * repeats / seconds / 1e9


def timed(device: torch.device, work: Callable[[], Any]) -> float:
    """Return the seconds that a function takes, including all work that it starts on a GPU."""
    devices.synchronize(device)
    started = time.perf_counter()
    work()
    devices.synchronize(device)
    return time.perf_counter() - started


def preparation(corpus: Corpus, tokenizers: Tokenizers) -> dict[str, Any]:
    """Measure lines per second from text to token ids, source and target, with an empty cache."""
    with TemporaryDirectory() as folder, environment("SEQ2SEQ_CACHE", f"{folder}/cache"):
        pairs = list(islice(corpus.read("train"), PAIRS))
        for end, lines in zip(("src", "tgt"), zip(*pairs, strict=True), strict=True):
            write_lines(Path(folder) / f"text.{end}", lines)
        files = Files(
            source="src",
            target="tgt",
            root=folder,
            train="text",
            validation="text",
            tests=[],
            max_length=corpus.max_length,
            tokenized=False,
        )
        started = time.perf_counter()
        encode(files.text("train"), tokenizers.source, tokenizers.target)
        return {
            "pairs": len(pairs),
            "lines_per_second": 2 * len(pairs) / (time.perf_counter() - started),
        }


@contextlib.contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Context manager that sets an environment variable."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def measure(learner: Learner, config: Config) -> dict[str, Any]:
    """Measure training and decoding of one model; estimate the time per epoch and in total."""
    learner.set_up()
    fabric, model, encoded = learner.fabric, learner.raw_model, learner.examples.encoded
    if threads.given(config) is None and fabric.device.type == "cpu":
        most = torch.get_num_threads()
        torch.set_num_threads(threads.fastest(threads.probe(learner.dry_run, most)))
    step = 0

    def update() -> int:
        nonlocal step
        step += 1
        drawn = learner.draw(RATE, step)
        loss, tokens = learner.gradients(drawn)
        learner.update(loss)
        return tokens

    def train(updates: int) -> float:
        tokens = 0

        def work() -> None:
            nonlocal tokens
            tokens = sum(update() for _ in range(updates))

        seconds = timed(fabric.device, work)
        return tokens / seconds

    update()
    updates = max(1, round(SECONDS / timed(fabric.device, update)))
    # Alternate both measurements, so that a change of the machine's speed affects both.
    products, speeds = [matrix_products(fabric)], []
    for _ in range(WINDOWS):
        speeds.append(train(updates))
        products.append(matrix_products(fabric))
    rows = learner.examples.usable.rows
    tokens = int(encoded.target_lengths[rows].sum()) + len(rows)
    trained = TRAINED * learner.multiply_adds / 1e9  # GFLOP per target token
    around = [(before + after) / 2 for before, after in pairwise(products)]
    shares = [trained * speed / gflops for gflops, speed in zip(around, speeds, strict=True)]
    epoch = tokens / statistics.median(speeds) / 60
    return {
        "sizes": {key: value for key, value in config.model.items() if key != "name"},
        "parameters": model.parameter_count,
        "threads": torch.get_num_threads(),
        "batch_tokens": config.train.batch_tokens,
        "target_tokens_per_second": statistics.median(speeds),
        "spread": [min(speeds), max(speeds)],
        "multiply_adds": learner.multiply_adds,
        "share_of_products": statistics.median(shares),
        "share_spread": [min(shares), max(shares)],
        "epoch_minutes": epoch,
        "training_minutes": whole(config, epoch, len(learner.batches)),
        "decoding": decoding(learner, rows.tolist()),
    }


def whole(config: Config, epoch: float, batches: int) -> float:
    """Return the maximum minutes that all updates of a training take, without validation."""
    settings = config.train
    limits = [settings.max_minutes]
    if settings.max_steps is not None:
        limits.append(settings.max_steps * settings.accumulate / batches * epoch)
    if settings.max_epochs is not None:
        limits.append(settings.max_epochs * epoch)
    return min(limit for limit in limits if limit is not None)


def decoding(learner: Learner, rows: list[int]) -> dict[str, dict[str, Any]]:
    """Measure decoded sentences and target tokens per second, by beam size.

    With mask-predict, the number of lengths side by side takes the place of the beam size.
    Sentences of similar length share a batch, as in `seq2seq translate`.
    """
    model, device = learner.raw_model.eval(), learner.fabric.device
    special, times = model.special, 1 if device.type == "cpu" else ON_A_GPU
    rows = rows[: times * SENTENCES]
    sources = sorted((learner.examples.encoded[row][0] for row in rows), key=len)
    batches = [
        pad(sources[start : start + times * MEASURED_TOGETHER], special, end=True).to(device)
        for start in range(0, len(sources), times * MEASURED_TOGETHER)
    ]

    def translated(search: Search) -> list[list[Hypothesis]]:
        return [one for src in batches for one in search(model, src, src != special.pad)]

    speeds = {}
    for beam in BEAMS:
        work = functools.partial(translated, forced(model, beam))
        tokens = sum(len(best.tokens) for best, *_ in work())
        rates = [len(rows) / timed(device, work) for _ in range(WINDOWS)]
        speeds[str(beam)] = {
            "sentences_per_second": statistics.median(rates),
            "spread": [min(rates), max(rates)],
            "tokens_per_second": statistics.median(rates) * tokens / len(rows),
        }
    return speeds


def forced(model: Seq2Seq, width: int) -> Search:
    """Return the natural search of a model with a maximum of FORCED pieces.

    An untrained model rarely predicts the end of a sentence, so all translations of beam search
    reach it. Mask-predict predicts lengths up to it.
    """
    section: dict[str, Any] = config_files.search_settings(model.natural_search)
    sizes = {"beam": width, "length_penalty": 0.0, "lengths": width}
    section |= {key: value for key, value in sizes.items() if key in section}
    section |= {"max_length": FORCED, "length_ratio": 0.0, "length_extra": FORCED}
    search: Search = build("search", section)
    return search


def bench_table(results: dict[str, Any]) -> RenderableType:
    """Return a table of the measurements with a row per model."""
    rates = ", ".join(
        f"{rate:.0f} GFLOP/s with {n} threads" for n, rate in results["gflops"].items()
    )
    prepared = results["preparation"]["lines_per_second"]
    head = [
        "model",
        "parameters",
        "threads",
        "training, target tokens/s",
        "(spread)",
        "share of matrix products",
        "peak GiB",
        "minutes per epoch",
        "minutes in total",
        *(f"beam {beam}, sentences/s" for beam in BEAMS),
    ]
    rows = []
    for name, entry in results["models"].items():
        low, high = entry["spread"]
        memory = entry["peak_memory"]
        rows.append(
            [
                name,
                f"{entry['parameters']:,}",
                str(entry["threads"]),
                f"{entry['target_tokens_per_second']:,.0f}",
                f"{low:,.0f}-{high:,.0f}",
                f"{entry['share_of_products']:.0%}",
                "-" if memory is None else f"{memory / 2**30:.2f}",
                f"{entry['epoch_minutes']:.1f}",
                f"{entry['training_minutes']:.0f}",
                *(f"{of['sentences_per_second']:.0f}" for of in entry["decoding"].values()),
            ]
        )
    title = f"matrix products: {rates}; preparation: {prepared:,.0f} lines/s"
    return Group(Text(title), TableView(head, rows))
