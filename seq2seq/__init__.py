"""Sequence-to-sequence translation: one trainer, many encoder-decoders, and what they attend to."""

from typing import Any

__all__ = ["Translation", "Translator"]


def __getattr__(name: str) -> Any:
    """Import the library's face on first use, so that `seq2seq --help` never waits for torch."""
    if name in __all__:
        from seq2seq.translation import translator

        return getattr(translator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
