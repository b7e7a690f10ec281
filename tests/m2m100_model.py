"""An M2M100 model of the library `transformers` with random weights, in a folder."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from marian_model import SIZES, learned, vary_constants

from seq2seq.adoption.m2m100_tokenizers import CODES

PAD, EOS, UNK = 1, 2, 3
LANGUAGES, MADE_UP = 100, 8  # tokens after those of vocab.json


def write_m2m100(folder: Path, texts: Iterable[str], *, end: float = 0.0, **keys: Any) -> Path:
    """Write a model and its tokenizer.

    Args:
        folder: a new folder.
        texts: text of both languages.
        end: added to the logit of `</s>`, so that translations end.
        keys: other values than SIZES.
    """
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    transformers.utils.logging.disable_progress_bar()
    folder.mkdir()
    model = learned(texts, 60)
    (folder / "sentencepiece.bpe.model").write_bytes(model.serialized_model_proto())
    pieces = [model.id_to_piece(i) for i in range(len(model)) if not model.is_control(i) and i]
    # One piece of the model is unknown, and one of the vocabulary never used.
    kept = ["<s>", "<pad>", "</s>", "<unk>", *pieces[:9], *pieces[10:], "madeupword0000"]
    ids = {piece: number for number, piece in enumerate(kept)}
    (folder / "vocab.json").write_text(json.dumps(ids), "utf-8")
    settings = {
        "tokenizer_class": "M2M100Tokenizer",
        "language_codes": "m2m100",
        "src_lang": "af",  # a default only
        "tgt_lang": None,
        # so that transformers 5 omits them from text
        "extra_special_tokens": [f"__{code}__" for code in CODES["m2m100"].split()],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = transformers.M2M100Config(
        **{
            **SIZES,
            "activation_function": "relu",
            "max_position_embeddings": 20,  # no limit: the table grows
            "vocab_size": len(ids) + LANGUAGES + MADE_UP,
            **keys,
        }
    )
    torch.manual_seed(0)
    random = transformers.M2M100ForConditionalGeneration(config)
    with torch.no_grad():
        vary_constants(random)
        # Small embeddings: the next token depends less on the last one, so that it does not recur.
        random.model.shared.weight.mul_(0.25)
        norm = random.model.decoder.layer_norm
        norm.weight.mul_(4)
        # One element of the last norm is constant and is that of `</s>` alone.
        norm.weight[0], norm.bias[0] = 0, end
        random.model.shared.weight[:, 0] = 0
        random.model.shared.weight[EOS, 0] = 1
    random.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# m2m100\n")
    return folder
