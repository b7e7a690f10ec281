# %% [markdown]
# # 12. One stack: translators like GPT and like BERT
#
# *Needs: lesson 8. Time: 8 s.*
#
# Encoder and decoder can be one stack that reads source and target as one sequence. The mask
# decides which kind of model it is. This lesson trains both kinds on the same task.

# %% [markdown]
# **The task.** The source is four digits. Each digit has two translations, a formal and an informal
# word, as "you" is "vous" or "tu". Both are correct, but all words of a target have the same form.

# %%
import torch
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(1)
MASKED, BEGIN = 20, 21  # two symbols besides 10 formal and 10 informal words


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(22, 64), nn.Embedding(8, 64)
        layers = (nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True) for _ in range(2))
        self.layers, self.output = nn.ModuleList(layers), nn.Linear(64, 20)

    def forward(self, source, target, mask):  # True where a place may look
        x = self.words(torch.cat([source, target], 1)) + self.places.weight
        for layer in self.layers:
            x = layer(x, src_mask=~mask)
        return self.output(x[:, 4:])  # scores of the words at the places of the target


# %% [markdown]
# **Like GPT** (decoder only): a target word sees the source and the words before it, and predicts
# the next one. (In GPT itself, a source word does not see later ones.) **Like BERT** (encoder
# only): every word sees every word, but some target words are replaced by a symbol and predicted.

# %%
gpt_mask, bert_mask = torch.ones(8, 8).tril().bool(), torch.ones(8, 8).bool()
gpt_mask[:4, :4] = True  # the source sees itself


def train(mask):
    model = Stack()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(200):
        source = torch.randint(10, (64, 4))
        target = source + 10 * torch.randint(2, (64, 1))  # all formal or all informal
        if mask is gpt_mask:
            asked = torch.ones(64, 4).bool()
            reads = torch.cat([torch.full((64, 1), BEGIN), target[:, :-1]], 1)
        else:
            asked = torch.rand(64, 4).argsort(1) < torch.randint(1, 5, (64, 1))  # one to four
            reads = target.masked_fill(asked, MASKED)
        loss = nn.functional.cross_entropy(model(source, reads, mask)[asked], target[asked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.requires_grad_(False).eval()


gpt, bert, source = train(gpt_mask), train(bert_mask), torch.randint(10, (500, 4))


def right(found):  # the share of targets that are all formal or all informal
    return (found[:, None] == torch.stack([source, source + 10], 1)).all(2).any(1).float().mean()


# %% [markdown]
# **GPT decodes** from left to right, in four passes. The first word decides the form, and the next
# words see it: more than 95 % are right.

# %%
found = torch.full((500, 5), BEGIN)
for place in range(4):
    found[:, place + 1] = gpt(source, found[:, :4], gpt_mask)[:, place].argmax(-1)
assert right(found[:, 1:]) > 0.95

# %% [markdown]
# **BERT decodes by mask-predict** (Ghazvininejad et al. 2019). All words are predicted at once.
# Then the least certain ones are masked and predicted again, fewer in each round. In one round no
# word knows the form of the others: less than a third is right. In four rounds more than 95 % are.
# (In the output, 5f is the formal and 5i the informal word for 5.)

# %%
for rounds in (1, 2, 4):
    words, certain, seen = torch.full((500, 4), MASKED), torch.zeros(500, 4), []
    for number in range(rounds):
        hidden = certain.argsort(stable=True).argsort(1) < 4 * (rounds - number) // rounds
        p, best = bert(source, words.masked_fill(hidden, MASKED), bert_mask).softmax(-1).max(-1)
        words, certain = torch.where(hidden, best, words), torch.where(hidden, p, certain)
        seen.append(" ".join(f"{word % 10}{'fi'[word // 10]}" for word in words[0].tolist()))
    print(f"like BERT, {rounds} passes: {right(words):4.0%} right; the first:", ", ".join(seen))
    assert right(words) < 0.33 if rounds == 1 else right(words) > (0.4 if rounds == 2 else 0.95)

# %% [markdown]
# **The toolkit**: `decoder_only` has the same mask, and `encoder_only` hides the same places.

# %%
from pathlib import Path

from seq2seq.layers.hypotheses import target_mask
from seq2seq.plots.heatmaps import Panel, draw_side_by_side
from seq2seq.search.mask_predict import lowest

theirs = target_mask(torch.ones(1, 4).bool(), beam=1, past=0, length=4)[0]
assert torch.equal(theirs, gpt_mask[4:])
places = lowest(certain, torch.ones(500, 4).bool(), torch.full((500,), 2))
assert torch.equal(places, certain.argsort(stable=True).argsort(1) < 2)
names = [f"{side}{i}" for side in "st" for i in range(1, 5)]
masks = {"like GPT (white: seen)": gpt_mask, "like BERT": bert_mask}
panels = [Panel(names, names, mask.float().numpy(), title) for title, mask in masks.items()]
draw_side_by_side(panels, Path("12_one_stack.png"))

# %% [markdown]
# ![Where each place may look: s is the source, t the target](12_one_stack.png)
