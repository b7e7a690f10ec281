#!/usr/bin/env bash
# Scores of explanations, for runs of experiments/family (equal updates), from the repository's root:
#
#   experiments/interpret/run.sh alignment RUN...     alignment error rate on `test`, by layer, head and row
#   experiments/interpret/run.sh methods RUN...       the same for the methods that are left
#   experiments/interpret/run.sh controllers RUN...   words on which forms depend; deletion
#
# All alignments are read with the default rule, so that nothing is chosen on the test set.
set -euo pipefail
score() { # RUN METHOD [OPTION...]
  seq2seq score-alignment "$1" --test test --method "$2" --rule default --out "$1/align/test-$2${4:+-$4}.json" "${@:3}"
}
for run in "${@:2}"; do
  case $1 in
    alignment)
      [[ $run == *rnn-* ]] || score "$run" attention
      score "$run" occlusion
      score "$run" occlusion:lexeme
      score "$run" occlusion:lexeme --hide mean
      ;;
    methods)
      score "$run" gradient
      [[ $run == *rnn-* ]] || score "$run" vectors
      [[ $run != *transformer* ]] || score "$run" alti
      ;;
    controllers)
      for test in test test_pronoun test_agreement; do
        seq2seq score-contrast "$run" --test "$test" --method occlusion
      done
      seq2seq score-deletion "$run" --test test --hide unk
      ;;
  esac
done
