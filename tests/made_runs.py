"""Run folders as training and evaluation leave them, made in a moment."""

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console

from seq2seq.compare import Comparison
from seq2seq.compare.report import terminal
from seq2seq.runs import word_scores
from seq2seq.scoring import metrics
from seq2seq.scoring.calibration import SIGNATURE, calibration
from seq2seq.scoring.source_share import summarize
from seq2seq.system.files import write_json, write_lines
from seq2seq.text.word_scores import WordScores

SOURCES = [f"dog {n} runs over the green meadow {n % 5} ." for n in range(24)]
REFERENCES = [f"der Hund {n} läuft über die grüne Wiese {n % 5} ." for n in range(24)]
GOOD = [line.replace("grüne", "rote") if n % 3 else line for n, line in enumerate(REFERENCES)]
BAD = [line.replace("läuft über", "geht auf") for line in GOOD]
TEST = "test_2016_flickr"


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def make_run(
    path: Path,
    hypotheses: list[str],
    *,
    tests: tuple[str, ...] = (TEST,),
    references: list[str] = REFERENCES,
    sources: list[str] = SOURCES,
    target: str = "de",
    model: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    **info: Any,
) -> Path:
    """A run folder; what its run.json has is given by name, None to leave it out."""
    path.mkdir(parents=True)
    data = {"source": "en", "target": target, "tokenized": False}
    settings = {"data": data, "model": model or {}, **(config or {})}
    (path / "config.yaml").write_text(yaml.safe_dump(settings))
    (path / "model.safetensors").write_bytes(b"weights")
    measured = {
        "format": 1,
        "status": "finished",
        "parameters": 12_345_678,
        "steps": 4000,
        "minutes": 20.04,
        "target_tokens_per_second": 12_340.5,
        "seed": 7,
        "commit": "abc1234",
        "tokenizer": {"source": "s", "target": "t"},
    }
    facts = {key: value for key, value in (measured | info).items() if value is not None}
    write_json(path / "run.json", facts)
    stored = {}
    for test in tests:
        folder = path / "hyps" / test
        write_lines(folder / "source.txt", sources)
        write_lines(folder / "reference.txt", references)
        write_lines(folder / "hypothesis.txt", hypotheses)
        stored[test] = {
            **metrics.score(hypotheses, references, tokenized=False, language=target),
            "perplexity": {"score": 12.3456, "unit": "piece"},
            "sentences_per_second": 10.5,
            "search": {"beam": 5},
            "model_sha256": digest(path / "model.safetensors"),
            "test": {
                "lines": len(references),
                "source_sha256": digest(folder / "source.txt"),
                "reference_sha256": digest(folder / "reference.txt"),
            },
        }
    write_json(path / "scores.json", stored)
    return path


def edit_json(path: Path, *keys: str, value: Any) -> None:
    content = json.loads(path.read_text("utf-8"))
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    write_json(path, content)


def shown(comparison: Comparison, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(terminal.render(comparison))
    return file.getvalue()


def add_probabilities(run: Path, *, share: float = 0.75, hidden: bool = True) -> list[WordScores]:
    """Add calibration, scores of words and their shares of the source to a run, on TEST.

    The source explains `share` of every word but the first, of which it explains nothing.
    """
    folder = run / "hyps" / TEST
    sources, hypotheses = (
        (folder / f"{name}.txt").read_text("utf-8").splitlines()
        for name in ("source", "hypothesis")
    )
    lines = []
    for line in hypotheses:
        without = np.full(len(line.split()), -4.0)
        log_p = (1 - share) * without
        log_p[:1] = -4.0
        lines.append(WordScores(line.split(), log_p, without if hidden else None))
    word_scores.write(folder, lines, "unk" if hidden else None)
    p = np.linspace(0.01, 1, 200)
    kinds = {
        "reference": calibration(p, np.arange(200) % 2 == 0),
        "output": calibration(p, np.arange(200) % 4 == 0),
    }
    entry = {"signature": SIGNATURE, "given": "the tokens before", **kinds}
    edit_json(run / "scores.json", TEST, "calibration", value=entry)
    if hidden:
        found = summarize(sources, lines, "unk")
        edit_json(run / "scores.json", TEST, "source_share", value=found)
    return lines
