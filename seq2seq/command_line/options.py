"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seq2seq.alignment.method_names import Hide, MethodName
from seq2seq.limits import MAX_BEAM
from seq2seq.system.files import refuse_output


def writable(option: str = "--out", *, folder: bool = False) -> Callable[[Any], Any]:
    """Return a callback that checks the path of an output file or folder before the work."""

    def check(value: Path | None) -> Path | None:
        if value is not None:
            refuse_output(value, option, folder=folder)
        return value

    return check


def between(low: float, high: float, *, above: bool = False) -> Callable[[float], float]:
    """Return a callback that checks the range of an option; click's own ranges accept NaN."""

    def check(value: float | None) -> float | None:
        if value is not None and not (low <= value <= high and (value > low or not above)):
            start = f"above {low:g} and at most" if above else f"from {low:g} to"
            raise typer.BadParameter(f"{value} is not {start} {high:g}.")
        return value

    return check  # type: ignore[return-value]


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder (runs/NAME).")]
BeamOption = Annotated[
    int | None,
    typer.Option("--beam", min=1, max=MAX_BEAM, help="Beam size (default: from the run)."),
]
RoundsOption = Annotated[
    int | None,
    typer.Option(
        "--rounds",
        min=1,
        max=MAX_BEAM,
        help="Number of rounds of mask-predict (default: from the run).",
    ),
]
LengthsOption = Annotated[
    int | None,
    typer.Option(
        "--lengths",
        min=1,
        max=MAX_BEAM,
        help="Number of lengths that mask-predict tries side by side (default: from the run).",
    ),
]
SourceOption = Annotated[str | None, typer.Option("--source", help="Source sentence.")]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="Translation of --source to force-decode.")
]
TestOption = Annotated[str | None, typer.Option("--test", help="Use sentences of this test set.")]
ReferenceOption = Annotated[
    bool, typer.Option("--reference", help="With --test: force-decode the references.")
]
PictureOption = Annotated[
    Path | None,
    typer.Option("--out", help="Output figure: .png, .svg or .pdf.", callback=writable()),
]
MapOption = Annotated[
    Literal["source", "target", "encoder"] | None,
    typer.Option(
        "--map",
        help="Attention from the target to the source, from the target to the target so far, or "
        "inside the encoder (default: source).",
    ),
]
TextOption = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--text", metavar="SOURCE TARGET", help="Two parallel files of space-separated tokens."
    ),
]
RuleOption = Annotated[
    Literal["run", "default"] | None,
    typer.Option(
        help="Extraction rule: the rule stored in the run, or the default rule (default: run)."
    ),
]
MethodOption = Annotated[
    MethodName | None,
    typer.Option(
        "--method",
        metavar="METHOD[:PART]",
        help="What the map shows (default: that of the run's rule, or attention). attention: the "
        "weights. vectors: norms of the vectors that attention reads. alti: their contribution to "
        "the layer's output (Transformer). occlusion: the loss of log-probability when a source "
        "word is hidden. gradient, smoothgrad, integrated_gradients: products of input and "
        "gradient. occlusion works with every model. The last four explain a target word; with "
        ":lexeme the word in any of its inflected forms, with :form its form given the lexeme.",
    ),
]
FormsOption = Annotated[
    Path | None,
    typer.Option(
        "--forms",
        metavar="FILE",
        help="With :lexeme or :form: table of the forms of target words, one lexeme a line "
        "(default: that of the built-in corpus, for its runs).",
    ),
]
MethodsOption = Annotated[
    str | None,
    typer.Option(
        "--methods",
        metavar="NAME,NAME",
        help="Instead of --method: several methods, such as attention,occlusion. report.html of "
        "`compare` lets a reader choose one; the first is scored against gold links.",
    ),
]
SourceShareOption = Annotated[
    bool,
    typer.Option(
        "--source-share",
        help="Also compute how much of each word the source explains: its log-probability with "
        "the source and with all source words hidden.",
    ),
]
HideOption = Annotated[
    Hide | None,
    typer.Option(
        "--hide",
        help="With --method occlusion: replace a word by the mean embedding, replace it by <unk>, "
        "or leave it out (default: drop).",
    ),
]
LayerOption = Annotated[
    str | None,
    typer.Option(help="Layer, counted from 1, or mean (default: the layer before the last)."),
]
HeadOption = Annotated[
    str | None, typer.Option(help="Attention head, counted from 1, or mean (default: mean).")
]
ShiftOption = Annotated[
    bool | None,
    typer.Option(
        "--shift/--no-shift",
        help="Read the row in which the target token is the decoder's input, not its output.",
    ),
]
EndOption = Annotated[
    Literal["keep", "drop", "renormalise"] | None,
    typer.Option(
        help="Attention to </s>: keep it as a null link, drop it, or (with --threshold) drop it "
        "and scale the other weights to sum to one (default: drop)."
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Link all weights of at least this value, not only the largest."
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", help="auto, cpu, cuda, cuda:1, ... or mps (auto: a GPU if available)."
    ),
]
