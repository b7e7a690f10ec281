"""The built-in corpus: English and French from a grammar, so that every answer is known.

Sentences are generated on the spot, with gold word alignments, in splits that each put one
question: `test` has the lengths of the usual training text; `test_long` has as many sentences of
every length up to 60 words; `test_agreement` has a verb at a known distance from its subject, with
nouns of another gender or number between; `examples` are three sentences to draw.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain, islice, starmap
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, NamedTuple

from seq2seq.alignment.gold import Gold, Links
from seq2seq.config import Natural, Positive, Within
from seq2seq.corpora.cache import cache_folder, unwritable
from seq2seq.corpora.files import Files
from seq2seq.corpora.grammar import Grammar, Lexicon, Phrase, data_folder, french, gold, rule, text
from seq2seq.corpora.lines import read_lines
from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.console import track
from seq2seq.system.files import write_lines
from seq2seq.text.agreement import Agreement, agreement_line, parse_agreement

LANGUAGES = ("en", "fr")
SHORTEST, USUAL = 4, 20  # English words of a sentence
HELD_OUT = 1000  # pairs of `validation` and of `test`
LONG = ((4, 10), (11, 20), (21, 30), (31, 40), (41, 50), (51, 60))  # buckets of `test_long`
EACH_LONG, EACH_DISTANCE = 100, 40  # pairs of a bucket, and of a distance in `test_agreement`
TESTS = ("test", "test_long", "test_agreement", "examples")
EXAMPLES = (  # what turns round; what nests; what stands before the verb
    (
        "the/1 European/2 economic/3 area/4 is/5 important/6 ./7",
        "LA/1 zone/4 économique/3 européenne/2 est/5 importante/6 ./7",
    ),
    (
        "the/1 cat/2 that/3 was/4 sitting/5 on/6 the/7 mat/8 which/9 was/10 next/11 to/11 the/12 "
        "dog/13 jumped/14 ./15",
        "LE/1 chat/2 qui/3 était/4 assis/5 sur/6 LE/7 tapis/8 qui/9 était/10 à/11 côté/11 de/11? "
        "LE/12 chien/13 a/14? sauté/14 ./15",
    ),
    (
        "the/1 girl/2 did/3?,4? not/4 see/3 him/5 ./6",
        "LA/1 fille/2 ne/4 le/5 a/3? pas/4 vu/3 ./6",
    ),
)


class Made(NamedTuple):
    """A pair, English first, as tokens and as text, and what agrees at a distance on each side."""

    gold: Gold
    texts: tuple[str, str]
    agreements: tuple[Agreement | None, Agreement | None] = (None, None)


class Controlled(Files):
    """English and French from a synchronous grammar, with gold word alignments.

    Args:
        source: language translated from: en or fr
        target: the other one
        pairs: how many training pairs
        max_words: longest English sentence to train on, in words; the tests stay as they are
        max_distance: longest distance in test_agreement, in words
        grammar_seed: decides every sentence
        max_length: longest pair to train on, in pieces a side
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        pairs: Annotated[int, Within(1, 100_000_000)],
        max_words: Annotated[int, Within(SHORTEST, LONG[-1][1])],
        max_distance: Annotated[int, Within(0, USUAL)],
        grammar_seed: Natural,
        max_length: Positive,
    ) -> None:
        for key, language in (("source", source), ("target", target)):
            if language not in LANGUAGES:
                raise UserError(
                    f"the controlled corpus has no data.{key}={language}; "
                    + did_you_mean(language, LANGUAGES)
                )
        if source == target:
            raise UserError(f"data.source and data.target are both {source}: one must be the other")
        self.pairs, self.max_words = pairs, max_words
        self.max_distance, self.grammar_seed = max_distance, grammar_seed
        super().__init__(
            source=source,
            target=target,
            root=str(cache_folder() / "controlled" / self._key()),
            train="train",
            validation="validation",
            tests=list(TESTS),
            max_length=max_length,
            tokenized=False,
        )

    def paths(self, split: str) -> tuple[Path, Path]:
        """The files of both sides, generated first where they are not in the cache."""
        if not Path(self.root).is_dir():
            self._generate()
        return super().paths(split)

    def gold(self, split: str) -> Iterable[Gold]:
        """Word alignments, and in `test_agreement` what agrees with what."""
        source, target = self.paths(split)
        links = source.with_suffix(".links")
        agreements = source.with_name(f"{split}.agreement.{self.target}")
        sides = [read_lines(side.with_suffix(f".tokens{side.suffix}")) for side in (source, target)]
        known = read_lines(agreements) if agreements.exists() else None
        for left, right, line in zip(*sides, read_lines(links), strict=True):
            found = Links.parse(line)
            yield Gold(
                left.split(),
                right.split(),
                found if self.source == "en" else found.turned(),
                parse_agreement(next(known)) if known else None,
            )

    def _key(self) -> str:
        """A name for what the dials, the lexicon and the rules generate."""
        digest = hashlib.sha256()
        dials = (self.pairs, self.max_words, self.max_distance, self.grammar_seed)
        digest.update(repr(dials).encode())
        code = [Path(__file__), *sorted(Path(__file__).with_name("grammar").glob("*.py"))]
        for file in [*code, *sorted(data_folder().glob("*.tsv"))]:
            digest.update(file.read_bytes())
        return digest.hexdigest()[:16]

    def _generate(self) -> None:
        """Write all splits into the cache, all or none."""
        final = Path(self.root)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(mkdtemp(prefix=".partial-", dir=final.parent))
            try:
                for split, total, golds in self._splits():
                    write(
                        folder,
                        split,
                        track(golds, f"generating {split}", total=total, unit="pairs"),
                    )
                folder.rename(final)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            if not final.is_dir():  # else another process was faster
                raise unwritable(final, error) from error

    def _splits(self) -> Iterator[tuple[str, int, Iterator[Made]]]:
        """Each split, its size and its pairs; what tests never depends on what trains."""
        lexicon = Lexicon(data_folder())
        seen: set[str] = set()

        def draw(number: int) -> Grammar:
            return Grammar(lexicon, 1000 * self.grammar_seed + number)

        def new(pairs: Iterator[Made], size: int) -> Iterator[Made]:
            """So many pairs of which neither side has been in any split before."""
            return islice(unseen(pairs, seen), size)

        yield "examples", len(EXAMPLES), new(map(made, starmap(rule, EXAMPLES)), len(EXAMPLES))
        yield "test", HELD_OUT, new(drawn(draw(0), SHORTEST, USUAL), HELD_OUT)
        buckets = ((draw(10 + i), *bucket) for i, bucket in enumerate(LONG))
        long = (new(drawn(*bucket), EACH_LONG) for bucket in buckets)
        yield "test_long", len(LONG) * EACH_LONG, chain.from_iterable(long)
        distances = range(self.max_distance + 1)
        far = (new(distant(draw(100 + i), i), EACH_DISTANCE) for i in distances)
        yield "test_agreement", len(distances) * EACH_DISTANCE, chain.from_iterable(far)
        yield "validation", HELD_OUT, new(drawn(draw(1), SHORTEST, self.max_words), HELD_OUT)
        yield "train", self.pairs, new(drawn(draw(2), SHORTEST, self.max_words), self.pairs)


