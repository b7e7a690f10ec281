"""Commands that exchange models: push, pull, export, adopt."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from seq2seq.command_line.options import RunArgument
from seq2seq.command_line.output import print_written
from seq2seq.errors import UserError
from seq2seq.system.collector import importing


def push(
    run: RunArgument,
    name: Annotated[str, typer.Argument(metavar="USER/NAME", help="Name on the hub.")],
    license: Annotated[
        str,
        typer.Option(
            "--license",
            help="Identifier of the license of the model, such as apache-2.0, mit or cc-by-4.0. "
            "The license of the training text may restrict your choice.",
        ),
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Create a private model, if there is none yet.")
    ] = False,
    texts: Annotated[
        bool,
        typer.Option(
            "--texts/--no-texts",
            help="Share the test sets, their translations and heatmaps. Without them, the model "
            "can be used but not evaluated or compared.",
        ),
    ] = True,
    dry_run: Annotated[
        Path | None,
        typer.Option(
            "--dry-run", metavar="FOLDER", help="Write everything into a new folder instead."
        ),
    ] = None,
) -> None:
    """Share a run folder, with a model card, on the Hugging Face hub.

    Log in first, with `hf auth login` or the variable HF_TOKEN. A README.md in the run folder is
    used instead of the card. Everyone translates with seq2seq translate hf:USER/NAME.
    """
    from seq2seq.commands.push import push
    from seq2seq.system.console import console

    done = push(run, name, license=license, private=private, texts=texts, dry_run=dry_run)
    console.print(f"{len(done.files)} files, {sum(done.files.values()) / 1e6:,.1f} MB")
    for key, value in done.machine_paths.items():
        console.print(f"readers see a path of this machine in config.yaml: {key}: {value}")
    if done.uploaded is None:
        assert dry_run is not None
        print_written(dry_run)
    else:
        console.print(f"uploaded {done.uploaded.url}")
        console.print(f"use it:  seq2seq translate hf:{name}@{done.uploaded.commit}")


def pull(
    address: Annotated[
        str, typer.Argument(metavar="hf:USER/NAME[@REVISION]", help="Address on the hub.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="New folder (default: runs/NAME).")
    ] = None,
) -> None:
    """Copy a run folder from the Hugging Face hub, to evaluate, plot or compare it."""
    from seq2seq.hub.address import is_address, parse_address
    from seq2seq.hub.download import pull
    from seq2seq.runs.folder import HUB

    if not is_address(address):
        raise UserError(f"{address!r} is not an address: write {HUB}USER/NAME")
    where = folder or Path("runs") / parse_address(address).name.partition("/")[2]
    pull(address, where)
    print_written(where)


def export(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", help="New folder of the exported model.")],
    to: Annotated[
        Literal["ctranslate2", "onnx", "transformers"],
        typer.Option(
            "--to",
            help="Format. onnx holds every model that is trained by gradients and predicts one "
            "token after another; the others hold Transformers.",
        ),
    ],
    quantization: Annotated[
        Literal["float32", "int8"], typer.Option(help="Type of the weights; int8: ctranslate2.")
    ] = "float32",
    rule: Annotated[
        Literal["run", "default"] | None,
        typer.Option(
            help="With ctranslate2: extraction rule that chooses the attention which is returned, "
            "the run's or the default one (default: run)."
        ),
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify", metavar="FILE", help="Translate these lines with both, and compare."
        ),
    ] = None,
) -> None:
    """Write a trained model in the format of another program.

    With --verify and float32, the exit status is 1 if a translation differs, or with onnx a logit
    by more than 0.0001. Both decode greedily.
    """
    with importing():
        from seq2seq.alignment.rule import Rule
        from seq2seq.commands.export import export
        from seq2seq.system.console import print_if_read

    if to != "ctranslate2" and rule is not None:
        raise UserError(f"--rule has no effect with --to {to}")
    chosen = Rule() if rule == "default" else None
    found = export(run, to=to, out=out, quantization=quantization, rule=chosen, verify=verify)
    print_written(out)
    if found is None:
        return
    same = found.lines - len(found.different)
    print_if_read(f"{same:,} of {found.lines:,} translations are the same")
    if found.difference is not None:
        print_if_read(f"largest difference of logits: {found.difference:.1e}")
    if found.different:
        shown = ", ".join(map(str, found.different[:10]))
        print_if_read(f"different lines: {shown}{', ...' if len(found.different) > 10 else ''}")
    if quantization == "float32" and not found.equal:
        raise typer.Exit(1)


def adopt(
    kind: Annotated[
        Literal["marian"],
        typer.Argument(metavar="marian", help="Marian or M2M100, as config.json says."),
    ],
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Model of the library transformers on this machine."),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="name=NAME [KEY=VALUE...]",
            help="Name of the run, and keys of train on data (data=multi30k), search and runs_dir.",
        ),
    ] = None,
    source_language: Annotated[
        str | None,
        typer.Option(help="Source language of M2M100, if data.source is no code of the model."),
    ] = None,
    target_language: Annotated[
        str | None,
        typer.Option(help="Target language of M2M100, if data.target is no code of the model."),
    ] = None,
    config_dir: Annotated[
        Path | None,
        typer.Option("--config-dir", "-cd", metavar="FOLDER", help="Folder with your choices."),
    ] = None,
) -> None:
    """Make a run folder of a Marian (OPUS-MT) or M2M100 model, to evaluate and compare it.

    It gets the test sets of the data, which must be those of the runs that it is compared with:
    seq2seq adopt marian opus-mt-en-de name=opus data=multi30k. The model cannot be trained further.
    """
    from seq2seq.commands.adopt import adopt_model
    from seq2seq.settings.config_files import user_folder
    from seq2seq.system.console import console

    if config_dir is not None and not config_dir.is_dir():
        raise UserError(f"--config-dir {config_dir}: there is no such folder")
    with user_folder(config_dir):
        run = adopt_model(folder, words or [], source_language, target_language)
    print_written(run)
    console.print(f"next:  seq2seq evaluate {shlex.quote(str(run))}", markup=False)
