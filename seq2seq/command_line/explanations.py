"""Commands that score explanations: score-contrast, score-deletion."""

from typing import Annotated, cast, get_args

import typer

from seq2seq.alignment.method_names import MethodName
from seq2seq.command_line.options import DeviceOption, HideOption, RunArgument
from seq2seq.command_line.output import print_table, print_written

MethodsOption = Annotated[
    str | None,
    typer.Option("--method", metavar="METHOD,...", help="Methods, separated by commas."),
]


def method_list(text: str | None) -> list[MethodName]:
    """Parse the names of methods, separated by commas.

    Raises:
        BadParameter: a name is unknown or given twice.
    """
    names = [] if text is None else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in get_args(MethodName):
            known = ", ".join(name for name in get_args(MethodName) if ":" not in name)
            raise typer.BadParameter(f"--method {name}: give some of {known}")
        if names.count(name) > 1:
            raise typer.BadParameter(f"--method {name} is given twice")
    return cast(list[MethodName], names)


def score_contrast(
    run: RunArgument,
    test: Annotated[
        str, typer.Option("--test", help="Test set of the run with agreements or pronouns.")
    ] = "test_agreement",
    method: MethodsOption = None,
    hide: HideOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Score explanations of the form of a word: is the strongest source word its controller?

    The participle, adjective or verb of test_agreement agrees with its subject, the pronoun of
    test_pronoun with its antecedent. A signed method explains the word, its form given its lexeme,
    and the log-probability of the right form minus that of the wrong ones. The table has the
    percentage of sentences whose strongest source word is the controller: of all sentences, of
    those in which the model prefers the right form, and of the latter by distance.

    By default attention, occlusion and gradient are scored, as far as the model has them.
    """
    from seq2seq.commands.score_contrast import score_contrast

    table, written = score_contrast(
        run, test=test, methods=method_list(method), hide=hide, device=device
    )
    print_table(table)
    print_written(*written)
