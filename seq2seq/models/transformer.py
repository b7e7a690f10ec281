"""The Transformer (Vaswani et al. 2017)."""

from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder


class Transformer(TransformerEncoderDecoder):
    """Transformer encoder-decoder; by default with the parts of the paper of 2017, and pre-norm."""
