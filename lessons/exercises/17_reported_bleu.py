"""Exercise 17: the BLEU score of a system, as it is reported.

    reported_bleu(outputs, references) -> score

The outputs of the system are tokenized: words and punctuation are separated by spaces. The
references are text as people write it. BLEU is reported of the text that a reader gets, in its
letter case, against the references as they are: sacreBLEU splits both in the same way (Post 2018).

outputs and references are lists of sentences.

The file runs, and is wrong in one way.
"""

import re

from seq2seq.scoring.metrics import bleu


def tokenize(text):
    """Separate punctuation and 's from words."""
    return " ".join(re.findall(r"'s\b|\w+|[^\w\s]", text))


def detokenize(text):
    """Undo `tokenize`."""
    return re.sub(r" (?='s\b|[.,;:?!])", "", text)


def reported_bleu(outputs, references):
    """Return the BLEU score of the system, from 0 to 100."""
    hypotheses = [output.lower() for output in outputs]
    targets = [tokenize(reference).lower() for reference in references]
    return bleu(hypotheses, targets, language="en")


if __name__ == "__main__":
    references = [
        "Anna's brother sold the red car, and Peter was sad.",
        "In Paris, the museum's doors open at nine.",
        "What did Mary's sister say to the old teacher?",
    ]
    outputs = [
        "anna 's brother sold the red car , and peter was sad .",
        "In paris , the museum 's doors open at nine .",
        "what did mary 's sister say to the old teacher ?",
    ]
    print(f"BLEU: {reported_bleu(outputs, references):.1f}")
    text = [  # the same outputs, as they were sent to a colleague
        "anna's brother sold the red car, and peter was sad.",
        "In paris, the museum's doors open at nine.",
        "what did mary's sister say to the old teacher?",
    ]
    print(f"BLEU that the colleague computed: {bleu(text, references, language='en'):.1f}")
