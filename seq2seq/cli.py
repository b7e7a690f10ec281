"""The command line: options and arguments of every command. The logic is in other modules."""

import sys
from collections.abc import Callable
from dataclasses import replace
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from seq2seq.alignment.gold_files import Form
from seq2seq.alignment.rule import Hide, MethodName
from seq2seq.errors import UserError
from seq2seq.limits import COLDEST, HOTTEST, LARGEST, LONGEST, WIDEST
from seq2seq.runs.folder import RunFolder
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import refuse_output
from seq2seq.system.memory import keep_freed_memory
from seq2seq.version import __version__

if TYPE_CHECKING:
    from seq2seq.alignment.rule import Rule

Kind = Literal["runs", "heads", "lines", "steps", "gradients", "pronouns"]

app = typer.Typer(
    name="seq2seq",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text, as the help of train
    pretty_exceptions_enable=False,
)


def print_version(wanted: bool) -> bool:
    """Print the version and exit, if `wanted`."""
    if wanted:
        print(f"seq2seq {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Train translation models, plot their attention, and compare them."""


def writable(option: str = "--out", *, folder: bool = False) -> Callable[[Any], Any]:
    """Return a callback that checks the path of an output file or folder before the work."""

    def check(value: Path | None) -> Path | None:
        if value is not None:
            refuse_output(value, option, folder=folder)
        return value

    return check


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder (runs/NAME).")]
BeamOption = Annotated[
    int | None,
    typer.Option("--beam", min=1, max=WIDEST, help="Beam size (default: from the run)."),
]
RoundsOption = Annotated[
    int | None,
    typer.Option(
        "--rounds",
        min=1,
        max=WIDEST,
        help="Number of rounds of mask-predict (default: from the run).",
    ),
]
LengthsOption = Annotated[
    int | None,
    typer.Option(
        "--lengths",
        min=1,
        max=WIDEST,
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
    Literal["source", "target", "encoder"],
    typer.Option(
        "--map",
        help="Attention from the target to the source, from the target to the target so far, or "
        "inside the encoder.",
    ),
]
TextOption = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--text", metavar="SOURCE TARGET", help="Two parallel files of space-separated tokens."
    ),
]
RuleOption = Annotated[
    Literal["run", "default"],
    typer.Option(help="Extraction rule: the rule stored in the run, or the default rule."),
]
MethodOption = Annotated[
    MethodName | None,
    typer.Option(
        "--method",
        help="What the map shows (default: that of the run's rule, or attention). attention: the "
        "weights. vectors: norms of the vectors that attention reads. alti: their contribution to "
        "the layer's output (Transformer). occlusion: the loss of log-probability when a source "
        "word is hidden. gradient, smoothgrad, integrated_gradients: products of input and "
        "gradient. occlusion works with every model.",
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
    typer.Option(help="Layer, counted from 1, or mean (default: the last but one)."),
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
        help="Attention to </s>: keep it as a null link, drop it, or drop it and renormalize "
        "(default: drop)."
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


def between(low: float, high: float, *, above: bool = False) -> Callable[[float], float]:
    """Return a callback that checks the range of an option; click's own ranges accept NaN."""

    def check(value: float | None) -> float | None:
        if value is not None and not (low <= value <= high and (value > low or not above)):
            start = f"above {low:g} and at most" if above else f"from {low:g} to"
            raise typer.BadParameter(f"{value} is not {start} {high:g}.")
        return value

    return check  # type: ignore[return-value]


Words = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...] [-m]")]
# Unknown options, such as -m and --cfg, are passed on as arguments.
hydra_style: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True},
}


@app.command(short_help="Check a corpus without training.", **hydra_style)
def check(words: Words = None) -> None:
    """Check a corpus for errors without training (same arguments as train)."""
    from seq2seq import compose, settings_help

    requested, refused = compose.parse_command(words or [], settings_help.check_help), False
    for member in requested.members if requested else []:
        from seq2seq.commands.check import check, findings_table

        findings = check(member.config)
        print_table(findings_table(findings))
        refused |= any(split.refusals for split in findings)
    if refused:
        sys.exit(1)


