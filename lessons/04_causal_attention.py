# %% [markdown]
# # 4. Causal attention: hiding the future
#
# *Needs: lesson 2. Time: 2 s.*
#
# A decoder writes one word after the other. When it writes word 3, word 4 does not exist yet. In
# training the whole sentence is there, so the words to come must be hidden, or the model would copy
# the answer instead of predicting it.

# %%
import torch

torch.manual_seed(1)
words = ["la", "balle", "rouge", "roule"]
x = 0.5 * torch.randn(4, 8)  # the embeddings
scores = x @ x.T / 8**0.5

# %% [markdown]
# **The mask** is True where a word may attend: to itself and to the words before it. Row i belongs
# to the query i, so the allowed places are those on and below the diagonal.

# %%
mask = torch.ones(4, 4, dtype=torch.bool).tril()
print(mask.int().tolist())
assert mask.sum() == 4 * 5 / 2  # 1 + 2 + 3 + 4 places

# %% [markdown]
# **Minus infinity.** Where the mask is False, the score becomes minus infinity. e to the power of
# minus infinity is 0, so the softmax gives these places exactly 0, and the others still have the
# sum 1. The first word can only attend to itself, so this weight is 1.

# %%
weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
print("\n".join(" ".join(f"{weight:.2f}" for weight in row) for row in weights))
assert (weights[~mask] == 0).all() and weights[0, 0] == 1
assert torch.allclose(weights.sum(-1), torch.ones(4))

# %% [markdown]
# **Two mistakes.** A score of 0 instead of minus infinity hides nothing: e to the power of 0 is 1,
# so the future keeps a part of the weight. Setting the weights to 0 after the softmax hides the
# future, but then the rows no longer have the sum 1.

# %%
zero = scores.masked_fill(~mask, 0.0).softmax(-1)
print(f"with score 0, the first word gives {zero[0, 1:].sum():.0%} of its weight to the future")
late = scores.softmax(-1) * mask
print("zero after the softmax, sums of the rows:", *(f"{total:.2f}" for total in late.sum(-1)))
assert zero[0, 1:].sum() > 0.1 and late[0].sum() < 0.9

# %% [markdown]
# **What hiding guarantees.** Replace the last word by another one. The contexts of the first three
# words stay exactly the same. Without the mask all of them change.

# %%
other = x.clone()
other[3] = torch.randn(8)


def contexts(x, mask=None):
    """Return the context of each row of x."""
    scores = x @ x.T / x.size(1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ x


masked, open_ = (contexts(other, m) - contexts(x, m) for m in (mask, None))
print(f"largest change in words 1 to 3: {masked[:3].abs().max():.2f} with the mask, ", end="")
print(f"{open_[:3].abs().max():.2f} without")
assert masked[:3].abs().max() < 1e-6 and open_[:3].abs().min() > 0

# %% [markdown]
# **Why this makes training fast.** With the mask, row i of one pass over the whole sentence is
# equal to the last row of a pass over the first i words. So one pass trains all four predictions at
# once. In each of them the decoder has read the correct words before, not its own predictions. This
# is called teacher forcing.

# %%
whole = contexts(x, mask)
for length in range(1, 5):
    prefix = contexts(x[:length])  # nothing to hide: the future is not there
    assert torch.allclose(prefix[-1], whole[length - 1], atol=1e-6)
print("1 pass with a mask = the last rows of 4 passes without")

# %% [markdown]
# The words that the decoder reads are moved by one: it reads `<s> la balle rouge` and predicts `la
# balle rouge roule`. Without this shift each word would see itself, which is the answer.

# %%
reads, predicts = ["<s>", *words[:-1]], words
for i in range(4):
    print(" ".join(reads[: i + 1]), "->", predicts[i])
assert all(predicts[i] not in reads[: i + 1] for i in range(4))

# %% [markdown]
# **The toolkit**: `attend` takes the mask and does the same.

# %%
from pathlib import Path

from seq2seq.layers.attention import attend
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

theirs, their_weights = attend(scores, x, mask)
assert torch.allclose(theirs, whole, atol=1e-6) and torch.equal(their_weights, weights)
titles = {"no mask": scores.softmax(-1), "score 0": zero, "minus infinity": weights}
panels = [Panel(words, words, part.numpy(), title) for title, part in titles.items()]
draw_side_by_side(panels, Path("04_causal_attention.png"))

# %% [markdown]
# ![Weights without a mask, with score 0, and with minus infinity](04_causal_attention.png)
#
# *Only minus infinity makes the upper right triangle black.*
