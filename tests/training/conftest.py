"""Learners that are ready for updates, without a training loop around them; word links."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def learner(tiny, tmp_path) -> Iterator[Callable[..., Any]]:
    """Make the `Learner` of a tiny model; what it sets in the process is restored."""
    from seq2seq.settings import train_arguments
    from seq2seq.settings.plugins import build
    from seq2seq.system import devices, isolation
    from seq2seq.training.examples import learn_tokenizers
    from seq2seq.training.learner import Learner

    def make(name: str, *words: str) -> Learner:
        given = tiny(name, f"runs_dir={tmp_path}", "name=run", *words)
        config = train_arguments.config([*given])
        corpus, fabric = build("data", config.data), devices.fabric(config.trainer)
        devices.set_determinism(config.deterministic, compiled=False)
        made = Learner(fabric, config, corpus, learn_tokenizers(corpus, config.tokenizer))
        made.set_up()
        return made

    with isolation.restored(compiled=False):
        yield make


@pytest.fixture(scope="session")
def linked(phrases: Path) -> Path:
    """The phrases with files of links beside them: word i with word i."""
    for split in ("train", "heart"):
        lines = (phrases / f"{split}.en").read_text("utf-8").splitlines()
        links = [" ".join(f"{i}-{i}" for i in range(len(line.split()))) for line in lines]
        (phrases / f"{split}.links").write_text("".join(f"{line}\n" for line in links), "utf-8")
    return phrases
