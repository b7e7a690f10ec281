"""The training loop: one for all variants."""

import dataclasses
import math
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from seq2seq.config import Config, build
from seq2seq.corpora import Corpus, Text
from seq2seq.errors import UserError
from seq2seq.runs.folder import create_run, move_aside, write_config
from seq2seq.runs.weights import save_weights, set_weights
from seq2seq.scoring import metrics
from seq2seq.search.base import Search
from seq2seq.system import devices, energy, isolation, provenance, threads
from seq2seq.system.console import console, track, training_bar
from seq2seq.system.files import drop_partial, read_back
from seq2seq.system.lock import LOCK, exclusive_writer
from seq2seq.system.memory import PeakMemory
from seq2seq.system.processes import ended_together
from seq2seq.system.signals import StopSignals
from seq2seq.text import word_counts
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training import resume
from seq2seq.training.checkpoints import Checkpoints
from seq2seq.training.examples import (
    gold_alignments,
    held_out_texts,
    learn_tokenizers,
    print_overlap,
    refuse_test_on_train,
    tell_markup,
)
from seq2seq.training.learner import DrawnBatch, Learner
from seq2seq.training.log import TrainingLog
from seq2seq.training.optimizer import Budget, Schedule
from seq2seq.training.resume import EarlierRun
from seq2seq.training.round_trip import Loss, by_vocabulary, sentences
from seq2seq.training.state import Progress, Save, Saves, read_fields
from seq2seq.training.validation import Validator


def train(config: Config) -> Path:
    """Train one model, or go on where an earlier process stopped, and return the run folder.

    What it sets in this process (threads, deterministic operations, random states, environment) is
    as before afterwards, so that several trainings in one process do not depend on their order.

    Raises:
        UserError: the corpus, the configuration or the machine does not allow it, the folder is
            another run's or another process's, the disk is full, or what is learned is no number.
        KeyboardInterrupt: Ctrl-C ended it; the same command goes on.
        SystemExit: SIGTERM or SIGHUP ended it, likewise.
    """
    with isolation.restored(compiled=config.trainer.compile):
        return train_here(config)


def train_here(config: Config) -> Path:
    """The same, and this process is left as the training needed it."""
    folder = Path(config.runs_dir) / config.name
    if (count := threads.given(config)) is not None:
        torch.set_num_threads(count)
    fabric = devices.fabric(
        config.trainer, tensorboard=folder if config.train.tensorboard else None
    )
    devices.set_determinism(config.deterministic)
    if not devices.first_process():
        return follow(fabric, config, folder, count)
    memory = PeakMemory(fabric.device)
    corpus: Corpus = build("data", config.data)
    search: Search = build("search", config.search)

    # All that can be refused is refused before there is a folder, and before other processes.
    metrics.bleu_tokenizer(Target.of(config.data))
    earlier = resume.find_earlier(folder, config)
    if earlier and earlier.complete:
        console.print(
            f"{folder} is finished: give a larger budget to go on, another name=, or fresh=true to "
            "begin again"
        )
        return folder
    if earlier:
        config = resume.as_begun(folder, config)
    console.print(f"run folder: {folder}")
    tokenizers = Tokenizers.load(folder) if earlier else learn_tokenizers(corpus, config.tokenizer)
    training = Training(fabric, config, corpus, search, tokenizers, memory)
    training.measure_losses(held_out_texts(corpus))
    if earlier:
        resume.refuse_other_text(earlier, training.facts()["data"], config)
    else:
        for line in corpus.describe():
            console.print(line, markup=False, highlight=False)
        texts = held_out_texts(corpus)
        refuse_test_on_train(training.learner.examples.text, texts)
        print_overlap(training.learner.examples.text, texts)
        tell_markup({"train": training.learner.examples.text, **texts})
        for remark in remarks_on_text(training, texts):
            console.print(remark, markup=False)
    if config.fresh and folder.is_dir() and any(folder.iterdir()):
        with exclusive_writer(folder):
            moved = move_aside(folder)
        (moved / LOCK).unlink()
        console.print(f"the older run was moved to {moved}")
    with exclusive_writer(folder):
        if not earlier:
            resume.refuse_started_run(folder)
            tokenizers.save(folder)
            create_run(folder, dataclasses.asdict(config), texts, gold_alignments(corpus))
        launch(fabric, count)
        with ended_together(fabric, last_words=training.close):
            training.train_into(folder, earlier)
    training.signals.reraise()
    return folder


