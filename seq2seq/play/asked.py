"""What the page asks of the server, checked: the fields of each request and their types."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from seq2seq.alignment.method_names import Hide, MethodName
from seq2seq.errors import UserError
from seq2seq.limits import MAX_INTEGER
from seq2seq.play.limits import BEAM, CLAUSES, RUNS
from seq2seq.settings.ranges import Natural, Within
from seq2seq.settings.schema import coerce

Number = Annotated[int, Within(1, 1_000_000)]
Asked = TypeVar("Asked")


@dataclass(frozen=True)
class View:
    """Which map is shown; None is the choice of the run.

    Args:
        method: the method
        layer: the layer, counted from 1; 0 is the mean
        head: the head, counted from 1; 0 is the mean
        shift: show the row in which the word is the input
    """

    method: MethodName | None = None
    layer: Natural | None = None
    head: Natural | None = None
    shift: bool | None = None


@dataclass(frozen=True, kw_only=True)
class OfSentence:
    """A sentence, the run that reads it, and its weights.

    Args:
        run: the number of the run, counted from 0
        text: the source sentence
        step: the step of the checkpoint; 0 is the untrained model, null is the trained one
        hidden: the numbers of hidden words, counted from 0
        hide: how words are hidden
    """

    run: Annotated[int, Within(0, RUNS - 1)]
    text: str
    step: Natural | None = None
    hidden: list[Natural] = field(default_factory=list)
    hide: Hide = "mean"


@dataclass(frozen=True, kw_only=True)
class Translate(OfSentence):
    """Translate a sentence.

    Args:
        beam: the beam size; null is that of the run
        prefix: ids of the first target tokens, which are given
        reference: the reference to score the translation with, or null
        view: the map to show
    """

    beam: Annotated[int, Within(1, BEAM)] | None = None
    prefix: list[Natural] = field(default_factory=list)
    reference: str | None = None
    view: View = field(default_factory=View)


@dataclass(frozen=True)
class GoldLinks:
    """A gold alignment.

    Args:
        source: the tokens of the source
        target: the tokens of the target
        links: links between them, such as 0-0 1?2
    """

    source: list[str]
    target: list[str]
    links: str


@dataclass(frozen=True, kw_only=True)
class Explain(OfSentence):
    """Show the map of a given translation.

    Args:
        target: the translation, or the reference
        view: the map to show
        gold: gold links of the pair, or null
    """

    target: str
    view: View = field(default_factory=View)
    gold: GoldLinks | None = None


@dataclass(frozen=True, kw_only=True)
class Alternatives(OfSentence):
    """List what could be in the place of a target token.

    Args:
        tokens: the ids of the translation
        place: the number of the token, counted from 0; that after the last one is the end
    """

    tokens: list[Natural]
    place: Natural


@dataclass(frozen=True, kw_only=True)
class Numbers(Alternatives):
    """Show how one attention is computed for a target token.

    Args:
        layer: the layer, counted from 1
        head: the head, counted from 1
    """

    layer: Number = 1
    head: Number = 1


@dataclass(frozen=True)
class Grown:
    """Generate a sentence of the built-in grammar.

    Args:
        seed: the random seed
        clauses: the number of its clauses
    """

    seed: Annotated[int, Within(0, MAX_INTEGER)]
    clauses: Annotated[int, Within(1, CLAUSES)]


def parse(body: bytes, kind: type[Asked]) -> Asked:
    """Read a request.

    Raises:
        UserError: it is not JSON, or has other fields or values.
    """
    try:
        values = json.loads(body, parse_constant=_refused)
    except RecursionError as error:
        raise UserError("the request is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"the request is not valid JSON: {str(error)[:200]}") from error
    if not isinstance(values, dict):
        raise UserError("the request must be a JSON object")
    try:
        asked: Asked = coerce(values, kind, "request")
    except RecursionError as error:
        raise UserError("the request is nested too deeply") from error
    return asked


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")
