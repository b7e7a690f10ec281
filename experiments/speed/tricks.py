"""What each trick brings: work with it and without it by turns, by processor time.

python experiments/speed/tricks.py OUT [PART...] [KEY=VALUE...]: KEY=VALUE are those of
`seq2seq bench`, whose reference sizes are trained here on one thread. PART selects the tricks with
this text in their name (default: all). Without a trick the code runs its plain form, which stands
below. Writes OUT/tricks.json and OUT/tricks.md.
"""

import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F

from seq2seq.commands import bench
from seq2seq.layers import attention
from seq2seq.layers.attention import AdditiveScore, AttentionOutput
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.models import base
from seq2seq.models.bahdanau import Bahdanau
from seq2seq.models.base import Autoregressive, Seq2Seq
from seq2seq.search import beam
from seq2seq.search.best_paths import Paths
from seq2seq.settings import train_arguments
from seq2seq.settings.plugins import build
from seq2seq.system import devices, provenance
from seq2seq.system.console import track
from seq2seq.system.files import write_json, write_lines
from seq2seq.text.batching import pack, pad
from seq2seq.text.sampler import TokenBatches
from seq2seq.training.examples import learn_tokenizers
from seq2seq.training.learner import Learner
from seq2seq.translation.int8 import use_int8_output

ROUNDS = 12  # of one update with and one without, after one to warm up
BEAM = 5


def shuffled(self: TokenBatches, epoch: int) -> list[np.ndarray]:
    """Batches of the same budget in an order that knows no lengths."""
    order = np.random.default_rng([self.seed, epoch]).permutation(len(self.rows))
    return pack(order, np.maximum(self.source, self.target), self.budget)


def all_logits(
    states: Any, weight: Any, bias: Any, words: Any, smoothing: float, r_drop: float
) -> Any:
    """Torch's own loss over all logits; without R-Drop."""
    assert not r_drop
    logits = F.linear(states, weight, bias)
    return F.cross_entropy(logits, words, reduction="sum", label_smoothing=smoothing)


def bernoulli(self: Dropout, x: torch.Tensor) -> torch.Tensor:
    """A draw for each number."""
    return F.dropout(x, self.p, self.training)


WRITTEN_OUT = MultiHeadAttention.forward


def fused(self: MultiHeadAttention, x: Any, cache: Any, mask: Any, **options: Any) -> Any:
    """Torch's kernel for the whole of attention."""
    if options["weights"]:  # it gives none
        return WRITTEN_OUT(self, x, cache, mask, **options)
    mask = None if mask is None else mask.unsqueeze(1)
    p = self.dropout.p if self.training else 0.0
    query, keys, values = (part.transpose(1, 2) for part in (self.split(self.query(x)), *cache))
    context = F.scaled_dot_product_attention(query, keys, values, mask, dropout_p=p)
    return AttentionOutput(self.out(context.transpose(1, 2).flatten(-2)), None)


