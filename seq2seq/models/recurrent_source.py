"""The source side that all recurrent models share: embeddings and a recurrent encoder.

It has no YAML file, so it is no model by itself.
"""

from abc import abstractmethod
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.layers.paper_initialization import Embedding
from seq2seq.layers.recurrent import Kind, Recurrence, flip
from seq2seq.models.base import Autoregressive
from seq2seq.text.batching import Batch


class RecurrentSource(Autoregressive):
    """Abstract model with a recurrent encoder of the embedded source.

    Args:
        cell: kind of the recurrent cells
        vocab: size of the source vocabulary
        embedding: size of the embeddings
        units: recurrent units of each direction
        layers: recurrent layers
        embedding_dropout: dropout probability on embeddings
        dropout: dropout probability between layers
        bidirectional: read in both directions
        reverse: read the source from its end
    """

    def __init__(
        self,
        cell: Kind,
        vocab: int,
        embedding: int,
        units: int,
        *,
        layers: int,
        embedding_dropout: float,
        dropout: float,
        bidirectional: bool,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.reverse = reverse
        self.source = Embedding(vocab, embedding, embedding_dropout)
        self.encoder = Recurrence(
            cell, embedding, units, layers=layers, dropout=dropout, bidirectional=bidirectional
        )

    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src embedding"]:
        """Return the source embeddings, in the order of the source."""
        return self.source(src)

    def encode_batch(self, batch: Batch) -> Any:
        """Encode the source of a batch, whose lengths are known on the CPU."""
        embedded = self.embed_source(batch.src)
        return self.encode_embedded(
            embedded, batch.src_mask, batch.source_lengths, static=batch.static
        )

    @abstractmethod
    def encode_embedded(
        self,
        embedded: Float[Tensor, "batch src embedding"],
        mask: Bool[Tensor, "batch src"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        static: bool = False,
    ) -> Any:
        """Encode embedded tokens; `lengths` and `static` are those of `Recurrence.read`."""

    def read_source(
        self,
        embedded: Float[Tensor, "batch src embedding"],
        mask: Bool[Tensor, "batch src"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        static: bool = False,
    ) -> tuple[Float[Tensor, "batch src enc"], Float[Tensor, "batch layers directions width"]]:
        """Run the encoder.

        Returns:
            The states of the top layer in the order of the source, both directions concatenated,
            and the final state of every layer and direction.
        """
        x = flip(embedded, mask) if self.reverse else embedded
        states, last = self.encoder.read(x, mask, lengths, static=static)
        return flip(states, mask) if self.reverse else states, last
