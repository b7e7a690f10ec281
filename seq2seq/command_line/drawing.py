"""Commands that draw attention: align, plot, heads."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seq2seq.alignment.method_names import WITHOUT_LAYERS, Hide, MethodName, split_method
from seq2seq.command_line.alignment import extraction_rule
from seq2seq.command_line.options import (
    BeamOption,
    DeviceOption,
    FormsOption,
    HeadOption,
    HideOption,
    LayerOption,
    MapOption,
    MethodOption,
    PictureOption,
    ReferenceOption,
    RuleOption,
    RunArgument,
    ShiftOption,
    SourceOption,
    SourceShareOption,
    TargetOption,
    TestOption,
)
from seq2seq.command_line.output import check_output, print_table, print_written
from seq2seq.errors import UserError
from seq2seq.limits import MAX_INTEGER
from seq2seq.system.collector import importing

Kind = Literal["runs", "heads", "lines", "steps", "gradients", "pronouns"]


def align(
    run: RunArgument,
    source: SourceOption = None,
    target: TargetOption = None,
    test: TestOption = None,
    lines: Annotated[
        str | None,
        typer.Option(
            "--lines", help="With --test: line numbers, counted from 1, such as 3,17 or 1-5."
        ),
    ] = None,
    reference: ReferenceOption = False,
    beam: BeamOption = None,
    method: MethodOption = None,
    hide: HideOption = None,
    rule: RuleOption = None,
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    map: MapOption = None,
    source_share: SourceShareOption = False,
    forms: FormsOption = None,
    instead: Annotated[
        str | None,
        typer.Option(
            "--instead",
            metavar="WORD",
            help="Why not this word: explain the difference between its log-probability and that "
            "of the word of the target that it replaces. WORD replaces another form of the same "
            "word; OLD=WORD or NUMBER:WORD says which word. By occlusion unless --method is given.",
        ),
    ] = None,
    out: PictureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Draw which source words each target word depends on, for single sentences, as heatmaps.

    The matrices are also written as JSON. They are attention weights, or what --method computes.

    To score the alignment of a whole text, use score-alignment; to write it, export-alignment.
    """
    with importing():
        from seq2seq.commands.align import align

    name = map or "source"
    if name != "source" and (rule is not None or shift is not None):
        raise typer.BadParameter(
            f"--rule and --shift have no effect with --map {name}: they choose how links are "
            "extracted from attention to the source"
        )
    refuse_map(name, method, hide)
    if source_share and (name != "source" or instead is not None):
        other = "--instead" if instead is not None else f"--map {name}"
        raise typer.BadParameter(f"--source-share has no effect with {other}")
    values = {"layer": layer, "head": head, "shift": shift, "method": method, "hide": hide}
    if instead is not None:
        if map is not None or shift is not None:
            raise typer.BadParameter("--map and --shift have no effect with --instead")
        values["method"] = method or contrast_method(run, rule)
    print_written(
        *align(
            run,
            source=source,
            target=target,
            test=test,
            lines=lines,
            reference=reference,
            beam=beam,
            rule=extraction_rule(run, rule if name == "source" else "default", values),
            name=name,
            source_share=source_share,
            forms=forms,
            instead=instead,
            out=out,
            device=device,
        )
    )


def plot(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND",
            help="runs: heatmaps of several runs side by side. heads: all layers and heads of one "
            "run. lines: links drawn as lines between words. steps: checkpoints during training. "
            "gradients: gradient at the source by distance, for several runs and a whole test set. "
            "pronouns: attention of pronouns to their antecedent, for one run and test_pronoun.",
        ),
    ],
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders (runs/NAME).")],
    source: SourceOption = None,
    target: TargetOption = None,
    test: TestOption = None,
    line: Annotated[
        int | None,
        typer.Option(
            "--line", min=1, max=MAX_INTEGER, help="With --test: line number, counted from 1."
        ),
    ] = None,
    reference: ReferenceOption = False,
    beam: BeamOption = None,
    method: MethodOption = None,
    hide: HideOption = None,
    map: MapOption = None,
    layer: LayerOption = None,
    head: HeadOption = None,
    forms: FormsOption = None,
    out: PictureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Plot the attention of one sentence: by run, by head, as lines, or by training step.

    --method draws another map than attention.

    plot gradients needs no attention: it draws the norm of the gradient of the last target word's
    log-probability at each source token, by distance, before and after training.

    plot pronouns draws how much attention a pronoun gives to its antecedent and to a noun of the
    other gender, by layer and head, before and after training, and prints how often the model
    prefers the right pronoun.
    """
    if kind == "gradients" or kind == "pronouns":
        from seq2seq.commands.plot_gradients import plot_gradients
        from seq2seq.commands.plot_pronouns import plot_pronouns

        given: dict[str, object] = {
            "--source": source,
            "--target": target,
            "--beam": beam,
            "--reference": reference,
        }
        given |= {"--layer": layer, "--head": head, "--map": map}
        given |= {"--method": method, "--hide": hide, "--forms": forms}
        given |= {"--line": line} if kind == "pronouns" else {}
        for option, value in given.items():
            if value is not None and value is not False:
                raise UserError(
                    f"{option} has no effect on plot {kind}: it reads the references of --test"
                )
        if kind == "pronouns":
            print_written(*plot_pronouns(runs, test=test, out=out, device=device))
            return
        print_written(*plot_gradients(runs, test=test, line=line, out=out, device=device))
        return
    with importing():
        from seq2seq.commands.plot import plot

    name = map or "source"
    refuse_map(name, method, hide)
    print_written(
        plot(
            kind,
            runs,
            source=source,
            target=target,
            test=test,
            line=line,
            reference=reference,
            beam=beam,
            name=name,
            layer=layer,
            head=head,
            method=method,
            hide=hide,
            forms=forms,
            out=out,
            device=device,
        )
    )


def heads(
    run: RunArgument,
    test: Annotated[str, typer.Option("--test", help="Test set of the run.")],
    map: MapOption = None,
    lines: Annotated[
        str | None,
        typer.Option(
            "--lines", help="Use these lines only, counted from 1, such as 1-300 (default: all)."
        ),
    ] = None,
    out: PictureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Switch off each attention head, and each layer of heads, and measure BLEU and AER.

    A head is removed (zero), or attends equally to all positions (uniform). BLEU is that of greedy
    search; AER needs gold links and is that of the run's extraction rule. The changes of BLEU are
    drawn by layer and head; all scores are also written as JSON and CSV.
    """
    check_output()
    with importing():
        from seq2seq.commands.heads import heads

    table, written = heads(
        run, test=test, name=map or "source", lines=lines, out=out, device=device
    )
    print_table(table)
    print_written(*written)


def contrast_method(run: Path, rule: str | None) -> str:
    """Return the signed method of an extraction rule, without its part; occlusion by default."""
    own = extraction_rule(run, rule, {}).method
    return split_method(own)[0] if own in WITHOUT_LAYERS else "occlusion"


def refuse_map(name: str, method: MethodName | None, hide: Hide | None) -> None:
    """Raise BadParameter if a method is given for a map of self-attention."""
    if name != "source" and (method not in (None, "attention") or hide is not None):
        raise typer.BadParameter(
            f"--map {name} shows attention weights: omit --method and --hide, which apply to the "
            "source"
        )
