"""Train a Transformer with eole for a moment, to measure its updates.

    python eole_training.py OUT.json FOLDER PRECISION

FOLDER is written by `measure.py pieces`: the pieces of the training text, the vocabulary, and the
sizes of the model. PRECISION is eole's `training.compute_dtype`: fp32 or bf16. The batches are
eole's own, of the same number of tokens. With GO=FILE in the environment, the measurement waits
for this file after the first updates.

eole starts processes that read the text, and each of them imports this script.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

QUICK = os.environ.get("SMALL") == "1"
FIRST, WARM, SECONDS, WINDOWS = (1, 1, 0.2, 1) if QUICK else (5, 40, 0.75, 2)


class MeasuredError(Exception):
    """The measurement is complete; ends eole's training."""


def configuration(folder: Path, precision: str) -> Any:
    """Return eole's configuration of the sizes in FOLDER."""
    from eole.config.run import TrainConfig

    keys = json.loads((folder / "sizes.json").read_text("utf-8"))
    model, train = keys["model"], keys["train"]
    gpu = {"world_size": 1, "gpu_ranks": [0]} if torch.cuda.is_available() else {}
    return TrainConfig(
        src_vocab=str(folder / "vocabulary"),
        share_vocab=True,
        data={"corpus": {"path_src": str(folder / "source"), "path_tgt": str(folder / "target")}},
        seed=keys["seed"],
        model={
            "architecture": "transformer",
            "hidden_size": model["dim"],
            "encoder": {"layers": model["encoder_layers"]},
            "decoder": {"layers": model["decoder_layers"]},
            "heads": model["heads"],
            "transformer_ff": model["feed_forward"],
            "add_qkvbias": True,
            "add_final_linear_bias": True,
            "add_ffnbias": True,
            "generator_bias": True,
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "embeddings": {
                "word_vec_size": model["dim"],
                "position_encoding": True,
                "position_encoding_type": "SinusoidalInterleaved",
            },
        },
        training={
            "model_path": str(folder / "model"),
            "batch_type": "tokens",
            "batch_size": train["batch_tokens"],
            "bucket_size": 2000 if QUICK else keys["pairs"],
            "normalization": "tokens",
            "optim": "adam",
            "adam_beta1": train["betas"][0],
            "adam_beta2": train["betas"][1],
            "adam_eps": train["eps"],
            "learning_rate": 1e-7,
            "max_grad_norm": train["clip_norm"],
            "label_smoothing": train["label_smoothing"],
            "dropout": [model["dropout"]],
            "attention_dropout": [model["attention_dropout"]],
            "param_init_method": "xavier_uniform",
            "compute_dtype": precision,
            **gpu,
        },
    )


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class Timer:
    """Counts updates and target tokens in windows of time, then raises MeasuredError."""

    def __init__(self) -> None:
        self.count, self.skip, self.waited = 0, FIRST, False
        self.windows: list[tuple[float, float]] = []

    def after_update(self, tokens: int) -> None:
        """Count an update; `tokens` is the number of all target tokens so far."""
        self.count += 1
        if self.count == self.skip:
            if not self.waited:
                self.wait_for_go()
                self.skip, self.waited = self.count + WARM, True
            else:
                self.begin(tokens)
        elif self.count > self.skip and time.perf_counter() - self.began[0] >= SECONDS:
            synchronize()
            seconds = time.perf_counter() - self.began[0]
            updates, more = self.count - self.began[1], tokens - self.began[2]
            self.windows.append((updates / seconds, more / seconds))
            if len(self.windows) == WINDOWS:
                raise MeasuredError
            self.begin(tokens)

    def begin(self, tokens: int) -> None:
        """Begin a window."""
        synchronize()
        self.began = time.perf_counter(), self.count, tokens

    def wait_for_go(self) -> None:
        """Wait for the file named by GO, if it is set."""
        synchronize()
        while (go := os.environ.get("GO")) and not Path(go).exists():
            time.sleep(0.05)


def main(out: Path, folder: Path, precision: str) -> dict[str, Any]:
    """Measure the updates of a training, and return what was measured."""
    import eole.trainer
    from eole.train_single import main as train

    timer, step, found = Timer(), eole.trainer.Trainer._train_step, dict[str, Any]()
    kind = "cuda" if torch.cuda.is_available() else "cpu"

    def seen(*_: Any) -> None:  # outside of the forward pass, torch names its default
        on = torch.is_autocast_enabled(kind)
        found["autocast"] = str(torch.get_autocast_dtype(kind)) if on else None

    def timed(self: Any, batches: Any, normalization: Any, total: Any, *rest: Any, **more: Any):
        if not timer.count:
            found["parameters"] = sum(p.numel() for p in self.model.parameters())
            self.model.register_forward_pre_hook(seen)
        step(self, batches, normalization, total, *rest, **more)
        timer.after_update(total.n_tokens)

    eole.trainer.Trainer._train_step = timed
    with contextlib.suppress(MeasuredError):
        train(configuration(folder, precision), 0 if torch.cuda.is_available() else -1)
    rates, tokens = zip(*timer.windows, strict=True)
    found |= {"updates_per_second": median(rates), "tokens_per_second": median(tokens)}
    if torch.cuda.is_available():
        found["peak_bytes"] = torch.cuda.max_memory_allocated()
    return found


if __name__ == "__main__":
    path, given, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    try:
        entry = main(path, given, kind)
    except Exception as error:  # the other precision goes on
        entry = {"error": f"{type(error).__name__}: {error}"[:600]}
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(results | {f"eole {kind}": entry}, indent=1), "utf-8")
    print(f"eole {kind}", json.dumps(entry), flush=True)
