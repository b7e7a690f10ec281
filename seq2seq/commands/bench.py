"""How fast this machine trains and translates: beside its matrix products, within one run.

What is measured is what `seq2seq train` would do with the same words: corpus, vocabulary, batches,
update, device and threads are a training's own. Only the learning rate is next to nothing, so that
translations run to their cap whatever was learned.
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
from lightning_fabric import Fabric
from rich.console import Group, RenderableType
from rich.text import Text

from seq2seq import compose
from seq2seq.config import Config, build
from seq2seq.corpora import Corpus, encode
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError, did_you_mean
from seq2seq.search.base import Hypothesis
from seq2seq.search.beam import Beam
from seq2seq.system import devices, provenance, threads
from seq2seq.system.console import console
from seq2seq.system.files import write_lines
from seq2seq.system.memory import PeakMemory
from seq2seq.system.terminal_table import TableView
from seq2seq.text.batching import EOS, PAD, pad
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.examples import learn_tokenizers
from seq2seq.training.learner import Learner

WINDOWS, SECONDS = 5, 2.0  # medians are over so many windows of about so long
BEAMS = (1, 5)
SENTENCES, TOGETHER = 128, 64  # decoded: so many sentences, so many at a time,
FORCED = 16  # each with exactly so many pieces
PAIRS = 20_000  # prepared, at the most
TRAINED = 6  # operations a multiply-add of the forward pass: two, and twice as many going back
RATE = 1e-7  # of learning
SQUARE = {"cpu": 1024}  # rows of the matrices multiplied


def bench(names: Sequence[str], words: Sequence[str] = (), *, own: bool = False) -> dict[str, Any]:
    """Measure matrix products, preparation, then training and decoding of each variant.

    Args:
        names: variants, all if none are given.
        words: KEY=VALUE as `seq2seq train` takes them.
        own: measure the variants' own sizes, not those that experiments/speed compares.

    Raises:
        UserError: there is no such variant, or a training of these words would be refused.
    """
    known = compose.variants()
    for name in names:
        if name not in known:
            raise UserError(f"there is no model {name!r}; {did_you_mean(name, known)}")
    configs = {
        name: compose.config([f"name=bench-{name}", *sizes(name, own), *words])
        for name in names or known
    }
    first = next(iter(configs.values()))
    if first.trainer.devices > 1:
        raise UserError(f"bench measures one device, not trainer.devices={first.trainer.devices}")
    fabric = devices.fabric(first.trainer)
    devices.set_determinism(first.deterministic)
    corpus: Corpus = build("data", first.data)
    tokenizers = learn_tokenizers(corpus, first.tokenizer)
    most = torch.get_num_threads()
    found: dict[str, Any] = {"words": list(words), "gflops": {}, "models": {}}
    with console.status("measuring matrix products"):
        for count in sorted({1, most}) if fabric.device.type == "cpu" else [most]:
            torch.set_num_threads(count)
            rates = [matrix_products(fabric) for _ in range(WINDOWS)]
            found["gflops"][str(count)] = statistics.median(rates)
    with console.status("measuring preparation"):
        found["preparation"] = preparation(corpus, tokenizers)
    for name, config in configs.items():
        with console.status(f"measuring {name}"):
            memory = PeakMemory(fabric.device)
            torch.set_num_threads(threads.given(config) or most)
            found["models"][name] = measure(Learner(fabric, config, corpus, tokenizers), config)
            found["models"][name]["peak_memory"] = memory.read()
    return {
        **found,
        "device": fabric.device.type,
        "precision": first.trainer.precision,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine() | {"threads": most},
    }


def sizes(name: str, own: bool) -> list[str]:
    """The words that choose a variant and its sizes."""
    if own:
        return [f"model={name}"]
    known = compose.choices_of("experiment")
    named = f"speed-{name}"
    return [f"model={name}", f"experiment={named if named in known else 'speed'}"]


def matrix_products(fabric: Fabric) -> float:
    """GFLOP/s of square products, in the precision of the training."""
    size, repeats = SQUARE.get(fabric.device.type, 8192), 20
    left, right = (torch.randn(size, size, device=fabric.device) for _ in range(2))
    with fabric.autocast():
        seconds = timed(fabric.device, lambda: [left @ right for _ in range(repeats)])
    return 2 * size**3 * repeats / seconds / 1e9


def timed(device: torch.device, work: Callable[[], Any]) -> float:
    """Seconds that some work takes, on a GPU to its end."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def preparation(corpus: Corpus, tokenizers: Tokenizers) -> dict[str, Any]:
    """Lines a second, of both sides, from text to token ids, with a cache that knows nothing."""
    with TemporaryDirectory() as place, environment("SEQ2SEQ_CACHE", f"{place}/cache"):
        pairs = list(islice(corpus.read("train"), PAIRS))
        for end, lines in zip(("src", "tgt"), zip(*pairs, strict=True), strict=True):
            write_lines(Path(place) / f"text.{end}", lines)
        files = Files(
            source="src",
            target="tgt",
            root=place,
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
    """Set a variable of the environment for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def measure(learner: Learner, config: Config) -> dict[str, Any]:
    """One variant: its training, its decoding, and how long an epoch and the whole would take."""
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
    # By turns, so that a machine that slows down slows both.
    products, speeds = [matrix_products(fabric)], []
    for _ in range(WINDOWS):
        speeds.append(train(updates))
        products.append(matrix_products(fabric))
    rows = learner.examples.usable.rows
    tokens = int(encoded.target_lengths[rows].sum()) + len(rows)
    trained = TRAINED * learner.multiply_adds / 1e9  # GFLOP a target token
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
        "decoding": decoding(learner, rows[:SENTENCES].tolist()),
    }


def whole(config: Config, epoch: float, batches: int) -> float:
    """Minutes that all updates of a training take at the most, validation not counted."""
    settings = config.train
    limits = [settings.max_minutes]
    if settings.max_steps is not None:
        limits.append(settings.max_steps * settings.accumulate / batches * epoch)
    if settings.max_epochs is not None:
        limits.append(settings.max_epochs * epoch)
    return min(limit for limit in limits if limit is not None)


def decoding(learner: Learner, rows: list[int]) -> dict[str, dict[str, Any]]:
    """Sentences and target tokens a second, by beam.

    Like lengths are translated together, as `seq2seq translate` does.
    """
    model, device = learner.raw_model.eval(), learner.fabric.device
    sources = sorted(([*learner.examples.encoded[row][0].tolist(), EOS] for row in rows), key=len)
    batches = [
        pad(sources[start : start + TOGETHER]).to(device)
        for start in range(0, len(sources), TOGETHER)
    ]

    def translated(search: Beam) -> list[list[Hypothesis]]:
        return [one for src in batches for one in search(model, src, src != PAD)]

    found = {}
    for beam in BEAMS:
        work = functools.partial(translated, forced(beam))
        made = sum(len(best.tokens) for best, *_ in work())
        rates = [len(rows) / timed(device, work) for _ in range(WINDOWS)]
        found[str(beam)] = {
            "sentences_per_second": statistics.median(rates),
            "spread": [min(rates), max(rates)],
            "tokens_per_second": statistics.median(rates) * made / len(rows),
        }
    return found


def forced(beam: int) -> Beam:
    """A search whose translations all have as many pieces as it allows.

    To a model that has learned next to nothing the end is one word of many thousands.
    """
    return Beam(
        beam=beam, length_penalty=0.0, max_length=FORCED, length_ratio=0.0, length_extra=FORCED
    )


def bench_table(found: dict[str, Any]) -> RenderableType:
    """The measurements, a row a variant."""
    rates = ", ".join(f"{rate:.0f} GFLOP/s by {n} threads" for n, rate in found["gflops"].items())
    prepared = found["preparation"]["lines_per_second"]
    head = [
        "model",
        "parameters",
        "threads",
        "training, target tokens/s",
        "(spread)",
        "of the products",
        "peak GiB",
        "minutes an epoch",
        "minutes in all",
        *(f"beam {beam}, sentences/s" for beam in BEAMS),
    ]
    rows = []
    for name, entry in found["models"].items():
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
