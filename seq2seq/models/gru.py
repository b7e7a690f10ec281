"""Encoder-decoder of gated recurrent units (Cho et al. 2014)."""

from typing import Unpack

from seq2seq.models.recurrent_encoder_decoder import Keys, RecurrentEncoderDecoder


class GRU(RecurrentEncoderDecoder):
    """Encoder-decoder whose cell is the gated recurrent unit of Cho et al. 2014 (arXiv 1406.1078).

    The reset gate is applied after the recurrent product, as in cuDNN. With its defaults this is
    the model `rnn` with its defaults.
    """

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__("gru", **keys)
