"""Why this target word and not that one: a signed method on log p(word) - log p(other word)."""

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seq2seq.alignment.gold import Gold
from seq2seq.alignment.method_names import WITHOUT_LAYERS, split_method
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.occlusion import Variant, log_probabilities
from seq2seq.interpret.methods.question import Comparison
from seq2seq.interpret.methods.word_forms import forms_of, site_of
from seq2seq.text.forms import Forms, capitalized, split_parts
from seq2seq.translation.translation import END, Translation
from seq2seq.translation.translator import Translator

INSTEAD = re.compile(r"(?:([0-9]{1,9}):)?(?:([^=]+)=)?([^=]+)", re.DOTALL)
NO_NUMBER = re.compile(r"[-+0-9.]*:.+|.*:", re.DOTALL)  # no number, or no word
HOW = "say which word it replaces, as --instead OLD={new} or --instead NUMBER:{new}"


class Instead(NamedTuple):
    """Another word in a target, and which word of the target it replaces.

    Attributes:
        new: the other word.
        old: the word of the target; None if it is not given.
        number: the number of the word in the target, divided at spaces and counted from 1; None if
            it is not given.
    """

    new: str
    old: str | None = None
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Instead":
        """Parse NEW, OLD=NEW, NUMBER:NEW or NUMBER:OLD=NEW.

        Raises:
            UserError: the text is not of this form.
        """
        match = INSTEAD.fullmatch(text.strip())
        number, old, new = match.groups() if match else (None, None, "")
        old, new = None if old is None else old.strip(), new.strip()
        alone = number is None and old is None
        if not new or old == "" or (alone and NO_NUMBER.fullmatch(new)):
            raise UserError(
                f"--instead {text[:80]!r}: give NEW, OLD=NEW or NUMBER:NEW (numbers from 1)"
            )
        return cls(new, old, None if number is None else int(number))

    def place(self, text: str, forms: Forms | None) -> tuple[int, int]:
        """Return start and end of the word that is replaced in a target.

        Args:
            text: the target.
            forms: the table that says which words are forms of one; None if there is none.

        Raises:
            UserError: there is no such word, or several.
        """
        spaced = [match.span() for match in re.finditer(r"\S+", text)]
        first, last = 0, len(text)
        if self.number is not None:
            if not 1 <= self.number <= len(spaced):
                raise UserError(f"--instead: the target has no word {self.number}: {text!r}")
            first, last = spaced[self.number - 1]
        if self.old is not None:
            found = places_of(self.old, text, first, last)
        else:
            found = [
                (one.start, one.stop)
                for one in (forms.occurrences(text) if forms else [])
                if first <= one.start and one.stop <= last
                if self.new.lower() in map(str.lower, one.others)
            ]
            if not found and self.number is not None:
                found = [core(text, first, last)]
        if len(found) == 1:
            return found[0]
        how = HOW.format(new=self.new)
        if not found and self.old is not None:
            raise UserError(f"--instead: there is no word {self.old!r} in the target {text!r}")
        if not found:
            raise UserError(
                f"--instead {self.new}: no word of the target is known as another form of it; {how}"
            )
        named = [
            f"{text[start:stop]} ({1 + sum(end <= start for _, end in spaced)})"
            for start, stop in found
        ]
        raise UserError(
            f"--instead {self.new} can replace {' or '.join(named)} in the target: give the number "
            f"of the word, as --instead NUMBER:{self.new}"
        )

    def written(self, text: str, start: int) -> str:
        """Return the other word as it is written at a place: capitalized at the beginning."""
        begins = not any(character.isalnum() for character in text[:start])
        return capitalized(self.new) if begins and text[start].isupper() else self.new


def places_of(word: str, text: str, first: int, last: int) -> list[tuple[int, int]]:
    """Return the places of a word in a part of a text; any case if it is not there as written."""
    starts, ends = zip(*split_parts(text), strict=True) if text.strip() else ((), ())
    for written, searched in ((word, text), (word.lower(), text.lower())):
        found = [
            match.span()
            for match in re.finditer(re.escape(written), searched[:last])
            if match.start() >= first and match.start() in starts and match.end() in ends
        ]
        if found:
            return found
    return []


