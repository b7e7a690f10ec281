"""Word-for-word translation with a lexical translation table (IBM Model 1, Brown et al. 1993)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.alignment.ibm_model_1 import IBMModel1
from seq2seq.config import Within
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive, Hidden, Iteration, Step
from seq2seq.text.batching import BOS, EOS, PAD, UNK, Batch, Ids
from seq2seq.text.tokenizer import WORD_START

Word = tuple[int, ...]  # its pieces
# The kind of a piece: NEUTRAL, LETTERS or SYMBOLS, plus START if a space is before it
NEUTRAL, LETTERS, SYMBOLS, START = 0, 1, 2, 4
LONGEST_PIECE = 16  # characters, the limit of SentencePiece


class Memory(NamedTuple):
    """The translations of each word of a source sentence; the last word is `</s>`."""

    pieces: Int[Tensor, "batch words candidates pieces"]  # most probable first, padded with PAD
    probability: Float[Tensor, "batch words candidates"]  # sums to 1
    end: Int[Tensor, " batch"]  # index of the word `</s>`
    words: Int[Tensor, "batch src"]  # word of each source piece; -1 at padding


class WordSoFar(NamedTuple):
    """The last word of the target up to each position."""

    index: Int[Tensor, "batch tgt"]  # number of words before it; -1 at the beginning
    pieces: Int[Tensor, "batch tgt pieces"]  # padded with PAD
    length: Int[Tensor, "batch tgt"]  # number of pieces


class WordForWord(Autoregressive):
    """Each source word is replaced by its most probable target word; unknown words are copied.

    There is no context: a word has the same translation in every sentence, and the order of the
    words is that of the source. The translation probabilities are those of IBM Model 1, learned
    from the training text by expectation maximization instead of gradients (`fit`).

    The model uses the same tokenizers as all others, so that their scores and perplexities compare.
    A word is a sequence of pieces up to the next space; punctuation is a word of its own. Tensors
    hold the table as piece ids: `source` has the words, `target` their candidates.

    The i-th target word translates the i-th source word, which gets all the attention. The planned
    word, the most probable candidate, has the probability 1 - `smoothing`, however probable the
    table says it is. With the probabilities of the table instead, beam search would leave out
    improbable words at the end of a sentence. Half of `smoothing` goes to all candidates, as the
    table says, and the other half to all pieces equally, so that every text has a finite score. A
    target word that is no candidate ends with the piece just read.

    Args:
        iterations: iterations of expectation maximization; each reads the training text once
        unit: word splits text at spaces and punctuation, piece takes each piece as a word
        words: maximum number of source words in the table, the most frequent; others are copied
        candidates: maximum number of translations that are kept for each word
        pieces: maximum number of pieces of a word in the table; longer words are copied
        smoothing: probability that is taken from the planned piece and given to others
    """

    fits: ClassVar[bool] = True

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        iterations: Annotated[int, Within(1, 10_000)],
        unit: Literal["word", "piece"],
        words: Annotated[int, Within(1, 10_000_000)],
        candidates: Annotated[int, Within(1, 100)],
        pieces: Annotated[int, Within(1, 100)],
        smoothing: Annotated[float, Within(above=0, high=0.5)],
    ) -> None:
        super().__init__()
        self.iterations, self.unit, self.smoothing = iterations, unit, smoothing
        self.target_vocab, self.shared_vocab = target_vocab, shared_vocab
        self.source = table(words, pieces)
        self.target = table(words, candidates, pieces)
        self.probability = nn.Parameter(torch.zeros(words, candidates), requires_grad=False)
        self.source_kinds, self.target_kinds = table(source_vocab), table(target_vocab)
        with torch.no_grad():  # until `fit` is called, each piece is a word
            self.source_kinds.fill_(START)
            self.target_kinds.fill_(START)
        if not shared_vocab:
            self.spelling = table(source_vocab, LONGEST_PIECE)  # each piece in target pieces
        self._lexicon: tuple[int, dict[Word, list[tuple[Word, float]]]] | None = None

    # Training

    def fit(
        self, pairs: Iterable[tuple[Ids, Ids]], source: Sequence[str], target: Sequence[str]
    ) -> Iterator[Iteration]:
        """Learn the table; the model can be used after each iteration.

        Args:
            pairs: the training pairs as piece ids.
            source: the pieces of the source vocabulary.
            target: the pieces of the target vocabulary.
        """
        kinds = [self.kinds_of(vocabulary) for vocabulary in (source, target)]
        set_table(self.source_kinds, [tuple(kinds[0])])
        set_table(self.target_kinds, [tuple(kinds[1])])
        if not self.shared_vocab:
            set_table(self.spelling, spelling(source, target, LONGEST_PIECE))
        sentences = [
            tuple(split_words(map(int, side), own) for side, own in zip(pair, kinds, strict=True))
            for pair in pairs
        ]
        known = [numbered(side) for side in zip(*sentences, strict=True)]
        model = IBMModel1(
            tuple([ids[word] for word in words] for words, ids in zip(pair, known, strict=True))
            for pair in sentences
        )
        del sentences
        while True:
            likelihood = model.iterate()
            self.set_words(model, *(list(ids) for ids in known))
            yield Iteration(-likelihood, model.tokens)

    def kinds_of(self, vocabulary: Sequence[str]) -> list[int]:
        """Return the kind of each piece, which decides where words begin."""
        if self.unit == "piece":
            return [START] * len(vocabulary)
        return [NEUTRAL if i <= UNK else kind_of(piece) for i, piece in enumerate(vocabulary)]

    def set_words(self, model: IBMModel1, source: list[Word], target: list[Word]) -> None:
        """Store the most probable translations of the most frequent source words.

        Args:
            model: the translation probabilities.
            source: the source words by id, most frequent first.
            target: the target words by id.
        """
        words, candidates, longest = self.target.shape
        usable = np.array([len(word) <= longest for word in target])
        rows: list[Word] = []
        translations: list[Word] = []
        probability = np.zeros((words, candidates), np.float32)
        for word, indices in model.best(candidates, usable):
            if len(source[word]) <= longest and len(rows) < words:
                probability[len(rows), : len(indices)] = model.probability[indices]
                rows.append(source[word])
                found = [target[i] for i in model.target[indices].tolist()]
                translations += [*found, *[()] * (candidates - len(found))]
        set_table(self.source, rows)
        set_table(self.target, translations)
        with torch.no_grad():
            self.probability.copy_(torch.from_numpy(probability))

    @property
    def parameter_count(self) -> int:
        """Number of translation probabilities in the table."""
        return int((self.probability > 0).sum())

    @property
    def lexicon(self) -> dict[Word, list[tuple[Word, float]]]:
        """The translations of each source word with their probabilities, most probable first.

        The probabilities of a word sum to less than 1 if it has more translations than are kept.

        Raises:
            UserError: the stored table is damaged.
        """
        version = self.target._version  # counts in-place changes: new weights, another iteration
        if self._lexicon is None or self._lexicon[0] != version:
            filled = int((self.source[:, 0] != PAD).sum())
            tables = (part[:filled] for part in (self.source, self.target, self.probability))
            source, target, probability = (part.tolist() for part in tables)
            lexicon = {
                without_padding(word): [
                    (without_padding(one), p) for one, p in zip(found, share, strict=True) if p
                ]
                for word, found, share in zip(source, target, probability, strict=True)
            }
            for found in lexicon.values():
                for one, p in found:
                    if not one or not 0 < p <= 1 or not UNK <= min(one) <= max(one) < self.target_vocab:
                        raise UserError("the translation table of the model is damaged")
            self._lexicon = version, lexicon
        return self._lexicon[1]

    # Translation

    def encode(self, src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        """Look up the translations of all words; a word without any is copied."""
        kinds, lexicon = self.source_kinds.tolist(), self.lexicon
        rows, owners = [], []
        for row in src.tolist():
            words = split_words((i for i in row if i not in (PAD, EOS)), kinds)
            rows.append([lexicon.get(word) or [(self.copied(word), 1.0)] for word in words])
            owners.append(np.repeat(range(len(words) + 1), [*map(len, words), 1]))
        count = max(map(len, rows)) + 1
        candidates = max((len(word) for words in rows for word in words), default=1)
        longest = max((len(one) for words in rows for word in words for one, _ in word), default=1)
        pieces = np.full((len(rows), count, candidates, longest), PAD)
        probability = np.zeros((len(rows), count, candidates), np.float32)
        owner = np.full(src.shape, -1)
        for i, words in enumerate(rows):
            for j, word in enumerate([*words, [((EOS,), 1.0)]]):
                for k, (one, p) in enumerate(word):
                    pieces[i, j, k, : len(one)] = one
                    probability[i, j, k] = p
            owner[i, : len(owners[i])] = owners[i]
        probability /= probability.sum(-1, keepdims=True).clip(1e-30)
        return Memory(
            torch.from_numpy(pieces).to(src.device),
            torch.from_numpy(probability).to(src.device),
            torch.tensor([len(words) for words in rows], device=src.device),
            torch.from_numpy(owner).to(src.device),
        )

    def copied(self, word: Word) -> Word:
        """Return a source word in target pieces; the text is the same."""
        if self.shared_vocab:
            return word
        return tuple(i for row in self.spelling[list(word)].tolist() for i in without_padding(row))

    def words_so_far(self, tgt: Int[Tensor, "batch tgt"], longest: int) -> WordSoFar:
        """Find the last word of the target up to each position, at most `longest` pieces of it."""
        places = torch.arange(tgt.size(1), device=tgt.device)
        kinds = self.target_kinds[tgt]
        begins = begins_word(kinds, F.pad(kinds[:, :-1], (1, 0), value=NEUTRAL)) | (places == 1)
        begins &= places > 0  # the first token is BOS
        first = torch.where(begins, places, 0).cummax(1).values
        length = places - first + (first > 0)
        offsets = torch.arange(longest, device=tgt.device)
        indices = (first.unsqueeze(-1) + offsets).clamp(max=tgt.size(1) - 1).flatten(1)
        pieces = tgt.gather(1, indices).unflatten(1, (-1, longest))
        pieces = pieces.where(offsets < length.unsqueeze(-1), PAD)
        return WordSoFar(begins.cumsum(1) - 1, pieces, length)

    def predict(self, word: WordSoFar, memory: Memory) -> tuple[Tensor, Tensor]:
        """Predict the piece after each position.

        Returns:
            Pieces and their probabilities `[batch tgt 2*slots]`, without the uniform share; and the
            index of the source word that the planned piece translates `[batch tgt]`.
        """
        rows = torch.arange(len(word.index), device=word.index.device).unsqueeze(1)
        rows = rows // (len(word.index) // len(memory.end))  # a beam shares its sentence
        end = memory.end[rows]
        here, following = word.index.clamp(min=0).minimum(end), (word.index + 1).minimum(end)
        candidates, probability = memory.pieces[rows, here], memory.probability[rows, here]
        length, size = word.length.unsqueeze(-1), (candidates != PAD).sum(-1)
        unread = torch.arange(candidates.size(-1), device=length.device) >= length.unsqueeze(-1)
        agrees = ((candidates == word.pieces.unsqueeze(2)) | unread).all(-1)
        agrees &= (size >= length) & (length > 0) & (probability > 0)
        mass = probability * agrees
        mass = mass / mass.sum(-1, keepdim=True).clamp(min=1e-30)
        goes_on = agrees & (size > length)
        # Slots: the next pieces of the candidates that agree, then the first ones of the next word.
        at = length.clamp(max=candidates.size(-1) - 1).unsqueeze(-1)
        own = candidates.gather(-1, at.expand(*candidates.shape[:-1], 1)).squeeze(-1)
        pieces = torch.cat([own, memory.pieces[rows, following][..., 0]], dim=-1)
        own_mass = mass * goes_on
        left = 1 - own_mass.sum(-1, keepdim=True)
        mass = torch.cat([own_mass, left * memory.probability[rows, following]], dim=-1)
        best = agrees.long().argmax(-1, keepdim=True)  # the first that agrees is the best
        inside = goes_on.gather(-1, best)
        planned = torch.where(inside, best, candidates.size(2))
        mass = mass * (self.smoothing / 2)
        mass = mass.scatter_add(-1, planned, torch.full_like(left, 1 - self.smoothing))
        same = pieces.unsqueeze(-1) == pieces.unsqueeze(-2)
        mass = (same * mass.unsqueeze(-2)).sum(-1)  # slots with the same piece have the same sum
        word_of = torch.where(inside.squeeze(-1), here, following)
        return torch.cat([pieces.to(mass), mass], dim=-1), word_of

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Predict at all positions; the states are pieces and their probabilities."""
        states, word = self.predict(self.words_so_far(tgt, memory.pieces.size(-1)), memory)
        return Hidden(states, self.attention(word, memory) if weights else None)

    def attention(
        self, word: Int[Tensor, "rows tgt"], memory: Memory
    ) -> Float[Tensor, "rows 1 1 tgt src"]:
        """Attend equally to the pieces of the word that each predicted piece translates."""
        words = memory.words.repeat_interleave(len(word) // len(memory.words), dim=0)
        weights = (words.unsqueeze(1) == word.unsqueeze(2)).float()
        return (weights / weights.sum(-1, keepdim=True))[:, None, None]

    def project(self, states: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocab"]:
        """Return the log-probabilities of all pieces."""
        pieces, mass = states.chunk(2, dim=-1)
        uniform = self.smoothing / 2 / self.target_vocab
        logits = states.new_full((*states.shape[:-1], self.target_vocab), uniform)
        return logits.scatter_(-1, pieces.long(), mass + uniform).log()

    def loss(self, batch: Batch, smoothing: float = 0.0) -> Float[Tensor, ""]:
        """Return the cross-entropy in nats, summed over all target tokens that are not padding."""
        logits = self(batch).logits.flatten(0, 1)
        return F.cross_entropy(
            logits,
            batch.tgt_out.flatten(),
            ignore_index=PAD,
            reduction="sum",
            label_smoothing=smoothing,
        )

    def start(self, memory: Memory) -> Int[Tensor, "batch 0"]:
        """Return the initial state: the target so far, which is empty."""
        return memory.words[:, :0]

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Memory,
        state: Int[Tensor, "rows read"],
        *,
        weights: bool = True,
    ) -> Step:
        """Read one token and predict the next."""
        state = torch.cat([state, token.unsqueeze(1)], dim=1)
        so_far = self.words_so_far(state, memory.pieces.size(-1))
        last = WordSoFar(*(part[:, -1:] for part in so_far))
        states, word = self.predict(last, memory)
        attention = self.attention(word, memory).squeeze(3) if weights else None
        return Step(self.project(states).squeeze(1), attention, state)


def table(*shape: int) -> nn.Parameter:
    """Return a table of ids or kinds, all zero (PAD); parameters are saved with the model."""
    return nn.Parameter(torch.zeros(*shape, dtype=torch.int32), requires_grad=False)


def set_table(parameter: nn.Parameter, rows: Sequence[Word]) -> None:
    """Fill a table with rows of ids, each padded with PAD; missing rows are empty."""
    values = np.full((parameter.numel() // parameter.size(-1), parameter.size(-1)), PAD, np.int32)
    for i, row in enumerate(rows):
        values[i, : len(row)] = row
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values).view_as(parameter))


def kind_of(piece: str) -> int:
    """Return the kind of a piece."""
    text = piece.removeprefix(WORD_START)
    start = START if text != piece else 0
    return start + (NEUTRAL if not text else LETTERS if text[0].isalnum() else SYMBOLS)


def begins_word(kind: Any, before: Any) -> Any:
    """Whether a piece begins a word: after a space, and between letters and symbols.

    Both kinds are integers, or tensors of them.
    """
    own, other = kind % START, before % START
    return (kind >= START) | ((own != other) & (own != NEUTRAL) & (other != NEUTRAL))


def split_words(ids: Iterable[int], kinds: Sequence[int]) -> list[Word]:
    """Divide the pieces of a sentence into words."""
    words: list[list[int]] = []
    before = NEUTRAL
    for piece in ids:
        if not words or begins_word(kinds[piece], before):
            words.append([])
        words[-1].append(piece)
        before = kinds[piece]
    return [tuple(word) for word in words]


def numbered(sentences: Iterable[Iterable[Word]]) -> dict[Word, int]:
    """Number the words from 0, the most frequent first, equally frequent ones as they occur."""
    counts = Counter(word for words in sentences for word in words)
    return {word: number for number, (word, _) in enumerate(counts.most_common())}


def spelling(source: Sequence[str], target: Sequence[str], longest: int) -> list[Word]:
    """Return each source piece in target pieces: the same piece if there is one, or characters."""
    ids = {piece: number for number, piece in enumerate(target)}

    def spell(piece: str) -> Word:
        whole = ids.get(piece)
        return (whole,) if whole is not None else tuple(ids.get(c, UNK) for c in piece[:longest])

    return [spell(piece) for piece in source]


def without_padding(ids: Sequence[int]) -> Word:
    """Return ids up to the first PAD."""
    return tuple(ids[: ids.index(PAD)] if PAD in ids else ids)
