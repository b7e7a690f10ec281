#!/usr/bin/env bash
# Trains two small Transformers, without and with pronouns in the training text; from the repository's root.
set -euo pipefail
out=${1:-runs/pronouns}
export OMP_NUM_THREADS=1
seq2seq train experiment=demo-transformer runs_dir="$out" name=default
seq2seq train experiment=demo-transformer data.pronouns=20000 train.max_steps=3000 \
    train.validate_every=1500 runs_dir="$out" name=pronouns
for run in default pronouns; do
    seq2seq evaluate "$out/$run" --test test_pronoun
    seq2seq plot pronouns "$out/$run"
done
