"""The training loop, which all models share."""

import dataclasses
import math
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seq2seq.corpora import Corpus, Text
from seq2seq.errors import UserError
from seq2seq.runs.folder import write_config
from seq2seq.runs.weights import save_weights
from seq2seq.scoring import metrics
from seq2seq.search.base import Search
from seq2seq.settings.config import Config
from seq2seq.system import devices, energy, provenance
from seq2seq.system.console import training_bar
from seq2seq.system.files import drop_partial
from seq2seq.system.lightning import Fabric
from seq2seq.system.memory import PeakMemory
from seq2seq.system.share import Run, Share, run_at_once
from seq2seq.system.signals import Interrupted, StopSignals
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.checkpoints import Checkpoints
from seq2seq.training.clock import Clock
from seq2seq.training.estimate import Pace
from seq2seq.training.final_weights import count_words, keep_average_if_better
from seq2seq.training.learner import Learner
from seq2seq.training.learners import learner_class
from seq2seq.training.log import TrainingLog
from seq2seq.training.optimizer import Budget, Schedule
from seq2seq.training.resume import EarlierRun
from seq2seq.training.round_trip import Loss, by_vocabulary
from seq2seq.training.source_use import SourceUse
from seq2seq.training.state import Progress, Save, Saves, read_fields
from seq2seq.training.thread_count import choose_threads
from seq2seq.training.update_batches import DrawnBatch
from seq2seq.training.validation import Validation, Validator


