# ruff: noqa: RUF001 - the texts are of many scripts
"""Characters that vocabularies, scores and reports must keep, through the command line's functions.

The texts of ../shared/cases are used where they are; small ones of the same kind are made here.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from seq2seq.commands.check import check
from seq2seq.commands.evaluate import evaluate
from seq2seq.compare import compare
from seq2seq.compare.report.markdown import markdown
from seq2seq.scoring import metrics
from seq2seq.settings import train_arguments
from seq2seq.text.languages import Target, code, unspaced
from seq2seq.text.sampler import TokenBatches
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.learner import Learner
from seq2seq.training.train import train

CASES = Path(__file__).parents[2] / "shared" / "cases"
TINY = (
    *("model=rnn", "model.embedding=8", "model.dim=8", "model.readout_dim=8"),
    *("train.max_steps=2", "train.validate_every=2", "train.warmup_steps=0"),
    *("name=run", "data.source=en", "trainer.accelerator=cpu", "trainer.threads=1"),
)
TARGETS = {
    "zh": "他说：“你好，世界！”（真的…）；½²",
    "th": "ผมทำงานที่สำนักงานวันนี้",
    "fa": "می\u200cخواهم کتاب\u200cها را بخوانم",
    "hi": "क्\u200dष और क\u200cष मैं आज घर जा रहा हूँ",
    "fr": "Salut\u202f! Ça va\xa0? L\u2019œuf… n\xba 2",
    "ja": "「カタカナ」～１２３（はい）！？",
}


def files(folder: Path, target: str, sentence: str) -> Path:
    """A corpus whose target side is made of one sentence."""
    for split, count in (("train", 24), ("validation", 4), ("test", 6)):
        lines = {"en": [f"the quick brown fox {i} jumps over a lazy dog" for i in range(count)]}
        lines[target] = [f"{sentence}{i % 5}" for i in range(count)]
        for language, text in lines.items():
            path = folder / f"{split}.{language}"
            path.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return folder


def trained(folder: Path, root: Path, target: str, *words: str) -> Path:
    given = [*TINY, "data=files", f"data.root={root}", f"data.target={target}", *words]
    return train(train_arguments.config([*given, f"runs_dir={folder}"]))


def shared_case(name: str) -> Path:
    if not (CASES / name).is_dir():
        pytest.skip("../shared/cases is not here")
    return CASES / name


def rewritten(run: Path) -> list[str]:
    """The references of a run's test set, encoded and decoded by its own vocabulary."""
    references = (run / "hyps/test/reference.txt").read_text("utf-8").split("\n")[:-1]
    tokenizer = Tokenizers.load(run).target
    return [tokenizer.decode(ids) for ids in tokenizer.encode(references)]


def compared(run: Path, lines: list[str]) -> float:
    """BLEU of these translations by `compare`."""
    evaluate(run, device="cpu")
    path = run.parent / "system.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    found = compare([run], hyps=[f"perfect={path}"])
    return float(found.runs[1].scores["test"]["bleu"]["score"])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shared", ["true", "false"])
def test_a_perfect_translation_can_be_written(tmp_path, target, shared):
    root = files(tmp_path, target, TARGETS[target])
    words = (f"tokenizer.shared={shared}", f"tokenizer.vocab_size={80 if shared == 'true' else 44}")
    run = trained(tmp_path, root, target, *words)
    references = (run / "hyps/test/reference.txt").read_text("utf-8").split("\n")[:-1]
    assert rewritten(run) == references
    lost = json.loads((run / "run.json").read_text("utf-8"))["data"]["round_trip"]
    found = {name: (entry["changed"], entry["bleu"]) for name, entry in lost.items()}
    assert found == dict.fromkeys(("train", "validation", "test"), (0, 100.0))


@pytest.mark.parametrize("target", ["zh", "th"])
def test_the_shared_case_of_normalisation(tmp_path, target):
    root = shared_case("normalisation")
    run = trained(tmp_path, root, target, "tokenizer.vocab_size=300")
    assert compared(run, rewritten(run)) == pytest.approx(100)


def test_what_cannot_be_written_is_said_before_training(tmp_path, capsys):
    root = files(tmp_path, "zh", TARGETS["zh"])
    words = ("tokenizer.target_normalization=nmt_nfkc", "tokenizer.vocab_size=70")
    run = trained(tmp_path, root, "zh", *words)
    said = " ".join(capsys.readouterr().err.split())
    assert "test: 6 of 6 references (100.0 %)" in said
    assert "U+FF0C FULLWIDTH COMMA" in said
    entry = json.loads((run / "run.json").read_text("utf-8"))["data"]["round_trip"]["test"]
    assert entry["bleu"] < 100 and entry["changed"] == 6
    given = [*TINY, "data=files", f"data.root={root}", "data.target=zh", *words]
    check(train_arguments.config(given))
    assert "U+FF0C FULLWIDTH COMMA" in " ".join(capsys.readouterr().err.split())


