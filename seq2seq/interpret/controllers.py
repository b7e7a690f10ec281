"""Does an explanation name the word on which a form depends? The built-in corpus knows it.

The form of a participle, adjective or verb in `test_agreement` depends on its subject (the
controller), that of a pronoun in `test_pronoun` on its antecedent. A signed method is applied to
log p(right form) - log p(wrong forms), to the form part of the right word and to the word itself;
the explanation is right if its strongest source word is the controller.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seq2seq.alignment.gold import Gold
from seq2seq.alignment.method_names import WITHOUT_LAYERS
from seq2seq.alignment.rule import Rule, without_spaces
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.occlusion import Variant, log_probabilities
from seq2seq.interpret.methods.quantity import Site
from seq2seq.interpret.methods.question import Comparison
from seq2seq.interpret.methods.word_forms import forms_of, site_of
from seq2seq.system.console import track
from seq2seq.text.agreement import Agreement, read_agreements
from seq2seq.text.pronoun import read_pronouns
from seq2seq.translation.translator import FORCED, Translator

TO_BE = ("was", "were")


class Item(NamedTuple):
    """A target word whose form depends on a source word.

    Attributes:
        line: the number of the pair, counted from 1.
        texts: source and reference.
        gold: the tokens of both sides.
        word: the target token.
        wrong: the forms that would be wrong in its place.
        controller: the source token on which the form depends.
        other: a source noun of the other gender, if one is known.
        distance: number of English words between controller and word.
    """

    line: int
    texts: tuple[str, str]
    gold: Gold
    word: int
    wrong: tuple[str, ...]
    controller: int
    other: int | None
    distance: int


def items_of(folder: Path) -> list[Item]:
    """Return the agreements or pronouns of a test set.

    Raises:
        UserError: it has none, a file is invalid, or a controller is not known.
    """
    gold_set = GoldSet.of_test(folder)
    agreements, pronouns = read_agreements(folder), read_pronouns(folder)
    if gold_set is None or not any([*(agreements or []), *(pronouns or [])]):
        raise UserError(
            f"{folder} has neither agreements nor pronouns with a known controller: the built-in "
            "corpus has them in test_agreement and test_pronoun"
        )
    items = []
    pairs = list(zip(gold_set.texts, gold_set.golds, strict=True))
    for number, known in enumerate(agreements or [], 1):
        if known is not None:
            texts, gold = pairs[number - 1]
            found = controller_of(gold, known)
            if found is None:
                raise UserError(
                    f"{folder}, line {number}: the subject of {known.right!r} cannot be found by "
                    "its distance and the gold links"
                )
            word, controller = found
            items.append(
                Item(number, texts, gold, word, known.wrong, controller, None, known.distance)
            )
    for number, pronoun in enumerate(pronouns or [], 1):
        if pronoun is not None:
            texts, gold = pairs[number - 1]
            places = pronoun.source
            if max(places) >= len(gold.source) or pronoun.target.pronoun >= len(gold.target):
                raise UserError(f"{folder}, line {number}: a token is outside the sentence")
            wrong = tuple(form.split()[-1] for form in pronoun.agreement.wrong)
            items.append(
                Item(
                    number,
                    texts,
                    gold,
                    pronoun.target.pronoun,
                    wrong,
                    places.antecedent,
                    places.distractor,
                    pronoun.agreement.distance,
                )
            )
    return items


def controller_of(gold: Gold, agreement: Agreement) -> tuple[int, int] | None:
    """Return the target token that agrees, and the source token of its subject.

    The distance is the number of English words between the noun of the subject and the verb. The
    verb begins with was or were before an adjective, or is the first English word of its links.

    Returns:
        None if the tokens do not fit.
    """
    places = [j for j, token in enumerate(gold.target) if token == agreement.right]
    if len(places) != 1:
        return None
    word = places[0]
    if agreement.right in TO_BE:  # the target is English
        noun = word - agreement.distance - 1
        linked = [i for i, j in gold.links.sure if j == noun]
        return (word, linked[0]) if len(linked) == 1 else None
    verb = min((i for i, j in gold.links.sure if j == word), default=0)
    if verb and gold.source[verb - 1] in TO_BE:
        verb -= 1
    noun = verb - agreement.distance - 1
    return (word, noun) if noun >= 0 else None


def token_span(text: str, tokens: Sequence[str], number: int) -> tuple[int, int] | None:
    """Return start and end of a token in a text that differs from the tokens only in spaces."""
    if without_spaces(text) != "".join(map(without_spaces, tokens)):
        return None
    before = sum(len(token) for token in tokens[:number])
    letters = [place for place, character in enumerate(text) if not character.isspace()]
    chosen = letters[before : before + len(tokens[number])]
    return (chosen[0], chosen[-1] + 1) if chosen else None


class Asked(NamedTuple):
    """The comparisons of the words of several items, as sites in their targets."""

    contrast: list[list[Site]]
    form: list[list[Site]] | None
    word: list[list[Site]]


def sites_of(translator: Translator, items: Sequence[Item]) -> Asked:
    """Return what is asked about each item.

    Raises:
        UserError: the forms of a word cannot be compared.
    """
    tokenizer = translator.tokenizers.target
    targets = tokenizer.encode([item.texts[1] for item in items])
    try:
        forms = forms_of(translator)
    except UnsupportedModelError:
        forms = None
    asked = Asked([], None if forms is None else [], [])
    for item, ids in zip(items, targets, strict=True):
        text = item.texts[1]
        span = token_span(text, item.gold.target, item.word)
        site = span and site_of(tokenizer, text, ids, span, item.wrong)
        if not span or not site:
            raise UserError(
                f"line {item.line}: the vocabulary of {translator.run.name} cannot write "
                f"{item.gold.target[item.word]!r} and its wrong forms apart from other words"
            )
        asked.contrast.append([site])
        asked.word.append([site._replace(words=site.words[:1], against=())])
        if asked.form is not None and forms is not None:
            others = forms.others(item.gold.target[item.word]) or item.wrong
            whole = site_of(tokenizer, text, ids, span, others) or site
            asked.form.append([whole._replace(against=range(len(whole.words)))])
    return asked


class Strongest(NamedTuple):
    """The strongest source token of each item by one reading of a method."""

    name: str
    tokens: list[int]


def differences(translator: Translator, items: Sequence[Item], sites: Asked) -> list[float]:
    """Return log p(right form) - log p(wrong forms) of each item, in nats.

    Raises:
        UnsupportedModelError: the model cannot compare words.
    """
    sides = zip(*(item.texts for item in items), strict=True)
    source, target = (
        tokenizer.encode(list(texts))
        for tokenizer, texts in zip(translator.tokenizers, sides, strict=True)
    )
    pairs = list(zip(source, target, strict=True))
    question = Comparison(sites.contrast)
    quantity = question.of_targets(translator, target)
    variants = [Variant(pair, [], number) for number, pair in enumerate(pairs)]
    found = log_probabilities(translator, variants, quantity)
    return [
        float(values[site.start]) for values, (site,) in zip(found, sites.contrast, strict=True)
    ]


def readings(translator: Translator, rule: Rule, sites: Asked) -> dict[str, Comparison | None]:
    """Return what a method is asked, by name; None for its map as it is."""
    if rule.method not in WITHOUT_LAYERS:
        return {rule.method: None}
    asked: dict[str, Comparison | None] = {rule.method: Comparison(sites.word)}
    if sites.form is not None:
        asked[f"{rule.method}:form"] = Comparison(sites.form)
    return asked | {f"{rule.method}, right/wrong": Comparison(sites.contrast)}


def strongest(
    translator: Translator, items: Sequence[Item], sites: Asked, rule: Rule
) -> Iterator[Strongest]:
    """Yield the strongest source token of each item, by each reading of a method.

    Raises:
        UserError: the method cannot be applied to this model.
    """
    for name, question in readings(translator, rule, sites).items():
        tokens: list[int] = []
        numbered = iter(enumerate(items))
        with_progress = iter(track(numbered, f"{name} of", total=len(items), unit="sentences"))
        while chunk := list(islice(with_progress, FORCED)):
            own = question and Comparison([question.sites[number] for number, _ in chunk])
            part = [item for _, item in chunk]
            forced = list(translator.force([item.texts for item in part], scored=False))
            found = explain(translator, forced, rule, [item.gold for item in part], own)
            for item, one in zip(part, found, strict=True):
                row = one.values(rule)[item.word, :-1]
                tokens.append(int(np.argmax(row)))
        yield Strongest(name, tokens)
