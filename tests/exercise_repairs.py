"""Right and wrong repairs of each exercise, as replacements of text in its file."""

# Other ways of writing a right answer: number of the exercise -> replaced text -> by what
RIGHT: dict[int, dict[str, list[str]]] = {
    1: {
        "torch.softmax(scores, dim=0)": [
            "scores.softmax(1)",
            "(scores.exp().T / scores.exp().sum(1)).T",
            "torch.stack([row.softmax(0) for row in scores])",
        ]
    },
    2: {
        "scores = query @ keys.T": [
            "scores = torch.einsum('qd,kd->qk', query, keys) * query.size(1) ** -0.5",
            "scores = (query / query.size(1) ** 0.25) @ (keys / query.size(1) ** 0.25).T",
        ]
    },
    3: {
        "scores = scores.masked_fill(~mask, 0.0)": [
            "scores = scores.masked_fill(~mask, -1e9)",
            "scores = torch.where(mask, scores, torch.tensor(float('-inf')))",
            "scores = scores + mask.float().log()",
        ],
        "weights = torch.softmax(scores, dim=-1)": [
            "e = scores.exp() * mask; weights = e / e.sum(-1, keepdim=True)",
        ],
    },
    4: {"x @ w_query, x, x @ w_value": ["(x @ w for w in (w_query, w_key, w_value))"]},
    5: {
        "torch.ones(words, words, dtype=torch.bool).tril(diagonal=1)": [
            "torch.arange(words) <= torch.arange(words).unsqueeze(1)",
            "~torch.ones(words, words, dtype=torch.bool).triu(1)",
        ],
        'scores = scores.masked_fill(~visible(len(x)), float("-inf"))': [
            "scores = scores + torch.full_like(scores, -1e9).triu(1)"
        ],
    },
    6: {
        "x.reshape(batch, heads, words, dim // heads)": [
            "torch.stack(x.chunk(heads, dim=-1), dim=1)",
            "x.unflatten(-1, (heads, -1)).permute(0, 2, 1, 3)",
        ]
    },
    7: {
        "return x.flip(1)": [
            "return torch.stack([torch.cat([row[:n].flip(0), row[n:]])"
            " for row, n in zip(x, lengths.tolist(), strict=True)])",
        ]
    },
    8: {
        "~real.unsqueeze(2)": [
            "~real[:, None]",
            "~(real.unsqueeze(1) & real.unsqueeze(2))",
            "~real.unsqueeze(1).expand_as(scores)",
        ]
    },
    9: {
        "return pad(inputs), pad(labels)": [
            "y = pad(labels); return torch.cat([torch.full_like(y[:, :1], BOS), y[:, :-1]], 1), y"
        ],
        "inputs = [[*sentence, EOS]": ["inputs = [[BOS] + sentence"],
    },
    10: {
        "return losses.mean()": [
            "return losses[labels != PAD].mean()",
            "import torch.nn.functional as F; "
            "return F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=PAD)",
            "return (losses.sum() / (labels != PAD).sum()).item()",
        ]
    },
    11: {
        "positions(0, 1, dim)": [
            "positions(len(contexts), 1, dim)",
            "positions(0, 99, dim)[len(keys)]",
        ]
    },
    12: {
        "        totals, best =": ["        old = state; totals, best ="],
    },
    13: {
        "keys.repeat(shared, 1, 1), values.repeat(shared, 1, 1)": [
            "keys.repeat_interleave(shared, 0), values.repeat_interleave(shared, 0)",
            "[x[torch.arange(len(query)) // shared] for x in (keys, values)]",
        ]
    },
    14: {
        "for t, word in enumerate(inputs):": [
            "for t, word in enumerate(inputs):\n        weights_before = weights[t - 1]"
        ],
    },
    15: {
        "F.dropout(hidden, p=self.rate)": [
            "nn.Dropout(self.rate).train(self.training)(hidden)",
            "F.dropout(hidden, self.rate) if self.training else hidden",
        ]
    },
    16: {
        "finished.append((words, total + row[END]))": [
            "finished.append((words, (total + row[END]) / (length + 1)))"
        ],
        "key=lambda hypothesis: hypothesis[1])": ["key=lambda h: h[1] / len([*h[0], END]))"],
    },
    17: {
        "[output.lower() for output in outputs]": ["list(map(detokenize, outputs))"],
    },
    18: {"max(scores)": ["sum(scores) / len(scores)", "statistics.fmean(scores)"]},
}
# Repairs that must be made together with those above
TOGETHER = {
    12: [("parents, words =", "state = old[best // log_p.size(1)]; parents, words =")],
    14: [("weights[t, :-1]", "weights_before[:-1]")],
    17: [("[tokenize(reference).lower() for reference in references]", "references")],
}
# Wrong repairs
WRONG: dict[int, dict[str, list[str]]] = {
    1: {
        "torch.softmax(scores, dim=0)": [
            "scores.softmax(0) / scores.softmax(0).sum(1, keepdim=True)",
            "torch.sigmoid(scores)",
            "torch.softmax(scores.flatten(), dim=0).view_as(scores)",
            "torch.softmax(-scores, dim=1)",
            "torch.ones_like(scores) / scores.size(1)",
        ]
    },
    2: {
        "scores = query @ keys.T": [
            "scores = query @ keys.T / query.size(-1)",
            "scores = query @ keys.T / 8",
            "scores = query @ keys.T / len(keys) ** 0.5",
            "scores = (query @ keys.T) / (query @ keys.T).norm()",
        ],
        "weights = torch.softmax(scores, dim=-1)": [
            "weights = torch.softmax(scores, dim=-1) / query.size(-1) ** 0.5"
        ],
    },
    3: {
        "masked_fill(~mask, 0.0)": [
            "masked_fill(~mask, -1.0)",
            "masked_fill(~mask, -8.0)",
            "masked_fill(~mask, -20.0)",
            "masked_fill(mask, float('-inf'))",
            "masked_fill(~mask, float('nan'))",
        ],
        "weights = torch.softmax(scores, dim=-1)": ["weights = torch.softmax(scores, -1) * mask"],
        "return weights @ values, weights": ["return weights @ values, weights * mask"],
    },
    4: {
        "x @ w_query, x, x @ w_value": [
            "x @ w_query, x @ w_value, x @ w_value",
            "x @ w_query, x @ w_query, x @ w_value",
            "x @ w_query, x @ w_key.T, x @ w_value",
            "x @ w_query, x @ w_key, x @ w_key",
            "x @ w_query, x @ w_key, x",
        ]
    },
    5: {
        "tril(diagonal=1)": ["tril(diagonal=-1)", "tril(diagonal=2)", "triu()", "logical_not()"],
        'scores.masked_fill(~visible(len(x)), float("-inf"))': [
            "scores",
            "scores.masked_fill(~visible(len(x)).tril(), 0.0)",
        ],
    },
    6: {
        "x.reshape(batch, heads, words, dim // heads)": [
            "x.reshape(batch, words, dim // heads, heads).permute(0, 3, 1, 2)",
            "x.transpose(1, 2).reshape(batch, heads, words, dim // heads)",
            "x.reshape(batch, words, heads, dim // heads)",
        ],
        "parts.transpose(1, 2).flatten(2)": [
            "parts.reshape(parts.size(0), parts.size(2), -1)",
        ],
    },
    7: {
        "return x.flip(1)": ["return x", "return x.flip(0)", "return x.roll(1, 1)"],
        "backward = flip": [
            "x = x * (torch.arange(x.size(1)) < lengths[:, None])[..., None]; backward = flip"
        ],
    },
    8: {
        "~real.unsqueeze(2), HIDDEN": [
            "~real.unsqueeze(2), float('-inf')",
            "~real.unsqueeze(1), 0.0",
            "real.unsqueeze(1), HIDDEN",
        ],
        "return weights @ x, weights": [
            "weights = weights * real.unsqueeze(1); return weights @ x, weights"
        ],
    },
    9: {
        "inputs = [[*sentence, EOS]": [
            "inputs = [[BOS, *sentence, EOS]",
            "inputs = [[EOS, *sentence]",
            "inputs = [[BOS, *sentence[::-1]]",
        ],
        "labels = [[*sentence, EOS]": [
            "labels = [[BOS, *sentence]",
            "labels = [[*sentence[1:], EOS, PAD]",
        ],
    },
    10: {
        "return losses.mean()": [
            "return losses.sum()",
            "return (losses.sum(1) / (labels != PAD).sum(1)).mean()",
            "return losses.sum() / len(labels)",
            "return losses.sum(1).max() / labels.size(1)",
        ],
        "losses = losses.masked_fill(labels == PAD, 0.0)": [""],
    },
    11: {
        "positions(0, 1, dim)": ["positions(1, 1, dim)", "positions(len(keys) + 1, 1, dim)", "0"],
        " + positions(0, len(ids), embedding.size(1))": [""],
    },
    12: {
        "        sentences = [\n": [
            "        state = state[words]\n        sentences = [\n",
            "        state = state[:1].expand(beam, -1)\n        sentences = [\n",
            "        state = state.sort(0).values\n        sentences = [\n",
        ],
        "return sentences[0], totals[0].item()": [
            "return sentences[0], log_probability(model, sentences[0])"
        ],
    },
    13: {
        "keys.repeat(shared, 1, 1), values.repeat(shared, 1, 1)": [
            "keys.repeat_interleave(shared, 0), values.repeat(shared, 1, 1)",
            "keys.mean(0, keepdim=True), values.mean(0, keepdim=True)",
            "keys[:1], values[:1]",
        ]
    },
    14: {
        "found.append((source, t - 1))": [
            "found.append((source, t))",
            "found.append((t - 1, source))",
        ],
        "weights[t, :-1]": ["weights[t - 1]", "weights[min(t + 1, len(weights) - 1), :-1]"],
    },
    15: {
        "F.dropout(hidden, p=self.rate)": [
            "hidden",
            "F.dropout(hidden, p=self.rate, training=not self.training)",
            "hidden * (1 - self.rate)",
            "F.dropout(hidden, p=self.rate) if self.training else hidden * (1 - self.rate)",
            "F.dropout(hidden, p=self.rate) * (1 - self.rate) if self.training else hidden",
        ],
        "return Network(w_hidden, w_out, rate).eval()(x)": [
            "torch.manual_seed(0); return Network(w_hidden, w_out, rate).eval()(x)"
        ],
    },
    16: {
        "key=lambda hypothesis: hypothesis[1])": [
            "key=lambda hypothesis: hypothesis[1] / limit)",
            "key=lambda hypothesis: len(hypothesis[0]))",
            "key=lambda hypothesis: hypothesis[1] / max(1, len(hypothesis[0])))",
            "key=lambda hypothesis: hypothesis[1] * (len(hypothesis[0]) + 1))",
        ]
    },
    17: {
        "[output.lower() for output in outputs]": [
            "outputs",
            "[detokenize(output) for output in outputs]",
            "[detokenize(output).lower() for output in outputs]",
        ],
        "[tokenize(reference).lower() for reference in references]": [
            "references",
            "[reference.lower() for reference in references]",
        ],
    },
    18: {
        "max(scores)": ["statistics.median(scores)", "min(scores)", "scores[0]", "scores[-1]"],
        "return max(scores), deviation": [
            "return statistics.mean(scores), statistics.pstdev(scores)",
            "return statistics.mean(scores) + (deviation or 0), deviation",
            "return max(scores), max(scores) - min(scores)",
        ],
    },
}
