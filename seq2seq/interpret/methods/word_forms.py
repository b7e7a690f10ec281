"""The inflected forms of target words: where their table comes from, and their pieces in a text."""

from collections.abc import Sequence
from pathlib import Path

from seq2seq.alignment.method_names import PartName, split_method
from seq2seq.alignment.rule import Rule
from seq2seq.corpora.grammar.forms import LANGUAGES, lexemes
from seq2seq.errors import UserError
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.sites import Pieces, Site
from seq2seq.text.forms import Forms, read_forms
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.translation.translator import Translator


def forms_of(translator: Translator) -> Forms:
    """Return the table of forms of the target language.

    It is the one that was given to the translator, or that of the built-in corpus if the run was
    trained on it.

    Raises:
        UnsupportedModelError: there is none.
    """
    if translator.forms is not None:
        return translator.forms
    data = translator.run.config["data"]
    if data.get("name") == "controlled" and data.get("target") in LANGUAGES:
        return Forms(lexemes(data["target"]))
    raise UnsupportedModelError(
        f"the forms of the words of {translator.run.name} are not known: give a table with --forms "
        "FILE (one lexeme a line, its forms separated by spaces); only the built-in corpus has its "
        "own"
    )


def with_forms(translator: Translator, path: Path | None) -> Translator:
    """Give a translator the table of a file, and return it; None keeps what it has.

    Raises:
        UserError: the file is not a table of forms.
    """
    if path is not None:
        translator.forms = read_forms(path)
    return translator


def refuse_forms(path: Path | None, *rules: Rule) -> None:
    """Check that a table of forms has an effect on one of the rules.

    Raises:
        UserError: it has none.
    """
    if path is not None and not any(split_method(rule.method)[1] for rule in rules):
        methods = " and ".join(dict.fromkeys(rule.method for rule in rules))
        raise UserError(
            f"--forms has no effect with --method {methods}: add :lexeme or :form to a signed "
            "method, such as --method occlusion:lexeme"
        )


def part_sites(
    tokenizer: Tokenizer, text: str, ids: Sequence[int], forms: Forms, which: PartName
) -> list[Site]:
    """Return the words of a target that have other forms, as sites of their lexeme or form.

    As with the log-probability of a word, which is averaged over its pieces, the value of a site is
    divided by their number.

    Args:
        tokenizer: the target tokenizer.
        text: the target.
        ids: its pieces.
        forms: the table.
        which: lexeme or form.
    """
    sites = []
    for found in forms.occurrences(text):
        site = site_of(tokenizer, text, ids, (found.start, found.stop), found.others)
        if site is None:
            continue
        everything, scale = range(len(site.words)), 1 / (site.stop - site.start)
        of, against = (everything, ()) if which == "lexeme" else ((0,), everything)
        sites.append(site._replace(of=of, against=against, scale=scale))
    return sites


def site_of(
    tokenizer: Tokenizer,
    text: str,
    ids: Sequence[int],
    place: tuple[int, int],
    others: Sequence[str],
) -> Site | None:
    """Return the site of one word of a target, which is explained, against other words.

    Word 0 is the one in the target. Other words whose pieces do not follow the same pieces, or that
    the vocabulary cannot write, are left out.

    Args:
        tokenizer: the target tokenizer.
        text: the target.
        ids: its pieces.
        place: start and end of the word in the text.
        others: the words that it is compared with.

    Returns:
        None if the word shares a piece with its neighbours, or no other word is left.
    """
    before = text[: place[0]]
    texts = [before, text[: place[1]], *(before + other for other in others)]
    head, whole, *rest = (tuple(one) for one in tokenizer.encode(texts))
    start, stop = len(head), len(whole)
    if start == stop or whole != tuple(ids[:stop]) or head != whole[:start]:
        return None
    unknown = tokenizer.special.unk
    written = [one[start:] for one in rest if one[:start] == head and len(one) > start]
    kept: list[Pieces] = [word for word in written if unknown not in word]
    words = list(dict.fromkeys([whole[start:], *kept]))
    if len(words) < 2:
        return None
    return Site(start, stop, words, of=(0,), against=tuple(range(1, len(words))))
