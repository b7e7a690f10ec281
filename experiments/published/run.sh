#!/usr/bin/env bash
# The runs of the published table; from the repository's root. MULTI30K is a folder with the tokenized files of Multi30k
# (task1/tok), MULTI30K_RAW one with the others (task1/raw), GREEK and NEWS those that
# experiments/alignment/prepare.py writes, HANSARDS that of the gold links of the news. Without the first two they are downloaded,
# without the others their runs are left out. ARGUMENTS are further arguments of all trainings, such as "trainer.tf32=true deterministic=false trainer.threads=1". Rows of
# commits before 3015819 had other defaults and are not repeated here.
set -euo pipefail
out=${1:-runs/published}
run() { # NAME WORD...
  [[ -f $out/$1/scores.json ]] && return
  seq2seq train "${@:2}" "name=$1" "runs_dir=$out" ${ARGUMENTS:-}
  seq2seq evaluate "$out/$1"
}
alignment() { # RUN NAME GOLD WORD...
  local file=$out/$1/align/test-$2.json
  [[ -f $file ]] || seq2seq score-alignment "$out/$1" --test test --gold "$3" --rule default --out "$file" "${@:4}"
}
data=(${MULTI30K:+"data.root=$MULTI30K"})
raw=(${MULTI30K_RAW:+"data.root=$MULTI30K_RAW"})
for seed in 1 2 3; do
  run "transformer-ema-$seed" experiment=multi30k-transformer "${data[@]}" "seed=$seed"
done
run transformer-post-ema-1 experiment=multi30k-transformer-post "${data[@]}" seed=1
run transformer-ema-r_drop-1 experiment=multi30k-transformer "${data[@]}" seed=1 train.r_drop=1 train.batch_tokens=4096 train.max_steps=3500
for seed in 1 2 3; do  # 93 epochs with R-Drop: for a GPU, as are the next eight
  run "transformer-post-r_drop-$seed" experiment=multi30k-transformer-r_drop "${data[@]}" "seed=$seed"
done
if [[ ! -f $out/length_penalty.json ]]; then
  python experiments/published/length_penalty.py "$out/length_penalty.json" "$out"/transformer-post-r_drop-[123]
fi
for seed in 1 2 3; do
  run "transformer-post-r_drop-short-$seed" experiment=multi30k-transformer-r_drop "${data[@]}" "seed=$seed" train.max_steps=6200
done
small=tokenizer.vocab_size=6000
run transformer-post-r_drop-weight-3-1 experiment=multi30k-transformer-r_drop "${data[@]}" train.r_drop=3 train.max_steps=6177
run transformer-post-r_drop-wide-1 experiment=multi30k-transformer-r_drop "${data[@]}" $small model.feed_forward=512 train.max_steps=6166
run transformer-post-r_drop-deep-1 experiment=multi30k-transformer-r_drop "${data[@]}" $small model.encoder_layers=6 train.max_steps=5451
pre=(experiment=multi30k-transformer "${data[@]}" train.r_drop=1 train.batch_tokens=4096 train.max_steps=6150 train.validate_every=1000 train.ema=0.999)
run transformer-pre-r_drop-1 "${pre[@]}"
run transformer-pre-r_drop-wide-1 "${pre[@]}" model.feed_forward=512
run transformer-post-de-en-1 experiment=multi30k-transformer-post "${data[@]}" data.source=de data.target=en
run transformer-post-cased-1 experiment=multi30k-transformer-post data=multi30k "${raw[@]}" data.bleu_tokenizer=null
run bahdanau-xavier-cased-1 experiment=multi30k-bahdanau data=multi30k "${raw[@]}" data.bleu_tokenizer=null
run rnn-xavier-cased-1 experiment=multi30k-rnn data=multi30k "${raw[@]}" data.bleu_tokenizer=null
run rnn-xavier-2 experiment=multi30k-rnn "${data[@]}" seed=2 train.max_steps=8276
run bahdanau-r_drop-1 experiment=multi30k-bahdanau-r_drop "${data[@]}" seed=1
run bahdanau-xavier-1 experiment=multi30k-bahdanau "${data[@]}" seed=1
run bahdanau-dropout-0.4-1 experiment=multi30k-bahdanau "${data[@]}" model.dropout=0.4
run bahdanau-dropout-0.4-short-2 experiment=multi30k-bahdanau "${data[@]}" model.dropout=0.4 seed=2 train.max_steps=3492
run bahdanau-dropout-0.4-short-de-en-1 experiment=multi30k-bahdanau "${data[@]}" data.source=de data.target=en model.dropout=0.4 train.max_steps=3512
run bahdanau-r_drop-short-1 experiment=multi30k-bahdanau "${data[@]}" train.r_drop=1 train.max_steps=3437
run rnn-xavier-1 experiment=multi30k-rnn "${data[@]}" seed=1
# The RNNs with their former recipe
former=(train.learning_rate=3e-3 train.warmup_steps=200 train.batch_tokens=4096 train.max_steps=2400 train.validate_every=300 train.ema=0
  model.readout_dim=128 model.init=paper)
attention=("${former[@]}" model.align_init=paper)
run bahdanau-recipe-1 experiment=multi30k-bahdanau "${data[@]}" "${attention[@]}" seed=1
run rnn-recipe-1 experiment=multi30k-rnn "${data[@]}" "${former[@]}" seed=1
run rnn-recipe-de-en-1 experiment=multi30k-rnn "${data[@]}" data.source=de data.target=en "${former[@]}" seed=1
run bahdanau-recipe-de-en-1 experiment=multi30k-bahdanau "${data[@]}" data.source=de data.target=en "${attention[@]}" seed=1
run bahdanau-dropout-1 experiment=multi30k-bahdanau "${data[@]}" model.init=paper model.align_init=paper model.dropout=0.4 model.context_dropout=0.3 \
  train.learning_rate=1e-3 train.max_steps=10000 train.validate_every=800 seed=1
run default-bahdanau-cased-paper-1 model=bahdanau data=multi30k "${raw[@]}" model.init=paper model.align_init=paper seed=1
run default-bahdanau-cased-1 model=bahdanau data=multi30k "${raw[@]}"
run default-rnn-cased-1 model=rnn data=multi30k "${raw[@]}"
run default-transformer-cased-ema-1 model=transformer data=multi30k "${raw[@]}" train.ema=0.998 seed=1
python experiments/published/last_weights.py "$out/default-transformer-cased-ema-1"
if [[ -n ${GREEK:-} ]]; then
  greek=(experiment=low-resource-transformer data=files "data.root=$GREEK" data.source=grc data.target=eng data.tokenized=true seed=1)
  run greek-transformer-1 "${greek[@]}"
  run greek-transformer-guided-1 "${greek[@]}" train.guided_attention=0.1 train.guided_links=fast_align
  for name in greek-transformer-1 greek-transformer-guided-1; do
    alignment "$name" attention "$GREEK/test.align" --train "$GREEK/train.grc" "$GREEK/train.eng"
    alignment "$name" occlusion "$GREEK/test.align" --method occlusion --hide unk
  done
fi
if [[ -n ${NEWS:-} ]]; then
  run news-transformer-1 experiment=low-resource-transformer data=files "data.root=$NEWS" data.source=en data.target=fr data.tokenized=true seed=1 \
    train.max_steps=2400 train.validate_every=400
  links=${HANSARDS:?}/dev.wa.nonullalign
  alignment news-transformer-1 attention "$links" --train "$NEWS/train.en" "$NEWS/train.fr"
  alignment news-transformer-1 occlusion "$links" --method occlusion --hide unk
fi
python experiments/published/summary.py "$out" experiments/published
