"""The verbs: seq2seq check, train, translate, evaluate, align, ... No logic here."""

import sys
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from seq2seq.alignment.gold_files import Form
from seq2seq.errors import UserError
from seq2seq.limits import COLDEST, HOTTEST, LARGEST, LONGEST, WIDEST
from seq2seq.runs.folder import RunFolder
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.memory import keep_freed_memory
from seq2seq.version import __version__

if TYPE_CHECKING:
    from seq2seq.alignment.rule import Rule

Kind = Literal["runs", "heads", "lines", "steps"]

app = typer.Typer(
    name="seq2seq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def print_version(wanted: bool) -> bool:
    """Print the version and exit, if wanted."""
    if wanted:
        print(f"seq2seq {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="print the version"),
    ] = False,
) -> None:
    """Train translation models, see their attention, compare them honestly."""


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, runs/NAME")]
BeamOption = Annotated[
    int | None,
    typer.Option("--beam", min=1, max=WIDEST, help="hypotheses kept; the run's own by default"),
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
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ... or mps (auto: a GPU if any)")
]


def between(low: float, high: float, *, above: bool = False) -> Callable[[float], float]:
    """A check for an option: click's own ranges let NaN pass."""

    def check(value: float | None) -> float | None:
        if value is not None and not (low <= value <= high and (value > low or not above)):
            start = f"above {low:g} and at most" if above else f"from {low:g} to"
            raise typer.BadParameter(f"{value} is not {start} {high:g}.")
        return value

    return check  # type: ignore[return-value]


Words = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...] [-m]")]
# Unknown options are words too, such as -m and --cfg.
hydra_command = app.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True}
)


@hydra_command
def check(words: Words = None) -> None:
    """Read a corpus without training: what is wrong, and where (takes the words of train)."""
    from seq2seq import compose

    asked, refused = compose.asked(words or [], compose.check_help), False
    for member in asked.members if asked else []:
        from seq2seq.commands.check import check, findings_table

        found = check(member.config)
        print_table(findings_table(found))
        refused |= any(split.refusals for split in found)
    if refused:
        sys.exit(1)


@hydra_command
def train(words: Words = None) -> None:
    """Train a model: seq2seq train model=bahdanau data=multi30k (--help lists every key)."""
    from seq2seq import compose

    if asked := compose.asked(words or [], compose.help_text):
        from seq2seq.training import sweep

        if asked.sweep:
            sweep.train_all(asked.members)
        else:
            sweep.train_one(asked.members[0])


@app.command()
def translate(
    run: RunArgument,
    beam: BeamOption = None,
    n_best: Annotated[
        int,
        typer.Option(
            "--n-best",
            min=1,
            max=WIDEST,
            help="lines `NUMBER ||| TEXT ||| SCORE` for each input; a smaller beam is widened",
        ),
    ] = 1,
    max_length: Annotated[
        int | None,
        typer.Option("--max-length", min=1, max=LONGEST, help="most pieces of a translation"),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="draw from the model instead of searching")
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="of --sample: below 1 is safer (default: 1)", callback=between(COLDEST, HOTTEST)
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST, help="of --sample: from the K likeliest words"),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="of --sample: from the likeliest words of this mass (default: 1)",
            callback=between(0.0, 1.0, above=True),
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST, help="of --sample (default: 1)")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Translate standard input line by line: seq2seq translate RUN < in > out.

    Lines are translated as soon as no more are ready: a program may write one and wait for it.
    """
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if stream is None:
            raise UserError(f"standard {name} is closed: seq2seq translate RUN < in.txt > out.txt")
    from seq2seq.translation.stream import filter_lines
    from seq2seq.translation.translator import Translator, run_search, sampling

    folder = RunFolder.open(run)
    if sample and beam is not None:
        raise typer.BadParameter("--sample draws, --beam searches: give one of them")
    if not sample and any(one is not None for one in (temperature, top_k, top_p, seed)):
        raise typer.BadParameter("--temperature, --top-k, --top-p and --seed go with --sample")
    search = run_search(folder, beam=beam, max_length=max_length)
    if sample:
        search = sampling(search, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    translator = Translator(folder, search=search, device=device)
    lines = cast(BufferedIOBase, sys.stdin.buffer)
    filter_lines(translator, lines, sys.stdout.buffer, n_best=n_best)


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
    line: Annotated[
        int | None, typer.Option("--line", min=1, max=LARGEST, help="which, counted from 1")
    ] = None,
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
        list[Path] | None,
        typer.Argument(metavar="[RUN...]", help="evaluated run folders, or a folder of them"),
    ] = None,
    hyps: Annotated[
        list[str] | None,
        typer.Option("--hyps", metavar="NAME=FILE", help="translations of another system, as text"),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="without runs: the file that was translated")
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option("--reference", help="without runs: its reference; again for further ones"),
    ] = None,
    target_language: Annotated[
        str | None,
        typer.Option("--target-language", help="without runs: code of the language, such as de"),
    ] = None,
    bleu_tokenizer: Annotated[
        str | None,
        typer.Option("--bleu-tokenizer", help="without runs: of sacreBLEU (default: by language)"),
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
    Without runs: --source FILE --reference FILE --hyps a=FILE --hyps b=FILE.
    """
    from seq2seq.compare import compare
    from seq2seq.compare.report import terminal, write

    comparison = compare(
        runs or [],
        hyps=hyps or [],
        tests=test or [],
        comet=comet,
        source=source,
        reference=reference or [],
        target_language=target_language,
        bleu_tokenizer=bleu_tokenizer,
    )
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
    """A result, on standard output.

    Raises:
        UserError: standard output is closed.
    """
    if sys.stdout is None:
        raise UserError("standard output is closed, so that the result cannot be printed")
    from rich.console import Console

    Console().print(table)


def wrote(*paths: Path) -> None:
    """Tell where things were written."""
    from seq2seq.system.console import console

    for path in paths:
        console.print(f"wrote {path}")


def main() -> None:
    """The `seq2seq` command."""
    keep_freed_memory()
    with reporting_user_errors():
        app(prog_name="seq2seq")  # also names the variable that shell completion is asked by


if __name__ == "__main__":
    main()
