"""The built-in corpus: English and French generated from a grammar, with gold word alignments.

Each test set measures one thing: `test` has the lengths of the default training set; `test_long`
has the same number of sentences in each range of lengths up to 60 words; `test_agreement` has a
verb at a known distance from its subject, with nouns of another gender or number between them;
`test_pronoun` has a pronoun at a known distance from its antecedent, with another noun of the other
gender; `examples` has three sentences to plot.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain, islice, product, repeat, starmap
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, NamedTuple

from seq2seq.alignment.gold import Gold, Links
from seq2seq.corpora.cache import cache_folder, unwritable
from seq2seq.corpora.files import Files
from seq2seq.corpora.grammar import (
    Grammar,
    Lexicon,
    Phrase,
    french,
    gold,
    lexicon_folder,
    rule,
    text,
)
from seq2seq.corpora.grammar.pronouns import SHORTEST_DISTANCE, PronounGrammar
from seq2seq.corpora.lines import read_lines
from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.ranges import Natural, Positive, Within
from seq2seq.system.console import track
from seq2seq.system.files import write_lines
from seq2seq.text.agreement import Agreement, agreement_line, parse_agreement
from seq2seq.text.pronoun import ROLES, Places, Pronoun, Role, parse_pronoun, pronoun_line

LANGUAGES = ("en", "fr")
SHORTEST, USUAL = 4, 20  # English words per sentence
HELD_OUT = 1000  # pairs in `validation` and in `test`
LONG = ((4, 10), (11, 20), (21, 30), (31, 40), (41, 50), (51, 60))  # buckets of `test_long`
EACH_LONG = 100  # pairs per bucket
EACH_DISTANCE = 40  # pairs per distance in `test_agreement` and in `test_pronoun`
WITH_PRONOUNS = 12  # lowest `max_words` with which sentences as in `test_pronoun` can be generated
TESTS = ("test", "test_long", "test_agreement", "test_pronoun", "examples")
EXAMPLES = (  # reordering; a nested relative clause; a negation and a pronoun before the verb
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


class Example(NamedTuple):
    """A pair, English first, as tokens and as text, with what a test set measures.

    Attributes:
        gold: the tokens and their links.
        texts: English and French.
        agreements: the long-distance agreement of each side.
        pronoun: the French pronoun and its antecedent.
    """

    gold: Gold
    texts: tuple[str, str]
    agreements: tuple[Agreement | None, Agreement | None] = (None, None)
    pronoun: Pronoun | None = None


class Controlled(Files):
    """English and French from a synchronous grammar, with gold word alignments.

    Args:
        source: language translated from: en or fr
        target: language translated into: fr or en
        pairs: number of training pairs
        max_words: longest English training sentence, in words; test sets do not change
        max_distance: longest distance in test_agreement and test_pronoun, in words
        grammar_seed: seed of the generated sentences
        max_length: longest pair to train on, in pieces per side
        pronouns: number of further training pairs, of the kind that test_pronoun has
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
        pronouns: Annotated[int, Within(0, 1_000_000)] = 0,
    ) -> None:
        for key, language in (("source", source), ("target", target)):
            if language not in LANGUAGES:
                raise UserError(
                    f"the controlled corpus has no data.{key}={language}; "
                    + did_you_mean(language, LANGUAGES)
                )
        if source == target:
            raise UserError(f"data.source and data.target are both {source}: they must differ")
        if pronouns and max_words < WITH_PRONOUNS:
            raise UserError(
                f"data.pronouns={pronouns} needs sentences of at least {WITH_PRONOUNS} words, but "
                f"data.max_words is {max_words}"
            )
        self.pairs, self.max_words, self.pronouns = pairs, max_words, pronouns
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
        """Return the files of both sides, generating them if they are not in the cache."""
        if not Path(self.root).is_dir():
            self._generate()
        return super().paths(split)

    def gold(self, split: str) -> Iterable[Gold]:
        """Yield word alignments, and the agreements or pronouns of a test set that has them."""
        source, target = self.paths(split)
        links = source.with_suffix(".links")
        agreements, pronouns = (
            read_lines(path) if path.exists() else repeat("")
            for kind in ("agreement", "pronoun")
            for path in [source.with_name(f"{split}.{kind}.{self.target}")]
        )
        sides = [read_lines(side.with_suffix(f".tokens{side.suffix}")) for side in (source, target)]
        for left, right, line in zip(*sides, read_lines(links), strict=True):
            alignment = Links.parse(line)
            yield Gold(
                left.split(),
                right.split(),
                alignment if self.source == "en" else alignment.swapped(),
                parse_agreement(next(agreements)),
                parse_pronoun(next(pronouns)),
            )

    def _key(self) -> str:
        """Return a hash of the options, the lexicon and the code that generates the corpus."""
        digest = hashlib.sha256()
        options = (
            self.pairs,
            self.max_words,
            self.max_distance,
            self.grammar_seed,
            self.pronouns,
        )
        digest.update(repr(options).encode())
        code = [Path(__file__), *sorted(Path(__file__).with_name("grammar").glob("*.py"))]
        for file in [*code, *sorted(lexicon_folder().glob("*.tsv"))]:
            digest.update(file.read_bytes())
        return digest.hexdigest()[:16]

    def _generate(self) -> None:
        """Write all splits into the cache atomically."""
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
            if not final.is_dir():  # otherwise another process has written it
                raise unwritable(final, error) from error

    def _splits(self) -> Iterator[tuple[str, int, Iterator[Example]]]:
        """Yield name, size and pairs of each split.

        Test sets come first, so that they do not depend on the training options.
        """
        lexicon = Lexicon(lexicon_folder())
        seen: set[str] = set()

        def draw(number: int) -> Grammar:
            return Grammar(lexicon, 1000 * self.grammar_seed + number)

        def new(pairs: Iterator[Example], size: int) -> Iterator[Example]:
            """Yield `size` pairs of which neither side has occurred in a split before."""
            return islice(unseen(pairs, seen), size)

        yield "examples", len(EXAMPLES), new(map(example, starmap(rule, EXAMPLES)), len(EXAMPLES))
        yield "test", HELD_OUT, new(sentences(draw(0), SHORTEST, USUAL), HELD_OUT)
        buckets = ((draw(10 + i), *bucket) for i, bucket in enumerate(LONG))
        long = (new(sentences(*bucket), EACH_LONG) for bucket in buckets)
        yield "test_long", len(LONG) * EACH_LONG, chain.from_iterable(long)
        distances = range(self.max_distance + 1)
        far = (new(dependencies(draw(100 + i), i), EACH_DISTANCE) for i in distances)
        yield "test_agreement", len(distances) * EACH_DISTANCE, chain.from_iterable(far)
        # The shortest distance has sentences whatever `max_distance` is.
        distances = range(SHORTEST_DISTANCE, max(self.max_distance, SHORTEST_DISTANCE) + 1)
        kinds = [*enumerate(product(ROLES, (False, True)))]
        pronouns = (
            new(references(grammar, i, role, feminine), (EACH_DISTANCE + kind) // len(kinds))
            for i in distances
            for grammar in [PronounGrammar(lexicon, 1000 * self.grammar_seed + 200 + i)]
            for kind, (role, feminine) in kinds
        )
        yield "test_pronoun", len(distances) * EACH_DISTANCE, chain.from_iterable(pronouns)
        yield "validation", HELD_OUT, new(sentences(draw(1), SHORTEST, self.max_words), HELD_OUT)
        train = new(sentences(draw(2), SHORTEST, self.max_words), self.pairs)
        more = PronounGrammar(lexicon, 1000 * self.grammar_seed + 3)
        train = chain(train, new(practice(more, self.max_words), self.pronouns))
        yield "train", self.pairs + self.pronouns, train


def example(phrase: Phrase) -> Example:
    """Convert a phrase of the grammar into a pair with French contractions and elisions applied."""
    pair = gold(french(phrase))
    return Example(pair, (text(pair.source), text(pair.target)))


def sentences(grammar: Grammar, shortest: int, longest: int) -> Iterator[Example]:
    """Generate sentences of `shortest` to `longest` English words, without end."""
    while True:
        # The budget may exceed `longest`: a sentence does not use all of its budget.
        budget = grammar.between(shortest, longest + longest // 4)
        pair = example(grammar.sentence(budget))
        if shortest <= len(pair.texts[0].split()) <= longest:
            yield pair


def dependencies(grammar: Grammar, distance: int) -> Iterator[Example]:
    """Generate sentences with `distance` words between a subject and its verb, without end."""
    while True:
        # As above, the budget is larger than what is used; below 2, no other noun fits.
        budget = distance if distance < 2 else grammar.between(distance + 1, distance + 4)
        found = grammar.dependency(budget)
        if found and found.french.distance == distance:
            yield example(found.phrase)._replace(agreements=(found.english, found.french))


def references(
    grammar: PronounGrammar, distance: int, role: Role, feminine: bool
) -> Iterator[Example]:
    """Generate sentences with `distance` words between a noun and its pronoun, without end.

    The other noun that the pronoun could refer to is of the other gender.
    """
    while True:
        found = grammar.reference(
            role, feminine=feminine, other_feminine=not feminine, distance=distance, exact=True
        )
        if found:
            pair = example(found.phrase)
            target = dict(pair.gold.links.sure)
            places = Places(*(target[token] for token in found.source))
            yield pair._replace(pronoun=Pronoun(found.agreement, role, found.source, places))


def practice(grammar: PronounGrammar, longest: int) -> Iterator[Example]:
    """Generate sentences as in `references` for training, without end.

    Roles, genders (also of the other noun) and distances are random.
    """
    while True:
        found = grammar.reference(
            grammar.choose(ROLES),
            feminine=grammar.bernoulli(0.5),
            other_feminine=grammar.bernoulli(0.5),
            distance=grammar.between(SHORTEST_DISTANCE, USUAL),
            exact=False,
        )
        if found and len((pair := example(found.phrase)).texts[0].split()) <= longest:
            yield pair


def unseen(pairs: Iterable[Example], seen: set[str]) -> Iterator[Example]:
    """Yield the pairs of which neither side is in `seen`, and add both sides to it."""
    for pair in pairs:
        if seen.isdisjoint(pair.texts):
            seen.update(pair.texts)
            yield pair


def write(folder: Path, split: str, pairs: Iterable[Example]) -> None:
    """Write text and tokens of both sides, the links, and agreements and pronouns if there are."""
    pairs = list(pairs)
    sides = ([pair.gold.source for pair in pairs], [pair.gold.target for pair in pairs])
    for language, side, words in zip(LANGUAGES, (0, 1), sides, strict=True):
        write_lines(folder / f"{split}.{language}", (pair.texts[side] for pair in pairs))
        write_lines(folder / f"{split}.tokens.{language}", map(" ".join, words))
        if any(pair.agreements[side] for pair in pairs):
            lines = (agreement_line(pair.agreements[side]) for pair in pairs)
            write_lines(folder / f"{split}.agreement.{language}", lines)
    if any(pair.pronoun for pair in pairs):
        lines = (pronoun_line(pair.pronoun) for pair in pairs)
        write_lines(folder / f"{split}.pronoun.fr", lines)
    write_lines(folder / f"{split}.links", (str(pair.gold.links) for pair in pairs))
