# %% [markdown]
# # 7. Additive attention, and Figure 3
#
# *Needs: lessons 1 and 6. Time: 6 s.*
#
# Bahdanau, Cho and Bengio (2014) gave the decoder all states of the encoder. For each word, it
# takes a weighted sum of them. Figure 3 of the paper shows the weights: a row for each French word,
# a column for each English word. We train such a model and draw the same figure for it.

# %% [markdown]
# **The task.** English to French. A French adjective follows its noun, and the gender of the noun
# decides both article and adjective: "the red ball" is "la balle rouge", "the black hat" is "le
# chapeau noir". Each sentence has six words, and one of its two nouns has an adjective.

# %%
from itertools import product

import torch
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(1)
nouns = {"ball": "balle", "car": "voiture", "house": "maison"}  # feminine
nouns |= {"cat": "chat", "dog": "chien", "hat": "chapeau"}  # masculine
colors = {"red": ("rouge", "rouge"), "green": ("verte", "vert"), "black": ("noire", "noir")}
verbs = {"sees": "voit", "hides": "cache", "likes": "aime"}


def phrase(noun, color):  # in both languages
    masculine = list(nouns).index(noun) >= 3
    adjective = f" {colors[color][masculine]}" if color else ""
    return f"the {color} {noun}", f"{('la', 'le')[masculine]} {nouns[noun]}{adjective}"


pairs = []
for one, other, color, verb in product(nouns, nouns, colors, verbs):
    for a, b in ((phrase(one, color), phrase(other, "")), (phrase(one, ""), phrase(other, color))):
        english, french = f"{a[0]} {verb} {b[0]}", f"{a[1]} {verbs[verb]} {b[1]}"
        pairs.append((english.split(), french.split()))
pairs = [pairs[i] for i in torch.randperm(len(pairs))]
vocabulary = ["<s>", *sorted({word for pair in pairs for side in pair for word in side})]
ids = [[[vocabulary.index(word) for word in side] for side in pair] for pair in pairs]
source, target = torch.tensor(ids).unbind(1)
print("the last of", len(pairs), "pairs:", *pairs[-1][0], "->", *pairs[-1][1])


# %% [markdown]
# **The score.** Lesson 1 compared query and key by a dot product. Here a small network compares
# them: score = v . tanh(W query + U key), where W, U and v are learned. It is called additive,
# because the two projections are added. The query is the decoder's state before the word, and the
# keys and values are the states of the encoder, which reads in both directions.


# %%
class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(vocabulary), 32)
        self.encoder = nn.GRU(32, 32, batch_first=True, bidirectional=True)
        self.w, self.u, self.v = (nn.Linear(*s, bias=False) for s in ((32, 32), (64, 32), (32, 1)))
        self.cell, self.output = nn.GRUCell(32 + 64, 32), nn.Linear(32 + 64, len(vocabulary))

    def forward(self, source, target=None):
        states = self.encoder(self.embed(source))[0]
        keys, state, word = self.u(states), torch.zeros(len(source), 32), 0 * source[:, 0]
        scores, attention = [], []
        for i in range(6):
            energy = self.v((self.w(state)[:, None] + keys).tanh()).squeeze(-1)
            attention.append(energy.softmax(-1))
            context = (attention[-1][:, None] @ states)[:, 0]
            state = self.cell(torch.cat([self.embed(word), context], 1), state)
            scores.append(self.output(torch.cat([state, context], 1)))
            word = scores[-1].argmax(1) if target is None else target[:, i]
        return torch.stack(scores, 1), torch.stack(attention, 1)


# %% [markdown]
# **Training** needs only the pairs: nothing says where to attend. The decoder reads the correct
# words in training, its own in the test of 100 pairs: more than 95 % of the sentences are right.

# %%
model = Translator()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(300):
    rows = torch.randint(548, (32,))
    loss = nn.functional.cross_entropy(model(source[rows], target[rows])[0].mT, target[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
scores, attention = model.requires_grad_(False)(source[-100:])
exact = (scores.argmax(-1) == target[-100:]).all(1).float().mean()
assert exact > 0.95, f"{exact:.0%}"

# %% [markdown]
# **Figure 3.** We take the first test sentence whose first noun has an adjective. French word 2,
# the noun, attends to English word 3, and word 3, the adjective, to word 2, each with more than .8
# of the weight: off the diagonal, as in the paper. The article attends to the noun more than to
# "the": it needs the gender. Outlined: correct links. **The toolkit** has the same first row.

# %%
from pathlib import Path

from seq2seq.alignment.gold import Links
from seq2seq.layers.attention import AdditiveScore, attend
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

row = next(i for i in range(548, 648) if pairs[i][0][1] in colors)
weights, (english, french) = attention[row - 548], pairs[row]
assert min(weights[1, 2], weights[2, 1]) > 0.8 and weights[0, 2] > weights[0, 0]
score, states = AdditiveScore(32, 64, 32), model.encoder(model.embed(source[row][None]))[0]
score.query, score.key, score.energy = model.w, model.u, model.v
theirs = attend(score(torch.zeros(1, 1, 32), score.project(states)), states, None)[1]
assert torch.allclose(theirs[0, 0], weights[0], atol=1e-5)
gold = Links(frozenset(enumerate([0, 2, 1, 3, 4, 5])))
panel = Panel(english, french, weights.numpy(), gold=gold)
draw_side_by_side([panel], Path("07_additive_attention.png"))

# %% [markdown]
# ![Attention after training; the correct alignment is outlined](07_additive_attention.png)
