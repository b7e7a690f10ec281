"""Run exported ONNX models, to compare them with the runs that they come from."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.export.checks import AT_ONCE, Decoded, compare
from seq2seq.text.batching import collate, pad
from seq2seq.translation.translator import Translator

Ids = NDArray[np.int64]
Logits = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]


class Graphs:
    """The encoder and the decoder step of an exported model."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(
                folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"]
            )
            for name in ("encoder", "decoder")
        )

    def encode(self, source: Ids) -> Tensors:
        """Return memory and initial state of padded sentences."""
        names = list(self.config["encoder"]["outputs"])
        return dict(zip(names, self.encoder.run(names, {"source": source}), strict=True))

    def step(self, token: Ids, tensors: Tensors) -> tuple[Logits, Tensors]:
        """Read one token of each sentence; return the logits, and memory and next state."""
        state: dict[str, str] = self.config["state"]
        wanted = ["logits", *state.values()]
        logits, *after = self.decoder.run(wanted, {"token": token, **tensors})
        return logits, {**tensors, **dict(zip(state, after, strict=True))}

    def greedy(self, source: Ids, longest: int) -> list[list[int]]:
        """Return the greedy translation of each sentence, without EOS."""
        special, tensors = self.config["special"], self.encode(source)
        token, done = np.full(len(source), special["bos"]), np.zeros(len(source), bool)
        found: list[Ids] = []
        while len(found) < longest and not done.all():
            logits, tensors = self.step(token, tensors)
            logits[:, self.config["never"]] = -np.inf
            token = logits.argmax(1)
            done |= token == special["eos"]
            found.append(np.where(done, special["eos"], token))
        rows = np.stack(found, axis=1).tolist()
        return [[one for one in row if one != special["eos"]] for row in rows]

    def forced(self, source: Ids, target: Ids) -> NDArray[np.float32]:
        """Return the logits after each token of given targets, which begin with BOS."""
        tensors, found = self.encode(source), []
        for token in target.T:
            logits, tensors = self.step(np.ascontiguousarray(token), tensors)
            found.append(logits)
        return np.stack(found, axis=1)


def decode(translator: Translator, folder: Path, texts: Sequence[str]) -> Decoded:
    """Translate texts with both programs, as `compare` does, and compare logits.

    The logits are those of the run's own translations.
    """
    graphs = Graphs(folder)
    (source, target), special = translator.tokenizers, translator.tokenizers.special

    def theirs(asked: list[str], longest: int) -> list[list[str]]:
        rows = source.encode(asked)
        return [
            target.pieces(ids)
            for start in range(0, len(rows), AT_ONCE)
            for ids in graphs.greedy(
                pad(rows[start : start + AT_ONCE], special, end=True).numpy(), longest
            )
        ]

    found = compare(translator, texts, theirs)
    number = {piece: i for i, piece in enumerate(target.vocabulary)}
    targets = [[number[piece] for piece in pieces] for pieces in found.ours]
    pairs = [pair for pair in zip(source.encode(texts), targets, strict=True) if pair[0]]
    return found._replace(difference=largest_difference(translator, graphs, pairs))


@torch.inference_mode()
def largest_difference(
    translator: Translator, graphs: Graphs, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> float:
    """Return the largest absolute difference of the logits of given targets."""
    largest, model = 0.0, translator.model
    for start in range(0, len(pairs), AT_ONCE):
        batch = collate(pairs[start : start + AT_ONCE], model.special)
        ours, theirs = model(batch).logits, graphs.forced(batch.src.numpy(), batch.tgt_in.numpy())
        apart = (ours - torch.from_numpy(theirs)).abs().amax(-1)
        largest = max(largest, float(apart[batch.tgt_out != batch.pad].max()))
    return largest
