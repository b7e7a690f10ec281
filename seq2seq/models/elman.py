"""Encoder-decoder of Elman networks, the simple recurrent network (Elman 1990)."""

from typing import Unpack

from seq2seq.models.recurrent_encoder_decoder import Keys, RecurrentEncoderDecoder


class Elman(RecurrentEncoderDecoder):
    """Encoder-decoder whose cell is the simple recurrent network of Elman 1990 (Cogn. Sci. 14).

    h_t = tanh(W x_t + U h_(t-1) + b). Elman's network predicts the next word of one sequence; as an
    encoder-decoder it reads and writes as the later models do (Cho et al. 2014), so that runs of
    `elman`, `lstm` and `gru` with the same keys differ only in the cell.
    """

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__("tanh", **keys)
