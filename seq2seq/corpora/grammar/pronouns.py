"""Sentences in which the gender of a French pronoun is that of a noun at a distance.

    The dog that ... chased the cow, but it cannot bite it.
    Le chien qui ... a poursuivi la vache, mais il ne peut pas la mordre.

Both nouns can be "it". The rule of these sentences is that of parallel roles: the subject pronoun
of the second clause refers to the subject of the first clause, the object pronoun to its object.

The second clause is in the present, with a modal, after a first clause in the past. Other sentences
of the grammar keep one tense in all their clauses, so none of them is also one of these.
"""

from typing import NamedTuple

from seq2seq.corpora.grammar.agreement import (
    NEGATIONS,
    PRONOUNS,
    Clitic,
    Nominal,
    pronoun,
    verb_group,
)
from seq2seq.corpora.grammar.lexicon import Lexicon, Verb
from seq2seq.corpora.grammar.phrase import Phrase, rule, starts_with_vowel
from seq2seq.corpora.grammar.sentences import CONJUNCTIONS, Grammar
from seq2seq.text.agreement import Agreement
from seq2seq.text.pronoun import Places, Role

SHORTEST_DISTANCE = 4  # number of words between antecedent and pronoun, at least
IT = tuple(
    pronoun("it", french, feminine=feminine, plural=False, first=False)
    for french, feminine in (("il", False), ("elle", True))
)
ITS_OBJECT = (
    Clitic("it", "le", direct=True),
    Clitic("it", "la", direct=True, feminine=True),
)


class Reference(NamedTuple):
    """A sentence with a pronoun and its antecedent.

    Attributes:
        phrase: the sentence.
        role: the role of the pronoun.
        agreement: the number of words in between, and the French forms.
        source: the English tokens of the pronoun, its antecedent and the other noun.
    """

    phrase: Phrase
    role: Role
    agreement: Agreement
    source: Places


class Head(NamedTuple):
    """A noun phrase and the index of its English noun."""

    nominal: Nominal
    noun: int


class FirstClause(NamedTuple):
    """The first clause with the conjunction after it; nouns are indices into its words."""

    phrase: Phrase
    subject: Head
    object: Head
    verb: Verb


