"""Forward and backward passes over the batches of an update."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.settings.config import Config
from seq2seq.system import devices
from seq2seq.system.lightning import Fabric
from seq2seq.text.batching import Batch, out_of_memory
from seq2seq.text.word_dropout import drop_words
from seq2seq.training.cuda_graphs import Graphs, Losses, RecordingError, Shares, use_graphs
from seq2seq.training.guidance import Guidance, guided_total
from seq2seq.training.model_checks import has_learned_positions


class GuidedSum(NamedTuple):
    """The loss of guided attention of an update, and the number of its target tokens with links.

    Both are sums over all processes.
    """

    loss: Tensor
    rows: int


class Passes:
    """Computes losses and gradients of batches.

    Args:
        fabric: the Fabric handle of this process.
        config: the configuration of the run.
        model: the model that Fabric has set up.
        raw_model: the model itself.
        guidance: guided attention, if any.
        max_length: the largest number of tokens of a sentence, without EOS.

    Attributes:
        graphs: the recorded passes, if CUDA graphs are used.
        guided: what guided attention adds to the last update.
    """

    guided: GuidedSum

    def __init__(
        self,
        fabric: Fabric,
        config: Config,
        model: Any,
        raw_model: Seq2Seq,
        guidance: Guidance | None,
        max_length: int,
    ) -> None:
        self.fabric, self.config, self.settings = fabric, config, config.train
        self.model, self.special = model, raw_model.special
        self.guidance, self.max_length = guidance, max_length
        self.graphs: Graphs | None = None
        if use_graphs(config.trainer, fabric.device):
            longest = None if has_learned_positions(raw_model) else max_length + 1
            self.graphs = Graphs(self.run, raw_model, longest)

    def placed(self, batch: Batch) -> Batch:
        """Return a batch with the padding of its CUDA graph, on the device if it is ready.

        Words are dropped later, on the CPU, when the generators have the seed of the update.
        """
        if self.graphs:
            batch = self.graphs.padded(batch)
        drops = self.settings.source_word_dropout or self.settings.target_word_dropout
        return batch if drops else batch.to(self.fabric.device)

    def gradients(self, batches: Sequence[Batch]) -> tuple[Tensor, int]:
        """Run forward and backward; return the loss in nats and the number of target tokens.

        Both are sums over all processes. The loss, without that of guided attention, stays on its
        device, because reading it would synchronize the host with the device.

        Raises:
            UserError: a batch does not fit into memory, or torch.compile fails on this machine.
        """
        tokens = devices.sum_over_processes(self.fabric, sum(batch.num_tokens for batch in batches))
        linked = self.linked(batches)
        # DDP averages gradients over processes; the loss is a mean over tokens.
        shares = Shares(self.fabric.world_size / tokens, 0.0)
        if self.guidance:
            guided_share = self.guidance.weight * self.fabric.world_size / max(linked, 1)
            shares = shares._replace(guided=guided_share)
        losses, guided_losses = [], []
        for i, batch in enumerate(batches, 1):
            try:
                with self.fabric.no_backward_sync(self.model, enabled=i < len(batches)):
                    loss, guided = self.run_recorded(self.with_words_dropped(batch), shares)
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error):
                    raise UserError(self.too_large(batch)) from error
                if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    reason = " ".join(str(error).strip().splitlines()[:2])
                    raise UserError(
                        f"trainer.compile=true fails on this machine: {reason}; it needs Triton "
                        "on a GPU and a C++ compiler on a CPU"
                    ) from error
                raise
            losses.append(loss)
            guided_losses += [] if guided is None else [guided]
        if guided_losses:
            total = devices.sum_over_processes(self.fabric, torch.stack(guided_losses).sum())
            self.guided = GuidedSum(total, linked)
        return devices.sum_over_processes(self.fabric, torch.stack(losses).sum()), tokens

    def linked(self, batches: Sequence[Batch]) -> int:
        """Return the number of target tokens with links, over all processes."""
        if not self.guidance:
            return 0
        linked: int = devices.sum_over_processes(
            self.fabric, sum(batch.num_linked for batch in batches)
        )
        return linked

    def with_words_dropped(self, batch: Batch) -> Batch:
        """Return a batch on the device, with the word dropout of this update."""
        settings = self.settings
        return drop_words(
            batch,
            self.special,
            source=settings.source_word_dropout,
            target=settings.target_word_dropout,
        ).to(self.fabric.device)

    def run_recorded(self, batch: Batch, shares: Shares) -> Losses:
        """Run forward and backward, as a CUDA graph if this training uses them.

        Raises:
            UserError: trainer.cuda_graphs=true, but it cannot be recorded.
        """
        if self.graphs:
            try:
                return self.graphs(batch, shares)
            except RecordingError as error:
                if self.config.trainer.cuda_graphs:
                    raise UserError(
                        f"trainer.cuda_graphs=true: a pass cannot be recorded ({error}); resume "
                        "with trainer.cuda_graphs=false"
                    ) from error
                self.fabric.print(f"training without CUDA graphs: {error}")
                self.graphs = None
        return self.run(batch, shares)

    def run(self, batch: Batch, shares: Shares) -> Losses:
        """Run forward and backward; return the losses of a batch on the device."""
        # Fabric's wrapper enters this context in calls of forward; without DDP it hands those of
        # loss and guided_loss to the model as they are.
        with self.fabric.autocast():
            loss, guided = self.losses(batch)
        self.fabric.backward(guided_total(loss, guided, *shares))
        return Losses(loss.detach(), None if guided is None else guided.detach())

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the loss of a batch in nats, summed over its target tokens, and that of its links.

        The second is None without guided attention. With R-Drop the first is half of the paper's,
        the mean of two passes plus their divergence, so that it is comparable with a loss without
        R-Drop.
        """
        smoothing, r_drop = self.settings.label_smoothing, self.settings.r_drop
        if self.guidance:
            both = self.guidance.losses(
                self.model, batch.twice() if r_drop else batch, smoothing, r_drop
            )
            return (both[0] / 2, both[1] / 2) if r_drop else both
        if r_drop:
            return self.model.loss(batch.twice(), smoothing, r_drop) / 2, None
        return self.model.loss(batch, smoothing), None

    def too_large(self, batch: Batch) -> str:
        """The error message for a batch that does not fit into memory."""
        (pairs, source), target = batch.src.shape, batch.tgt_out.shape[1]
        return (
            f"out of memory on a batch of {pairs} pairs with up to {source} source and {target} "
            f"target tokens: lower train.batch_tokens={self.settings.batch_tokens} (raise "
            f"train.accumulate to keep the batch size) or data.max_length="
            f"{self.max_length}, and resume with resume=force"
        )

    def zero_gradients(self, optimizer: Any) -> None:
        """Remove the gradients, or set them to zero where CUDA graphs write them."""
        if self.graphs:
            self.graphs.zero_gradients()
        else:
            optimizer.zero_grad()
