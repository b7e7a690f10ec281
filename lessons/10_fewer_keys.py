# %% [markdown]
# # 10. Fewer keys: multi-query, grouped, latent
#
# *Needs: lesson 9. Time: 2 s.*
#
# The cache of lesson 9 holds a key and a value of each head for each word. This lesson keeps less.

# %%
import torch

torch.manual_seed(1)
DIM, HEADS, WORDS = 64, 8, 20
WIDTH = DIM // HEADS  # of a head: 8
x = torch.randn(WORDS, DIM)


def matrix(rows, columns):
    return torch.randn(rows, columns) / rows**0.5


def attend(query, keys, values):  # all have the shape [heads, words, width]
    return (query @ keys.transpose(1, 2) / query.size(2) ** 0.5).softmax(-1) @ values


def split(rows):  # [words, heads * 8] becomes [heads, words, 8]
    return rows.view(WORDS, -1, WIDTH).transpose(0, 1)


# %% [markdown]
# **Multi-head** attention (Vaswani et al. 2017) has 8 heads with 8 numbers each: 64 for the keys of
# a word and 64 for its values, so 128 in the cache.
#
# **Multi-query** attention (Shazeer 2019) keeps 8 query heads, but they share one key and one
# value: 16 numbers. **Grouped-query** attention (Ainslie et al. 2023) is between: here 2 groups of
# 4 query heads, and each group shares a key and a value: 32 numbers.

# %%
w_q = matrix(DIM, DIM)
cached = {}
for groups in (8, 2, 1):
    w_k, w_v = matrix(DIM, groups * WIDTH), matrix(DIM, groups * WIDTH)
    keys, values = split(x @ w_k), split(x @ w_v)  # [groups, words, 8]: this is cached
    cached[groups] = (keys.numel() + values.numel()) // WORDS
    shared = (part.repeat_interleave(HEADS // groups, dim=0) for part in (keys, values))
    contexts = attend(split(x @ w_q), *shared)
    print(
        f"{groups} key heads: {cached[groups]:3} numbers a word, contexts {tuple(contexts.shape)}"
    )
    assert contexts.shape == (HEADS, WORDS, WIDTH)
assert cached == {8: 128, 2: 32, 1: 16}

# %% [markdown]
# **Latent** attention (DeepSeek-V2, 2024; here without rotary positions) keeps one small vector c
# for each word, here of 24 numbers, and computes the keys and values of all heads from it: k = c K
# and v = c V. The heads differ, as in multi-head attention, but the cache holds c alone.

# %%
w_down, up_k, up_v = matrix(DIM, 24), matrix(24, DIM), matrix(24, DIM)
c = x @ w_down  # the cache
query = split(x @ w_q)
plain = attend(query, split(c @ up_k), split(c @ up_v))
print(f"latent: {c.numel() // WORDS} numbers a word")
assert c.numel() // WORDS == 24

# %% [markdown]
# **Absorbed.** This seems to cost time: in each step all cached words are projected up again. But
# the order of two products can be changed. The score is q . (c K) = (q K^T) . c, so the one new
# query is multiplied by K^T instead of all c by K. And the weighted sum of all c V is the weighted
# sum of c, multiplied by V once. Keys and values are never computed, and the contexts are the same.

# %%
k_heads, v_heads = (up.view(24, HEADS, WIDTH).transpose(0, 1) for up in (up_k, up_v))
absorbed_query = query @ k_heads.transpose(1, 2)  # [heads, words, 24]
weights = (absorbed_query @ c.T / WIDTH**0.5).softmax(-1)
absorbed = (weights @ c) @ v_heads
print("absorbed equals plain:", torch.allclose(absorbed, plain, atol=1e-5))
assert torch.allclose(absorbed, plain, atol=1e-5)

# %% [markdown]
# **For one query** and 20 cached words we count multiplications. The plain form projects 20 words
# to keys and values; the absorbed form projects one query and one context. In exchange its products
# with the cache are wider, 24 numbers instead of 8. Together: 64,000 against 10,752.

# %%
plain_cost = 2 * WORDS * 24 * DIM + 2 * HEADS * WORDS * WIDTH
absorbed_cost = 2 * HEADS * WIDTH * 24 + 2 * HEADS * WORDS * 24
print(f"multiplications: {plain_cost:,} plain, {absorbed_cost:,} absorbed")
assert (plain_cost, absorbed_cost) == (64_000, 10_752)

# %% [markdown]
# **Cross-attention is latent already.** In all decoder layers, the keys and values of the source
# are projections of one matrix, the output of the encoder. So the decoder may keep that one
# instead, for all layers together (`model.cross_attention_cache=source`). **The toolkit** has the
# same layers: the caches are as wide, and the absorbed form is equal.

# %%
from pathlib import Path

from seq2seq.layers.latent import LatentAttention
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.plots.curves import curves

layers = {groups: MultiHeadAttention(DIM, HEADS, 0.0, key_value_heads=groups) for groups in cached}
assert {groups: layer.cache_width for groups, layer in layers.items()} == cached
latent = LatentAttention(DIM, HEADS, 0.0, latent_dim=24)
parts = {"query": w_q, "latent": w_down, "key": up_k, "value": up_v, "out": torch.eye(DIM)}
latent.load_state_dict({f"{name}.weight": w.T for name, w in parts.items()}, strict=False)
with torch.no_grad():
    latent.latent_norm = torch.nn.Identity()  # it normalizes c first; we did not
    cache = latent.remember(x[None])
    for form in (False, True):
        theirs = latent(x[None], cache, None, absorbed=form).context[0]
        assert torch.allclose(theirs, plain.transpose(0, 1).flatten(1), atol=1e-4)
sizes = {"multi-head": 128, "grouped (2)": 32, "latent": 24, "multi-query": 16}
widths = {name: {str(n): float(n * size) for n in (20, 40, 60, 80)} for name, size in sizes.items()}
curves(widths, Path("10_fewer_keys.png"), x="words", y="cached numbers, one layer", top=None)

# %% [markdown]
# ![Cached numbers by the number of words](10_fewer_keys.png)
