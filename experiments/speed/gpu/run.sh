#!/usr/bin/env bash
# Measure one GPU, from the repository's root; see README.md.
# usage: experiments/speed/gpu/run.sh DATA OUT [OLD]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../../.." && pwd)
data=$(cd "$1" && pwd) old=${3:-}
mkdir -p "$2"
out=$(cd "$2" && pwd)
words=(data=files data.root="$data" data.source=en data.target=de trainer.accelerator="${DEVICE:-cuda}")
export OMP_NUM_THREADS=1

measure() { # CODE WHAT OUT
  PYTHONPATH=$1${PYTHONPATH:+:$PYTHONPATH} python "$here/measure.py" "$2" "$3" "${words[@]}"
}

for what in updates decoding compiled; do measure "$root" "$what" "$out/$what.json"; done
if python -c 'import transformers' 2>/dev/null; then measure "$root" marian "$out/marian.json"; fi
if python -c 'import eole' 2>/dev/null; then
  pieces=$(mktemp -d)
  trap 'rm -r "$pieces"' EXIT
  measure "$root" pieces "$pieces"
  for precision in fp32 bf16; do
    python "$here/eole_training.py" "$out/eole.json" "$pieces" "$precision"
  done
fi
if [[ -n $old ]]; then measure "$(cd "$old" && pwd)" plain "$out/old.json"; fi
