"""A run that is loaded once, with the weights of any of its checkpoints."""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seq2seq.alignment.method_names import Hide, MethodName
from seq2seq.alignment.rule import Rule, shares
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.interpret.gradients import untrained
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.baseline import mean_vectors
from seq2seq.models.base import Autoregressive
from seq2seq.models.results import Memory
from seq2seq.play.asked import OfSentence
from seq2seq.play.limits import BEAM, PIECES, ROUNDS, check_pieces
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.size_check import check_sizes
from seq2seq.runs.weights import build_model, read_weights, set_weights
from seq2seq.search.base import Search
from seq2seq.search.mask_predict import MaskPredict
from seq2seq.search.sample import Sample
from seq2seq.text.batching import Batch, collate
from seq2seq.text.words import WORD_START
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator

Weights = dict[str, Tensor]

METHODS: tuple[MethodName, ...] = get_args(MethodName)
OF_GRADIENT: tuple[MethodName, ...] = ("smoothgrad", "integrated_gradients")  # where that is usable

UNTRAINED = 0  # the step of the initial weights
KEPT = 256 << 20  # bytes of checkpoints in memory
MAX_CHECKPOINTS = 200
DEFAULT_BEAM = 5  # of a run that samples


class LoadedRun:
    """A run in memory.

    The model is the same object for all checkpoints, whose weights are copied into it, so that only
    one thread may use a run.

    Args:
        path: the run folder.
        name: the name in the page, different for each run.
        device: auto, cpu, cuda, ...

    Raises:
        UserError: the folder is not a run folder, or is damaged.
    """

    def __init__(self, path: Path, name: str, device: str) -> None:
        self.name, self.translator = name, Translator(path, device=device)
        self.run: RunFolder = self.translator.run
        self.rule: Rule = chosen_rule(self.run)
        self.step: int | None = None  # of the weights in the model
        self.cache: OrderedDict[int | None, Weights] = OrderedDict()
        self.methods = methods_of(self.translator)
        self.has_steps = bool(self.model.attention_steps(collate([([], [])], self.model.special)))
        self.ids = {
            piece: i for i, piece in enumerate(self.translator.tokenizers.target.vocabulary)
        }

    @property
    def model(self) -> Any:
        """The model, with the weights of the last call of `at`."""
        return self.translator.model

    @property
    def training(self) -> bool:
        """Whether the run was still training when it was loaded."""
        return self.run.info.get("status") not in ("finished", None)

    @property
    def continues_prefix(self) -> bool:
        """Whether the search can continue given tokens."""
        return isinstance(self.model, Autoregressive)

    @property
    def default_beam(self) -> int | None:
        """The beam size of the run, at most BEAM; None if its search has no beam."""
        if isinstance(self.translator.search, MaskPredict):
            return None
        return min(getattr(self.translator.search, "beam", DEFAULT_BEAM), BEAM)

    def search(self, beam: int | None) -> tuple[Search, int]:
        """Return the search within the limits of the page, and the size of its n-best list.

        Args:
            beam: the beam size; that of the run if None.
        """
        own = self.translator.search
        own = replace(own, max_length=min(own.max_length, PIECES))
        if isinstance(own, MaskPredict):
            lengths = min(own.lengths, BEAM)
            return replace(own, rounds=min(own.rounds, ROUNDS), lengths=lengths), lengths
        width = beam or self.default_beam or DEFAULT_BEAM
        if isinstance(own, Sample):
            return own.with_beam(width), width
        return own.with_beam(width), width

    def checkpoints(self) -> list[int]:
        """Return the steps whose weights are known, in order; UNTRAINED if the seed is."""
        if self.model.fits:
            return []
        steps = list(self.run.checkpoints)
        known = isinstance(self.run.config.get("seed"), int)
        return [*([UNTRAINED] if known else []), *steps[-MAX_CHECKPOINTS:]]

    def at(self, step: int | None) -> Translator:
        """Return the translator with the weights of a checkpoint; the trained ones if None.

        Raises:
            UserError: there is no such checkpoint, or its file is damaged.
        """
        if step == self.step:
            return self.translator
        if None not in self.cache:  # the trained weights, which are in the model
            self.cache[None] = {k: v.detach().clone() for k, v in self.model.named_parameters()}
        if step not in self.cache:
            self.cache[step] = self.read(step)
        self.cache.move_to_end(step)
        self.drop_old(step)
        set_weights(self.model, self.cache[step], self.run.path)
        self.step = step
        return self.translator

    def read(self, step: int | None) -> Weights:
        """Read the weights of a checkpoint, after a check of their sizes."""
        known = self.checkpoints()
        if step is None or step not in known:
            raise UserError(
                f"{self.name} has no checkpoint of step {step}: it has "
                f"{', '.join(map(str, known)) or 'none'}"
            )
        tokenizers = self.translator.tokenizers
        if step == UNTRAINED:
            return dict(untrained(self.run, tokenizers).named_parameters())
        file = self.run.checkpoints[step]
        check_sizes(lambda: build_model(self.run.config["model"], tokenizers), file)
        return read_weights(file)

    def drop_old(self, wanted: int | None) -> None:
        """Drop the checkpoints that were not used for longest, beyond KEPT bytes."""

        def size(weights: Weights) -> int:
            return sum(one.numel() * one.element_size() for one in weights.values())

        others = [step for step in self.cache if step not in (None, wanted)]
        total = sum(size(self.cache[step]) for step in others)
        for step in others:
            if total <= KEPT:
                return
            total -= size(self.cache.pop(step))

    def reader(self, asked: OfSentence, text: str) -> Translator:
        """Return the translator of a request: with its weights and its hidden words.

        Raises:
            UserError: the sentence is too long, or a hidden word does not exist.
        """
        translator = self.at(asked.step)
        (ids,) = translator.tokenizers.source.encode([text])
        check_pieces(len(ids), "sentence")
        if not asked.hidden:
            return translator
        hidden = copy.copy(translator)
        places = self.places(text, asked.hidden)
        hidden.model = with_hidden(translator, places, asked.hide)
        return hidden

    def places(self, text: str, words: Sequence[int]) -> list[int]:
        """Return the source pieces of words, which are separated by spaces in the text."""
        tokens, source = text.split(), self.translator.tokenizers.source
        if wrong := next((word for word in words if word >= len(tokens)), None):
            raise UserError(f"there is no word {wrong + 1}: the sentence has {len(tokens)} words")
        table = shares([*source.surfaces(text), END], source.normalize(tokens))
        return sorted({int(place) for word in words for place in table[:, word].nonzero()[0]})


