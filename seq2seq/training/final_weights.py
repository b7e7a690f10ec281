"""The end of a training: the average of checkpoints, and the words of the training text."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

from seq2seq.corpora import Corpus, Text
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.weights import save_weights, set_weights
from seq2seq.system import devices
from seq2seq.system.console import track
from seq2seq.system.files import read_lines_checked
from seq2seq.system.lightning import Fabric
from seq2seq.text import word_counts
from seq2seq.training.checkpoints import Checkpoints
from seq2seq.training.log import TrainingLog
from seq2seq.training.validation import Validation


def keep_average_if_better(
    fabric: Fabric,
    checkpoints: Checkpoints,
    model: Seq2Seq,
    validate: Callable[[], Validation],
    log: TrainingLog,
) -> None:
    """Validate the average of the chosen checkpoints, and write it if it is the best.

    All processes must call this; it does nothing if there is nothing to average.

    Args:
        fabric: the Fabric handle of this process.
        checkpoints: the checkpoints, which rank 0 alone knows.
        model: gets the weights of the average.
        validate: validates these weights with all processes.
        log: where the result is printed and recorded.
    """
    kept = checkpoints
    several = kept.best is not None and kept.count > 1 and len(kept.chosen()) > 1
    if not devices.broadcast(fabric, several):
        return
    if fabric.is_global_zero:
        set_weights(model, kept.averaged(), kept.path(kept.chosen()[0]))
    devices.broadcast_weights(fabric, model)
    result = validate()
    if kept.best is None:  # in the other processes
        return
    steps = ", ".join(str(validation.step) for validation in kept.chosen())
    single, better = kept.best, result.ranking(kept.by) > kept.best.ranking(kept.by)
    log.print(
        f"the average of steps {steps} has loss {result.loss:.3f} and BLEU "
        f"{result.bleu:.2f}: {'kept' if better else f'step {single.step} is better'}"
    )
    log.update(average={**vars(result), "of": steps, "kept": better})
    if better:
        kept.best = result
        save_weights(model, kept.model)


def count_words(folder: Path, corpus: Corpus, text: Text) -> None:
    """Write the training-text frequency of every word in the held-out sources of a run folder.

    It does nothing if that has been done, and for a streamed text, which has not been stored.
    """
    if corpus.streams or (folder / word_counts.FILE).is_file():
        return
    held_out = (read_lines_checked(file) for file in folder.glob("hyps/*/source.txt"))
    training = track(text.sources(), "counting words", total=len(text), unit="lines")
    counts = word_counts.count(training, chain.from_iterable(held_out))
    word_counts.write_counts(folder, counts)
