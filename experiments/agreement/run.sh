#!/usr/bin/env bash
# Reads the runs of experiments/length/run.sh; from the repository's root.
set -euo pipefail
out=${1:-runs/length}
[ -d "$out" ] || bash experiments/length/run.sh "$out"
python experiments/summary.py "$out" experiments/agreement
