"""Encoder-decoder of LSTMs (Hochreiter and Schmidhuber 1997; Sutskever et al. 2014)."""

from typing import Unpack

from seq2seq.models.recurrent_encoder_decoder import Keys, RecurrentEncoderDecoder


class LSTM(RecurrentEncoderDecoder):
    """Encoder-decoder whose cell is the LSTM of Hochreiter and Schmidhuber 1997 with a forget gate.

    The forget gate is that of Gers et al. 2000; there are no peephole connections. The defaults are
    those of `elman` and `gru`, so that runs differ only in the cell. Sutskever et al. 2014 (arXiv
    1409.3215) have `context=start reverse=true layers=4`.
    """

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__("lstm", **keys)
