"""Measure training speed on a device: one process measures one version of the package.

    python measure.py WHAT OUT.json [KEY=VALUE ...]

WHAT is `updates` (models, sizes and precisions), `compiled` (trainer.compile), `graphs` (whole
passes as CUDA graphs, an experiment that the package does not have), `marian` (the Transformer of
Hugging Face), or `decoding`. The words after it are those of `seq2seq train`, such as
data=files data.root=FOLDER. SMALL=1 measures for a moment only, to try this script on a CPU.

With GO=FILE in the environment, what takes long to begin (compiling, importing) is done first, and
the measurement waits for this file, so that others can be measured meanwhile.
"""

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
from seq2seq.text.batching import collate
from seq2seq.training.examples import learn_tokenizers
from seq2seq.training.learner import Learner

QUICK = os.environ.get("SMALL") == "1"
SECONDS, WINDOWS, WARM = (0.2, 1, 1) if QUICK else (0.5, 2, 12)
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
OUT = Path(sys.argv[2])
RESULTS: dict[str, Any] = {}
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


def measured(of: Any) -> dict[str, Any]:
    """Return the speed of updates of a configuration, and the peak memory."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    learner = made(of)
    found = rate(update_of(learner)) | {"parameters": learner.raw_model.parameter_count}
    if torch.cuda.is_available():
        found["peak_bytes"] = torch.cuda.max_memory_allocated()
    return found


def record(key: str, work: Any) -> None:
    """Keep what `work` returns, or the error that it raises; write all to the file."""
    started = time.perf_counter()
    try:
        RESULTS[key] = work()
    except Exception as error:  # the other measurements go on
        RESULTS[key] = {"error": f"{type(error).__name__}: {error}"[:600]}
    if isinstance(RESULTS[key], dict):
        RESULTS[key]["seconds_in_all"] = round(time.perf_counter() - started, 2)
    OUT.write_text(json.dumps(RESULTS, indent=1))
    print(key, json.dumps(RESULTS[key]), flush=True)


def profile(of: Any) -> dict[str, Any]:
    """Return kernels of an update, and the share of the time in which the GPU computes."""
    update, updates = update_of(made(of)), 2 if QUICK else 6
    for _ in range(WARM):
        update()
    synchronize()
    started = time.perf_counter()
    for _ in range(updates):
        update()
    synchronize()
    wall = time.perf_counter() - started
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        for _ in range(updates):
            update()
        synchronize()
    kernels = [e for e in seen.events() if str(e.device_type).endswith("CUDA")]
    busy = sum(e.time_range.elapsed_us() for e in kernels) / 1e6
    return {"kernels_per_update": len(kernels) / updates, "gpu_busy_share": busy / wall}


def updates() -> None:
    """Measure updates; the environment variable PART chooses `both` (old and new) or `new`."""
    part = os.environ.get("PART", "new")
    if torch.cuda.is_available() and part == "new":
        record("products", products)
    for sizes in ("family", "reference"):
        for name in SIZES:
            record(f"{sizes} {name} 32-true", lambda n=name, s=sizes: measured(config(n, s)))
    if part != "new":
        return
    for name in SIZES:
        record(f"profile family {name}", lambda n=name: profile(config(n, "family")))
    gpu = torch.cuda.is_available()
    for sizes, variants in (
        ("reference", [["trainer.tf32=true"]] if gpu else []),
        ("reference", [["trainer.precision=bf16-mixed"]]),
        ("reference", [["trainer.precision=bf16-mixed", "deterministic=false"]]),
        ("family", [["deterministic=false"]]),
    ):
        for words in variants:
            for name in SIZES:
                key = f"{sizes} {name} {' '.join(words)}"
                record(key, lambda n=name, s=sizes, w=words: measured(config(n, s, *w)))


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
    """Measure trainer.compile; all is compiled before the wait for GO."""
    ready = {}
    for sizes, more in (
        ("reference", []),
        ("family", []),
        ("reference", ["trainer.precision=bf16-mixed"]),
    ):
        key = f"{sizes} transformer compile {' '.join(more)}".strip()

        def warm(key: str = key, sizes: str = sizes, more: Any = more) -> dict[str, Any]:
            of = config("transformer", sizes, "trainer.compile=true", *more)
            update, started = update_of(made(of)), time.perf_counter()
            for _ in range(1 if QUICK else 25):
                update()
            synchronize()
            ready[key] = update
            return {"seconds_to_begin": time.perf_counter() - started}

        record(f"{key}, beginning", warm)
    wait_for_go()
    for key, update in ready.items():
        record(key, lambda u=update: rate(u))


def graphs() -> None:
    """Measure forward and backward passes of one shape: eager, and replayed as one CUDA graph."""
    for sizes, name in (
        ("family", "transformer"),
        ("reference", "transformer"),
        ("family", "bahdanau"),
        ("reference", "bahdanau"),
        ("family", "rnn"),
    ):
        record(f"{sizes} {name} one shape", lambda s=sizes, n=name: graph(config(n, s)))


def graph(of: Any) -> dict[str, Any]:
    """Return passes a second of a batch of full rows, eager and replayed."""
    from seq2seq.layers.recurrent import Recurrence

    learner = made(of)
    model, length = learner.raw_model.train(), 24
    rows = of.train.batch_tokens // (length + 1)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 900, (rows, 2, length), generator=generator).tolist()
    batch = collate([(source, target) for source, target in ids], model.special)
    batch = batch.to(learner.fabric.device)

    def read(self: Any, x: Any, mask: Any, lengths: Any = None) -> Any:
        states, last = self.network(x)  # all rows are full
        return states, self._joined(last).unflatten(1, (-1, self.directions))

    Recurrence.read = read

    def one() -> int:
        (model.loss(batch, 0.0) / batch.num_tokens).backward()
        return batch.num_tokens

    found = {"eager": rate(one)}
    if torch.cuda.is_available():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                one()
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            one()

        def replay() -> int:
            captured.replay()
            return batch.num_tokens

        found["graph"] = rate(replay)
    return found


def marian() -> None:
    """Measure Marian of Hugging Face in the sizes of the reference Transformer."""
    from transformers import MarianConfig, MarianMTModel

    of = config("transformer", "reference")
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
    for name in SIZES:
        learner = made(config(name, "reference"))
        model, (src,) = learner.raw_model.eval(), sentences(learner)
        for beam in bench.BEAMS:
            for size in (64, 1024):
                batches, search = src.split(size), bench.forced(model, beam)

                def work(m: Any = model, b: Any = batches, s: Any = search) -> int:
                    for one in b:
                        s(m, one, one != m.special.pad)
                    return sum(map(len, b))

                record(f"{name} beam {beam} batch {size}", lambda w=work: rate(w, warm=1))


if __name__ == "__main__":
    {f.__name__: f for f in (updates, compiled, graphs, marian, decoding)}[sys.argv[1]]()
