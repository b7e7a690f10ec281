"""Start or resume a training: check its configuration, make its run folder, start its processes."""

import dataclasses
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from seq2seq.corpora import Corpus, Text
from seq2seq.errors import UserError
from seq2seq.runs.folder import create_run, move_aside
from seq2seq.runs.nested import flatten
from seq2seq.runs.weights import load_tokenizers
from seq2seq.scoring import metrics
from seq2seq.search.base import Search
from seq2seq.settings import compose
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build
from seq2seq.system import devices, isolation, threads
from seq2seq.system import launcher as launching
from seq2seq.system.console import console
from seq2seq.system.lightning import Fabric
from seq2seq.system.lock import LOCK, exclusive_writer, release
from seq2seq.system.memory import PeakMemory
from seq2seq.system.processes import Processes
from seq2seq.system.signals import StopSignals
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training import resume
from seq2seq.training.examples import (
    gold_alignments,
    held_out_texts,
    learn_tokenizers,
    print_markup,
    print_overlap,
    refuse_test_on_train,
)
from seq2seq.training.fitting import settings_in_effect
from seq2seq.training.former_defaults import with_original_defaults
from seq2seq.training.loop import Training
from seq2seq.training.round_trip import sentences


def train(config: Config) -> Path:
    """Train one model, or resume an interrupted run, and return the run folder.

    All process-wide settings (threads, deterministic operations, random states, environment) are
    restored on return, so that runs trained one after another in one process do not depend on
    their order.

    Raises:
        UserError: the corpus, configuration or machine does not support the run, the folder belongs
            to another run or is in use by another process, the disk is full, or the loss or
            gradient is NaN or infinite.
        KeyboardInterrupt: Ctrl-C stopped the training; the same command resumes it.
        SystemExit: SIGTERM or SIGHUP stopped the training; the same command resumes it.
    """
    with isolation.restored(compiled=config.trainer.compile):
        return train_unrestored(settings_in_effect(config))


def train_unrestored(config: Config) -> Path:
    """Train like `train`, without restoring the process-wide settings."""
    launcher = launching.find()
    config = with_devices(config, launching.processes_per_machine(config.trainer.devices, launcher))
    folder = Path(config.runs_dir) / config.name
    processes, signals = Processes(config.trainer.devices, launcher), StopSignals()
    with processes.ended_together():
        if (count := threads.given(config)) is not None:
            torch.set_num_threads(count)
        fabric = devices.fabric(
            config.trainer,
            tensorboard=folder if config.train.tensorboard else None,
            launcher=launcher,
        )
        devices.set_determinism(config.deterministic, compiled=config.trainer.compile)
        start = partial(launch, processes, fabric, config, count)
        if launcher or not devices.first_process():
            start()
        if launcher:
            refuse_different_settings(devices.gather(fabric, flatten(dataclasses.asdict(config))))
        if devices.first_process():
            lead(processes, start, fabric, config, folder, signals)
        elif processes.wait_until_ready():
            follow(fabric, config, folder)
    signals.reraise()
    return folder


def refuse_different_settings(given: Sequence[Mapping[str, Any]]) -> None:
    """Check that all processes that a launcher has started train the same run.

    Args:
        given: the settings of each process, by rank.

    Raises:
        UserError: two processes have different settings.
    """
    first = given[0]
    for rank, own in enumerate(given):
        for key in {**first, **own}:
            if first.get(key) != own.get(key):
                raise UserError(
                    f"the processes of one training have different settings: {key} is "
                    f"{first.get(key)} in rank 0 and {own.get(key)} in rank {rank}; start each "
                    "training by a command (srun --ntasks=1) of its own"
                )


def with_devices(config: Config, count: int) -> Config:
    """Return the configuration with the number of processes on this machine."""
    return dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, devices=count))


