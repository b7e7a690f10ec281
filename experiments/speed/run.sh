#!/usr/bin/env bash
# How fast this machine trains and translates, then what each trick brings: twelve minutes on two cores.
# DATA is a local copy of Multi30k's task 1 (raw); without it the corpus is fetched.
# PYTHON is an interpreter that has seq2seq; OUT is where the numbers go.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here}
python=${PYTHON:-python3}
words=(data=multi30k ${DATA:+data.root="$DATA"})

COLUMNS=150 $python -m seq2seq.cli bench "${words[@]}" --json "$out/bench.json" | tee "$out/bench.txt"
$python "$here/tricks.py" "$out" "${words[@]}"
# Where the corpus lay is of no interest elsewhere.
[ -z "${DATA:-}" ] || sed -i "s|$DATA|DATA|" "$out/bench.json" "$out/tricks.json"
