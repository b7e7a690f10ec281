#!/usr/bin/env bash
# The Transformer of the published table, three seeds; from the repository's root. DATA is a folder with the tokenized
# files of Multi30k (task1/tok); without it they are downloaded.
set -euo pipefail
out=${1:-runs/published}
for seed in 1 2 3; do
  seq2seq train experiment=multi30k-transformer ${DATA:+data.root="$DATA"} seed="$seed" name="transformer-$seed" \
    runs_dir="$out" train.validate_every=520 train.max_epochs=40
  seq2seq evaluate "$out/transformer-$seed"
done