class Training:
    """The state of a run in progress, and its training loop."""

    def __init__(
        self,
        fabric: Fabric,
        config: Config,
        corpus: Corpus,
        search: Search,
        tokenizers: Tokenizers,
        memory: PeakMemory,
        signals: StopSignals,
    ) -> None:
        self.fabric, self.config, self.settings = fabric, config, config.train
        self.memory = memory
        self.validator = Validator(corpus, tokenizers, search, Target.of(config.data))
        self.learner: Learner = learner_class(config, corpus)(fabric, config, corpus, tokenizers)
        self.schedule = Schedule(self.settings)
        self.budget = Budget(
            self.settings.max_steps, self.settings.max_epochs, self.settings.max_minutes
        )
        self.now, self.signals = Progress(), signals
        self.losses: dict[str, Loss] = {}
        self.estimated = False  # and printed, how long the training takes
        self.remarked = False  # and printed, that the source is not used

    def measure_losses(self, texts: Mapping[str, Text]) -> None:
        """Measure, for all splits, which characters the vocabularies cannot represent."""
        splits = {"train": self.learner.examples.text, **texts}
        tokenizers = self.learner.examples.tokenizers
        self.losses = by_vocabulary(splits, tokenizers, self.validator.target)

    def train_into(self, folder: Path, earlier: EarlierRun | None = None) -> None:
        """Train into an existing run folder, starting from its newest save if there is one."""
        settings = self.settings
        self.fabric.barrier()  # wait until rank 0 has created the folder
        self.learner.set_up()
        self.checkpoints = Checkpoints(
            folder,
            by=settings.validate_by,
            count=settings.average,
            of=settings.average_of,
            every=settings.keep_every,
        )
        self.saves = Saves(folder)
        self.log = TrainingLog(self.fabric, folder, self.config, self.facts())
        self.log.print_setup()
        if self.learner.guidance:
            for line in self.learner.guidance.describe(self.config.model):
                self.log.print(line)
        self.restore(earlier)
        try:
            self.run()
        finally:
            self.close()
        self.log.print_summary()

    def close(self) -> None:
        """Record the status `failed` in run.json unless the run has ended normally."""
        if hasattr(self, "log"):
            self.log.close()

    def run(self) -> None:
        """Train until the budget is spent, patience runs out, or a signal requests a stop."""
        now, settings, learner = self.now, self.settings, self.learner
        with self.signals, training_bar(self.log.is_main) as bar:
            task = bar.add_task("training", total=1.0, speed=0.0)
            while True:
                # 1. validate if due
                if validated := self.validation_due():
                    self.validate()

                # 2. save if due; leave the loop when the run is over or a signal has arrived
                stop_signal = devices.largest(self.fabric, self.signals.number or 0)
                save_due = self.clock.save_due(settings.save_every)
                over, save_due = devices.broadcast(self.fabric, (self.is_over(), save_due))
                if stop_signal:
                    self.signals.number = stop_signal  # possibly received by another process
                    self.log.print("stop requested: saving (a second signal stops immediately)")
                if validated or stop_signal or save_due:
                    self.save()
                if stop_signal or over:
                    break

                # 3. set the learning rate
                rate = self.schedule.rate(now.step + 1, now.spent)

                # 4. forward and backward, over the accumulated batches of one update
                drawn = learner.draw(rate, now.step)
                loss, tokens = learner.gradients(drawn)

                # 5. clip and update, unless the loss or gradient is NaN or infinite
                loss_value, norm = learner.update(loss)
                now.step += 1
                now.spent = devices.broadcast(self.fabric, self.share())
                if norm is None:
                    self.skip(drawn)
                else:
                    now.count_update(loss_value, tokens, norm)

                # 6. keep the weights if due; log
                self.keep_weights()
                self.estimate()
                if now.step % settings.log_every == 0:
                    bar.update(task, **self.log_progress(rate))
                bar.update(task, completed=now.spent)
        if not stop_signal and now.spent < 1:
            count = self.checkpoints.since_best if self.log.is_main else 0
            self.log.print(
                f"stopped before the end of the budget: {count} validation{'s' * (count != 1)} in "
                f"a row without a new best score (train.patience={settings.patience})"
            )
        self.finish("interrupted" if stop_signal else "finished")

    def estimate(self) -> None:
        """Print the expected time of the training, once, after its first updates."""
        if self.estimated or not self.log.is_main:
            return
        now, (steps, epochs, seconds) = self.now, self.at_start
        pace = Pace(self.clock.learning - seconds, now.step - steps, self.learner.epochs - epochs)
        if pace.is_enough:
            self.estimated = True
            if not self.learner.raw_model.fits:
                self.log.print(pace.describe(self.budget))

    def keep_weights(self) -> None:
        """Keep the weights after an update if `train.keep_every` says so, as they are validated."""
        if self.checkpoints.due(self.now.step) and self.fabric.is_global_zero:
            with self.learner.evaluated():
                self.checkpoints.keep(self.learner.raw_model, self.now.step)

    def validation_due(self) -> bool:
        """Whether the current weights have to be validated and have not been yet."""
        now = self.now
        due = now.spent >= 1 or now.step % self.settings.validate_every == 0
        return due and now.step > now.validated

    def validate(self) -> None:
        """Validate, and store the checkpoint in rank 0; a signal to any process aborts it."""
        now, started = self.now, time.perf_counter()
        with self.learner.evaluated():
            result = self.measured()
            if result and self.fabric.is_global_zero:
                self.store(result, started)
        now.validated, self.schedule.falls = devices.broadcast(
            self.fabric, (now.validated, self.schedule.falls)
        )
        now.validating += time.perf_counter() - started

    def measured(self) -> Validation | None:
        """The result of a validation by all processes; None if a signal has arrived."""
        share = self.divided(self.signals.interruptible)
        try:
            return self.validator.validate(self.learner.raw_model, self.now.step, share)
        except Interrupted:
            return None

    def validated_again(self) -> Validation:
        """The result of a validation of weights that are no checkpoint, by all processes."""
        return self.validator.validate(self.learner.raw_model, self.now.step, self.divided())

    def divided(self, run: Run = run_at_once) -> Share:
        """The share of this process in work on the validation set."""
        gather = partial(devices.gather, self.fabric)
        return Share(self.fabric.global_rank, self.fabric.world_size, gather, run)

    def store(self, result: Validation, started: float) -> None:
        """Store and log the result of a validation that began at this time."""
        now, model, guide = self.now, self.learner.raw_model, self.learner.guidance
        use = self.validator.source_use(model)
        first = self.checkpoints.best is None
        best = self.checkpoints.add(model, result)
        now.validated = now.step
        self.schedule.falls += not best
        self.log.log_validation(
            result,
            use,
            best=best,
            minutes=self.clock.minutes,
            seconds=time.perf_counter() - started,
            guided=guide.last if guide else None,
        )
        if not first:  # a model may need the time until then to begin with its source
            self.remark_on_source(use)
        self.log.update(**self.progress_so_far(), **self.cost())

    def remark_on_source(self, use: SourceUse | None) -> None:
        """Print that the source is not used, once."""
        remark = None if use is None or self.remarked else use.remark(self.config.model)
        if remark:
            self.log.print(remark)
            self.remarked = True

    def is_over(self) -> bool:
        """Whether the budget is spent or the best validation is `patience` validations ago."""
        return self.out_of_patience() or self.now.spent >= 1

    def out_of_patience(self) -> bool:
        """Whether the best validation is `patience` validations ago."""
        patience = self.settings.patience
        return patience is not None and self.checkpoints.since_best >= patience

    def skip(self, drawn: list[DrawnBatch]) -> None:
        """Count an update that was skipped because its loss or gradient is NaN or infinite.

        Raises:
            UserError: train.max_skipped updates in a row were skipped.
        """
        now = self.now
        now.skipped, now.skipped_in_a_row = now.skipped + 1, now.skipped_in_a_row + 1
        if now.skipped == 1:
            self.log.print(f"skipped step {now.step}: its loss or gradient is NaN or infinite")
        if now.skipped_in_a_row < self.settings.max_skipped:
            return
        pairs = self.learner.pairs(drawn)
        self.log.update(**self.progress_so_far(), no_number={"step": now.step, "pairs": pairs})
        named = ", ".join(map(str, pairs[:12])) + (", ..." if len(pairs) > 12 else "")
        raise UserError(
            f"loss or gradient is NaN or infinite in {now.skipped_in_a_row} updates in a row, last "
            f"on lines {named} of {self.learner.corpus.where('train')}: check these lines, lower "
            "train.learning_rate or set train.clip_norm, and resume with resume=force (the best "
            f"weights so far are kept in {self.checkpoints.folder})"
        )

    def log_progress(self, rate: float) -> dict[str, Any]:
        """Log the averages since the last call; return the fields of the progress bar."""
        now, seconds = self.now, self.clock.learning
        loss, speed = (
            now.loss / (now.tokens_since_log or math.nan),
            now.tokens_since_log / (seconds - now.seconds_at_log),
        )
        fields = self.learner.log_fields(rate, now.norm)
        entry = {
            "epoch": self.learner.epochs,
            "loss": None if math.isnan(loss) else loss,
            **fields,
            "skipped": now.skipped,
        }
        self.log.write(now.step, entry, {"minutes": self.clock.minutes, "tokens_per_second": speed})
        now.loss, now.tokens_since_log, now.seconds_at_log = 0.0, 0, seconds
        self.clock.measure()
        return {"description": f"loss {loss:.3f}{guided_part(fields)}", "speed": speed}

    def finish(self, status: str) -> None:
        """Write the final weights: the best checkpoint, or the average if that is better."""
        kept, model = self.checkpoints, self.learner.raw_model
        if status == "finished":
            self.save()  # so that a larger budget can resume from the last step
        if self.fabric.is_global_zero and kept.best is None:
            with self.learner.evaluated():
                save_weights(model, kept.model)
        if status == "finished":
            keep_average_if_better(self.fabric, kept, model, self.validated_again, self.log)
        if self.fabric.is_global_zero:
            if status == "finished":
                count_words(kept.folder, self.learner.corpus, self.learner.examples.text)
            parameters = model.parameter_count  # fitting changes it
            progress = {**self.progress_so_far(), **self.cost()}
            self.log.update(status=status, parameters=parameters, **progress)
        self.fabric.barrier()

    # Saving and resuming

    def save(self) -> None:
        """Save the training state; not after skipped updates, whose weights may be unusable.

        All processes must call this at the same step.
        """
        if self.now.skipped_in_a_row:
            return
        self.learner.gather()
        self.clock.mark_save()
        if self.fabric.is_global_zero:
            self.write_save()

    def write_save(self) -> None:
        """Write a save, in rank 0."""
        self.clock.measure()
        tensors, facts = self.learner.state()
        facts["progress"] = dataclasses.asdict(self.now)
        facts["falls"] = self.schedule.falls
        facts["threads"] = torch.get_num_threads()
        facts["processes"] = self.fabric.world_size
        facts["checkpoints"] = self.checkpoints.state()
        facts["logs"] = self.log.lengths()
        self.saves.write(Save(tensors, facts))
        self.checkpoints.prune()

    def restore(self, earlier: EarlierRun | None) -> None:
        """Restore the newest save, or start from step 0; training time counts from here.

        Raises:
            UserError: there are saves but none can be restored; the run folder is unchanged.
        """
        save = self.saves.read(warn=self.log.print)
        if save:
            self.learner.restore(save)
            self.now = read_fields(Progress, save.facts["progress"], "a progress")
            self.schedule.falls = save.facts["falls"]
        if reason := choose_threads(self.fabric, self.config, save, self.learner.dry_run):
            self.log.print(f"threads: {reason}")
        self.log.info["machine"] = provenance.machine()
        self.fabric.barrier()  # rank 0 must not write before all processes have read
        here, several = self.config.trainer.devices, self.fabric.world_size
        # The energy of other machines is unknown.
        counters = energy.counters(self.fabric.device, here) if several == here else []
        self.clock = Clock(self.now, counters, self.memory)
        self.at_start = self.now.step, self.learner.epochs, self.now.seconds - self.now.validating
        if self.now.step:
            self.now.spent = devices.broadcast(self.fabric, self.share())  # the budget may differ
        self.learner.gather()
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
            self.write_save()

    def share(self) -> float:
        """The spent share of the budget, from 0 to 1."""
        return self.budget.spent(self.now.step, self.learner.epochs, self.clock.minutes)

    def progress_so_far(self) -> dict[str, Any]:
        """The fields of run.json that describe the progress of the training."""
        best, learning = self.checkpoints.best, self.clock.learning
        self.clock.measure()
        return {
            "steps": self.now.step,
            "epochs": self.learner.epochs,
            "minutes": self.clock.minutes,
            "target_tokens": self.now.target_tokens,
            "target_tokens_per_second": self.now.target_tokens / learning,
            "skipped": self.now.skipped,
            "joules": self.now.joules,
            "peak_memory": self.now.peak_memory or None,
            "best": None if best is None else vars(best),
            **self.learner.progress(),
        }

    def cost(self) -> dict[str, float]:
        """The field of run.json that is known after the first validation."""
        return {"multiply_adds_per_target_token": self.learner.multiply_adds}

    def facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the corpus and the model."""
        facts, text = self.learner.facts(), self.validator.text
        facts["data"]["validation"] = {"sha256": text.fingerprint, "pairs": len(text)}
        facts["data"]["bleu_tokenizer"] = metrics.bleu_tokenizer(self.validator.target)
        facts["data"]["round_trip"] = {name: loss.facts() for name, loss in self.losses.items()}
        return facts


def guided_part(fields: Mapping[str, float | None]) -> str:
    """Return the loss of guided attention for the progress bar; empty without it."""
    value = fields.get("guided_loss")
    return "" if value is None else f" guided {value:.3f}"
