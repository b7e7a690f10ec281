"""What every command prints at its end."""

import sys
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError


def check_output() -> None:
    """Check that a result can be printed.

    Raises:
        UserError: standard output is closed.
    """
    if sys.stdout is None:
        raise UserError("standard output is closed, so the result cannot be printed")


def print_table(table: Any) -> None:
    """Print a result on standard output.

    Raises:
        UserError: standard output is closed.
    """
    check_output()
    from rich.console import Console

    Console().print(table)


def print_written(*paths: Path) -> None:
    """Print the paths of the files that were written."""
    from seq2seq.system.console import console

    for path in paths:
        console.print(f"wrote {path}")
