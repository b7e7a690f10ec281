"""The benchmark of caches measures what it says; how fast they are, no test says."""

import io
import json

import pytest
import torch
from rich.console import Console

from seq2seq.commands import bench_caches
from seq2seq.layers.cache import nbytes
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.system.terminal_table import TableView

DIM, HEADS, LAYERS = 32, 4, 2
SMALL = [
    f"model.dim={DIM}",
    f"model.heads={HEADS}",
    f"model.decoder_layers={LAYERS}",
    "model.encoder_layers=1",
    "tokenizer.vocab_size=50",
    "trainer.accelerator=cpu",
]

SIZES = {"dim": DIM, "heads": HEADS, "layers": LAYERS}
VOCAB = {"source_vocab": 9, "target_vocab": 9, "shared_vocab": True}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_caches, "LENGTHS", (2, 3, 4))
    monkeypatch.setattr(bench_caches, "REPEATED", 3)
    monkeypatch.setattr(bench_caches, "WINDOWS", 2)


def measured(words: list[str], name: str = "transformer") -> dict:
    return bench_caches.bench_caches([name], [*SMALL, *words])


def test_every_kind_and_cache_is_measured_and_has_the_bytes_of_its_formula():
    found = measured(["model.latent_dim=24"])
    width = DIM // HEADS
    elements = {
        "multi_head": 2 * HEADS * width,
        "grouped_query": 2 * 2 * width,
        "multi_query": 2 * width,
        "latent": 24,
    }
    rows = {(row["attention"], row["cross_attention_cache"]): row for row in found["rows"]}
    kinds = ("multi_head", "grouped_query", "multi_query")
    assert [*rows] == [(k, c) for k in kinds for c in ("keys", "source")] + [("latent", "keys")]
    for (kind, cache), row in rows.items():
        target = 4 * LAYERS * elements[kind]
        source = 4 * DIM if cache == "source" else target
        assert row["bytes_per_target_token"] == {"formula": target, "measured": target}
        assert row["bytes_per_source_token"] == {"formula": source, "measured": source}
        assert list(row["tokens_per_second"]) == ["2", "3", "4"]
        assert min(row["tokens_per_second"].values()) > 0


DECODER = [
    f"model.dim={DIM}",
    f"model.heads={HEADS}",
    f"model.layers={LAYERS}",
    "tokenizer.vocab_size=50",
    "trainer.accelerator=cpu",
]


@pytest.mark.parametrize("rotary", [0, 6])
def test_a_decoder_alone_caches_source_and_target_alike(rotary):
    words = ["model.positions=rope", f"model.rotary_dim={rotary}"] if rotary else []
    found = bench_caches.bench_caches(["decoder_only"], [*DECODER, "model.latent_dim=24", *words])
    width = DIM // HEADS
    elements = {
        "multi_head": 2 * HEADS * width,
        "grouped_query": 2 * 2 * width,
        "multi_query": 2 * width,
        "latent": 24 + rotary,
    }
    assert [row["attention"] for row in found["rows"]] == [*elements]
    for row in found["rows"]:
        size = 4 * LAYERS * elements[row["attention"]]
        assert row["bytes_per_target_token"] == {"formula": size, "measured": size}
        assert row["bytes_per_source_token"] == {"formula": size, "measured": size}
        assert row["cross_attention_cache"] is None
        assert min(row["tokens_per_second"].values()) > 0


def test_the_source_of_a_decoder_alone_is_cached_once_for_all_hypotheses():
    model = build("model", model_settings("decoder_only") | SIZES, **VOCAB).eval()
    src = torch.full((1, 5), 4)
    memory = model.encode(src, src > 0)
    elements, beam = model.cache_elements(), 3
    state = model.step(torch.full((beam,), 4), memory, model.start(memory)).state
    state = model.step(torch.full((beam,), 4), memory, state).state
    assert nbytes(memory.source) == 4 * 5 * elements.source
    assert nbytes(state) == 4 * 2 * beam * elements.target


def test_the_keys_of_the_user_count_where_they_have_an_effect():
    """Rotary keys of latent attention, a number of key/value heads, and the preset's positions."""
    found = measured(["model.key_value_heads=1", "model.rotary_dim=6"], "transformer_modern")
    rows = {row["attention"]: row for row in found["rows"]}
    assert rows["grouped_query"]["key_value_heads"] == 1
    latent = 4 * DIM // HEADS
    assert rows["latent"]["bytes_per_target_token"]["formula"] == 4 * LAYERS * (latent + 6)
    assert rows["latent"]["bytes_per_source_token"]["measured"] == 4 * LAYERS * latent


def test_the_table_of_a_decoder_alone_names_no_kind_of_cache(command):
    told = command("bench", "--caches", "decoder_only", *DECODER)
    assert told.status == 0, told
    assert "grouped_query 2" in told.out
    assert "keys" not in told.out and "None" not in told.out


def test_the_command_prints_a_table_and_writes_its_numbers(command, tmp_path):
    out = tmp_path / "caches.json"
    told = command("bench", "--caches", *SMALL, "--json", out)
    assert told.status == 0, told
    assert "grouped_query 2, source" in told.out
    assert len(json.loads(out.read_text("utf-8"))["rows"]) == 7


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_is_whole_at_any_width(width):
    sizes = {"formula": 40_960, "measured": 40_961.0}
    row = {
        "attention": "grouped_query",
        "key_value_heads": 16,
        "cross_attention_cache": "source",
        "bytes_per_target_token": sizes,
        "bytes_per_source_token": sizes,
        "tokens_per_second": {"20": 1111.0, "200": 2222.0, "2000": 3333.0},
    }
    file = io.StringIO()
    table = bench_caches.caches_table({"model": "transformer", "source_tokens": 20, "rows": [row]})
    Console(file=file, width=width).print(table)
    text = file.getvalue()
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    assert [one for one in ("1,111", "2,222", "3,333") if one not in text] == []
    assert text.count("40,960") == text.count("40,961") == 2
    assert ("─" in text) == (width >= 80)  # columns


@pytest.mark.parametrize("width", range(20, 60))
def test_a_table_that_fits_by_its_longest_words_is_not_cropped(width):
    """A wide first column beside headings of several words, which rich alone would narrow."""
    head = ["name", *(f"{n} words of heading" for n in ("some", "more", "last"))]
    file = io.StringIO()
    Console(file=file, width=width).print(TableView(head, [["x" * 20, "1.5", "2.5", "3.5"]]))
    text = file.getvalue()
    assert "x" * 20 in text
    assert [one for one in ("1.5", "2.5", "3.5") if one not in text] == []


def test_what_has_no_effect_or_no_kinds_is_refused(command):
    for name in ("rnn", "encoder_only"):
        command("bench", "--caches", name).must_refuse("model.attention", f"not {name}", "decoder_")
    command("bench", "--caches", "trnasformer").must_refuse("did you mean 'transformer'")
    command("bench", "--caches", "transformer", "rnn").must_refuse("one model, not 2")
    for word in ("model.attention=latent", "model.cross_attention_cache=source"):
        command("bench", "--caches", word).must_refuse(word, "has no effect")
    for word in ("train.r_drop=1", "data=multi30k", "data.pairs=9", "search=greedy", "runs_dir=x"):
        command("bench", "--caches", *SMALL, word).must_refuse(word, "has no effect")
    word = "model.cross_attention_cache=source"
    command("bench", "--caches", "decoder_only", word).must_refuse("a key of model=transformer")
    command("bench", "--caches", *SMALL, "model.heads=5").must_refuse("a multiple of")
    command("bench", "--caches", "model.latent_dimm=5").must_refuse("did you mean")
