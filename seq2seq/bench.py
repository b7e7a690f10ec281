"""How fast this machine trains and translates: ratios to its matrix products, within one run.

Sentences are made of random words, with the lengths of Multi30k's English-German training text in
8,000 shared pieces (mean 14.3, standard deviation 4.7, the target longer by 0.5), so that nothing
need be fetched and every machine measures the same work.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.table import Table

from seq2seq.batching import EOS, PAD, UNK, TokenBatches, collate, pad
from seq2seq.compose import variant, variants
from seq2seq.config import build
from seq2seq.progress import console
from seq2seq.runtime import commit, keep_memory, machine, versions
from seq2seq.search import Beam

VOCAB = 8000
BATCH_TOKENS = 4096
WINDOWS, UPDATES = 3, 4  # medians are over windows of so many updates
Pairs = list[tuple[list[int], list[int]]]
SENTENCES, FORCED = 64, 16  # decoding: so many sentences, each with exactly so many pieces


def bench(models: list[str], *, seed: int = 1) -> dict[str, Any]:
    """Measure matrix products, then training and decoding of each variant by its YAML.

    Raises:
        UserError: there is no such variant.
    """
    keep_memory()
    sections = {name: variant(name) for name in models or variants()}
    lengths, pairs = random_pairs(seed)
    found: dict[str, Any] = {"gflops": {}, "models": {}}
    threads = torch.get_num_threads()
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        found["gflops"][str(count)] = matrix_products()
    for name, section in sections.items():
        with console.status(f"measuring {name}"):
            found["models"][name] = measure(section, lengths, pairs, seed)
    return {**found, "versions": versions(), "commit": commit(), "machine": machine()}


def random_pairs(seed: int) -> tuple[np.ndarray, Pairs]:
    """Source and target lengths [pairs 2], and as many pairs of random ids."""
    chance = np.random.default_rng(seed)
    source = chance.normal(14.3, 4.7, 8000)
    target = source + chance.normal(0.5, 2.7, 8000)
    lengths = np.stack([source, target], axis=1).round().clip(3, 52).astype(np.int64)

    def words(length: int) -> list[int]:
        return [int(word) for word in chance.integers(UNK + 1, VOCAB, length)]

    return lengths, [(words(source), words(target)) for source, target in lengths.tolist()]


def matrix_products(size: int = 1024, repeats: int = 10) -> float:
    """The machine's rate in GFLOP/s, at its best of several windows."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    seconds = windows(lambda: [left @ right for _ in range(repeats)])
    return 2 * size**3 * repeats / min(seconds) / 1e9


def windows(work: Callable[[], Any]) -> list[float]:
    """Seconds of each window, after one to warm up."""
    seconds = []
    for _ in range(WINDOWS + 1):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def measure(
    section: dict[str, Any],
    lengths: np.ndarray,
    pairs: Pairs,
    seed: int,
) -> dict[str, Any]:
    """Training target tokens a second, and sentences a second at beams of one and five."""
    torch.manual_seed(seed)
    model = build("model", section, source_vocab=VOCAB, target_vocab=VOCAB, shared_vocab=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    rows = np.arange(len(pairs))
    stream = iter(TokenBatches(rows, lengths[:, 0], lengths[:, 1], budget=BATCH_TOKENS, seed=seed))

    def train() -> float:
        tokens = 0
        started = time.perf_counter()
        for _ in range(UPDATES):
            batch = collate([pairs[row] for row in next(stream)])
            (model.loss(batch, 0.1) / batch.num_tokens).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            tokens += batch.num_tokens
        return tokens / (time.perf_counter() - started)

    speeds = [train() for _ in range(WINDOWS + 1)][1:]
    model.eval()
    # To a model that has learned next to nothing the end is one word of many thousands, so that
    # every translation runs to the cap.
    src = pad([[*source, EOS] for source, _ in pairs[:SENTENCES]])
    decoding = {}
    for beam in (1, 5):
        search = Beam(
            beam=beam, length_penalty=0.0, max_length=FORCED, length_ratio=0.0, length_extra=FORCED
        )
        seconds = statistics.median(windows(functools.partial(search, model, src, src != PAD)))
        decoding[str(beam)] = SENTENCES / seconds
    return {
        "parameters": model.parameter_count,
        "target_tokens_per_second": statistics.median(speeds),
        "spread": [min(speeds), max(speeds)],
        "sentences_per_second": decoding,
    }


def bench_table(found: dict[str, Any]) -> Table:
    """The measurements, a row a variant."""
    rates = ", ".join(f"{rate:.0f} with {n} threads" for n, rate in found["gflops"].items())
    table = Table(title=f"matrix products: {rates} (GFLOP/s)", title_justify="left")
    table.add_column("model")
    for head in ("parameters", "training: target tokens/s", "sentences/s, beam 1", "beam 5"):
        table.add_column(head, justify="right")
    for name, entry in found["models"].items():
        low, high = entry["spread"]
        table.add_row(
            name,
            f"{entry['parameters']:,}",
            f"{entry['target_tokens_per_second']:,.0f} ({low:,.0f}-{high:,.0f})",
            *(f"{entry['sentences_per_second'][beam]:.0f}" for beam in ("1", "5")),
        )
    return table
