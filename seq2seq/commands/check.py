"""`seq2seq check`: a corpus read without training, and a table of what is odd in it."""

from collections.abc import Sequence
from itertools import islice

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seq2seq.config import Config, build
from seq2seq.corpora import Corpus, Findings, check_corpus
from seq2seq.corpora.checker import FIRST, MEANINGS, Finding
from seq2seq.errors import UserError
from seq2seq.scoring import metrics
from seq2seq.system.console import console
from seq2seq.text.languages import SAMPLE, Target
from seq2seq.training.round_trip import by_rules, sentences


def check(config: Config) -> list[Findings]:
    """Read the corpus of a configuration from end to end, and say what was found in each split.

    Raises:
        UserError: the configuration names no corpus.
    """
    corpus: Corpus = build("data", config.data)
    console.print(f"checking {corpus.source}-{corpus.target}: {', '.join(corpus.splits)}")
    for line in division_lines(corpus):
        console.print(line, markup=False, highlight=False)
    found = check_corpus(corpus)
    if not any(split.refusals for split in found):
        target = Target.of(config.data)
        losses = by_rules(corpus, config.tokenizer, target)
        references = [pair.target for pair in islice(corpus.read("validation"), SAMPLE)]
        for remark in [*metrics.remarks(target, references), *sentences(losses.values())]:
            console.print(remark, markup=False)
    return found


def division_lines(corpus: Corpus) -> list[str]:
    """How the corpus was divided; nothing where it cannot be read, which the check will say."""
    try:
        return corpus.describe()
    except UserError:
        return []


def findings_table(splits: Sequence[Findings]) -> RenderableType:
    """What was found, a row a kind, for 80 columns; then what a training would say, and meanings.

    What a training would refuse is marked by an exclamation mark.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("split", overflow="fold", max_width=20)
    table.add_column("found", max_width=22, overflow="fold")
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column(f"first {FIRST} in each file", overflow="fold")
    for split in splits:
        table.add_row(Text(split.split), "pairs", f"{split.pairs:,}", style="bold")
        for found in in_order(split):
            mark, style = ("! ", "red") if found.refusal else ("  ", "")
            cells = ("", mark + found.kind, f"{found.count:,}", where(found))
            table.add_row(*map(Text, cells), style=style)  # as Text, names are never markup
    refusals = [refusal for split in splits for refusal in split.refusals]
    parts: list[RenderableType] = [table, Text()]
    if refusals:
        parts.append(Text("! A training would be refused:", style="bold"))
        parts += [Text(f"  {refusal}") for refusal in refusals]
    else:
        parts.append(Text("No training would be refused for this corpus."))
    met = {meaning_key(found.kind) for split in splits for found in split.kinds.values()}
    meanings = Table.grid(padding=(0, 2, 0, 0))
    for kind, meaning in MEANINGS.items():
        if kind in met:
            meanings.add_row(kind, meaning)
    return Group(*parts, Text(), meanings) if met else Group(*parts)


def in_order(split: Findings) -> list[Finding]:
    """The findings of a split as MEANINGS has them."""
    order = list(MEANINGS)
    return sorted(split.kinds.values(), key=lambda found: order.index(meaning_key(found.kind)))


def meaning_key(kind: str) -> str:
    """The name of a kind in MEANINGS: without the split that a pair was also found in."""
    return kind if kind in MEANINGS else " ".join(kind.split(" ")[:2])


def where(found: Finding) -> str:
    """The first places, each file named once."""
    files: dict[str, list[str]] = {}
    for place in found.places:
        files.setdefault(place.file, []).append(f"{place.line}")
    places = "; ".join(f"{file} {', '.join(lines)}" for file, lines in files.items())
    return f"{places}, {found.note}" if found.note else places
