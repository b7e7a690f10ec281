# %% [markdown]
# # 13. Comparing two systems without fooling yourself
#
# *Needs: nothing. Time: 5 s.*
#
# System B has one point more than system A on a test set. Is it better? This lesson invents systems
# whose true quality is known, and asks how often a comparison gives the right answer.

# %% [markdown]
# **Two systems.** The score of a sentence is its difficulty, the same for both systems, plus noise
# of each system. B is better than A by one point on average. We see the scores of 200 sentences.

# %%
import torch

torch.manual_seed(3)
SENTENCES = 200


def pair(better_by):
    difficulty = 30 + 15 * torch.randn(SENTENCES)
    a = difficulty + 5 * torch.randn(SENTENCES)
    return a, difficulty + better_by + 5 * torch.randn(SENTENCES)


a, b = pair(better_by=1.0)
print(f"A {a.mean():.1f}, B {b.mean():.1f}, difference {b.mean() - a.mean():.2f}")

# %% [markdown]
# **How far can a mean be off?** Scores of sentences differ by about 16 points, so the mean of 200
# has a standard error of about 16 / sqrt(200) = 1.1, as much as the difference that we want to
# find. But both systems translate the same sentences. What counts is the difference in each
# sentence, where the difficulty cancels: its standard error is about 0.5. So compare in pairs.

# %%
alone, paired = (x.std() / SENTENCES**0.5 for x in (a, b - a))
print(f"standard error of A: {alone:.2f}; of the difference in pairs: {paired:.2f}")
assert abs(alone - 1.1) < 0.15 and abs(paired - 0.5) < 0.1

# %% [markdown]
# **Paired bootstrap** (Koehn 2004). Draw 200 sentences with replacement, 1,000 times, and compute
# the difference each time. Centered at zero, these differences show what the choice of sentences
# can do. The p-value is the share of them that is larger than the observed difference.
# **Approximate randomization** (Riezler and Maxwell 2005). If both systems were equally good, it
# would not matter which output is whose. So swap A and B in each sentence with probability 1/2,
# many times, and count how often the difference is larger than the observed one.


# %%
def p_value(differences, observed):  # one is added, so that it is never 0
    return (int((differences > abs(observed)).sum()) + 1) / (len(differences) + 1)


def bootstrap(a, b, counts):  # how often each sentence is drawn in each resample
    gaps = (counts.to(a) @ (b - a) / SENTENCES).abs()
    return p_value(gaps - gaps.mean(), (b - a).mean())


def randomization(a, b, keep):  # False where a trial swaps a sentence
    signs = torch.where(keep, 1.0, -1.0).to(a)
    return p_value((signs @ (b - a) / SENTENCES).abs(), (b - a).mean())


draws = torch.randint(SENTENCES, (1000, SENTENCES))
counts = torch.zeros(1000, SENTENCES).scatter_add_(1, draws, torch.ones(1000, SENTENCES))
keep = torch.rand(1000, SENTENCES) < 0.5
by_draws, by_swaps = bootstrap(a, b, counts), randomization(a, b, keep)
print(f"bootstrap p = {by_draws:.3f}, randomization p = {by_swaps:.3f}")
assert by_draws < 0.05 and by_swaps < 0.05

# %% [markdown]
# **What p < .05 means.** We invent 400 pairs of equally good systems. A test at .05 should call
# about 5 % of them different, by mistake. And of 400 pairs with a true difference of 1 point it
# finds about half: a test set of 200 sentences is small.

# %%
found = {}
for points in (0.0, 0.5, 1.0, 1.5, 2.0):
    found[points] = sum(randomization(*pair(points), keep) < 0.05 for _ in range(400)) / 400
    print(f"true difference {points}: p < .05 for {found[points]:4.0%} of the pairs")
assert 0.02 < found[0.0] < 0.09 and 0.35 < found[1.0] < 0.65 and found[2.0] > 0.9

# %% [markdown]
# **Three ways to fool yourself.** First, many tests: with 20 independent tests of equal systems, at
# least one has p < .05 in 64 % of the cases. Holm's correction multiplies the smallest of n
# p-values by n, the next by n - 1, and so on. Second, the best seed: the best of 5 trainings is
# better than their mean by 1.16 standard deviations. Report mean and deviation of all. Third,
# different settings: with three tokenizers, the sentence below has 65.8, 50.0 and 83.9 BLEU. The
# signature of a score names them. Compare scores with the same signature only.

# %%
best = torch.randn(100_000, 5).max(1).values.mean()
print(f"20 tests: {1 - 0.95**20:.0%}; best of 5 seeds: {best:.2f} standard deviations")
assert round(1 - 0.95**20, 2) == 0.64 and abs(best - 1.16) < 0.02

# %% [markdown]
# **The toolkit** draws its own samples, as sacreBLEU does. With the same draws, our functions give
# the same p-values. `seq2seq compare RUN RUN` does this for BLEU, chrF and TER.

# %%
from pathlib import Path

from seq2seq.compare.significance import Resampling, holm
from seq2seq.plots.curves import curves
from seq2seq.scoring.metrics import Statistics, bleu

a, b, theirs = a.double(), b.double(), Resampling(SENTENCES)
systems = [Statistics(x[:, None].numpy(), lambda s: s[..., 0] / SENTENCES, "") for x in (a, b)]
assert abs(theirs.bootstrap(systems)[0, 1] - bootstrap(a, b, torch.tensor(theirs.counts))) < 0.002
assert theirs.randomised(systems)[0, 1] == randomization(a, b, torch.tensor(theirs.coins))
assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]  # x 3, x 1 but not below .06, x 2
one, two = ["The cat sleeps, and the dog does not."], ["The cat sleeps, but the dog does not."]
scores = [round(bleu(one, two, language="en", tokenizer=t), 1) for t in ("13a", "none", "char")]
assert scores == [65.8, 50.0, 83.9]
shares = {"200 sentences": {str(points): 100 * share for points, share in found.items()}}
curves(shares, Path("13_comparing_systems.png"), x="true difference", y="pairs with p < .05, %")

# %% [markdown]
# ![Share of pairs that are called different, by their true difference](13_comparing_systems.png)
