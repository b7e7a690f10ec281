"""Several corpora in one training text, drawn in proportion to weights."""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from seq2seq.alignment.gold import Gold
from seq2seq.corpora.base import Corpus, Pair
from seq2seq.corpora.joined import JoinedText
from seq2seq.corpora.lines import Defect, Place, Report
from seq2seq.corpora.mixed_stream import MixedStream, StoredStream
from seq2seq.corpora.streams import PairStream
from seq2seq.corpora.text import Text
from seq2seq.corpora.weights import Weights
from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.plugins import build
from seq2seq.settings.ranges import Positive, Within
from seq2seq.settings.schema import coerce
from seq2seq.text.languages import code

EXAMPLE = '"data.parts.news={kind: files, root: FOLDER, weight: 2}"'
Weight = Annotated[float, Within(above=0, high=1e9)]


class Mixture(Corpus):
    """Several corpora of one language pair; the training text is drawn from all of them.

    A part is a mapping of `kind` (a choice of data=), `weight` and the keys of that choice. The
    training splits of all parts are read, and the held-out splits of the parts in `validation` and
    `tests`.

    Args:
        source: language translated from, also of every part that does not set its own name of it
        target: language translated into, also of every part that does not set its own name of it
        parts: the corpora by name, each {kind: CHOICE OF data=, weight: NUMBER, KEYS OF THE CHOICE}
        temperature: shares are weight^(1/temperature); above 1, they are closer to equal
        validation: part whose validation split is used
        tests: parts whose test sets are used; null is the part of data.validation
        max_length: longest pair to train on, in pieces per side
        tokenized: true if the text is already tokenized; tokenized BLEU is then reported too
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        parts: dict[str, Any],
        temperature: Annotated[float, Within(above=0, high=1e6)],
        validation: str,
        tests: list[str] | None,
        max_length: Positive,
        tokenized: bool,
    ) -> None:
        if not parts:
            raise UserError(f"data.parts is empty: give each corpus a name, such as {EXAMPLE}")
        weights = weights_of(parts)
        self.weights = Weights([*parts], weights, temperature)
        self.corpora = {name: part_corpus(name, part) for name, part in parts.items()}
        tested = [validation] if tests is None else tests
        for key, names in (("data.validation", [validation]), ("data.tests", tested)):
            for name in names:
                if name not in parts:
                    raise UserError(
                        f"{key}: there is no part {name!r}; {did_you_mean(name, parts)}"
                    )
        # Where each split is: its part and its name there
        self._found = {"validation": (validation, "validation")}
        for name in tested:
            for test in self.corpora[name].tests:
                own = test if len(tested) == 1 else f"{name}-{test}"
                self._found[own] = (name, test)
        super().__init__(
            source=source,
            target=target,
            train="train",
            validation="validation",
            tests={name: name for name in self._found if name != "validation"},
            max_length=max_length,
            tokenized=tokenized,
        )
        for name, corpus in self.corpora.items():
            self._refuse_other_languages(name, corpus)
            if corpus.tokenized != tokenized:
                raise UserError(
                    f"data.tokenized={str(tokenized).lower()}, but the text of data.parts.{name} "
                    f"is {'' if corpus.tokenized else 'not '}tokenized: all parts of a mixture "
                    "must be alike"
                )
        self.streams = any(corpus.streams for corpus in self.corpora.values())
        self.buffer = max(corpus.buffer for corpus in self.corpora.values())
        if self.streams and weights is None:
            raise UserError(
                "a mixture with a part that has streaming=true needs weights, because the number "
                f"of its pairs is not known: set data.parts.{next(iter(parts))}.weight and those "
                "of the other parts"
            )
        self._starts: list[int] = []  # first row of each part in the training text that was read

    def mixed(self) -> Weights:
        """Return the weights of the parts."""
        return self.weights

    def training_stream(self, rank: int = 0, ranks: int = 1) -> PairStream:
        """Return the training pairs of one of several processes, in proportion to the weights."""
        streams = {
            name: corpus.training_stream(rank, ranks)
            if corpus.streams
            else StoredStream(name, self._part_text(name), number, rank, ranks)
            for number, (name, corpus) in enumerate(self.corpora.items())
        }
        return MixedStream(streams, self.weights.shares([]))

    def fingerprint(self) -> str:
        """Return a hash of the training splits of all parts."""
        joined = "\n".join(self.fingerprints())
        return sha256(joined.encode()).hexdigest()

    def fingerprints(self) -> list[str]:
        """Return a hash of the training split of each part."""
        return [corpus.fingerprint() for corpus in self.corpora.values()]

    def read(self, split: str) -> Iterator[Pair]:
        """Stream a split; the training split is that of every part, one after another."""
        if split != "train":
            name, own = self._of(split)
            return self.corpora[name].read(own)
        return chain.from_iterable(corpus.read("train") for corpus in self.corpora.values())

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream a split and report defects; a part that cannot be read is a defect."""
        if split != "train":
            name, own = self._of(split)
            yield from self.corpora[name].scan(own, report)
            return
        self._starts = []
        row = 0
        for name, corpus in self.corpora.items():
            self._starts.append(row)
            try:
                for pair in corpus.scan("train", report):
                    row += 1
                    yield pair
            except UserError as error:
                report(Defect("unreadable", Place(name, row - self._starts[-1] + 1), error))
                continue
            if row == self._starts[-1]:
                report(Defect("no pairs", Place(name, 1), self._empty(name, corpus)))

    def text(self, split: str) -> Text:
        """Return a split from the cache; the parts of the training split are stored separately."""
        if split != "train":
            name, own = self._of(split)
            return self.corpora[name].text(own)
        return JoinedText([self._part_text(name) for name in self.corpora])

    def _part_text(self, name: str) -> Text:
        try:
            return self.corpora[name].text("train")
        except UserError as error:
            raise UserError(f"data.parts.{name}: {error}") from error

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """Return the files that a split is read from."""
        if split != "train":
            name, own = self._of(split)
            return self.corpora[name].origin(own)
        return tuple(chain.from_iterable(one.origin("train") for one in self.corpora.values()))

    def where(self, split: str) -> str:
        """Describe where a split is."""
        if split != "train":
            name, own = self._of(split)
            return self.corpora[name].where(own)
        parts = (f"{name} ({corpus.where('train')})" for name, corpus in self.corpora.items())
        return f"the parts {', '.join(parts)}, counted in this order"

    def place(self, split: str, row: int, side: int) -> Place:
        """Return the place in the part that has the row."""
        if split != "train":
            name, own = self._of(split)
            return self.corpora[name].place(own, row, side)
        starts = self._starts or [0]
        number = max(n for n, start in enumerate(starts) if start <= row)
        return list(self.corpora.values())[number].place("train", row - starts[number], side)

    def gold(self, split: str) -> Iterable[Gold] | None:
        """Yield the gold alignments of a split, if all its parts have them."""
        if split != "train":
            name, own = self._of(split)
            return self.corpora[name].gold(own)
        golds = [corpus.gold("train") for corpus in self.corpora.values()]
        known = [gold for gold in golds if gold is not None]
        return chain.from_iterable(known) if len(known) == len(golds) else None

    def division(self) -> dict[str, Any] | None:
        """Describe which parts were divided from one file."""
        found = {name: corpus.division() for name, corpus in self.corpora.items()}
        return {name: one for name, one in found.items() if one} or None

    def describe(self) -> list[str]:
        """Return the remarks on every part."""
        return [
            f"{name}: {line}" for name, corpus in self.corpora.items() for line in corpus.describe()
        ]

    def without_lines(self, split: str) -> UserError:
        """Return the error for an empty split."""
        if split == "train":
            return super().without_lines(split)
        name, own = self._of(split)
        return self._empty(name, self.corpora[name], own)

    def _empty(self, name: str, corpus: Corpus, split: str = "train") -> UserError:
        return UserError(f"data.parts.{name}: {corpus.without_lines(split)}")

    def _of(self, split: str) -> tuple[str, str]:
        """Return the part of a held-out split, and the name of the split in it."""
        self.part(split)
        return self._found[split]

    def _refuse_other_languages(self, name: str, corpus: Corpus) -> None:
        """Reject a part in other languages; `eng` may be another name of `en`."""
        for side in ("source", "target"):
            own, common = code(getattr(corpus, side)), code(getattr(self, side))
            if own != common and len(own) == len(common):
                raise UserError(
                    f"data.parts.{name}.{side}={getattr(corpus, side)}, but the mixture has "
                    f"data.{side}={getattr(self, side)}: all parts must have the same languages, "
                    "in the same direction"
                )


