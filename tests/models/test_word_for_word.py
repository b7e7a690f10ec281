"""Word-for-word translation: what it learns, plans, copies and attends to."""

import re
from pathlib import Path

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.models.word_for_word import WordForWord
from seq2seq.search.beam import Beam
from seq2seq.settings.plugins import build
from seq2seq.text.batching import collate
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.words import CONTINUES, SPACE, SYMBOL, kinds_of, spaced_of, spelling, split_words

SPECIAL = SpecialIds()
UNK = SPECIAL.unk

PIECES = [
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    "▁the",
    "▁cat",
    "▁dog",
    "s",
    "'",
    ".",
    "▁",
    "c",
    "a",
    "t",
    "▁ami",
    "ami",
    "▁l",
    "▁il",
]
ID = {piece: number for number, piece in enumerate(PIECES)}


def ids(text: str) -> list[int]:
    return [ID[piece] for piece in text.split()]


# Source and target text, in pieces
PAIRS = [
    ("▁the ▁cat .", "▁il ▁cat s ."),
    ("▁the ▁dog .", "▁il ▁dog ."),
    ("▁the ▁ami", "▁l ' ami"),
    ("▁cat .", "▁cat s ."),
    ("▁dog", "▁dog"),
]


def fitted(shared: bool = True, target: list[str] = PIECES, **changes: object) -> WordForWord:
    section = {"name": "word_for_word", "iterations": 5, "unit": "word", "words": 10}
    section |= {"candidates": 3, "pieces": 4, "smoothing": 0.1, **changes}
    sizes = {"source_vocab": len(PIECES), "target_vocab": len(target), "shared_vocab": shared}
    model = build("model", section, **sizes).eval()
    iterations = model.fit([(ids(s), ids(t)) for s, t in PAIRS], PIECES, target)
    losses = [next(iterations).loss for _ in range(8)]
    assert losses == sorted(losses, reverse=True)
    return model


def greedy(model: WordForWord, text: str, target: list[str] = PIECES, **search: object) -> str:
    values = {"beam": 1, "length_penalty": 1.0, "max_length": 50, "length_ratio": 3.0, **search}
    batch = collate([(ids(text), [])], SPECIAL)
    [[best]] = Beam(length_extra=5, **values)(model, batch.src, batch.src_mask)
    return " ".join(target[token] for token in best.tokens)


def test_each_word_becomes_its_most_probable_word_in_the_same_order() -> None:
    model = fitted()
    assert greedy(model, "▁cat ▁the . ▁dog") == "▁cat s ▁il . ▁dog"
    assert greedy(model, "") == ""


def test_letters_after_a_symbol_are_learned_as_a_word_after_a_space() -> None:
    kinds, spaced = kinds_of(PIECES, SPECIAL), spaced_of(PIECES, SPECIAL)
    assert [kinds[ID[piece]] for piece in ("▁the", "s", "'", "▁")] == [
        *(SPACE, CONTINUES, SYMBOL, SPACE)
    ]
    assert split_words(ids("▁l ' ami ▁cat s ."), kinds) == [
        *((ID["▁l"],), (ID["'"], ID["ami"]), (ID["▁cat"], ID["s"]), (ID["."],))
    ]
    assert spaced[ID["ami"]] == ID["▁ami"]
    assert greedy(fitted(), "▁ami").startswith(("▁ami", "▁l", "'"))
    assert all(kinds[word[0]] for found in fitted().lexicon.values() for word, _ in found)


@pytest.mark.parametrize("unknown", ["▁l s c s", "▁ c a t", ". . '", "▁l ' s", "<unk> s"])
def test_unknown_words_are_copied(unknown: str) -> None:
    words = unknown.replace(".", "▁ a")  # the dot is known
    assert greedy(fitted(), words) == words
    assert greedy(fitted(), f"▁dog {words} ▁dog") == f"▁dog {words} ▁dog"


