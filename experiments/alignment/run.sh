#!/usr/bin/env bash
# Both attention variants on the Greek New Testament and on the news, every reading scored.
# GREEK_NT, NEWS_EN_FR and HANSARDS_DEV are the folders of the corpora, WORK is a folder for the
# files cut from them and for the run folders, SEQ2SEQ the command.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$here/work}
seq2seq=${SEQ2SEQ:-seq2seq}

python "$here/prepare.py" greek "$GREEK_NT" "$work/greek"
python "$here/prepare.py" hansards "$NEWS_EN_FR" "$HANSARDS_DEV" "$work/hansards"

for model in transformer bahdanau; do
  run=$work/runs/greek-$model
  $seq2seq train experiment=alignment-$model name=greek-$model runs_dir="$work/runs" seed=1 trainer.threads=1 \
    data=files data.root="$work/greek" data.source=grc data.target=eng data.tokenized=true
  $seq2seq score-alignment "$run" --test validation --gold "$work/greek/validation.align" --rule auto
  $seq2seq score-alignment "$run" --test test --gold "$work/greek/test.align" --train "$work/greek/train.grc" "$work/greek/train.eng"
  $seq2seq plot steps "$run" --test test --line 5 --reference --out "$work/greek-$model-steps.png"

  run=$work/runs/news-$model
  $seq2seq train experiment=alignment-$model name=news-$model runs_dir="$work/runs" seed=1 trainer.threads=1 train.max_steps=4000 \
    data=files data.root="$work/hansards" data.source=en data.target=fr data.tokenized=true
  $seq2seq score-alignment "$run" --test test --gold "$HANSARDS_DEV/dev.wa.nonullalign" --train "$work/hansards/train.en" "$work/hansards/train.fr"
done
