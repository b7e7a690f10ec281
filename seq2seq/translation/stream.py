"""`seq2seq translate`: translate a stream line by line."""

from typing import Any, BinaryIO

from seq2seq.system.console import bar, console
from seq2seq.system.text_lines import read_stream
from seq2seq.text.markup import of_all, refusal_of_markup
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator

CHUNK = 512  # maximum number of lines translated together


def filter_lines(translator: Translator, lines: Any, out: BinaryIO, *, n_best: int = 1) -> None:
    """Translate a stream: write one line for each input line, including empty lines, in order.

    Lines are translated as soon as no more input is ready, and the output is flushed each time, so
    that another program can write a line and wait for its translation. With n_best above 1, up to
    n_best lines `NUMBER ||| TEXT ||| SCORE` are written for each input line; NUMBER is the line
    number, counted from 0 as in Moses and Marian.

    Args:
        translator: the trained run.
        lines: the input stream, in bytes.
        out: the output stream.
        n_best: number of translations per line.

    Raises:
        UserError: a line is not UTF-8; the lines before it have been translated.
    """
    trained = translator.run.config.get("data", {}).get("max_length")
    first = 0
    with bar() as progress:
        task = progress.add_task("translating", total=None, unit="lines")
        for texts in read_stream(lines, CHUNK):
            if not first and (kind := of_all(texts)):
                console.print(f"{refusal_of_markup('standard input', kind)}", markup=False)
            groups = translator.n_best(texts, n_best, done=lambda n: progress.advance(task, n))
            for number, group in enumerate(groups, first):
                warn(number + 1, group[0], trained)
                for best in group:
                    text = best.text.replace("\n", " ")
                    line = f"{number} ||| {text} ||| {best.score:.4f}" if n_best > 1 else text
                    out.write(line.encode() + b"\n")
            out.flush()
            first += len(texts)


def warn(line: int, translation: Translation, trained: int | None) -> None:
    """Warn about a source longer than all training sentences, and the longest translations.

    Args:
        line: the line number, counted from 1.
        translation: its best translation.
        trained: the maximum source length in training, in pieces; None if unknown.
    """
    pieces = len(translation.source_pieces) - 1
    if trained is not None and pieces > trained:
        console.print(
            f"line {line}: {pieces:,} pieces, but the model was trained on at most {trained}"
        )
    if translation.cut:
        console.print(
            f"line {line}: the translation has {len(translation.target_pieces) - 1} pieces, the "
            "maximum, and may be cut off (limited by --max-length and the run's search settings)"
        )
