"""Attention weights: how much of each source vector the decoder reads (Bahdanau et al. 2014)."""

from collections.abc import Sequence

from torch import Tensor

from seq2seq.interpret.methods.base import Method, Table, UnsupportedModelError
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class NoAttentionError(UnsupportedModelError):
    """The model returns no attention."""


class Attention(Method):
    """The attention weights that the model returned, of every layer and head."""

    name, signed = "attention", False

    def values(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[Tensor]:
        """Return the attention of each translation."""
        found = [one.attention for one in translations if one.attention is not None]
        if len(found) < len(translations):
            raise NoAttentionError(
                f"{translator.run.name} has no attention, so it has no alignment by attention: add "
                "--method occlusion (for any model) or --method gradient"
            )
        return found