def lead(
    processes: Processes,
    start: Callable[[], None],
    fabric: Fabric,
    config: Config,
    folder: Path,
    signals: StopSignals,
) -> None:
    """Check everything, make or open the run folder, and train, in the process with rank 0.

    Args:
        processes: all processes of the training.
        start: starts or joins the other processes, unless that has been done.
        fabric: the Fabric handle of this process.
        config: the configuration of the run.
        folder: the run folder.
        signals: records the signal that stops the training.
    """
    memory = PeakMemory(fabric.device)
    corpus: Corpus = build("data", config.data)
    search: Search = build("search", config.search)

    # Report errors before the run folder is created and before other processes are started.
    metrics.bleu_tokenizer(Target.of(config.data))
    if remark := launching.describe_unused_tasks():
        console.print(remark)
    earlier = resume.find_earlier(folder, config, fabric.world_size)
    if earlier and earlier.complete:
        console.print(
            f"{folder} is finished: set a larger budget to continue training, choose another "
            "name=, or set fresh=true to start over"
        )
        return
    console.print(f"run folder: {folder}")
    if earlier:
        given, config = config, with_original_defaults(folder, config)
        if remark := resume.describe_former(given, config):
            console.print(remark, markup=False)
    if earlier:
        tokenizers = load_tokenizers(folder, earlier.info)
    else:
        tokenizers = learn_tokenizers(corpus, config.tokenizer)
    training = Training(fabric, config, corpus, search, tokenizers, memory, signals)
    texts = held_out_texts(corpus)
    training.measure_losses(texts)
    if earlier:
        resume.refuse_other_text(earlier, training.facts()["data"], config)
    else:
        for line in corpus.describe():
            console.print(line, markup=False, highlight=False)
        refuse_test_on_train(training.learner.examples.text, texts)
        print_overlap(training.learner.examples.text, texts)
        print_markup({"train": training.learner.examples.text, **texts})
        for remark in remarks_on_text(training, texts):
            console.print(remark, markup=False)
    if config.fresh and folder.is_dir() and any(folder.iterdir()):
        with exclusive_writer(folder):
            moved = move_aside(folder)
        (moved / LOCK).unlink()
        console.print(f"moved the existing run to {moved}")
    with exclusive_writer(folder):
        if not earlier:
            resume.refuse_started_run(folder)
            tokenizers.save(folder)
            create_run(folder, dataclasses.asdict(config), texts, gold_alignments(corpus))
        processes.on_kill += [training.close, lambda: release(folder)]
        start()
        processes.ready()
        training.train_into(folder, earlier)


def remarks_on_text(training: "Training", texts: Mapping[str, Text]) -> list[str]:
    """Return notes on the script and the scoring of the held-out references."""
    target = training.validator.target
    split = (metrics.warnings_about(target, list(text.targets())) for text in texts.values())
    return [*dict.fromkeys(chain.from_iterable(split)), *sentences(training.losses.values())]


def follow(fabric: Fabric, config: Config, folder: Path) -> None:
    """Train in a process with rank > 0; rank 0 has created the run folder.

    Raises:
        UserError: this machine does not see the run folder.
    """
    if not folder.is_dir():
        raise UserError(
            f"the process with rank {fabric.global_rank}, on {socket.gethostname()}, does not see "
            f"{folder}: all machines need the same file system for runs_dir"
        )
    config = with_original_defaults(folder, config)
    memory = PeakMemory(fabric.device)
    corpus, search = build("data", config.data), build("search", config.search)
    tokenizers = Tokenizers.load(folder)
    training = Training(fabric, config, corpus, search, tokenizers, memory, StopSignals())
    training.train_into(folder)


def launch(processes: Processes, fabric: Fabric, config: Config, count: int | None) -> None:
    """Start or join the processes of a run, with `count` threads each; None is for timing."""
    compose.clear_hydra()  # other libraries then do not treat this process as one of Hydra's
    processes.start(fabric)
    if count is None and processes.count > 1:
        count = threads.most(config.trainer.devices)
    if count is not None:
        torch.set_num_threads(count)  # launching has set Lightning's default
