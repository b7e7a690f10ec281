# %% [markdown]
# # 6. Why attention: the plain RNN by length
#
# *Needs: nothing. Time: 8 s.*
#
# Before attention, a recurrent network read the source word by word into one vector, and a second
# network wrote the target from this vector. This lesson trains such a pair on the simplest task, to
# repeat what it has read, and measures what happens when sentences get longer.

# %%
import torch
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(1)  # the matrices are too small for more
embedding = nn.Embedding(11, 16)  # ten digits, and the symbol that begins the target
encoder, decoder = (nn.GRU(16, 64, batch_first=True) for _ in range(2))
output = nn.Linear(64, 10)
parts = nn.ModuleList([embedding, encoder, decoder, output])


def predict(digits):
    """Return the scores of the ten digits at each place, given the correct digits before it."""
    summary = encoder(embedding(digits))[1]  # the last state: 64 numbers, whatever the length
    begin = torch.full((len(digits), 1), 10)
    reads = torch.cat([begin, digits[:, :-1]], dim=1)
    return output(decoder(embedding(reads), summary)[0])


# %% [markdown]
# **Training.** Each step draws 64 rows of random digits, all of one length from 1 to 10.

# %%
optimizer = torch.optim.Adam(parts.parameters(), lr=0.005)
for _ in range(1000):
    digits = torch.randint(10, (64, int(torch.randint(1, 11, ()))))
    loss = nn.functional.cross_entropy(predict(digits).transpose(1, 2), digits)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# **The result.** Up to four digits, at least 97 % are right. At ten digits less than 90 % are,
# although the network was trained on rows of ten. At 16 digits it is hardly more than half. All
# that the decoder knows of the source is 64 numbers: more digits have to share the same place.

# %%
right = {}
with torch.no_grad():
    for length in (2, 4, 6, 8, 10, 12, 14, 16):
        digits = torch.randint(10, (500, length))
        right[length] = (predict(digits).argmax(-1) == digits).float().mean().item()
        print(f"{length:2} digits: {right[length]:4.0%} right")
assert min(right[2], right[4]) > 0.97 and right[10] < 0.9 and right[16] < 0.65
assert right[4] > right[8] > right[12] > right[16]

# %% [markdown]
# **Why it is hard to learn** (Hochreiter 1991; Bengio, Simard and Frasconi 1994). To reach the
# first word, a gradient has to pass through all steps after it. Each step multiplies it by a
# matrix. If a step makes it half as large, 20 steps make it a million times smaller: it vanishes.
# If a step makes it larger by half, 20 steps make it more than 3,000 times larger: it explodes.

# %%
print(f"0.5 to the power of 20: {0.5**20:.7f}, 1.5 to the power of 20: {1.5**20:.0f}")
assert 0.5**20 < 1e-6 and 1.5**20 > 3000

# %% [markdown]
# **Measured.** A simple recurrent network (Elman 1990), untrained, with tanh, reads 21 random
# words. For each word we print the norm of the gradient of the sum of the last state.

# %%
network = nn.RNN(16, 64, batch_first=True)
words = torch.randn(1, 21, 16, requires_grad=True)
states, last = network(words)
(gradient,) = torch.autograd.grad(last.sum(), words, retain_graph=True)
norms = gradient[0].norm(dim=-1).flip(0)  # the last word first
for distance in (0, 5, 10, 20):
    print(f"{distance:2} steps before the end: {norms[distance]:.7f}")
factor = (norms[20] / norms[0]) ** (1 / 20)
print(f"each step multiplies it by about {factor:.2f}")
assert 0.4 < factor < 0.75 and norms[20] < norms[0] / 1000

# %% [markdown]
# **What attention changes.** Now the last state is a query, and it attends to the states of all
# words. From the result a gradient reaches each state directly, in one step. At a distance of 20 it
# is now more than 100 times larger.

# %%
weights = (last[0] @ states[0].T / 64**0.5).softmax(-1)
(direct,) = torch.autograd.grad((weights @ states[0]).sum(), words)
with_attention = direct[0].norm(dim=-1).flip(0)
print(f"20 steps before the end: {norms[20]:.7f} without, {with_attention[20]:.7f} with attention")
assert with_attention[20] > 100 * norms[20]

# %% [markdown]
# Gates help, too: the GRU above can let a state pass through nearly unchanged. But its decoder
# still gets one vector. Lesson 7 gives it all states. **The toolkit** has the same gradients with
# the same weights; `seq2seq plot gradients RUN... --test test` measures them in trained models.

# %%
from pathlib import Path

from seq2seq.layers.recurrent import Recurrence
from seq2seq.plots.curves import curves, gradients

theirs = Recurrence("tanh", 16, 64, layers=1, dropout=0.0)
theirs.network.load_state_dict(network.state_dict())
summary = theirs.read(words, torch.ones(1, 21, dtype=torch.bool))[1]
assert torch.allclose(torch.autograd.grad(summary.sum(), words)[0], gradient, atol=1e-6)
percent = {"GRU without attention": {str(n): 100 * share for n, share in right.items()}}
curves(percent, Path("06_length.png"), x="digits", y="right digits, %")
lines = {"tanh RNN": norms, "with attention": with_attention}
points = {name: dict(enumerate(line.tolist())) for name, line in lines.items()}
gradients({"untrained": points}, Path("06_gradients.png"))

# %% [markdown]
# ![Share of right digits by length](06_length.png)
#
# ![Norm of the gradient by distance](06_gradients.png)
