"""Kill, fill up, damage and stop trainings, let them go on, and compare what they come to."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from io import FileIO
from itertools import product
from pathlib import Path
from typing import Any

import seq2seq.training.train  # noqa: F401  imported here, so that no copy of this process has to
from seq2seq.cli import main
from seq2seq.runs.weights import read_tensors
from seq2seq.system.files import write_json
from seq2seq.system.provenance import environment

HERE = Path(__file__).parent
KILL, WRITE, TERM = "SIGKILL at a random time", "SIGKILL during a write", "SIGTERM at a random time"
CUT, FLIP = "newest save cut off after a SIGKILL", "one bit of the newest save turned over"
FULL = "file system full"
FAULTS = {KILL: 67, WRITE: 33, TERM: 20, CUT: 15, FLIP: 15, FULL: 15}
A_RUN = 12  # faults that one run has to bear
MODELS = {
    "rnn": "model.dim=64 model.embedding=64 model.readout_dim=64",
    "bahdanau": "model.dim=64 model.embedding=64 model.align_dim=64 model.readout_dim=64",
    "transformer": (
        "model.dim=64 model.heads=2 model.encoder_layers=2 model.decoder_layers=2 "
        "model.feed_forward=128 model.attention_dropout=0.1"
    ),
}
RECIPE = (
    "data=files data.source=en data.target=de data.tests=[] tokenizer.vocab_size=90 "
    "tokenizer.sampling=0.1 model.dropout=0.2 search.max_length=8 search.length_ratio=0 "
    "train.batch_tokens=200 train.accumulate=2 train.max_epochs=null train.max_steps=8 "
    "train.validate_every=2 train.log_every=1 train.average=3 train.patience=40 "
    "train.save_every=0.005 trainer.accelerator=cpu trainer.threads=1"
)
SCHEDULES = ("inverse_sqrt", "cosine", "plateau")
WORDS = (
    {"two": "zwei", "three": "drei", "five": "fünf"},
    {"cats": "Katzen", "dogs": "Hunde", "girls": "Mädchen", "birds": "Vögel"},
    {"see": "sehen", "hear": "hören", "like": "mögen"},
    {"trees": "Bäume", "cars": "Autos", "songs": "Lieder"},
)


def write_corpus(folder: Path) -> None:
    """Sentences that are translated word by word: 88 to learn from, 20 to look at."""
    choices = product(*(words.items() for words in WORDS))
    pairs = [[" ".join(side) for side in zip(*choice, strict=True)] for choice in choices]
    random.Random(1).shuffle(pairs)
    for split, part in (("validation", pairs[:20]), ("train", pairs[20:])):
        for language, side in zip(("en", "de"), zip(*part, strict=True), strict=True):
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in side))


class Torn(FileIO):
    """A file in whose writing the process dies, when a share of the content is on its way."""

    share = 0.0

    def write(self, content: Any) -> int:
        """Write a part, and no more."""
        super().write(content[: int(len(content) * self.share)])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def start(words: list[str], said: Path, *, deadly: int = 0, share: float = 0.0) -> int:
    """Give the command in a copy of this process, where nothing has to be imported again.

    Args:
        words: after `seq2seq train`.
        said: the file that gets what it says.
        deadly: the number of the tensor file, from 1, in whose writing it dies; 0 is none.
        share: of that file that is written before.
    """
    if process := os.fork():
        return process
    status, opened, Torn.share = 99, Path.open, share

    def watched(path: Path, *args: Any, **kwargs: Any) -> Any:
        nonlocal deadly
        deadly -= ".safetensors." in path.name and path.suffix == ".partial"
        if deadly == 0 and path.suffix == ".partial":
            return Torn(path, "w")
        return opened(path, *args, **kwargs)

    if deadly:
        Path.open = watched
    try:
        with said.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.argv = ["seq2seq", "train", *words]
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(process: int, *, wait: bool) -> int | None:
    """Its exit status, negative for a signal; None while it runs."""
    found, status = os.waitpid(process, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def result(run: Path) -> dict[str, object]:
    """All of a finished run that must be the same bits: weights, checkpoints, log, last save."""
    files = [run / "model.safetensors", run / "log.jsonl", *run.glob("checkpoints/*")]
    tensors, _ = read_tensors(max(run.glob("state/*")))
    saved = {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
    return {path.name: path.read_bytes() for path in files} | saved


class Run:
    """A training that is attacked until it is through.

    Args:
        folder: the run folder.
        words: its command, but for the folder.
        notes: where what it says goes.
        seconds: how long it takes when it is let alone.
        chance: decides when and where.
    """

    def __init__(
        self, folder: Path, words: list[str], notes: Path, seconds: float, chance: random.Random
    ) -> None:
        self.folder, self.seconds, self.chance = folder, seconds, chance
        self.said = notes / f"{folder.name}.txt"
        self.words = [*words, f"runs_dir={folder.parent}", f"name={folder.name}"]

    def bear(self, fault: str) -> str | None:
        """Go on under a fault; the fault that it really was, None if the run came to its end."""
        if fault == WRITE:
            deadly, share = self.chance.randint(1, 8), self.chance.random()
            process = start(self.words, self.said, deadly=deadly, share=share)
            if ended(process, wait=True) == 0:
                return None
            assert self.unfinished()
            return WRITE
        process = start(self.words, self.said)
        until = time.perf_counter() + self.chance.uniform(0.02, 0.7) * self.seconds
        # What is to be damaged must be there first.
        while time.perf_counter() < until or (fault in (CUT, FLIP) and len(self.saves()) < 2):
            if ended(process, wait=False) is not None:
                return None
            time.sleep(0.01)
        os.kill(process, signal.SIGTERM if fault == TERM else signal.SIGKILL)
        status = ended(process, wait=True)
        if fault == TERM:
            return None if status == 0 else TERM
        return self.damage(fault) if fault in (CUT, FLIP) else KILL

    def saves(self) -> list[Path]:
        """The saves there are, the newest last."""
        return sorted(self.folder.glob("state/save-*"))

    def unfinished(self) -> bool:
        """Whether a save, a checkpoint or the model is being written."""
        folders = [self.folder / name for name in ("state", "checkpoints", ".")]
        names = [name for f in folders if f.is_dir() for name in os.listdir(f)]  # noqa: PTH208
        return any(name.startswith((".save", ".step", ".model")) for name in names)

    def damage(self, fault: str) -> str:
        """Damage the newest save; there is one before it."""
        saves = self.saves()
        if len(saves) < 2:  # the kill came between two steps of writing the next
            return KILL
        content = bytearray(saves[-1].read_bytes())
        place = self.chance.randrange(len(content))
        if fault == CUT:
            del content[place:]
        else:
            content[place] ^= 1 << self.chance.randrange(8)
        saves[-1].write_bytes(content)
        return fault

    def fill(self, disk: Path) -> str | None:
        """Go on in a file system that has a little room left; FULL if that was too little."""
        used = sum(path.stat().st_blocks for path in disk.rglob("*")) // 2  # KiB
        resize(disk, f"{used + self.chance.randrange(16, 1500)}k")
        status = ended(start(self.words, self.said), wait=True)
        resize(disk, "1g")
        if status == 0:
            return None
        assert status == 1 and "no space is left on the disk" in self.said.read_text()
        return FULL

    def finish(self) -> dict[str, object] | None:
        """What it comes to when it is let alone at last; None if it fails."""
        status = ended(start(self.words, self.said), wait=True)
        return (
            result(self.folder) if status == 0 and not [*self.folder.rglob("*.partial")] else None
        )


def resize(disk: Path, size: str) -> None:
    """Make a mounted file system larger or smaller."""
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def attack(place: Path, faults: dict[str, int], seed: int) -> Iterator[dict[str, Counter[str]]]:
    """Spread the faults over runs of every variant; the counts after each run."""
    chance = random.Random(seed)
    corpus, disk = place / "corpus", place / "disk"
    for folder in (corpus, disk):
        folder.mkdir()
    write_corpus(corpus)
    commands, expected, seconds = {}, {}, {}
    for model, sizes in MODELS.items():
        schedule = f"train.schedule={SCHEDULES[len(commands)]}"
        words = [*RECIPE.split(), *sizes.split(), f"data.root={corpus}", f"model={model}", schedule]
        began = time.perf_counter()
        whole = Run(place / model, words, place, 0, chance)
        commands[model], expected[model] = words, whole.finish()
        seconds[model] = time.perf_counter() - began
        assert expected[model], whole.said.read_text()
        print(f"{model}: {seconds[model]:.1f} s when let alone", flush=True)

    counts: dict[str, Counter[str]] = {
        "injected": Counter(),
        "survived": Counter(),
        "lost": Counter(),
    }
    deck = [fault for fault, number in faults.items() for _ in range(number) if fault != FULL]
    chance.shuffle(deck)
    full = mounted(disk) * faults.get(FULL, 0)
    number = 0
    while deck or full:
        model = list(MODELS)[number % len(MODELS)]
        number += 1
        folder = (place if deck else disk) / f"{model}-{number}"
        run = Run(folder, commands[model], place, seconds[model], chance)
        borne: list[str] = []
        while len(borne) < A_RUN and (deck or full):
            fault = run.bear(deck[-1]) if deck else run.fill(disk)
            if fault is None:
                break
            borne.append(fault)
            if not deck:
                full -= 1
            elif fault in deck:
                deck.remove(fault)
        end = "survived" if run.finish() == expected[model] else "lost"
        for name in ("injected", end):
            counts[name].update(borne)
        print(f"{run.folder.name}: {len(borne)} faults {end}; {len(deck) + full} left", flush=True)
        if end == "survived":
            shutil.rmtree(run.folder)
        yield counts
    if disk.is_mount():
        subprocess.run(["umount", disk], check=True)


def mounted(disk: Path) -> bool:
    """Whether a file system in memory could be mounted."""
    words = ["mount", "-t", "tmpfs", "-o", "size=1g", "none", str(disk)]
    return not subprocess.run(words, capture_output=True).returncode


def report(counts: dict[str, Counter[str]], seed: int, minutes: float) -> None:
    """Write counts.json, and the table into README.md."""
    facts = {"seed": seed, "minutes": minutes, **environment()}
    write_json(HERE / "counts.json", {**counts, **facts})
    rows = [(f, *(counts[name][f] for name in counts)) for f in FAULTS if counts["injected"][f]]
    rows.append(("**all**", *(counts[name].total() for name in counts)))
    lines = ["| fault | injected | survived | lost |", "|---|--:|--:|--:|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    readme = HERE / "README.md"
    before, _, rest = readme.read_text("utf-8").partition("<!-- counts -->\n")
    _, _, after = rest.partition("<!-- end -->")
    table = "\n".join(lines)
    readme.write_text(f"{before}<!-- counts -->\n{table}\n<!-- end -->{after}", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the faults, for a first look")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEQ2SEQ_CACHE"] = f"{folder}/cache"
        faults = {fault: max(1, round(n * options.share)) for fault, n in FAULTS.items()}
        for counts in attack(Path(folder), faults, options.seed):
            report(counts, options.seed, (time.perf_counter() - began) / 60)
    sys.exit(counts["lost"].total() > 0)
