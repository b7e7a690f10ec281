"""The model card of a run: what it is, its scores, and how to use it.

The card is Markdown with a YAML header, in the format of the Hugging Face hub, which reads the
scores from `model-index`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from seq2seq.compare.checks import texts
from seq2seq.compare.runs import Run
from seq2seq.compare.significance import Interval, Resampling
from seq2seq.runs.folder import ADOPTED, HUB, RunFolder
from seq2seq.runs.references import read_references
from seq2seq.scoring.metrics import statistics
from seq2seq.text.languages import Target
from seq2seq.version import __version__

PICTURE = "attention.png"
CARD = "README.md"


class Bleu(NamedTuple):
    """BLEU of one test set.

    Attributes:
        test: the name of the test set.
        interval: the score and its 95 % interval, by bootstrap resampling.
        signature: the sacreBLEU signature.
    """

    test: str
    interval: Interval
    signature: str


def evaluated_tests(run: RunFolder) -> list[Bleu]:
    """Return BLEU of every test set that `seq2seq evaluate` has translated.

    Raises:
        UserError: the weights or the test set have changed since the test set was translated, or
            the translations are not complete.
    """
    target = Target.of(run.config["data"])
    scored = Run.of(run, run.name)
    found = []
    for test in scored.scores:
        _, references, hypotheses = texts(test, scored)
        _, *more = read_references(run.test(test))
        counts = statistics(hypotheses, references, more=more, only=["bleu"], **target._asdict())[
            "bleu"
        ]
        found.append(Bleu(test, Resampling(len(references)).interval(counts), counts.signature))
    return found


def model_card(run: RunFolder, name: str, license: str, caption: str | None) -> str:
    """Return the model card of a run.

    Args:
        run: the run.
        name: USER/NAME.
        license: the identifier of the license, such as apache-2.0.
        caption: what `PICTURE` shows; None if there is no picture.
    """
    scores = evaluated_tests(run)
    header = yaml.safe_dump(metadata(run, license, scores), sort_keys=False, allow_unicode=True)
    parts = [
        f"# {name.partition('/')[2]}",
        what(run),
        *(["## Scores", table(scores)] if scores else []),
        *(["## Attention", f"![{caption}]({PICTURE})\n\n{caption}"] if caption else []),
        "## Use",
        usage(name),
        "## Training",
        training(run),
    ]
    return f"---\n{header}---\n\n" + "\n\n".join(parts) + "\n"


def languages(run: RunFolder) -> list[str]:
    """Return the codes of source and target; fewer if the run does not have them."""
    data = run.config["data"]
    return [data[side] for side in ("source", "target") if data.get(side)]


def card_license(lines: Sequence[str]) -> str | None:
    """Return the license in the YAML header of a card; None if there is none."""
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return None
    try:
        header = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))
    except yaml.YAMLError:
        return None
    return str(header["license"]) if isinstance(header, dict) and "license" in header else None


def metadata(run: RunFolder, license: str, scores: list[Bleu]) -> dict[str, Any]:
    """Return the header of the card."""
    pair = languages(run)
    header: dict[str, Any] = {"language": pair} if pair else {}
    header |= {
        "license": license,
        "library_name": "seq2seq-toolkit",
        "pipeline_tag": "translation",
        "tags": ["translation", "attention", str(run.config["model"].get("name"))],
    }
    if scores:
        corpus = str(run.config["data"].get("name"))
        results = [
            {
                "task": {"type": "translation", "name": " ".join(["Translation", *pair])},
                "dataset": {"name": f"{corpus}, {one.test}", "type": corpus, "split": one.test},
                "metrics": [
                    {
                        "type": "bleu",
                        "name": "BLEU",
                        "value": round(one.interval.score, 2),
                        "args": {
                            "signature": one.signature,
                            "interval_95": [round(end, 2) for end in one.interval[1:]],
                        },
                    }
                ],
            }
            for one in scores
        ]
        header["model-index"] = [{"name": run.name, "results": results}]
    return header


def what(run: RunFolder) -> str:
    """Return a sentence about the model."""
    info, pair = run.info, languages(run)
    kind = fact(info, "model", "kind") or run.config["model"].get("name")
    size = info.get("parameters")
    size = f", {size:,} parameters" if isinstance(size, int) else ""
    which = f" from `{pair[0]}` to `{pair[1]}`" if len(pair) == 2 else ""
    version = fact(info, "versions", "seq2seq")
    by = f"trained with seq2seq-toolkit {version}"
    if run.adopted:
        by = f"trained by another program and converted with seq2seq-toolkit {version}"
    return f"A translation model{which} (`{kind}`{size}), {by}."


def table(scores: list[Bleu]) -> str:
    """Return the scores as a Markdown table, with their signatures."""
    lines = ["| test set | BLEU | 95 % interval |", "|:--|--:|--:|"]
    for test, (score, low, high), _ in scores:
        lines.append(f"| `{test}` | {score:.2f} | {low:.2f} to {high:.2f} |")
    signatures = ", ".join(f"`{one}`" for one in dict.fromkeys(one.signature for one in scores))
    return (
        "\n".join(lines) + f"\n\nsacreBLEU, signature {signatures}; the interval is that of "
        "bootstrap resampling with 1,000 samples. `scores.json` has further metrics."
    )


def usage(name: str) -> str:
    """Return how a reader translates with the model."""
    return f"""```bash
pip install 'seq2seq-toolkit>={__version__}'
seq2seq translate {HUB}{name} < input.txt > output.txt
seq2seq pull {HUB}{name} runs/{name.partition("/")[2]}  # the run folder, for the other commands
```

