#!/usr/bin/env bash
# Scores of explanations, for the runs of experiments/family (equal updates), from the repository's root:
#
#   experiments/interpret/run.sh RUN...
#
# For each run: every method by layer, head and row on the validation set, which chooses the rule of
# the run; the alignment error rate of each method on the test set; the words on which forms depend;
# deletion.
set -euo pipefail
for run in "$@"; do
  seq2seq score-alignment "$run" --test validation --rule auto --out "$run/align/validation.json"
  methods=(occlusion occlusion:lexeme gradient)
  [[ $run == *rnn-* ]] || methods=(attention vectors "${methods[@]}")
  [[ $run == *transformer* ]] && methods=(alti "${methods[@]}")
  for method in "${methods[@]}"; do
    seq2seq score-alignment "$run" --test test --method "$method" --rule default --out "$run/align/test-$method.json"
  done
  seq2seq score-alignment "$run" --test test --method occlusion:lexeme --hide mean --rule default --out "$run/align/test-lexeme-mean.json"
  for test in test test_agreement test_pronoun; do
    seq2seq score-contrast "$run" --test "$test" --method occlusion
  done
  seq2seq score-deletion "$run" --test test --hide unk
done
