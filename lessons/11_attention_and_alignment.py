# %% [markdown]
# # 11. Is attention an alignment? Occlusion beside it
#
# *Needs: lesson 7. Time: 5 s.*
#
# An alignment says which source word a target word translates. Attention says which vectors were
# read. We train a small translator, and compare both with what happens if a word is hidden.

# %% [markdown]
# **The task**: "the black ball stays" is "la balle noire reste". The French article depends on two
# source words: on the article, and on the noun, which has a gender.

# %%
from itertools import product

import torch
from torch import nn

torch.manual_seed(2)
torch.set_num_threads(1)
articles = ["the la le", "this cette ce", "my ma mon", "a une un"]  # English, feminine, masculine
colors = ["red rouge rouge", "green verte vert", "black noire noir", "white blanche blanc"]
nouns = ["ball balle", "car voiture", "house maison", "cat chat", "dog chien", "hat chapeau"]
verbs = ["falls tombe", "stays reste", "waits attend"]
pairs = []
for article, color, noun, verb in product(articles, colors, nouns, verbs):
    a, c, n, v = (part.split() for part in (article, color, noun, verb))
    gender = 1 + (noun in nouns[3:])
    pairs.append(([a[0], c[0], n[0], v[0]], [a[gender], n[1], c[gender], v[1]]))
pairs = [pairs[i] for i in torch.randperm(len(pairs))]
words = sorted({word for pair in pairs for side in pair for word in side})
ids = torch.tensor([[[words.index(w) for w in side] for side in pair] for pair in pairs])
source, target = ids.unbind(1)

# %% [markdown]
# **The model** is an encoder in both directions and one learned query for each of the four French
# words. Attention to the four states gives the word. 200 pairs are for training, 88 for testing.


# %%
class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(words), 32)
        self.encoder = nn.GRU(32, 32, batch_first=True, bidirectional=True)
        self.query, self.output = nn.Parameter(torch.randn(4, 64)), nn.Linear(64, len(words))

    def forward(self, embedded):
        states = self.encoder(embedded)[0]
        weights = (self.query @ states.transpose(1, 2) / 8).softmax(-1)
        return self.output(weights @ states).log_softmax(-1), weights


model = Translator()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(300):
    rows = torch.randint(200, (32,))
    loss = nn.functional.nll_loss(model(model.embed(source[rows]))[0].mT, target[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.requires_grad_(False)
embedded, answers = model.embed(source[200:]), target[200:]
log_p, attention = model(embedded)
assert (log_p.argmax(-1) == answers).float().mean() > 0.98

# %% [markdown]
# **Occlusion** replaces the embedding of one source word by the mean of those of all English words.
# Its result is the log-probability that the correct French word loses. It needs no attention.

# %%
occlusion = torch.zeros(88, 4, 4)
for place in range(4):
    hidden = embedded.clone()
    hidden[:, place] = model.embed.weight[source.unique()].mean(0)
    occlusion[..., place] = (log_p - model(hidden)[0]).gather(2, answers[..., None])[..., 0]
(english, french), maps = pairs[200], {"attention": attention, "occlusion": occlusion}
for name, values in maps.items():
    print(f"{french[0]} by {name}:", *(f"{w} {x:.2f}" for w, x in zip(english, values[0, 0])))
assert attention[0, 0, 0] > 0.9 and occlusion[0, 0, 2] > occlusion[0, 0, 0] > 1

# %% [markdown]
# **They differ.** "la" gives more than .9 of its attention to "the", but loses most when "ball" is
# hidden. We replace "ball" by "hat", which is masculine: the article becomes "le". Attention reads
# states, and the state at "the" depends on the noun: the encoder has read the whole sentence.

# %%
changed = [words.index("hat") if word == "ball" else words.index(word) for word in english]
article = words[model(model.embed(torch.tensor([changed])))[0][0, 0].argmax()]
print("with 'hat' instead of 'ball':", article)
assert english == ["the", "black", "ball", "stays"] and (french[0], article) == ("la", "le")

# %% [markdown]
# **The alignment error rate** (AER) compares links with correct ones (outlined below). We link a
# French word to the source word with the largest value; then AER is the share of wrong links. That
# of attention is almost 0. That of occlusion is above .1, but it is right about the article. **The
# toolkit** has the same AER (`seq2seq score-alignment RUN --method occlusion`).

# %%
from pathlib import Path

from seq2seq.alignment.gold import Links
from seq2seq.alignment.links import Tally
from seq2seq.alignment.rule import Rule
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

gold, aer = Links(frozenset([(0, 0), (2, 1), (1, 2), (3, 3)])), {}
for name, values in maps.items():
    aer[name] = (values.argmax(-1) != torch.tensor([0, 2, 1, 3])).float().mean().item()
    table = nn.functional.pad(values, (0, 1)).numpy()  # a column for </s>
    theirs = sum((Tally.of(Rule().links(one), gold) for one in table), Tally()).aer
    print(f"AER of {name}: {aer[name]:.2f}")
    assert abs(theirs - aer[name]) < 1e-6
assert aer["attention"] < 0.02 and aer["occlusion"] > 0.1
panels = [Panel(english, french, maps[n][0].numpy(), n, gold, signed=n[0] == "o") for n in maps]
draw_side_by_side(panels, Path("11_attention_and_alignment.png"))

# %% [markdown]
# ![Attention and occlusion of one sentence](11_attention_and_alignment.png)
