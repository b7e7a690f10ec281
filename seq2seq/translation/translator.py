"""Text in, translations out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.config import build
from seq2seq.errors import UserError
from seq2seq.limits import COLDEST, HOTTEST, LARGEST, LONGEST, WIDEST, real, whole
from seq2seq.models.base import Autoregressive
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import load_model
from seq2seq.search.base import Hypothesis, Search
from seq2seq.search.sample import Sample
from seq2seq.system.devices import pick_device
from seq2seq.text.batching import EOS, PAD, halve_on_out_of_memory, pack, pad
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.forced import force
from seq2seq.translation.translation import BATCH_TOKENS, END, Translation, present

FORCED = 128  # pairs of a stream read together, and all their attention held


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
    A beam narrower than n_best is widened to it. `done` is told after each batch how many sentences
    were in it.

    Raises:
        UserError: n_best is out of its range, or the model gives no finite scores.
    """
    search = search.for_n_best(whole("n_best", n_best, 1, WIDEST))
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
        for rows, (groups, caps) in halve_on_out_of_memory(batch, searched):
            for i, hypotheses, cap in zip(rows.tolist(), groups, caps, strict=True):
                if not hypotheses:
                    raise UserError("the model gives no finite scores: its training has diverged")
                found[i] = [present(texts[i], hyp, tokenizers, cap) for hyp in hypotheses]
            done(len(rows))
    return found


class Translator:
    """A trained run as a function from texts to translations.

        translator = Translator("runs/multi30k-bahdanau-1")
        translator(["A man is riding a horse."])[0].text

    Args:
        run: a run folder, or its path.
        search: how translations are searched for; as the run's configuration says if None.
        beam: another beam than the run's own.
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
        """Up to n translations of each text, best first.

        Beam search widens its beam to n where it is smaller; sampling draws n times.

        Raises:
            UserError: n is out of its range.
        """
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


def run_search(run: RunFolder, *, beam: int | None = None, max_length: int | None = None) -> Search:
    """The search of a run's configuration, with another beam or longest length.

    Raises:
        UserError: a number is out of its range.
    """
    search: Search = build("search", run.config.get("search", {}))
    if beam is not None:
        search = search.with_beam(whole("beam", beam, 1, WIDEST))
    if max_length is None:
        return search
    return replace(search, max_length=whole("max_length", max_length, 1, LONGEST))


def sampling(
    search: Search,
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> Sample:
    """Sample from the model instead of searching, within the same length limits.

    What is None is as the given search has it if that samples too; else the temperature is 1, all
    words may be drawn, and the seed is 1.

    Raises:
        UserError: a number is out of its range.
    """
    own = (
        search
        if isinstance(search, Sample)
        else Sample(
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            seed=1,
            max_length=search.max_length,
            length_ratio=search.length_ratio,
            length_extra=search.length_extra,
        )
    )
    if temperature is not None:
        own = replace(own, temperature=real("temperature", temperature, COLDEST, HOTTEST))
    if top_k is not None:
        own = replace(own, top_k=whole("top_k", top_k, 0, LARGEST))
    if top_p is not None:
        own = replace(own, top_p=real("top_p", top_p, 0.0, 1.0, above=True))
    return own if seed is None else replace(own, seed=whole("seed", seed, 0, LARGEST))