@app.command(short_help="Train a model, or several with -m.", **hydra_style)
def train(words: Words = None) -> None:
    """Train a model: seq2seq train model=bahdanau data=multi30k (--help lists all keys)."""
    from seq2seq import compose, settings_help

    if requested := compose.parse_command(words or [], settings_help.help_text):
        from seq2seq.training import sweep

        if requested.sweep:
            sweep.train_all(requested.members)
        else:
            sweep.train_one(requested.members[0])


@app.command(short_help="Translate standard input line by line.")
def translate(
    run: RunArgument,
    beam: BeamOption = None,
    rounds: RoundsOption = None,
    lengths: LengthsOption = None,
    n_best: Annotated[
        int,
        typer.Option(
            "--n-best",
            min=1,
            max=WIDEST,
            help="Write the n best translations as lines `NUMBER ||| TEXT ||| SCORE`; a smaller "
            "beam or number of lengths is widened to n.",
        ),
    ] = 1,
    max_length: Annotated[
        int | None,
        typer.Option("--max-length", min=1, max=LONGEST, help="Maximum length in pieces."),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Sample from the model instead of searching.")
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="With --sample: softmax temperature (default: 1).",
            callback=between(COLDEST, HOTTEST),
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=LARGEST,
            help="With --sample: sample from the K most likely pieces; 0 is all (default: 0).",
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="With --sample: sample from the most likely pieces whose probabilities add up to "
            "this (default: 1).",
            callback=between(0.0, 1.0, above=True),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST, help="With --sample: random seed (default: 1)."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Translate standard input line by line: seq2seq translate RUN < in > out.

    The output is flushed whenever no more input is ready, so that another program can write a
    line and wait for its translation.
    """
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if stream is None:
            raise UserError(f"standard {name} is closed: seq2seq translate RUN < in.txt > out.txt")
    from seq2seq.translation.stream import filter_lines
    from seq2seq.translation.translator import Translator, run_search, sampling

    folder = RunFolder.open(run)
    for option, value in {"--beam": beam, "--rounds": rounds, "--lengths": lengths}.items():
        if sample and value is not None:
            raise typer.BadParameter(f"--sample and {option} exclude each other")
    if not sample and any(one is not None for one in (temperature, top_k, top_p, seed)):
        raise typer.BadParameter("--temperature, --top-k, --top-p and --seed go with --sample")
    search = run_search(folder, beam=beam, rounds=rounds, lengths=lengths, max_length=max_length)
    if sample:
        search = sampling(search, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    translator = Translator(folder, search=search, device=device)
    lines = cast(BufferedIOBase, sys.stdin.buffer)
    filter_lines(translator, lines, sys.stdout.buffer, n_best=n_best)


@app.command(short_help="Translate the test sets and score the translations.")
def evaluate(
    run: RunArgument,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Name of a test set (repeatable; default: all)."),
    ] = None,
    beam: BeamOption = None,
    method: MethodOption = None,
    hide: HideOption = None,
    rounds: RoundsOption = None,
    lengths: LengthsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Translate the test sets and compute BLEU, chrF, TER, perplexity and speed.

    The map of --method between the words of each translation is stored, too, and scored if the
    test set has gold links.
    """
    from seq2seq.commands.evaluate import evaluate, score_table

    done = evaluate(
        run,
        test or [],
        beam=beam,
        rounds=rounds,
        lengths=lengths,
        method=method,
        hide=hide,
        device=device,
    )
    print_table(score_table(done))
    print_written(run / "scores.json", run / "hyps")


@app.command(short_help="Draw attention, or another method, of sentences as heatmaps.")
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
    rule: RuleOption = "run",
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    name: MapOption = "source",
    out: PictureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Draw which source words each target word depends on, for single sentences, as heatmaps.

    The matrices are also written as JSON. They are attention weights, or what --method computes.

    To score the alignment of a whole text, use score-alignment; to write it, export-alignment.
    """
    from seq2seq.commands.align import align

    if name != "source" and (rule != "run" or shift is not None):
        raise typer.BadParameter(
            f"--rule and --shift have no effect with --map {name}: they choose how links are "
            "extracted from attention to the source"
        )
    refuse_map(name, method, hide)
    print_written(
        *align(
            run,
            source=source,
            target=target,
            test=test,
            lines=lines,
            reference=reference,
            beam=beam,
            rule=extraction_rule(
                run,
                rule if name == "source" else "default",
                {"layer": layer, "head": head, "shift": shift, "method": method, "hide": hide},
            ),
            name=name,
            out=out,
            device=device,
        )
    )


@app.command("score-alignment", short_help="Score word alignments against gold links.")
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
        Literal["run", "default", "auto"],
        typer.Option(
            help="Extraction rule: the rule stored in the run, the default rule, or (auto) the "
            "method and rule with the lowest AER, which are then stored in the run. auto tries all "
            "methods except smoothgrad and integrated_gradients, or only --method."
        ),
    ] = "run",
    method: MethodOption = None,
    hide: HideOption = None,
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    end: EndOption = None,
    threshold: ThresholdOption = None,
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
            if hide is not None and method not in (None, "occlusion"):
                raise typer.BadParameter(f"--hide has no effect with --method {method}")
            read = extraction_rule(run, "run", {"end": end, "threshold": threshold})
            read = replace(read, hide=hide or read.hide)
        else:
            read = extraction_rule(run, rule, values)
    elif rule != "run" or set(values.values()) != {None} or device != "auto":
        raise typer.BadParameter(
            "--rule, --method, --hide, --layer, --head, --shift, --end, --threshold and --device "
            "need RUN"
        )
    table, written = score_alignment(
        run,
        test=test,
        texts=text,
        gold=gold,
        form=gold_format,
        rule=read,
        pick=rule == "auto",
        tried=TRIED if method is None else [method],
        back=back,
        links=links or [],
        train=train,
        out=out,
        device=device,
    )
    print_table(table)
    print_written(*written)


@app.command("export-alignment", short_help="Write the word alignments of a whole text.")
def export_alignment(
    run: RunArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            callback=writable(),
            help="Output file. .align: links in Pharaoh format; .jsonl: links and weights; "
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
    rule: RuleOption = "run",
    layer: LayerOption = None,
    head: HeadOption = None,
    shift: ShiftOption = None,
    end: EndOption = None,
    threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Write the word alignment of every sentence pair of a text."""
    from seq2seq.commands.export_alignment import export_text

    if out.suffix == ".npz" and (end, threshold) != (None, None):
        raise typer.BadParameter(
            "--end and --threshold have no effect: .npz contains weights, not links"
        )
    values = {"layer": layer, "head": head, "shift": shift, "end": end, "threshold": threshold}
    read = extraction_rule(run, rule, {**values, "method": method, "hide": hide})
    export_text(run, test=test, texts=text, rule=read, out=out, device=device)
    print_written(out)


def extraction_rule(run: Path, rule: str, values: dict[str, Any]) -> "Rule":
    """Return the extraction rule: the run's or the default, changed by the options given."""
    from seq2seq.alignment.rule import Rule
    from seq2seq.interpret.chosen_rule import changed, chosen_rule

    if values.get("threshold") is not None and values.get("end") == "keep":
        raise typer.BadParameter("--end keep has no effect with --threshold")
    own = chosen_rule(RunFolder.open(run)) if rule == "run" else Rule()
    return changed(own, **values)


def refuse_map(name: str, method: MethodName | None, hide: Hide | None) -> None:
    """Raise BadParameter if a method is given for a map of self-attention."""
    if name != "source" and (method not in (None, "attention") or hide is not None):
        raise typer.BadParameter(
            f"--map {name} shows attention weights: omit --method and --hide, which apply to the "
            "source"
        )


@app.command(short_help="Draw one sentence by run, head or checkpoint, or gradients.")
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
            "--line", min=1, max=LARGEST, help="With --test: line number, counted from 1."
        ),
    ] = None,
    reference: ReferenceOption = False,
    beam: BeamOption = None,
    method: MethodOption = None,
    hide: HideOption = None,
    name: MapOption = "source",
    layer: LayerOption = None,
    head: HeadOption = None,
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

        given = {"--source": source, "--target": target, "--beam": beam, "--reference": reference}
        given |= {"--layer": layer, "--head": head, "--map": name if name != "source" else None}
        given |= {"--method": method, "--hide": hide}
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
    from seq2seq.commands.plot import plot

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
            out=out,
            device=device,
        )
    )


