"""Training on a text that is read while training (`data.streaming=true`)."""

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import UserError
from seq2seq.system import devices
from seq2seq.training.examples import held_out_texts
from seq2seq.training.learner import Learner
from seq2seq.training.state import Save
from seq2seq.training.stream_batches import StreamBatches
from seq2seq.training.update_batches import DrawnBatch, Place, UpdateBatches


class StreamLearner(Learner):
    """A `Learner` whose batches come from a stream; `examples` is a sample of it.

    Every process reads its own part of the stream.

    Raises:
        UserError: as for `Learner`, or a setting needs the length of the training text.
    """

    def prepare_updates(self) -> None:
        """Create the optimizer; the stream begins when the rank is known."""
        settings, limit = self.settings, self.corpus.max_length
        if settings.schedule == "cosine" and settings.max_steps is settings.max_minutes is None:
            raise UserError(
                "train.schedule=cosine needs the length of the training, which is not known with "
                "data.streaming=true: set train.max_steps"
            )
        if limit + 1 > settings.batch_tokens:
            raise UserError(
                f"train.batch_tokens={settings.batch_tokens} cannot hold the longest training pair "
                f"({limit + 1} tokens): raise it, or lower data.max_length"
            )
        self.draws = self.examples.draws(self.corpus.mixed())
        if self.draws and settings.max_steps is settings.max_minutes is None:
            raise UserError(
                "a mixture with a part that has streaming=true has no epochs: set train.max_steps "
                "instead of train.max_epochs"
            )
        self.prepare_optimizer()
        self.gathered: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Open the part of the stream of this process."""
        self.streamed = StreamBatches(
            self.corpus.training_stream(self.fabric.global_rank, self.fabric.world_size),
            self.examples.tokenizers,
            self.corpus.max_length,
            self.corpus.buffer,
            self.settings.batch_tokens,
            self.config.seed,
            self.config.tokenizer.sampling,
            self.examples.growth,
            frozenset(chain.from_iterable(held_out_texts(self.corpus).values())),
        )
        self.stream = iter(self.streamed)
        self.updates = UpdateBatches(self.draw_batch, self.mark, self.settings.accumulate)

    def mark(self) -> Place:
        """The position in the stream, of which a batch may not have been used yet."""
        return Place(self.streamed.state_dict(), self.streamed.epochs)

    def place(self) -> tuple[int, int, int]:
        """Number of the block, of the batch in it, and rank."""
        return self.streamed.block, self.streamed.position, self.fabric.global_rank

    def next_rows(self) -> NDArray[np.int64]:
        """Return the rows of the next batch without using it."""
        return self.streamed.next_rows()

    def drawn(
        self, rows: NDArray[np.integer[Any]], place: tuple[int, int, int]
    ) -> list[DrawnBatch]:
        """Return rows of the current block as batches; they are numbered within the pass."""
        block = self.streamed.examples
        assert block is not None  # read by the draw
        parts = block.batches(rows, place, self.settings.batch_tokens)
        return [
            DrawnBatch(own + self.streamed.first_row, self.passes.placed(batch))
            for own, batch in parts
        ]

    def gather(self) -> None:
        """Collect the positions of all processes, in all of them."""
        self.gathered = devices.gather(self.fabric, self.updates.taken.state)

    def sampler_state(self) -> dict[str, Any]:
        """The positions of all processes, as `gather` has collected them."""
        state, epochs = self.updates.taken
        return {
            "seed": self.streamed.seed,
            "epoch": int(epochs),
            "position": state["position"],
            "streams": self.gathered,
        }

    def restore_sampler(self, save: Save) -> None:
        """Continue at the position of this process.

        Raises:
            UserError: the save is of another number of processes, or of another dataset.
        """
        states = save.facts["sampler"].get("streams") or []
        if len(states) != self.fabric.world_size:
            raise UserError(
                f"the save has the positions of {len(states)} processes, not "
                f"{self.fabric.world_size}: start over with fresh=true (moves the existing run "
                "aside)"
            )
        try:
            self.streamed.load_state_dict(states[self.fabric.global_rank])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UserError(
                f"the position in the stream cannot be restored ({type(error).__name__}: {error}): "
                "start over with fresh=true (moves the existing run aside)"
            ) from error
        self.updates.restart()

    def progress(self) -> dict[str, Any]:
        """The fields of run.json that describe what all processes have read up to the last save."""
        counts = [state["total"] for state in self.gathered]
        keys = ("read", "used", "empty", "too_long", "held_out")
        read = {"streamed": {key: sum(count[key] for count in counts) for key in keys}}
        drawn = [state["drawn"] for state in self.gathered]
        if drawn and drawn[0]:
            read["pairs_seen"] = {name: sum(one[name] for one in drawn) for name in drawn[0]}
        return read

    def train_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the training text."""
        sample = self.examples.facts()
        facts = {"sha256": self.corpus.fingerprint(), "streamed": True, "sample": sample}
        return {**facts, **self.part_facts()}
