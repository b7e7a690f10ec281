"""Commands on training: check, train, demo, bench."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from seq2seq.command_line.options import writable
from seq2seq.command_line.output import check_output, print_table, print_written
from seq2seq.limits import MAX_INTEGER
from seq2seq.system.collector import importing

Words = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...] [-m]")]


def check(words: Words = None) -> None:
    """Check a corpus for errors without training (same arguments as train)."""
    with importing():
        import torch  # noqa: F401  (by the model, whose search is the default)

        from seq2seq.settings import help as settings_help
        from seq2seq.settings import train_arguments

    requested, refused = train_arguments.parse_command(words or [], settings_help.check_help), False
    for member in requested.members if requested else []:
        from seq2seq.commands.check import check, findings_table

        findings = check(member.config)
        print_table(findings_table(findings))
        refused |= any(split.refusals for split in findings)
    if refused:
        sys.exit(1)


def train(words: Words = None) -> None:
    """Train a model: seq2seq train model=bahdanau data=multi30k (--help lists all keys)."""
    with importing():
        import torch  # noqa: F401  (by the model, whose search is the default)

        from seq2seq.settings import help as settings_help
        from seq2seq.settings import train_arguments

    if requested := train_arguments.parse_command(words or [], settings_help.help_text):
        with importing():
            from seq2seq.training import sweep

        if requested.sweep:
            sweep.train_all(requested.members)
        else:
            sweep.train_one(requested.members[0])


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
    seed: Annotated[int, typer.Option(min=0, max=MAX_INTEGER, help="Random seed of all runs.")] = 1,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Rename an earlier demo and start over instead of resuming."),
    ] = False,
) -> None:
    """Train four models on the built-in corpus, compare them, and plot their attention."""
    with importing():
        from seq2seq.commands.demo import demo

    print_written(*demo(out, words or [], seed=seed, fresh=fresh))


def bench(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL|KEY=VALUE",
            help="Models trained by gradients (default: all of them), and keys of train, such as "
            "data=multi30k or trainer.threads=1.",
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
    check_output()
    with importing():
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
