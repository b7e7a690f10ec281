"""Exported models of the library `transformers` against the runs that they come from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import untrained_runs
from untrained_runs import ENGLISH, GERMAN, make_run

from seq2seq import Translator
from seq2seq.export.hf_transformers import export
from seq2seq.text.batching import collate

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
SIZES = {"heads": 4, "dim": 16, "encoder_layers": 2, "decoder_layers": 3}
KINDS = [
    {"norm": "pre", "shared": True},
    {"norm": "post", "shared": True},
    {"norm": "post", "shared": False},
    {"norm": "pre", "shared": True, "feed_forward_kind": "gelu", "bias": False},
    {"norm": "post", "shared": False, "fix_norm": True},  # divided in the export
]
NAMES = ["pre", "post", "post, two", "gelu, no bias", "fix norm"]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A run folder of a Transformer with random weights and the given keys."""

    def make(name: str = "run", shared: bool = True, **keys: object) -> Path:
        settings = {**untrained_runs.MODELS["transformer"], **SIZES, **keys}
        monkeypatch.setitem(untrained_runs.MODELS, "transformer", settings)
        return make_run(tmp_path / name, "transformer", shared=shared)

    return make


@pytest.mark.parametrize("keys", KINDS, ids=NAMES)
def test_logits_and_attention_are_equal(
    made: Callable[..., Path], tmp_path: Path, keys: dict[str, Any]
) -> None:
    translator = Translator(made(**keys), device="cpu")
    export(translator, tmp_path / "out")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        tmp_path / "out", attn_implementation="eager"
    ).eval()
    source, target = translator.tokenizers
    pairs = list(zip(source.encode(ENGLISH), target.encode(GERMAN), strict=True))
    batch = collate(pairs, translator.model.special)
    with torch.inference_mode():
        ours = translator.model(batch)
        maps = translator.model.maps(batch)
        theirs = model(
            input_ids=batch.src,
            attention_mask=batch.src_mask.long(),
            decoder_input_ids=batch.tgt_in,
            output_attentions=True,
        )
    pad, bos = translator.model.special.pad, translator.model.special.bos
    kept = [i for i in range(ours.logits.size(-1)) if i not in (pad, bos)]
    real = batch.tgt_out != pad
    torch.testing.assert_close(
        theirs.logits[..., kept][real], ours.logits[..., kept][real], atol=1e-5, rtol=0
    )
    assert (theirs.logits[..., [pad, bos]] < -1000).all()
    for mine, other in (
        (maps.source, theirs.cross_attentions),
        (maps.encoder, theirs.encoder_attentions),
    ):
        rows = real if mine is maps.source else batch.src_mask
        both = mine.transpose(0, 1), torch.stack(other)
        mine, other = (one.permute(1, 3, 0, 2, 4)[rows] for one in both)
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("keys", KINDS, ids=NAMES)
def test_the_export_translates_as_the_run(
    made: Callable[..., Path], command: Callable[..., Any], keys: dict[str, Any]
) -> None:
    lines = [*ENGLISH, "a", "the mat the horse a man over dogs", "zzz ,,"]
    empty = ["", " "]  # these are translated as empty lines, without the model
    Path("lines").write_text("".join(f"{line}\n" for line in [*empty, *lines]), "utf-8")
    run = made(**keys)
    words = ("export", run, "--to", "transformers", "--out", "out")
    answer = command(*words, "--verify", "lines")
    assert answer.status == 0, answer.err + answer.out
    assert "8 of 8 translations are the same" in answer.out
    tokenizer = transformers.AutoTokenizer.from_pretrained("out")
    own = Translator(run).tokenizers
    eos = own.special.eos
    assert tokenizer(lines)["input_ids"] == [[*ids, eos] for ids in own.source.encode(lines)]
    ids = own.target.encode(GERMAN)
    assert tokenizer.batch_decode(ids) == [own.target.decode(one) for one in ids]


@pytest.mark.parametrize(
    ("keys", "needed"),
    [
        ({"norm": "pre", "shared": False}, "tokenizer.shared=true"),
        ({"positions": "learned", "max_positions": 60}, "sinusoidal"),
        ({"positions": "rope"}, "sinusoidal"),
        ({"normalization": "rms"}, "layer"),
        ({"attention": "multi_query"}, "multi_head"),
        ({"feed_forward_kind": "swiglu"}, "relu and gelu"),
    ],
)
def test_models_that_the_format_cannot_hold_are_refused(
    made: Callable[..., Path], command: Callable[..., Any], keys: dict[str, Any], needed: str
) -> None:
    answer = command("export", made(**keys), "--to", "transformers", "--out", "out")
    assert answer.status == 1
    assert needed in answer.err
    assert not Path("out").exists()


def test_options_without_effect_are_refused(
    made: Callable[..., Path], command: Callable[..., Any]
) -> None:
    words = ("export", made(), "--to", "transformers", "--out", "out")
    for more in (("--quantization", "int8"), ("--rule", "default"), ("--rule", "run")):
        answer = command(*words, *more)
        assert "no effect with --to transformers" in answer.err
        assert more[0] in answer.err
