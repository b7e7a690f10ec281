"""The demonstration: three variants on the built-in corpus, and in words what they show."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq import compose
from seq2seq.commands.evaluate import evaluate
from seq2seq.commands.plot import plot
from seq2seq.compare import compare
from seq2seq.compare.report import write
from seq2seq.runs.folder import RunFolder
from seq2seq.scoring.details import distances, lengths
from seq2seq.system.console import console, titled
from seq2seq.system.files import replacing
from seq2seq.training.train import train

VARIANTS = ("rnn", "bahdanau", "transformer")  # experiment=demo-NAME has their sizes
TESTS = ("test", "test_long", "test_agreement")
DRAWN = 3  # sentences whose attention is drawn


@dataclass(frozen=True)
class Shown:
    """One variant: its run, and its scores by test set."""

    run: RunFolder
    scores: dict[str, Any]


def demo(out: Path, words: Sequence[str] = (), *, seed: int, fresh: bool) -> list[Path]:
    """Train, score, draw and compare the three variants; return the paths to look at.

    Called again, it goes on where it stopped.

    Args:
        out: the folder that everything goes to.
        words: KEY=VALUE for all three trainings.
        seed: of all three runs.
        fresh: begin again, and move what is there aside.
    """
    began, shown = time.perf_counter(), []
    for number, name in enumerate(VARIANTS, 1):
        with titled(f"{number} of {len(VARIANTS)}: {name}{rest(began, number)}"):
            own = [f"experiment=demo-{name}", f"name={name}", f"runs_dir={out}", f"seed={seed}"]
            folder = train(compose.config([*own, f"fresh={str(fresh).lower()}", *words]))
            shown.append(Shown(RunFolder.open(folder), evaluate(folder, TESTS)))
    comparison = compare([one.run.path for one in shown])
    written = write.write(comparison, out / "comparison")
    attentive = [one.run.path for one in shown if "alignment" in one.scores["test"]]
    for line in range(1, DRAWN + 1):
        picture = out / "attention" / f"{line}.png"
        plot("runs", attentive, test="examples", line=line, reference=True, out=picture)
        written.append(picture)
    page = out / "report.md"
    with replacing(page) as file:
        file.write(words_for(shown, [p for p in written if p.suffix == ".png"], page.parent))
    console.print(f"the demo took {(time.perf_counter() - began) / 60:.1f} minutes")
    return [page, *written]


def rest(began: float, number: int) -> str:
    """How long the whole demo will still take, once one variant has shown its speed."""
    if number == 1:
        return ""
    minutes = (time.perf_counter() - began) / 60 / (number - 1) * (len(VARIANTS) - number + 1)
    return f" (the demo ends in about {minutes:.0f} min)"


def words_for(shown: list[Shown], figures: list[Path], folder: Path) -> str:
    """The page: what was done, what is seen, and the pictures of it."""
    lines = ["# What the demo shows", ""]
    data = shown[0].run.config["data"]
    lines += [
        f"Three models, trained on the same {data['pairs']:,} pairs of at most "
        f"{data['max_words']} words, translate {data['source']} to {data['target']}. The sentences "
        "come from a grammar, so that their alignment and every agreement is known. One seed each: "
        "`experiments/length` and `experiments/agreement` have three.",
        "",
        "| | parameters | training minutes | BLEU | exact match | agreement | AER |",
        "|:--|--:|--:|--:|--:|--:|--:|",
        *map(row, shown),
        "",
        "BLEU and exact match (in %) are of `test`, whose sentences are as long as those of the "
        "training; agreement (in %) is of `test_agreement`; AER, the alignment error rate of the "
        "attention, is of `test` (0 is perfect; the plain RNN has no attention to read).",
        "",
        "## Length",
        "",
    ]
    pictures = {figure.stem: str(figure.relative_to(folder)) for figure in figures}
    lines += [f"- {sentence}" for one in shown for sentence in of_length(one)]
    lines += ["", f"![BLEU by length]({pictures['length-test_long']})"]
    lines += ["", "## Agreement", ""]
    lines += [f"- {sentence}" for one in shown for sentence in of_distance(one)]
    lines += ["", f"![agreement by distance]({pictures['agreement-test_agreement']})"]
    lines += [
        "",
        "## Alignment",
        "",
        "Where each French word looked in the English sentence while the reference was read; links "
        "that the grammar knows are outlined, the possible ones with dots.",
    ]
    for line in range(1, DRAWN + 1):
        lines += ["", f"![attention, sentence {line}]({pictures[str(line)]})"]
    lines += [
        "",
        "The whole comparison: [in a browser](comparison/report.html), where every sentence and "
        "heatmap can be looked at, or [as text](comparison/report.md).",
        "",
    ]
    return "\n".join(lines)


def row(one: Shown) -> str:
    """A line of the table."""
    test, info = one.scores["test"], one.run.info
    aer = f"{test['alignment']['aer']:.3f}" if "alignment" in test else "-"
    return (
        f"| {one.run.name} | {info['parameters']:,} | {info['minutes']:.1f} | "
        f"{test['bleu']['score']:.1f} | {test['exact_match']['score']:.1f} | "
        f"{one.scores['test_agreement']['agreement']['score']:.1f} | {aer} |"
    )


def of_length(one: Shown) -> list[str]:
    """How BLEU goes with length, inside what training had and beyond it."""
    trained = one.run.config["data"]["max_words"]
    points = [(int(p.place.split("\N{EN DASH}")[1]), p) for p in lengths(one.scores["test_long"])]
    inside = [point for end, point in points if end <= trained]
    beyond = [point for end, point in points if end > trained]
    told = [
        f"**{one.run.name}**: BLEU {moves(inside[0].value, inside[-1].value)} from "
        f"{inside[0].place} to {inside[-1].place} words, the lengths of its training"
    ]
    if beyond:
        told[0] += (
            f"; {beyond[0].value:.1f} at {beyond[0].place} words, which it has never seen, and "
            f"{beyond[-1].value:.1f} at {beyond[-1].place}"
        )
    return [told[0] + "."]


def of_distance(one: Shown) -> list[str]:
    """How agreement goes with distance."""
    points = distances(one.scores["test_agreement"])
    return [
        f"**{one.run.name}**: {points[0].value:.0f} % of verbs agree with a subject right before "
        f"them, {points[-1].value:.0f} % at {points[-1].place} words."
    ]


def moves(first: float, last: float) -> str:
    """From one number to another, in words."""
    way = "falls" if last < first - 3 else "rises" if last > first + 3 else "hardly moves"
    return f"{way} from {first:.1f} to {last:.1f}"
