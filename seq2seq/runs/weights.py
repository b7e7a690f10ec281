"""Save and load tensors (safetensors with a checksum), and load the model of a run."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.size_check import UninitializedTensors, check_sizes
from seq2seq.settings.plugins import build
from seq2seq.system.files import replacing, sha256
from seq2seq.text.tokenizer import Tokenizers


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors, JSON metadata (`facts`), and the SHA-256 of both; the write is atomic."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # A single metadata entry, since safetensors does not preserve the order of several.
    label = json.dumps({"sha256": digest(tensors, facts), "facts": facts})
    content = save(tensors, {"seq2seq": label})
    with replacing(path, "wb") as file:
        file.write(content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the metadata of a file, and verify the checksum.

    Raises:
        UserError: the file is missing, is not safetensors, or has a wrong checksum.
    """
    try:
        with safe_open(path, "pt") as file:
            label = json.loads((file.metadata() or {}).get("seq2seq", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"the weights {path} are missing") from error
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as safetensors: {error}") from error
    if label is None:  # written by another program
        return tensors, {}
    facts = label.get("facts") if isinstance(label, dict) else None
    if not isinstance(facts, dict) or label.get("sha256") != digest(tensors, facts):
        raise UserError(
            f"{path} is damaged: its checksum does not match its content (the training command can "
            "write it again)"
        )
    return tensors, facts


def digest(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of named tensors and JSON metadata."""
    sha = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """Write the parameters of a model; tied parameters are written once, under the first name."""
    save_tensors(path, dict(model.named_parameters()), {})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file.

    Raises:
        UserError: the file is missing, is not safetensors, or has a wrong checksum.
    """
    return read_tensors(path)[0]


def set_weights(model: torch.nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Copy tensors into the parameters of a model.

    Args:
        model: the model.
        tensors: a tensor for each parameter, by name.
        source: the file of the tensors, for messages.

    Raises:
        UserError: a parameter is missing, unknown or has a different shape.
    """
    parameters = dict(model.named_parameters())
    if unmatched := parameters.keys() ^ tensors.keys():
        raise UserError(f"{source} does not fit the model: only one of them has {min(unmatched)!r}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != tensors[name].shape:
                raise UserError(
                    f"{source} does not fit the model: {name} is {list(tensors[name].shape)}, "
                    f"not {list(parameter.shape)}"
                )
            parameter.copy_(tensors[name])


def average(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Return the mean of several checkpoints (Vaswani et al. 2017, section 6.1).

    Raises:
        UserError: one cannot be read, or they do not belong to the same model.
    """
    total = read_weights(paths[0])
    for path in paths[1:]:
        tensors = read_weights(path)
        shapes = [{name: tensor.shape for name, tensor in one.items()} for one in (total, tensors)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"{path} cannot be averaged with {paths[0]}: it does not fit the same model"
            )
        for name, tensor in tensors.items():
            total[name] += tensor
    return {name: tensor / len(paths) for name, tensor in total.items()}


def build_model(section: dict[str, object], tokenizers: Tokenizers) -> Seq2Seq:
    """Construct a randomly initialized model for the vocabularies and special ids of tokenizers.

    Args:
        section: the section `model` of the configuration.
        tokenizers: the source and target tokenizers.

    Raises:
        UserError: a value is invalid, or the model does not fit into memory.
    """
    try:
        model: Seq2Seq = build(
            "model",
            section,
            source_vocab=len(tokenizers.source),
            target_vocab=len(tokenizers.target),
            shared_vocab=tokenizers.shared,
        )
    except (RuntimeError, TypeError, MemoryError) as error:  # torch raises these for huge sizes
        reason = str(error).split("\n")[0]
        raise UserError(f"a model of these sizes cannot be built: {reason}") from error
    model.special = tokenizers.special
    return model


def load_tokenizers(folder: Path, info: Mapping[str, Any]) -> Tokenizers:
    """Load the tokenizers of a run.

    Args:
        folder: the run folder.
        info: the content of run.json, which has their fingerprints.

    Raises:
        UserError: one is missing or damaged, or is not the one with which the run was trained.
    """
    tokenizers, stored = Tokenizers.load(folder), info.get("tokenizer")
    for side, tokenizer in tokenizers._asdict().items():
        known = stored.get(side) if isinstance(stored, dict) else None
        if known not in (None, tokenizer.fingerprint):
            raise UserError(
                f"the {side} tokenizer in {folder} is not the one with which the run was trained "
                "(run.json has another fingerprint): put the original file back"
            )
    return tokenizers


@contextmanager
def unchanged_weights(run: RunFolder) -> Iterator[str]:
    """Yield the SHA-256 of model.safetensors, around code that loads it.

    Raises:
        UserError: the file was replaced meanwhile, by a training that goes on, so that the hash may
            not be that of the loaded weights.
    """
    file = run.path / "model.safetensors"
    before = sha256(file)
    yield before
    if sha256(file) != before:
        raise UserError(
            f"{file} was replaced while it was read: its training goes on; try again, or wait for "
            "its end"
        )


def load_model(run: RunFolder, device: torch.device | None = None) -> tuple[Seq2Seq, Tokenizers]:
    """Load the trained model of a run, in evaluation mode, and its tokenizers.

    Raises:
        UserError: a file of the run is missing, damaged or does not fit the model.
    """
    tokenizers = load_tokenizers(run.path, run.info)
    file = run.path / "model.safetensors"
    section = run.config.get("model", {})
    check_sizes(lambda: build_model(section, tokenizers), file)
    # The initial weights are replaced: their random numbers take longer than reading the file.
    with torch.random.fork_rng(devices=[]), UninitializedTensors():
        model = build_model(section, tokenizers)
    set_weights(model, read_weights(file), file)
    return model.to(device or torch.device("cpu")).eval(), tokenizers
