# %% [markdown]
# # 1. Query, key, value
#
# *Needs: nothing. Time: 2 s.*
#
# Attention is a way to look something up. This lesson computes one look-up by hand, in three steps:
# a dot product, a softmax and a weighted sum. Most later lessons use these three steps.

# %% [markdown]
# A Python dictionary holds pairs of a key and a value. A look-up compares a query with every key
# and returns the value of the key that is equal. If no key is equal, there is no answer.

# %%
import torch

torch.manual_seed(1)
gender = {"ball": "feminine", "cat": "masculine"}
print(gender["ball"], gender.get("stone"))
assert gender["ball"] == "feminine" and gender.get("stone") is None

# %% [markdown]
# A network learns by small changes, and "equal or not equal" cannot change by a small amount. So we
# replace words by vectors, and "equal" by "similar". Here are three words. Each has a key of two
# numbers: how much the word is a thing, and how much it is alive. Each also has a value, which is
# what a look-up returns. In a trained network nobody chooses these numbers; here we do.

# %%
words = ["cat", "ball", "rolled"]
keys = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.0]])
values = torch.tensor([[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]])
query = torch.tensor([2.0, 0.0])  # asks for a thing

# %% [markdown]
# **Step 1, the dot product.** The score of a key is the sum of the products of its numbers with
# those of the query. The score is large where both vectors have large numbers in the same places.

# %%
scores = torch.stack([(query * key).sum() for key in keys])
for word, score in zip(words, scores, strict=True):
    print(f"{word:8}{score:.0f}")
assert scores.tolist() == [0, 2, 1]
assert torch.equal(scores, keys @ query)  # the same as one matrix product

# %% [markdown]
# **Step 2, the softmax.** Scores can be negative and can have any sum. We want shares: numbers from
# 0 to 1 with the sum 1. The softmax takes e to the power of each score, which is positive, and
# divides by the sum. The order stays the same: "ball" gets .67, "rolled" .24, and "cat" .09. These
# shares are called the attention weights. The query attends most to "ball".

# %%
weights = scores.exp() / scores.exp().sum()
for word, weight in zip(words, weights, strict=True):
    print(f"{word:8}{weight:.2f}")
assert [round(w, 2) for w in weights.tolist()] == [0.09, 0.67, 0.24]
assert torch.allclose(weights, scores.softmax(0)) and abs(weights.sum() - 1) < 1e-6

# %% [markdown]
# **Step 3, the weighted sum.** Each value is multiplied by its weight, and the results are added.
# The result is called the context. It is (2.1, 7.9), near the value of "ball", (0, 10), because
# "ball" has most of the weight.

# %%
context = sum(weight * value for weight, value in zip(weights, values, strict=True))
print(f"context: ({context[0]:.1f}, {context[1]:.1f})")
assert [round(c, 1) for c in context.tolist()] == [2.1, 7.9]
assert torch.allclose(context, weights @ values)

# %% [markdown]
# **From soft to hard.** Multiply all scores by 0: every key gets the same weight, one third.
# Multiply them by 10: "ball" gets almost everything, as in the dictionary. The size of the scores
# decides how sharp the look-up is.

# %%
for factor in (0, 0.5, 1, 10):
    print(f"scores times {factor:<4}", *(f"{w:.2f}" for w in (factor * scores).softmax(0)))
assert torch.allclose((0 * scores).softmax(0), torch.full((3,), 1 / 3))
assert (10 * scores).softmax(0)[1] > 0.99

# %% [markdown]
# **Why scores are divided by the square root of the width.** The width of a vector is how many
# numbers it has. The dot product of two random vectors is a sum of that many random terms: with 4
# numbers its standard deviation is about 2, with 400 numbers about 20. Wide vectors would therefore
# nearly always give a hard look-up. Divided by the square root of the width, the scores have a
# standard deviation of about 1 at any width.

# %%
for width in (4, 400):
    products = (torch.randn(20_000, width) * torch.randn(20_000, width)).sum(1)
    print(f"width {width:3}: {products.std():5.1f} before, {products.std() / width**0.5:.2f} after")
    assert abs(products.std() / width**0.5 - 1) < 0.05

# %% [markdown]
# **The toolkit** has the same two functions: `scaled_dot_score` divides by the square root of the
# width (here of 2), and `attend` is steps 2 and 3.

# %%
from pathlib import Path

from seq2seq.layers.attention import attend, scaled_dot_score
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

theirs = scaled_dot_score(query[None], keys)
assert torch.allclose(theirs, scores / 2**0.5)
assert torch.allclose(attend(scores[None], values, None)[0][0], context)
rows = torch.stack([(factor * scores).softmax(0) for factor in (0, 0.5, 1, 10)])
panel = Panel(words, ["scores x 0", "x 0.5", "x 1", "x 10"], rows.numpy())
draw_side_by_side([panel], Path("01_query_key_value.png"))

# %% [markdown]
# ![The weights of the three words for four sizes of the scores](01_query_key_value.png)
#
# *In the heatmaps of all lessons, a white cell is a weight of 1 and a black cell a weight of 0.
# Here each row is one size of the scores: the larger the scores, the more the softmax chooses one
# key.*
