"""The command play."""

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.command_line.options import DeviceOption
from seq2seq.system.collector import importing


def play(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN", help="Run folders (default: those of the demo in runs/demo)."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port (default: 8000 if it is free, else any)."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    device: DeviceOption = "auto",
) -> None:
    """Open a local web page to translate sentences with runs side by side and see their attention.

    The address of the page is printed. Only this machine can reach it, and only with the token in
    the address. Stop with Ctrl-C.
    """
    with importing():
        from seq2seq.commands.play import play

    play(runs or [], port=port, browser=browser, device=device)
