"""Tables and figure of this experiment, from the files in RUN/align of runs named MODEL-SEED.

python experiments/interpret/summary.py RUN...
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seq2seq.commands.score_contrast import PREFERRED
from seq2seq.plots.curves import curves
from seq2seq.system.files import write_json, write_lines

OUT = Path("experiments/interpret")
MODELS = ("rnn", "bahdanau", "transformer")
AER = {
    "attention": "test-attention",
    "vectors": "test-vectors",
    "alti": "test-alti",
    "occlusion": "test-occlusion",
    "occlusion:lexeme": "test-occlusion:lexeme",
    "occlusion:lexeme, --hide mean": "test-occlusion:lexeme-mean",
    "gradient": "test-gradient",
}
CONTRASTS = {
    "determiners": "test.contrast",
    "agreement": "test_agreement.contrast",
    "pronouns": "test_pronoun.contrast",
}
Table = dict[str, dict[str, list[float]]]  # row -> column -> a value for each seed


def main(paths: Iterable[Path]) -> None:
    """Write table.md, scores.json and layers.png."""
    aers, layers = table(), table()
    contrasts = {name: table() for name in CONTRASTS}
    drops = table()
    kept: dict[str, Any] = defaultdict(dict)
    for run in sorted(paths):
        model = run.name.rpartition("-")[0]
        for method, file in AER.items():
            if (found := read(run, file)) is not None:
                kept[run.name][method] = found["rows"]
                aers[method][model].append(100 * next(iter(found["rows"].values()))["aer"])
                aers["the diagonal"][model].append(100 * found["rows"]["the diagonal"]["aer"])
        for reading in (read(run, AER["attention"]) or {"readings": []})["readings"]:
            rule = reading["rule"]
            if model == "transformer" and rule["head"] == "mean" and rule["layer"] != "mean":
                row = "row that reads the word" if rule["shift"] else "row that predicts the word"
                layers[row][f"layer {rule['layer']}"].append(100 * reading["aer"])
        for name, file in CONTRASTS.items():
            if (found := read(run, file)) is not None:
                kept[run.name][file] = found["rows"]
                for row, value in chosen(found["rows"]):
                    contrasts[name][row][model].append(value)
        if (found := read(run, "test.deletion")) is not None:
            kept[run.name]["test.deletion"] = found["rows"]
            for row in found["rows"]:
                drops[row["method"]][f"{model}, {row['hidden']}"].append(row["drop"])
    lines = ["AER, %:", "", *written(aers, MODELS), ""]
    for name, rows in contrasts.items():
        lines += [f"Names the controller, %, {name}:", "", *written(rows, MODELS), ""]
    columns = [f"{model}, {hidden}" for model in MODELS for hidden in (1, 2, 3)]
    lines += ["Drop of the log-probability, nats:", "", *written(drops, columns, 2)]
    write_lines(OUT / "table.md", lines)
    write_json(OUT / "scores.json", kept)
    if layers:
        means = {
            row: {at: mean(of) for at, of in sorted(row_.items())} for row, row_ in layers.items()
        }
        bands = {
            row: {at: (min(of), max(of)) for at, of in sorted(row_.items())}
            for row, row_ in layers.items()
        }
        diagonal = mean(aers["the diagonal"]["transformer"])
        ideal = dict.fromkeys(next(iter(means.values())), diagonal)
        means["the diagonal"] = ideal
        curves(means, OUT / "layers.png", x="layer of the decoder", y="AER, %", bands=bands)
    print("\n".join(lines))


def table() -> Table:
    """Return an empty table."""
    return defaultdict(lambda: defaultdict(list))


def read(run: Path, name: str) -> dict[str, Any] | None:
    """Return one of the files in RUN/align, None if it does not exist."""
    path = run / "align" / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def chosen(rows: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """Yield the rows of a contrast at any distance: of all words, of those whose form is right."""
    for row in rows:
        if row["distance"] != "all":
            continue
        if row["words"] == ("all" if row["method"] == PREFERRED else "right"):
            yield row["method"], row["controller"]
            if row.get("without_own") is not None:
                yield f"{row['method']}, own translation left out", row["without_own"]


def written(rows: Table, columns: Iterable[str], digits: int = 1) -> list[str]:
    """Return the lines of a Markdown table of means and standard deviations over the seeds."""
    columns = [column for column in columns if any(column in row for row in rows.values())]
    lines = ["| | " + " | ".join(columns) + " |", "|:--|" + "--:|" * len(columns)]
    for name, row in rows.items():
        cells = [spread(row.get(column, []), digits) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def spread(values: list[float], digits: int) -> str:
    """Return the mean, with the standard deviation if there are several values."""
    if not values:
        return "-"
    text = f"{mean(values):.{digits}f}"
    return text + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
