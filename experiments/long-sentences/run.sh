#!/usr/bin/env bash
# BLEU by the length of the source on real text with long sentences; from the repository's root.
#   NEWS_EN_FR=FOLDER EUROPARL_EN_DE=FOLDER experiments/long-sentences/run.sh [RUNS]
# The folders have the files train, validation and test with the endings .en.gz and .fr.gz or .de.gz; README.md says which.
# CORPORA, MODELS and SEEDS select a part of the runs. Runs that are evaluated already are skipped, and an interrupted
# training is resumed. UPDATES is the length of a training. SEQ2SEQ="echo seq2seq" prints the commands. ARGUMENTS are further arguments of all trainings.
set -euo pipefail
out=${1:-runs/long-sentences}
seq2seq=${SEQ2SEQ:-seq2seq}
for corpus in ${CORPORA:-europarl news}; do
  if [[ $corpus == europarl ]]; then
    # Test sentences from the same text: the news of its test files are of another domain, and only 1,000.
    data=("data.file=${EUROPARL_EN_DE:?}/train" data.target=de data.validation=1000 "data.tests=[3000]")
  else
    data=("data.root=${NEWS_EN_FR:?}" data.target=fr)
  fi
  for seed in ${SEEDS:-1}; do
    for model in ${MODELS:-rnn bahdanau transformer}; do
      name=$corpus-$model-$seed
      [[ -f $out/$corpus/$name/scores.json ]] && continue
      init=()  # the defaults of the time of the results
      [[ $model == rnn ]] && init=(model.init=paper)
      [[ $model == bahdanau ]] && init=(model.init=paper model.align_init=paper)
      $seq2seq train "model=$model" data=files data.source=en "${data[@]}" data.max_length=150 tokenizer.vocab_size=4000 \
        model.dropout=0.2 "seed=$seed" "name=$name" "runs_dir=$out/$corpus" train.learning_rate=3e-3 train.schedule=cosine \
        train.warmup_steps=200 train.batch_tokens=1024 "train.max_steps=${UPDATES:-9000}" train.max_epochs=null train.validate_every=1500 \
        train.patience=null ${init[@]+"${init[@]}"} ${ARGUMENTS:-}
      $seq2seq evaluate "$out/$corpus/$name"
    done
  done
  # The curve by length with intervals, and its table, are parts of the report
  $seq2seq compare "$out/$corpus" --out "$out/$corpus-report"
done
