"""BLEU of the last weights of a training with a moving average, and of the average at that time.

python experiments/published/last_weights.py RUN, with the newest save in RUN/state.
"""

import sys
from pathlib import Path

import sacrebleu

from seq2seq import Translator
from seq2seq.errors import UserError
from seq2seq.runs.weights import read_tensors, set_weights
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import read_lines_checked


def main(run: Path) -> None:
    """Print BLEU (`tok:13a`) of each test set."""
    saves = sorted((run / "state").glob("save-*.safetensors"))
    if not saves:
        raise UserError(f"{run} has no save in state/: train it with this version of the package")
    save = saves[-1]
    tensors, _ = read_tensors(save)
    translator = Translator(run)
    for part in ("weights", "average"):
        own = {
            name.removeprefix(f"{part}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{part}.")
        }
        set_weights(translator.model, own, save)
        for test in sorted((run / "hyps").glob("test_*")):
            source, reference = (
                read_lines_checked(test / f"{side}.txt") for side in ("source", "reference")
            )
            found = [one.text for one in translator(source)]
            score = sacrebleu.corpus_bleu(found, [reference]).score
            print(f"{part} {test.name} {score:.2f}")


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]))
