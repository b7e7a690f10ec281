"""The command line: all commands; their options and arguments are in `command_line`."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seq2seq.command_line.alignment import export_alignment, score_alignment
from seq2seq.command_line.drawing import align, heads, plot
from seq2seq.command_line.exercises import exercise
from seq2seq.command_line.explanations import score_contrast, score_deletion
from seq2seq.command_line.lessons import lessons
from seq2seq.command_line.playing import play
from seq2seq.command_line.sharing import adopt, export, pull, push
from seq2seq.command_line.training import bench, check, demo, train
from seq2seq.command_line.translation import compare, evaluate, translate
from seq2seq.system.collector import keep_imported_objects
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.memory import keep_freed_memory
from seq2seq.version import __version__


def command_name(function: Callable[..., None]) -> str:
    """Return the name of a command, from that of its function."""
    return function.__name__.replace("_", "-")


class Group(TyperGroup):
    """All commands; `seq2seq --help` lists them under the headings of COMMANDS."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and their summaries, a section for each heading."""
        widest = max(map(len, self.commands))
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(command_name(one).ljust(widest), summary) for one, summary in commands]
                )


app = typer.Typer(
    name="seq2seq",
    cls=Group,
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


# Unknown options of these commands, such as -m and --cfg, are passed on as arguments.
hydra_style: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True},
}
COMMANDS: dict[str, list[tuple[Callable[..., None], str]]] = {
    "Train and translate": [
        (check, "Check a corpus without training."),
        (train, "Train a model, or several with -m."),
        (translate, "Translate standard input line by line."),
        (evaluate, "Translate the test sets and score the translations."),
        (compare, "Compare systems: scores, tests, differences, cost."),
        (bench, "Measure training and translation speed."),
    ],
    "Attention and explanations": [
        (align, "Draw attention, or another method, of sentences as heatmaps."),
        (plot, "Draw one sentence by run, head or checkpoint, or gradients."),
        (score_alignment, "Score word alignments against gold links."),
        (export_alignment, "Write the word alignments of a whole text."),
        (score_contrast, "Score explanations of agreement, pronouns and determiners."),
        (score_deletion, "Score explanations by hiding what they name."),
        (heads, "Switch off each attention head and measure BLEU and AER."),
    ],
    "Try and learn": [
        (demo, "Train four models on the built-in corpus."),
        (play, "Try runs with your own sentences on a local web page."),
        (lessons, "List the lessons on attention, or copy one."),
        (exercise, "Find a planted bug in a small file; --check judges the repair."),
    ],
    "Share": [
        (push, "Share a run on the Hugging Face hub."),
        (pull, "Copy a shared run from the hub."),
        (export, "Write a model in the format of another program."),
        (adopt, "Make a run of a pretrained model, to compare it."),
    ],
}
for commands in COMMANDS.values():
    for command, summary in commands:
        more = hydra_style if command in (check, train) else {}
        app.command(command_name(command), short_help=summary, **more)(command)


def main() -> None:
    """Run the `seq2seq` command."""
    keep_freed_memory()
    keep_imported_objects()
    with reporting_user_errors():
        app(prog_name="seq2seq")  # the name also determines the variable for shell completion


if __name__ == "__main__":
    main()
