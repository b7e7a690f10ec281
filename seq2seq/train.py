"""The training loop: one for all variants."""

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from seq2seq import runtime
from seq2seq.batching import Batch, TokenBatches
from seq2seq.checkpoints import Checkpoints
from seq2seq.config import Config, build
from seq2seq.corpora import Corpus
from seq2seq.errors import UserError
from seq2seq.journal import Journal
from seq2seq.optimise import Budget, Schedule, make_optimizer
from seq2seq.prepare import Examples, golds, heldout, learn_tokenizers, tell_overlap
from seq2seq.progress import console, training_bar
from seq2seq.run import open_folder
from seq2seq.search import Search
from seq2seq.tokenizer import Tokenizers
from seq2seq.validate import Validator
from seq2seq.weights import build_model, save_weights, set_weights


def train(config: Config) -> Path:
    """Train one model and return its run folder.

    Raises:
        UserError: the corpus, the configuration or the machine does not allow it, the run folder
            is taken, or the loss is no longer a number.
        KeyboardInterrupt: Ctrl-C ended it; the best model so far is in the run folder.
    """
    folder = Path(config.runs_dir) / config.name
    fabric = runtime.fabric(
        config.trainer, tensorboard=folder if config.train.tensorboard else None
    )
    corpus: Corpus = build("data", config.data)
    search: Search = build("search", config.search)
    if runtime.first_process():
        # All that can be refused is refused before there is a folder, and before other processes.
        if not config.fresh and folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"{folder} already holds a run: choose another name=, or give fresh=true to move "
                "it aside"
            )
        console.print(f"run folder: {folder}")
        tokenizers = learn_tokenizers(corpus, config.tokenizer)
        training = Training(fabric, config, corpus, search, tokenizers)
        layout = dataclasses.asdict(config), heldout(corpus), golds(corpus)
        tell_overlap(training.examples.text, layout[1])
        if moved := open_folder(folder, *layout):
            console.print(f"the older run was moved to {moved}")
        tokenizers.save(folder)
        fabric.launch()
        fabric.barrier()
    else:
        fabric.launch()
        fabric.barrier()
        training = Training(fabric, config, corpus, search, Tokenizers.load(folder))
    training.begin(folder)
    try:
        training.run()
    finally:
        training.journal.close()
    training.journal.summarise()
    if training.stop_asked:
        raise KeyboardInterrupt
    return folder


