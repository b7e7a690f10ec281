"""What a signed method is asked: why this word, its lexeme, its form, or why not another word."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.alignment.method_names import PartName
from seq2seq.interpret.methods.base import Method
from seq2seq.interpret.methods.quantity import LOG_PROBABILITY, Quantity
from seq2seq.interpret.methods.sites import Site
from seq2seq.interpret.methods.word_forms import forms_of, part_sites
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class Question(ABC):
    """Chooses the quantity that is explained."""

    @property
    def part(self) -> str:
        """The part of the log-probability that the name of a method has after a colon, or ""."""
        return ""

    @abstractmethod
    def quantity(self, translator: Translator, translations: Sequence[Translation]) -> Quantity:
        """Return the quantity for the targets of these translations, numbered in order."""


class WholeWord(Question):
    """The log-probability of each target token."""

    def quantity(self, translator: Translator, translations: Sequence[Translation]) -> Quantity:
        """Return the log-probability."""
        return LOG_PROBABILITY


WHOLE_WORD = WholeWord()


@dataclass(frozen=True)
class Part(Question):
    """The lexeme or the form of each target word, see `quantity`.

    A word of which no other form is known has its log-probability as lexeme, and zero as form.

    Args:
        which: lexeme or form.
    """

    which: PartName

    @property
    def part(self) -> str:
        """The part."""
        return self.which

    def quantity(self, translator: Translator, translations: Sequence[Translation]) -> Quantity:
        """Return the part, from the table of forms of the target language.

        Raises:
            UnsupportedModelError: there is no such table.
        """
        forms, tokenizer = forms_of(translator), translator.tokenizers.target
        targets = tokenizer.encode([one.text for one in translations])
        sites = [
            part_sites(tokenizer, one.text, ids, forms, self.which)
            for one, ids in zip(translations, targets, strict=True)
        ]
        return Quantity.of_sites(
            targets, sites, translator.model.special.eos, elsewhere=self.which == "lexeme"
        )


@dataclass(frozen=True)
class Comparison(Question):
    """Words compared at given places; other tokens have the value zero.

    Args:
        sites: the places in the target of each translation.
    """

    sites: Sequence[Sequence[Site]]

    def quantity(self, translator: Translator, translations: Sequence[Translation]) -> Quantity:
        """Return the comparison."""
        texts = [one.text for one in translations]
        return self.of_targets(translator, translator.tokenizers.target.encode(texts))

    def of_targets(self, translator: Translator, targets: Sequence[Sequence[int]]) -> Quantity:
        """Return the comparison for the pieces of the targets."""
        eos = translator.model.special.eos
        return Quantity.of_sites(targets, self.sites, eos, elsewhere=False)


@dataclass(frozen=True)
class SignedMethod(Method):
    """A method that explains any quantity of a target token, in nats.

    Args:
        question: what is explained.
    """

    question: Question = WHOLE_WORD
    signed = True

    @property
    def label(self) -> str:
        """The name of the method in a rule, such as occlusion:lexeme."""
        return ":".join(filter(None, [self.name, self.question.part]))