@app.command(short_help="Compare systems: scores, tests, differences, cost.")
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Evaluated run folders, or a folder of them."),
    ] = None,
    hyps: Annotated[
        list[str] | None,
        typer.Option(
            "--hyps",
            metavar="NAME=FILE",
            help="Translations of another system, one per line (repeatable).",
        ),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="Without runs: source file.")
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option("--reference", help="Without runs: reference file (repeatable)."),
    ] = None,
    target_language: Annotated[
        str | None,
        typer.Option("--target-language", help="Without runs: target language code, such as de."),
    ] = None,
    bleu_tokenizer: Annotated[
        str | None,
        typer.Option(
            "--bleu-tokenizer", help="Without runs: sacreBLEU tokenizer (default: by language)."
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Name of a test set (repeatable; default: all)."),
    ] = None,
    comet: Annotated[
        Path | None,
        typer.Option(
            "--comet", help="Folder of a COMET model (needs the package's extra `comet`)."
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Output folder of the report: Markdown, JSON, TeX, figures.",
            callback=writable(folder=True),
        ),
    ] = Path("comparison"),
) -> None:
    """Compare systems: scores, confidence intervals, significance tests, differences and cost.

    Runs that differ only in their seed are one system. Systems that were measured differently
    cannot be compared.

    Without runs: seq2seq compare --source FILE --reference FILE --hyps a=FILE --hyps b=FILE
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
    print_written(*written)


@app.command(short_help="Train four models on the built-in corpus.")
def demo(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Training keys for all models; model.* only for networks."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Output folder.", callback=writable(folder=True))
    ] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Random seed of all runs.")] = 1,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Rename an earlier demo and start over instead of resuming."),
    ] = False,
) -> None:
    """Train four models on the built-in corpus, compare them, and plot their attention."""
    from seq2seq.commands.demo import demo

    print_written(*demo(out, words or [], seed=seed, fresh=fresh))


@app.command(short_help="Measure training and translation speed.")
def bench(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL|KEY=VALUE",
            help="Models (default: all), and keys of train, such as data=multi30k or "
            "trainer.threads=1.",
        ),
    ] = None,
    sizes: Annotated[
        Literal["reference", "own"],
        typer.Option(
            help="Model sizes: those compared in experiments/speed, or the defaults of each model."
        ),
    ] = "reference",
    caches: Annotated[
        bool,
        typer.Option(
            "--caches",
            help="Measure only the caches of decoding, for every kind of attention of a "
            "Transformer: bytes per token, and speed at 20, 200 and 2,000 target tokens.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--json", help="JSON file for all measurements.", callback=writable("--json")),
    ] = None,
) -> None:
    """Measure training and translation speed on this machine, and estimate training time."""
    from seq2seq.commands.bench import bench, bench_table
    from seq2seq.commands.bench_caches import bench_caches, caches_table
    from seq2seq.system.files import write_json

    measure, table = (bench_caches, caches_table) if caches else (bench, bench_table)
    names = [word for word in words or [] if "=" not in word]
    keys = [word for word in words or [] if "=" in word]
    results = measure(names, keys, own=sizes == "own")
    print_table(table(results))
    if out is not None:
        write_json(out, results)
        print_written(out)


def print_table(table: Any) -> None:
    """Print a result on standard output.

    Raises:
        UserError: standard output is closed.
    """
    if sys.stdout is None:
        raise UserError("standard output is closed, so the result cannot be printed")
    from rich.console import Console

    Console().print(table)


def print_written(*paths: Path) -> None:
    """Print the paths of the files that were written."""
    from seq2seq.system.console import console

    for path in paths:
        console.print(f"wrote {path}")


def main() -> None:
    """Run the `seq2seq` command."""
    keep_freed_memory()
    with reporting_user_errors():
        app(prog_name="seq2seq")  # the name also determines the variable for shell completion


if __name__ == "__main__":
    main()
