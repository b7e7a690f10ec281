"""Start or resume a training: check its configuration, make its run folder, start its processes."""

import dataclasses
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import torch
from lightning_fabric import Fabric

from seq2seq.corpora import Corpus, Text
from seq2seq.runs.folder import create_run, move_aside
from seq2seq.runs.weights import load_tokenizers
from seq2seq.scoring import metrics
from seq2seq.search.base import Search
from seq2seq.settings import compose
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build
from seq2seq.system import devices, isolation, threads
from seq2seq.system.console import console
from seq2seq.system.lock import LOCK, exclusive_writer
from seq2seq.system.memory import PeakMemory
from seq2seq.system.processes import ended_together
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

    # Report errors before the run folder is created and before other processes are launched.
    metrics.bleu_tokenizer(Target.of(config.data))
    earlier = resume.find_earlier(folder, config)
    if earlier and earlier.complete:
        console.print(
            f"{folder} is finished: set a larger budget to continue training, choose another "
            "name=, or set fresh=true to start over"
        )
        return folder
    if earlier:
        config = resume.with_original_defaults(folder, config)
    console.print(f"run folder: {folder}")
    if earlier:
        tokenizers = load_tokenizers(folder, earlier.info)
    else:
        tokenizers = learn_tokenizers(corpus, config.tokenizer)
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
        launch(fabric, count)
        with ended_together(fabric, on_kill=training.close):
            training.train_into(folder, earlier)
    training.signals.reraise()
    return folder


def remarks_on_text(training: "Training", texts: Mapping[str, Text]) -> list[str]:
    """Return notes on the script and the scoring of the held-out references."""
    target = training.validator.target
    split = (metrics.warnings_about(target, list(text.targets())) for text in texts.values())
    return [*dict.fromkeys(chain.from_iterable(split)), *sentences(training.losses.values())]


def follow(fabric: Fabric, config: Config, folder: Path, count: int | None) -> Path:
    """Train in a process with rank > 0; rank 0 has created the run folder."""
    launch(fabric, count)
    with ended_together(fabric, on_kill=lambda: None):
        memory = PeakMemory(fabric.device)
        corpus, search = build("data", config.data), build("search", config.search)
        tokenizers = Tokenizers.load(folder)
        Training(fabric, config, corpus, search, tokenizers, memory).train_into(folder)
    return folder


def launch(fabric: Fabric, count: int | None) -> None:
    """Start all processes of a run with `count` threads each; None keeps Lightning's number."""
    compose.clear_hydra()  # or Lightning adds Hydra's options to the command of other processes
    fabric.launch()
    if count is not None:
        torch.set_num_threads(count)  # launch() has set Lightning's default
