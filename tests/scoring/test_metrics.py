"""Scores: by law, then against the `sacrebleu` command on the same files."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.scoring import metrics
from seq2seq.text.languages import is_tokenized

WORDS = "Der Hund , die Katze und das Haus laufen über eine grüne Wiese . (schnell) 3,5 U.S. don't"


def corpus(lines: int = 60) -> list[str]:
    draw = random.Random(1)
    text = [" ".join(draw.choices(WORDS.split(), k=draw.randint(4, 14))) for _ in range(lines)]
    # what a reader of lines could trip over: nothing, spaces at the end, breaks inside a line
    text[3:7] = ["", "Der Hund läuft.  ", "Der\u2028Hund läuft.", "eine Katze\rund ein Hund"]
    return text


def worsen(text: list[str], share: float, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join(draw.choice(WORDS.split()) if draw.random() < share else w for w in line.split())
        for line in text
    ]


REFERENCES = corpus()
BASELINE, OTHER = worsen(REFERENCES, 0.2, seed=2), worsen(REFERENCES, 0.25, seed=3)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in (("ref", REFERENCES), ("base", BASELINE), ("other", OTHER)):
        (tmp_path / name).write_text("".join(line + "\n" for line in text), newline="\n")
    return tmp_path


def sacrebleu(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "sacrebleu", "ref", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_perfect_translation_has_the_best_scores() -> None:
    found = metrics.score(REFERENCES, REFERENCES, tokenized=True, language="de")
    best = {"bleu": 100, "bleu_lowercase": 100, "chrf": 100, "ter": 0, "bleu_tokenized": 100}
    assert {name: value["score"] for name, value in found.items()} == pytest.approx(best)


def test_only_a_tokenised_corpus_has_tokenised_bleu() -> None:
    found = metrics.score(BASELINE, REFERENCES, tokenized=False, language="de")
    assert sorted(found) == ["bleu", "bleu_lowercase", "chrf", "ter"]


def test_case_counts_in_one_bleu_only() -> None:
    shouted = [line.upper() for line in REFERENCES]
    found = metrics.score(shouted, REFERENCES, tokenized=False, language="de")
    assert found["bleu"]["score"] < 20
    assert found["bleu_lowercase"]["score"] == pytest.approx(100)


def test_scores_and_signatures_are_those_of_the_command(files: Path) -> None:
    found = metrics.score(BASELINE, REFERENCES, tokenized=True, language="de")
    plain = json.loads(sacrebleu(files, "-i", "base", "-m", "bleu", "chrf", "ter", "-w", "10"))
    lower = json.loads(sacrebleu(files, "-i", "base", "-lc", "-w", "10"))
    split = json.loads(sacrebleu(files, "-i", "base", "-tok", "none", "-w", "10"))
    printed = dict(zip(("bleu", "chrf", "ter"), plain, strict=True))
    printed |= {"bleu_lowercase": lower, "bleu_tokenized": split}
    assert found.keys() == printed.keys()
    for name, value in printed.items():
        assert found[name]["score"] == pytest.approx(value["score"], abs=1e-9)
        assert found[name]["signature"] == value["signature"]


def test_bleu_while_training_is_bleu() -> None:
    found = metrics.score(BASELINE, REFERENCES, tokenized=False, language="de")
    assert metrics.bleu(BASELINE, REFERENCES, language="de") == found["bleu"]["score"]


@pytest.mark.parametrize("metric", ["bleu", "chrf", "ter"])
def test_scores_follow_from_the_statistics_of_sentences(metric: str) -> None:
    whole = metrics.score(BASELINE, REFERENCES, tokenized=False, language="de")
    found = metrics.statistics(BASELINE, REFERENCES, language="de")[metric]
    assert found.sentences.shape[0] == len(REFERENCES)
    assert found.score == pytest.approx(whole[metric]["score"], abs=1e-9)
    assert found.signature == whole[metric]["signature"]


def test_the_words_of_a_line_are_those_of_bleu() -> None:
    assert metrics.words(["Er sagt: ja.  ", ""], "de") == [["Er", "sagt", ":", "ja", "."], []]
    assert metrics.words(["很好"], "zh") == [["很", "好"]]


@pytest.mark.parametrize("language", ["zh", "zh-CN", "zho_Hans"])
def test_chinese_is_split_into_characters(language: str, tmp_path: Path) -> None:
    hypotheses, references = ["这是一个很好的测试。"], ["这是一个好的测试!"]
    found = metrics.score(hypotheses, references, tokenized=False, language=language)
    (tmp_path / "ref").write_text(references[0] + "\n", encoding="utf-8")
    (tmp_path / "hyp").write_text(hypotheses[0] + "\n", encoding="utf-8")
    options = ["-tok", "zh", "--ter-normalized", "--ter-asian-support"]
    printed = sacrebleu(tmp_path, "-i", "hyp", *options, "-m", "bleu", "ter", "-w", "10")
    bleu, ter = json.loads(printed)
    assert found["bleu"]["score"] == pytest.approx(bleu["score"], abs=1e-9)
    assert found["bleu"]["signature"] == bleu["signature"]
    assert found["ter"]["score"] == pytest.approx(ter["score"], abs=1e-9)
    assert found["ter"]["signature"] == ter["signature"]


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_japanese_and_korean_do_without_their_extras(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ja", "ko"):
        tokenizer = pytest.importorskip(f"sacrebleu.tokenizers.tokenizer_{name}_mecab")
        monkeypatch.setattr(tokenizer, "MeCab", None)
    found = metrics.score(["これはテスト"], ["これがテスト"], tokenized=False, language=language)
    assert "tok:char" in found["bleu"]["signature"]
    assert found["bleu"]["score"] > 0


@pytest.mark.parametrize("language", ["de", "", None, "tlh"])
def test_other_languages_are_split_as_by_mteval(language: str | None) -> None:
    found = metrics.score(BASELINE, REFERENCES, tokenized=False, language=language)
    assert "tok:13a" in found["bleu"]["signature"]


def test_tokenised_text_is_warned_of_once_unless_it_is_meant_to_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    split = ["ein Hund ."] * 100
    metrics.score(split, split, tokenized=False, language="de")
    assert sum("forgot to detokenize" in message for message in caplog.messages) == 1
    caplog.clear()
    metrics.score(split, split, tokenized=True, language="de")
    metrics.bleu(split, split, language="de")
    assert caplog.messages == []


def test_translations_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(UserError, match=r"2 translations .* 1 references"):
        metrics.score(["a", "b"], ["a"], tokenized=False, language="de")
    with pytest.raises(UserError, match=r"1 translations .* 2 references"):
        metrics.bleu(["a"], ["a", "b"], language="de")
    with pytest.raises(UserError, match=r"1 translations .* 2 references"):
        metrics.statistics(["a"], ["a", "b"], language="de")


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="nothing to score"):
        metrics.statistics([], [], language="de")


def test_text_is_tokenized_by_either_key():
    assert is_tokenized({"tokenized": True}) and is_tokenized({"form": "tokenized"})
    assert not is_tokenized({"tokenized": None, "form": "raw"}) and not is_tokenized({})


@pytest.mark.parametrize("seed", ["abc", "-1", "", "1.5", "\u00b2"])
def test_a_seed_of_resampling_that_is_no_number_is_refused(monkeypatch, seed):
    monkeypatch.setenv("SACREBLEU_SEED", seed)
    with pytest.raises(UserError, match=r"SACREBLEU_SEED is .* whole number"):
        metrics.bootstrap_generator()
