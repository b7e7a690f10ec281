"""Text in, translations out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.batching import EOS, PAD, pack, pad
from seq2seq.config import build
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive
from seq2seq.run import RunFolder
from seq2seq.runtime import keep_memory, pick_device
from seq2seq.search import Beam, Hypothesis, Search
from seq2seq.tokenizer import Tokenizers
from seq2seq.weights import load_model

BATCH_TOKENS = 1024  # of source, padding included: what a beam of five turns into 5,120
END = "</s>"  # how the end of a sentence is shown


@dataclass(frozen=True)
class Translation:
    """A source text and one translation of it.

    score is what the search ranked it by, log_probability that of its pieces in nats. The pieces
    of both sides end with `</s>`; attention has a row for each target piece and a column for each
    source piece, in each layer and head, or is None where it was not asked for or the model has
    none.
    """

    source: str
    text: str
    score: float
    log_probability: float
    source_pieces: list[str]
    target_pieces: list[str]
    attention: Float[Tensor, "layers heads tgt src"] | None
    cut: bool  # the search's longest length ended it, not the model


def translate(
    model: Autoregressive,
    tokenizers: Tokenizers,
    search: Search,
    texts: Sequence[str],
    *,
    n_best: int = 1,
    attention: bool = False,
    done: Callable[[int], None] = lambda sentences: None,
) -> list[list[Translation]]:
    """Up to n_best translations of each text, in order; a text without pieces gives an empty one.

    Sentences of like length are searched together, which changes the speed and nothing else.
    `done` is told after each batch how many sentences were in it.
    """
    device = next(model.parameters()).device
    ids = tokenizers.source.encode(texts)
    found: list[list[Translation]] = [
        [Translation(text, "", 0.0, 0.0, [END], [END], None, False)] for text in texts
    ]
    lengths = np.array([len(row) + 1 for row in ids], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 1]
    done(len(texts) - len(order))
    for rows in pack(order, lengths, BATCH_TOKENS) if len(order) else []:
        src = pad([[*ids[i], EOS] for i in rows]).to(device)
        groups = search(model, src, src != PAD, n_best=n_best, attention=attention)
        caps = search.caps(src != PAD).tolist()
        for i, hypotheses, cap in zip(rows.tolist(), groups, caps, strict=True):
            found[i] = [present(texts[i], hyp, tokenizers, cap) for hyp in hypotheses]
        done(len(rows))
    return found


def present(text: str, hypothesis: Hypothesis, tokenizers: Tokenizers, cap: int) -> Translation:
    """A hypothesis with its text and pieces."""
    return Translation(
        source=text,
        text=tokenizers.target.decode(hypothesis.tokens),
        score=hypothesis.score,
        log_probability=hypothesis.log_probability,
        source_pieces=[*tokenizers.source.surfaces(text), END],
        target_pieces=[*tokenizers.target.pieces(hypothesis.tokens), END],
        attention=hypothesis.attention,
        cut=len(hypothesis.tokens) >= cap,
    )


class Translator:
    """A trained run as a function from texts to translations.

        translator = Translator("runs/multi30k-bahdanau-1")
        translator(["A man is riding a horse."])[0].text

    Args:
        run: a run folder, or its path.
        search: how to look for translations; the run's own way if None.
        beam: like the run's own way, but with this beam.
        max_length: at most this many pieces a translation.
        device: auto, cpu, cuda, cuda:1, ...

    Raises:
        UserError: the run is none, is unfinished or damaged, or a value is out of range.
    """

    def __init__(
        self,
        run: str | Path | RunFolder,
        *,
        search: Search | None = None,
        beam: int | None = None,
        max_length: int | None = None,
        device: str = "auto",
    ) -> None:
        keep_memory()
        self.run = run if isinstance(run, RunFolder) else RunFolder.open(run)
        self.search = search or run_search(self.run, beam=beam, max_length=max_length)
        self.model, self.tokenizers = load_model(self.run, pick_device(device))

    def __call__(self, texts: Sequence[str], *, attention: bool = False) -> list[Translation]:
        """The best translation of each text, in order."""
        return [best for best, *_ in self.n_best(texts, 1, attention=attention)]

    def n_best(
        self,
        texts: Sequence[str],
        n: int,
        *,
        attention: bool = False,
        done: Callable[[int], None] = lambda sentences: None,
    ) -> list[list[Translation]]:
        """Up to n translations of each text, best first."""
        if isinstance(texts, str):
            raise UserError("give a list of texts, not one text")
        return translate(
            self.model,
            self.tokenizers,
            self.search,
            texts,
            n_best=n,
            attention=attention,
            done=done,
        )

    def force(self, source: str, target: str) -> Translation:
        """The given target as a translation: the model reads it, and says where it looks."""
        device = next(self.model.parameters()).device
        src = pad([[*self.tokenizers.source.encode([source])[0], EOS]]).to(device)
        hypothesis = force(self.model, src, self.tokenizers.target.encode([target])[0])
        translation = present(source, hypothesis, self.tokenizers, len(hypothesis.tokens) + 1)
        surfaces = self.tokenizers.target.surfaces(target)
        return replace(translation, text=target, target_pieces=[*surfaces, END])


@torch.inference_mode()
def force(model: Autoregressive, src: Tensor, target: Iterable[int]) -> Hypothesis:
    """Score a given target for one source [1 src], EOS included, with all attention."""
    from seq2seq.batching import BOS

    tokens = list(target)
    expected = torch.tensor([*tokens, EOS], device=src.device)
    given = torch.tensor([[BOS, *tokens]], device=src.device)
    logits, attention = model.decode(given, model.encode(src, src != PAD))
    total = float(logits[0].log_softmax(-1).gather(1, expected.unsqueeze(1)).sum())
    return Hypothesis(tokens, total, total, None if attention is None else attention[0].cpu())


def run_search(
    run: RunFolder, *, beam: int | None = None, max_length: int | None = None
) -> Search:
    """The search of a run's configuration, with another beam or longest length."""
    search: Search = build("search", run.config.get("search", {}))
    if beam is not None:
        penalty = search.length_penalty if isinstance(search, Beam) else 1.0
        search = Beam(
            beam=beam,
            length_penalty=penalty,
            max_length=search.max_length,
            length_ratio=search.length_ratio,
            length_extra=search.length_extra,
        )
    return search if max_length is None else replace(search, max_length=max_length)
