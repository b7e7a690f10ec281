"""The BLEU scores that the documentation quotes are those of experiments/published/scores.json."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev

import pytest

ROOT = Path(__file__).parents[1]
TESTS = {"test2016": "test_2016_flickr", "test2017": "test_2017_flickr"}


@pytest.fixture(scope="module")
def stored() -> dict[str, dict[str, float]]:
    """BLEU of every run, by column of the tables and by its two decimals."""
    entries = json.loads((ROOT / "experiments/published/scores.json").read_text("utf-8"))
    return {
        column: {
            f"{score:.2f}": score
            for one in entries.values()
            if test in one
            for score in [one[test]["bleu"]["score"]]
        }
        for column, test in {**TESTS, "BLEU": "test"}.items()
    }


def rows() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the line and the cells of each row of a table with BLEU of a test set."""
    head: list[str] = []
    for line in (ROOT / "experiments/published/README.md").read_text("utf-8").splitlines():
        cells = [cell.strip(" *") for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif set(head) & set(TESTS) and not set(line) <= set("|:- "):
            yield line, dict(zip(head, cells, strict=True))


def test_the_tables_have_the_stored_scores(stored):
    seeds: dict[str, list[float]] = {column: [] for column in TESTS}
    checked = 0
    for line, cells in rows():
        for column in set(cells) & set(TESTS):
            if "±" in cells[column]:  # of the rows since the last one that is not of a seed
                found = seeds[column]
                assert cells[column] == f"{mean(found):.1f} ± {stdev(found):.1f}", line
            elif cells[column] and "published (" not in line and "last_weights.py" not in line:
                scores = cells[column].split(", ")
                assert set(scores) <= set(stored[column]), line
                if "seed" not in line or "seed 1" in line:
                    seeds[column] = []
                seeds[column] += [stored[column][score] for score in scores]
                checked += len(scores)
    assert checked > 60


def test_the_recipes_quote_the_stored_scores(stored):
    text = (ROOT / "docs/training-recipes.md").read_text("utf-8")
    quoted = set(re.findall(r"\b\d\d\.\d\d(?= BLEU\b|;)", text))
    assert quoted and quoted <= {score for column in stored.values() for score in column}


def test_the_readme_quotes_the_stored_scores(stored):
    text = (ROOT / "README.md").read_text("utf-8")
    start = text.index("On real captions")
    quoted = set(re.findall(r"\b\d\d\.\d\b(?! ±)", text[start : text.index("\n\n", start)]))
    assert quoted and quoted <= {f"{score:.1f}" for score in stored["test2016"].values()}