def test_characters_that_training_never_saw_are_said(tmp_path, capsys):
    root = files(tmp_path, "fr", "un chat ")
    for language in ("en", "fr"):
        path = root / f"test.{language}"
        path.write_text(path.read_text("utf-8").replace("1", "ж"), encoding="utf-8")
    check(train_arguments.config([*TINY, "data=files", f"data.root={root}", "data.target=fr"]))
    expected = "U+0436 CYRILLIC SMALL LETTER ZHE"
    assert " ".join(capsys.readouterr().err.split()).count(expected) == 2  # of either side
    trained(tmp_path, root, "fr", "tokenizer.vocab_size=60")
    assert " ".join(capsys.readouterr().err.split()).count(expected) == 2


def test_a_run_of_one_normalization_is_read_as_it_was(tmp_path):
    texts = ["Ｈｅｌｌｏ… world ½", "one two"] * 5
    settings = {"shared": True, "kind": "bpe", "vocab_size": 40, "character_coverage": 1.0}
    Tokenizers.train(texts, texts, **settings, normalization="nmt_nfkc").save(tmp_path)
    assert [path.name for path in tmp_path.glob("*.model")] == ["tokenizer.model"]
    loaded = Tokenizers.load(tmp_path)
    assert loaded.shared and loaded.source is loaded.target
    assert loaded.target.decode(loaded.target.encode(["Ｈｅｌｌｏ…"])[0]) == "Hello..."


def test_a_shared_vocabulary_normalizes_its_source_alone(tmp_path):
    texts = ["Ｈｅｌｌｏ… world ½", "Hello... world 1⁄2"] * 5
    settings = {"shared": True, "kind": "bpe", "vocab_size": 40, "character_coverage": 1.0}
    both = Tokenizers.train(
        texts, texts, **settings, normalization="nmt_nfkc", target_normalization="identity"
    )
    both.save(tmp_path)
    loaded = Tokenizers.load(tmp_path)
    assert both.shared and loaded.shared
    assert loaded.source.encode([texts[0]]) == loaded.target.encode([texts[1]])
    assert loaded.target.decode(loaded.target.encode([texts[0]])[0]) == texts[0]


@pytest.mark.parametrize(
    ("language", "known"),
    [(x, "zh") for x in ("zh", "zho", "chi", "cmn", "zh-CN", "zh_TW", "zh-Hans", "cn", "Chinese")]
    + [(x, "ja") for x in ("ja", "jp", "jpn", "ja_JP", "jpn_Jpan", "Japanese")]
    + [(x, "ko") for x in ("ko", "kr", "kor", "ko-KR")]
    + [("tha", "th"), ("khm", "km"), ("lao", "lo"), ("mya", "my"), ("de", "de")],
)
def test_languages_are_known_by_their_usual_codes(language, known):
    assert code(language) == known


def test_text_without_spaces_is_noticed():
    assert unspaced(["你好世界", "再见"]) and unspaced([TARGETS["th"]])
    assert not unspaced(["你 好 世 界"]) and not unspaced(["Run!", "Hi."]) and not unspaced([""])
    assert not unspaced(["Donaudampfschifffahrtsgesellschaft ist ein langes Wort"])
    said = metrics.warnings_about(Target("xx"), ["你好世界"] * 3)
    assert len(said) == 1 and "almost no spaces" in said[0]
    assert metrics.warnings_about(Target("cn"), ["你好世界"] * 3) == []


def test_the_users_tokenizer_is_in_the_signature_and_old_runs_keep_theirs():
    lines = ["你好世界真的很好"] * 2
    found = metrics.score(lines, lines, tokenized=False, language="zh", tokenizer="char")
    assert "tok:char" in found["bleu"]["signature"]
    assert metrics.bleu_tokenizer(Target.of({"target": "cn", "bleu_tokenizer": None})) == "zh"
    assert metrics.bleu_tokenizer(Target.of({"target": "cn"})) == "13a"  # older than the key
    assert metrics.bleu_tokenizer(Target.of({"target": "zh-CN"})) == "zh"


def test_the_shared_case_of_the_code_cn(tmp_path):
    root = shared_case("code-cn")
    run = trained(tmp_path, root, "cn", "tokenizer.vocab_size=200")
    lines = (root / "system.cn").read_text("utf-8").split("\n")[:-1]
    assert compared(run, lines) == pytest.approx(70.0, abs=0.05)


def test_the_chosen_tokenizer_reaches_validation_evaluation_and_comparison(tmp_path):
    root = files(tmp_path, "fr", "un petit chat noir dort ")
    run = trained(tmp_path, root, "fr", "tokenizer.vocab_size=60", "data.bleu_tokenizer=char")
    assert json.loads((run / "run.json").read_text("utf-8"))["data"]["bleu_tokenizer"] == "char"
    assert compared(run, rewritten(run)) == pytest.approx(100)
    test = compare([run]).tests[0]
    assert "tok:char" in test.quality.signatures["bleu"]
    assert all(len(gram.replace(" ", "")) <= 4 for gram in test.matches.references)


