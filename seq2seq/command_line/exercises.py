"""The command on exercises: exercise."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.command_line.options import writable
from seq2seq.command_line.output import check_output, print_table
from seq2seq.errors import UserError


def exercise(
    number: Annotated[
        int | None, typer.Argument(metavar="NUMBER", help="Exercise; omit it to list all.")
    ] = None,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|HINT",
            help="With --check, the file (default: exercise_NN.py). With --hint, the number of a "
            "hint (default: the next one).",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Judge the repair; exit status 0 if it is right, else 1."),
    ] = False,
    hint: Annotated[bool, typer.Option("--hint", help="Print the next hint.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="File to copy to (default: exercise_NN.py).", callback=writable()
        ),
    ] = None,
) -> None:
    """Find a planted bug: copy a small file, repair it, and have it judged.

    Each exercise runs and is wrong in one way. --check runs your file in a process of its own, with
    a time limit, and tests what its functions compute on random inputs.
    """
    from seq2seq.commands.exercise import check as judge
    from seq2seq.commands.exercise import copy, list_exercises
    from seq2seq.commands.exercise import hint as next_hint

    check_output()
    refuse(number, what, {"--check": check, "--hint": hint, "--out": out is not None})
    if number is None:
        print_table(list_exercises(Path()))
    elif check:
        solved, report = judge(number, None if what is None else Path(what))
        print(report)
        if not solved:
            sys.exit(1)
    elif hint:
        if what is not None and not what.isdecimal():
            raise UserError(f"--hint {what}: give the number of a hint, or none for the next")
        print(next_hint(number, None if what is None else int(what), Path()))
    else:
        print(copy(number, out))


def refuse(number: int | None, what: str | None, given: dict[str, bool]) -> None:
    """Raise UserError if an option or argument would have no effect."""
    options = [option for option, present in given.items() if present]
    if number is None and options:
        raise UserError(f"{options[0]} needs the number of an exercise")
    if len(options) > 1:
        raise UserError(f"{options[0]} and {options[1]} exclude each other")
    if what is not None and options not in (["--check"], ["--hint"]):
        raise UserError(f"{what!r} has no effect: a second argument needs --check or --hint")
