"""Properties of exercise 17: a BLEU score for a paper."""

from seq2seq.exercises.expect import Draw, Student, expect, number
from seq2seq.scoring.metrics import bleu

NAMES = ("Anna", "Peter", "Mary", "Paul")
THINGS = ("car", "house", "dog", "sister", "garden", "old teacher")
VERBS = ("sees", "likes", "sold", "does not want", "found")
PLACES = ("in Paris", "at home", "on Monday", "with Anna's brother")
COUNTS = (1, 2, 4)


def sentence(draw: Draw) -> str:
    """Return a random tokenized sentence in its letter case."""
    (name, owner), (thing,) = draw.words(NAMES, 2), draw.words(THINGS, 1)
    (verb,), (place,) = draw.words(VERBS, 1), draw.words(PLACES, 1)
    place = place.replace("'s", " 's")
    return f"{place.capitalize()} , {name} {verb} {owner} 's {thing} and the museum , too ."


def text(tokenized: str) -> str:
    """Return a tokenized sentence as a person writes it."""
    for mark in (" 's", " ,", " ."):
        tokenized = tokenized.replace(mark, mark.strip())
    return tokenized


def call(student: Student, outputs: list[str], references: list[str]) -> float:
    """Call `reported_bleu`."""
    given = {"outputs": outputs, "references": references}
    return number(student("reported_bleu", outputs, references), "reported_bleu", **given)


def perfect(student: Student, draw: Draw) -> None:
    """An output that equals its reference scores 100."""
    for count in COUNTS:
        outputs = [sentence(draw) for _ in range(count)]
        references = [text(output) for output in outputs]
        score = call(student, outputs, references)
        message = f"the score is {score:.4g}"
        expect(abs(score - 100) < 1e-6, message, outputs=outputs, references=references)


def letter_case(student: Student, draw: Draw) -> None:
    """Wrong letter case costs points."""
    for count in COUNTS:
        outputs = [sentence(draw) for _ in range(count)]
        references = [text(output) for output in outputs]
        lower = [output.lower() for output in outputs]
        score = call(student, lower, references)
        message = f"outputs in lower case have the score {score:.4g}"
        expect(score < 99, message, outputs=lower, references=references)


def raw_references(student: Student, draw: Draw) -> None:
    """The score is that of the detokenized outputs against the references as they are."""
    for count in COUNTS:
        outputs = [sentence(draw) for _ in range(count)]
        references = [text(sentence(draw)) for _ in range(count)]
        outputs = [
            " ".join([*output.split()[:6], *reference.replace("'s", " 's").split()[6:]])
            for output, reference in zip(outputs, references, strict=True)
        ]
        score = call(student, outputs, references)
        wanted = bleu([text(output) for output in outputs], references, language="en")
        message = f"the score is {score:.4g}, and sacreBLEU of the same text is {wanted:.4g}"
        expect(abs(score - wanted) < 1e-4, message, outputs=outputs, references=references)


PROPERTIES = (perfect, letter_case, raw_references)