```python
from seq2seq import Translator

translator = Translator("{HUB}{name}")
print(translator(["a sentence"])[0].text)
```"""


def training(run: RunFolder) -> str:
    """Return the facts about the training as a Markdown table."""
    info, data = run.info, run.config["data"]
    if run.adopted:
        return origin(info)
    facts = {
        "corpus": data.get("name"),
        "training pairs": fact(info, "data", "train", "used"),
        "SHA-256 of the training text": fact(info, "data", "train", "sha256"),
        "updates": info.get("steps"),
        "epochs": rounded(info.get("epochs")),
        "minutes": rounded(info.get("minutes")),
        "processor": fact(info, "machine", "processor"),
        "seed": info.get("seed"),
        "commit of the toolkit": info.get("commit"),
        "PyTorch": fact(info, "versions", "torch"),
    }
    return facts_table(facts) + "\n\n`config.yaml` has the whole configuration."


def origin(info: Mapping[str, Any]) -> str:
    """Return the facts about a model that another program has trained as a Markdown table."""
    tokens = fact(info, ADOPTED, "language_tokens")
    named = " to ".join(f"`{one}`" for one in tokens) if isinstance(tokens, list) else None
    facts = {
        "kind": fact(info, ADOPTED, "kind"),
        "folder": fact(info, ADOPTED, "folder"),
        "language tokens": named,
        "license stated by its card": fact(info, ADOPTED, "license"),
        "SHA-256 of its weights": fact(info, ADOPTED, "sha256", "model.safetensors"),
    }
    return f"By another program, on text that `run.json` does not know.\n\n{facts_table(facts)}"


def facts_table(facts: Mapping[str, Any]) -> str:
    """Return facts as a Markdown table, without those that are None."""
    lines = ["| | |", "|:--|:--|"]
    lines += [
        f"| {key} | {f'{value:,}' if isinstance(value, int) and key != 'seed' else value} |"
        for key, value in facts.items()
        if value is not None
    ]
    return "\n".join(lines)


def rounded(value: object) -> float | None:
    """Return a number with one decimal; None for anything else."""
    return round(value, 1) if isinstance(value, int | float) else None


def fact(info: Mapping[str, Any], *keys: str) -> Any:
    """Return a nested value of run.json; None if it is absent."""
    value: Any = info
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
