"""Export Transformers to the library `transformers`: pre-norm as Pegasus, post-norm as Marian.

Both classes compute the same function as this package (`hf_weights`). The tokenizer is that of
Marian, which reads SentencePiece models.
"""

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.export.checks import (
    AT_ONCE,
    NEVER,
    POSITIONS,
    Decoded,
    check_transformer,
    compare,
    require,
)
from seq2seq.export.hf_weights import sines_first, weights_of_layers
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translator import Translator

KNOWN = {
    "attention": ("multi_head",),
    "positions": ("sinusoidal",),
    "normalization": ("layer",),
    "feed_forward_kind": ("relu", "gelu", "swish"),
}


@torch.no_grad()
def export(translator: Translator, out: Path) -> None:
    """Write a model and a tokenizer that `transformers` loads, into a new folder.

    Raises:
        UserError: the package is missing, or the format cannot hold the model.
    """
    require("transformers")
    model = check_transformer(translator.model, "transformers", KNOWN)
    theirs = untrained(model, translator.tokenizers)
    missing, unexpected = theirs.load_state_dict(dict(weights(model)), strict=False)
    own = ("embed_positions.weight", "lm_head.weight")  # computed, and tied
    left = [name for name in missing if not name.endswith(own)]
    assert not left and not unexpected, (left, unexpected)
    theirs.tie_weights()
    theirs.save_pretrained(out)
    write_tokenizer(translator.tokenizers, out)


def library() -> Any:
    """Return the module `transformers`, without its progress bars."""
    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    return transformers


def untrained(model: TransformerEncoderDecoder, tokenizers: Tokenizers) -> Any:
    """Return a model of `transformers` with the sizes of ours.

    Raises:
        UserError: Pegasus has one vocabulary only.
    """
    transformers: Any = library()

    parts, special = model.parts, tokenizers.special
    settings = {
        "vocab_size": model.source.num_embeddings,
        "max_position_embeddings": POSITIONS,
        "d_model": parts.dim,
        "encoder_layers": len(model.encoder),
        "decoder_layers": len(model.decoder),
        "encoder_attention_heads": parts.heads,
        "decoder_attention_heads": parts.heads,
        "encoder_ffn_dim": parts.feed_forward,
        "decoder_ffn_dim": parts.feed_forward,
        "activation_function": parts.feed_forward_kind,
        "scale_embedding": True,
        "dropout": 0.0,
        "pad_token_id": special.pad,
        "eos_token_id": special.eos,
        "bos_token_id": special.bos,
        "decoder_start_token_id": special.bos,
        "forced_eos_token_id": None,
    }
    shared = model.source is model.target
    if parts.norm == "post":
        settings["share_encoder_decoder_embeddings"] = shared
        settings["decoder_vocab_size"] = model.target.num_embeddings
        config = transformers.MarianConfig(**settings)
        return transformers.MarianMTModel(config).eval()
    if not shared:
        raise UserError(
            "a Transformer with model.norm=pre is exported as Pegasus, which has one vocabulary "
            "for both languages: train with tokenizer.shared=true, or with model.norm=post"
        )
    config = transformers.PegasusConfig(**settings)
    return transformers.PegasusForConditionalGeneration(config).eval()


def weights(model: TransformerEncoderDecoder) -> Iterator[tuple[str, Tensor]]:
    """Yield our weights under the names of both classes, with the residual stream reordered."""
    order = sines_first(model.parts.dim)
    if model.source is model.target:
        yield "model.shared.weight", model.target.vectors[:, order]
    for side, table in (("encoder", model.source), ("decoder", model.target)):
        yield f"model.{side}.embed_tokens.weight", table.vectors[:, order]
    for name, ours, shape, axis in weights_of_layers(model):
        weight = torch.zeros(shape) if ours is None else ours
        yield name, weight if axis is None else weight.index_select(axis, order)
    bias = model.bias.detach().clone()
    bias[[model.special.pad, model.special.bos]] = NEVER  # as the search of this package
    yield "final_logits_bias", bias.unsqueeze(0)


def write_tokenizer(tokenizers: Tokenizers, out: Path) -> None:
    """Write the files of a `MarianTokenizer`."""
    tokenizers.source.save(out / "source.spm")
    tokenizers.target.save(out / "target.spm")
    pieces, special = tokenizers.target.vocabulary, tokenizers.special
    names = (
        {"": tokenizers.source}
        if tokenizers.shared
        else {
            "": tokenizers.source,
            "target_": tokenizers.target,
        }
    )
    for prefix, tokenizer in names.items():
        ids = {piece: number for number, piece in enumerate(tokenizer.vocabulary)}
        (out / f"{prefix}vocab.json").write_text(json.dumps(ids, ensure_ascii=False), "utf-8")
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "separate_vocabs": not tokenizers.shared,
        "unk_token": pieces[special.unk],
        "eos_token": pieces[special.eos],
        "pad_token": pieces[special.pad],
        "model_max_length": POSITIONS,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), "utf-8")


@torch.no_grad()
def decode(translator: Translator, folder: Path, texts: Sequence[str]) -> Decoded:
    """Translate texts with both programs, as `compare` does."""
    transformers: Any = library()
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    special, target = translator.tokenizers.special, translator.tokenizers.target

    def theirs(asked: list[str], longest: int) -> list[list[str]]:
        decoded = []
        for start in range(0, len(asked), AT_ONCE):
            batch = tokenizer(asked[start : start + AT_ONCE], return_tensors="pt", padding=True)
            for row in model.generate(**batch, num_beams=1, max_new_tokens=longest).tolist():
                kept = [one for one in row if one not in (special.pad, special.bos, special.eos)]
                decoded.append(target.pieces(kept))
        return decoded

    return compare(translator, texts, theirs)
