"""Limits of numbers that both the command line and the configuration of a search accept.

The types of the search classes check them (`seq2seq.settings.ranges.Within`), and the options of
the command line show them in their help.
"""

LONGEST = 100_000  # pieces in a translation
WIDEST = 1_000  # hypotheses in a beam; an untrusted configuration must not exhaust the memory
LARGEST = 2**63 - 1  # seeds, and counts without a limit of their own
COLDEST, HOTTEST = 1e-3, 1e3  # temperatures; outside this range a 32-bit softmax overflows
