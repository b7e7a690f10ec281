#!/usr/bin/env bash
# Three variants by three seeds, trained on sentences of at most 20 and at most 60 words; from the repository's root.
# About three minutes a run on a quiet core, one hour in all. Threads are one, and the budget is in updates, so that
# a busy machine changes the minutes and nothing else.
set -euo pipefail
out=${1:-runs/length}
for words in 20 60; do
  for seed in 1 2 3; do
    for model in rnn bahdanau transformer; do
      name=$model-$words-$seed
      seq2seq train "experiment=demo-$model" "data.max_words=$words" "seed=$seed" "name=$name" "runs_dir=$out" trainer.threads=1 train.max_steps=1500 train.validate_every=500
      seq2seq evaluate "$out/$name"
    done
  done
done
python experiments/summary.py "$out" experiments/length
