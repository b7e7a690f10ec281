# %% [markdown]
# # 8. The Transformer is `attend` three times
#
# *Needs: lessons 4 and 5. Time: 3 s.*
#
# The Transformer (Vaswani et al. 2017) has no recurrent network. One function is called in three
# places: the source attends to the source, the target to the target, and the target to the source.
# This lesson writes a whole Transformer with one layer on each side and random weights.

# %%
import torch
import torch.nn.functional as F

torch.manual_seed(1)
DIM, HEADS, VOCABULARY = 16, 2, 12
weights = {"embedding": torch.randn(VOCABULARY, DIM) / DIM**0.5}


def matrix(name, rows=DIM, columns=DIM):  # drawn when it is first used
    return weights.setdefault(name, torch.randn(rows, columns) / rows**0.5)


# %% [markdown]
# **The one function** is that of lesson 5. The queries come from x and the keys and values from y.
# If y is x, it is self-attention; if y is another sentence, it is cross-attention. Only the names
# of the four matrices, the rows y and the mask change. We count the calls.

# %%
maps = []


def attend(name, x, y, mask=None):
    q = (x @ matrix(f"{name}.query")).view(len(x), HEADS, -1).transpose(0, 1)
    k = (y @ matrix(f"{name}.key")).view(len(y), HEADS, -1).transpose(0, 1)
    v = (y @ matrix(f"{name}.value")).view(len(y), HEADS, -1).transpose(0, 1)
    scores = q @ k.transpose(1, 2) / (DIM / HEADS) ** 0.5
    scores = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
    maps.append(scores.softmax(-1))
    return (maps[-1] @ v).transpose(0, 1).flatten(1) @ matrix(f"{name}.out")


# %% [markdown]
# **Around each call** are a normalization before it (mean 0 and variance 1 of each row; the paper
# has it after the sum) and a sum after it: what the call returns is added to what came in (the
# residual connection). A feed-forward network follows, which treats each word by itself.


# %%
def norm(x):
    return F.layer_norm(x, (DIM,))


def feed_forward(name, x):
    return x + (norm(x) @ matrix(f"{name}.0", DIM, 32)).relu() @ matrix(f"{name}.3", 32, DIM)


# %% [markdown]
# **Words and places.** Attention does not know the order of words (lesson 2). So sines and cosines
# are added to each embedding: a fast wave in the first two numbers, slower ones in the next.


# %%
def embed(ids):
    place = torch.arange(len(ids))[:, None] / 10_000 ** (torch.arange(0, DIM, 2) / DIM)
    waves = torch.stack([place.sin(), place.cos()], dim=-1).flatten(1)
    return weights["embedding"][ids] * DIM**0.5 + waves


# %% [markdown]
# **The whole model.** The encoder is one call of `attend`, the decoder two. The target attends to
# itself under the causal mask of lesson 4, then to the source without a mask. The scores of the
# next word are dot products with the embeddings.


# %%
def transformer(source, target):
    """Return the scores of all words after each word of the target."""
    x = embed(source)
    x = x + attend("encoder.0.attention", norm(x), norm(x))
    memory = norm(feed_forward("encoder.0.feed_forward", x))

    y = embed(target)
    causal = torch.ones(len(target), len(target), dtype=torch.bool).tril()
    y = y + attend("decoder.0.to_target", norm(y), norm(y), causal)
    y = y + attend("decoder.0.to_source", norm(y), memory)
    return norm(feed_forward("decoder.0.feed_forward", y)) @ weights["embedding"].T


source, target = torch.tensor([4, 7, 5, 9, 3]), torch.tensor([2, 8, 6, 10])
scores = transformer(source, target)
print(len(maps), "maps [heads, queries, keys]:", *(tuple(one.shape) for one in maps))
assert len(maps) == 3 and scores.shape == (4, VOCABULARY)
assert [tuple(one.shape) for one in maps] == [(2, 5, 5), (2, 4, 4), (2, 4, 5)]

# %% [markdown]
# **The toolkit**: `model=transformer` with these weights computes the same scores.

# %%
from pathlib import Path

from seq2seq.models.transformer import Transformer
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

sizes = {"dim": DIM, "heads": HEADS, "feed_forward": 32, "encoder_layers": 1, "decoder_layers": 1}
sizes |= {"source_vocab": VOCABULARY, "target_vocab": VOCABULARY, "shared_vocab": True}
model = Transformer(**sizes, norm="pre", bias=False, dropout=0.0, attention_dropout=0.0)
embedding = weights.pop("embedding")
stored = {f"{name}.weight": w.T for name, w in weights.items()}
stored |= {"source.weight": embedding, "target.weight": embedding}
model.load_state_dict(stored, strict=False)  # the norms keep their weights, 1
memory = model.encode(source[None], torch.ones(1, 5, dtype=torch.bool))
assert torch.allclose(model.decode(target[None], memory).logits[0], scores, atol=1e-4)
s, t = ["the", "red", "cat", "sleeps", "."], ["<s>", "le", "chat", "rouge"]
sides = [(s, s, "source"), (t, t, "target"), (s, t, "cross")]
panels = [Panel(x, y, one[0].numpy(), title) for (x, y, title), one in zip(sides, maps)]
draw_side_by_side(panels, Path("08_transformer.png"))

# %% [markdown]
# ![The three maps of the first head, with random weights](08_transformer.png)
