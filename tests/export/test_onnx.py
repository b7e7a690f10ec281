"""Exported ONNX models against the runs that they come from."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import untrained_runs
from torch import Tensor
from untrained_runs import ENGLISH, GERMAN, make_run, small

from seq2seq import Translator
from seq2seq.errors import UserError
from seq2seq.export import checks, onnx_layers
from seq2seq.export.onnx import export
from seq2seq.export.onnx_runtime import Graphs, decode
from seq2seq.models.base import Autoregressive
from seq2seq.text.batching import collate

for needed in checks.PACKAGES["onnx"]:
    pytest.importorskip(needed, reason=f"the package {needed} is not installed")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "onnx.md"
TEXTS = [*ENGLISH, "a", "the mat the horse a man over dogs", "grass sits", "", "zzz"]
SHALLOW = {"dim": 16, "heads": 4, "encoder_layers": 1, "decoder_layers": 1}
VARIANTS: dict[str, dict[str, Any]] = {
    "elman": {},
    "gru": {"layers": 2, "context": "every_step", "bidirectional": False, "readout": "maxout"},
    "lstm": {"layers": 2, "bidirectional": True, "reverse": True},
    "luong": {"cell": "lstm", "score": "dot", "layers": 2, "reverse": True},
    "bahdanau": {"layers": 2},
    "transformer": SHALLOW,
    "transformer latent": {
        **SHALLOW,
        "attention": "latent",
        "query_latent_dim": 6,
        "positions": "rope",
        "norm": "post",
        "bias": False,
    },
    "transformer_modern": {
        **SHALLOW,
        "attention": "multi_query",
        "positions": "alibi",
        "normalization": "scale",
        "fix_norm": True,
        "cross_attention_cache": "source",
        "target_prefix": [2, 5],
    },
    "decoder_only": {
        "heads": 4,
        "attention": "grouped_query",
        "key_value_heads": 2,
        "positions": "learned",
        "max_positions": 99,
        "source_mask": "causal",
        "target_positions": "continue",
    },
}
OTHER_TESTS = {"rnn"}  # test_the_command
REFUSED = {"word_for_word": "model=rnn", "encoder_only": "one token after another"}


class Exported(NamedTuple):
    translator: Translator
    folder: Path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """The run and the exported model of a variant, made once."""
    done: dict[str, Exported] = {}

    def make(variant: str) -> Exported:
        if variant not in done:
            folder, model = tmp_path_factory.mktemp("onnx"), variant.split()[0]
            with pytest.MonkeyPatch.context() as patch:
                keys = {**small(model), **VARIANTS[variant]}
                patch.setitem(untrained_runs.MODELS, model, keys)
                run = make_run(folder / "run", model)
            translator = Translator(run, device="cpu", beam=1)
            export(translator, folder / "out")
            done[variant] = Exported(translator, folder / "out")
        return done[variant]

    return make


def test_every_model_is_exported_or_refused() -> None:
    models = {path.stem for path in (ROOT / "configs" / "model").glob("*.yaml")}
    assert models == {variant.split()[0] for variant in VARIANTS} | OTHER_TESTS | set(REFUSED)


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_attention_and_translations_are_equal(
    exported: Callable[[str], Exported], variant: str
) -> None:
    translator, folder = exported(variant)
    graphs, model = Graphs(folder), translator.model
    source, target = translator.tokenizers
    long = " ".join([*GERMAN, *GERMAN])
    for texts, targets in (
        ([""], [long]),  # a source of one token; more steps than the source is long
        (ENGLISH, GERMAN),
        (TEXTS, [*GERMAN, "", long, "Hund", "Katze", "ein"]),
    ):
        pairs = list(zip(source.encode(texts), target.encode(targets), strict=True))
        batch = collate(pairs, model.special)
        ours, real = model(batch), batch.tgt_out != batch.pad
        logits, attention = forced(graphs, batch.src, batch.tgt_in)
        torch.testing.assert_close(logits[real], ours.logits[real], atol=1e-4, rtol=0)
        if ours.attention is None:
            assert attention is None
        else:
            both = (one.permute(0, 3, 1, 2, 4)[real] for one in (attention, ours.attention))
            torch.testing.assert_close(*both, atol=1e-5, rtol=0)
    found = decode(translator, folder, TEXTS)
    assert found.different == []
    assert found.difference is not None and found.difference <= 1e-4


def forced(graphs: Graphs, source: Tensor, target: Tensor) -> tuple[Tensor, Any]:
    """The logits and the attention after each target token, by onnxruntime alone."""
    names, tensors = list(graphs.config["decoder"]["outputs"]), graphs.encode(source.numpy())
    steps = []
    for token in target.T:
        values = graphs.decoder.run(names, {"token": token.numpy(), **tensors})
        steps.append(dict(zip(names, values, strict=True)))
        tensors |= {name: steps[-1][after] for name, after in graphs.config["state"].items()}
    logits = np.stack([step["logits"] for step in steps], axis=1)
    attention = None
    if "attention" in steps[0]:
        attention = torch.from_numpy(np.stack([step["attention"] for step in steps], axis=3))
    return torch.from_numpy(logits), attention


@pytest.mark.parametrize("variant", ["gru", "bahdanau", "transformer"])
def test_the_program_of_the_page_translates_as_the_run(
    exported: Callable[[str], Exported], tmp_path: Path, variant: str
) -> None:
    """In a process that cannot import this package or PyTorch."""
    (program,) = re.findall(r'```python title="translate.py"\n(.*?)```', PAGE.read_text(), re.S)
    (tmp_path / "translate.py").write_text(program, "utf-8")
    for blocked in ("seq2seq", "torch"):
        (tmp_path / f"{blocked}.py").write_text("raise ImportError(__name__)", "utf-8")
    translator, folder = exported(variant)
    texts = [*TEXTS * 5, "a\u2028dog", ""]  # more than a batch of the program
    done = subprocess.run(
        [sys.executable, "translate.py", folder],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        input="".join(f"{text}\n" for text in texts),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stderr == ""
    ours = [translation.text for translation in translator(texts)]
    assert done.stdout == "".join(f"{text}\n" for text in ours)
    assert len(set(ours)) > 2


def test_the_description_is_that_of_the_graphs(exported: Callable[[str], Exported]) -> None:
    translator, folder = exported("decoder_only")
    graphs = Graphs(folder)
    config, special = graphs.config, translator.model.special
    assert config["special"] == {"pad": 0, "bos": 1, "eos": 2, "unk": 3}
    assert config["never"] == [special.pad, special.bos]
    assert config["languages"] == {"source": "en", "target": "de"}
    types = {"int64": "tensor(int64)", "float32": "tensor(float)", "bool": "tensor(bool)"}
    for name, session in (("encoder", graphs.encoder), ("decoder", graphs.decoder)):
        for side, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            described = config[name][side]
            assert [value.name for value in values] == list(described)
            for value in values:
                assert types[described[value.name]["type"]] == value.type
                assert described[value.name]["shape"] == value.shape
    assert config["encoder"]["inputs"]["source"]["shape"] == ["batch", "source_length"]
    assert {"batch", "past"} < set(config["decoder"]["inputs"]["state.0.keys"]["shape"])
    assert set(config["encoder"]["outputs"]) | {"token"} == set(config["decoder"]["inputs"])


@pytest.mark.parametrize("variant", ["elman", "transformer"])
def test_the_graphs_have_no_paths(exported: Callable[[str], Exported], variant: str) -> None:
    """PyTorch adds the line of code of each node, with the path of its file."""
    for name in ("encoder", "decoder"):
        content = (exported(variant).folder / f"{name}.onnx").read_bytes()
        assert b".py" not in content
        assert str(ROOT).encode() not in content


def test_another_model_is_not_equal(exported: Callable[[str], Exported], tmp_path: Path) -> None:
    """The test of the comparison: it sees a difference."""
    translator, folder = exported("elman")
    shutil.copytree(folder, tmp_path / "out")
    other = make_run(tmp_path / "other", "elman")
    found = decode(Translator(other, device="cpu"), folder, TEXTS)
    assert found.different == []
    with torch.no_grad():
        translator = Translator(other, device="cpu")
        translator.model.get_parameter("readout.words.bias").add_(torch.randn(50))
    found = decode(translator, folder, TEXTS)
    assert found.different
    assert found.difference is not None and found.difference > 0.01


def test_the_command(tmp_path: Path, command: Callable[..., Any]) -> None:
    run = make_run(tmp_path / "run", "rnn")
    Path("lines").write_text("".join(f"{text}\n" for text in TEXTS), "utf-8")
    answer = command("export", run, "--to", "onnx", "--out", "out", "--verify", "lines")
    assert answer.status == 0, answer.err + answer.out
    first, second = answer.out.splitlines()
    assert first == "8 of 8 translations are the same"
    assert re.fullmatch(r"largest difference of logits: \d\.\de-\d\d", second)
    assert answer.err == "wrote out\n"
    assert {path.name for path in Path("out").iterdir()} == {
        "encoder.onnx", "decoder.onnx", "config.json", "source.model", "target.model",
    }  # fmt: skip


@pytest.mark.parametrize(("model", "needed"), REFUSED.items())
def test_other_models_are_refused(
    tmp_path: Path, command: Callable[..., Any], model: str, needed: str
) -> None:
    run = make_run(tmp_path / "run", model)
    answer = command("export", run, "--to", "onnx", "--out", "out")
    answer.must_refuse(f"model={model}", needed)
    assert not Path("out").exists()


def test_a_model_that_pytorch_cannot_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator(make_run(tmp_path / "run", "gru"), device="cpu")
    step = type(translator.model).step

    def depends_on_data(self: Any, token: Tensor, *rest: Any, **options: Any) -> Any:
        return step(self, token + int(token.max() > 3), *rest, **options)

    monkeypatch.setattr(type(translator.model), "step", depends_on_data)
    with pytest.raises(UserError, match="model=gru has operations that PyTorch cannot export") as e:
        export(translator, tmp_path / "out")
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()


def test_bad_input(
    tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", "rnn")
    words = ("export", run, "--to", "onnx", "--out")
    Path("there").mkdir()
    command(*words, "there").must_refuse("there exists already")
    command(*words, "new", "--verify", "absent").must_refuse("absent")
    command(*words, "new", "--quantization", "int8").must_refuse("no effect with --to onnx")
    command(*words, "new", "--rule", "run").must_refuse("no effect with --to onnx")
    assert command("export", run, "--to", "onyx", "--out", "new").status == 2
    for needed in checks.PACKAGES["onnx"]:
        with monkeypatch.context() as patch:
            patch.setattr(checks, "find_spec", lambda name, absent=needed: name != absent or None)
            answer = command(*words, "new")
            answer.must_refuse(f"the package {needed}", "pip install 'seq2seq-toolkit[onnx]'")
    (run / "model.safetensors").unlink()
    command(*words, "new").must_refuse("incomplete", "model.safetensors")
    assert not Path("new").exists()


def test_the_model_itself_is_not_changed(tmp_path: Path) -> None:
    model = Translator(make_run(tmp_path / "run", "luong"), device="cpu").model
    assert isinstance(model, Autoregressive)
    before = [type(module) for module in model.modules()]
    copy = onnx_layers.exportable(model)
    assert [type(module) for module in model.modules()] == before
    assert any(isinstance(module, onnx_layers.OnnxRecurrence) for module in copy.modules())
