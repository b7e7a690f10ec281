"""Read and write run folders. After training, the run folder is the only input of other commands.

    runs/NAME/
      config.yaml            the resolved configuration, as trained
      run.json               measurements during training, facts about the data, and versions
      source.model           the SentencePiece models; a shared vocabulary is tokenizer.model, with
      target.model           a source.model of the same pieces if it normalizes differently
      model.safetensors      the best weights so far; written when the first checkpoint is kept
      checkpoints/           weights at single steps: the best, and those for averaging
      state/                 the training state to resume from: the latest save and the previous one
      log.jsonl              one line per log interval and validation: the reproducible values
      clock.jsonl            minutes and speed at the same steps, which are not reproducible
      hyps/TEST/             source.txt, reference.txt, and after evaluation hypothesis.txt;
                             reference.2.txt, ...: further references;
                             gold.*.txt if the corpus has gold word alignments;
                             attention.safetensors: attention between the words of the hypotheses
                             and the source; word_scores.jsonl: the probabilities of their words
      source_words.tsv       frequency in the training text of the words in hyps/*/source.txt
      scores.json            {TEST: {bleu: {score, signature}, ...}}
      align/                 heatmaps and matrices, scores of all extraction rules, and rule.json,
                             the rule chosen on a development set

All files are safetensors, JSON, YAML or text; none of these formats can run code.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import yaml

from seq2seq.alignment.gold import Gold, write_gold
from seq2seq.errors import UserError, did_you_mean
from seq2seq.runs.untrusted import read_json, read_yaml, refuse_outside_links
from seq2seq.settings.plugins import BleuTokenizer, upgrade
from seq2seq.settings.ranges import Positive
from seq2seq.settings.schema import coerce
from seq2seq.system.files import replacing, write_lines

# The format version of the folder; increased if older versions would misread it. Format 1, of
# version 0.1.0, has module paths of classes in config.yaml, and one normalization for both sides.
FORMAT = 2

ADOPTED = "adopted"  # the key of run.json of a model that another program has trained
ADOPTED_KINDS = {"marian": "a Marian model", "m2m100": "an M2M100 model"}  # titles of its kinds

HUB = "hf:"  # at the start of an address on the hub, see `seq2seq.hub`

# The keys of `data` that later commands use; they never open the corpus itself. A key may be absent
# or null, because the corpus does not have it or the run is older than the key.
READ_OF_DATA = {
    "source": str | None,
    "target": str | None,
    "max_length": Positive | None,
    "tokenized": bool | None,
    "form": str | None,
    "bleu_tokenizer": BleuTokenizer | None,
}


CHECKPOINT = re.compile(r"step-([0-9]{1,12})\.safetensors")


@dataclass(frozen=True)
class RunFolder:
    """A trained run on disk; use `RunFolder.open` to read and check one.

    Attributes:
        path: the folder.
        config: content of config.yaml.
        info: content of run.json.
    """

    path: Path
    config: dict[str, Any]
    info: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path, *, links_inside: Path | None = None) -> "RunFolder":
        """Read a run folder with a trained model.

        Args:
            path: the folder.
            links_inside: the folder that links may not leave; the run folder itself if None.

        Raises:
            UserError: there is no such folder, it is not a run folder, it has no model yet, or it
                was written by a newer version.
        """
        if str(path).startswith(HUB):
            raise UserError(
                f"{str(path)!r} is on the hub, and this command writes into the run folder: copy "
                f"it with `seq2seq pull {path}` first"
            )
        path = Path(path)
        if not path.is_dir():
            siblings = [p.name for p in path.parent.glob("*/") if (p / "config.yaml").is_file()]
            hint = f"; {did_you_mean(path.name, siblings)}" if siblings else ""
            raise UserError(f"there is no run folder {str(path)!r}{hint}")
        for name in ("config.yaml", "run.json"):
            if not (path / name).is_file():
                raise UserError(
                    f"{str(path)!r} is not a run folder: it has no {name} "
                    "(give the folder that `seq2seq train` prints at the start, runs/NAME)"
                )
        refuse_outside_links(path, links_inside)
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
            if info.get("status") == "finished":
                raise UserError(
                    f"the run {str(path)!r} is incomplete: its file model.safetensors is missing"
                )
            raise UserError(
                f"the run {str(path)!r} is unfinished: its training has not saved a model yet "
                f"(status: {info.get('status', 'unknown')})"
            )
        return cls(path, config, info)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def adopted(self) -> bool:
        """Whether another program has trained the model (`seq2seq adopt`)."""
        return ADOPTED in self.info

    @property
    def checkpoints(self) -> dict[int, Path]:
        """The files of the kept checkpoints by their step, in order."""
        return checkpoint_files(self.path)

    @property
    def tests(self) -> list[str]:
        """The names of the test sets, including the validation set."""
        return sorted(p.parent.name for p in self.path.glob("hyps/*/source.txt"))

    @property
    def scores(self) -> dict[str, Any]:
        """The content of scores.json; empty before the first `seq2seq evaluate`.

        Raises:
            UserError: the file is invalid.
        """
        file = self.path / "scores.json"
        if not file.is_file():
            return {}
        scores = read_json(file)
        if not all(isinstance(entry, dict) for entry in scores.values()):
            raise UserError(f"{file} cannot be used: a test set's entry is not a mapping")
        return scores

    def test(self, name: str) -> Path:
        """Return the folder of one test set.

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
    """Read the configuration in a run folder, and convert it to the current format.

    Raises:
        UserError: config.yaml is missing or is not a plain mapping.
    """
    return upgrade(read_yaml(path / "config.yaml"))


def newer(path: Path, info: Mapping[str, Any], written: int) -> str:
    """Return the message about a run folder in a newer, unknown format."""
    versions = info.get("versions")
    version = versions.get("seq2seq") if isinstance(versions, dict) else None
    return (
        f"{str(path)!r} has run folder format {written} (written by seq2seq {version}), but this "
        f"version reads formats up to {FORMAT}: install a newer seq2seq to use it"
    )


@runtime_checkable
class Text(Protocol):
    """A parallel text."""

    def sources(self) -> Iterable[str]:
        """Return the source sentences in order."""

    def targets(self) -> Iterable[str]:
        """Return the target sentences in order."""


def create_run(
    path: Path,
    config: dict[str, Any],
    texts: Mapping[str, Text],
    golds: Mapping[str, Iterable[Gold]],
) -> None:
    """Write the initial content of a run folder.

    Args:
        path: the run folder.
        config: the resolved configuration.
        texts: the test sets by name.
        golds: the gold alignments by test set.
    """
    for name, text in texts.items():
        write_lines(path / "hyps" / name / "source.txt", text.sources())
        write_lines(path / "hyps" / name / "reference.txt", text.targets())
    for name, gold in golds.items():
        write_gold(path / "hyps" / name, gold)
    write_config(path, config)  # last, since this file makes the folder a run folder


def write_config(path: Path, config: dict[str, Any]) -> None:
    """Write config.yaml into a run folder."""
    with replacing(path / "config.yaml") as file:
        yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)


def move_aside(path: Path) -> Path:
    """Rename a run folder by appending the current time, and return its new path."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = path.with_name(f"{path.name}.{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{stamp}-{number}")
    path.rename(target)
    return target


def checkpoint_files(folder: Path) -> dict[int, Path]:
    """Return the files of the checkpoints in a run folder by their step, in order."""
    found = {
        int(match[1]): path
        for path in (folder / "checkpoints").glob("step-*.safetensors")
        if (match := CHECKPOINT.fullmatch(path.name))
    }
    return dict(sorted(found.items()))
