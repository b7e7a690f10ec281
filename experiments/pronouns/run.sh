#!/usr/bin/env bash
# Trains two small Transformers, without and with pronouns in the training text; from the repository's root.
set -euo pipefail
out=${1:-runs/pronouns}
export OMP_NUM_THREADS=1
init=model.attention_init=xavier  # the default of the time of the results
seq2seq train experiment=demo-transformer $init runs_dir="$out" name=default
seq2seq train experiment=demo-transformer $init data.pronouns=20000 train.max_steps=3000 \
    train.validate_every=1500 runs_dir="$out" name=pronouns
for run in default pronouns; do
    seq2seq evaluate "$out/$run" --test test_pronoun
    seq2seq plot pronouns "$out/$run"
done
cp "$out"/pronouns/align/test_pronoun-pronouns.png experiments/pronouns/attention.png
cp "$out"/pronouns/align/test_pronoun-pronouns.csv experiments/pronouns/attention.csv
python - "$out" <<'PYTHON'
import json, pathlib, sys

kept = {}
for name in ("default", "pronouns"):
    run = pathlib.Path(sys.argv[1], name)
    test = json.loads((run / "scores.json").read_text())["test_pronoun"]
    info = json.loads((run / "run.json").read_text())
    kept[name] = {key: info[key] for key in ("parameters", "steps", "minutes", "commit")}
    kept[name] |= {key: test[key] for key in ("bleu", "exact_match", "pronoun")}
pathlib.Path("experiments/pronouns/scores.json").write_text(json.dumps(kept, indent=2) + "\n")
PYTHON
