"""One and two processes on two cores: target tokens a second, and a resume after a kill.

    python processes.py FOLDER OUT.json

FOLDER receives the runs, about 20 MB. Each setting trains on the built-in corpus with updates of
the same size. The settings alternate, so that other load on the machine affects all of them.
"""

import hashlib
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from seq2seq.runs.untrusted import read_json
from seq2seq.system import provenance
from seq2seq.system.files import write_json

ROUNDS, MODELS = 2, ("transformer",)
SETTINGS = {
    "1 process, 1 thread": ["train.accumulate=2", "trainer.threads=1"],
    "1 process, 2 threads": ["train.accumulate=2", "trainer.threads=2"],
    "2 processes, 1 thread each": ["trainer.devices=2", "trainer.threads=1"],
}
WORDS = ["seed=1", "trainer.accelerator=cpu", "train.max_epochs=null"]
NEVER = "train.validate_every=1000000"


def command(folder: Path, name: str, *words: str) -> list[str]:
    """The command that trains a run."""
    own = [*WORDS, f"runs_dir={folder}", f"name={name}", *words]
    return [sys.executable, "-m", "seq2seq.cli", "train", *own]


def speed(folder: Path, name: str, *words: str) -> float:
    """Train for some updates; return target tokens a second."""
    own = command(folder, name, "train.max_steps=12", NEVER, *words)
    subprocess.run(own, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return read_json(folder / name / "run.json")["target_tokens_per_second"]


def killed(folder: Path) -> dict[str, object]:
    """Kill the process with rank 1 of a training, resume it, and compare the weights."""
    words = ["model=transformer", *SETTINGS["2 processes, 1 thread each"], "train.max_steps=12"]
    words += [NEVER, "train.save_every=0", "train.log_every=1"]
    subprocess.run(command(folder, "whole", *words), check=True, stderr=subprocess.DEVNULL)
    started = subprocess.Popen(
        command(folder, "killed", *words), stderr=subprocess.PIPE, encoding="utf-8"
    )
    log = folder / "killed/log.jsonl"
    while not log.is_file() or len(log.read_text("utf-8").splitlines()) < 4:
        time.sleep(0.05)
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    at = time.monotonic()
    _, said = started.communicate()
    seconds = time.monotonic() - at
    steps = len(log.read_text("utf-8").splitlines())
    subprocess.run(command(folder, "killed", *words), check=True, stderr=subprocess.DEVNULL)
    models = [(folder / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    hashes = [hashlib.sha256(model).hexdigest() for model in models]
    return {
        "status": started.returncode,
        "seconds_until_the_end": seconds,
        "message": [line for line in said.splitlines() if line.startswith("seq2seq: ")],
        "updates_at_the_kill": steps,
        "same_bytes_after_resuming": hashes[0] == hashes[1],
    }


def main() -> None:
    """Measure and write OUT.json."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    tokens: dict[str, dict[str, list[float]]] = {m: {s: [] for s in SETTINGS} for m in MODELS}
    loads = []
    for number in range(ROUNDS):
        for model in MODELS:
            for i, (setting, words) in enumerate(SETTINGS.items()):
                name = f"{model}-{i}-{number}"
                tokens[model][setting].append(speed(folder, name, f"model={model}", *words))
                loads.append(os.getloadavg()[0])
                print(name, tokens[model][setting][-1], file=sys.stderr, flush=True)
    found = {
        "command": "python experiments/scale/processes.py FOLDER OUT.json",
        "seed": 1,
        "target_tokens_per_second": tokens,
        "median": {
            model: {setting: statistics.median(all_) for setting, all_ in settings.items()}
            for model, settings in tokens.items()
        },
        "load_average": [min(loads), max(loads)],
        "kill": killed(folder),
    }
    write_json(out, {**found, **provenance.environment(), "date": provenance.timestamp()})


main()
