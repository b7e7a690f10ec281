"""The run folder, the contract after training: what is in it, and how it is written and read.

    runs/NAME/
      config.yaml            the resolved configuration, as trained
      run.json               what was measured while training, of what data, with which versions
      source.model           the SentencePiece models; a shared vocabulary is tokenizer.model, with
      target.model           a source.model of the same pieces if it normalizes differently
      model.safetensors      the best weights so far: present as soon as there is something to keep
      checkpoints/           weights of single steps: the best, and those for averaging
      state/                 what training goes on from: its newest save and the one before
      log.jsonl              one line a log interval and a validation: what a seed repeats
      clock.jsonl            minutes and speed at the same steps: what it does not
      hyps/TEST/             source.txt, reference.txt, and hypothesis.txt once evaluated;
                             gold.*.txt where the corpus knows the word alignment;
                             attention.safetensors: where each word of the hypotheses looked
      source_words.tsv       how often the words of hyps/*/source.txt are in the training text
      scores.json            {TEST: {bleu: {score, signature}, ...}}
      align/                 heatmaps and matrices, every reading against gold, and rule.json,
                             how attention is to be read where a development set has decided it

Nothing in it can run code: safetensors, JSON, YAML, text.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import yaml

from seq2seq.alignment.gold import Gold, write_gold
from seq2seq.config import BleuTokenizer, Positive, coerce, upgrade
from seq2seq.errors import UserError, did_you_mean
from seq2seq.runs.untrusted import read_json, read_yaml, refuse_outside_links
from seq2seq.system.files import replacing, write_lines

# Of the folder; raised when an older reader would misread it. 1, of version 0.1.0, named classes in
# config.yaml by their module paths, and had one normalization for both languages.
FORMAT = 2

# What later verbs read of a corpus's configuration; the corpus itself they never open.
# A key may be absent or null: of a corpus that does not have it, or of an older run.
READ_OF_DATA = {
    "source": str | None,
    "target": str | None,
    "max_length": Positive | None,
    "tokenized": bool | None,
    "bleu_tokenizer": BleuTokenizer | None,
}


@dataclass(frozen=True)
class RunFolder:
    """A trained run on disk. Open one with `RunFolder.open`, which says what is wrong with it."""

    path: Path
    config: dict[str, Any]
    info: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """Read a run that holds a trained model.

        Raises:
            UserError: there is no such folder, it is not a run, its training has not yet kept a
                model, or a newer version wrote it.
        """
        path = Path(path)
        if not path.is_dir():
            siblings = [p.name for p in path.parent.glob("*/") if (p / "config.yaml").is_file()]
            hint = f"; {did_you_mean(path.name, siblings)}" if siblings else ""
            raise UserError(f"there is no run folder {str(path)!r}{hint}")
        for name in ("config.yaml", "run.json"):
            if not (path / name).is_file():
                raise UserError(
                    f"{str(path)!r} is not a run folder: it has no {name} "
                    "(give the folder that `seq2seq train` printed first, runs/NAME)"
                )
        refuse_outside_links(path)
        info = read_json(path / "run.json")
        written = coerce(info.get("format", 1), int, "format")
        if written > FORMAT:
            raise UserError(newer(path, info, written))
        config = read_config(path)
        for section in ("data", "model", "search"):
            config[section] = coerce(config.get(section, {}), dict[str, Any], section)
        data = config["data"]
        for key in READ_OF_DATA.keys() & data.keys():
            data[key] = coerce(data[key], READ_OF_DATA[key], f"data.{key}")
            if data[key] is None and key != "bleu_tokenizer":  # with it a run is known as a new one
                del data[key]
        if not (path / "model.safetensors").is_file():
            raise UserError(
                f"the run {str(path)!r} is unfinished: its training has not kept a model yet "
                f"(status: {info.get('status', 'unknown')})"
            )
        return cls(path, config, info)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def tests(self) -> list[str]:
        """The names of the sets that `evaluate` and `align` can be asked for."""
        return sorted(p.parent.name for p in self.path.glob("hyps/*/source.txt"))

    @property
    def scores(self) -> dict[str, Any]:
        """What `evaluate` has written so far; empty before."""
        file = self.path / "scores.json"
        if not file.is_file():
            return {}
        scores = read_json(file)
        if not all(isinstance(entry, dict) for entry in scores.values()):
            raise UserError(f"{file} cannot be used: a test set's entry is no mapping")
        return scores

    def test(self, name: str) -> Path:
        """The folder of one test set: source.txt, reference.txt, maybe hypothesis.txt.

        Raises:
            UserError: the run has no such test set.
        """
        if name not in self.tests:
            raise UserError(
                f"the run {str(self.path)!r} has no test set {name!r}; "
                + did_you_mean(name, self.tests)
            )
        return self.path / "hyps" / name


def read_config(path: Path) -> dict[str, Any]:
    """The configuration in a run folder, as this version stores it.

    Raises:
        UserError: config.yaml is missing or is no plain mapping.
    """
    return upgrade(read_yaml(path / "config.yaml"))


def newer(path: Path, info: Mapping[str, Any], written: int) -> str:
    """What to say of a run folder whose format is newer than any that is known here."""
    versions = info.get("versions")
    version = versions.get("seq2seq") if isinstance(versions, dict) else None
    return (
        f"{str(path)!r} has run folder format {written} (written by seq2seq {version}), but this "
        f"version reads formats up to {FORMAT}: install a newer seq2seq to use it"
    )


@runtime_checkable
class Text(Protocol):
    """Two sides of as many lines."""

    def sources(self) -> Iterable[str]:
        """The source side in order."""

    def targets(self) -> Iterable[str]:
        """The target side in order."""


def create_run(
    path: Path,
    config: dict[str, Any],
    texts: Mapping[str, Text],
    golds: Mapping[str, Iterable[Gold]],
) -> None:
    """Write what a run begins with: its configuration, and what will be translated and aligned."""
    for name, text in texts.items():
        write_lines(path / "hyps" / name / "source.txt", text.sources())
        write_lines(path / "hyps" / name / "reference.txt", text.targets())
    for name, gold in golds.items():
        write_gold(path / "hyps" / name, gold)
    write_config(path, config)  # last: with it the folder is a run


def write_config(path: Path, config: dict[str, Any]) -> None:
    """Write config.yaml into a run folder."""
    with replacing(path / "config.yaml") as file:
        yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)


def move_aside(path: Path) -> Path:
    """Move an old run folder to a free name beside it; nothing is ever deleted."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = path.with_name(f"{path.name}.{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{stamp}-{number}")
    path.rename(target)
    return target