def weights_of(parts: Mapping[str, Any]) -> list[float] | None:
    """Return the weights of the parts; None if no part has one.

    Raises:
        UserError: a weight is not above 0, or only some parts have one.
    """
    weights: dict[str, float | None] = {}
    for name, part in parts.items():
        if not re.fullmatch(r"\w[\w-]{0,60}", name):
            raise UserError(
                f"data.parts has the name {name!r}: a name is letters, digits, - and _, at most 61"
            )
        if not isinstance(part, Mapping):
            raise UserError(f"data.parts.{name} must be a group of keys, such as {EXAMPLE}")
        weights[name] = coerce(part.get("weight"), Weight | None, f"data.parts.{name}.weight")
    missing = [name for name, weight in weights.items() if weight is None]
    if len(missing) == len(weights):
        return None
    if missing:
        raise UserError(
            f"data.parts.{missing[0]} has no weight, but other parts have: give a weight to all "
            "parts or to none (the weights are then their numbers of pairs)"
        )
    return [weight for weight in weights.values() if weight is not None]


def part_corpus(name: str, part: Mapping[str, Any]) -> Corpus:
    """Construct the corpus of one part.

    Raises:
        UserError: a key is wrong; the message names the part.
    """
    if part.get("name") == "mixture":
        raise UserError(f"data.parts.{name} is a mixture: list its parts here instead")
    try:
        corpus: Corpus = build("data", {k: v for k, v in part.items() if k != "weight"})
    except UserError as error:
        raise UserError(f"data.parts.{name}: {error}") from error
    return corpus
