"""The first pairs of a training text, for learning curves by the size of the corpus."""

from collections.abc import Callable, Iterator

from seq2seq.corpora.lines import Defect, Report
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError


def first_pairs(
    read: Callable[[Report], Iterator[Pair]], number: int, report: Report, where: str
) -> Iterator[Pair]:
    """Stream the first pairs of a text, and read the rest to check it.

    Defects of later pairs are not reported; those at the end of the text are, such as unequal
    numbers of lines.

    Args:
        read: streams all pairs, and calls its argument with each defect before the pair that has
            it.
        number: how many pairs to stream.
        report: is called with each defect.
        where: name of the text in the message.

    Raises:
        UserError: the text has fewer pairs.
    """
    pending: list[Defect] = []
    total = 0
    for total, pair in enumerate(read(pending.append), start=1):
        if total <= number:
            for defect in pending:
                report(defect)
            yield pair
        pending.clear()
    for defect in pending:
        report(defect)
    if total < number:
        raise UserError(
            f"data.train_pairs={number} is more than the {total:,} training pairs of {where}"
        )
