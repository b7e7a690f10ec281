#!/usr/bin/env bash
# Break trainings in 165 ways, let each go on, and compare it bit by bit with one that was let alone.
# The table in README.md is written anew from the counts. PYTHON is an interpreter that has seq2seq.
# The case of the full disk mounts small file systems, which takes root; without it is left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export OMP_NUM_THREADS=1

${PYTHON:-python3} "$here/attack.py" "$@"
