"""Limits of numbers that both the command line and the configuration of a search accept.

The types of the search classes check them (`seq2seq.settings.ranges.Within`), and the options of
the command line show them in their help.
"""

MAX_PIECES = 100_000  # pieces in a translation
# Hypotheses in a beam, and rounds or lengths of mask-predict; an untrusted configuration must not
# exhaust the memory
MAX_BEAM = 1_000
MAX_INTEGER = 2**63 - 1  # seeds, and counts without a limit of their own
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-3, 1e3  # outside this range a 32-bit softmax overflows
