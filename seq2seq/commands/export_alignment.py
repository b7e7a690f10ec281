"""`seq2seq export-alignment`: write the word alignments of a text.

Sentence pairs are streamed, so memory use does not depend on the size of the text.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import tee
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.alignment.form_names import LinkForm
from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.link_lines import naacl_lines, talp_line
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain_pairs
from seq2seq.interpret.gold_set import given_pairs, stored_texts
from seq2seq.interpret.methods.word_forms import refuse_forms, with_forms
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import track
from seq2seq.system.files import replacing
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator


class Aligned(NamedTuple):
    """The tokens, links and map of one pair; `</s>` is the last in the weights.

    The weights of a signed map are in nats.
    """

    source: list[str]
    target: list[str]
    links: Links
    weights: Float[ndarray, "tgt_rows src_and_end"]


def export_text(
    path: str | Path,
    *,
    test: str | None = None,
    texts: tuple[Path, Path] | None = None,
    rule: Rule,
    out: Path,
    form: LinkForm | None = None,
    forms: Path | None = None,
    device: str = "auto",
) -> None:
    """Force-decode the pairs of a text and write the alignment of their tokens.

    Pairs with an empty side have no links.

    Args:
        path: the run folder.
        test: the name of a test set of the run.
        texts: two files of tokens, instead of a test set.
        rule: the extraction rule.
        out: the output file. .align has links; .jsonl has one JSON object per line with tokens,
            links and weights; .npz has one array of weights per pair, named by its number from 1,
            with a row per target token and a column per source token, `</s>` last.
        form: the format of .align: pharaoh (the default) has one line of links i-j per pair,
            counted from 0; talp the same, counted from 1; naacl one line `pair source target S` per
            link, counted from 1.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        device: the device to compute on.

    Raises:
        UserError: the file name extension is unknown, the files differ in length, or the model has
            no attention or does not have the layer or head of the rule.
    """
    if out.suffix not in WRITERS:
        raise UserError(f"--out {out} must end in {', '.join(WRITERS)}")
    if form is not None and out.suffix != LINKS:
        raise UserError(f"--format {form} has no effect: --out {out} does not end in {LINKS}")
    run = RunFolder.open(path)
    if (test is None) == (texts is None):
        raise UserError("give --test NAME, or --text SOURCE TARGET")
    if texts is None:
        name, pairs = str(test), iter(stored_texts(run.test(str(test))))
    elif out.resolve() in [path.resolve() for path in texts]:
        raise UserError(f"--out {out} would overwrite a file of --text")
    else:
        name, pairs = texts[0].name, given_pairs(*texts)
    refuse_forms(forms, rule)
    aligned = align_all(with_forms(Translator(run, device=device), forms), pairs, rule)
    mode, write = WRITERS[out.suffix]
    write = LINK_WRITERS[form or "pharaoh"] if out.suffix == LINKS else write
    with replacing(out, mode) as file:
        write(file, track(aligned, f"aligning {name}", total=None, unit="pairs"))


def align_all(
    translator: Translator, texts: Iterable[tuple[str, str]], rule: Rule
) -> Iterator[Aligned]:
    """Yield the alignment of each pair by a rule."""
    plain, again = tee(texts)
    golds = (Gold(source.split(), target.split(), Links(frozenset())) for source, target in again)
    for explained in explain_pairs(translator, plain, rule, golds):
        tokens = explained.gold
        links = Links(explained.links(rule))
        yield Aligned(tokens.source, tokens.target, links, explained.values(rule))


def write_pharaoh(file: IO[str], aligned: Iterable[Aligned]) -> None:
    """Write one line of links per pair, counted from 0."""
    file.writelines(f"{pair.links}\n" for pair in aligned)


def write_talp(file: IO[str], aligned: Iterable[Aligned]) -> None:
    """Write one line of links per pair, counted from 1."""
    file.writelines(f"{talp_line(pair.links)}\n" for pair in aligned)


def write_naacl(file: IO[str], aligned: Iterable[Aligned]) -> None:
    """Write one line per link, counted from 1."""
    for number, pair in enumerate(aligned, 1):
        file.writelines(f"{line}\n" for line in naacl_lines(number, pair.links))


def write_jsonl(file: IO[str], aligned: Iterable[Aligned]) -> None:
    """Write one JSON object per line."""
    for source, target, links, weights in aligned:
        record = {
            "source": [*source, END],
            "target": [*target, END][: len(weights)],
            "links": sorted(links.sure),
            "weights": [[round(weight, 5) for weight in row] for row in weights.tolist()],
        }
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_npz(file: IO[bytes], aligned: Iterable[Aligned]) -> None:
    """Write a file for `numpy.load`, one array at a time; `numpy.savez` needs all in memory."""
    with zipfile.ZipFile(file, "w") as archive:
        for number, pair in enumerate(aligned, 1):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, pair.weights, allow_pickle=False)


LINKS = ".align"
LINK_WRITERS: dict[LinkForm, Callable[[IO[Any], Iterable[Aligned]], None]] = {
    "pharaoh": write_pharaoh,
    "talp": write_talp,
    "naacl": write_naacl,
}
WRITERS: dict[str, tuple[str, Callable[[IO[Any], Iterable[Aligned]], None]]] = {
    LINKS: ("w", write_pharaoh),
    ".jsonl": ("w", write_jsonl),
    ".npz": ("wb", write_npz),
}
