#!/usr/bin/env bash
# Ten million pairs: prepare them in an empty cache, then begin once more with all prepared.
# PYTHON is an interpreter that has seq2seq; SCALE a folder with room for 6 GB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
scale=${SCALE:-$here/data}
pairs=${PAIRS:-10000000}

$python "$here/corpus.py" "$scale/corpus" "$pairs"
export SEQ2SEQ_CACHE=$scale/cache
rm -rf "$SEQ2SEQ_CACHE"
words=(data=files data.root="$scale/corpus" data.source=en data.target=fr tokenizer.vocab_size=8000
       model=transformer train.batch_tokens=4096)
for name in fresh prepared; do
  $python "$here/measure.py" $name "$here/scores.json" "${words[@]}"
done
rm -rf "$scale/corpus" "$scale/cache"
