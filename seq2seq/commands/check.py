"""`seq2seq check`: read a corpus without training and report its problems in a table."""

from collections.abc import Sequence
from itertools import islice

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seq2seq.corpora import Corpus, Findings, check_corpus
from seq2seq.corpora.checker import FIRST, MEANINGS, Finding
from seq2seq.errors import UserError
from seq2seq.scoring import metrics
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build
from seq2seq.system.console import console
from seq2seq.text.languages import SAMPLE, Target
from seq2seq.training.round_trip import by_rules, sentences


def check(config: Config) -> list[Findings]:
    """Read the whole corpus of a configuration, and return the findings of each split.

    Raises:
        UserError: the configuration does not name a corpus.
    """
    corpus: Corpus = build("data", config.data)
    console.print(f"checking {corpus.source}-{corpus.target}: {', '.join(corpus.splits)}")
    for line in division_lines(corpus):
        console.print(line, markup=False, highlight=False)
    findings = check_corpus(corpus)
    if not any(split.refusals for split in findings):
        target = Target.of(config.data)
        losses = by_rules(corpus, config.tokenizer, target)
        references = [pair.target for pair in islice(corpus.read("validation"), SAMPLE)]
        for remark in [*metrics.warnings_about(target, references), *sentences(losses.values())]:
            console.print(remark, markup=False)
    return findings


def division_lines(corpus: Corpus) -> list[str]:
    """Return lines that describe how the corpus is split; empty if it cannot be read.

    The check reports the reason later.
    """
    try:
        return corpus.describe()
    except UserError:
        return []


def findings_table(splits: Sequence[Findings]) -> RenderableType:
    """Return a table of the findings, fitting 80 columns, and descriptions of their kinds.

    Findings because of which training would refuse the corpus are marked with an exclamation mark.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("split", overflow="fold", max_width=20)
    table.add_column("finding", max_width=22, overflow="fold")
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column(f"first {FIRST} in each file", overflow="fold")
    for split in splits:
        table.add_row(Text(split.split), "pairs", f"{split.pairs:,}", style="bold")
        for finding in in_order(split):
            mark, style = ("! ", "red") if finding.refusal else ("  ", "")
            cells = ("", mark + finding.kind, f"{finding.count:,}", where(finding))
            table.add_row(*map(Text, cells), style=style)  # Text is not parsed as markup
    refusals = [refusal for split in splits for refusal in split.refusals]
    parts: list[RenderableType] = [table, Text()]
    if refusals:
        parts.append(Text("! Training would refuse this corpus:", style="bold"))
        parts += [Text(f"  {reason}") for reason in dict.fromkeys(map(str, refusals))]
    else:
        parts.append(Text("Training would accept this corpus."))
    kinds = {meaning_key(finding.kind) for split in splits for finding in split.kinds.values()}
    meanings = Table.grid(padding=(0, 2, 0, 0))
    for kind, meaning in MEANINGS.items():
        if kind in kinds:
            meanings.add_row(kind, meaning)
    return Group(*parts, Text(), meanings) if kinds else Group(*parts)


def in_order(split: Findings) -> list[Finding]:
    """Return the findings of a split in the order of MEANINGS."""
    order = list(MEANINGS)
    return sorted(split.kinds.values(), key=lambda finding: order.index(meaning_key(finding.kind)))


def meaning_key(kind: str) -> str:
    """Return the key of a kind in MEANINGS, without the name of a split at the end."""
    return kind if kind in MEANINGS else " ".join(kind.split(" ")[:2])


def where(finding: Finding) -> str:
    """Return the first lines with a finding; each file is named once."""
    files: dict[str, list[str]] = {}
    for place in finding.places:
        files.setdefault(place.file, []).append(f"{place.line}")
    places = "; ".join(f"{file} {', '.join(lines)}" for file, lines in files.items())
    return f"{places}, {finding.note}" if finding.note else places
