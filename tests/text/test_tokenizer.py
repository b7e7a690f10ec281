"""Text to pieces and back."""

import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.text.segmentation import draw_path, drop_merges
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.text.words import WORD_START

SPECIAL = SpecialIds()
BOS, EOS, PAD, UNK = SPECIAL.bos, SPECIAL.eos, SPECIAL.pad, SPECIAL.unk

ENGLISH = [
    "A man is riding a horse.",
    "Two dogs run over the green grass.",
    "The cat sat on the mat while the dog ran.",
]
GERMAN = [
    "Ein Mann reitet auf einem Pferd.",
    "Zwei Hunde laufen über das grüne Gras.",
    "Die Katze saß auf der Matte, während der Hund lief.",
]
LETTERS = sorted(set("".join(ENGLISH + GERMAN)) - {" "})
TEXTS = st.lists(st.text(LETTERS, min_size=1), max_size=8).map(" ".join)
KINDS = pytest.mark.parametrize("kind", ["bpe", "unigram"])


def learn(texts: list[str], kind: str = "bpe", vocab_size: int = 60, **choices) -> SentencePiece:
    usual = {"character_coverage": 1.0, "normalization": "identity"}
    return SentencePiece.train(texts, kind=kind, vocab_size=vocab_size, **usual | choices)


def pair(*, shared: bool) -> Tokenizers:
    return Tokenizers.train(
        ENGLISH,
        GERMAN,
        shared=shared,
        kind="bpe",
        vocab_size=60,
        character_coverage=1.0,
        normalization="identity",
    )


BOTH = {kind: learn(ENGLISH + GERMAN, kind) for kind in ("bpe", "unigram")}
SENTENCE = "Zwei Hunde laufen über das grüne Gras."


@KINDS
@given(TEXTS)
def test_what_is_encoded_comes_back(kind, text):
    tokenizer = BOTH[kind]
    (ids,) = tokenizer.encode([text])
    assert tokenizer.decode(ids) == text
    assert {PAD, BOS, EOS, UNK}.isdisjoint(ids)


@KINDS
@given(TEXTS)
def test_pieces_are_the_text_with_its_word_starts_marked(kind, text):
    tokenizer = BOTH[kind]
    pieces = tokenizer.pieces(tokenizer.encode([text])[0])
    assert pieces == tokenizer.surfaces(text)
    assert "".join(pieces) == "".join(WORD_START + word for word in text.split())


@KINDS
def test_the_vocabulary_has_exactly_the_size_asked_for(kind):
    assert len(learn(ENGLISH + GERMAN, kind, vocab_size=57)) == 57


@KINDS
def test_training_twice_gives_the_same_model(kind):
    assert learn(ENGLISH + GERMAN, kind).fingerprint == BOTH[kind].fingerprint


def test_the_control_pieces_have_the_agreed_ids():
    assert BOTH["bpe"].pieces([PAD, BOS, EOS, UNK]) == ["<pad>", "<s>", "</s>", "<unk>"]


def test_control_pieces_leave_no_trace_in_the_text():
    tokenizer = BOTH["bpe"]
    (ids,) = tokenizer.encode([SENTENCE])
    assert tokenizer.decode([BOS, *ids, EOS, PAD]) == SENTENCE


@KINDS
def test_a_vocabulary_too_large_is_refused_with_the_largest_possible(kind):
    with pytest.raises(UserError, match=r"tokenizer\.vocab_size=100000 is more") as refusal:
        learn(ENGLISH, kind, vocab_size=100_000)
    largest = int(re.search(r"largest possible is (\d+)", str(refusal.value))[1])
    assert len(learn(ENGLISH, kind, vocab_size=largest)) == largest
    with pytest.raises(UserError, match=f"largest possible is {largest}"):
        learn(ENGLISH, kind, vocab_size=largest + 1)


@KINDS
def test_a_vocabulary_too_small_is_refused_with_what_the_characters_need(kind):
    needed = len(set("".join(ENGLISH))) + 4  # a space counts as a character
    message = rf"vocab_size=9 is too small: .* need {needed} .*character_coverage"
    with pytest.raises(UserError, match=message):
        learn(ENGLISH, kind, vocab_size=9)


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_no_text_gives_no_vocabulary(texts):
    with pytest.raises(UserError, match="could not learn a vocabulary of 60 pieces"):
        learn(texts)


