"""Does an explanation name the word on which a form depends? The built-in corpus knows it.

The form of a participle, adjective or verb in `test_agreement` depends on its subject (the
controller), that of a pronoun in `test_pronoun` on its antecedent, and that of a French determiner
on its noun. A signed method is applied to
log p(right form) - log p(wrong forms), to the form part of the right word and to the word itself;
the explanation is right if its strongest source word is the controller.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seq2seq.alignment.gold import Gold
from seq2seq.alignment.method_names import WITHOUT_LAYERS
from seq2seq.alignment.rule import Rule, shares, without_spaces
from seq2seq.corpora.grammar.forms import agreeing_determiners
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.occlusion import Variant, log_probabilities
from seq2seq.interpret.methods.question import Comparison
from seq2seq.interpret.methods.sites import Site
from seq2seq.interpret.methods.word_forms import forms_of, site_of
from seq2seq.system.console import track
from seq2seq.text.agreement import Agreement, read_agreements
from seq2seq.text.forms import capitalized
from seq2seq.text.pronoun import read_pronouns
from seq2seq.translation.translation import END
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


def items_of(folder: Path, *, french: bool = False) -> list[Item]:
    """Return the words of a test set whose form depends on a known source word.

    These are its agreements or pronouns. A test set with neither has determiners, which agree with
    their noun, if its reference is the French of the built-in corpus.

    Args:
        folder: the folder of the test set.
        french: whether its reference is that.

    Raises:
        UserError: it has none, a file is invalid, or a controller is not known.
    """
    gold_set = GoldSet.of_test(folder)
    agreements, pronouns = read_agreements(folder) or [], read_pronouns(folder) or []
    if gold_set is None or not (any(agreements) or any(pronouns) or french):
        raise UserError(
            f"{folder} has no words with a known controller: the built-in corpus has them, "
            "agreements in test_agreement, pronouns in test_pronoun, and determiners in its other "
            "test sets if the target is French"
        )
    pairs = list(enumerate(zip(gold_set.texts, gold_set.golds, strict=True), 1))
    if not any(agreements) and not any(pronouns):
        return [item for line, pair in pairs for item in determiners(line, *pair)]
    items = []
    for known, (line, (texts, gold)) in zip(agreements, pairs, strict=False):
        if known is not None:
            found = controller_of(gold, known)
            if found is None:
                raise UserError(
                    f"{folder}, line {line}: the subject of {known.right!r} cannot be found by "
                    "its distance and the gold links"
                )
            word, controller = found
            items.append(
                Item(line, texts, gold, word, known.wrong, controller, None, known.distance)
            )
    for pronoun, (line, (texts, gold)) in zip(pronouns, pairs, strict=False):
        if pronoun is not None:
            places, word = pronoun.source, pronoun.target.pronoun
            if max(places) >= len(gold.source) or word >= len(gold.target):
                raise UserError(f"{folder}, line {line}: a token is outside the sentence")
            wrong = tuple(form.split()[-1] for form in pronoun.agreement.wrong)
            antecedent, distance = places.antecedent, pronoun.agreement.distance
            items.append(
                Item(line, texts, gold, word, wrong, antecedent, places.distractor, distance)
            )
    return items


def determiners(line: int, texts: tuple[str, str], gold: Gold) -> Iterator[Item]:
    """Yield the French determiners of a pair of the built-in corpus whose noun is linked."""
    sources = {j: i for i, j in sorted(gold.links.sure)}
    for word, noun, forms in agreeing_determiners(gold.target):
        if word in sources and noun in sources:
            capital = gold.target[word][0].isupper()
            wrong = tuple(capitalized(form) if capital else form for form in forms)
            distance = abs(sources[noun] - sources[word]) - 1
            yield Item(line, texts, gold, word, wrong, sources[noun], None, max(distance, 0))


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
    """Items, and the sites of their words in their targets for each question.

    Attributes:
        items: the items.
        contrast: the word against the wrong forms.
        form: the word against all forms of its lexeme; None if the forms are not known.
        word: the word alone.
    """

    items: list[Item]
    contrast: list[Site]
    form: list[Site] | None
    word: list[Site]


def sites_of(translator: Translator, items: Sequence[Item]) -> Asked:
    """Return what is asked about each item that has its right and a wrong form in the vocabulary.

    Raises:
        UserError: none of them has.
    """
    tokenizer = translator.tokenizers.target
    targets = tokenizer.encode([item.texts[1] for item in items])
    try:
        forms = forms_of(translator)
    except UnsupportedModelError:
        forms = None
    asked = Asked([], [], None if forms is None else [], [])
    for item, ids in zip(items, targets, strict=True):
        text = item.texts[1]
        span = token_span(text, item.gold.target, item.word)
        site = span and site_of(tokenizer, text, ids, span, item.wrong)
        if not span or not site:
            continue
        asked.items.append(item)
        asked.contrast.append(site)
        asked.word.append(site._replace(words=site.words[:1], against=()))
        if asked.form is not None and forms is not None:
            others = forms.others(item.gold.target[item.word]) or item.wrong
            whole = site_of(tokenizer, text, ids, span, others) or site
            asked.form.append(whole._replace(against=range(len(whole.words))))
    if not asked.items:
        raise UserError(
            f"the vocabulary of {translator.run.name} cannot write the right and a wrong form of "
            "any word, apart from the words beside it"
        )
    return asked


def by_line(items: Sequence[Item]) -> list[list[int]]:
    """Return the numbers of the items of each pair."""
    return [list(group) for _, group in groupby(range(len(items)), lambda n: items[n].line)]


def differences(
    translator: Translator, asked: Asked, *, without_controller: bool = False
) -> list[float]:
    """Return log p(right form) - log p(wrong forms) of each item, in nats.

    Args:
        translator: the trained run.
        asked: the items and their sites.
        without_controller: leave the controller out of the source.

    Raises:
        UnsupportedModelError: the model cannot compare words.
    """
    items, tokenizers = asked.items, translator.tokenizers
    sources, targets = zip(*(item.texts for item in items), strict=True)
    source, target = tokenizers.source.encode(sources), tokenizers.target.encode(targets)
    question = Comparison([[site] for site in asked.contrast])
    quantity = question.of_targets(translator, target)
    variants = []
    for number, item in enumerate(items):
        ids = source[number]
        if without_controller:
            pieces = [*tokenizers.source.surfaces(item.texts[0]), END]
            tokens = tokenizers.source.normalize(item.gold.source)
            own = shares(pieces, tokens)[:-1, item.controller] > 0
            ids = [one for one, hidden in zip(ids, own, strict=True) if not hidden]
        variants.append(Variant((ids, target[number]), [], number))
    found = log_probabilities(translator, variants, quantity)
    return [float(one[site.start]) for one, site in zip(found, asked.contrast, strict=True)]


def readings(rule: Rule, sites: Asked) -> dict[str, list[Site] | None]:
    """Return what a method is asked, by name; None for its map as it is."""
    if rule.method not in WITHOUT_LAYERS:
        return {rule.method: None}
    asked: dict[str, list[Site] | None] = {rule.method: sites.word}
    if sites.form is not None:
        asked[f"{rule.method}:form"] = sites.form
    return asked | {f"{rule.method}, right/wrong": sites.contrast}


class Strongest(NamedTuple):
    """The strongest source token of each item by one reading of a method.

    Attributes:
        name: the reading.
        tokens: the tokens with the largest values.
        others: the same without the source tokens that the target word translates (its sure links).
    """

    name: str
    tokens: list[int]
    others: list[int]


def strongest(translator: Translator, asked: Asked, rule: Rule) -> Iterator[Strongest]:
    """Yield the strongest source token of each item, by each reading of a method.

    Raises:
        UserError: the method cannot be applied to this model.
    """
    items = asked.items
    groups = by_line(items)
    for name, sites in readings(rule, asked).items():
        result = Strongest(name, [], [])
        progress = iter(track(groups, f"{name} of", total=len(groups), unit="sentences"))
        while chunk := list(islice(progress, FORCED)):
            firsts = [items[group[0]] for group in chunk]
            question = None
            if sites is not None:
                question = Comparison([[sites[n] for n in group] for group in chunk])
            forced = list(translator.force([item.texts for item in firsts], scored=False))
            golds = [item.gold for item in firsts]
            found = explain(translator, forced, rule, golds, question)
            for group, one in zip(chunk, found, strict=True):
                values = one.values(rule)[:, :-1]
                for n in group:
                    row = values[items[n].word]
                    result.tokens.append(int(np.argmax(row)))
                    own = [i for i, j in one.gold.links.sure if j == items[n].word]
                    row = row.copy()
                    row[[i for i in own if i != items[n].controller]] = -np.inf
                    result.others.append(int(np.argmax(row)))
        yield result
