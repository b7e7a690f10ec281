"""Exercise 16: which finished hypothesis of a beam search is the translation.

    beam_search(log_p, beam, limit) -> words

The search keeps the `beam` best unfinished hypotheses at each step. A hypothesis is finished when
the end of the sentence, END, is predicted. The translation is the finished hypothesis with the
highest log-probability per predicted token; END counts as a token (compare Wu et al. 2016, section
7). After `limit` words only END is possible.

The model is a table: log_p[a, b] is the log-probability that b follows a. The first word follows
END. Shape: log_p [vocab, vocab].

The file runs, and is wrong in one way.
"""

import torch

END = 0


def beam_search(log_p, beam, limit):
    """Return the words of the translation, as a list without END."""
    unfinished, finished = [([], 0.0)], []
    for length in range(limit + 1):
        candidates = []
        for words, total in unfinished:
            row = log_p[words[-1] if words else END].tolist()
            finished.append((words, total + row[END]))
            if length < limit:
                candidates += [
                    ([*words, word], total + row[word]) for word in range(len(row)) if word != END
                ]
        candidates.sort(key=lambda candidate: -candidate[1])
        unfinished = candidates[:beam]
    words, _ = max(finished, key=lambda hypothesis: hypothesis[1])
    return words


def sample(log_p, limit):
    """Return the words of a random sentence of the model."""
    words = []
    while len(words) < limit:
        word = int(torch.multinomial(log_p[words[-1] if words else END].exp(), 1))
        if word == END:
            break
        words.append(word)
    return words


if __name__ == "__main__":
    torch.manual_seed(1)
    found, sampled = [], []
    for _ in range(50):
        logits = torch.randn(6, 6) / 4
        logits += 1.6 * torch.eye(6).roll(1, dims=1)  # word 1 is followed by 2, ..., 5 by END
        log_p = torch.log_softmax(logits, dim=-1)
        found.append(len(beam_search(log_p, beam=4, limit=10)))
        sampled.append(len(sample(log_p, limit=10)))
    print(f"mean length of sentences that are sampled: {sum(sampled) / len(sampled):.1f} words")
    print(f"mean length of sentences that are searched: {sum(found) / len(found):.1f} words")
