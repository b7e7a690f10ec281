"""The verbs: seq2seq check, train, translate, evaluate, align, ... No logic here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seq2seq.alignment.gold_files import Form
from seq2seq.errors import reporting_user_errors
from seq2seq.runs.folder import RunFolder

if TYPE_CHECKING:
    from seq2seq.alignment.rule import Rule
    from seq2seq.config import Config

Kind = Literal["runs", "heads", "lines", "steps"]

app = typer.Typer(
    name="seq2seq",
    help="Train translation models, see their attention, compare them honestly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, runs/NAME")]
BeamOption = Annotated[
    int | None, typer.Option("--beam", min=1, help="hypotheses kept; the run's own by default")
]
SourceOption = Annotated[str | None, typer.Option("--source", help="a sentence to translate")]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="its translation, to be read instead of searched")
]
TestOption = Annotated[str | None, typer.Option("--test", help="take lines of this test set")]
ReferenceOption = Annotated[
    bool, typer.Option("--reference", help="with --test: read the reference, don't search")
]
PictureOption = Annotated[
    Path | None, typer.Option("--out", help="picture to write: .png, .svg or .pdf")
]
TextOption = Annotated[
    tuple[Path, Path] | None,
    typer.Option("--text", metavar="SOURCE TARGET", help="two files of tokens split at spaces"),
]
RuleOption = Annotated[
    Literal["run", "default"],
    typer.Option(help="extraction rule: the one stored in the run, or the default"),
]
LayerOption = Annotated[
    str | None,
    typer.Option(help="decoder layer, from 1, or mean (default: the one before the last)"),
]
HeadOption = Annotated[
    str | None, typer.Option(help="attention head, from 1, or mean (default: mean)")
]
ShiftOption = Annotated[
    bool | None,
    typer.Option(
        "--shift/--no-shift", help="read the row at which a target token is the decoder's input"
    ),
]
EndOption = Annotated[
    Literal["keep", "drop", "renormalise"] | None,
    typer.Option(
        help="</s> as a null link: keep it as a choice, drop it, or drop it and renormalise "
        "(default: drop)"
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="link every weight from here on, not the largest alone"),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, ...")]


Words = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...] [-m]")]
# Unknown options are words too: Hydra's own, such as -m and --cfg.
hydra_command = app.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True}
)


@hydra_command
def check(words: Words = None) -> None:
    """Read a corpus without training: what is wrong, and where (takes the words of train)."""
    from seq2seq import compose

    def job(config: "Config") -> None:
        from seq2seq.commands.check import check, findings_table

        found = check(config)
        print_table(findings_table(found))
        if any(split.refusals for split in found):
            sys.exit(1)

    compose.run(words or [], job, compose.check_help)


@hydra_command
def train(words: Words = None) -> None:
    """Train a model: seq2seq train model=bahdanau data=multi30k (--help lists every key)."""
    from seq2seq import compose

    def job(config: "Config") -> None:
        from seq2seq.system.devices import first_process
        from seq2seq.training.train import train

        folder = train(config)
        if first_process():
            print(folder)

    compose.run(words or [], job, compose.help_text)


@app.command()
def translate(
    run: RunArgument,
    beam: BeamOption = None,
    n_best: Annotated[
        int,
        typer.Option("--n-best", min=1, help="lines `NUMBER ||| TEXT ||| SCORE` for each input"),
    ] = 1,
    max_length: Annotated[
        int | None, typer.Option("--max-length", min=1, help="most pieces of a translation")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="draw from the model instead of searching")
    ] = False,
    temperature: Annotated[float, typer.Option(help="of --sample: below 1 is safer")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="of --sample: from the K likeliest words")] = 0,
    top_p: Annotated[
        float, typer.Option(help="of --sample: from the likeliest words of this mass")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="of --sample")] = 1,
    device: DeviceOption = "auto",
) -> None:
    """Translate standard input line by line: seq2seq translate RUN < in > out."""
    from seq2seq.translation.stream import filter_lines
    from seq2seq.translation.translator import Translator, run_search, sampling

    folder = RunFolder.open(run)
    if sample and beam is not None:
        raise typer.BadParameter("--sample draws, --beam searches: give one of them")
    if not sample and (temperature, top_k, top_p, seed) != (1.0, 0, 1.0, 1):
        raise typer.BadParameter("--temperature, --top-k, --top-p and --seed go with --sample")
    search = run_search(folder, beam=max(beam or 0, n_best) or None, max_length=max_length)
    if sample:
        search = sampling(search, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    translator = Translator(folder, search=search, device=device)
    filter_lines(translator, sys.stdin.buffer, sys.stdout.buffer, n_best=n_best)


@app.command()
def evaluate(
    run: RunArgument,
    test: Annotated[
        list[str] | None, typer.Option("--test", help="name of a test set; all by default")
    ] = None,
    beam: BeamOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Translate the test sets and score them: BLEU, chrF, TER, perplexity, speed."""
    from seq2seq.commands.evaluate import evaluate, score_table

    print_table(score_table(evaluate(run, test or [], beam=beam, device=device)))
    wrote(run / "scores.json", run / "hyps")


