"""Export Transformers to the library `transformers`: pre-norm as Pegasus, post-norm as Marian.

Both classes compute the same function as this package, but their sinusoids have all sines first.
The elements of the residual stream are therefore reordered in every weight that reads or writes it,
which changes nothing else. The tokenizer is that of Marian, which reads SentencePiece models.
"""

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

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
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.layers.residual import Residual
from seq2seq.layers.transformer import SelfAttentionLayer
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translator import Translator

KNOWN = {
    "attention": ("multi_head",),
    "positions": ("sinusoidal",),
    "normalization": ("layer",),
    "feed_forward_kind": ("relu", "gelu"),
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
    dim = model.parts.dim
    order = torch.cat([torch.arange(0, dim, 2), torch.arange(1, dim, 2)])

    def norm(name: str, layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
        assert isinstance(layer, nn.LayerNorm)
        bias = torch.zeros_like(layer.weight) if layer.bias is None else layer.bias
        yield f"{name}.weight", layer.weight[order]
        yield f"{name}.bias", bias[order]

    def linear(name: str, layer: nn.Linear, *, reads: bool) -> Iterator[tuple[str, Tensor]]:
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
        yield f"{name}.weight", layer.weight[:, order] if reads else layer.weight[order]
        yield f"{name}.bias", bias if reads else bias[order]

    def attention(name: str, layer: Any, around: Residual) -> Iterator[tuple[str, Tensor]]:
        assert isinstance(layer, MultiHeadAttention)
        for theirs, ours in (("q", layer.query), ("k", layer.key), ("v", layer.value)):
            yield from linear(f"{name}.{theirs}_proj", ours, reads=True)
        yield from linear(f"{name}.out_proj", layer.out, reads=False)
        yield from norm(f"{name}_layer_norm", around.norm)

    def feed_forward(
        name: str, network: nn.Module, around: Residual
    ) -> Iterator[tuple[str, Tensor]]:
        up, down = (one for one in network.modules() if isinstance(one, nn.Linear))
        yield from linear(f"{name}.fc1", up, reads=True)
        yield from linear(f"{name}.fc2", down, reads=False)
        yield from norm(f"{name}.final_layer_norm", around.norm)

    shared = model.source is model.target
    if shared:
        yield "model.shared.weight", model.target.weight[:, order]
    for side, table in (("encoder", model.source), ("decoder", model.target)):
        yield f"model.{side}.embed_tokens.weight", table.weight[:, order]
    for number, layer in enumerate(model.encoder):
        assert isinstance(layer, SelfAttentionLayer)
        name = f"model.encoder.layers.{number}"
        yield from attention(f"{name}.self_attn", layer.attention, layer.around_attention)
        yield from feed_forward(name, layer.feed_forward, layer.around_feed_forward)
    for number, decoder in enumerate(model.decoder_layers):
        name = f"model.decoder.layers.{number}"
        yield from attention(f"{name}.self_attn", decoder.to_target, decoder.around_target)
        yield from attention(f"{name}.encoder_attn", decoder.to_source, decoder.around_source)
        yield from feed_forward(name, decoder.feed_forward, decoder.around_feed_forward)
    for side, final in zip(("encoder", "decoder"), model.norms, strict=False):
        yield from norm(f"model.{side}.layer_norm", final)
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