def test_the_shared_case_of_spaces_shows_them_in_the_report(tmp_path):
    root = shared_case("anki-spaces")
    words = ("data=tsv", f"data.root={root}", "data.target=fr", "tokenizer.vocab_size=100")
    run = train(train_arguments.config([*TINY, *words, f"runs_dir={tmp_path}"]))
    evaluate(run, device="cpu")
    text = markdown(compare([run], hyps=[f"good={root / 'system.fr'}"]))
    assert "\u202f" in text and "u202f" not in text


def test_spaces_of_french_are_shown_in_the_report(tmp_path):
    root = files(tmp_path, "fr", TARGETS["fr"])
    run = trained(tmp_path, root, "fr", "tokenizer.vocab_size=60")
    evaluate(run, device="cpu")
    path = tmp_path / "good.fr"
    path.write_bytes((run / "hyps/test/reference.txt").read_bytes())
    text = markdown(compare([run], hyps=[f"good={path}"]))
    assert "\u202f" in text and "u202f" not in text and "xa0" not in text


def learner(tmp_path: Path, *words: str) -> Learner:
    from seq2seq.settings.plugins import build
    from seq2seq.system import devices
    from seq2seq.training.examples import learn_tokenizers

    root = files(tmp_path, "fr", "un petit chat noir dort longtemps ")
    given = (*TINY, "data=files", f"data.root={root}", "data.target=fr", "tokenizer.vocab_size=48")
    config = train_arguments.config([*given, *words])
    corpus = build("data", config.data)
    fabric = devices.fabric(config.trainer, tensorboard=None)
    made = Learner(fabric, config, corpus, learn_tokenizers(corpus, config.tokenizer))
    made.set_up()
    return made


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sampled_segmentations_stay_within_the_batch_budget(tmp_path, kind):
    words = ("tokenizer.sampling=0.6", f"tokenizer.kind={kind}", "train.batch_tokens=64")
    found = learner(tmp_path, *words, "data.max_length=60")
    rows = found.examples.usable.rows
    parts = found.drawn(rows, (0, 1, 0))  # all pairs at once, far over the budget
    assert sorted(np.concatenate([part.rows for part in parts])) == sorted(rows)
    for _ in range(12):
        parts += found.draw(0.1, 1)
    assert all(side.numel() <= 64 for _, batch in parts for side in (batch.src, batch.tgt_out))
    again = learner(tmp_path, *words, "data.max_length=60").drawn(rows, (0, 1, 0))
    assert all(a.batch.src.equal(b.batch.src) for a, b in zip(parts, again, strict=False))


def test_epochs_advance_after_a_forced_resume_with_other_batches(tmp_path):
    root = files(tmp_path, "fr", "un petit chat noir dort ")
    small = ("tokenizer.vocab_size=60", "train.batch_tokens=64", "train.schedule=constant")
    run = trained(tmp_path, root, "fr", *small)
    before = json.loads((run / "run.json").read_text("utf-8"))["epochs"]
    larger = (*small, "train.batch_tokens=2000", "train.max_steps=6", "resume=force")
    run = trained(tmp_path, root, "fr", *larger)
    after = json.loads((run / "run.json").read_text("utf-8"))["epochs"]
    assert before < 1 and after == pytest.approx(4, abs=1)


def test_a_position_beyond_the_epoch_begins_the_next_one():
    rows, lengths = np.arange(40), np.full(40, 7)
    few = TokenBatches(rows, lengths, lengths, budget=160, seed=1)
    few.load_state_dict({"seed": 1, "epoch": 2, "position": 30})  # of an older version
    assert few.epochs == 3
    stream = iter(few)
    assert sorted(np.concatenate([next(stream) for _ in range(len(few))])) == list(rows)
    many = TokenBatches(rows, lengths, lengths, budget=16, seed=1)
    many.load_state_dict({**few.state_dict(), "position": 1})
    assert many.epochs == pytest.approx(3 + 1 / len(few), abs=0.05)


def test_text_is_encoded_by_one_thread_where_the_system_refuses_more(monkeypatch, capsys):
    from seq2seq.text import sentence_piece

    def refuse(self):
        raise RuntimeError("can't start new thread")

    texts = ["one two three"] * 5
    settings = {"kind": "bpe", "vocab_size": 20, "character_coverage": 1.0}
    made = sentence_piece.SentencePiece.train(texts, **settings, normalization="identity")
    usual = made.encode(texts)
    sentence_piece.threads_can_start.cache_clear()
    monkeypatch.setattr(sentence_piece.Thread, "start", refuse)
    assert made.encode(texts) == usual
    assert "one thread" in capsys.readouterr().err
    sentence_piece.threads_can_start.cache_clear()
    said = sentence_piece.explain("Resource temporarily unavailable", 20)
    assert "SentencePiece cannot start a thread" in said
