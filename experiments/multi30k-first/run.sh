#!/usr/bin/env bash
# Three variants, twenty minutes each, one recipe; then scores and comparison.
# DATA is a local copy of Multi30k's task 1 (raw); without it the corpus is fetched.
# RUNS is where the run folders go, SEQ2SEQ the command.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
runs=${RUNS:-$here/runs}
seq2seq=${SEQ2SEQ:-seq2seq}

for model in transformer bahdanau rnn; do
  more=()  # the defaults of that time
  [[ $model == transformer ]] && more=(model.attention_dropout=0.1 model.activation_dropout=null model.attention_init=xavier)
  [[ $model == rnn ]] && more=(model.init=paper)
  [[ $model == bahdanau ]] && more=(model.init=paper model.align_init=paper)
  $seq2seq train experiment=multi30k-first model=$model name=$model runs_dir="$runs" seed=1 \
    ${DATA:+data.root="$DATA"} ${more[@]+"${more[@]}"}
  $seq2seq evaluate "$runs/$model"
done

$seq2seq compare "$runs"/{bahdanau,transformer,rnn} --out "$here/comparison"