def remarks_on_text(training: "Training", texts: Mapping[str, Text]) -> list[str]:
    """What to say before training of how the held-out references are written and scored."""
    target = training.validator.target
    split = (metrics.remarks(target, list(text.targets())) for text in texts.values())
    return [*dict.fromkeys(chain.from_iterable(split)), *sentences(training.losses.values())]


def follow(fabric: Fabric, config: Config, folder: Path, count: int | None) -> Path:
    """Train as any process but the first, which has laid out the folder."""
    launch(fabric, count)
    with ended_together(fabric, last_words=lambda: None):
        memory = PeakMemory(fabric.device)
        corpus, search = build("data", config.data), build("search", config.search)
        tokenizers = Tokenizers.load(folder)
        Training(fabric, config, corpus, search, tokenizers, memory).train_into(folder)
    return folder


def launch(fabric: Fabric, count: int | None) -> None:
    """Start all processes of a run, each with so many threads; None leaves it to Lightning."""
    fabric.launch()
    if count is not None:
        torch.set_num_threads(count)  # Lightning has set its own number


class Training:
    """A run in progress: everything that changes while it trains."""

    def __init__(
        self,
        fabric: Fabric,
        config: Config,
        corpus: Corpus,
        search: Search,
        tokenizers: Tokenizers,
        memory: PeakMemory,
    ) -> None:
        self.fabric, self.config, self.settings = fabric, config, config.train
        self.memory = memory
        self.validator = Validator(corpus, tokenizers, search, Target.of(config.data))
        self.learner = Learner(fabric, config, corpus, tokenizers)
        self.schedule = Schedule(self.settings)
        self.budget = Budget(
            self.settings.max_steps, self.settings.max_epochs, self.settings.max_minutes
        )
        self.now, self.signals = Progress(), StopSignals()
        self.losses: dict[str, Loss] = {}

    def measure_losses(self, texts: Mapping[str, Text]) -> None:
        """Find what the vocabularies cannot write, for all splits."""
        splits = {"train": self.learner.examples.text, **texts}
        tokenizers = self.learner.examples.tokenizers
        self.losses = by_vocabulary(splits, tokenizers, self.validator.target)

    def train_into(self, folder: Path, earlier: EarlierRun | None = None) -> None:
        """Train into a folder that is laid out, from its newest save if there is one."""
        settings = self.settings
        self.fabric.barrier()  # until all are there
        self.learner.set_up()
        self.checkpoints = Checkpoints(
            folder, by=settings.validate_by, count=settings.average, of=settings.average_of
        )
        self.saves = Saves(folder)
        self.log = TrainingLog(self.fabric, folder, self.config, self.facts())
        self.log.print_setup()
        self.restore(earlier)
        try:
            self.run()
        finally:
            self.close()
        self.log.print_summary()

    def close(self) -> None:
        """Write down that the run has failed, unless it has come to an end."""
        if hasattr(self, "log"):
            self.log.close()

    def run(self) -> None:
        """Train until the budget is spent, patience ends, or somebody asks to stop."""
        now, settings, learner = self.now, self.settings, self.learner
        with self.signals, training_bar(self.log.is_main) as bar:
            task = bar.add_task("training", total=1.0, speed=0.0)
            while True:
                # 1. validate where it is time
                if validated := self.validation_due():
                    self.validate()

                # 2. save, and stop when all is spent or somebody asks
                asked = devices.largest(self.fabric, self.signals.number or 0)
                over = devices.broadcast(self.fabric, self.is_over())
                if asked:
                    self.signals.number = asked  # whichever process got it
                    self.log.print("asked to stop: saving (a second signal stops at once)")
                if validated or asked or self.seconds - self.saved >= 60 * settings.save_every:
                    self.save()
                if asked or over:
                    break

                # 3. set the learning rate
                rate = self.schedule.rate(now.step + 1, now.spent)

                # 4. forward and backward, over as many batches as make an update
                drawn = learner.draw(rate, now.step)
                loss, tokens = learner.gradients(drawn)

                # 5. clip and update, but not by what is no number
                loss_value, norm = learner.update(loss)
                now.step += 1
                now.spent = devices.broadcast(self.fabric, self.share())
                if norm is None:
                    self.skip(drawn)
                else:
                    now.count_update(loss_value, tokens, norm)

                # 6. log
                if now.step % settings.log_every == 0:
                    bar.update(task, **self.log_progress(rate))
                bar.update(task, completed=now.spent)
        self.finish("interrupted" if asked else "finished")

    def validation_due(self) -> bool:
        """Whether these weights are to be looked at and have not been."""
        now = self.now
        last = now.spent >= 1 or now.step % self.settings.validate_every == 0
        return last and now.step > now.validated

    def validate(self) -> None:
        """Look at the validation set and keep what is worth it, unless a signal cuts it short."""
        now, started = self.now, time.perf_counter()
        if self.fabric.is_global_zero:
            model = self.learner.raw_model
            found = self.signals.interruptible(lambda: self.validator.validate(model, now.step))
            if found:
                now.validated = now.step
                best = self.checkpoints.add(model, found)
                self.schedule.falls += not best
                seconds = time.perf_counter() - started
                self.log.log_validation(found, best=best, minutes=self.minutes, seconds=seconds)
                self.log.update(**self.progress_so_far())
        now.validated, self.schedule.falls = devices.broadcast(
            self.fabric, (now.validated, self.schedule.falls)
        )
        now.validating += time.perf_counter() - started

    def is_over(self) -> bool:
        """Whether the budget is spent or patience has ended."""
        patience = self.settings.patience
        since_best = patience is not None and self.checkpoints.since_best >= patience
        return since_best or self.now.spent >= 1

    def skip(self, drawn: list[DrawnBatch]) -> None:
        """Count an update that was not made.

        Raises:
            UserError: there were too many in a row.
        """
        now = self.now
        now.skipped, now.skipped_in_a_row = now.skipped + 1, now.skipped_in_a_row + 1
        if now.skipped == 1:
            self.log.print(f"step {now.step} is skipped: its loss or gradient is no number")
        if now.skipped_in_a_row < self.settings.max_skipped:
            return
        pairs = self.learner.pairs(drawn)
        self.log.update(**self.progress_so_far(), no_number={"step": now.step, "pairs": pairs})
        named = ", ".join(map(str, pairs[:12])) + (", ..." if len(pairs) > 12 else "")
        raise UserError(
            f"loss or gradient is NaN or infinite in {now.skipped_in_a_row} updates in a row, last "
            f"on lines {named} of {self.learner.corpus.where('train')}: look at them, lower "
            "train.learning_rate or set train.clip_norm, and go on with resume=force (what was "
            f"best before is kept in {self.checkpoints.folder})"
        )

    def log_progress(self, rate: float) -> dict[str, Any]:
        """Log what was learned since the last time; what the bar shows of it."""
        now, seconds = self.now, self.seconds - self.now.validating
        loss, speed = (
            now.loss / (now.tokens_since_log or math.nan),
            now.tokens_since_log / (seconds - now.seconds_at_log),
        )
        entry = {
            "epoch": self.learner.batches.epochs,
            "loss": None if math.isnan(loss) else loss,
            "learning_rate": rate,
            "gradient_norm": now.norm,
            "skipped": now.skipped,
        }
        self.log.write(now.step, entry, {"minutes": self.minutes, "tokens_per_second": speed})
        now.loss, now.tokens_since_log, now.seconds_at_log = 0.0, 0, seconds
        self.measure()
        return {"description": f"loss {loss:.3f}", "speed": speed}

    def finish(self, status: str) -> None:
        """Leave the best weights in the run folder, averaged where that is asked for and better."""
        kept, model = self.checkpoints, self.learner.raw_model
        if self.fabric.is_global_zero:
            if status == "finished":
                self.save()  # both saves are of the end then, from which a larger budget goes on
            if kept.best is None:
                save_weights(model, kept.model)
            elif status == "finished" and kept.count > 1 and len(kept.chosen()) > 1:
                set_weights(model, kept.averaged(), kept.path(kept.chosen()[0]))
                steps = ", ".join(str(found.step) for found in kept.chosen())
                found, single = self.validator.validate(model, self.now.step), kept.best
                better = found.ranking(kept.by) > single.ranking(kept.by)
                self.log.print(
                    f"the average of steps {steps} has loss {found.loss:.3f} and BLEU "
                    f"{found.bleu:.2f}: {'kept' if better else f'step {single.step} is better'}"
                )
                self.log.update(average={**vars(found), "of": steps, "kept": better})
                if better:
                    kept.best = found
                    save_weights(model, kept.model)
            if status == "finished":
                self.count_words()
            self.log.update(status=status, **self.progress_so_far())
        self.fabric.barrier()

    def count_words(self) -> None:
        """Write down how rare the words of the held-out sources are in the training text."""
        folder, text = self.checkpoints.folder, self.learner.examples.text
        if not (folder / word_counts.FILE).is_file():
            held_out = (read_back(file) for file in folder.glob("hyps/*/source.txt"))
            training = track(text.sources(), "counting words", total=len(text), unit="lines")
            counts = word_counts.count(training, chain.from_iterable(held_out))
            word_counts.write_counts(folder, counts)

    # Stopping and going on

    def save(self) -> None:
        """Save all that going on needs; not after skipped updates, whose weights may be spoilt."""
        if not self.fabric.is_global_zero or self.now.skipped_in_a_row:
            return
        self.now.seconds = self.saved = self.seconds
        self.measure()
        tensors, facts = self.learner.state()
        facts["progress"] = dataclasses.asdict(self.now)
        facts["falls"] = self.schedule.falls
        facts["threads"] = torch.get_num_threads()
        facts["checkpoints"] = self.checkpoints.state()
        facts["logs"] = self.log.lengths()
        self.saves.write(Save(tensors, facts))
        self.checkpoints.prune()

    def restore(self, earlier: EarlierRun | None) -> None:
        """Be where the newest save was, or at the beginning; the clock runs from here.

        Raises:
            UserError: no save can be gone on from; nothing in the run folder has changed then.
        """
        save = self.saves.read(warn=self.log.print)
        if save:
            self.learner.restore(save)
            self.now = read_fields(Progress, save.facts["progress"], "a progress")
            self.schedule.falls = save.facts["falls"]
        self.set_threads(save)
        self.fabric.barrier()  # nobody writes before all have read
        self.saved = self.now.seconds
        self.began = time.perf_counter() - self.saved
        counters = energy.counters(self.fabric.device, self.config.trainer.devices)
        self.meter = energy.Meter(counters, self.now.joules)
        if self.now.step:
            self.now.spent = devices.broadcast(self.fabric, self.share())  # the budget may differ
        if not self.fabric.is_global_zero:
            return
        self.log.truncate(save.facts["logs"] if save else {})
        drop_partial(self.checkpoints.folder)
        write_config(self.checkpoints.folder, dataclasses.asdict(self.config))
        if save and earlier:
            self.checkpoints.restore(save.facts["checkpoints"], warn=self.log.print)
            self.log.log_resume(earlier, self.progress_so_far())
        else:
            self.log.update()
            self.save()

    def set_threads(self, save: Save | None) -> None:
        """Compute with the threads that are given, that the save was made with, or the fastest."""
        if self.config.trainer.threads is None and self.fabric.device.type == "cpu":
            if save and "threads" in save.facts:
                count = save.facts["threads"]
                reason = f"{count}, with which this run began"
            elif self.config.deterministic:
                count = torch.get_num_threads()
                reason = (
                    f"{count} of {threads.processors()} processors, a number that no clock decides "
                    "(trainer.threads gives another, deterministic=false tries which is fastest)"
                )
            else:
                found = threads.probe(self.learner.dry_run, torch.get_num_threads())
                count = devices.broadcast(self.fabric, threads.fastest(found))
                reason = threads.describe(found)
            torch.set_num_threads(count)
            self.log.print(f"threads: {reason}")
        self.log.info["machine"] = provenance.machine()

    @property
    def seconds(self) -> float:
        """Spent on this run so far, validation included, by all processes one after the other."""
        return time.perf_counter() - self.began

    @property
    def minutes(self) -> float:
        """The same as people count."""
        return self.seconds / 60

    def share(self) -> float:
        """How much of the budget is spent."""
        return self.budget.spent(self.now.step, self.learner.batches.epochs, self.minutes)

    def measure(self) -> None:
        """Look at the counters of energy and memory."""
        self.now.joules = self.meter.read()
        self.now.peak_memory = max(self.now.peak_memory, self.memory.read() or 0)

    def progress_so_far(self) -> dict[str, Any]:
        """What run.json says of the training itself."""
        best, learning = self.checkpoints.best, self.seconds - self.now.validating
        self.measure()
        return {
            "steps": self.now.step,
            "epochs": self.learner.batches.epochs,
            "minutes": self.minutes,
            "target_tokens": self.now.target_tokens,
            "target_tokens_per_second": self.now.target_tokens / learning,
            "skipped": self.now.skipped,
            "joules": self.now.joules,
            "peak_memory": self.now.peak_memory or None,
            "best": None if best is None else vars(best),
        }

    def facts(self) -> dict[str, Any]:
        """What run.json says of corpus and model."""
        facts, text = self.learner.facts(), self.validator.text
        facts["data"]["validation"] = {"sha256": text.fingerprint, "pairs": len(text)}
        facts["data"]["bleu_tokenizer"] = metrics.bleu_tokenizer(self.validator.target)
        facts["data"]["round_trip"] = {name: loss.facts() for name, loss in self.losses.items()}
        return facts
