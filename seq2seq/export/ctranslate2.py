"""Export Transformers to CTranslate2, a C++ engine for decoding (https://opennmt.net/CTranslate2).

The exported model computes the same function. A CTranslate2 model can return attention of one
layer, of its first heads; the extraction rule of the run chooses them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.export.checks import NEVER, POSITIONS, Decoded, check_transformer, compare, require
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.layers.positions import sinusoidal
from seq2seq.layers.residual import Residual
from seq2seq.layers.transformer import SelfAttentionLayer
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder
from seq2seq.translation.translator import Translator

if TYPE_CHECKING:
    from ctranslate2.specs import transformer_spec

Quantization = Literal["float32", "int8"]
KNOWN = {
    "attention": ("multi_head",),
    "positions": ("sinusoidal", "learned"),
    "normalization": ("layer",),
    "feed_forward_kind": ("relu", "gelu", "swish"),
}


class Attended(NamedTuple):
    """What CTranslate2 returns as attention.

    Attributes:
        layer: the decoder layer, counted from 0.
        head: the head, counted from 0; None is the mean of all.
    """

    layer: int
    head: int | None


def attended(rule: Rule, layers: int, heads: int) -> Attended:
    """Return the layer and head of an extraction rule.

    Raises:
        UserError: the rule reads what the format cannot return.
    """
    rule = rule.resolve(layers, heads)
    if rule.layer == "mean" or rule.method != "attention" or rule.shift:
        raise UserError(
            "CTranslate2 returns attention of one layer, in the row that predicts a word: the "
            "extraction rule of the run reads another method, another row or the mean of all "
            "layers; --rule default exports the layer before the last"
        )
    head = rule.head - 1 if isinstance(rule.head, int) else None
    return Attended(cast(int, rule.layer) - 1, head)


@torch.no_grad()
def export(translator: Translator, rule: Rule, out: Path, quantization: Quantization) -> None:
    """Write a CTranslate2 model and the tokenizers into a new folder.

    Args:
        translator: the trained run.
        rule: chooses the attention that CTranslate2 returns.
        out: the folder; it must not exist.
        quantization: type of the weights of linear layers and embeddings.

    Raises:
        UserError: the package is missing, or the format cannot hold the model or the rule.
    """
    require("ctranslate2")
    model = check_transformer(translator.model, "CTranslate2", KNOWN)
    spec = filled(model, attended(rule, len(model.decoder), model.parts.heads))
    spec.register_source_vocabulary(translator.tokenizers.source.vocabulary)
    spec.register_target_vocabulary(translator.tokenizers.target.vocabulary)
    special = translator.tokenizers.special
    pieces = translator.tokenizers.target.vocabulary
    spec.config.unk_token, spec.config.bos_token = pieces[special.unk], pieces[special.bos]
    spec.config.decoder_start_token = spec.config.bos_token
    spec.config.eos_token, spec.config.add_source_eos = pieces[special.eos], True
    spec.config.layer_norm_epsilon = cast(nn.LayerNorm, normalizations(model)[0]).eps
    spec.validate()
    spec.optimize(quantization=quantization)
    out.mkdir(parents=True)
    spec.save(str(out))
    translator.tokenizers.source.save(out / "source.model")
    translator.tokenizers.target.save(out / "target.model")


def normalizations(model: nn.Module) -> list[nn.Module]:
    """Return the layer norms of a model."""
    return [module for module in model.modules() if isinstance(module, nn.LayerNorm)]


def filled(
    model: TransformerEncoderDecoder, attention: Attended
) -> "transformer_spec.TransformerSpec":
    """Return the specification of a model, with its weights."""
    from ctranslate2.specs import common_spec, transformer_spec

    parts = model.parts
    kinds = common_spec.Activation
    activations = {"relu": kinds.RELU, "gelu": kinds.GELU, "swish": kinds.SWISH}
    spec = transformer_spec.TransformerSpec.from_config(
        (len(model.encoder), len(model.decoder)),
        parts.heads,
        pre_norm=parts.norm == "pre",
        activation=activations[parts.feed_forward_kind],
        alignment_layer=attention.layer,
        alignment_heads=parts.heads if attention.head is None else 1,
    )
    sides = (
        (spec.encoder, model.source, model.source_positions),
        (spec.decoder, model.target, model.target_positions),
    )
    for (side, table, learned), norm in zip(sides, model.norms or (None, None), strict=True):
        embeddings = side.embeddings[0] if isinstance(side.embeddings, list) else side.embeddings
        embeddings.weight = table.vectors
        side.scale_embeddings = True
        side.position_encodings.encodings = (
            sinusoidal(torch.arange(POSITIONS), parts.dim)
            if learned is None
            else learned.table.weight
        )
        if norm is not None:
            fill_norm(side.layer_norm, norm)
    for layer, into in zip(model.encoder, spec.encoder.layer, strict=True):
        assert isinstance(layer, SelfAttentionLayer)
        fill_attention(into.self_attention, layer.attention, layer.around_attention, True)
        fill_feed_forward(into.ffn, layer.feed_forward, layer.around_feed_forward)
    for number, (decoder, into) in enumerate(
        zip(model.decoder_layers, spec.decoder.layer, strict=True)
    ):
        first = attention.head if number == attention.layer else None
        fill_attention(into.self_attention, decoder.to_target, decoder.around_target, True)
        fill_attention(into.attention, decoder.to_source, decoder.around_source, False, first)
        fill_feed_forward(into.ffn, decoder.feed_forward, decoder.around_feed_forward)
    spec.decoder.projection.weight = model.target.vectors
    bias = model.bias.detach().clone()
    bias[[model.special.pad, model.special.bos]] = NEVER  # as the search of this package
    spec.decoder.projection.bias = bias
    return spec


def fill_attention(
    spec: Any, attention: Any, around: Residual, to_self: bool, first: int | None = None
) -> None:
    """Copy the projections of an attention, fused as the format stores them.

    Args:
        spec: the specification of this attention.
        attention: multi-head attention.
        around: its residual connection, which has the norm.
        to_self: whether it is self-attention.
        first: the head that becomes the first one; the order of heads changes nothing else.
    """
    from ctranslate2.converters import utils
    from ctranslate2.specs import common_spec

    assert isinstance(attention, MultiHeadAttention)
    width = attention.width
    heads = list(range(attention.out.in_features // width))
    if first is not None:
        heads.insert(0, heads.pop(first))
    rows = torch.cat([torch.arange(head * width, (head + 1) * width) for head in heads])

    def linear(layer: nn.Linear, reorder: Callable[[Tensor], Tensor]) -> Any:
        copied = common_spec.LinearSpec()
        copied.weight = reorder(layer.weight)
        if layer.bias is not None:
            copied.bias = layer.bias if layer is attention.out else reorder(layer.bias)
        return copied

    inputs = [
        linear(layer, lambda tensor: tensor[rows].contiguous())
        for layer in (attention.query, attention.key, attention.value)
    ]
    utils.fuse_linear(spec.linear[0], inputs if to_self else inputs[:1])
    if not to_self:
        utils.fuse_linear(spec.linear[1], inputs[1:])
    out = linear(attention.out, lambda tensor: tensor[:, rows].contiguous())
    utils.fuse_linear(spec.linear[-1], [out])
    fill_norm(spec.layer_norm, around.norm)


def fill_feed_forward(spec: Any, network: nn.Module, around: Residual) -> None:
    """Copy the two matrices of a feed-forward network, and its norm."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for into, layer in zip((spec.linear_0, spec.linear_1), layers, strict=True):
        into.weight = layer.weight
        if layer.bias is not None:
            into.bias = layer.bias
    fill_norm(spec.layer_norm, around.norm)


def fill_norm(spec: Any, norm: nn.Module) -> None:
    """Copy a layer norm; a missing bias is zero."""
    assert isinstance(norm, nn.LayerNorm)
    spec.gamma = norm.weight
    spec.beta = torch.zeros_like(norm.weight) if norm.bias is None else norm.bias


def decode(translator: Translator, folder: Path, texts: Sequence[str]) -> Decoded:
    """Translate texts with both programs, as `compare` does."""
    import ctranslate2

    engine = ctranslate2.Translator(str(folder), intra_threads=torch.get_num_threads())
    source = translator.tokenizers.source

    def theirs(asked: list[str], longest: int) -> list[list[str]]:
        results = engine.translate_batch(
            [source.pieces(ids) for ids in source.encode(asked)],
            beam_size=1,
            max_decoding_length=longest,
            max_batch_size=64,
            return_scores=False,
        )
        return [result.hypotheses[0] for result in results]

    return compare(translator, texts, theirs)
