"""`seq2seq demo`: train four models on the built-in corpus and report their differences."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.commands.evaluate import evaluate
from seq2seq.commands.plot import plot
from seq2seq.compare import compare
from seq2seq.compare.report import write
from seq2seq.runs.folder import RunFolder
from seq2seq.scoring.breakdown import distance_points, length_points
from seq2seq.settings import config_files, key_checks, train_arguments
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import fits
from seq2seq.system import launcher
from seq2seq.system.console import console, section_heading
from seq2seq.system.files import replacing
from seq2seq.training.train import train

# experiment=demo-NAME has their sizes; the first one takes seconds, the others minutes
DEMO_MODELS = ("word_for_word", "rnn", "bahdanau", "transformer")
TESTS = ("test", "test_long", "test_agreement")
# Keys that the demo sets, and what to do instead
OWN_KEYS = {
    "model": "it trains all four models",
    "model.name": "it trains all four models",
    "data": "it needs the built-in corpus",
    "data.name": "it needs the built-in corpus",
    "experiment": "each model has its own",
    "name": "the runs are named after their models",
    "runs_dir": "use --out FOLDER",
    "seed": "use --seed NUMBER",
    "fresh": "use --fresh",
}
DRAWN = 3  # number of sentences whose attention is drawn


@dataclass(frozen=True)
class Result:
    """The run of one model, and its scores by test set."""

    run: RunFolder
    scores: dict[str, Any]


def demo(out: Path, words: Sequence[str] = (), *, seed: int, fresh: bool) -> list[Path]:
    """Train, score, compare and plot four models; return the paths of the report and figures.

    A second call resumes an interrupted demo.

    Args:
        out: the output folder.
        words: training arguments KEY=VALUE for all models; those of the section `model` are for the
            models that are trained by gradients.
        seed: the random seed of all runs.
        fresh: rename earlier runs and start over.

    Raises:
        UserError: an argument is wrong, or is a key that the demo sets.
    """
    launcher.refuse_launcher("the models of the demo")
    configs = configurations(out, words, seed=seed, fresh=fresh)
    started, results = time.perf_counter(), []
    seconds: list[float] = []
    for number, (name, config) in enumerate(configs.items(), 1):
        began = time.perf_counter()
        title = f"{number} of {len(DEMO_MODELS)}: {name}{remaining_time(seconds[1:], number)}"
        with section_heading(title):
            folder = train(config)
            results.append(Result(RunFolder.open(folder), evaluate(folder, TESTS)))
        seconds.append(time.perf_counter() - began)
    comparison = compare([result.run.path for result in results])
    written = write.write(comparison, out / "comparison")
    attentive = [result.run.path for result in results if "alignment" in result.scores["test"]]
    for line in range(1, DRAWN + 1):
        picture = out / "attention" / f"{line}.png"
        plot("runs", attentive, test="examples", line=line, reference=True, out=picture)
        written.append(picture)
    page = out / "report.md"
    with replacing(page) as file:
        file.write(report(results, [p for p in written if p.suffix == ".png"], page.parent))
    console.print(f"the demo took {(time.perf_counter() - started) / 60:.1f} minutes")
    return [page, *written]


def configurations(out: Path, words: Sequence[str], *, seed: int, fresh: bool) -> dict[str, Config]:
    """Return the configuration of each model; the arguments are those of `demo`."""
    key_checks.refuse_keys(words, OWN_KEYS, "demo")
    own = [f"runs_dir={out}", f"seed={seed}", f"fresh={str(fresh).lower()}"]
    return {
        name: train_arguments.config([f"experiment=demo-{name}", f"name={name}", *own, *given])
        for name in DEMO_MODELS
        for given in [words_for(name, words)]
    }


def words_for(name: str, words: Sequence[str]) -> list[str]:
    """Return the arguments for a model: without sizes of layers if it has no layers."""
    if not fits(config_files.model_settings(name)):
        return list(words)
    return [word for word in words if not word.removeprefix("++").startswith("model.")]


def remaining_time(seconds: Sequence[float], number: int) -> str:
    """Return the estimated remaining time of the demo; empty if there is nothing to go by.

    Args:
        seconds: the time that each model but the first has taken.
        number: the number of the next model, from 1.
    """
    if not seconds:
        return ""
    minutes = sum(seconds) / 60 / len(seconds) * (len(DEMO_MODELS) - number + 1)
    return f" (about {minutes:.0f} min left)"


def report(results: list[Result], figures: list[Path], folder: Path) -> str:
    """Return the report in Markdown: setup, results and figures.

    Args:
        results: the runs and scores.
        figures: the paths of the figures.
        folder: the folder of the report.
    """
    lines = ["# Results of the demo", ""]
    data = results[0].run.config["data"]
    lines += [
        f"Four models, trained on the same {data['pairs']:,} pairs of at most "
        f"{data['max_words']} words, translate {data['source']} to {data['target']}. The sentences "
        "are generated by a grammar, so their alignment and subject-verb agreement are known. Each "
        "model has one seed; `experiments/length` and `experiments/agreement` use three.",
        "",
        "| | parameters | training minutes | BLEU | exact match | agreement | AER |",
        "|:--|--:|--:|--:|--:|--:|--:|",
        *map(row, results),
        "",
        "BLEU and exact match (in %) are measured on `test`, whose sentences are as long as those "
        "of the training data; agreement (in %) on `test_agreement`; the alignment error rate "
        "(AER) of the attention on `test` (0 is perfect; the plain RNN has no attention). "
        "`word_for_word` replaces each word by its most probable translation and has no context; "
        "its attention links the words with the same position. Its parameters are the "
        "probabilities in its table.",
        "",
        "## Length",
        "",
    ]
    pictures = {figure.stem: str(figure.relative_to(folder)) for figure in figures}
    lines += [f"- {of_length(result)}" for result in results]
    lines += drawn("BLEU by length", pictures.get("length-test_long"))
    lines += ["", "## Agreement", ""]
    lines += [f"- {of_distance(result)}" for result in results]
    lines += drawn("agreement by distance", pictures.get("agreement-test_agreement"))
    lines += [
        "",
        "## Alignment",
        "",
        "Attention of each French word to the words of the English sentence, with the reference "
        "force-decoded. Gold links are outlined, possible links with a dotted line.",
    ]
    for line in range(1, DRAWN + 1):
        lines += ["", f"![attention, sentence {line}]({pictures[str(line)]})"]
    lines += [
        "",
        "The full comparison: [as HTML](comparison/report.html), with all sentences and heatmaps, "
        "or [as Markdown](comparison/report.md).",
        "",
    ]
    return "\n".join(lines)


def drawn(caption: str, picture: str | None) -> list[str]:
    """Return the lines of a picture; none if it was not drawn, for want of a second point."""
    return ["", f"![{caption}]({picture})"] if picture else []


def row(result: Result) -> str:
    """Return a row of the table."""
    test, info = result.scores["test"], result.run.info
    aer = f"{test['alignment']['aer']:.3f}" if "alignment" in test else "-"
    return (
        f"| {result.run.name} | {info['parameters']:,} | {info['minutes']:.1f} | "
        f"{test['bleu']['score']:.1f} | {test['exact_match']['score']:.1f} | "
        f"{result.scores['test_agreement']['agreement']['score']:.1f} | {aer} |"
    )


def of_length(result: Result) -> str:
    """Describe how BLEU changes with length, within the training lengths and beyond them."""
    trained = result.run.config["data"]["max_words"]
    points = [
        (int(p.place.split("\N{EN DASH}")[1]), p) for p in length_points(result.scores["test_long"])
    ]
    inside = [point for end, point in points if end <= trained]
    beyond = [point for end, point in points if end > trained]
    if not inside:
        return (
            f"**{result.run.name}**: BLEU is {beyond[0].value:.1f} at {beyond[0].place} words and "
            f"{beyond[-1].value:.1f} at {beyond[-1].place}; training sentences have at most "
            f"{trained} words."
        )
    sentence = (
        f"**{result.run.name}**: BLEU {change(inside[0].value, inside[-1].value)} from "
        f"{inside[0].place} to {inside[-1].place} words, the lengths of the training data"
    )
    if beyond:
        sentence += (
            f"; it is {beyond[0].value:.1f} at {beyond[0].place} words, longer than any training "
            f"sentence, and {beyond[-1].value:.1f} at {beyond[-1].place}"
        )
    return sentence + "."


def of_distance(result: Result) -> str:
    """Describe how agreement changes with the distance between subject and verb."""
    first, *others = distance_points(result.scores["test_agreement"])
    sentence = (
        f"**{result.run.name}**: {first.value:.0f} % of verbs agree with a subject directly "
        "before them"
    )
    if others:
        sentence += f", {others[-1].value:.0f} % at a distance of {others[-1].place} words"
    return sentence + "."


def change(first: float, last: float) -> str:
    """Describe the change from one BLEU score to another."""
    verb = "falls" if last < first - 3 else "rises" if last > first + 3 else "hardly changes"
    return f"{verb} from {first:.1f} to {last:.1f}"
