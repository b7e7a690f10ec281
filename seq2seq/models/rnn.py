"""RNN encoder-decoder without attention: the source as one vector (Cho et al. 2014, RNNencdec)."""

from typing import Unpack

from seq2seq.layers.recurrent import Kind
from seq2seq.models.recurrent_encoder_decoder import Keys, RecurrentEncoderDecoder


class RNN(RecurrentEncoderDecoder):
    """Recurrent encoder-decoder with a choice of cell; see `RecurrentEncoderDecoder`.

    The models `elman`, `lstm` and `gru` are the same model with a fixed cell.

    Args:
        cell: gru (Cho et al. 2014), lstm (Sutskever et al. 2014) or tanh (Elman 1990)
    """

    def __init__(self, *, cell: Kind, **keys: Unpack[Keys]) -> None:
        super().__init__(cell, **keys)