def made(phrase: Phrase) -> Made:
    """A sentence of the grammar with its words as they meet."""
    pair = gold(french(phrase))
    return Made(pair, (text(pair.source), text(pair.target)))


def drawn(grammar: Grammar, fewest: int, most: int) -> Iterator[Made]:
    """Sentences of that many English words, without end."""
    while True:
        room = grammar.between(fewest, most + most // 4)  # what there is room for is not all used
        pair = made(grammar.sentence(room))
        if fewest <= len(pair.texts[0].split()) <= most:
            yield pair


def distant(grammar: Grammar, distance: int) -> Iterator[Made]:
    """Sentences with that many words between a subject and its verb, without end."""
    while True:
        # Again, more room than is used; below 2 there is no room for another noun.
        room = distance if distance < 2 else grammar.between(distance + 1, distance + 4)
        found = grammar.dependency(room)
        if found and found.french.distance == distance:
            yield made(found.phrase)._replace(agreements=(found.english, found.french))


def unseen(pairs: Iterable[Made], seen: set[str]) -> Iterator[Made]:
    """The pairs of which neither side has been seen, which they are from then on."""
    for pair in pairs:
        if seen.isdisjoint(pair.texts):
            seen.update(pair.texts)
            yield pair


def write(folder: Path, split: str, pairs: Iterable[Made]) -> None:
    """Both sides as text and as tokens, the links, and the agreements if there are any."""
    pairs = list(pairs)
    sides = ([pair.gold.source for pair in pairs], [pair.gold.target for pair in pairs])
    for language, side, words in zip(LANGUAGES, (0, 1), sides, strict=True):
        write_lines(folder / f"{split}.{language}", (pair.texts[side] for pair in pairs))
        write_lines(folder / f"{split}.tokens.{language}", map(" ".join, words))
        if any(pair.agreements[side] for pair in pairs):
            lines = (agreement_line(pair.agreements[side]) for pair in pairs)
            write_lines(folder / f"{split}.agreement.{language}", lines)
    write_lines(folder / f"{split}.links", (str(pair.gold.links) for pair in pairs))
