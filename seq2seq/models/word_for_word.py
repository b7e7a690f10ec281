"""Word-for-word translation with a lexical translation table (IBM Model 1, Brown et al. 1993)."""

from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.layers.word_plan import Plan, WordSoFar, plan_of, predict, words_so_far
from seq2seq.models.results import Hidden, Step
from seq2seq.models.translation_table import Translations, TranslationTable
from seq2seq.settings.ranges import Within
from seq2seq.text.batching import Batch
from seq2seq.text.words import split_symbol, split_words


class WordForWord(TranslationTable):
    """Each source word is replaced by its most probable target word; unknown words are copied.

    There is no context: a word has the same translation in every sentence, and the order of the
    words is that of the source. The translation probabilities are those of IBM Model 1, learned
    from the training text by expectation maximization instead of gradients (`fit`).

    The model uses the same tokenizers as all others, so that their scores and perplexities compare.
    A word begins with a piece after a space or with a punctuation mark, so that the words of a
    text are known from its pieces. In `l'ami`, `'ami` is such a word; it is learned and translated
    as `'` and `ami`. Tensors hold the table as piece ids: `source` has the words, `target` their
    candidates.

    The i-th target word translates the i-th source word, which gets all the attention. The planned
    word, the most probable candidate, has the probability 1 - `smoothing`, however probable the
    table says it is. With the probabilities of the table instead, beam search would leave out
    improbable words at the end of a sentence. Half of `smoothing` goes to all candidates, as the
    table says, and the other half to all pieces equally, so that every text has a finite score.
    After pieces that begin no candidate, all pieces are equally likely, unless the last of them
    usually ends a word.

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
        super().__init__(
            source_vocab=source_vocab,
            target_vocab=target_vocab,
            shared_vocab=shared_vocab,
            unit=unit,
            words=words,
            candidates=candidates,
            pieces=pieces,
        )
        self.iterations, self.smoothing = iterations, smoothing

    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src 1"]:
        """Return the ids themselves, since the model has no vectors."""
        return src.unsqueeze(-1).float()

    def encode_embedded(
        self, embedded: Float[Tensor, "batch src 1"], mask: Bool[Tensor, "batch src"]
    ) -> Plan:
        """Look up the translations of all words; a word without any is copied."""
        src = self.text_ids(embedded.squeeze(-1).round().long())
        rows: list[list[Translations]] = []
        owner = np.full(src.shape, -1)
        kinds = self.source_kinds.tolist(), self.target_kinds.tolist()
        spaced = self.spaced.tolist()
        for i, (row, length) in enumerate(zip(src.tolist(), mask.sum(1).tolist(), strict=True)):
            rows.append([])
            place = 0
            for word in split_words(row[: length - 1], kinds[0]):  # the last piece is EOS
                parts = split_symbol(word, kinds[0], spaced, self.special.pad)
                if parts[-1] not in self.lexicon:
                    parts = [word]
                for part in parts:
                    owner[i, place : place + len(part)] = len(rows[i])
                    place += len(part)
                    rows[i] += self.translations(part, kinds[1])
            owner[i, place] = len(rows[i])
        end: Translations = [((self.special.eos,), 1.0)]
        plan = plan_of([[*words, end] for words in rows], owner, self.special.pad)
        return Plan(*(part.to(src.device) for part in plan))

    def text_ids(self, src: Int[Tensor, "batch src"]) -> Int[Tensor, "batch src"]:
        """Replace ids that stand for no text by that of an unknown piece."""
        pad, bos, eos, unk = self.special.pieces
        known = (src >= 0) & (src < len(self.source_kinds))
        return src.where(known & (src != pad) & (src != bos) & (src != eos), unk)

    def words_so_far(self, tgt: Int[Tensor, "batch tgt"], memory: Plan) -> WordSoFar:
        """Find the last word of the target up to each position."""
        longest = memory.pieces.size(-1)
        return words_so_far(tgt, self.target_kinds, self.target_ends, longest, self.special.pad)

    def predict(
        self, word: WordSoFar, memory: Plan
    ) -> tuple[Float[Tensor, "batch tgt slots"], Int[Tensor, "batch tgt"]]:
        """Predict the piece after each position; see `word_plan.predict`."""
        return predict(
            word,
            memory,
            smoothing=self.smoothing,
            vocab=self.target_vocab,
            pad=self.special.pad,
        )

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Plan, *, weights: bool = True
    ) -> Hidden:
        """Predict at all positions; the states are pieces and their probabilities."""
        states, word = self.predict(self.words_so_far(tgt, memory), memory)
        return Hidden(states, self.attention(word, memory) if weights else None)

    def attention(
        self, word: Int[Tensor, "rows tgt"], memory: Plan
    ) -> Float[Tensor, "rows 1 1 tgt src"]:
        """Attend equally to the pieces of the word that each predicted piece translates."""
        words = memory.words.repeat_interleave(len(word) // len(memory.words), dim=0)
        weights = (words.unsqueeze(1) == word.unsqueeze(2)).float()
        return (weights / weights.sum(-1, keepdim=True))[:, None, None]

    @property
    def attention_shape(self) -> tuple[int, int]:
        """One layer with one head."""
        return (1, 1)

    def project(self, states: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocab"]:
        """Return the log-probabilities of all pieces."""
        pieces, mass = states[..., :-1].chunk(2, dim=-1)
        probability = states[..., -1:].repeat_interleave(self.target_vocab, dim=-1)
        return probability.scatter_(-1, pieces.long(), mass).log()

    def target_loss(
        self, batch: Batch, memory: Plan, smoothing: float, r_drop: float = 0.0
    ) -> Float[Tensor, ""]:
        """Return the loss of `loss` given the encoded source."""
        logits = self.decode(batch.tgt_in, memory).logits.flatten(0, 1)
        return F.cross_entropy(
            logits,
            batch.tgt_out.flatten(),
            ignore_index=self.special.pad,
            reduction="sum",
            label_smoothing=smoothing,
        )

    def start(self, memory: Plan) -> Int[Tensor, "batch 0"]:
        """Return the initial state: the target so far, which is empty."""
        return memory.words[:, :0]

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Plan,
        state: Int[Tensor, "rows read"],
        *,
        weights: bool = True,
    ) -> Step:
        """Read one token and predict the next."""
        state = torch.cat([state, token.unsqueeze(1)], dim=1)
        last = WordSoFar(*(part[:, -1:] for part in self.words_so_far(state, memory)))
        states, word = self.predict(last, memory)
        attention = self.attention(word, memory).squeeze(3) if weights else None
        return Step(self.project(states).squeeze(1), attention, state)
