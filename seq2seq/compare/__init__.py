"""Compare systems: scores, significance, differences by kind of sentence, and cost.

Reads files only; no model is loaded. The modules, in the order in which `compare` uses them:

- `runs`, `files`, `systems`: read the inputs and group runs into systems.
- `checks`: reject inputs that are not comparable.
- `counting`, `quality`, `significance`: compute sentence statistics, scores and tests.
- `axes`, `ngrams`, `sentences`, `cost`: break the differences down.
- `verdict`, `remarks`: summarize the result and explain how to read it.
- `report`, `html`: write the result.
"""

from seq2seq.compare.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
