"""Text in, translations out."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from seq2seq.batching import EOS, PAD, collate, in_halves, pack, pad
from seq2seq.config import build
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive
from seq2seq.progress import bar, console
from seq2seq.run import RunFolder
from seq2seq.runtime import keep_memory, pick_device
from seq2seq.search import Beam, Hypothesis, Sample, Search
from seq2seq.tokenizer import Tokenizers
from seq2seq.weights import load_model

BATCH_TOKENS = 1024  # of source, padding included: what a beam of five turns into 5,120
CHUNK = 512  # lines of a stream translated together
FORCED = 128  # pairs of a stream read together, and all their attention held
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

    def searched(rows: NDArray[np.integer[Any]]) -> tuple[list[list[Hypothesis]], list[int]]:
        src = pad([[*ids[i], EOS] for i in rows]).to(device)
        groups = search(model, src, src != PAD, n_best=n_best, attention=attention)
        return groups, search.caps(src != PAD).tolist()

    for batch in pack(order, lengths, BATCH_TOKENS) if len(order) else []:
        for rows, (groups, caps) in in_halves(batch, searched):
            for i, hypotheses, cap in zip(rows.tolist(), groups, caps, strict=True):
                if not hypotheses:
                    raise UserError("the model gives no finite scores: its training has diverged")
                found[i] = [present(texts[i], hyp, tokenizers, cap) for hyp in hypotheses]
            done(len(rows))
    return found


def present(
    text: str, hypothesis: Hypothesis, tokenizers: Tokenizers, cap: int | None = None
) -> Translation:
    """A hypothesis with its text and pieces."""
    return Translation(
        source=text,
        text=tokenizers.target.decode(hypothesis.tokens),
        score=hypothesis.score,
        log_probability=hypothesis.log_probability,
        source_pieces=[*tokenizers.source.surfaces(text), END],
        target_pieces=[*tokenizers.target.pieces(hypothesis.tokens), END],
        attention=hypothesis.attention,
        cut=cap is not None and len(hypothesis.tokens) >= cap,
    )


class Translator:
    """A trained run as a function from texts to translations.

        translator = Translator("runs/multi30k-bahdanau-1")
        translator(["A man is riding a horse."])[0].text

    Args:
        run: a run folder, or its path.
        search: how to look for translations; the run's own way if None.
        beam: like the run's own way, but with this beam.
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
        device: str = "auto",
    ) -> None:
        keep_memory()
        self.run = run if isinstance(run, RunFolder) else RunFolder.open(run)
        self.search = search or run_search(self.run, beam=beam)
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
            raise TypeError("give a list of texts, not one text")
        return translate(
            self.model,
            self.tokenizers,
            self.search,
            texts,
            n_best=n,
            attention=attention,
            done=done,
        )

    def force(
        self, pairs: Iterable[tuple[str, str]], *, scored: bool = True
    ) -> Iterator[Translation]:
        """Given targets as translations, in order: the model reads them, and says where it looks.

        The pairs are streamed: what was yielded is forgotten.
        """
        pairs = iter(pairs)
        while chunk := list(islice(pairs, FORCED)):
            yield from force(self.model, self.tokenizers, chunk, scored=scored)


