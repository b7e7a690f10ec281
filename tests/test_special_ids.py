"""Special ids come from the tokenizer: whole runs with a tokenizer that has other ones."""

import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sentencepiece
from untrained_runs import make_run, write_test_set

from seq2seq.commands.evaluate import evaluate
from seq2seq.errors import UserError
from seq2seq.scoring.perplexity import mean_loss
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.tokenizer import Tokenizer, Tokenizers
from seq2seq.translation.translator import Translator

OTHER = SpecialIds(pad=7, bos=3, eos=0, unk=5)
TEXTS = ["two cats see trees", "three dogs hear cars today", "five birds like songs"] * 3


def trained(**options: Any) -> bytes:
    """Return a SentencePiece model that is trained with these options."""
    model = io.BytesIO()
    usual = {"vocab_size": 30, "model_type": "bpe", "minloglevel": 2, "num_threads": 1}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, **usual | options
    )
    return model.getvalue()


def ids_of(special: SpecialIds) -> dict[str, int]:
    return {f"{name}_id": number for name, number in special._asdict().items() if name != "mask"}


@pytest.fixture
def other_ids(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[SpecialIds], None]:
    """Let vocabularies be learned with other special ids from now on."""
    train = sentencepiece.SentencePieceTrainer.train

    def use(special: SpecialIds) -> None:
        cache = tmp_path / "-".join(map(str, special))  # not the vocabularies of other tests
        monkeypatch.setenv("SEQ2SEQ_CACHE", str(cache))
        monkeypatch.setattr(
            sentencepiece.SentencePieceTrainer,
            "train",
            staticmethod(lambda **options: train(**options | ids_of(special))),
        )

    return use


@pytest.mark.parametrize("model", ["bahdanau", "decoder_only", "encoder_only"])
def test_a_run_learns_and_translates_with_the_ids_of_its_tokenizer(model, fit, other_ids, phrases):
    other_ids(OTHER)
    run = fit(model, "tokenizer.shared=true", "train.max_steps=12")
    translator = Translator(run, device="cpu")
    assert translator.model.special == translator.tokenizers.special == OTHER._replace(mask=90)
    lines = (phrases / "test.en").read_text("utf-8").splitlines()[:3]
    found = translator(lines)
    pieces = [piece for one in found for piece in one.target_pieces[:-1]]
    assert pieces
    assert {"<pad>", "<s>", "</s>"}.isdisjoint(pieces)
    pairs = [(one.source, one.text) for one in found]
    forced = [one.log_probability for one in translator.force(pairs)]
    ids = [
        tuple(
            side.encode([text])[0] for side, text in zip(translator.tokenizers, pair, strict=True)
        )
        for pair in pairs
    ]
    tokens = sum(len(target) + 1 for _, target in ids)
    assert mean_loss(translator.model, ids) * tokens == pytest.approx(-sum(forced), rel=1e-4)
    assert evaluate(run, ["test"], device="cpu") is not None


@pytest.mark.parametrize("shared", ["true", "false"])
def test_counted_translations_do_not_depend_on_the_ids(shared, fit, other_ids, phrases):
    lines, found = (phrases / "test.en").read_text("utf-8").splitlines()[:5], []
    for number, special in enumerate((SpecialIds(), OTHER)):
        other_ids(special)
        run = fit("word_for_word", f"tokenizer.shared={shared}", name=f"run{number}")
        translator = Translator(run, device="cpu")
        assert translator.model.special[:4] == special[:4]
        found.append([one.text for one in translator([*lines, "unknown 火"])])
    assert found[0] == found[1]


def test_sentencepiece_is_a_tokenizer_and_reads_its_special_ids():
    usual, other = SentencePiece(trained(pad_id=3)), SentencePiece(trained(**ids_of(OTHER)))
    assert isinstance(usual, Tokenizer)
    assert usual.special == SpecialIds(pad=3, bos=1, eos=2, unk=0, mask=30)
    assert other.special == OTHER._replace(mask=30)
    assert other.pieces(other.special.pieces) == ["<pad>", "<s>", "</s>", "<unk>"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sampling_and_unknown_characters_do_not_depend_on_the_ids(kind):
    usual, other = (
        SentencePiece(trained(model_type=kind, **ids_of(special)))
        for special in (SpecialIds(), OTHER)
    )
    for text in [*TEXTS[:3], "two 火火 cats", "火"]:
        for seed in range(5):
            drawn = [one.pieces(one.sample(text, 0.4, Random(seed))) for one in (usual, other)]
            assert drawn[0] == drawn[1]
        assert usual.unknown([text]) == other.unknown([text])
        assert other.decode([OTHER.bos, *other.encode([text])[0], OTHER.eos, OTHER.pad]) == (
            usual.decode(usual.encode([text])[0])
        )


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({}, "-1, 1, 2, 0"),  # what SentencePiece does by default
        ({"pad_id": 3, "bos_id": -1}, "3, -1, 2, 0"),
        ({"pad_id": 3, "eos_id": -1, "bos_id": 1}, "3, 1, -1, 0"),
    ],
)
def test_a_sentencepiece_model_without_a_special_id_is_refused(options, ids, tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(trained(**options))
    with pytest.raises(UserError, match=rf"tokenizer\.model must have .* but they are {ids} \("):
        Tokenizers.load(tmp_path)


def test_tokenizers_with_different_special_ids_are_refused(tmp_path, command):
    run = write_test_set(make_run(tmp_path / "run", "bahdanau"))
    (run / "source.model").write_bytes(trained(**ids_of(OTHER)))
    for words in (["translate", run], ["evaluate", run, "--test", "test"]):
        command(*words, stdin="two cats").must_refuse(
            f"the tokenizers in {run} must have the same ids", "(7, 3, 0, 5)", "(0, 1, 2, 3)"
        )