def core(text: str, first: int, last: int) -> tuple[int, int]:
    """Return the place of the letters between the spaces `first` and `last`.

    Raises:
        UserError: there are several words, as in l'ami.
    """
    parts = [one for one in split_parts(text) if first <= one[0] < last]
    words = [one for one in parts if text[one[0]].isalnum()] or parts
    if len(words) > 1:
        raise UserError(
            f"--instead: {text[first:last]!r} has several words: say which one, as "
            "--instead OLD=NEW"
        )
    return words[0]


@dataclass(frozen=True)
class Contrast:
    """Why a target word and not another one: the share of each source word in the difference.

    Attributes:
        source: the source sentence.
        target: the target sentence.
        word: the word of the target.
        instead: the other word.
        difference: log p(word) - log p(instead) in nats.
        source_words: the source words and `</s>`.
        values: for each source word, in nats: positive values favor the word, negative ones
            the other word.
        rule: the method.
    """

    source: str
    target: str
    word: str
    instead: str
    difference: float
    source_words: list[str]
    values: list[float]
    rule: dict[str, Any]


def contrast(
    translator: Translator,
    translation: Translation,
    instead: Instead | str,
    rule: Rule,
    gold: Gold | None = None,
) -> Contrast:
    """Explain why a translation has one word and not another one.

    Args:
        translator: the trained run.
        translation: the translation, as of `translator.force`.
        instead: the other word, see `Instead.parse`.
        rule: names a signed method.
        gold: divides the source into its tokens; its words if None.

    Raises:
        UserError: the method is not signed, the words cannot be compared, or it is not clear which
            word is replaced.
    """
    check_method(rule)
    if translation.source_pieces == [END]:
        raise UserError("an empty sentence has no alignment")
    asked = Instead.parse(instead) if isinstance(instead, str) else instead
    text, tokenizer = translation.text, translator.tokenizers.target
    try:
        forms = forms_of(translator)
    except UnsupportedModelError:
        forms = None
    start, stop = asked.place(text, forms)
    old, new = text[start:stop], asked.written(text, start)
    if old == new:
        raise UserError(f"--instead {asked.new}: this is the word of the target itself")
    target = tokenizer.encode([text])[0]
    site = site_of(tokenizer, text, target, (start, stop), [new])
    if site is None:
        raise UserError(
            f"{old!r} and {new!r} cannot be compared: the vocabulary of {translator.run.name} "
            "cannot write one of them, or joins it with the word beside it"
        )
    question = Comparison([[site]])
    (found,) = explain(translator, [translation], rule, [gold], question)
    ids = (translator.tokenizers.source.encode([translation.source])[0], target)
    quantity = question.quantity(translator, [translation])
    (whole,) = log_probabilities(translator, [Variant(ids, [])], quantity)
    values = found.map.values[0, 0, site.start].numpy() @ found.cut.source
    return Contrast(
        source=translation.source,
        target=text,
        word=old,
        instead=new,
        difference=float(whole[site.start]),
        source_words=[*found.gold.source, END],
        values=values.tolist(),
        rule=replace(rule, layer=1, head=1).record(),
    )


def check_method(rule: Rule) -> None:
    """Check that a method can compare two words.

    Raises:
        UserError: it does not explain a probability, or only a part of one.
    """
    name, part = split_method(rule.method)
    if rule.method not in WITHOUT_LAYERS:
        raise UserError(
            f"--method {rule.method} does not explain a probability, so it cannot compare two "
            "words: use --method occlusion (for any model) or --method gradient"
        )
    if part is not None:
        raise UserError(
            f"--method {rule.method} explains a part of one word, not the difference of two: use "
            f"--method {name}"
        )
