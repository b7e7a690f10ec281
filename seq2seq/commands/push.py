"""`seq2seq push`: share a run folder, with a model card, on the Hugging Face hub."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from seq2seq.alignment.rule import Rule
from seq2seq.commands.align import Sentence, drawn
from seq2seq.commands.model_card import CARD, PICTURE, card_license, model_card
from seq2seq.errors import UserError
from seq2seq.hub.address import check_name
from seq2seq.hub.download import ORIGIN
from seq2seq.hub.upload import Uploaded, upload
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.plots import heatmaps
from seq2seq.runs.folder import RunFolder
from seq2seq.system.files import read_lines_checked
from seq2seq.translation.translator import Translator

# What is needed only to resume the training, and is large.
LEFT_OUT = ("state", "checkpoints", "tensorboard")
LICENSE = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
LEGIBLE = range(5, 16)  # words of the sentence in the picture


class Pushed(NamedTuple):
    """What was shared, or what would be.

    Attributes:
        files: the files, by their path in the model.
        machine_paths: keys of config.yaml whose values are paths on this machine.
        uploaded: the commit; None if nothing was uploaded.
    """

    files: dict[str, int]
    machine_paths: dict[str, str]
    uploaded: Uploaded | None


def push(
    path: str | Path,
    name: str,
    *,
    license: str,
    private: bool = False,
    texts: bool = True,
    dry_run: Path | None = None,
) -> Pushed:
    """Upload a run folder and its model card to the hub, in one commit.

    The training state, the checkpoints and hidden files stay here. A README.md in the run folder
    is uploaded instead of a new card.

    Args:
        path: the run folder.
        name: the model on the hub, USER/NAME; it is created if there is none.
        license: the identifier of the license of the model, such as apache-2.0.
        private: whether a new model is private.
        texts: include the test sets and their translations.
        dry_run: write what would be uploaded into this new folder, and upload nothing.

    Raises:
        UserError: the run is not finished, an argument is not valid, or as in `upload`.
    """
    check_name(name, name)
    if not LICENSE.fullmatch(license):
        raise UserError(
            f"--license {license}: give an identifier in lower case, such as apache-2.0, mit, "
            "cc-by-4.0 or other (https://hf.co/docs/hub/repositories-licenses)"
        )
    run = RunFolder.open(path)
    if run.info.get("status") != "finished":
        raise UserError(
            f"the training of {str(run.path)!r} has not finished (status: "
            f"{run.info.get('status', 'unknown')}): run the same `seq2seq train` command again"
        )
    if dry_run is not None and private:
        raise UserError("--private has no effect with --dry-run, which uploads nothing")
    if dry_run is not None and dry_run.exists():
        raise UserError(f"--dry-run {dry_run} exists already: name a new folder")
    if dry_run is not None and dry_run.resolve().is_relative_to(run.path.resolve()):
        raise UserError(f"--dry-run {dry_run} is in the run folder: name a folder outside")
    files = dict(shared_files(run.path, texts))
    with TemporaryDirectory() as work:
        if CARD in files:
            check_card(files[CARD], license)
        else:
            files |= written_card(run, name, license, Path(work), texts)
        done = None
        if dry_run is None:
            message = f"Upload {run.name}"
            done = upload(name, files, private=private, message=message)
        else:
            for place, file in files.items():
                (dry_run / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, dry_run / place)
        sizes = {place: file.stat().st_size for place, file in files.items()}
    return Pushed(sizes, dict(machine_paths(run.config)), done)


def shared_files(folder: Path, texts: bool) -> Iterator[tuple[str, Path]]:
    """Yield the files of a run folder that are shared, by their path in it."""
    for file in sorted(folder.rglob("*")):
        place = file.relative_to(folder)
        if not file.is_file() or any(part.startswith(".") for part in place.parts):
            continue
        if place.parts[0] in LEFT_OUT or str(place) == ORIGIN:
            continue
        if place.parts[0] in ("hyps", "source_words.tsv", "align") and not texts:
            continue
        yield place.as_posix(), file


def check_card(path: Path, license: str) -> None:
    """Check that a card that the user wrote names the license.

    Raises:
        UserError: it does not; the message says what to write.
    """
    given = card_license(read_lines_checked(path))
    if given != license:
        has = "names no license" if given is None else f"says license: {given}"
        raise UserError(
            f"{path} is used as the model card, but it {has}, not {license}: begin it with the "
            f"three lines `---`, `license: {license}`, `---`, or remove it to have a card written"
        )


def written_card(
    run: RunFolder, name: str, license: str, work: Path, texts: bool
) -> dict[str, Path]:
    """Write the model card, and the heatmap of one sentence if `texts`, into a folder."""
    sentence = legible_sentence(run) if texts else None
    files = {}
    caption = None
    if sentence is not None:
        caption = draw(run, sentence, work / PICTURE)
        files[PICTURE] = work / PICTURE
    (work / CARD).write_text(model_card(run, name, license, caption), encoding="utf-8")
    return {**files, CARD: work / CARD}


def legible_sentence(run: RunFolder) -> str | None:
    """Return a sentence of a test set that is neither short nor long; None if there is none."""
    for test in sorted(run.tests, key=lambda test: test != "examples"):  # made to be drawn
        for line in read_lines_checked(run.test(test) / "source.txt"):
            if len(line.split()) in LEGIBLE:
                return line
    return None


def draw(run: RunFolder, source: str, path: Path) -> str:
    """Draw the heatmap of one translation, and return its caption.

    It shows attention, or occlusion for a model without attention.
    """
    translator = Translator(run, device="cpu")
    sentence, rule = Sentence(source), chosen_rule(run)
    if translator.model.attention_shape == (0, 0) and rule.method == "attention":
        rule = Rule(method="occlusion")
    panel, _ = drawn(translator, sentence, sentence.translated(translator, rule), rule)
    heatmaps.draw_side_by_side([panel], path)
    return {
        "attention": "Attention of each target word to the source words.",
        "occlusion": "How much less probable, in nats, each target word is without a source word.",
    }.get(rule.method, f"What each target word depends on, by the method {rule.method}.")


def machine_paths(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys of a configuration whose values are absolute paths."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from machine_paths(value, f"{prefix}{key}.")
        elif isinstance(value, str) and Path(value).is_absolute():
            yield f"{prefix}{key}", value
