"""The command lessons."""

from typing import Annotated

import typer

from seq2seq.command_line.output import check_output, print_table, print_written
from seq2seq.limits import MAX_INTEGER


def lessons(
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="NUMBER", min=1, max=MAX_INTEGER, help="Lesson; omit it to list all lessons."
        ),
    ] = None,
    run: Annotated[
        bool,
        typer.Option("--run", help="Run the lesson; print its text, its code and the results."),
    ] = False,
    notebook: Annotated[
        bool,
        typer.Option("--notebook", help="Write a Jupyter notebook (needs the extra lessons)."),
    ] = False,
) -> None:
    """List the lessons on attention, or copy one to the current folder.

    A lesson is a Python file that explains and computes one subject. Run the copy with
    `python FILE`, or open it in an editor that shows cells. A file that you have changed is not
    overwritten.
    """
    from seq2seq.commands import lessons

    if number is None:
        if run or notebook:
            option = "--run" if run else "--notebook"
            raise typer.BadParameter(f"{option} needs the number of a lesson")
        from seq2seq.system.console import console
        from seq2seq.system.terminal_table import TableView

        rows = [
            [f"{one.number}. {one.title}", one.needs, f"{one.seconds}"]
            for one in lessons.all_lessons()
        ]
        print_table(TableView(["lesson", "needs", "seconds"], rows))
        console.print(
            "`seq2seq lessons 3` copies lesson 3; with --run, it is shown with its results"
        )
        return
    if run and notebook:
        raise typer.BadParameter("--run and --notebook exclude each other")
    lesson = lessons.lesson(number)
    if run:
        check_output()
        print_written(*lessons.show(lesson))
    else:
        print_written(lessons.notebook(lesson) if notebook else lessons.copy(lesson))
