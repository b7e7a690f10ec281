# %% [markdown]
# # 5. Many heads
#
# *Needs: lessons 3 and 4. Time: 2 s.*
#
# One softmax gives each word one set of weights. If a word needs two others for two reasons, one
# set of weights mixes them. Several heads are several look-ups side by side.

# %% [markdown]
# **The problem.** Suppose that a verb attends to its subject and to its object with half of the
# weight each. The context is the average of their values. If subject and object are swapped, the
# average is the same: "cat saw dog" and "dog saw cat" cannot be told apart.

# %%
import torch

torch.manual_seed(1)
cat, dog = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
one = 0.5 * cat + 0.5 * dog
swapped = 0.5 * dog + 0.5 * cat
print("one head: ", one.tolist(), swapped.tolist())
assert torch.equal(one, swapped)

# %% [markdown]
# Two heads have two sets of weights. One attends to the subject, the other to the object, and their
# results are joined to one longer vector. Now the two sentences differ.

# %%
two, two_swapped = torch.cat([cat, dog]), torch.cat([dog, cat])
print("two heads:", two.tolist(), two_swapped.tolist())
assert not torch.equal(two, two_swapped)

# %% [markdown]
# **How heads are made.** The queries, keys and values have 8 numbers for each word. With two heads,
# head 1 takes the first four of them and head 2 the last four. Each head computes its own scores,
# softmax and weighted sum. The results are joined to 8 numbers again and mixed by a matrix W_o.

# %%
words = ["the", "cat", "saw", "a", "dog"]
x = torch.randn(5, 8)
w_q, w_k, w_v, w_o = (torch.randn(8, 8) / 8**0.5 for _ in range(4))


def head(query, keys, values):
    """Return the weighted sum and the weights of one head."""
    weights = (query @ keys.T / query.size(1) ** 0.5).softmax(-1)
    return weights @ values, weights


q, k, v = x @ w_q, x @ w_k, x @ w_v
first, weights_1 = head(q[:, :4], k[:, :4], v[:, :4])
second, weights_2 = head(q[:, 4:], k[:, 4:], v[:, 4:])
output = torch.cat([first, second], dim=1) @ w_o
print(f"'saw' to 'cat': {weights_1[2, 1]:.2f} in head 1, {weights_2[2, 1]:.2f} in head 2")
assert output.shape == (5, 8) and abs(weights_1[2, 1] - weights_2[2, 1]) > 0.01

# %% [markdown]
# **All heads at once.** A loop over heads is slow. Instead the 8 columns are seen as 2 heads of 4,
# and the heads become the first axis. Matrix products then work for all heads in one call.
# Splitting neither copies nor changes a number: it is only another view of the same table.


# %%
def split(rows):
    """Turn [words, 8] into [heads, words, 4]."""
    return rows.view(5, 2, 4).transpose(0, 1)


scores = split(q) @ split(k).transpose(1, 2) / 4**0.5
weights = scores.softmax(-1)
joined = (weights @ split(v)).transpose(0, 1).reshape(5, 8)
print("scores of all heads:", tuple(scores.shape))
assert scores.shape == (2, 5, 5) and split(q).data_ptr() == q.data_ptr()
assert torch.allclose(weights, torch.stack([weights_1, weights_2]))
assert torch.allclose(joined @ w_o, output, atol=1e-6)

# %% [markdown]
# **The scale** is the square root of the width of a head, here 4, not 8: the dot product of a head
# has four terms. **The parameters** are the same for any number of heads: four matrices of 8 times
# 8. What changes is the width of a head. With eight heads, each compares single numbers.

# %%
parameters = sum(w.numel() for w in (w_q, w_k, w_v, w_o))
print(f"{parameters} parameters with", ", ".join(f"{n} x {8 // n}" for n in (1, 2, 4, 8)))
assert parameters == 4 * 8 * 8 == 256

# %% [markdown]
# **The output is a sum.** Joining the results and multiplying by W_o is the same as giving each
# head its own part of W_o and adding. Leaving out one of the terms switches a head off.

# %%
terms = [first @ w_o[:4], second @ w_o[4:]]
print("shapes of the terms:", *(tuple(term.shape) for term in terms))
assert torch.allclose(sum(terms), output, atol=1e-6)

# %% [markdown]
# **The toolkit**: `MultiHeadAttention` with the same matrices gives the same output and weights.
# `remember` computes keys and values; lesson 9 shows why that is a step of its own.

# %%
from pathlib import Path

from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

layer = MultiHeadAttention(8, heads=2, dropout=0.0, bias=False)
matrices = {"query": w_q, "key": w_k, "value": w_v, "out": w_o}
layer.load_state_dict({f"{name}.weight": w.T for name, w in matrices.items()})  # torch transposes
with torch.no_grad():
    theirs, their_weights = layer(x[None], layer.remember(x[None]), None)
assert torch.allclose(theirs[0], output, atol=1e-5)
assert torch.allclose(their_weights[0], weights, atol=1e-6)
panels = [Panel(words, words, weights[i].numpy(), f"head {i + 1}") for i in range(2)]
draw_side_by_side(panels, Path("05_many_heads.png"))

# %% [markdown]
# ![The weights of two heads with random matrices](05_many_heads.png)
#
# *The two heads have different weights for the same sentence. They are untrained.*
