"""Word links of all training pairs, for guided attention: of the corpus, a file or fast_align."""

import hashlib
import zipfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.alignment.baselines import (
    ITERATIONS,
    Tokens,
    need_fast_align,
    split_words,
    symmetrized_fast_align,
)
from seq2seq.alignment.gold import Gold, Link, Links
from seq2seq.alignment.gold_files import Entry, likely, outside, pharaoh_lines
from seq2seq.alignment.piece_links import guiding_links
from seq2seq.corpora import Corpus, Text, cache_folder
from seq2seq.corpora.cache import replacing
from seq2seq.errors import UserError
from seq2seq.system.text_lines import missing, read_lines

GOLD, FAST_ALIGN = "gold", "fast_align"
KEY = "train.guided_links"


@dataclass(frozen=True)
class WordLinks:
    """The links between the tokens of each pair of a training text.

    Attributes:
        origin: `gold`, `fast_align` or the name of a file.
        links: source and target token of all links, one pair after another.
        bounds: the first link of each pair, and the number of links.
        tokens: returns the tokens of a pair, by its row.
    """

    origin: str
    links: NDArray[np.int32]
    bounds: NDArray[np.int64]
    tokens: Callable[[int], Tokens]

    @classmethod
    def of(
        cls, origin: str, links: Iterable[Sequence[Link]], tokens: Callable[[int], Tokens]
    ) -> "WordLinks":
        """Store the links of each pair."""
        flat, bounds = array("i"), array("q", [0])
        for own in links:
            flat.extend(chain.from_iterable(own))
            bounds.append(len(flat) // 2)
        return cls(
            origin,
            np.frombuffer(flat, np.int32).reshape(-1, 2) if flat else np.empty((0, 2), np.int32),
            np.frombuffer(bounds, np.int64),
            tokens,
        )

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> list[Link]:
        start, end = self.bounds[row : row + 2]
        return [(int(i), int(j)) for i, j in self.links[start:end]]

    def facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the links."""
        digest = hashlib.sha256(self.bounds.tobytes() + self.links.tobytes())
        return {
            "origin": self.origin,
            "sha256": digest.hexdigest(),
            "links": len(self.links),
            "linked_pairs": int((np.diff(self.bounds) > 0).sum()),
        }


def check_links(corpus: Corpus, origin: str | None) -> None:
    """Check that there are links for a corpus, without reading them.

    Raises:
        UserError: there are none.
    """
    if origin in (None, GOLD):
        if corpus.gold("train") is None:
            raise UserError(
                "train.guided_attention needs word links of the training pairs, and this corpus "
                f"has none: set {KEY}=FILE (Pharaoh format) or {KEY}={FAST_ALIGN}"
            )
    elif origin == FAST_ALIGN:
        need_fast_align(f"{KEY}={FAST_ALIGN}")
    elif not (path := Path(str(origin))).is_file():
        kinds = f"({KEY} is {GOLD}, {FAST_ALIGN} or a file in Pharaoh format)"
        if not origin:
            raise UserError(f"{KEY} is empty {kinds}")
        if path.is_dir():
            raise UserError(f"{KEY}={origin} is a folder {kinds}")
        raise UserError(f"{missing(path)} {kinds}")


def read_word_links(corpus: Corpus, text: Text, origin: str | None) -> WordLinks:
    """Return the links of all training pairs.

    Args:
        corpus: the corpus.
        text: its training text.
        origin: the value of `train.guided_links`.

    Raises:
        UserError: there are no links, or they do not fit the text.
    """
    check_links(corpus, origin)
    if origin in (None, GOLD):
        found = gold_links(corpus.gold("train") or (), text)
    elif origin == FAST_ALIGN:
        found = fast_align_links(corpus, text)
    else:
        path = Path(str(origin))
        tokens = tokens_of(text, str.split)
        found = WordLinks.of(str(path), file_links(path, corpus, text), tokens)
    if not len(found.links):
        raise UserError(f"the links of {found.origin} are empty: no training pair has a link")
    return found


def tokens_of(text: Text, cut: Callable[[str], Sequence[str]]) -> Callable[[int], Tokens]:
    """Return a function that divides a pair of a text into tokens."""

    def tokens(row: int) -> Tokens:
        source, target = text[row]
        return cut(source), cut(target)

    return tokens


def gold_links(golds: Iterable[Gold], text: Text) -> WordLinks:
    """Return the links of the corpus."""
    sides: list[tuple[str, str]] = []  # joined, which takes less memory

    def links() -> Iterator[list[Link]]:
        for gold in golds:
            sides.append((" ".join(gold.source), " ".join(gold.target)))
            yield guiding_links(gold.links)

    def tokens(row: int) -> Tokens:
        source, target = sides[row]
        return source.split(), target.split()

    found = WordLinks.of(GOLD, links(), tokens)
    if len(found) != len(text):
        raise UserError(f"the corpus has {len(text):,} pairs, but gold links for {len(found):,}")
    return found


def file_links(path: Path, corpus: Corpus, text: Text) -> Iterator[list[Link]]:
    """Stream the links of each training pair from a file in Pharaoh format.

    Tokens are separated by spaces and counted from 0. If the training pairs are cut from a file
    with further pairs, the file of links has a line for each pair of that file.

    Raises:
        UserError: the number of lines is wrong, a line is not in the format, or a link is outside
            its pair; the message names file and line.
    """
    cut = corpus.rows_of_file("train")
    rows, total = (np.arange(len(text)), len(text)) if cut is None else cut
    wanted = iter(zip(rows.tolist(), range(len(text)), strict=True))
    line, row = next(wanted, (None, 0))
    count = 0
    for entries in pharaoh_lines(path, read_lines(path)):
        if count == line:
            source, target = text[row]
            tokens = (source.split(), target.split())
            for entry in entries:
                if outside(entry._replace(pair=0), [tokens], 0):
                    raise outside_pair(path, entry, tokens, text, rows)
            sure = frozenset((entry.i, entry.j) for entry in entries if entry.sure)
            possible = frozenset((entry.i, entry.j) for entry in entries if not entry.sure)
            yield guiding_links(Links(sure, possible - sure))
            line, row = next(wanted, (None, 0))
        count += 1
    if count != total:
        what = "training pairs" if cut is None else f"pairs of {corpus.part('train')}"
        raise UserError(f"{path} has {count:,} lines for {total:,} {what}: it needs one line each")


def outside_pair(
    path: Path, entry: Entry, tokens: Tokens, text: Text, rows: NDArray[np.intp]
) -> UserError:
    """Return the error for a link that is outside its pair, with the likely mistake."""
    row_of = {line: row for row, line in enumerate(rows.tolist())}
    every = chain.from_iterable(pharaoh_lines(path, read_lines(path)))
    own = [one._replace(pair=row_of[one.pair]) for one in every if one.pair in row_of]
    texts = [(source.split(), target.split()) for source, target in text]
    source, target = map(len, tokens)
    guess = likely(own, texts, 0).removesuffix(" (pharaoh-1)")  # a value of --gold-format
    return UserError(
        f"{path}, line {entry.line}: the link {entry.i}-{entry.j} is outside the pair of {source} "
        f"and {target} tokens (separated by spaces, counted from 0){guess}"
    )


def fast_align_links(corpus: Corpus, text: Text) -> WordLinks:
    """Return the links of fast_align, trained on the training text in both directions.

    The directions are symmetrized by grow-diag-final-and. The links are stored in the cache.
    """
    cut = str.split if corpus.tokenized else split_words
    settings = [text.fingerprint, cut.__name__, ITERATIONS, version("sil-thot")]
    name = hashlib.sha256(repr(settings).encode()).hexdigest()
    path, tokens = cache_folder() / "links" / f"{name}.npz", tokens_of(text, cut)
    if (stored := load(path)) is not None and len(stored[1]) == len(text) + 1:
        return WordLinks(FAST_ALIGN, *stored, tokens)
    pairs = [(cut(source), cut(target)) for source, target in text]
    full = [row for row, sides in enumerate(pairs) if all(sides)]
    _, both = symmetrized_fast_align([pairs[row] for row in full], [])
    links = dict(zip(full, both, strict=True))
    found = WordLinks.of(
        FAST_ALIGN, (sorted(links.get(row, ())) for row in range(len(pairs))), tokens
    )
    with replacing(path) as file:
        np.savez(file, links=found.links, bounds=found.bounds)
    return found


def load(path: Path) -> tuple[NDArray[np.int32], NDArray[np.int64]] | None:
    """Read stored links; None if the file is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["links"], stored["bounds"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
