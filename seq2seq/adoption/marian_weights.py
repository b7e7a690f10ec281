"""The weights of a Marian or M2M100 model of `transformers`, as those of our Transformer."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from seq2seq.adoption.marian_config import AdoptedConfig
from seq2seq.errors import UserError
from seq2seq.export.hf_weights import sines_first, weights_of_layers
from seq2seq.layers.positions import fairseq_sinusoidal, sinusoidal
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder
from seq2seq.runs.size_check import FLOATS, stored_sizes
from seq2seq.runs.weights import build_model, read_weights
from seq2seq.text.tokenizer import Tokenizers

WEIGHTS = "model.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
SHARED = "model.shared.weight"
TABLES = {
    "encoder": "model.encoder.embed_tokens.weight",
    "decoder": "model.decoder.embed_tokens.weight",
}
OUTPUT = "lm_head.weight"  # the same as the decoder's embedding
BIAS = "final_logits_bias"
# Position encodings, which older versions of `transformers` stored
POSITIONS = {
    "sinusoidal": tuple(f"model.{side}.embed_positions.weight" for side in TABLES),
    "fairseq": tuple(f"model.{side}.embed_positions.weights" for side in TABLES),
}


def weights_file(folder: Path) -> Path:
    """Return the file of the weights.

    Raises:
        UserError: there is none, or only pickles, which can run code.
    """
    file = folder / WEIGHTS
    if file.is_file():
        return file
    if pickles := sorted(one.name for kind in PICKLES for one in folder.glob(kind)):
        raise UserError(
            f"{folder} has its weights in {pickles[0]}, a pickle, which can run code and is not "
            f"opened: if you trust it, write {WEIGHTS} with save_pretrained of transformers"
        )
    if any(folder.glob("*.safetensors.index.json")):
        raise UserError(
            f"{folder} has its weights in several files: write a single {WEIGHTS} with "
            "save_pretrained of transformers and a larger max_shard_size"
        )
    raise UserError(f"{folder} has no {WEIGHTS}")


def check_stored(file: Path, config: AdoptedConfig) -> None:
    """Compare the header of the weights with the configuration, before memory is allocated.

    Raises:
        UserError: a weight is no floating-point number, or numbers of layers or sizes differ.
    """
    stored = stored_sizes(file)
    for name, (kind, _) in stored.items():
        if kind not in FLOATS:
            raise UserError(f"{file} cannot be used: {name} is {kind}, not {', '.join(FLOATS)}")
    model, dim = config.model, config.model["dim"]
    for side, table, size in zip(TABLES, TABLES.values(), config.vocabularies, strict=True):
        layers = {int(n) for n in layer_numbers(stored, side)}
        if layers != set(range(model[f"{side}_layers"])):
            raise UserError(
                f"{file} does not fit config.json: it has {len(layers)} layers of the {side}, not "
                f"{model[f'{side}_layers']}"
            )
        first = f"model.{side}.layers.0.fc1.weight"
        for name, wanted in ((first, [model["feed_forward"], dim]), (table, [size, dim])):
            found = stored.get(name, stored.get(SHARED) if name == table else None)
            if found is not None and found[1] != wanted:
                raise UserError(
                    f"{file} does not fit config.json: {name} is {found[1]}, not {wanted}"
                )


def layer_numbers(names: Iterable[str], side: str) -> set[str]:
    """Return the numbers of the layers of one side that names of weights have."""
    prefix = f"model.{side}.layers."
    found = {
        name.removeprefix(prefix).partition(".")[0] for name in names if name.startswith(prefix)
    }
    return {number for number in found if number.isdecimal() and number.isascii()}


@torch.no_grad()
def load(file: Path, config: AdoptedConfig, tokenizers: Tokenizers) -> TransformerEncoderDecoder:
    """Return our Transformer with the weights of a Marian or M2M100 model.

    Raises:
        UserError: the file is damaged, or its weights are not those of such a model.
    """
    check_stored(file, config)
    stored = {name: tensor.float() for name, tensor in read_weights(file).items()}
    with torch.random.fork_rng(devices=[]):  # initial weights are replaced
        model = cast(TransformerEncoderDecoder, build_model(config.model, tokenizers))
    dim, positions = model.parts.dim, model.parts.positions
    # Sinusoids of fairseq have all sines first in our Transformer, too.
    theirs_to_ours = torch.arange(dim) if positions == "fairseq" else sines_first(dim).argsort()
    tables = refuse_other_positions(file, stored, dim, positions)
    for side, table in (("encoder", model.source), ("decoder", model.target)):
        weight = embedding(file, stored, side, config)
        fill(file, f"the embedding of the {side}", table.weight, weight[:, theirs_to_ours])
    bias = None if positions == "fairseq" else stored.pop(BIAS, None)
    bias = torch.zeros(len(model.bias)) if bias is None else bias.flatten()
    fill(file, BIAS, model.bias, bias)
    for name, ours, _, axis in weights_of_layers(model):
        if name not in stored:
            raise UserError(f"{file} is not that of {config.kind.title}: it has no {name}")
        assert ours is not None  # the model has all biases
        weight = stored.pop(name)
        if axis is not None and weight.shape == ours.shape:  # another shape is refused next
            weight = weight.index_select(axis, theirs_to_ours)
        fill(file, name, ours, weight)
    if unused := sorted(stored.keys() - {SHARED, OUTPUT, *TABLES.values(), *tables}):
        raise UserError(
            f"{file} is not that of {config.kind.title} with the sizes of config.json: it has "
            f"{unused[0]}"
        )
    if not config.scaled:
        move_scale(model)
    return model.eval()


def fill(file: Path, name: str, ours: Tensor, theirs: Tensor) -> None:
    """Copy a weight.

    Raises:
        UserError: the shapes differ, or a number is NaN or infinite.
    """
    if ours.shape != theirs.shape:
        raise UserError(
            f"{file} does not fit config.json: {name} is {list(theirs.shape)}, not "
            f"{list(ours.shape)}"
        )
    if not theirs.isfinite().all():
        raise UserError(f"{file} cannot be used: {name} has numbers that are NaN or infinite")
    ours.copy_(theirs)


def embedding(file: Path, stored: Mapping[str, Tensor], side: str, config: AdoptedConfig) -> Tensor:
    """Return the embedding of one side, of which a file may have several equal copies.

    Raises:
        UserError: there is none, or they are not equal.
    """
    names = [SHARED, *TABLES.values(), OUTPUT]
    if not config.shared:
        names = [TABLES[side], *([OUTPUT] if side == "decoder" else [])]
    copies = {name: stored[name] for name in names if name in stored}
    if not copies:
        raise UserError(f"{file} is not that of {config.kind.title}: it has no {names[0]}")
    first, *others = copies
    for other in others:
        if not torch.equal(copies[first], copies[other]):
            raise UserError(
                f"{file} cannot be adopted: {first} and {other} differ, but our Transformer has "
                "one table for both"
            )
    return copies[first]


def refuse_other_positions(
    file: Path, stored: Mapping[str, Tensor], dim: int, positions: str
) -> tuple[str, ...]:
    """Check that stored position encodings are the sinusoids of our model.

    Returns:
        The names that they may have.

    Raises:
        UserError: they are others.
    """
    for name in POSITIONS[positions]:
        if name not in stored:
            continue
        table = stored[name]
        if positions == "fairseq":  # the first two rows belong to no position
            table = table[2:]
            usual = fairseq_sinusoidal(torch.arange(len(table)), dim)
        else:
            usual = sinusoidal(torch.arange(len(table)), dim)[:, sines_first(dim)]
        same = usual.shape == table.shape
        if not same or not torch.allclose(usual, table, atol=2e-3):  # may be float16
            raise UserError(f"{file} cannot be adopted: {name} are not sinusoids")
    return POSITIONS[positions]


def move_scale(model: TransformerEncoderDecoder) -> None:
    """Divide the embeddings by sqrt(dim), by which our Transformer multiplies its input.

    The output layer has the same weights, so its input, the last layer norm, is multiplied: that of
    the stack with norm=pre, of the last layer with norm=post.
    """
    scale = math.sqrt(model.parts.dim)
    for table in {model.source, model.target}:
        table.weight.div_(scale)
    last = [model.decoder_layers[-1].around_feed_forward.norm, *model.norms][-1]
    for parameter in last.parameters():
        parameter.mul_(scale)
