"""Sequence-to-sequence translation: one trainer, many encoder-decoders, and what they attend to."""

from typing import TYPE_CHECKING, Any

from seq2seq.version import __version__

if TYPE_CHECKING:
    from seq2seq.translation.translation import Translation
    from seq2seq.translation.translator import Translator

LAZY = ("Translation", "Translator")  # imported on first use
__all__ = ["Translation", "Translator", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the library's face on first use, so that `seq2seq --help` never waits for torch."""
    if name in LAZY:
        from seq2seq.translation import translator

        return getattr(translator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
