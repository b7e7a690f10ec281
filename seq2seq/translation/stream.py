"""Translating a stream line by line, as `seq2seq translate` does."""

from typing import Any, BinaryIO

from seq2seq.system.console import bar, console
from seq2seq.system.text_lines import read_stream
from seq2seq.text.markup import of_all, refusal
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator

CHUNK = 512  # lines of a stream translated together


def filter_lines(translator: Translator, lines: Any, out: BinaryIO, *, n_best: int = 1) -> None:
    """Translate a stream: one line out for each line in, empty ones too, in order.

    Lines are translated as soon as no more input is ready, and the output is flushed each time, so
    that a program may write a line and wait for its translation. With n_best above 1 each line in
    gives up to that many lines `NUMBER ||| TEXT ||| SCORE`, NUMBER counting the lines from 0 as
    Moses and Marian do.

    Raises:
        UserError: a line is not UTF-8; what came before it has been translated.
    """
    trained = translator.run.config.get("data", {}).get("max_length")
    first = 0
    with bar() as progress:
        task = progress.add_task("translating", total=None, unit="lines")
        for texts in read_stream(lines, CHUNK):
            if not first and (kind := of_all(texts)):
                console.print(f"{refusal('standard input', kind)}", markup=False)
            groups = translator.n_best(texts, n_best, done=lambda n: progress.advance(task, n))
            for number, group in enumerate(groups, first):
                remark(number + 1, group[0], trained)
                for found in group:
                    text = found.text.replace("\n", " ")
                    line = f"{number} ||| {text} ||| {found.score:.4f}" if n_best > 1 else text
                    out.write(line.encode() + b"\n")
            out.flush()
            first += len(texts)


def remark(line: int, found: Translation, trained: int | None) -> None:
    """Warn of what is likely to be poor: a source beyond all training, a translation cut off."""
    pieces = len(found.source_pieces) - 1
    if trained is not None and pieces > trained:
        console.print(
            f"line {line}: {pieces:,} pieces, but the model was trained on at most {trained}"
        )
    if found.cut:
        console.print(
            f"line {line}: the translation was ended at {len(found.target_pieces) - 1} pieces "
            "(--max-length and the run's search settings decide)"
        )