def test_with_two_vocabularies_unknown_words_are_spelled_in_the_other() -> None:
    target = ["<pad>", "<s>", "</s>", "<unk>", "▁", "c", "a", "t", "m", "i", ".", "▁dog"]
    rows = spelling(PIECES, target, 16, UNK)
    assert [target[i] for i in rows[ID["▁cat"]]] == ["▁", "c", "a", "t"]
    assert [target[i] for i in rows[ID["▁dog"]]] == ["▁dog"]
    assert rows[ID["'"]] == (UNK,)
    section = {"name": "word_for_word", "iterations": 1, "unit": "word", "words": 5}
    section |= {"candidates": 1, "pieces": 4, "smoothing": 0.1}
    sizes = {"source_vocab": len(PIECES), "target_vocab": len(target), "shared_vocab": False}
    model = build("model", section, **sizes).eval()
    next(model.fit([(ids("▁dog"), [11])], PIECES, target))
    assert greedy(model, "▁cat ▁dog ' ami", target) == "▁ c a t ▁dog <unk> a m i"


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("unit", ["word", "piece"])
def test_the_special_ids_may_be_others(unit: str, shared: bool) -> None:
    def moved(pieces: list[str]) -> list[str]:
        pad, bos, eos, unk, *rest = pieces
        return [*rest[:3], eos, pad, *rest[3:5], unk, bos, *rest[5:]]

    def translation(source: list[str], target: list[str], special: SpecialIds) -> str:
        section = {"name": "word_for_word", "iterations": 5, "unit": unit, "words": 10}
        section |= {"candidates": 3, "pieces": 4, "smoothing": 0.1}
        sizes = {"source_vocab": len(source), "target_vocab": len(target), "shared_vocab": shared}
        model = build("model", section, **sizes).eval()
        model.special = special
        pairs = [
            ([source.index(x) for x in s.split()], [target.index(x) for x in t.split()])
            for s, t in PAIRS
        ]
        next(model.fit(pairs, source, target))
        text = "▁cat ▁the . ▁dog ▁l ' ami ▁ c a t <unk> ▁ami"
        batch = collate([([source.index(piece) for piece in text.split()], [])], special)
        search = Beam(beam=1, length_penalty=1.0, max_length=50, length_ratio=3.0, length_extra=5)
        [[best]] = search(model, batch.src, batch.src_mask)
        return " ".join(target[token] for token in best.tokens)

    target = PIECES if shared else [piece for piece in PIECES if piece not in ("▁ami", "▁")]
    expected = translation(PIECES, target, SPECIAL)
    assert "<unk>" in expected
    other = SpecialIds(pad=4, bos=8, eos=3, unk=7)
    assert translation(moved(PIECES), moved(target), other) == expected


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("beam", [1, 2, 5, 20])
def test_the_plan_wins_whatever_the_search(penalty: float, beam: int) -> None:
    text = "▁the ▁the ▁cat ▁l s ▁the ▁ami . ▁ c a t . ▁dog ▁the"
    model = fitted()
    assert greedy(model, text, beam=beam, length_penalty=penalty) == greedy(model, text)


def test_the_next_best_translations_use_other_words_of_the_table() -> None:
    model, batch = fitted(smoothing=0.5), collate([(ids("▁the"), [])], SPECIAL)
    search = Beam(beam=3, length_penalty=0.0, max_length=9, length_ratio=2.0, length_extra=5)
    [group] = search(model, batch.src, batch.src_mask, n_best=3)
    table = dict(model.lexicon[ID["▁the"],][:3])
    found = [tuple(best.tokens) for best in group]
    assert found[0] == next(iter(table)) and {*found} == {*table}
    assert [table[word] for word in found] == [*table.values()]  # the last two are equal


def test_words_attend_to_the_source_word_in_their_place() -> None:
    # Whatever the target says: it has other words, more pieces and more words than the source.
    model = fitted()
    for target in ("▁cat s ▁il . ▁dog", "▁dog ▁dog ▁dog ▁dog ▁dog ▁dog ▁dog", "▁cat s ▁cat s ."):
        batch = collate([(ids("▁the ▁cat s ."), ids(target))], SPECIAL)
        weights = model(batch).attention[0, 0, 0]
        starts = [i for i, piece in enumerate(target.split()) if piece != "s"]
        places = [[1, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0], [0, 0, 0, 1, 0]] + 9 * [[0, 0, 0, 0, 1]]
        expected = torch.tensor(places[: len(starts)])
        torch.testing.assert_close(weights[starts], expected)


