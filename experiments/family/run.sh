#!/usr/bin/env bash
# Every model on the built-in corpus, from the repository's root:
#
#   experiments/family/run.sh updates   equal parameters (2.5 million, within 0.5 %) and equal updates, three seeds
#   experiments/family/run.sh minutes   equal parameters and equal minutes on one thread, one seed
#   experiments/family/run.sh one updates lstm 2   one training of a table
#
# RUNS is the folder of the runs, JOBS the number of trainings at a time, DEVICE the accelerator of `updates`, STEPS and
# MINUTES the length of a training, and ARGUMENTS further arguments of all trainings.
set -euo pipefail
export RUNS=${RUNS:-runs/family} DEVICE=${DEVICE:-cpu}
models=(word_for_word elman lstm rnn luong bahdanau transformer transformer_modern decoder_only encoder_only)

# Sizes for 2.5 million parameters with 4,000 pieces; the learning rate where it is not that of the demo, and the
# initialization of the time of the results.
size() {
  case $1 in
    elman) echo model.dim=396 model.embedding=128 model.readout_dim=128 ;;
    lstm) echo model.dim=196 model.embedding=128 model.readout_dim=128 ;;
    rnn) echo model.dim=246 model.embedding=128 model.readout_dim=128 ;;
    luong) echo model.dim=188 model.embedding=128 model.layers=1 ;;
    bahdanau) echo model.dim=180 model.embedding=128 model.align_dim=128 model.readout_dim=128 ;;
    transformer) echo model.dim=160 model.encoder_layers=3 model.decoder_layers=3 model.feed_forward=480 ;;
    transformer_modern) echo model.dim=160 model.encoder_layers=3 model.decoder_layers=3 model.feed_forward=328 ;;
    decoder_only) echo model.dim=160 model.layers=6 model.feed_forward=640 ;;
    encoder_only) echo model.dim=160 model.layers=6 model.feed_forward=624 ;;
  esac
}

rate() {
  case $1 in
    elman) echo train.learning_rate=2e-3 ;;
    transformer* | decoder_only | encoder_only) echo train.learning_rate=3e-3 model.attention_init=xavier ;;
  esac
}

updates() { # MODEL SEED
  local name=$1-$2 words=(experiment=demo)
  if [[ $1 == word_for_word ]]; then
    words=(experiment=demo-word_for_word trainer.accelerator=cpu)
  else
    words+=(model="$1" trainer.accelerator="$DEVICE" trainer.threads=1 train.batch_tokens=1280 train.max_steps="${STEPS:-1600}"
      train.validate_every=400 $(size "$1") $(rate "$1"))
  fi
  seq2seq train "${words[@]}" data.pronouns=20000 seed="$2" name="$name" runs_dir="$RUNS/updates" ${ARGUMENTS:-}
  seq2seq evaluate "$RUNS/updates/$name"
}

minutes() { # MODEL SEED
  local name=$1-$2 words=(experiment=demo)
  if [[ $1 == word_for_word ]]; then
    words=(experiment=demo-word_for_word)
  else
    words+=(model="$1" trainer.threads=1 train.max_steps=null train.max_minutes="${MINUTES:-5}" train.validate_every=400 $(size "$1") $(rate "$1"))
  fi
  seq2seq train "${words[@]}" data.pronouns=20000 seed="$2" name="$name" runs_dir="$RUNS/minutes" trainer.accelerator=cpu ${ARGUMENTS:-}
  seq2seq evaluate "$RUNS/minutes/$name"
}

export -f size rate updates minutes
if [[ $1 == one ]]; then # one TABLE MODEL SEED
  "${@:2}"
  exit
fi
seeds=(1 2 3)
[[ $1 == minutes ]] && seeds=(1)
for seed in "${seeds[@]}"; do
  for model in "${models[@]}"; do echo "$model $seed"; done
done | xargs -P "${JOBS:-1}" -L1 bash -c "$1 \$0 \$1"
seq2seq compare "$RUNS/$1"/*/ --out "$RUNS/$1-comparison"
