"""Count the shapes of the batches of one epoch, without and with the padding for CUDA graphs.

    python experiments/speed/gpu/shapes.py [KEY=VALUE ...]

The words are those of `seq2seq train`. No GPU is needed.
"""

import sys
from itertools import islice

from seq2seq.settings import train_arguments
from seq2seq.settings.plugins import build
from seq2seq.system import devices
from seq2seq.training.cuda_graphs import shape_for
from seq2seq.training.examples import learn_tokenizers
from seq2seq.training.learner import Learner


def main(words: list[str]) -> str:
    """Return a sentence about the first epoch of a training with these words."""
    of = train_arguments.config(["name=shapes", "trainer.accelerator=cpu", *words])
    corpus = build("data", of.data)
    learner = Learner(
        devices.fabric(of.trainer), of, corpus, learn_tokenizers(corpus, of.tokenizer)
    )
    plain, padded = [], []
    for rows in islice(learner.batches, len(learner.batches)):
        ((_, batch),) = learner.examples.batches(rows, (0, 0, 0), of.train.batch_tokens)
        plain.append((*batch.src.shape, batch.tgt_out.size(1)))
        padded.append(shape_for(batch, corpus.max_length + 1))
    tokens = [sum(rows * (source + target) for rows, source, target in b) for b in (plain, padded)]
    return (
        f"{len(plain)} batches: {len(set(plain))} shapes, {len(set(padded))} with padding to "
        f"common shapes, which has {tokens[1] / tokens[0]:.2f} times as many tokens"
    )


if __name__ == "__main__":
    print(main(sys.argv[1:]))
