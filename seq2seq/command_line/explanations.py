"""Commands that score explanations: score-contrast, score-deletion."""

import re
from typing import Annotated

import typer

from seq2seq.alignment.method_names import Hide, parse_methods
from seq2seq.command_line.options import DeviceOption, FormsOption, HideOption, RunArgument
from seq2seq.command_line.output import check_output, print_table, print_written
from seq2seq.limits import MAX_INTEGER
from seq2seq.system.collector import importing

MethodsOption = Annotated[
    str | None,
    typer.Option("--method", metavar="METHOD,...", help="Methods, separated by commas."),
]


def score_contrast(
    run: RunArgument,
    test: Annotated[
        str,
        typer.Option(
            "--test",
            help="Test set of the built-in corpus: test_agreement (subjects), test_pronoun "
            "(antecedents), or another one (nouns of French determiners).",
        ),
    ] = "test_agreement",
    method: MethodsOption = None,
    hide: HideOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Score explanations of the form of a word: is the strongest source word its controller?

    The participle, adjective or verb of test_agreement agrees with its subject, the pronoun of
    test_pronoun with its antecedent, and a French determiner in the other test sets with its noun.
    A signed method explains the word, its form given its lexeme,
    and the log-probability of the right form minus that of the wrong ones. The table has the
    percentage of sentences whose strongest source word is the controller: of all sentences, of
    those in which the model prefers the right form, and of the latter by distance.

    By default attention, occlusion and gradient are scored, as far as the model has them.
    """
    check_output()
    with importing():
        from seq2seq.commands.score_contrast import score_contrast

    methods = [] if method is None else parse_methods(method, "--method")
    table, written = score_contrast(run, test=test, methods=methods, hide=hide, device=device)
    print_table(table)
    print_written(*written)


def score_deletion(
    run: RunArgument,
    test: Annotated[
        str, typer.Option("--test", help="Test set of the run; the references are the targets.")
    ],
    method: MethodsOption = None,
    words: Annotated[
        str,
        typer.Option("--words", metavar="NUMBER,...", help="How many source words to hide."),
    ] = "1,2,3",
    sentences: Annotated[
        int,
        typer.Option(
            "--sentences",
            min=0,
            max=MAX_INTEGER,
            help="Only the first sentences; 0 for all of them.",
        ),
    ] = 100,
    hide: Annotated[
        Hide,
        typer.Option(
            "--hide", help="Replace words by the mean embedding, by <unk>, or leave them out."
        ),
    ] = "drop",
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=MAX_INTEGER, help="Seed of the random words.")
    ] = 1,
    forms: FormsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Score explanations by deletion: how much less probable a target word is without the source
    words that a method calls most important.

    The table has the mean drop of the log-probability of a target word for each method and number
    of hidden words, and the drop if as many random words are hidden. By default attention,
    occlusion and gradient are scored, as far as the model has them.
    """
    check_output()
    with importing():
        from seq2seq.commands.score_deletion import score_deletion

    numbers = [part.strip() for part in words.split(",")]
    for number in numbers:
        if not re.fullmatch("[1-9][0-9]{0,3}", number) or numbers.count(number) > 1:
            raise typer.BadParameter(
                f"--words {words}: give different numbers from 1, such as 1,2,3"
            )
    methods = [] if method is None else parse_methods(method, "--method")
    if forms is not None and not any(":" in one for one in methods):
        raise typer.BadParameter("--forms needs a --method with :lexeme or :form")
    table, written = score_deletion(
        run,
        test=test,
        methods=methods,
        numbers=[int(number) for number in numbers],
        sentences=sentences,
        hide=hide,
        seed=seed,
        forms=forms,
        device=device,
    )
    print_table(table)
    print_written(*written)
