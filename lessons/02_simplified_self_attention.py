# %% [markdown]
# # 2. A whole sentence: simplified self-attention
#
# *Needs: lesson 1. Time: 2 s.*
#
# Lesson 1 had one query. Here every word of a sentence is a query, and the same words are the keys
# and the values. This is self-attention. It has no trained numbers yet, which is why it is called
# simplified.

# %% [markdown]
# A sentence of six words. A word is a row of three numbers, its embedding. The second "the" is the
# same word as the first, so it has the same row.

# %%
import torch

words = ["the", "cat", "saw", "the", "red", "ball"]
table = {
    "the": [0.1, 0.1, 0.1],
    "cat": [0.9, 0.2, 0.4],
    "saw": [0.2, 0.9, 0.3],
    "red": [0.3, 0.2, 0.8],
    "ball": [0.8, 0.1, 0.6],
}
x = torch.tensor([table[word] for word in words])
print("the sentence is a matrix of", tuple(x.shape))
assert x.shape == (6, 3)

# %% [markdown]
# **One word.** Take "ball" as the query. The three steps of lesson 1 give its context, a mixture of
# all six rows. "ball" itself has the largest weight, .24. "cat" is next with .23: of the other
# rows, its row is the most similar one.

# %%
query = x[5]
scores = torch.stack([(query * key).sum() for key in x])
weights = scores.softmax(0)
context = sum(weight * value for weight, value in zip(weights, x, strict=True))
for word, score, weight in zip(words, scores, weights, strict=True):
    print(f"{word:6} score {score:.2f}  weight {weight:.2f}")
assert round(weights[5].item(), 2) == 0.24 and round(weights[1].item(), 2) == 0.23

# %% [markdown]
# **All words.** Six queries and six keys give 36 scores. One matrix product computes all of them:
# row i, column j is the dot product of word i with word j. The softmax is taken along each row,
# because each row belongs to one query. A second matrix product gives all weighted sums.

# %%
all_scores = x @ x.T
all_weights = all_scores.softmax(dim=-1)
all_contexts = all_weights @ x
print("scores", tuple(all_scores.shape), " contexts", tuple(all_contexts.shape))
print("sum of each row:", *(f"{total:.2f}" for total in all_weights.sum(-1)))
assert torch.allclose(all_contexts[5], context)
assert torch.allclose(all_weights.sum(-1), torch.ones(6))

# %% [markdown]
# **The wrong axis.** The softmax along the columns also gives numbers from 0 to 1, and no error
# message. But then the rows do not have the sum 1, so a context is no longer an average.

# %%
wrong = all_scores.softmax(dim=0)
print("sum of each row:", *(f"{total:.2f}" for total in wrong.sum(-1)))
assert not torch.allclose(wrong.sum(-1), torch.ones(6), atol=0.1)

# %% [markdown]
# **Scores are symmetric, weights are not.** "cat" with "ball" has the same score as "ball" with
# "cat". The weights differ, because each row is divided by its own sum.

# %%
assert torch.equal(all_scores, all_scores.T)
print(f"cat attends to ball: {all_weights[1, 5]:.3f}, ball attends to cat: {all_weights[5, 1]:.3f}")
assert abs(all_weights[1, 5] - all_weights[5, 1]) > 0.001

# %% [markdown]
# **Word order has no effect.** Both "the" have the same row, so they get the same context, although
# they stand before different nouns. And if the words are shuffled, each word keeps its context. A
# Transformer therefore adds a vector for each position to the embeddings. After that the two "the"
# differ.

# %%
assert torch.allclose(all_contexts[0], all_contexts[3])
order = torch.tensor([5, 4, 3, 2, 1, 0])
shuffled = x[order]
assert torch.allclose((shuffled @ shuffled.T).softmax(-1) @ shuffled, all_contexts[order])
place = torch.arange(6.0)
positions = torch.stack([place.sin(), place.cos(), 0 * place], dim=1)
placed = x + positions
new = (placed @ placed.T).softmax(-1) @ placed
print(f"the two contexts of 'the' differ by {(new[0] - new[3]).abs().max():.2f}")
assert (new[0] - new[3]).abs().max() > 0.1

# %% [markdown]
# **What is missing.** A word can only find words with a similar embedding. But "it" and "ball" need
# not be similar, and "red" should find its noun, not another color. What a word is and what it
# looks for are two things, so they need two vectors. Lesson 3 makes both from the embedding.
#
# **The toolkit** gives the same numbers.

# %%
from pathlib import Path

from seq2seq.layers.attention import attend
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

theirs, their_weights = attend(all_scores, x, None)
assert torch.allclose(theirs, all_contexts) and torch.allclose(their_weights, all_weights)
panels = [
    Panel(words, words, (all_weights / all_weights.max()).numpy(), "without positions"),
    Panel(words, words, (placed @ placed.T).softmax(-1).numpy(), "with positions"),
]
draw_side_by_side(panels, Path("02_simplified_self_attention.png"))

# %% [markdown]
# ![The weights of all pairs of words](02_simplified_self_attention.png)
#
# *Rows are queries, columns are keys. Left: the rows of the two "the" are equal (shades relative to
# the largest weight). Right: with positions they differ.*
