"""Commands on word alignments: score-alignment, export-alignment."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seq2seq.alignment.form_names import Form, LinkForm
from seq2seq.alignment.method_names import WITHOUT_LAYERS, hides_words
from seq2seq.command_line.options import (
    DeviceOption,
    EndOption,
    FormsOption,
    HeadOption,
    HideOption,
    LayerOption,
    MethodOption,
    RuleOption,
    RunArgument,
    ShiftOption,
    TextOption,
    ThresholdOption,
    writable,
)
from seq2seq.command_line.output import check_output, print_table, print_written
from seq2seq.system.collector import importing

if TYPE_CHECKING:
    from seq2seq.alignment.rule import Rule


def score_alignment(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="RUN", help="Run folder; omit it to score only --links."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option("--test", help="Test set of the run; the references are the targets."),
    ] = None,
    text: TextOption = None,
    gold: Annotated[
        Path | None,
        typer.Option("--gold", help="File of gold links (default: those of the test set)."),
    ] = None,
    gold_format: Annotated[
        Form,
        typer.Option(
            "--gold-format", help="Format of --gold; auto detects the format and prints it."
        ),
    ] = "auto",
    links: Annotated[
        list[str] | None,
        typer.Option(
            "--links",
            metavar="NAME=FILE",
            help="Also score the links of another aligner: Pharaoh, GIZA++ A3, ... (repeatable).",
        ),
    ] = None,
    train: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--train", metavar="SOURCE TARGET", help="Also score fast_align, trained on this text."
        ),
    ] = None,
    back: Annotated[
        Path | None,
        typer.Option("--back", help="Run of the reverse direction, for symmetrization."),
    ] = None,
    rule: Annotated[
        Literal["run", "default", "auto"] | None,
        typer.Option(
            help="Extraction rule: the rule stored in the run (run, if not given), the default "
            "rule, or (auto) the "
            "method and rule with the lowest AER, which are then stored in the run. auto tries "
            "attention, vectors, alti, occlusion, occlusion:lexeme (if forms are known) and "
            "gradient, or only --method."
        ),
    ] = None,
    method: MethodOption = None,
    hide: HideOption = None,
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    end: EndOption = None,
    threshold: ThresholdOption = None,
    forms: FormsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="JSON file for all scores.", callback=writable()),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Score alignments against gold links.

    Computes the AER of every decoder layer, head and row of the map of a run, and of --links. The
    map is attention, or what --method computes.
    """
    check_output()
    with importing():
        from seq2seq.commands.score_alignment import TRIED, score_alignment

    read = None
    values: dict[str, Any] = {"layer": layer, "head": head, "shift": shift, "end": end}
    values |= {"threshold": threshold, "method": method, "hide": hide}
    if run is not None:
        if rule == "auto" and (layer, head, shift) != (None, None, None):
            raise typer.BadParameter(
                "--rule auto chooses layer, head and shift: omit --layer, --head and --shift"
            )
        if rule == "auto":  # it chooses the method, and --hide applies to one of them
            if hide is not None and method is not None and not hides_words(method):
                raise typer.BadParameter(f"--hide has no effect with --method {method}")
            if end is not None and method in WITHOUT_LAYERS:
                raise typer.BadParameter(f"--end has no effect with --method {method}")
            read = extraction_rule(run, "default", {"threshold": threshold})
            refuse_end(end, read)
            read = replace(read, hide=hide or read.hide, end=end or read.end)
        else:
            read = extraction_rule(run, rule, values)
    elif rule is not None or {*values.values(), forms} != {None} or device != "auto":
        raise typer.BadParameter(
            "--rule, --method, --hide, --layer, --head, --shift, --end, --threshold, --forms and "
            "--device need RUN"
        )
    table, written = score_alignment(
        run,
        test=test,
        texts=text,
        gold=gold,
        form=gold_format,
        rule=read,
        pick=rule == "auto",
        back_default=rule == "default",
        tried=TRIED if method is None else [method],
        back=back,
        links=links or [],
        train=train,
        forms=forms,
        out=out,
        device=device,
    )
    print_table(table)
    print_written(*written)


def export_alignment(
    run: RunArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            callback=writable(),
            help="Output file. .align: links (see --format); .jsonl: links and weights; "
            ".npz: weights.",
        ),
    ],
    test: Annotated[
        str | None,
        typer.Option("--test", help="Test set of the run; the references are the targets."),
    ] = None,
    text: TextOption = None,
    method: MethodOption = None,
    hide: HideOption = None,
    rule: RuleOption = None,
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    end: EndOption = None,
    threshold: ThresholdOption = None,
    forms: FormsOption = None,
    link_format: Annotated[
        LinkForm | None,
        typer.Option(
            "--format",
            help="Format of .align: pharaoh (i-j, counted from 0; default), talp (i-j, counted "
            "from 1) or naacl (a line `pair i j S` for each link, counted from 1).",
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Write the word alignment of every sentence pair of a text."""
    with importing():
        from seq2seq.commands.export_alignment import export_text

    if out.suffix == ".npz" and (end, threshold) != (None, None):
        raise typer.BadParameter(
            "--end and --threshold have no effect: .npz contains weights, not links"
        )
    values = {"layer": layer, "head": head, "shift": shift, "end": end, "threshold": threshold}
    read = extraction_rule(run, rule, {**values, "method": method, "hide": hide})
    export_text(
        run,
        test=test,
        texts=text,
        rule=read,
        out=out,
        form=link_format,
        forms=forms,
        device=device,
    )
    print_written(out)


def extraction_rule(run: Path, rule: str | None, values: dict[str, Any]) -> "Rule":
    """Return the extraction rule: the run's or the default, changed by the options given."""
    from seq2seq.alignment.rule import Rule
    from seq2seq.interpret.chosen_rule import changed, chosen_rule
    from seq2seq.runs.folder import RunFolder

    own = Rule() if rule == "default" else chosen_rule(RunFolder.open(run))
    read = changed(own, **values)
    refuse_end(values.get("end"), read)
    return read


def refuse_end(end: str | None, rule: "Rule") -> None:
    """Raise BadParameter if a value of --end has no effect with the threshold of a rule."""
    if end == "keep" and rule.threshold is not None:
        raise typer.BadParameter("--end keep has no effect with --threshold")
    if end == "renormalise" and rule.threshold is None:
        raise typer.BadParameter(
            "--end renormalise has no effect without --threshold: the largest weight stays the "
            "largest"
        )
