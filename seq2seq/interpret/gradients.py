"""How far gradients reach: the gradient of the last target word with respect to the source.

For each source token i, the norm of d log p(w) / d x_i, where w is the last word of the reference
and x_i is what the first layer reads at i (`embed_source`). In a recurrent network without
attention the gradient passes through every step between the two, and so it may vanish with their
distance (Hochreiter 1991; Bengio et al. 1994, https://doi.org/10.1109/72.279181).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import build_model
from seq2seq.settings.ranges import Natural
from seq2seq.settings.schema import coerce
from seq2seq.system.devices import seed_generators
from seq2seq.text.batching import collate, halve_on_out_of_memory, pack
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.text.words import WORD_START
from seq2seq.translation.translation import BATCH_TOKENS


class Gradients(NamedTuple):
    """Gradient norms of the source tokens of several pairs, one entry for each token.

    The distance is the number of source tokens after the token, 0 for `</s>`: the number of steps
    that a left-to-right recurrent encoder makes between the token and its final state. A decoder
    that reads this state only at its start (`context=start`) makes a further step for each target
    token.
    """

    distances: Int[ndarray, " tokens"]
    norms: Float[ndarray, " tokens"]

    def by_distance(self) -> list[dict[str, Any]]:
        """Return the number of tokens, and the quartiles of their norms, for each distance."""
        rows = []
        for distance in np.unique(self.distances):
            norms = self.norms[self.distances == distance]
            low, median, high = np.quantile(norms, [0.25, 0.5, 0.75]).tolist()
            rows.append(
                {
                    "distance": int(distance),
                    "tokens": len(norms),
                    "lower_quartile": low,
                    "median": median,
                    "upper_quartile": high,
                }
            )
        return rows


def untrained(run: RunFolder, tokenizers: Tokenizers) -> Seq2Seq:
    """Return the model of a run with its initial weights, in evaluation mode.

    Raises:
        UserError: the configuration has no seed.
    """
    if "seed" not in run.config:
        raise UserError(f"{run.path / 'config.yaml'} has no seed, so initial weights are unknown")
    seed = coerce(run.config["seed"], Natural, "seed")
    with torch.random.fork_rng():
        seed_generators(seed)  # as a training does before it builds its model
        return build_model(run.config["model"], tokenizers).eval()


def source_gradients(
    model: Seq2Seq, tokenizers: Tokenizers, pairs: Sequence[tuple[str, str]]
) -> Gradients:
    """Return the gradient norm of every source token of pairs of source and reference.

    Pairs with an empty side have no last word, and are left out.

    Args:
        model: the model, in evaluation mode.
        tokenizers: the source and target tokenizers.
        pairs: source and target sentences.

    Raises:
        UserError: all pairs are left out, or no gradient reaches the source of this model.
    """
    ids, words = [], []
    sources, targets = ([pair[side] for pair in pairs] for side in (0, 1))
    encoded = zip(
        tokenizers.source.encode(sources), tokenizers.target.encode(targets), targets, strict=True
    )
    for source, target, text in encoded:
        if source and target:
            ids.append((source, target))
            words.append(last_word(tokenizers.target.surfaces(text)))
    if not ids:
        raise UserError("no pair of this text has a word on both sides")
    lengths = np.array([max(map(len, pair)) + 1 for pair in ids])
    distances, norms = [], []

    def measured(rows: NDArray[np.integer[Any]]) -> Tensor:
        chosen = rows.tolist()
        return gradient_norms(model, [ids[i] for i in chosen], [words[i] for i in chosen]).cpu()

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, BATCH_TOKENS):
        for rows, found in halve_on_out_of_memory(batch, measured):
            for i, row in enumerate(rows.tolist()):
                length = len(ids[row][0]) + 1
                norms.append(found[i, :length].double().numpy())
                distances.append(np.arange(length)[::-1])
    return Gradients(np.concatenate(distances), np.concatenate(norms))


def gradient_norms(
    model: Seq2Seq, ids: Sequence[tuple[Sequence[int], Sequence[int]]], words: Sequence[slice]
) -> Float[Tensor, "batch src"]:
    """Return the norm of the gradient of log p(word) at each source token, and 0 at padding.

    Args:
        model: the model.
        ids: the ids of source and target sentences.
        words: the pieces of the predicted word in each target.
    """
    batch = collate(ids, model.special).to(next(model.parameters()).device)
    places = [(b, t) for b, word in enumerate(words) for t in range(word.start, word.stop)]
    rows, columns = torch.tensor(places, device=batch.src.device).unbind(1)
    embedded = model.embed_source(batch.src).detach().requires_grad_()
    # The recurrent networks of cuDNN have no backward pass in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        memory = model.encode_embedded(embedded, batch.src_mask)
        states = model.hidden(batch.tgt_in, memory, weights=False).states[rows, columns]
        log_p = model.project(states).log_softmax(-1)
        total = log_p.gather(1, batch.tgt_out[rows, columns].unsqueeze(1)).sum()
        if not total.requires_grad:
            raise UserError(f"no gradient reaches the source of {type(model).__name__}")
        (gradient,) = torch.autograd.grad(total, embedded)
    return gradient.norm(dim=-1)


def last_word(pieces: Sequence[str]) -> slice:
    """Return the position of the last word in the pieces of a text; punctuation is no word.

    A word ends with its last piece that is not punctuation, so "tree" is the last word of
    "a tree.". If all is punctuation, the last word is the last text between spaces.
    """
    end = next((i for i in reversed(range(len(pieces))) if has_letter(pieces[i])), len(pieces) - 1)
    start = next((i for i in range(end, 0, -1) if pieces[i].startswith(WORD_START)), 0)
    return slice(start, end + 1)


def has_letter(piece: str) -> bool:
    """Whether a piece has a character other than punctuation, symbols and spaces."""
    return any(unicodedata.category(character)[0] not in "PSZ" for character in piece)


def both(run: RunFolder, trained: Seq2Seq, tokenizers: Tokenizers) -> Iterator[tuple[str, Seq2Seq]]:
    """Yield the model of a run before and after training, on the device of the trained model."""
    yield "untrained", untrained(run, tokenizers).to(next(trained.parameters()).device)
    yield "trained", trained
