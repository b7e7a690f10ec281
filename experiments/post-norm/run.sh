#!/usr/bin/env bash
# What keeps a post-norm Transformer from learning at the published rate; from the repository's root.
#   experiments/post-norm/run.sh [RUNS]
# MULTI30K is a folder with the tokenized files of Multi30k (task1/tok); without it they are downloaded. VARIANTS selects a part
# of the runs. Finished runs are skipped, and an interrupted training is resumed. SEQ2SEQ="echo seq2seq" prints the commands.
set -euo pipefail
out=${1:-runs/post-norm}
seq2seq=${SEQ2SEQ:-seq2seq}
init=model.attention_init=xavier
dropout=(model.attention_dropout=0.1 model.activation_dropout=null)  # null is that of model.dropout
for variant in ${VARIANTS:-recipe clip epsilon init dropout init-dropout}; do
  case $variant in
    recipe) arguments=() ;;
    clip) arguments=(train.clip_norm=1) ;;
    epsilon) arguments=(train.eps=1e-9) ;;
    init) arguments=("$init") ;;
    dropout) arguments=("${dropout[@]}") ;;
    init-dropout) arguments=("$init" "${dropout[@]}") ;;
    *) echo "no variant $variant" >&2; exit 2 ;;
  esac
  $seq2seq train experiment=multi30k-transformer-post ${MULTI30K:+"data.root=$MULTI30K"} train.batch_tokens=2048 train.max_steps=800 \
    train.validate_every=200 train.ema=0 ${arguments[@]+"${arguments[@]}"} seed=1 "name=$variant" "runs_dir=$out"
done
[[ -n ${SEQ2SEQ:-} ]] || python experiments/post-norm/log_table.py "$out" experiments/post-norm