def test_rare_characters_may_be_left_unknown():
    text = ["aaaa bbbb"] * 100 + ["ö"]
    covered, uncovered = (
        learn(text, vocab_size=8, character_coverage=share) for share in (1.0, 0.99)
    )
    assert UNK not in covered.encode(["ö"])[0]
    assert UNK in uncovered.encode(["ö"])[0]


def test_normalization_folds_lookalikes_where_asked():
    folding, exact = (
        learn([*ENGLISH, "ﬁ fi"], normalization=name) for name in ("nmt_nfkc", "identity")
    )
    assert folding.encode(["ﬁ"]) == folding.encode(["fi"])
    assert exact.encode(["ﬁ"]) != exact.encode(["fi"])


@pytest.mark.parametrize("text", ["a😀😀 man 😀", "a\0b", "火 a", "</s> <unk>", "\u2028"])
def test_an_unknown_character_shows_itself(text):
    tokenizer = BOTH["bpe"]
    surfaces, (ids,) = tokenizer.surfaces(text), tokenizer.encode([text])
    assert len(surfaces) == len(ids)
    assert "".join(surfaces) == WORD_START + text.replace(" ", WORD_START)
    assert UNK in ids


@KINDS
def test_the_seed_decides_the_sampled_pieces(kind):
    draws = []
    for seed in (1, 1, 2):
        chance = Random(seed)
        draws.append([BOTH[kind].sample(SENTENCE, 0.3, chance) for _ in range(20)])
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@KINDS
def test_every_sample_spells_the_text(kind):
    chance = Random(1)
    draws = [BOTH[kind].sample(SENTENCE, 0.3, chance) for _ in range(20)]
    assert {BOTH[kind].decode(ids) for ids in draws} == {SENTENCE}
    assert len(set(map(tuple, draws))) > 1


@given(TEXTS)
@example(SENTENCE)
@example("a😀😀 man 😀 ▁ x")
def test_without_chance_a_sample_is_the_plain_encoding(text):
    for kind, strength in (("bpe", 0.0), ("unigram", 1e5)):  # no merge dropped; the best path
        assert [BOTH[kind].sample(text, strength, Random(1))] == BOTH[kind].encode([text])


def test_with_every_merge_dropped_there_are_only_characters():
    assert drop_merges("▁two▁cats", {"▁t": -1.0, "wo": -2.0}, 1.0, Random(1)) == list("▁two▁cats")


def test_merges_are_dropped_at_the_share_asked_for():
    chance, scores = Random(1), {"ab": -1.0}
    kept = sum(drop_merges("ab", scores, 0.3, chance) == ["ab"] for _ in range(2000))
    assert kept / 2000 == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("sharpness", [0.0, 0.5, 1.0])
def test_paths_are_drawn_in_proportion_to_their_probability_to_a_power(sharpness):
    scores = {"a": -1.0, "b": -1.5, "ab": -2.0, "ba": -1.2, "aba": -3.5}
    paths = [["aba"], ["ab", "a"], ["a", "ba"], ["a", "b", "a"]]
    weights = [math.exp(sharpness * sum(map(scores.get, path))) for path in paths]
    chance, draws = Random(1), Counter()
    for _ in range(4000):
        draws[tuple(draw_path("aba", scores, sharpness, chance))] += 1
    found = [draws[tuple(path)] / 4000 for path in paths]
    assert found == pytest.approx([weight / sum(weights) for weight in weights], abs=0.04)


def test_samples_are_the_same_in_every_process(tmp_path):
    BOTH["bpe"].save(tmp_path / "tokenizer.model")
    program = (
        "import sys; from pathlib import Path; from random import Random; "
        "from seq2seq.text.sentence_piece import SentencePiece; "
        "print(SentencePiece.load(Path(sys.argv[1])).sample(sys.argv[2], 0.5, Random(3)))"
    )
    words = [sys.executable, "-c", program, tmp_path / "tokenizer.model", SENTENCE]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"{BOTH['bpe'].sample(SENTENCE, 0.5, Random(3))}\n"


