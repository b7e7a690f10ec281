"""Weights on disk: safetensors, written whole or not at all; averaging; a model from its run."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from seq2seq.config import build
from seq2seq.disk import replacing
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive
from seq2seq.run import RunFolder
from seq2seq.sizes import check_sizes
from seq2seq.tokenizer import Tokenizers


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """Write every parameter once, tied ones under their first name."""
    tensors = {name: p.detach().cpu().contiguous() for name, p in model.named_parameters()}
    with replacing(path, "wb") as file:
        file.write(save(tensors))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises:
        UserError: the file is missing or is not safetensors.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"the weights {path} are missing") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors: {error}") from error


def set_weights(model: torch.nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Copy tensors into a model of exactly the same shapes.

    Raises:
        UserError: a parameter is missing, left over or of another shape.
    """
    parameters = dict(model.named_parameters())
    if odd := parameters.keys() ^ tensors.keys():
        raise UserError(f"{source} is of another model: {min(odd)!r} is on one side only")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != tensors[name].shape:
                raise UserError(
                    f"{source} is of another model: {name} is {list(tensors[name].shape)}, "
                    f"not {list(parameter.shape)}"
                )
            parameter.copy_(tensors[name])


def average(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of several checkpoints (Vaswani et al. 2017, section 6.1)."""
    total = read_weights(paths[0])
    for path in paths[1:]:
        for name, tensor in read_weights(path).items():
            total[name] += tensor
    return {name: tensor / len(paths) for name, tensor in total.items()}


def build_model(section: dict[str, object], tokenizers: Tokenizers) -> Autoregressive:
    """A fresh model of the configured variant with the tokenizers' vocabulary sizes.

    Raises:
        UserError: the variant refuses its settings, or nobody could hold it in memory.
    """
    try:
        model: Autoregressive = build(
            "model",
            section,
            source_vocab=len(tokenizers.source),
            target_vocab=len(tokenizers.target),
            shared_vocab=tokenizers.shared,
        )
    except (RuntimeError, TypeError, MemoryError) as error:  # as torch says it of large sizes
        reason = str(error).split("\n")[0]
        raise UserError(f"a model of these sizes cannot be built: {reason}") from error
    return model


def load_model(
    run: RunFolder, device: torch.device | None = None
) -> tuple[Autoregressive, Tokenizers]:
    """The trained model of a run, ready to translate, with its tokenizers.

    Raises:
        UserError: a file of the run is missing, damaged or of another model.
    """
    tokenizers = Tokenizers.load(run.path)
    file = run.path / "model.safetensors"
    section = run.config.get("model", {})
    check_sizes(lambda: build_model(section, tokenizers), file)
    model = build_model(section, tokenizers)
    set_weights(model, read_weights(file), file)
    return model.to(device or torch.device("cpu")).eval(), tokenizers