def methods_of(translator: Translator) -> list[MethodName]:
    """Return the methods that can be applied to a model, tried on a sentence of one piece."""
    vocabulary = translator.tokenizers.source.vocabulary
    text = next((piece for piece in map(clean, vocabulary) if piece), "a")
    (translation,) = translator.force([(text, text)], scored=False)
    usable: list[MethodName] = []
    for method in METHODS:
        if method in OF_GRADIENT:  # slow to try
            usable += [method] if "gradient" in usable else []
            continue
        try:
            explain(translator, [translation], Rule(method=method))
        except UnsupportedModelError:
            continue
        usable.append(method)
    return usable


def clean(piece: str) -> str:
    """Return a piece without the mark of spaces, if it is a word of letters; else an empty text."""
    word = piece.replace(WORD_START, "")
    return word if word.isalpha() else ""


def with_hidden(translator: Translator, places: Sequence[int], hide: Hide) -> Any:
    """Return the model of a translator with some source positions hidden.

    The result shares all weights. Its `encode` and `encode_batch` replace the given positions of
    every sentence.

    Args:
        translator: the trained run.
        places: the hidden positions.
        hide: mean replaces their vectors by the mean embedding, unk their ids by `<unk>`.

    Raises:
        UserError: `hide` leaves words out, which is done in the text; or the model has no vectors.
    """
    if hide == "drop":
        raise UserError("words are left out of the sentence itself, so none can be hidden by drop")
    model: Any = translator.model
    rows = torch.tensor(places, dtype=torch.long, device=next(model.parameters()).device)
    if hide == "mean":
        mean_vectors(translator, 1)  # raises UserError if there is none

    def encode(src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        if hide == "unk":
            src = src.index_fill(1, rows, model.special.unk)
            return type(model).encode(model, src, mask)
        embedded = model.embed_source(src)
        mean = mean_vectors(translator, src.size(1)).to(embedded)
        embedded = embedded.clone()
        embedded[:, rows] = mean[rows]
        return model.encode_embedded(embedded, mask)

    def encode_batch(batch: Batch) -> Memory:
        return encode(batch.src, batch.src_mask)

    changed = copy.copy(model)
    object.__setattr__(changed, "encode", encode)
    object.__setattr__(changed, "encode_batch", encode_batch)
    return changed
