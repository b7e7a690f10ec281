"""The fields of run.json that every kind of run shares."""

from typing import Any

from seq2seq.models.base import Seq2Seq
from seq2seq.text.tokenizer import Tokenizers


def model_facts(model: Seq2Seq, tokenizers: Tokenizers) -> dict[str, Any]:
    """Return the fields that describe a model and its tokenizers."""
    return {
        "parameters": model.parameter_count,
        "model": {
            "kind": type(model).__name__,
            "source_vocab": len(tokenizers.source),
            "target_vocab": len(tokenizers.target),
            "shared_vocab": tokenizers.shared,
        },
        "tokenizer": {side: one.fingerprint for side, one in tokenizers._asdict().items()},
    }
