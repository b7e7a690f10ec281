"""Export autoregressive models to ONNX, which many programs run (https://onnx.ai).

An exported model is two graphs: the encoder, and one step of the decoder. A step reads a token, the
encoded source and the state of the decoder, and returns logits, attention weights and the next
state. Which tensors these are depends on the model; `config.json` has their names.
"""

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from seq2seq.errors import UserError
from seq2seq.export.checks import require
from seq2seq.export.onnx_graphs import NEXT, STATE, graphs
from seq2seq.models.base import Autoregressive, Seq2Seq
from seq2seq.settings.plugins import snake_case
from seq2seq.translation.translator import Translator


def export(translator: Translator, out: Path) -> None:
    """Write both graphs, their description and the tokenizers into a new folder.

    Args:
        translator: the trained run.
        out: the folder; it must not exist.

    Raises:
        UserError: a package is missing, or the model has no such graphs.
    """
    require("onnx")
    model = check_autoregressive(translator.model)
    try:
        found = graphs(model)
    except torch.onnx.OnnxExporterError as error:  # of a model that a user has added
        raise UserError(
            f"model={snake_case(type(model).__name__)} has operations that PyTorch cannot export "
            f"to ONNX: {reason(error)}"
        ) from error
    out.mkdir(parents=True)
    found.encoder.save(out / "encoder.onnx", external_data=False)
    found.decoder.save(out / "decoder.onnx", external_data=False)
    settings = description(translator, found.carried)
    settings["encoder"], settings["decoder"] = map(interface, (found.encoder, found.decoder))
    (out / "config.json").write_text(json.dumps(settings, indent=2), "utf-8")
    translator.tokenizers.source.save(out / "source.model")
    translator.tokenizers.target.save(out / "target.model")


def check_autoregressive(model: Seq2Seq) -> Autoregressive:
    """Return the model if its encoder and decoder step are functions of tensors.

    Raises:
        UserError: they are not; the message names what the format needs.
    """
    name = snake_case(type(model).__name__)
    if model.fits:
        raise UserError(
            f"model={name} looks words up in Python, and the export to ONNX needs a model that "
            "computes with tensors alone: train model=rnn or another one that learns by gradients"
        )
    if not isinstance(model, Autoregressive):
        raise UserError(
            f"model={name} is {model.kind}, and the export to ONNX needs a decoder that predicts "
            "one token after another: train model=transformer or another autoregressive model"
        )
    return model


def reason(error: BaseException) -> str:
    """Return the beginning of the message of the first cause of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shorten(str(error), 300) or type(error).__name__


def description(translator: Translator, carried: list[str]) -> dict[str, Any]:
    """Return what a program needs to know to translate with the graphs.

    Args:
        translator: the trained run.
        carried: the names of the tensors of memory and state.
    """
    search, special = translator.search, translator.tokenizers.special
    data = translator.run.config.get("data", {})
    return {
        "model": snake_case(type(translator.model).__name__),
        "languages": {side: data.get(side) for side in ("source", "target")},
        "special": {name: getattr(special, name) for name in ("pad", "bos", "eos", "unk")},
        "source_prefix": list(translator.tokenizers.source.prefix),
        "never": [special.pad, special.bos],
        "search": {
            "max_length": search.max_length,
            "length_ratio": search.length_ratio,
            "length_extra": search.length_extra,
        },
        "state": {name: NEXT + name for name in carried if name.split(".")[0] == STATE},
    }


def interface(program: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Return type and shape of the inputs and outputs of a graph; a named size is not fixed."""
    graph = program.model.graph
    return {
        side: {
            value.name: {
                "type": value.dtype.numpy().name,
                "shape": [size if isinstance(size, int) else str(size) for size in value.shape],
            }
            for value in values
        }
        for side, values in (("inputs", graph.inputs), ("outputs", graph.outputs))
    }