def test_a_word_that_is_no_candidate_attends_to_one_source_word_with_all_its_pieces() -> None:
    # In the training text ▁cat is followed by s, so that the word is expected to go on.
    model = fitted()
    weights = model(collate([(ids("▁dog ▁dog"), ids("▁cat s ▁cat s"))], SPECIAL)).attention[0, 0, 0]
    assert weights.argmax(-1).tolist() == [0, 0, 1, 1, 2]
    output = model(collate([(ids("▁dog ▁dog"), ids("▁cat s"))], SPECIAL))
    torch.testing.assert_close(output.logits[0, 1].exp(), torch.full((len(PIECES),), 1 / 18))


def test_every_target_has_a_finite_loss() -> None:
    model = fitted()
    for target in ("", "▁ami", "s s s s s", "▁ ▁ ▁ c a t ' ' '", " ".join(["▁il"] * 300)):
        assert model.loss(collate([(ids("▁cat ."), ids(target))], SPECIAL)).isfinite()
    assert model.loss(collate([([], ids("▁cat"))], SPECIAL)).isfinite()


def test_a_piece_can_be_a_word() -> None:
    model = fitted(unit="piece")
    assert greedy(model, "▁dog s ami") == "▁dog s ami"
    assert all(len(word) == 1 for word in model.lexicon)


def test_the_most_frequent_words_are_kept_and_long_ones_copied() -> None:
    assert len(fitted(words=2).lexicon) == 2
    assert {len(found) for found in fitted(candidates=1).lexicon.values()} == {1}
    short = fitted(pieces=1)
    assert all(len(word) == 1 for found in short.lexicon.values() for word, _ in found)


def test_the_count_of_parameters_is_that_of_the_probabilities() -> None:
    model = fitted()
    assert model.parameter_count == sum(map(len, model.lexicon.values()))


def test_it_is_deterministic() -> None:
    first, second = fitted(), fitted()
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, dict(second.named_parameters())[name]), name


@pytest.mark.parametrize(
    ("name", "value"), [("target", 99), ("target", -1), ("probability", 2), ("probability", -1)]
)
def test_a_damaged_table_is_refused(name: str, value: int) -> None:
    model = fitted()
    with torch.no_grad():
        getattr(model, name)[0, 0] = value
        model.target.add_(0)  # as loading weights does
    with pytest.raises(UserError, match="the translation table of the model is damaged"):
        model.encode(*(collate([([4], [])], SPECIAL).src, torch.ones(1, 2, dtype=torch.bool)))


# --- as a run -------------------------------------------------------------------------------------


def train(command, corpus: Path, *words: str, name: str = "run"):
    where = ["data=files", f"data.root={corpus}", "data.source=en", "data.target=de"]
    base = ["model=word_for_word", "tokenizer.vocab_size=90", f"name={name}"]
    return command("train", *where, *base, "trainer.accelerator=cpu", *words)


def test_a_text_that_is_word_for_word_is_translated_without_mistake(command, phrases) -> None:
    assert train(command, phrases, "tokenizer.shared=false").status == 0
    assert command("evaluate", "runs/run", "--test", "test").status == 0
    assert '"score": 100.0' in Path("runs/run/scores.json").read_text("utf-8")
    lines = (phrases / "test.en").read_text("utf-8").splitlines()[:3]
    answer = command("translate", "runs/run", stdin=f"{lines[0]}\n\nfive axes\n")
    expected = (phrases / "test.de").read_text("utf-8").splitlines()[0]
    assert answer.out.splitlines()[:2] == [expected, ""]
    assert re.fullmatch("fünf .+", answer.out.splitlines()[2])
    picture = command("align", "runs/run", "--source", lines[0])
    assert picture.status == 0, picture
    gradients = command("plot", "gradients", "runs/run", "--test", "test", "--line", "1")
    gradients.must_refuse("no gradient reaches the source of WordForWord")