@app.command()
def align(
    run: RunArgument,
    source: SourceOption = None,
    target: TargetOption = None,
    test: TestOption = None,
    lines: Annotated[
        str | None, typer.Option("--lines", help="which, counted from 1, such as 3,17 or 1-5")
    ] = None,
    reference: ReferenceOption = False,
    beam: BeamOption = None,
    rule: RuleOption = "run",
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    out: PictureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Draw the attention of single sentences as heatmaps, with the matrices as JSON.

    A whole text is scored against gold by score-alignment and written by export-alignment.
    """
    from seq2seq.commands.align import align

    wrote(
        *align(
            run,
            source=source,
            target=target,
            test=test,
            lines=lines,
            reference=reference,
            beam=beam,
            rule=extraction_rule(run, rule, layer, head, shift),
            out=out,
            device=device,
        )
    )


@app.command("score-alignment")
def score_alignment(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="a run folder; none to score --links alone"),
    ] = None,
    test: Annotated[
        str | None, typer.Option("--test", help="this test set of the run, references as targets")
    ] = None,
    text: TextOption = None,
    gold: Annotated[
        Path | None, typer.Option("--gold", help="gold links; those of the test set by default")
    ] = None,
    gold_format: Annotated[
        Form, typer.Option("--gold-format", help="of --gold; auto recognises it and says which")
    ] = "auto",
    links: Annotated[
        list[str] | None,
        typer.Option(
            "--links",
            metavar="NAME=FILE",
            help="also score the links of another aligner: Pharaoh, GIZA++ A3, ... (repeatable)",
        ),
    ] = None,
    train: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--train", metavar="SOURCE TARGET", help="also score fast_align, trained on this text"
        ),
    ] = None,
    back: Annotated[
        Path | None, typer.Option("--back", help="a run of the other direction, to symmetrize with")
    ] = None,
    rule: Annotated[
        Literal["run", "default", "auto"],
        typer.Option(help="the run's choice; the default; or pick the lowest AER and store it"),
    ] = "run",
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    end: EndOption = None,
    threshold: ThresholdOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for all numbers")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Score alignments against gold: AER of every decoder layer, head and row, and of --links."""
    from seq2seq.commands.score_alignment import score_alignment

    read = None
    if run is not None:
        if rule == "auto" and (layer, head, shift) != (None, None, None):
            raise typer.BadParameter("--layer, --head and --shift are what --rule auto picks")
        read = extraction_rule(run, rule, layer, head, shift, end, threshold)
    elif rule != "run" or (layer, head, shift, end, threshold) != (None,) * 5 or device != "auto":
        raise typer.BadParameter(
            "--rule, --layer, --head, --shift, --end, --threshold and --device go with RUN"
        )
    table, written = score_alignment(
        run,
        test=test,
        texts=text,
        gold=gold,
        form=gold_format,
        rule=read,
        pick=rule == "auto",
        back=back,
        links=links or [],
        train=train,
        out=out,
        device=device,
    )
    print_table(table)
    wrote(*written)


@app.command("export-alignment")
def export_alignment(
    run: RunArgument,
    out: Annotated[
        Path,
        typer.Option("--out", help=".align: Pharaoh links; .jsonl: also weights; .npz: weights"),
    ],
    test: Annotated[
        str | None, typer.Option("--test", help="this test set of the run, references as targets")
    ] = None,
    text: TextOption = None,
    rule: RuleOption = "run",
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    end: EndOption = None,
    threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Write the alignment of every pair of a text, read by one rule."""
    from seq2seq.commands.export_alignment import export_text

    if out.suffix == ".npz" and (end, threshold) != (None, None):
        raise typer.BadParameter("--end and --threshold choose links, but .npz has weights alone")
    read = extraction_rule(run, rule, layer, head, shift, end, threshold)
    export_text(run, test=test, texts=text, rule=read, out=out, device=device)
    wrote(out)


def extraction_rule(
    run: Path,
    rule: str,
    layer: str | None,
    head: str | None,
    shift: bool | None,
    end: Literal["keep", "drop", "renormalise"] | None = None,
    threshold: float | None = None,
) -> "Rule":
    """The rule by which attention is read as links: the run's or the default, with changes."""
    from seq2seq.alignment.rule import Rule
    from seq2seq.interpret.chosen_rule import changed, chosen_rule

    if threshold is not None and end == "keep":
        raise typer.BadParameter("--end keep has no effect with --threshold")
    own = Rule() if rule == "default" else chosen_rule(RunFolder.open(run))
    return changed(own, layer=layer, head=head, shift=shift, end=end, threshold=threshold)


@app.command()
def plot(
    kind: Annotated[
        Kind,
        typer.Argument(help="runs side by side, all heads, lines between words, training steps"),
    ],
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders, runs/NAME")],
    source: SourceOption = None,
    target: TargetOption = None,
    test: TestOption = None,
    line: Annotated[int | None, typer.Option("--line", help="which, counted from 1")] = None,
    reference: ReferenceOption = False,
    beam: BeamOption = None,
    out: PictureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Draw figures of one sentence: several runs, all heads, lines, or the course of training."""
    from seq2seq.commands.plot import plot

    wrote(
        plot(
            kind,
            runs,
            source=source,
            target=target,
            test=test,
            line=line,
            reference=reference,
            beam=beam,
            out=out,
            device=device,
        )
    )


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="evaluated run folders, or a folder of them"),
    ],
    hyps: Annotated[
        list[str] | None,
        typer.Option("--hyps", metavar="NAME=FILE", help="translations of another system, as text"),
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option("--test", help="name of a test set; all by default")
    ] = None,
    comet: Annotated[
        Path | None, typer.Option("--comet", help="folder of a model of COMET (an extra)")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="folder for the report: Markdown, JSON, TeX, pictures")
    ] = Path("comparison"),
) -> None:
    """Put systems side by side: scores, intervals, tests, where they differ, what they cost.

    Runs that differ in their seed alone are one system. What was not measured alike is refused.
    """
    from seq2seq.compare import compare
    from seq2seq.compare.report import terminal, write

    comparison = compare(runs, hyps=hyps or [], tests=test or [], comet=comet)
    written = write.write(comparison, out)
    print_table(terminal.render(comparison))
    wrote(*written)


@app.command()
def demo(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="for all three trainings")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="folder of everything it makes")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="of all three runs")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="move an older demo aside")] = False,
) -> None:
    """Train the three variants on the built-in corpus, compare them, draw what they see."""
    from seq2seq.commands.demo import demo

    wrote(*demo(out, words or [], seed=seed, fresh=fresh))


@app.command()
def bench(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...] [KEY=VALUE...]",
            help="all models if none; keys as of train, such as data=multi30k or trainer.threads=1",
        ),
    ] = None,
    sizes: Annotated[
        Literal["reference", "own"],
        typer.Option(help="those that experiments/speed compares, or each model's own"),
    ] = "reference",
    out: Annotated[Path | None, typer.Option("--json", help="also write all numbers")] = None,
) -> None:
    """Measure how fast this machine trains and translates, and how long a training would take."""
    from seq2seq.commands.bench import bench, bench_table
    from seq2seq.system.files import write_json

    names = [word for word in words or [] if "=" not in word]
    keys = [word for word in words or [] if "=" in word]
    found = bench(names, keys, own=sizes == "own")
    print_table(bench_table(found))
    if out is not None:
        write_json(out, found)
        wrote(out)


def print_table(table: Any) -> None:
    """A result, on standard output."""
    from rich.console import Console

    Console().print(table)


def wrote(*paths: Path) -> None:
    """Tell where things were written."""
    for path in paths:
        print(f"wrote {path}", file=sys.stderr)


def main() -> None:
    """The `seq2seq` command."""
    with reporting_user_errors():
        app()


if __name__ == "__main__":
    main()
