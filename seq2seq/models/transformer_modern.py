"""The Transformer with the parts of recent language models."""

from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder


class TransformerModern(TransformerEncoderDecoder):
    """Transformer encoder-decoder; by default with RMS norm, RoPE, SwiGLU and no biases.

    These are the parts of LLaMA (Touvron et al. 2023, section 2.2), in an encoder-decoder.
    """
