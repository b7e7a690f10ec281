"""Commands on translations: translate, evaluate, compare."""

import sys
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, cast

import typer

from seq2seq.command_line.options import (
    BeamOption,
    DeviceOption,
    FormsOption,
    HideOption,
    LengthsOption,
    MethodOption,
    MethodsOption,
    RoundsOption,
    RunArgument,
    SourceShareOption,
    between,
    writable,
)
from seq2seq.command_line.output import check_output, print_table, print_written
from seq2seq.errors import UserError
from seq2seq.limits import MAX_BEAM, MAX_INTEGER, MAX_PIECES, MAX_TEMPERATURE, MIN_TEMPERATURE
from seq2seq.system.collector import exit_without_collection, importing


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
            max=MAX_BEAM,
            help="Write the n best translations as lines `NUMBER ||| TEXT ||| SCORE`; a smaller "
            "beam or number of lengths is widened to n.",
        ),
    ] = 1,
    max_length: Annotated[
        int | None,
        typer.Option("--max-length", min=1, max=MAX_PIECES, help="Maximum length in pieces."),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Sample from the model instead of searching.")
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="With --sample: softmax temperature (default: that of the run, or 1).",
            callback=between(MIN_TEMPERATURE, MAX_TEMPERATURE),
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_INTEGER,
            help="With --sample: sample from the K most likely pieces; 0 is all (default: that "
            "of the run, or 0).",
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="With --sample: sample from the most likely pieces whose probabilities add up to "
            "this (default: that of the run, or 1).",
            callback=between(0.0, 1.0, above=True),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_INTEGER,
            help="With --sample: random seed (default: that of the run, or 1).",
        ),
    ] = None,
    device: DeviceOption = "auto",
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Compute the output layer in 8-bit integers, on a CPU only: faster, but "
            "translations and scores can differ.",
        ),
    ] = False,
) -> None:
    """Translate standard input line by line: seq2seq translate RUN < in > out.

    The output is flushed whenever no more input is ready, so that another program can write a
    line and wait for its translation.
    """
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if stream is None:
            raise UserError(f"standard {name} is closed: seq2seq translate RUN < in.txt > out.txt")
    exit_without_collection()
    with importing():
        from seq2seq.hub.download import open_run
        from seq2seq.translation.stream import filter_lines
        from seq2seq.translation.translator import Translator, run_search, sampling

    folder = open_run(run)
    for option, value in {"--beam": beam, "--rounds": rounds, "--lengths": lengths}.items():
        if sample and value is not None:
            raise typer.BadParameter(f"--sample and {option} exclude each other")
    if not sample and any(one is not None for one in (temperature, top_k, top_p, seed)):
        raise typer.BadParameter("--temperature, --top-k, --top-p and --seed go with --sample")
    search = run_search(folder, beam=beam, rounds=rounds, lengths=lengths, max_length=max_length)
    if sample:
        search = sampling(search, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    translator = Translator(folder, search=search, device=device, int8=int8)
    lines = cast(BufferedIOBase, sys.stdin.buffer)
    filter_lines(translator, lines, sys.stdout.buffer, n_best=n_best)


def evaluate(
    run: RunArgument,
    test: Annotated[
        list[str] | None,
        typer.Option(
            "--test", metavar="NAME", help="Name of a test set (repeatable; default: all)."
        ),
    ] = None,
    beam: BeamOption = None,
    rounds: RoundsOption = None,
    lengths: LengthsOption = None,
    method: MethodOption = None,
    methods: MethodsOption = None,
    hide: HideOption = None,
    source_share: SourceShareOption = False,
    forms: FormsOption = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            "--reference",
            metavar="TEST=FILE",
            help="Further reference of a test set (repeatable); it is stored in the run. BLEU, "
            "chrF and TER use all.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    devices: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Number of processes that translate together, each on a GPU or a share of the "
            "processors.",
        ),
    ] = 1,
) -> None:
    """Translate the test sets and compute BLEU, chrF, TER, perplexity, calibration and speed.

    The map of --method between the words of each translation is stored, too, and scored if the
    test set has gold links.
    """
    check_output()
    with importing():
        from seq2seq.alignment.method_names import parse_methods
        from seq2seq.commands.evaluate import evaluate, score_table

    scores = evaluate(
        run,
        test or [],
        beam=beam,
        rounds=rounds,
        lengths=lengths,
        method=method,
        methods=[] if methods is None else parse_methods(methods, "--methods"),
        hide=hide,
        source_share=source_share,
        references=reference or [],
        forms=forms,
        device=device,
        devices=devices,
    )
    if scores:  # not in a process that has only helped to translate
        print_table(score_table(scores))
        print_written(run / "scores.json", run / "hyps")


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
        typer.Option(
            "--reference",
            metavar="FILE",
            help="Reference file (repeatable). With runs: TEST=FILE, a further reference of a test "
            "set; BLEU, chrF and TER use all.",
        ),
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
        typer.Option(
            "--test", metavar="NAME", help="Name of a test set (repeatable; default: all)."
        ),
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
            help="Output folder of the report: HTML, Markdown, JSON, CSV, TeX, figures.",
            callback=writable(folder=True),
        ),
    ] = Path("comparison"),
) -> None:
    """Compare systems: scores, confidence intervals, significance tests, differences and cost.

    Runs that differ only in their seed are one system. Systems that were measured differently
    cannot be compared.

    Without runs: seq2seq compare --source FILE --reference FILE --hyps a=FILE --hyps b=FILE
    """
    check_output()
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