@torch.inference_mode()
def force(
    model: Autoregressive,
    tokenizers: Tokenizers,
    pairs: Sequence[tuple[str, str]],
    *,
    scored: bool = True,
) -> list[Translation]:
    """Read the given targets, with all attention; pairs of like length are read together.

    Args:
        model: what reads.
        tokenizers: of the model.
        pairs: sources and targets.
        scored: also tell their log-probability, else NaN: the output layer is much of the work.
    """
    device = next(model.parameters()).device
    sides = list(zip(*pairs, strict=True))
    source_ids, target_ids = (
        tokenizer.encode(texts) for tokenizer, texts in zip(tokenizers, sides, strict=True)
    )
    ids = list(zip(source_ids, target_ids, strict=True))
    lengths = np.array([max(map(len, pair)) + 1 for pair in ids])
    found: dict[int, Translation] = {}

    def read(rows: NDArray[np.integer[Any]]) -> tuple[Tensor, Tensor | None]:
        batch = collate([ids[row] for row in rows.tolist()]).to(device)
        memory = model.encode(batch.src, batch.src_mask)
        states, attention = model.hidden(batch.tgt_in, memory)
        if not scored:
            return torch.full((len(rows),), math.nan), attention
        logits = model.project(states)
        losses = cross_entropy(logits.mT, batch.tgt_out, ignore_index=PAD, reduction="none")
        return losses.sum(1).neg(), attention

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, BATCH_TOKENS):
        for rows, (totals, attention) in in_halves(batch, read):
            for i, row in enumerate(rows.tolist()):
                source, target = (len(side) + 1 for side in ids[row])
                found[row] = Translation(
                    source=pairs[row][0],
                    text=pairs[row][1],
                    score=float(totals[i]),
                    log_probability=float(totals[i]),
                    source_pieces=[*tokenizers.source.surfaces(pairs[row][0]), END],
                    target_pieces=[*tokenizers.target.surfaces(pairs[row][1]), END],
                    attention=attention
                    if attention is None
                    else attention[i, :, :, :target, :source].cpu(),
                    cut=False,
                )
    return [found[row] for row in range(len(pairs))]


def run_search(run: RunFolder, *, beam: int | None = None, max_length: int | None = None) -> Search:
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


def sampling(search: Search, *, temperature: float, top_k: int, top_p: float, seed: int) -> Sample:
    """Draw instead of searching, with the same longest lengths."""
    return Sample(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        max_length=search.max_length,
        length_ratio=search.length_ratio,
        length_extra=search.length_extra,
    )


def filter_lines(
    translator: Translator, lines: BinaryIO, out: BinaryIO, *, n_best: int = 1
) -> None:
    r"""Translate a stream: one line out for each line in, empty ones too, in order.

    A line ends at \n and nowhere else. With n_best above 1 each line in gives up to that many lines
    `NUMBER ||| TEXT ||| SCORE`, NUMBER counting the lines from 0 as Moses and Marian do.

    Raises:
        UserError: a line is not UTF-8; what came before it has been translated.
    """
    trained = translator.run.config.get("data", {}).get("max_length")
    size = 1 if lines.isatty() else CHUNK
    with bar() as progress:
        task = progress.add_task("translating", total=None, unit="lines")
        for first, texts in chunked(lines, size):
            groups = translator.n_best(texts, n_best, done=lambda n: progress.advance(task, n))
            for number, group in enumerate(groups, first):
                remark(number + 1, group[0], trained)
                for found in group:
                    text = found.text.replace("\n", " ")
                    line = f"{number} ||| {text} ||| {found.score:.4f}" if n_best > 1 else text
                    out.write(line.encode() + b"\n")
            out.flush()


def chunked(lines: BinaryIO, size: int) -> Iterator[tuple[int, list[str]]]:
    """Texts of up to `size` lines, with the number of the first, from 0."""
    numbered = enumerate(lines)
    while chunk := list(islice(numbered, size)):
        texts, bad = [], None
        for number, raw in chunk:
            try:
                texts.append(raw.removesuffix(b"\n").removesuffix(b"\r").decode())
            except UnicodeDecodeError as error:
                bad = UserError(f"standard input, line {number + 1}, is not UTF-8: {error.reason}")
                break
        yield chunk[0][0], texts
        if bad:
            raise bad


def remark(line: int, found: Translation, trained: int | None) -> None:
    """Warn of what is likely to be poor: a source beyond all training, a translation cut off."""
    pieces = len(found.source_pieces) - 1
    if trained is not None and pieces > trained:
        console.print(
            f"line {line}: {pieces:,} pieces, but the model was trained on at most {trained}"
        )
    if found.cut:
        console.print(
            f"line {line}: the translation was ended at {len(found.target_pieces) - 1} pieces "
            "(--max-length and the run's search settings decide)"
        )
