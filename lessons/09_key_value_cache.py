# %% [markdown]
# # 9. The key/value cache, counted
#
# *Needs: lessons 4 and 5. Time: 2 s.*
#
# A decoder writes one word at a time, and each new word attends to itself and all words before it.
# Their keys and values do not change, so they can be kept. This lesson counts what that saves and
# what it costs.

# %%
import torch

torch.manual_seed(1)
DIM = 64
w_q, w_k, w_v = (torch.randn(DIM, DIM) / DIM**0.5 for _ in range(3))
words = torch.randn(50, DIM)  # the 50 words of a target, as vectors
projected = 0


def project(rows, w):
    """Return the rows times a matrix; count the rows."""
    global projected
    projected += len(rows)
    return rows @ w


def look_up(query, keys, values):
    """Return the context of one query."""
    return (query @ keys.T / DIM**0.5).softmax(-1) @ values


# %% [markdown]
# **Without a cache**, step t projects all t words again to keys and values. Over 50 steps these are
# 1 + 2 + ... + 50 = 1,275 words for the keys, as many for the values, and 50 for the queries: 2,600
# products of a vector with a matrix.

# %%
without = []
for t in range(1, 51):
    keys, values = project(words[:t], w_k), project(words[:t], w_v)
    without.append(look_up(project(words[t - 1 : t], w_q), keys, values))
print(f"without a cache: {projected:,} products")
assert sum(range(1, 51)) == 1275 and projected == 2 * 1275 + 50 == 2600

# %% [markdown]
# **With a cache**, step t projects the new word alone and appends its key and its value. These are
# 3 products in each step, 150 in all. The contexts are the same.

# %%
projected = 0
with_cache, keys, values = [], torch.empty(0, DIM), torch.empty(0, DIM)
for t in range(50):
    new = words[t : t + 1]
    keys = torch.cat([keys, project(new, w_k)])
    values = torch.cat([values, project(new, w_v)])
    with_cache.append(look_up(project(new, w_q), keys, values))
print(f"with a cache: {projected:,} products")
assert projected == 3 * 50 == 150
assert torch.allclose(torch.cat(without), torch.cat(with_cache), atol=1e-5)

# %% [markdown]
# **Why only keys and values?** A query is used once, in the step of its own word. Later steps ask
# with their own queries. And why may keys and values be kept at all? Because of the causal mask: a
# word never attends to later words, so nothing that comes later changes its key or value. An
# encoder has no such mask, and no cache of this kind.
#
# **What it costs** is memory. One word adds one key and one value of 64 numbers. With 4 bytes for a
# number, 50 words need 2 x 50 x 64 x 4 = 25,600 bytes in one layer.

# %%
measured = keys.nbytes + values.nbytes
print(f"measured: {measured:,} bytes; formula: {2 * 50 * DIM * 4:,}")
assert measured == 2 * 50 * DIM * 4 == 25_600

# %% [markdown]
# **A larger model.** The formula is 2 x words x width x layers x bytes. Beam search extends several
# translations of a sentence at the same time. With a beam of 5, these are five rows, each with a
# cache. For 1,000 words, width 1,024, 24 layers and 2 bytes a number, that is 98 million bytes for
# each row and 492 million for the beam. Lesson 10 makes it smaller.

# %%
row = 2 * 1000 * 1024 * 24 * 2
print(f"{row / 1e6:.0f} million bytes for a row, {5 * row / 1e6:.0f} million for a beam of 5")
assert round(row / 1e6) == 98 and round(5 * row / 1e6) == 492

# %% [markdown]
# **The source** is cached, too. Its keys and values for cross-attention are computed once for each
# sentence, and all rows of the beam share them.
#
# **The toolkit**: `remember` computes the keys and values of new words, and `grow` appends them to
# a cache. Its size is what we counted, and its contexts are the same. `seq2seq bench --caches`
# measures the caches of whole models.

# %%
from pathlib import Path

from seq2seq.layers.cache import grow, nbytes
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.plots.curves import validation_curves

layer = MultiHeadAttention(DIM, heads=1, dropout=0.0, bias=False)
parts = {"query": w_q, "key": w_k, "value": w_v, "out": torch.eye(DIM)}
layer.load_state_dict({f"{name}.weight": w.T for name, w in parts.items()})
cache = None
with torch.no_grad():
    for t in range(50):
        new = words[None, t : t + 1]
        cache = grow(cache, layer.remember(new))
        assert torch.allclose(layer(new, cache, None).context[0], with_cache[t], atol=1e-4)
assert nbytes(cache) == 25_600
steps = [float(t) for t in range(1, 51)]
counts = [[t * (t + 1) + t for t in steps], [3 * t for t in steps]]
names = ["without a cache", "with a cache"]
lines = [(name, steps, count) for name, count in zip(names, counts)]
validation_curves(lines, Path("09_key_value_cache.png"), x="words", y="products so far")

# %% [markdown]
# ![Products of a vector with a matrix, by the number of words](09_key_value_cache.png)
