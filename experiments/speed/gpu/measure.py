"""Measure training speed on a device: one process measures one version of the package.

    python measure.py WHAT OUT.json [KEY=VALUE ...]

WHAT is `updates` (models, sizes and precisions, with and without CUDA graphs), `plain` (those that
earlier versions have too), `compiled` (trainer.compile), `marian` (the Transformer of Hugging
Face), `decoding`, or `pieces`, which writes the text and the sizes for eole_training.py to the
folder OUT. The words after it are those of `seq2seq train`, such as data=files data.root=FOLDER.
SMALL=1 measures for a moment only, to try this script on a CPU.

With GO=FILE in the environment, what takes long to begin (compiling, importing) is done first, and
the measurement waits for this file, so that others can be measured meanwhile.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F

from seq2seq.commands import bench
from seq2seq.settings import train_arguments
from seq2seq.settings.plugins import build
from seq2seq.system import devices
from seq2seq.training.examples import learn_tokenizers
from seq2seq.training.learner import Learner

QUICK = os.environ.get("SMALL") == "1"
SECONDS, WINDOWS, WARM = (0.2, 1, 1) if QUICK else (0.5, 2, 12)
BATCHES = 1 if QUICK else 30  # of each training; the same ones in every pass
GRAPHS, EAGER = "trainer.cuda_graphs=true", "trainer.cuda_graphs=false"
FAMILY = ["experiment=demo", "train.batch_tokens=1280", "train.schedule=constant"]
SIZES = {  # 2.5 million parameters with 4,000 pieces, as in experiments/family
    "rnn": ["model.dim=246", "model.embedding=128", "model.readout_dim=128"],
    "bahdanau": [
        *("model.dim=180", "model.embedding=128", "model.align_dim=128", "model.readout_dim=128")
    ],
    "transformer": [
        *("model.dim=160", "model.encoder_layers=3", "model.decoder_layers=3"),
        "model.feed_forward=480",
    ],
}
ORDER = ("transformer", "bahdanau", "rnn")
OUT = Path(sys.argv[2])
RESULTS: dict[str, Any] = json.loads(OUT.read_text("utf-8")) if OUT.is_file() else {}
WORDS = sys.argv[3:]


def config(name: str, sizes: str, *more: str) -> Any:
    """Return the configuration of a model of the family or of the reference sizes."""
    if sizes == "family":
        words = [*FAMILY, f"model={name}", *SIZES[name]]
    else:
        words = bench.sizes(name, own=False)
    return train_arguments.config([f"name=measure-{name}", *words, *WORDS, *more])


def made(of: Any) -> Learner:
    """Return a learner that is ready for updates."""
    corpus, fabric = build("data", of.data), devices.fabric(of.trainer)
    devices.set_determinism(of.deterministic, compiled=of.trainer.compile)
    learner = Learner(fabric, of, corpus, learn_tokenizers(corpus, of.tokenizer))
    learner.set_up()
    return learner


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def rate(work: Any, warm: int = WARM) -> dict[str, Any]:
    """Return calls of `work` a second, and the sum of what it returns a second: medians."""
    for _ in range(warm):
        work()
    synchronize()
    calls, totals = [], []
    for _ in range(WINDOWS):
        started, count, total = time.perf_counter(), 0, 0
        while time.perf_counter() - started < SECONDS:
            total += work()
            count += 1
        synchronize()
        seconds = time.perf_counter() - started
        calls.append(count / seconds)
        totals.append(total / seconds)
    return {"updates_per_second": median(calls), "tokens_per_second": median(totals)}


def wait_for_go() -> None:
    """Wait for the file named by GO, if it is set."""
    if go := os.environ.get("GO"):
        while not Path(go).exists():
            time.sleep(0.05)


def update_of(learner: Learner) -> Any:
    """Return a function that does one update and returns its number of target tokens."""
    step = 0

    def update() -> int:
        nonlocal step
        step += 1
        loss, tokens = learner.gradients(learner.draw(1e-7, step))
        learner.update(loss)
        return tokens

    return update


class Passes:
    """Passes over the first batches of a training, one update for each.

    With CUDA graphs, the first pass records a graph for each shape.
    """

    def __init__(self, of: Any) -> None:
        self.learner = made(of)
        self.start = self.learner.batches.state_dict()
        self.update = update_of(self.learner)
        started = time.perf_counter()
        self.run(BATCHES if self.graphs is not None else min(BATCHES, WARM))
        self.first = time.perf_counter() - started

    @property
    def graphs(self) -> Any:
        """The graphs of the training; None without them, and in versions that have none."""
        return getattr(getattr(self.learner, "passes", None), "graphs", None)

    def run(self, updates: int = BATCHES) -> tuple[float, int]:
        """Update on the first batches; return the seconds and the number of target tokens."""
        self.learner.batches.load_state_dict(self.start)
        if ahead := getattr(self.learner, "ahead", None):
            ahead.restart()
        synchronize()
        started = time.perf_counter()
        tokens = sum(self.update() for _ in range(updates))
        synchronize()
        return time.perf_counter() - started, tokens


def speed(passes: list[tuple[float, int]]) -> dict[str, Any]:
    """Return the speed of passes, of which each is given as its seconds and tokens."""
    return {
        "updates_per_second": median(BATCHES / seconds for seconds, _ in passes),
        "tokens_per_second": median(tokens / seconds for seconds, tokens in passes),
        "passes": len(passes),
    }


def measured(of: Any) -> dict[str, Any]:
    """Return the speed of updates of a configuration, its graphs, and the peak memory."""
    gpu = torch.cuda.is_available()
    if gpu:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    passes, found = Passes(of), []
    while len(found) < WINDOWS or sum(seconds for seconds, _ in found) < SECONDS * WINDOWS:
        found.append(passes.run())
    entry = speed(found) | {"parameters": passes.learner.raw_model.parameter_count}
    if passes.graphs is not None:
        recorded = len(passes.graphs.recorded)
        usual = median(seconds for seconds, _ in found)
        entry |= {"graphs": recorded, "seconds_per_graph": (passes.first - usual) / recorded}
    if gpu:
        entry["peak_bytes"] = torch.cuda.max_memory_allocated()
        entry["peak_bytes_reserved"] = torch.cuda.max_memory_reserved()
    return entry


def record(key: str, work: Any) -> None:
    """Keep what `work` returns, or the error that it raises; write all to the file.

    What the file has already is not measured again.
    """
    if key in RESULTS:
        return
    started = time.perf_counter()
    try:
        RESULTS[key] = work()
    except Exception as error:  # the other measurements go on
        RESULTS[key] = {"error": f"{type(error).__name__}: {error}"[:600]}
    if isinstance(RESULTS[key], dict):
        RESULTS[key]["seconds_in_all"] = round(time.perf_counter() - started, 2)
    OUT.write_text(json.dumps(RESULTS, indent=1))
    print(key, json.dumps(RESULTS[key]), flush=True)
    if "error" in RESULTS[key]:
        try:
            synchronize()
        except RuntimeError:  # some errors of CUDA leave a process unusable: begin another
            sys.exit(3)


def profile(of: Any) -> dict[str, Any]:
    """Return kernels of an update, and the share of the time in which the GPU computes."""
    passes = Passes(of)
    wall, _ = passes.run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        passes.run()
    kernels = [e for e in seen.events() if str(e.device_type).endswith("CUDA")]
    busy = sum(e.time_range.elapsed_us() for e in kernels) / 1e6
    return {"kernels_per_update": len(kernels) / BATCHES, "gpu_busy_share": busy / wall}


def plain() -> None:
    """Measure updates of both sizes with the defaults of the version."""
    for name in ORDER:
        for sizes in ("family", "reference"):
            record(f"{sizes} {name}", lambda n=name, s=sizes: measured(config(n, s)))


def updates() -> None:
    """Measure updates with and without CUDA graphs, then in other precisions with them."""
    gpu = torch.cuda.is_available()
    both = [[GRAPHS], [EAGER]] if gpu else [[EAGER]]
    cases = [(s, n, w) for n in ORDER for s in ("family", "reference") for w in both]
    others = [["trainer.precision=bf16-mixed"], ["deterministic=false"]]
    if gpu:
        others.insert(1, ["trainer.tf32=true"])
    for sizes, name, words in cases:
        record(key(sizes, name, words), lambda s=sizes, n=name, w=words: measured(config(n, s, *w)))
    if gpu:
        record("products", products)
    for sizes in ("family", "reference"):
        for words in both:
            record(
                "profile " + key(sizes, "transformer", words),
                lambda s=sizes, w=words: profile(config("transformer", s, *w)),
            )
    for name in ORDER:
        for words in others:
            more = [*both[0], *words]
            record(
                key("reference", name, more),
                lambda n=name, w=more: measured(config(n, "reference", *w)),
            )


def key(sizes: str, name: str, words: list[str]) -> str:
    """Return the name of a measurement."""
    return " ".join([sizes, name, *words])


def products() -> dict[str, Any]:
    """Return TFLOP/s of products of 8192 x 8192 matrices."""
    found = {}
    for name, kind, tf32 in (
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        left, right = (torch.randn(8192, 8192, device="cuda", dtype=kind) for _ in range(2))
        for _ in range(3):
            left @ right
        synchronize()
        started = time.perf_counter()
        for _ in range(10):
            left @ right
        synchronize()
        found[name] = 2 * 8192**3 * 10 / (time.perf_counter() - started) / 1e12
    torch.set_float32_matmul_precision("highest")
    return found


def compiled() -> None:
    """Measure trainer.compile, which compiles before the wait for GO."""
    name, ready = "reference transformer trainer.compile=true", list[Passes]()

    def warm() -> dict[str, Any]:
        started = time.perf_counter()
        ready.append(Passes(config("transformer", "reference", "trainer.compile=true")))
        ready[0].run()
        return {"seconds_to_begin": time.perf_counter() - started}

    record(f"{name}, beginning", warm)
    wait_for_go()
    if ready:
        record(name, lambda: speed([ready[0].run() for _ in range(WINDOWS)]))


def marian() -> None:
    """Measure Marian of Hugging Face in the sizes of the reference Transformer."""
    from transformers import MarianConfig, MarianMTModel

    of = config("transformer", "reference", EAGER)  # batches without the padding of graphs
    learner, keys = made(of), of.model
    sizes = MarianConfig(
        vocab_size=learner.raw_model.output_layer.weight.size(0),
        d_model=keys["dim"],
        encoder_layers=keys["encoder_layers"],
        decoder_layers=keys["decoder_layers"],
        encoder_attention_heads=keys["heads"],
        decoder_attention_heads=keys["heads"],
        encoder_ffn_dim=keys["feed_forward"],
        decoder_ffn_dim=keys["feed_forward"],
        dropout=keys["dropout"],
        activation_function="relu",
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
    )
    device = learner.fabric.device
    model = MarianMTModel(sizes).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-7, fused=True)
    drawn = [one.batch for step in range(2 if QUICK else 40) for one in learner.draw(1e-7, step)]
    drawn = [one.to(device) for one in drawn]
    number, half = 0, False

    def update() -> int:
        nonlocal number
        batch = drawn[number % len(drawn)]
        number += 1
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = model(
                input_ids=batch.src,
                attention_mask=batch.src_mask.long(),
                decoder_input_ids=batch.tgt_in,
            ).logits
            loss = F.cross_entropy(
                logits.flatten(0, 1).float(), batch.tgt_out.flatten(), ignore_index=batch.pad
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        return batch.num_tokens

    wait_for_go()
    parameters = sum(p.numel() for p in model.parameters())
    record("marian 32-true", lambda: rate(update) | {"parameters": parameters})
    half = True
    record("marian bf16-mixed", lambda: rate(update))
    model.eval()
    sources = sentences(learner)

    def translate() -> int:
        for src in sources:
            with torch.inference_mode():
                model.generate(
                    src,
                    attention_mask=(src != 0).long(),
                    num_beams=1,
                    do_sample=False,
                    max_new_tokens=bench.FORCED,
                    min_new_tokens=bench.FORCED,
                )
        return sum(map(len, sources))

    record("marian greedy sentences", lambda: rate(translate, warm=1))


def sentences(learner: Learner) -> list[torch.Tensor]:
    """Return sources of 1,024 sentences in one batch, or fewer on a CPU."""
    from seq2seq.text.batching import pad

    count = 1024 if torch.cuda.is_available() else 16
    rows = learner.examples.usable.rows[:count].tolist()
    ids = sorted((learner.examples.encoded[row][0] for row in rows), key=len)
    return [pad(ids, learner.raw_model.special, end=True).to(learner.fabric.device)]


def decoding() -> None:
    """Measure decoding of the reference sizes, in batches of 64 and of 1,024 sentences."""
    for name in ORDER:
        learner = made(config(name, "reference", EAGER))
        model, (src,) = learner.raw_model.eval(), sentences(learner)
        for beam in bench.BEAMS:
            for size in (64, 1024):
                batches, search = src.split(size), bench.forced(model, beam)

                def work(m: Any = model, b: Any = batches, s: Any = search) -> int:
                    for one in b:
                        s(m, one, one != m.special.pad)
                    return sum(map(len, b))

                record(f"{name} beam {beam} batch {size}", lambda w=work: rate(w, warm=1))


def pieces() -> None:
    """Write the pieces of the training text, the vocabulary and the sizes, for eole_training.py."""
    of = config("transformer", "reference")
    corpus = build("data", of.data)
    tokenizers = learn_tokenizers(corpus, of.tokenizer)
    learner = Learner(devices.fabric(of.trainer), of, corpus, tokenizers)
    encoded, known = learner.examples.encoded, learner.examples.tokenizers
    rows = learner.examples.usable.rows.tolist()
    OUT.mkdir(parents=True, exist_ok=True)
    for side, name, tokenizer in ((0, "source", known.source), (1, "target", known.target)):
        lines = [" ".join(tokenizer.pieces(encoded[row][side].tolist())) for row in rows]
        (OUT / name).write_text("\n".join(lines) + "\n", "utf-8")
    words = known.source.vocabulary[4:]  # after the special pieces, which eole adds
    (OUT / "vocabulary").write_text("\n".join(words) + "\n", "utf-8")
    keys = {"model": dict(of.model), "train": vars(of.train), "seed": of.seed, "pairs": len(rows)}
    (OUT / "sizes.json").write_text(json.dumps(keys, default=list), "utf-8")


if __name__ == "__main__":
    {f.__name__: f for f in (updates, plain, compiled, marian, decoding, pieces)}[sys.argv[1]]()
