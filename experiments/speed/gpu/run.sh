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

measure() { # CODE WHAT NAME
  PYTHONPATH=$1 python "$here/measure.py" "$2" "$out/$3.json" "${words[@]}"
}

if [[ -n $old ]]; then PART=both measure "$(cd "$old" && pwd)" updates old; fi
for what in updates compiled graphs decoding; do
  measure "$root" "$what" "${what/updates/new}"
done
if python -c 'import transformers' 2>/dev/null; then measure "$root" marian marian; fi