class Training:
    """A run in progress: everything that changes while it trains."""

    def __init__(
        self,
        fabric: Fabric,
        config: Config,
        corpus: Corpus,
        search: Search,
        tokenizers: Tokenizers,
    ) -> None:
        self.fabric, self.config, self.settings = fabric, config, config.train
        self.corpus, self.tokenizers = corpus, tokenizers
        self.examples = Examples.prepare(
            corpus, tokenizers, sampling=config.tokenizer.sampling, seed=config.seed
        )
        self.validator = Validator(corpus, tokenizers, search)
        self.batches = TokenBatches(
            self.examples.usable.rows,
            self.examples.encoded.source_lengths,
            self.examples.encoded.target_lengths,
            budget=self.settings.batch_tokens,
            seed=config.seed,
            ranks=config.trainer.devices,
        )
        torch.manual_seed(config.seed)  # every process begins with the same weights
        self.bare = build_model(config.model, tokenizers)
        self.optimizer = make_optimizer(self.bare.parameters(), self.settings)
        self.schedule = Schedule(self.settings)
        self.budget = Budget(
            self.settings.max_steps, self.settings.max_epochs, self.settings.max_minutes
        )
        self.step, self.target_tokens, self.spent = 0, 0, 0.0
        self.stop_asked = False

    def begin(self, folder: Path) -> None:
        """Take this process's place among all, and open the records; the clock starts here."""
        fabric = self.fabric
        self.batches.rank, self.batches.ranks = fabric.global_rank, fabric.world_size
        self.model, self.optimizer = fabric.setup(self.bare, self.optimizer)
        self.model.mark_forward_method("loss")
        torch.manual_seed(self.config.seed + fabric.global_rank)  # of dropout: each its own
        self.checkpoints = Checkpoints(
            folder,
            by=self.settings.validate_by,
            count=self.settings.average,
            of=self.settings.average_of,
        )
        self.began, self.validating = time.perf_counter(), 0.0  # seconds
        self.journal = Journal(fabric, folder, self.config, self.facts())
        self.journal.introduce()

    def run(self) -> None:
        """Train until the budget is spent, patience ends, or somebody asks to stop."""
        settings, stream = self.settings, iter(self.batches)
        losses, tokens_heard, mark = [], 0, self.training_seconds
        with asked_to_stop(self), training_bar(self.journal.speaks) as progress:
            task = progress.add_task("training", total=1.0, speed=0.0)
            while True:
                # 1. set the learning rate
                rate = self.schedule.rate(self.step + 1, self.spent)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate

                # 2. forward and backward, over as many batches as make an update
                batches = [self.next_batch(stream) for _ in range(settings.accumulate)]
                tokens = self.over_processes(sum(batch.num_tokens for batch in batches))
                for i, batch in enumerate(batches, 1):
                    with self.fabric.no_backward_sync(self.model, enabled=i < len(batches)):
                        loss = self.model.loss(
                            batch.to(self.fabric.device), settings.label_smoothing
                        )
                        # Processes average their gradients, but the loss is a mean over tokens.
                        self.fabric.backward(loss * (self.fabric.world_size / tokens))
                    losses.append(loss.detach())

                # 3. clip and update
                norm: Any = self.fabric.clip_gradients(
                    self.model,
                    self.optimizer,
                    max_norm=settings.clip_norm or math.inf,
                    error_if_nonfinite=False,
                )
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.step += 1
                self.target_tokens += tokens
                tokens_heard += tokens
                self.spent = self.agreed(
                    self.budget.spent(self.step, self.batches.epochs, self.minutes)
                )

                # 4. log
                if self.step % settings.log_every == 0:
                    speed = tokens_heard / (self.training_seconds - mark)
                    total = self.over_processes(float(torch.stack(losses).sum()))
                    self.tell(total / tokens_heard, rate, float(norm), speed)
                    progress.update(
                        task, description=f"loss {total / tokens_heard:.3f}", speed=speed
                    )
                    losses, tokens_heard, mark = [], 0, self.training_seconds
                progress.update(task, completed=self.spent)

                # 5. validate, and decide whether to go on
                stop_asked, over = self.agreed(self.stop_asked), self.spent >= 1
                if not stop_asked and (over or self.step % settings.validate_every == 0):
                    over |= self.validate()
                if stop_asked or over:
                    break
        self.finish("interrupted" if stop_asked else "finished")

    def validate(self) -> bool:
        """Look at the validation set, keep what is worth it; whether patience has ended."""
        started = time.perf_counter()
        if self.fabric.is_global_zero:
            found = self.validator.look(self.bare, self.step)
            best = self.checkpoints.add(self.bare, found)
            self.schedule.falls += not best
            seconds = time.perf_counter() - started
            self.journal.found(found, best=best, minutes=self.minutes, seconds=seconds)
            self.journal.update(**self.progress_so_far())
        self.schedule.falls = self.agreed(self.schedule.falls)
        self.validating += time.perf_counter() - started
        patience = self.settings.patience
        return self.agreed(patience is not None and self.checkpoints.in_vain >= patience)

    def finish(self, status: str) -> None:
        """Leave the best weights in the run folder, averaged where that is asked for and better."""
        kept = self.checkpoints
        if self.fabric.is_global_zero:
            if kept.best is None:
                save_weights(self.bare, kept.model)
            elif kept.count > 1 and len(kept.chosen()) > 1:
                set_weights(self.bare, kept.averaged(), kept.path(kept.chosen()[0]))
                steps = ", ".join(str(found.step) for found in kept.chosen())
                found, single = self.validator.look(self.bare, self.step), kept.best
                better = found.worth(kept.by) > single.worth(kept.by)
                self.journal.say(
                    f"the average of steps {steps} has loss {found.loss:.3f} and BLEU "
                    f"{found.bleu:.2f}: {'kept' if better else f'step {single.step} is better'}"
                )
                self.journal.update(average={**vars(found), "of": steps, "kept": better})
                if better:
                    kept.best = found
                    save_weights(self.bare, kept.model)
            self.journal.update(status=status, **self.progress_so_far())
        self.fabric.barrier()

    # What the loop asks for

    def next_batch(self, stream: Iterator[Any]) -> Batch:
        """The next batch of this process."""
        rows = next(stream)
        return self.examples.batch(
            rows, (self.batches.epoch, self.batches.position, self.fabric.global_rank)
        )

    def tell(self, loss: float, rate: float, norm: float, speed: float) -> None:
        """Log the mean loss since the last time; stop where it is no number."""
        self.journal.log(
            self.step,
            {
                "epoch": self.batches.epochs,
                "loss": loss,
                "learning_rate": rate,
                "gradient_norm": norm,
                "tokens_per_second": speed,
                "minutes": self.minutes,
            },
        )
        if not math.isfinite(loss):
            self.journal.update(**self.progress_so_far())
            raise UserError(
                f"the loss is {loss} at step {self.step}: lower train.learning_rate or set "
                f"train.clip_norm (what was best before is kept in {self.checkpoints.folder})"
            )

    @property
    def minutes(self) -> float:
        """Since training began, validation included."""
        return (time.perf_counter() - self.began) / 60

    @property
    def training_seconds(self) -> float:
        """Since training began, without validation."""
        return time.perf_counter() - self.began - self.validating

    def progress_so_far(self) -> dict[str, Any]:
        """What run.json says of the training itself."""
        best = self.checkpoints.best
        return {
            "steps": self.step,
            "epochs": self.batches.epochs,
            "minutes": self.minutes,
            "target_tokens": self.target_tokens,
            "target_tokens_per_second": self.target_tokens / self.training_seconds,
            "best": None if best is None else vars(best),
        }

    def facts(self) -> dict[str, Any]:
        """What run.json says of corpus and model."""
        used = self.examples.usable
        return {
            "parameters": self.bare.parameter_count,
            "model": {
                "kind": type(self.bare).__name__,
                "source_vocab": len(self.tokenizers.source),
                "target_vocab": len(self.tokenizers.target),
                "shared_vocab": self.tokenizers.shared,
            },
            "tokenizer": {
                "source": self.tokenizers.source.fingerprint,
                "target": self.tokenizers.target.fingerprint,
            },
            "data": {
                "source": self.corpus.source,
                "target": self.corpus.target,
                "train": {
                    "sha256": self.examples.text.fingerprint,
                    "pairs": len(self.examples.text),
                    "used": len(used.rows),
                    "empty": used.empty,
                    "too_long": used.too_long,
                    "batches": len(self.batches),
                    "padding": self.batches.padding,
                },
                "validation": {
                    "sha256": self.validator.text.fingerprint,
                    "pairs": len(self.validator.text),
                },
            },
        }

    def agreed(self, value: Any) -> Any:
        """The first process's word, so that all do the same."""
        return self.fabric.broadcast(value) if self.fabric.world_size > 1 else value

    def over_processes(self, value: int | float) -> Any:
        """The sum over all processes."""
        if self.fabric.world_size == 1:
            return value
        total: Any = self.fabric.all_reduce(
            torch.tensor(value, dtype=torch.float64), reduce_op="sum"
        )
        return type(value)(total)


@contextmanager
def asked_to_stop(training: Training) -> Iterator[None]:
    """Inside, Ctrl-C asks to stop after the update in progress; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, frame: Any) -> None:
        training.stop_asked = True
        training.journal.say("stopping after this update; Ctrl-C again stops at once")
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