def papers_score(self: AdditiveScore, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """The tanh of the paper."""
    return self.energy((self.query(query).unsqueeze(2) + keys.unsqueeze(1)).tanh()).squeeze(-1)


def all_words(total: torch.Tensor, log_p: torch.Tensor, count: int) -> Paths:
    """Top-k of each row, then of the rows of each sentence."""
    row_best, words = log_p.topk(min(count, log_p.size(1)))
    paths = (total.unsqueeze(-1) + row_best.unflatten(0, (-1, total.size(1)))).flatten(1)
    score, path = paths.topk(min(count, paths.size(1)))
    return Paths(score, path // row_best.size(1), words.view_as(paths).gather(1, path))


class Trick(NamedTuple):
    """An optimization.

    Attributes:
        name: its name.
        models: the models in which it is measured.
        plain: what to replace to run without it, as owner, name and replacement.
        work: training or translating.
        prepare: changes a model so that it has the optimization.
    """

    name: str
    models: tuple[str, ...]
    plain: tuple[tuple[Any, str, Callable[..., Any]], ...]
    work: str = "training"
    prepare: Callable[[Seq2Seq], None] = lambda model: None


TANH = (
    (AdditiveScore, "project", lambda self, keys: self.key(keys)),
    (AdditiveScore, "forward", papers_score),
)
SOFTMAX = ((attention, "softmax", lambda scores: scores.softmax(-1)),)
TRICKS = (
    Trick("batches of similar length", ("transformer",), ((TokenBatches, "_cut", shuffled),)),
    Trick(
        "loss and its gradient in chunks",
        ("transformer", "bahdanau", "rnn"),
        ((base, "cross_entropy", all_logits),),
    ),
    Trick("dropout from random bytes", ("transformer",), ((Dropout, "forward", bernoulli),)),
    Trick("attention written out", ("transformer",), ((MultiHeadAttention, "forward", fused),)),
    Trick("sigmoid for tanh", ("bahdanau",), TANH),
    Trick("sigmoid for tanh", ("bahdanau",), TANH, "translating"),
    Trick("softmax of whole vectors", ("transformer",), SOFTMAX),
    Trick("softmax of whole vectors", ("transformer",), SOFTMAX, "translating"),
    Trick(
        "top-k of groups of words",
        ("transformer", "bahdanau"),
        ((beam, "best_paths", all_words),),
        "translating",
    ),
    Trick(
        "context products shared by a beam",
        ("bahdanau",),
        ((Bahdanau, "share", Autoregressive.share),),
        "translating",
    ),
    Trick("int8 output layer", ("transformer", "bahdanau"), (), "translating", use_int8_output),
)


@contextmanager
def without(trick: Trick) -> Iterator[None]:
    """Run the plain form."""
    with ExitStack() as patches:
        for owner, name, form in trick.plain:
            patches.enter_context(patch.object(owner, name, form))
        yield


def learner(name: str, words: list[str]) -> Learner:
    """A training of the reference sizes on one thread, ready to update."""
    own = [*bench.sizes(name, own=False), "trainer.threads=1", "trainer.accelerator=cpu"]
    config = train_arguments.config([f"name={name}", *own, *words])
    corpus = build("data", config.data)
    tokenizers = learn_tokenizers(corpus, config.tokenizer)
    made = Learner(devices.fabric(config.trainer), config, corpus, tokenizers)
    made.set_up()
    return made


def training(learner: Learner, step: int) -> float:
    """Target tokens a second of processor time, of one update."""
    drawn = learner.draw(bench.RATE, step)
    started = time.process_time()
    loss, tokens = learner.gradients(drawn)
    learner.update(loss)
    return tokens / (time.process_time() - started)


def translating(learner: Learner, step: int) -> float:
    """Sentences a second of processor time, other ones at each step."""
    first = step * bench.MEASURED_TOGETHER
    rows = learner.examples.usable.rows[first : first + bench.MEASURED_TOGETHER].tolist()
    model = learner.raw_model.eval()
    src = pad([learner.examples.encoded[row][0] for row in rows], model.special, end=True)
    search = bench.forced(model, BEAM)
    started = time.process_time()
    search(model, src, src != model.special.pad)
    return len(rows) / (time.process_time() - started)


WORK = {"training": training, "translating": translating}


def measure(trick: Trick, name: str, words: list[str]) -> dict[str, Any]:
    """One trick in one model."""
    with_it = learner(name, words)
    trick.prepare(with_it.raw_model)
    with without(trick):
        plain = learner(name, words)
    pairs, speed = [], WORK[trick.work]
    for step in range(ROUNDS + 1):
        fast = speed(with_it, step)
        with without(trick):
            pairs.append((fast, speed(plain, step)))
    gains = [fast / slow for fast, slow in pairs[1:]]
    assert all(math.isfinite(gain) for gain in gains)
    return {
        "trick": trick.name,
        "model": name,
        "work": trick.work,
        "with": statistics.median(fast for fast, _ in pairs[1:]),
        "without": statistics.median(slow for _, slow in pairs[1:]),
        "gain": statistics.median(gains),
        "spread": [min(gains), max(gains)],
    }


def main(out: Path, given: list[str]) -> None:
    """Measure all tricks, or those that are named."""
    words = [word for word in given if "=" in word]
    parts = [word for word in given if "=" not in word] or [""]
    chosen = [trick for trick in TRICKS if any(part in trick.name for part in parts)]
    todo = [(trick, name) for trick in chosen for name in trick.models]
    found = [
        measure(trick, name, words)
        for trick, name in track(todo, "tricks", total=len(todo), unit="tricks")
    ]
    facts = {"words": words, **provenance.environment()}
    write_json(out / "tricks.json", {"tricks": found, **facts})
    lines = ["| trick | model | work | without | with | gain | spread |"]
    lines += ["|:--|:--|:--|--:|--:|--:|--:|"]
    for one in found:
        low, high = one["spread"]
        lines.append(
            f"| {one['trick']} | {one['model']} | {one['work']} | {one['without']:,.0f} | "
            f"{one['with']:,.0f} | {one['gain']:.2f} | {low:.2f} to {high:.2f} |"
        )
    write_lines(out / "tricks.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
