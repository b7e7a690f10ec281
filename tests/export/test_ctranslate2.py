"""Exported CTranslate2 models against the runs that they come from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import untrained_runs
from untrained_runs import ENGLISH, make_run

from seq2seq import Translator
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.export import checks
from seq2seq.export.ctranslate2 import decode, export

ctranslate2 = pytest.importorskip("ctranslate2", reason="the package ctranslate2 is not installed")
SIZES = {"heads": 4, "dim": 16, "encoder_layers": 2, "decoder_layers": 3}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A run folder of a Transformer with random weights and the given keys."""

    def make(name: str = "run", shared: bool = False, **keys: object) -> Path:
        settings = {**untrained_runs.MODELS["transformer"], **SIZES, **keys}
        monkeypatch.setitem(untrained_runs.MODELS, "transformer", settings)
        return make_run(tmp_path / name, "transformer", shared=shared)

    return make


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    file = tmp_path / "lines.txt"
    texts = [*ENGLISH, "a", "the mat the horse a man over dogs", "grass sits", "", "zzz"]
    file.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return file


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "keys",
    [
        {"norm": "pre"},
        {"norm": "post"},
        {"norm": "pre", "feed_forward_kind": "gelu", "bias": False},
        {"norm": "post", "positions": "learned", "max_positions": 60},
        {"norm": "pre", "fix_norm": True},  # divided in the export
    ],
    ids=["pre", "post", "gelu, no bias", "learned", "fix norm"],
)
def test_the_export_translates_as_the_run(
    made: Callable[..., Path],
    lines: Path,
    command: Callable[..., Any],
    keys: dict[str, object],
    shared: bool,
) -> None:
    run = made(shared=shared, **keys)
    answer = command("export", run, "--to", "ctranslate2", "--out", "out", "--verify", lines)
    assert answer.status == 0, answer.err + answer.out
    assert "8 of 8 translations are the same" in answer.out
    assert {path.name for path in Path("out").iterdir()} >= {"model.bin", "source.model"}


@pytest.mark.parametrize("layer", [1, 3])
@pytest.mark.parametrize("head", [1, 3, "mean"])
def test_the_attention_is_that_of_the_rule(
    made: Callable[..., Path], tmp_path: Path, layer: int, head: Any
) -> None:
    translator = Translator(made(), device="cpu", beam=1)
    export(translator, Rule(layer=layer, head=head), tmp_path / "out", "float32")
    engine = ctranslate2.Translator(str(tmp_path / "out"))
    tokenizer = sentencepiece.SentencePieceProcessor(str(tmp_path / "out" / "source.model"))
    (result,) = engine.translate_batch(
        [tokenizer.encode(ENGLISH[1], out_type=str)],
        beam_size=1,
        return_attention=True,
        max_decoding_length=10,
    )
    (ours,) = translator.force([(ENGLISH[1], "")])
    ours = translator([ENGLISH[1]], attention=True)[0]
    attention = ours.attention[layer - 1]
    expected = (attention.mean(0) if head == "mean" else attention[head - 1]).numpy()
    theirs = np.array(result.attention[0])
    rows, columns = min(len(theirs), len(expected)), theirs.shape[1]
    assert rows > 3
    np.testing.assert_allclose(theirs[:rows], expected[:rows, :columns], atol=1e-5)


def test_without_this_package(made: Callable[..., Path], tmp_path: Path) -> None:
    """The loop of docs/sharing.md, with ctranslate2 and sentencepiece alone."""
    run = made()
    translator = Translator(run, device="cpu", beam=1)
    export(translator, Rule(), tmp_path / "out", "float32")
    source, target = (
        sentencepiece.SentencePieceProcessor(str(tmp_path / "out" / f"{side}.model"))
        for side in ("source", "target")
    )
    engine = ctranslate2.Translator(str(tmp_path / "out"))
    batch = source.encode(ENGLISH, out_type=str)
    results = engine.translate_batch(batch, beam_size=1, max_decoding_length=20)
    texts = [target.decode(result.hypotheses[0]) for result in results]
    assert [text[:8] for text in texts] == [one.text[:8] for one in translator(ENGLISH)]


def test_int8_is_smaller_and_near(made: Callable[..., Path], tmp_path: Path) -> None:
    translator = Translator(made(dim=64, feed_forward=128), device="cpu")
    sizes = {}
    for kind in ("float32", "int8"):
        export(translator, Rule(), tmp_path / kind, kind)  # type: ignore[arg-type]
        sizes[kind] = (tmp_path / kind / "model.bin").stat().st_size
        assert len(decode(translator, tmp_path / kind, ENGLISH).theirs) == len(ENGLISH)
    assert sizes["int8"] < 0.5 * sizes["float32"]


@pytest.mark.parametrize(
    "keys",
    [
        {"attention": "multi_query"},
        {"positions": "rope"},
        {"positions": "alibi"},
        {"normalization": "rms"},
        {"feed_forward_kind": "swiglu"},
        {"target_prefix": [2]},
    ],
)
def test_parts_that_the_format_cannot_hold_are_refused(
    made: Callable[..., Path], command: Callable[..., Any], keys: dict[str, object]
) -> None:
    (key, value), *_ = keys.items()
    answer = command("export", made(**keys), "--to", "ctranslate2", "--out", "out")
    assert answer.status == 1
    assert f"model.{key}={value}" in answer.err
    assert not Path("out").exists()


@pytest.mark.parametrize("model", ["rnn", "bahdanau", "decoder_only", "encoder_only"])
def test_other_models_are_refused(tmp_path: Path, command: Callable[..., Any], model: str) -> None:
    answer = command("export", make_run(tmp_path / "r", model), "--to", "ctranslate2", "--out", "o")
    assert answer.status == 1
    assert "train model=transformer" in answer.err


@pytest.mark.parametrize(
    "rule", [{"layer": "mean"}, {"shift": True}, {"method": "occlusion"}, {"method": "vectors"}]
)
def test_rules_that_the_format_cannot_return_are_refused(
    made: Callable[..., Path], command: Callable[..., Any], rule: dict[str, Any]
) -> None:
    run = made()
    (run / "align").mkdir()
    (run / "align" / "rule.json").write_text(json.dumps({"rule": Rule(**rule).record()}), "utf-8")
    answer = command("export", run, "--to", "ctranslate2", "--out", "out")
    assert "--rule default" in answer.err
    assert (
        command("export", run, "--to", "ctranslate2", "--out", "out", "--rule", "default").status
        == 0
    )


def test_bad_input(
    made: Callable[..., Path], command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made()
    Path("out").mkdir()
    words = ("export", run, "--to", "ctranslate2")
    assert "exists already" in command(*words, "--out", "out").err
    Path("empty").write_text("", "utf-8")
    assert "no lines" in command(*words, "--out", "new", "--verify", "empty").err
    assert "absent" in command(*words, "--out", "new", "--verify", "absent").err
    monkeypatch.setattr(checks, "find_spec", lambda package: None)
    answer = command(*words, "--out", "new")
    assert "pip install 'seq2seq-toolkit[ctranslate2]'" in answer.err
    assert not Path("new").exists()


def test_the_rule_of_the_run_is_checked(made: Callable[..., Path], tmp_path: Path) -> None:
    translator = Translator(made(), device="cpu")
    with pytest.raises(UserError, match="layer"):
        export(translator, Rule(layer=9), tmp_path / "out", "float32")