def test_saving_and_loading_change_nothing(tmp_path):
    BOTH["bpe"].save(tmp_path / "tokenizer.model")
    loaded = SentencePiece.load(tmp_path / "tokenizer.model")
    assert loaded.fingerprint == BOTH["bpe"].fingerprint
    assert loaded.encode([SENTENCE]) == BOTH["bpe"].encode([SENTENCE])


def test_a_shared_vocabulary_is_one_object_on_both_sides(tmp_path):
    tokenizers = pair(shared=True)
    tokenizers.save(tmp_path)
    loaded = Tokenizers.load(tmp_path)
    assert tokenizers.shared
    assert loaded.shared
    assert loaded.source is loaded.target
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


@pytest.mark.parametrize("target_rule", ["identity", "nmt_nfkc", "nmt_nfkc_cf"])
@pytest.mark.parametrize("rule", ["identity", "nmt_nfkc", "nmt_nfkc_cf"])
def test_a_shared_vocabulary_has_the_characters_of_both_normalizations(tmp_path, rule, target_rule):
    """Capitals and circled digits of one side, where the rule of the other removes them."""
    sources, targets = [*ENGLISH, "Two dogs ①"], [*GERMAN, "Zwei Hunde ②"]
    learned = Tokenizers.train(
        sources,
        targets,
        shared=True,
        kind="bpe",
        vocab_size=80,
        character_coverage=1.0,
        normalization=rule,
        target_normalization=target_rule,
    )
    learned.save(tmp_path)
    for source, target in (learned, Tokenizers.load(tmp_path)):
        assert all(UNK not in ids for ids in [*source.encode(sources), *target.encode(targets)])
        assert source.vocabulary == target.vocabulary
        assert ("D" in source.normalize(["Dogs"])[0]) == (rule != "nmt_nfkc_cf")
        assert ("D" in target.normalize(["Dogs"])[0]) == (target_rule != "nmt_nfkc_cf")


def test_separate_vocabularies_stay_separate(tmp_path):
    tokenizers = pair(shared=False)
    tokenizers.save(tmp_path)
    loaded = Tokenizers.load(tmp_path)
    assert not loaded.shared
    assert [side.fingerprint for side in loaded] == [side.fingerprint for side in tokenizers]
    assert loaded.source.fingerprint != loaded.target.fingerprint


def test_each_separate_vocabulary_is_of_its_own_side():
    source, target = pair(shared=False)
    assert UNK in source.encode(["ü"])[0]
    assert UNK not in target.encode(["ü"])[0]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 99, BOTH["bpe"].model[:300]])
def test_a_damaged_model_is_refused_by_name(tmp_path, content):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"tokenizer\.model is not a SentencePiece model"):
        SentencePiece.load(path)


def test_a_missing_model_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"source\.model cannot be read: No such file"):
        Tokenizers.load(tmp_path)


def test_many_texts_at_once_are_encoded_as_each_alone():
    """SentencePiece gives them to all cores; which of them had which leaves no trace."""
    texts = [(ENGLISH + GERMAN)[n % 6][n % 31 :] for n in range(500)]
    alone = [BOTH["bpe"].encode([text])[0] for text in texts]
    assert BOTH["bpe"].encode(texts) == alone


def test_nothing_is_encoded_as_nothing():
    tokenizer = BOTH["bpe"]
    assert tokenizer.encode([]) == []
    assert tokenizer.encode(["", "   "]) == [[], []]
    assert tokenizer.decode([]) == ""
    assert tokenizer.surfaces("") == []


def test_saving_leaves_one_whole_file(tmp_path: Path):
    for _ in range(2):
        BOTH["bpe"].save(tmp_path / "tokenizer.model")
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


def test_half_a_character_is_named():
    with pytest.raises(UserError, match=r"text 2 contains a lone surrogate: 'a \\ud83d'"):
        BOTH["bpe"].encode(["a \u2028", "a \ud83d"])