class PronounGrammar(Grammar):
    """Random sentences with pronouns that have an antecedent."""

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        super().__init__(lexicon, seed)
        self._things = {  # class and gender of the nouns that "it" refers to
            (kind, noun.feminine)
            for noun in lexicon.nouns
            if "person" not in noun.classes
            for kind in noun.classes - {"name"}
        }

    def reference(
        self, role: Role, *, feminine: bool, other_feminine: bool, distance: int, exact: bool
    ) -> Reference | None:
        """Return a sentence with about `distance` words between a pronoun and its antecedent.

        Args:
            role: the role of the pronoun and its antecedent.
            feminine: the gender of the antecedent.
            other_feminine: the gender of the other noun.
            distance: the number of words, at least SHORTEST_DISTANCE.
            exact: whether a sentence with another distance is invalid.

        Returns:
            None if the sampled sentence is not valid: its distance is another one, a French form of
            the pronoun is elsewhere in the sentence, or no second verb fits.
        """
        self.tense = "past"
        self.used_nouns.clear()
        first = self.first_clause(role, feminine, other_feminine, distance)
        nouns = first.subject.noun, first.object.noun
        antecedent, distractor = nouns if role == "subject" else nouns[::-1]
        start = first.phrase
        words = sum(word != "," for word in start.source[antecedent + 1 :])
        if exact and (words != distance if role == "subject" else words > distance - 3):
            return None
        second = self.second_clause(role, first)
        if second is None:
            return None
        clause, form = second
        it = len(start.source)
        if role == "object":  # the last word of the clause
            it += len(clause.source) - 1
            words += len(clause.source) - 1
        order = "{start} {clause} ./1"
        phrase = rule(order, order, start=start, clause=clause)
        letters = ("il", "elle") if role == "subject" else ("le", "la")
        forms = [form.format(word) for word in letters]
        text = f" {' '.join(phrase.target)} "
        once = sum(text.count(f" {one} ") for one in forms) == 1
        if not once or (exact and words != distance):
            return None
        agreement = Agreement(words, forms[feminine], (forms[not feminine],))
        return Reference(phrase, role, agreement, Places(it, antecedent, distractor))

    def first_clause(
        self, role: Role, feminine: bool, other_feminine: bool, distance: int
    ) -> FirstClause:
        """Return the first clause and the conjunction; the arguments are those of `reference`.

        Words after the subject belong to the distance of a subject pronoun, words after the object
        to that of both.
        """
        budget = distance - SHORTEST_DISTANCE + self.between(0, 4)  # more than what is used
        before = self.between(0, budget if role == "subject" else 3)
        after = budget - before if role == "subject" else budget
        genders = feminine, other_feminine
        if role == "object":
            genders = genders[::-1]
        kind = self.weighted_choice(animal=3, organisation=1)
        subject = self.head([kind], genders[0], before)
        verb = self.choose(self.actions(subject.nominal, genders[1]))
        obj = self.head(self.kinds(verb, genders[1]), genders[1], after)
        said = verb_group(verb, subject.nominal, "past")
        conjunction = self.choose(CONJUNCTIONS)
        order = "{subject} {said} {object} "
        phrase = rule(
            order + conjunction[0],
            order + conjunction[1],
            subject=subject.nominal.phrase,
            said=said,
            object=obj.nominal.phrase,
        )
        shift = len(subject.nominal.phrase.source) + len(said.source)
        return FirstClause(phrase, subject, obj._replace(noun=shift + obj.noun), verb)

    def head(self, kinds: list[str], feminine: bool, budget: int) -> Head:
        """Return a singular noun phrase of a gender, with about `budget` more words."""
        adjectives = min(budget, 2)
        kind = self.weighted_choice(definite=6, indefinite=3, this=1)
        while True:
            self.words_left = adjectives
            found = self.noun_phrase(kinds, only=kind, short=True, singular=True)
            if found.feminine == feminine and "person" not in found.kinds:
                break
        noun = len(found.phrase.source) - 1
        self.words_left += budget - adjectives
        self.min_probability = 0.6
        found = self.with_postmodifier(found)
        self.min_probability = 0.0
        return Head(found, noun)

    def actions(self, subject: Nominal, feminine: bool) -> list[Verb]:
        """Return the verbs whose object can be "it", with a noun of this gender."""
        verbs = self.verbs_for(subject.kinds, "object")
        return [verb for verb in verbs if self.kinds(verb, feminine)]

    def kinds(self, verb: Verb, feminine: bool) -> list[str]:
        """Return the classes of the objects of a verb that have a noun of this gender for "it"."""
        return [kind for kind in sorted(verb.objects) if (kind, feminine) in self._things]

    def second_clause(self, role: Role, first: FirstClause) -> tuple[Phrase, str] | None:
        """Return a clause with pronouns, and the French form to test with a slot for its gender.

        The verb is another one than in the first clause. It starts with a consonant in French:
        before a vowel, le and la are both l'.

        Args:
            role: the role of the pronoun that is tested.
            first: the first clause.

        Returns:
            None if no verb fits.
        """
        subject, obj = first.subject.nominal, first.object.nominal
        negation = "not" if self.bernoulli(0.5) else ""
        modal = self.choose(self.modals)
        actor, kinds = IT[subject.feminine], subject.kinds
        if role == "object" and self.bernoulli(0.3):
            actor = self.choose(PRONOUNS)
            kinds = actor.kinds
        alone = self.verbs_for(kinds, "alone")
        clitic = None
        if role == "subject" and alone and self.bernoulli(0.4):
            verbs = alone
        else:
            clitic = ITS_OBJECT[obj.feminine]
            verbs = [v for v in self.verbs_for(kinds, "object") if v.objects & obj.kinds]
            verbs = [v for v in verbs if not starts_with_vowel(v.infinitive) and v != first.verb]
            if not verbs:
                return None
        group = verb_group(
            self.choose(verbs), actor, "present", negation=negation, modal=modal, clitic=clitic
        )
        order = "{actor} {group}"
        clause = rule(order, order, actor=actor.phrase, group=group)
        if role == "subject":
            return clause, "{}"
        finite = [modal.present[actor.person], *([NEGATIONS[negation]] if negation else [])]
        return clause, " ".join([*finite, "{}"])
