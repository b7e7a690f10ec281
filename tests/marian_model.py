"""A Marian model of the library `transformers` with random weights, in a folder."""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch

EOS, UNK = 0, 1
SIZES: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "activation_function": "swish",
    "scale_embedding": True,
    "init_std": 0.4,
    "max_position_embeddings": 300,
}


def learned(texts: Iterable[str], size: int) -> sentencepiece.SentencePieceProcessor:
    """Return a SentencePiece model with the special ids of SentencePiece's own defaults."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        vocab_size=size,
        model_type="unigram",
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def pieces_of(model: sentencepiece.SentencePieceProcessor) -> list[str]:
    return [model.id_to_piece(i) for i in range(len(model)) if not model.is_control(i) and i]


def write_marian(
    folder: Path,
    sources: Iterable[str],
    targets: Iterable[str],
    *,
    separate: bool = False,
    end: float = 0.0,
    **keys: Any,
) -> Path:
    """Write a model and its tokenizer.

    Args:
        folder: a new folder.
        sources: text of the source vocabulary.
        targets: text of the target vocabulary.
        separate: whether source and target have embeddings of their own.
        end: added to the logit of `</s>`, so that translations are short.
        keys: other values than SIZES.
    """
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    transformers.utils.logging.disable_progress_bar()
    folder.mkdir()
    models = {"source": learned(sources, 40), "target": learned(targets, 44)}
    for side, model in models.items():
        (folder / f"{side}.spm").write_bytes(model.serialized_model_proto())
    source, target = map(pieces_of, models.values())
    if not separate:
        source = target = [*source, *target]
    # Padding has the same id in both, and one piece of each side is unknown.
    kept = [
        list(dict.fromkeys(["</s>", "<unk>", *pieces[:9], *pieces[10:]]))
        for pieces in (source, target)
    ]
    pad = max(map(len, kept))
    for name, pieces in zip(["vocab", "target_vocab"][: 1 + separate], kept, strict=False):
        ids = {piece: number for number, piece in enumerate(pieces)}
        ids |= {f"<{number}>": number for number in range(len(ids), pad)} | {"<pad>": pad}
        (folder / f"{name}.json").write_text(json.dumps(ids), "utf-8")
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": "en",
        "target_lang": "de",
        "separate_vocabs": separate,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = transformers.MarianConfig(
        **{
            **SIZES,
            "vocab_size": pad + 1,
            "decoder_vocab_size": pad + 1,
            "pad_token_id": pad,
            "decoder_start_token_id": pad,
            "eos_token_id": EOS,
            "forced_eos_token_id": None,
            "share_encoder_decoder_embeddings": not separate,
            **keys,
        }
    )
    torch.manual_seed(0)
    model = transformers.MarianMTModel(config)
    with torch.no_grad():
        vary_constants(model)
        model.final_logits_bias.normal_()
        model.final_logits_bias[0, EOS] += end
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlanguage: [en, de]\nlicense: cc-by-4.0\n---\n# opus\n")
    return folder


@torch.no_grad()
def vary_constants(model: torch.nn.Module) -> None:
    """Change the parameters that a new model has as zeros and ones."""
    for name, weight in model.named_parameters():
        if "layer_norm" in name or name.endswith("bias"):
            weight.add_(torch.randn_like(weight) * 0.1)
