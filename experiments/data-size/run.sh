#!/usr/bin/env bash
# BLEU and alignment error rate by the number of training pairs; from the repository's root.
#   experiments/data-size/run.sh [RUNS]
# MULTI30K is a folder with the tokenized files of Multi30k (task1/tok); without it they are downloaded. CORPORA, MODELS,
# SIZES and SEEDS select a part of the runs. Runs that are evaluated already are skipped, and an interrupted training is
# resumed. SEQ2SEQ="echo seq2seq" prints the commands. ARGUMENTS are further arguments of all trainings.
set -euo pipefail
out=${1:-runs/data-size}
seq2seq=${SEQ2SEQ:-seq2seq}
for corpus in ${CORPORA:-multi30k controlled}; do
  for pairs in ${SIZES:-1000 2000 4000 8000 16000 29000}; do
    for model in ${MODELS:-rnn bahdanau transformer}; do
      for seed in ${SEEDS:-1}; do
        name=$corpus-$model-$pairs-$seed
        [[ -f $out/$name/scores.json ]] && continue
        # Everything but the model, its learning rate and the eps of Adam is the same for all runs of a corpus.
        if [[ $corpus == multi30k ]]; then
          test=test_2016_flickr
          arguments=("experiment=multi30k-$model" ${MULTI30K:+"data.root=$MULTI30K"} "data.train_pairs=$pairs" tokenizer.vocab_size=2000
            train.schedule=cosine train.warmup_steps=500 train.batch_tokens=1024 train.max_steps=4000 train.max_epochs=100
            train.validate_every=500 train.patience=null train.ema=0)
        else
          test=test
          arguments=("experiment=demo-$model" "data.pairs=$pairs" tokenizer.vocab_size=1000 model.dropout=0.2
            train.max_steps=2000 train.validate_every=250 train.keep_every=null trainer.threads=1)
          case $model in  # the defaults of the time of the results
            rnn) arguments+=(model.init=paper) ;;
            bahdanau) arguments+=(model.init=paper model.align_init=paper) ;;
            transformer) arguments+=(model.activation_dropout=null model.attention_init=xavier) ;;
          esac
        fi
        $seq2seq train "${arguments[@]}" "seed=$seed" "name=$name" "runs_dir=$out" ${ARGUMENTS:-}
        $seq2seq evaluate "$out/$name" --test "$test"
      done
    done
  done
done
[[ -n ${SEQ2SEQ:-} ]] || python experiments/data-size/summary.py "$out" experiments/data-size
