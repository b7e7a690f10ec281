"""Limits of the local page: no request can keep the program busy for long, or fill its memory."""

from seq2seq.errors import UserError
from seq2seq.text.characters import harmful, named

RUNS = 8  # runs side by side
CHARACTERS = 1000  # of a sentence
PIECES = 256  # of a source or a target, in the model's vocabulary
# Of a sentence whose map needs a backward pass for every target piece, or dozens of them. A map of
# this size takes a few seconds.
SLOW_PIECES = {
    "gradient": 100,
    "smoothgrad": 20,
    "integrated_gradients": 20,
}
BEAM = 10
ROUNDS = 20  # of mask-predict
ALTERNATIVES = 10
LINKS = 1 << 15  # characters of gold links
CLAUSES = 10  # of a sentence of the built-in grammar

BODY = 1 << 16  # bytes of a request
SECONDS = 10.0  # for a request to arrive
QUEUE = 32  # requests that wait
RATE, BURST = 40.0, 120.0  # requests each second, and at once after a pause
CONNECTIONS = 100

SPACES = str.maketrans(dict.fromkeys("\t\n\r\v\f", " "))


def checked_text(text: str, what: str = "sentence") -> str:
    """Return a text of one line; tabs and line breaks become spaces.

    Raises:
        UserError: it is empty or too long, or has a character that must not be displayed.
    """
    if len(text) > CHARACTERS:
        raise UserError(
            f"the {what} has {len(text):,} characters, but at most {CHARACTERS:,} are accepted: "
            "shorten it"
        )
    text = " ".join(text.translate(SPACES).split())
    if not text:
        raise UserError(f"the {what} is empty: type one, or take an example")
    if wrong := next(filter(harmful, text), None):
        raise UserError(f"the {what} has the character {named(wrong)}: remove it")
    return text


def check_pieces(count: int, what: str, most: int = PIECES) -> None:
    """Check the length of a sentence in pieces.

    Raises:
        UserError: it is too long.
    """
    if count > most:
        raise UserError(
            f"the {what} has {count:,} pieces of the model's vocabulary, but at most {most} are "
            "accepted: shorten it"
        )
