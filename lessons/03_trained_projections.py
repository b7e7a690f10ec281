# %% [markdown]
# # 3. Trained projections: "it" finds "ball"
#
# *Needs: lesson 2. Time: 4 s.*
#
# A word needs two vectors: a query, which says what it looks for, and a key, which says what it is.
# Both are made from its embedding x by a matrix: the query is x W_q, the key x W_k, and the value x
# W_v. This lesson trains the three matrices.

# %% [markdown]
# **The task.** English "it" is "il" or "elle" in French: "elle" if it stands for a feminine noun
# such as "ball" (*la balle*). In "cat chased ball because it rolled", the ball rolled. In "...
# because it slept", the cat slept. Living beings sleep and things roll. The model has to learn
# this, from 144 sentences; 48 other ones test it.

# %%
from itertools import product

import torch

torch.manual_seed(1)
gender = {"cat": 0, "dog": 0, "cow": 1, "goat": 1, "ball": 1, "stone": 1, "hoop": 0, "cart": 0}
living, things = ["cat", "dog", "cow", "goat"], ["ball", "stone", "hoop", "cart"]
subjects = {"slept": living, "ate": living, "ran": living}
subjects |= {"rolled": things, "broke": things, "fell": things}
sentences = []
for nouns in (*product(living, things), *product(things, living)):
    for verb, who in subjects.items():
        meant = nouns[0] if nouns[0] in who else nouns[1]
        sentences.append(([nouns[0], "chased", nouns[1], "because", "it", verb], gender[meant]))
shuffled = [sentences[i] for i in torch.randperm(len(sentences))]
tests, training = shuffled[:48], shuffled[48:]
assert (len(training), len(tests)) == (144, 48)

# %% [markdown]
# **The embeddings** have 15 numbers and are not trained. Each noun and each verb has a 1 at a place
# of its own, so nothing in them says who can roll. The first number means "noun": it is .51 in each
# noun, and 1 in "it". "it" has already read the word after it: the verb is added to its embedding.

# %%
table = {word: torch.zeros(15) for word in ["chased", "because", "it", *gender, *subjects]}
for place, word in enumerate([*gender, *subjects], 1):
    table[word][place] = 1.0
for word in (*gender, "it"):
    table[word][0] = 1.0 if word == "it" else 0.51


def embed(words):
    return torch.stack([*(table[word] for word in words[:4]), table["it"] + table[words[5]]])


example = embed(["cat", "chased", "ball", "because", "it", "rolled"])
x_train, x_test = (torch.stack([embed(words) for words, _ in part]) for part in (training, tests))
y_train, y_test = (torch.tensor([answer for _, answer in part]) for part in (training, tests))

# %% [markdown]
# **The model** is one look-up by "it" in the words before it. The values are scores of "il" and
# "elle". At first W_q and W_k are identity matrices: query and key are the embedding itself.

# %%
w_q, w_k, w_v = torch.eye(15), torch.eye(15), torch.zeros(15, 2)


def look_up(x):
    """Return the scores and weights of the words before "it", and the scores of il and elle."""
    query, keys, values = x[:, 4:] @ w_q, x[:, :4] @ w_k, x[:, :4] @ w_v
    scores = query @ keys.mT
    weights = (scores / 15**0.5).softmax(-1)
    return scores[:, 0], weights[:, 0], (weights @ values)[:, 0]


def report(when):
    scores, weights, _ = look_up(example[None])
    cat, ball = (round(scores[0, place].item(), 2) for place in (0, 2))
    right = (look_up(x_test)[2].argmax(1) == y_test).float().mean().item()
    print(f"{when}: scores of cat {cat:.2f} and ball {ball:.2f}, ", end="")
    print(f"weights {weights[0, 0]:.2f} and {weights[0, 2]:.2f}; {right:.0%} of the tests right")
    return cat, ball, weights[0], right


cat, ball, before, right = report("before training")
assert (cat, ball) == (0.51, 0.51) and before[0] == before[2] and right < 0.6

# %% [markdown]
# Before training, "it" scores "cat" and "ball" alike: .51 and .51. It asks for any noun. All values
# are 0, so the answer is always "il". Now the matrices are trained for 50 steps. The loss compares
# "il" and "elle" with the right answer. **It does not say which noun "it" means.**

# %%
optimizer = torch.optim.Adam([w.requires_grad_() for w in (w_q, w_k, w_v)], lr=0.01)
for _ in range(50):
    loss = torch.nn.functional.cross_entropy(look_up(x_train)[2], y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
w_q, w_k, w_v = (w.detach() for w in (w_q, w_k, w_v))
cat, ball, after, right = report("after training")
assert ball > cat + 10 and after[2] > 0.8 and right == 1
assert table["rolled"] @ w_q @ w_k.T @ (table["ball"] - table["cat"]) > 10

# %% [markdown]
# The score of "ball" is now higher by more than 10, and its weight is above .8. All tests are
# right. To choose the pronoun, the model had to find the noun: W_q turns the verb "rolled" into a
# query for things, and W_k turns "ball" into the key of a thing. **The toolkit** agrees.

# %%
from pathlib import Path

from seq2seq.layers.attention import attend, scaled_dot_score
from seq2seq.plots.heatmaps import Panel, draw_side_by_side

query, keys, values = example[4:] @ w_q, example[:4] @ w_k, example[:4] @ w_v
assert torch.allclose(attend(scaled_dot_score(query, keys), values, None)[1][0], after)
words, maps = ["cat", "chased", "ball", "because"], {"before": before, "after": after}
panels = [Panel(words, ["it"], w[None].numpy(), title) for title, w in maps.items()]
draw_side_by_side(panels, Path("03_trained_projections.png"))

# %% [markdown]
# ![The weights of the words before "it", before and after training](03_trained_projections.png)
