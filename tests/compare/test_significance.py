"""Intervals and tests, against the `sacrebleu` command on the same files; Holm by hand."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seq2seq.compare.significance import RESAMPLES, TRIALS, Resampling, holm, signature
from seq2seq.scoring import metrics
from seq2seq.scoring.metrics import Statistics

WORDS = "Der Hund , die Katze und das Haus laufen über eine grüne Wiese . (schnell) 3,5 U.S. don't"
NAMES = ("base", "other", "third")


def worsen(text: list[str], share: float, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join(draw.choice(WORDS.split()) if draw.random() < share else w for w in line.split())
        for line in text
    ]


def corpus(lines: int = 60) -> list[str]:
    draw = random.Random(1)
    text = [" ".join(draw.choices(WORDS.split(), k=draw.randint(4, 14))) for _ in range(lines)]
    text[3] = ""
    return text


REFERENCES = corpus()
OUTPUTS = [worsen(REFERENCES, share, seed) for seed, share in enumerate((0.2, 0.23, 0.21), 2)]


def measured(metric: str) -> list[Statistics]:
    return [metrics.statistics(lines, REFERENCES, language="de")[metric] for lines in OUTPUTS]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, text in zip(("ref", *NAMES), (REFERENCES, *OUTPUTS), strict=True):
        (folder / name).write_text("".join(line + "\n" for line in text), newline="\n")
    return folder


def sacrebleu(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", *words, "-w", "6"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("metric", ["bleu", "chrf", "ter"])
@pytest.mark.parametrize("kind", ["bs", "ar"])
def test_everything_is_what_the_command_prints(files: Path, metric: str, kind: str) -> None:
    """Read from its tables, for the command cannot write all of these as JSON."""
    table = sacrebleu(files, *NAMES, "-m", metric, f"--paired-{kind}", "-f", "text", "-nc")
    systems, draws = measured(metric), Resampling(len(REFERENCES))
    ps = (draws.bootstrap if kind == "bs" else draws.randomised)(systems)[0]
    expected = []
    for place, system in enumerate(systems):
        score, low, high = draws.interval(system)
        expected += [score, (low + high) / 2, (high - low) / 2] if kind == "bs" else [score]
        expected += [float(ps[place])] if place else []
    printed = [float(number) for number in re.findall(r"\d+\.\d{4,}", table.split("Metric sig")[0])]
    assert printed == pytest.approx(expected, abs=1e-4)
    told = signature(systems[0].signature, kind, {"bs": RESAMPLES, "ar": TRIALS}[kind])
    assert told in table
    assert 0.001 < max(ps[1:]) < 1  # a case in which there is something to compute


def test_p_and_differences_are_exactly_those_of_the_command(files: Path) -> None:
    systems, draws = measured("bleu"), Resampling(len(REFERENCES))
    for kind, found in (("bs", draws.bootstrap(systems)), ("ar", draws.randomised(systems))):
        printed = json.loads(sacrebleu(files, *NAMES, f"--paired-{kind}"))
        assert [one["BLEU"]["score"] for one in printed] == [
            pytest.approx(system.score, abs=1e-9) for system in systems
        ]
        assert [one["BLEU"]["p_value"] for one in printed[1:]] == list(found[0, 1:])


def test_the_interval_is_that_of_the_command(files: Path) -> None:
    printed = json.loads(sacrebleu(files, "base", "-ci"))
    mean, half = printed["confidence_mean"], printed["confidence_var"]
    _, low, high = Resampling(len(REFERENCES)).interval(measured("bleu")[0])
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=1e-5)


def test_another_seed_is_the_commands_too(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Resampling(len(REFERENCES)).bootstrap(measured("bleu"))
    monkeypatch.setenv("SACREBLEU_SEED", "3")
    after = Resampling(len(REFERENCES)).bootstrap(measured("bleu"))
    printed = json.loads(sacrebleu(files, *NAMES, "--paired-bs"))
    assert [one["BLEU"]["p_value"] for one in printed[1:]] == list(after[0, 1:])
    assert not np.array_equal(before, after)
    assert "seed:3|" in signature("nrefs:1|case:mixed", "bs", 10)


def test_who_is_first_does_not_matter() -> None:
    systems, draws = measured("chrf"), Resampling(len(REFERENCES))
    for test in (draws.bootstrap, draws.randomised):
        np.testing.assert_array_equal(test(systems), test(systems[::-1])[::-1, ::-1])
        np.testing.assert_array_equal(test(systems), test(systems).T)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "ter"])
def test_equal_outputs_are_no_evidence_of_a_difference(metric: str) -> None:
    same, draws = measured(metric)[:1] * 2, Resampling(len(REFERENCES))
    assert draws.bootstrap(same)[0, 1] == draws.randomised(same)[0, 1] == 1


@pytest.mark.parametrize("once", [32, 96, 1 << 14])
def test_no_memory_limit_changes_a_draw(monkeypatch: pytest.MonkeyPatch, once: int) -> None:
    systems = measured("ter")
    draws = Resampling(len(REFERENCES))
    randomised, bootstrap = draws.randomised(systems), draws.bootstrap(systems)
    monkeypatch.setattr("seq2seq.compare.significance.ONCE", once)
    draws = Resampling(len(REFERENCES))
    np.testing.assert_array_equal(draws.randomised(systems), randomised)
    np.testing.assert_array_equal(draws.bootstrap(systems), bootstrap)


def test_holm_is_as_by_hand() -> None:
    """Four tests: the smallest p times 4, the next times 3, ..., never falling, at most 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
