"""Translate texts with a trained run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import UserError
from seq2seq.hub.download import open_run
from seq2seq.limits import MAX_BEAM
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import load_model
from seq2seq.search.base import Hypothesis, Search
from seq2seq.search.sample import Sample
from seq2seq.settings.plugins import build
from seq2seq.settings.ranges import Within
from seq2seq.settings.schema import coerce
from seq2seq.system.devices import pick_device
from seq2seq.system.share import ALONE, Share
from seq2seq.text.batching import halve_on_out_of_memory, pack, pad
from seq2seq.text.forms import Forms
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.forced import force
from seq2seq.translation.int8 import use_int8_output
from seq2seq.translation.translation import END, Translation, batch_tokens, present

FORCED = 128  # pairs force-decoded together; their attention is in memory


def translate(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    search: Search,
    texts: Sequence[str],
    *,
    n_best: int = 1,
    attention: bool = False,
    prefixes: Sequence[Sequence[int]] | None = None,
    done: Callable[[int], None] = lambda sentences: None,
    share: Share = ALONE,
) -> list[list[Translation]]:
    """Return up to n_best translations of each text, in order; empty for a text without pieces.

    Sentences of similar length share a batch, which affects only the speed.

    Args:
        model: the model.
        tokenizers: the source and target tokenizers.
        search: the search; a beam narrower than n_best is widened to n_best.
        texts: the source texts.
        n_best: maximum number of translations of each text.
        attention: also return attention.
        prefixes: the ids of the first tokens of each translation, which the search continues; EOS
            may be the last one.
        done: called after each batch with its number of sentences.
        share: divides the batches among processes; the result is the same in each, and as of one.

    Raises:
        UserError: n_best is out of range, the search cannot continue given tokens, or all scores
            of the model are NaN or infinite.
    """
    n_best = coerce(n_best, Annotated[int, Within(1, MAX_BEAM)], "n_best")
    search = search.for_n_best(n_best)
    device = next(model.parameters()).device
    ids = tokenizers.source.encode(texts)
    translations: list[list[Translation]] = [
        [Translation(text, "", 0.0, 0.0, [END], [END], None, False)] for text in texts
    ]
    lengths = np.array([len(row) + 1 for row in ids], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 1]
    done(len(texts) - len(order))

    def searched(rows: NDArray[np.integer[Any]]) -> tuple[list[list[Hypothesis]], list[int]]:
        src = pad([ids[i] for i in rows], model.special, end=True).to(device)
        mask = src != model.special.pad
        given = None
        if prefixes is not None:
            given = pad([list(prefixes[i]) for i in rows], model.special).to(device)
        groups = search(model, src, mask, n_best=n_best, attention=attention, prefix=given)
        return groups, search.caps_with(given, mask, model.special).tolist()

    def translated(batch: NDArray[np.integer[Any]]) -> list[tuple[int, list[Translation]]]:
        found = []
        for rows, (groups, caps) in halve_on_out_of_memory(batch, searched):
            for i, hypotheses, cap in zip(rows.tolist(), groups, caps, strict=True):
                if not hypotheses:
                    raise UserError(
                        "the scores of the model are NaN or infinite: its training has diverged"
                    )
                found.append((i, [present(texts[i], hyp, tokenizers, cap) for hyp in hypotheses]))
            done(len(rows))
        return found

    batches = pack(order, lengths, batch_tokens(device)) if len(order) else []
    for i, best in chain.from_iterable(share.map(translated, batches)):
        translations[i] = best
    return translations


class Translator:
    """A trained run as a function from texts to translations.

        translator = Translator("runs/multi30k-bahdanau-1")
        translator(["A man is riding a horse."])[0].text

    Args:
        run: a run folder, its path, or its address on the hub, hf:USER/NAME or
            hf:USER/NAME@REVISION.
        search: the search; that of the run's configuration if None.
        beam: beam size; that of the run if None.
        rounds: number of rounds of mask-predict; that of the run if None.
        lengths: number of lengths of mask-predict; that of the run if None.
        device: auto, cpu, cuda, cuda:1, ...
        int8: compute the output layer in 8-bit integers, on a CPU only; this is faster, but
            translations and scores can differ.

    Attributes:
        forms: the inflected forms of the target language, for methods that explain the lexeme or
            the form of a word; None for those of the built-in corpus if the run was trained on it.

    Raises:
        UserError: the path is not a run folder, the run is unfinished or damaged, a value is out of
            range, or the search cannot decode this model.
    """

    def __init__(
        self,
        run: str | Path | RunFolder,
        *,
        search: Search | None = None,
        beam: int | None = None,
        rounds: int | None = None,
        lengths: int | None = None,
        device: str = "auto",
        int8: bool = False,
    ) -> None:
        self.forms: Forms | None = None
        self.run = run if isinstance(run, RunFolder) else open_run(run)
        given = {"beam": beam, "rounds": rounds, "lengths": lengths}
        if search is not None and (without := [key for key in given if given[key] is not None]):
            raise UserError(f"{without[0]} has no effect with search, which has its own value")
        self.search = search or run_search(self.run, **given)
        self.model, self.tokenizers = load_model(self.run, pick_device(device))
        self.search.check_model(type(self.model))
        if int8:
            use_int8_output(self.model)

    def __call__(self, texts: Sequence[str], *, attention: bool = False) -> list[Translation]:
        """Return the best translation of each text, in order."""
        return [best for best, *_ in self.n_best(texts, 1, attention=attention)]

    def n_best(
        self,
        texts: Sequence[str],
        n: int,
        *,
        attention: bool = False,
        done: Callable[[int], None] = lambda sentences: None,
        share: Share = ALONE,
    ) -> list[list[Translation]]:
        """Return up to n translations of each text, best first.

        Beam search with a smaller beam uses a beam of n; sampling draws n samples.

        Args:
            texts: the source texts.
            n: maximum number of translations of each text.
            attention: also return attention.
            done: called after each batch with its number of sentences.
            share: divides the batches among processes, as in `translate`.

        Raises:
            UserError: n is out of range.
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
            share=share,
        )

    def force(
        self, pairs: Iterable[tuple[str, str]], *, scored: bool = True, maps: bool = False
    ) -> Iterator[Translation]:
        """Force-decode pairs of source and target, and yield the targets as translations, in order.

        The pairs are streamed, so memory use does not depend on their number.

        Args:
            pairs: source and target sentences.
            scored: compute log-probabilities; otherwise they are NaN.
            maps: return all maps of the model, instead of log-probabilities.
        """
        pairs = iter(pairs)
        while chunk := list(islice(pairs, FORCED // 4 if maps else FORCED)):  # four times as large
            yield from force(self.model, self.tokenizers, chunk, scored=scored, maps=maps)


def run_search(
    run: RunFolder,
    *,
    beam: int | None = None,
    rounds: int | None = None,
    lengths: int | None = None,
    max_length: int | None = None,
) -> Search:
    """Return the search of a run's configuration; numbers that are not None replace its own.

    Raises:
        UserError: a number is out of range, or has no effect on this kind of search.
    """
    search: Search = build("search", run.config.get("search", {}))
    if beam is not None:
        search = search.with_beam(beam)
    search = search.with_rounds(rounds, lengths)
    return search if max_length is None else replace(search, max_length=max_length)


def sampling(
    search: Search,
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> Sample:
    """Return a sampling search with the length limits of another search.

    Values that are None are taken from `search` if it is a sampling search. Otherwise the
    temperature is 1, top-k and top-p are off, and the seed is 1.

    Raises:
        UserError: a number is out of range.
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
    given: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    given["seed"] = seed
    return replace(own, **{key: value for key, value in given.items() if value is not None})
