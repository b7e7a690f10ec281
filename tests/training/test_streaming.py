"""Training on a text that is read while training: exact resume, epochs, memory, processes."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from seq2seq.corpora.mixed_stream import StoredStream
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.settings import compose
from seq2seq.settings.config import TokenizerConfig
from seq2seq.settings.plugins import build
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.estimate import Pace
from seq2seq.training.optimizer import Budget
from seq2seq.training.state import Saves
from seq2seq.training.stream_batches import StreamBatches
from seq2seq.training.train import train

TINY = [
    *("data=hub", "data.source=en", "data.target=de", "data.streaming=true", "data.buffer=40"),
    *("model=rnn", "model.dim=16", "model.embedding=16", "tokenizer.vocab_size=90"),
    *("trainer.accelerator=cpu", "train.max_epochs=null", "train.batch_tokens=101"),
    *("train.log_every=1", "train.validate_every=100", "train.save_every=0"),
]


@pytest.fixture
def folder(phrases, tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        sides = [
            (phrases / f"{split}.{code}").read_text("utf-8").splitlines() for code in ("en", "de")
        ]
        rows = [dict(zip(("en", "de"), pair, strict=True)) for pair in zip(*sides, strict=True)]
        for number in range(2 if split == "train" else 1):
            table = pa.Table.from_pylist(rows[number :: 2 if split == "train" else 1])
            pa.parquet.write_table(table, folder / f"{split}-{number}.parquet")
    return folder


@pytest.fixture
def words(folder, tmp_path):
    return [*TINY, f"data.path={folder}", f"runs_dir={tmp_path}"]


@pytest.fixture
def run(words):
    return lambda name, *more: train(compose.read(compose.compose([*words, f"name={name}", *more])))


def info(run):
    return json.loads((run / "run.json").read_text())


def weights(run):
    return (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("more", [[], ["tokenizer.sampling=0.2", "train.accumulate=3"]])
def test_an_interrupted_training_ends_with_the_same_bits(run, more):
    whole = run("whole", "train.max_steps=15", *more)
    run("begun", "train.max_steps=8", *more)
    begun = run("begun", "train.max_steps=15", *more)
    assert weights(begun) == weights(whole)
    assert info(begun)["streamed"] == info(whole)["streamed"]


def test_a_mixture_with_a_streamed_part_ends_with_the_same_bits(run, words, phrases, tmp_path):
    mixed = [
        *("data=mixture", "data.source=en", "data.target=de", "data.validation=local"),
        f"data.parts.local={{kind: files, root: {phrases}, weight: 1}}",
        f"data.parts.hub={{kind: hub, path: {tmp_path / 'hub'}, streaming: true, buffer: 40}}",
        "data.parts.hub.weight=3",
        *(word for word in words if not word.startswith("data")),
    ]

    def run(name, steps):
        given = [*mixed, f"name={name}", f"train.max_steps={steps}"]
        return train(compose.read(compose.compose(given)))

    whole = run("whole", 12)
    run("begun", 7)
    begun = run("begun", 12)
    assert weights(begun) == weights(whole)
    seen = info(begun)["pairs_seen"]
    assert seen == info(whole)["pairs_seen"]
    assert seen["hub"] == 3 * seen["local"] > 0


READ_TWICE = {"read": 352, "used": 352, "empty": 0, "too_long": 0, "held_out": 0}


def test_an_epoch_is_a_pass_over_the_stream(run):
    done = info(run("run", "train.max_epochs=2"))
    assert done["epochs"] == 2
    assert done["streamed"] == READ_TWICE
    assert done["data"]["train"]["streamed"]


def test_another_text_does_not_resume(run, command, words, folder):
    run("run", "train.max_steps=1")
    pa.parquet.write_table(
        pa.Table.from_pylist([{"en": "a", "de": "b"}]), folder / "train-2.parquet"
    )
    answer = command("train", *words, "name=run", "train.max_steps=2")
    answer.must_refuse("the train text has changed")


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        (["train.schedule=cosine", "train.max_epochs=2"], ["cosine", "set train.max_steps"]),
        (["train.batch_tokens=100", "train.max_steps=1"], ["batch_tokens=100", "(101 tokens)"]),
        (["train.max_steps=1", "data.max_length=1"], ["no training pair is left"]),
        (
            ["train.max_steps=1", "model=bahdanau", "train.guided_attention=1"],
            ["guided_attention", "word links"],
        ),
    ],
)
def test_settings_that_need_the_whole_text_are_refused(command, words, more, parts):
    command("train", *words, *more).must_refuse(*parts)


def test_a_model_that_fits_itself_is_refused(command, words):
    own = [word for word in words if not word.startswith(("model", "train."))]
    answer = command("train", *own, "model=word_for_word")
    answer.must_refuse("model=word_for_word", "data.streaming=false")


def test_a_damaged_file_ends_a_run_that_is_resumed_when_it_is_whole(run, command, words, folder):
    path = folder / "train-1.parquet"
    content = path.read_bytes()
    run("begun", "train.max_steps=3")
    middle = len(content) // 4
    path.write_bytes(content[:middle] + b"\xff" * 40 + content[middle + 40 :])
    answer = command("train", *words, "name=begun", "train.max_steps=12")
    assert (answer.status, answer.out) == (1, "")
    path.write_bytes(content)
    assert info(run("begun", "train.max_steps=12"))["status"] == "finished"


PAIRS = [Pair("a " * (row % 9 + 1), "b " * (row % 7 + 1)) for row in range(50)]


class Watched(StoredStream):
    """Records how many pairs are read at a time."""

    def take(self, count):
        self.most = max(getattr(self, "most", 0), count)
        return super().take(count)


@pytest.fixture(scope="module")
def tokenizers():
    lines = [" ".join("abcdefgh"[: row % 8 + 1]) for row in range(100)]
    settings = vars(TokenizerConfig("bpe", 20, True, 1.0, "identity", 0.0)).copy()
    del settings["sampling"]
    return Tokenizers.train(iter(lines), iter(lines), **settings)


def batches(tokenizers, pairs=PAIRS, size=20):
    return StreamBatches(Watched("text", pairs, 1, 0, 1), tokenizers, 100, size, 120, seed=1)


def test_a_pass_uses_every_pair_once_and_holds_one_block(tokenizers):
    found = batches(tokenizers)
    rows = []
    for batch in found:
        ids = found.examples.encoded
        longest = max(max(len(side) for side in ids[row]) + 1 for row in batch.tolist())
        assert len(batch) * longest <= 120
        rows += (batch + found.first_row).tolist()
        assert len(ids) <= 20
        if found.epochs:
            break
    assert sorted(rows) == list(range(50))
    assert found.stream.most == 20


def test_the_end_of_a_pass_is_seen_when_blocks_divide_it(tokenizers):
    found = batches(tokenizers, PAIRS[:40])
    count = sum(len(batch) for batch in iter_until_pass(found))
    assert count == 40


def test_pairs_of_the_held_out_sets_are_counted_as_they_are_read(tokenizers):
    found = batches(tokenizers)
    found.held_out = frozenset([PAIRS[3], PAIRS[49], Pair("c", "d")])
    states = [json.loads(json.dumps(found.state_dict())) for _ in iter_until_pass(found)]
    assert found.counts.held_out == sum(pair in found.held_out for pair in PAIRS) >= 2
    resumed = batches(tokenizers)
    resumed.held_out = found.held_out
    resumed.load_state_dict(states[len(states) // 2])
    assert [None for _ in iter_until_pass(resumed)] and resumed.counts == found.counts


def iter_until_pass(found):
    for batch in found:
        yield batch
        if found.epochs:
            return


def test_a_stream_without_usable_pairs_ends(tokenizers):
    with pytest.raises(UserError, match=r"no training pair is left of text: 50 have"):
        next(iter(batches(tokenizers, [Pair("", "b")] * 50)))


def test_the_estimate_needs_no_length_of_an_epoch():
    pace = Pace(seconds=10.0, steps=20, epochs=0.0)
    assert pace.describe(Budget(None, 1, None)) == "speed: about 120 updates a minute"
    assert "240.0 updates in train.max_minutes=2" in pace.describe(Budget(None, 1, 2.0))
    assert "100 updates" in pace.describe(Budget(100, 1, None))


def test_two_processes_read_disjoint_parts_and_save_their_positions(process, words, tmp_path):
    given = [*words, "name=run", "train.max_steps=5", "trainer.devices=2"]
    done = process("train", *given, cwd=tmp_path)
    assert (done.communicate(timeout=300), done.returncode)[1] == 0
    run = tmp_path / "run"
    saved = Saves(run).read(print).facts["sampler"]["streams"]
    corpus = build("data", compose.read(compose.compose([*words, "train.max_steps=5"])).data)

    def part(rank):
        part = corpus.training_stream(rank, 2)
        return StreamBatches(part, Tokenizers.load(run), 100, 40, 101, seed=1)

    for rank, state in enumerate(saved):
        alone, resumed = part(rank), part(rank)
        stream = iter(alone)
        for _ in range(5):
            next(stream)
        assert json.loads(json.dumps(alone.state_dict())) == state
        resumed.load_state_dict(state)
        again = iter(resumed)
        for _ in range(9):
            assert next(again).tolist() == next(stream).tolist()
    assert info(run)["streamed"]["read"] == sum(state["total"]["read"] for state in saved)
