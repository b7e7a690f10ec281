#!/usr/bin/env bash
# BLEU and alignment error rate by the number of training pairs; from the repository's root.
# Three models by six sizes of the built-in corpus, 2,000 updates each: about four minutes a run on one core. The vocabulary is the
# same for all sizes, because 1,000 pairs do not have 4,000 pieces; dropout is on, because a small corpus is read many times.
set -euo pipefail
out=${1:-runs/data-size}
for pairs in 1000 2000 4000 8000 16000 29000; do
  for model in rnn bahdanau transformer; do
    name=$model-$pairs-1
    [[ -f $out/$name/scores.json ]] && continue
    seq2seq train "experiment=demo-$model" "data.pairs=$pairs" tokenizer.vocab_size=1000 model.dropout=0.2 seed=1 "name=$name" \
      "runs_dir=$out" trainer.threads=1 train.max_steps=2000 train.validate_every=250 train.keep_every=null
    seq2seq evaluate "$out/$name" --test test
  done
done
python experiments/data-size/summary.py "$out" experiments/data-size
