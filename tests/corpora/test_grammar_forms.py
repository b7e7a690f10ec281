"""The forms of the built-in corpus, and the words on which they depend."""

from itertools import islice

import pytest

from seq2seq.alignment.gold import Gold
from seq2seq.corpora.controlled import dependencies, references, sentences
from seq2seq.corpora.grammar import Grammar, Lexicon, lexicon_folder
from seq2seq.corpora.grammar.forms import agreeing_determiners, lexemes
from seq2seq.corpora.grammar.pronouns import PronounGrammar
from seq2seq.interpret.controllers import controller_of
from seq2seq.text.forms import Forms

LEXICON = Lexicon(lexicon_folder())
FRENCH, ENGLISH = Forms(lexemes("fr")), Forms(lexemes("en"))


class Watched(Grammar):
    """Remembers the English index of the noun of the first noun phrase, which is the subject."""

    def dependency(self, budget):
        self.subject = None
        return super().dependency(budget)

    def noun_phrase(self, *args, **options):
        outer, self.subject = self.subject is None, self.subject or -1
        found = super().noun_phrase(*args, **options)
        if outer:
            self.subject = len(found.phrase.source) - 1
        return found


@pytest.mark.parametrize("distance", [0, 1, 3, 8])
def test_the_subject_of_an_agreement_is_known_from_its_distance(distance):
    grammar = Watched(LEXICON, 1100 + distance)
    for one in islice(dependencies(grammar, distance), 8):
        english, french = one.agreements
        word, noun = controller_of(one.gold, french)
        assert noun == grammar.subject, one.texts
        assert one.gold.target[word] == french.right
        assert {*french.wrong} <= {*FRENCH.others(french.right)}
        if english:
            swapped = Gold(one.gold.target, one.gold.source, one.gold.links.swapped())
            _, noun = controller_of(swapped, english)
            assert (grammar.subject, noun) in one.gold.links.sure
            assert {*english.wrong} <= {*ENGLISH.others(english.right)}


def test_the_forms_of_a_pronoun_are_one_lexeme():
    grammar = PronounGrammar(LEXICON, 1)
    for role, feminine in (("subject", True), ("object", False)):
        for one in islice(references(grammar, 8, role, feminine), 4):
            right, wrong = (
                form.split()[-1]
                for form in (one.pronoun.agreement.right, one.pronoun.agreement.wrong[0])
            )
            assert wrong in FRENCH.others(right)
            assert one.gold.target[one.pronoun.target.pronoun] == right


def test_words_of_the_corpus_have_the_forms_of_their_lexeme():
    for word, other in [
        ("la", "l'"),
        ("du", "des"),
        ("au", "aux"),
        ("belle", "bel"),
        ("mangé", "mangées"),
        ("va", "ira"),
        ("est", "étaient"),
        ("cet", "cette"),
    ]:
        assert other in FRENCH.others(word), (word, other)
    assert "ate" in ENGLISH.others("eats")
    assert "was" in ENGLISH.others("is")
    assert not any("*" in form for lexeme in lexemes("fr") for form in lexeme)


def test_determiners_are_those_before_a_noun():
    text = "La grande zone est là , il la regarde et l' ami du roi"
    found = agreeing_determiners(text.split(" "))
    assert [(one.word, one.noun, one.wrong) for one in found] == [(0, 2, ("le", "les"))]
    for one in islice(sentences(Grammar(LEXICON, 5), 4, 12), 20):
        for known in agreeing_determiners(one.gold.target):
            others = FRENCH.others(one.gold.target[known.word].lower())
            assert {*known.wrong} <= {*others}
