"""Noun phrases of the grammar: determiner, adjectives, noun and postmodifiers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from seq2seq.corpora.grammar.agreement import (
    NUMERALS,
    PRONOUNS,
    Nominal,
    Tense,
    be_group,
    definite,
    determiner,
    possessive,
    verb_group,
)
from seq2seq.corpora.grammar.lexicon import Noun
from seq2seq.corpora.grammar.phrase import Phrase, rule
from seq2seq.corpora.grammar.sampler import Sampler

NEAR, NEXT_TO = ("near/1", "près/1 de/1?"), ("next/1 to/1", "à/1 côté/1 de/1?")
BEHIND, IN_FRONT = ("behind/1", "derrière/1"), ("in/1 front/1 of/1", "devant/1")
IN, AT = ("in/1", "dans/1"), ("at/1", "à/1")
ON, UNDER = ("on/1", "sur/1"), ("under/1", "sous/1")

# Locations by class of the located noun: a preposition and the classes of nouns that may follow it.
LANDMARKS = ((NEAR, ("landmark",)), (BEHIND, ("landmark",)), (IN_FRONT, ("landmark",)))
BEINGS = (
    *LANDMARKS,
    (NEAR, ("person", "name", "animal", "vehicle")),
    (NEXT_TO, ("person", "name", "animal", "landmark")),
    (BEHIND, ("person", "name", "vehicle")),
    (IN, ("inside",)),
    (UNDER, ("cover",)),
)
FURNITURE = (
    (IN, ("inside",)),
    (BEHIND, ("furniture", "side")),
    (NEAR, ("furniture", "side", "name", "person")),
    (NEXT_TO, ("furniture", "side")),
)
THINGS = (*FURNITURE, (IN, ("container",)), (ON, ("surface",)), (UNDER, ("cover",)))
WHERE = {
    "person": (*BEINGS, (AT, ("public",)), (ON, ("seat",))),
    "animal": (*BEINGS, (ON, ("surface",))),
    **dict.fromkeys(("object", "food"), THINGS),
    "furniture": FURNITURE,
    **dict.fromkeys(("building", "landmark", "vehicle"), LANDMARKS),
}
OF = {"part": ("building",), "picture": ("person", "name", "building"), "ruler": ("realm",)}
OWNED = frozenset({"object", "food", "furniture", "own", "kin", "animal", "home", "text"})
PERSON = frozenset({"person"})
# Adjectives with another form before a vowel, resolved by phrase.french.
BEFORE_VOWEL = {"beau": "BEAU", "nouveau": "NOUVEAU", "vieux": "VIEUX"}


class NounPhrases(Sampler, ABC):
    """Random noun phrases. Subclasses provide the predicates of their relative clauses."""

    @abstractmethod
    def predicate(self, subject: Nominal, tense: Tense) -> Phrase:
        """Return a verb group with its objects and complements."""

    def noun_phrase(
        self,
        kinds: Sequence[str],
        *,
        owner: Nominal | None = None,
        negated: bool = False,
        only: str = "",
        short: bool = False,
        singular: bool = False,
    ) -> Nominal:
        """Return a noun phrase.

        Args:
            kinds: classes of meaning; the noun belongs to one of them.
            owner: possible referent of a possessive determiner.
            negated: whether it is the object of a negated verb, which changes un and des to de.
            only: kind of determiner; any kind if empty.
            short: without postmodifier.
            singular: not plural.
        """
        noun = self.choose(self.nouns[self.choose(kinds)])
        if noun.french[0] in self.used_nouns:
            noun = self.choose(self.nouns[self.choose(kinds)])
        self.used_nouns.add(noun.french[0])
        plural = not (singular or noun.classes & {"name", "parent"}) and self.bernoulli(0.3)
        self.last_noun = noun.feminine, plural
        if "name" in noun.classes:
            name = rule(f"{noun.english[0]}/1", f"{noun.french[0]}/1")
            return Nominal(name, noun.feminine, False, noun.classes | {"person"})
        inner, before = self.with_adjectives(noun, plural)
        kind = only or self.weighted_choice(
            definite=9,
            indefinite=4,
            this=1.5,
            count=3 * plural,
            every=0.5 * (not plural and not negated),
            own=4 * bool(owner and noun.classes & OWNED),
            whose=1.5 * bool(noun.classes & OWNED and self.words_left > 2),
        )
        if kind == "whose":
            return self.genitive(noun, plural, inner)
        if kind == "own" and owner:
            english, french = possessive(owner, noun, plural)
            front, back = f"{english}/1", f"{french}/1"
        elif kind == "count":
            front, back = self.quantifier(negated)
        else:
            front, back = determiner(kind, noun, plural, inner, before=before, negated=negated)
        phrase = rule(f"{front} {{inner}}", f"{back} {{inner}}", inner=inner)
        nominal = Nominal(phrase, noun.feminine, plural, noun.classes)
        return nominal if short else self.with_postmodifier(nominal)

    def genitive(self, noun: Noun, plural: bool, inner: Phrase) -> Nominal:
        """Return a noun with a possessor: the girl's cat, le chat de la fille."""
        self.words_left -= 2
        owner = self.noun_phrase(("person", "name"), only="definite", short=True)
        mark = "'" if owner.plural and owner.phrase.source[-1].endswith("s") else "'s"
        phrase = rule(
            f"{{owner}} {mark}/1,2? {{inner}}",
            f"{definite(noun, plural)}/2? {{inner}} de/1 {{owner}}",
            owner=owner.phrase,
            inner=inner,
        )
        self.last_noun = owner.feminine, owner.plural
        return Nominal(phrase, noun.feminine, plural, noun.classes)

    def quantifier(self, negated: bool) -> tuple[str, str]:
        """Return a numeral or quantifier; `several` is excluded from objects of negated verbs."""
        vague = (("many", "beaucoup"), ("several", "plusieurs"))
        english, french = self.choose((*NUMERALS.items(), *vague[: 1 if negated else 2]))
        return f"{english}/1", f"{french}/1" + " de/1?" * (english == "many")

    def with_adjectives(self, noun: Noun, plural: bool) -> tuple[Phrase, bool]:
        """Return the noun with its modifiers, and whether a French adjective precedes it."""
        phrase = rule(f"{noun.english[plural]}/1", f"{noun.french[plural]}/1")

        def add(position: str, order: str) -> bool:
            """Add an adjective to the noun, in French at the given position."""
            nonlocal phrase
            adjectives = self.adjectives_for(noun.classes, position)
            if not adjectives:
                return False
            adjective = self.choose(adjectives)
            french = adjective.form(feminine=noun.feminine, plural=plural)
            if position == "before" and not (plural or noun.feminine):
                french = BEFORE_VOWEL.get(french, french)
            word = rule(f"{adjective.english}/1", f"{french}/1")
            phrase = rule("{word} {phrase}", order, word=word, phrase=phrase)
            return True

        if noun.classes & {"subject", "organisation"}:
            if self.spend(1, 0.5):
                add("domain", "{phrase} {word}")
            if self.spend(1, 0.35):
                add("nation", "{phrase} {word}")
        elif self.spend(1, 0.12) and (compound := self.compound(noun, phrase)):
            phrase = compound
        elif self.spend(1, 0.25):
            add("nation" if self.bernoulli(0.15) else "after", "{phrase} {word}")
        before = self.spend(1, 0.22) and add("before", "{word} {phrase}")
        return phrase, before

    def compound(self, noun: Noun, phrase: Phrase) -> Phrase | None:
        """Return the noun with a noun modifier (gold watch, montre en or); None if none fits."""
        names = {noun.english[0], *noun.classes}
        compounds = [compound for compound in self.lexicon.compounds if compound.heads & names]
        if not compounds:
            return None
        english, french, _ = self.choose(compounds)
        words = " ".join([*(f"{word}/1?" for word in french[:-1]), f"{french[-1]}/1"])
        return rule(f"{english}/1 {{phrase}}", f"{{phrase}} {words}", phrase=phrase)

    def with_postmodifier(self, nominal: Nominal) -> Nominal:
        """Return the noun phrase with a postmodifier if the budget allows."""
        postmodifier = self.postmodifier(nominal)
        if not postmodifier.source:
            return nominal
        phrase = rule("{a} {b}", "{a} {b}", a=nominal.phrase, b=postmodifier)
        return replace(nominal, phrase=phrase)

    def postmodifier(self, nominal: Nominal) -> Phrase:
        """Return a complement with `of`, a location, clothing (with a hat) or a relative clause.

        Never two of them: in English the attachment of the second one would be ambiguous.
        """
        kind = next((kind for kind in OF if kind in nominal.kinds), "")
        if kind and self.spend(3, 0.4):
            return self.prepositional_phrase(("of/1", "de/1"), OF[kind])
        if (where := self.location_class(nominal)) and self.spend(3, 0.2):
            return self.location(where)
        alone = "person" in nominal.kinds and not nominal.plural
        if alone and self.spend(3, 0.06):
            return self.prepositional_phrase(
                ("with/1", "à/1"), ("worn",), only="definite", singular=True
            )
        return self.relative_clause(nominal) if self.spend(5, 0.35) else Phrase()

    def location_class(self, nominal: Nominal) -> str:
        """Return the key of WHERE for a noun phrase; empty if no location makes sense."""
        return next((kind for kind in WHERE if kind in nominal.kinds), "")

    def location(self, kind: str) -> Phrase:
        """Return a prepositional phrase of location."""
        preposition, kinds = self.choose(WHERE[kind])
        only = "definite" if preposition == AT else ""
        return self.prepositional_phrase(
            preposition, kinds, only=only, singular=preposition in (AT, IN)
        )

    def prepositional_phrase(
        self,
        preposition: tuple[str, str],
        kinds: Sequence[str],
        *,
        only: str = "",
        singular: bool = False,
    ) -> Phrase:
        """Return a preposition with its noun phrase."""
        english, french = preposition
        noun = self.noun_phrase(kinds, only=only, singular=singular).phrase
        return rule(f"{english} {{noun}}", f"{french} {{noun}}", noun=noun)

    def relative_clause(self, nominal: Nominal) -> Phrase:
        """Return a relative clause whose pronoun is subject, object or location; maybe empty."""
        outer: Tense = self.tense
        tense: Tense = "past" if outer in ("past", "pluperfect") else "present"
        person = "person" in nominal.kinds
        verbs = [v for v in self.verbs_for(PERSON, "object") if v.objects & nominal.kinds]
        acts = bool(nominal.kinds & {"person", "animal", "transport", "organisation"})
        weights = {
            "subject": 3.0 * acts,
            "object": 3.0 * bool(verbs),
            "where": 2.0 * bool(nominal.kinds & {"home", "inside", "public"}),
            "located": 1.0 * bool(self.location_class(nominal)) * (not person),
        }
        if not any(weights.values()):
            return Phrase()
        role = self.weighted_choice(**weights)
        self.tense = tense
        if role == "subject":
            clause = self.predicate(nominal, tense)
            words = "who/1" if person else self.choose(("that/1", "which/1"))
            phrase = rule(f"{words} {{clause}}", "qui/1 {clause}", clause=clause)
        elif role == "object":
            agent = self.agent()
            preceding = nominal.feminine, nominal.plural
            clause = verb_group(self.choose(verbs), agent, tense, preceding=preceding)
            words = "that/1" if person else self.choose(("that/1", "which/1"))
            order = "{agent} {clause}"
            phrase = rule(f"{words} {order}", f"que/1 {order}", agent=agent.phrase, clause=clause)
        elif role == "where":
            agent = self.agent()
            motion = (verb for verb in self.verbs_for(PERSON, "motion") if "place" in verb.objects)
            at_home = self.verbs_for(PERSON, "in") if "home" in nominal.kinds else ()
            clause = verb_group(self.choose((*at_home, *motion)), agent, tense)
            order = "{agent} {clause}"
            phrase = rule(f"where/1 {order}", f"où/1 {order}", agent=agent.phrase, clause=clause)
        else:
            be, where = be_group(nominal, tense), self.location(self.location_class(nominal))
            words = self.choose(("that/1", "which/1"))
            phrase = rule(f"{words} {{be}} {{where}}", "qui/1 {be} {where}", be=be, where=where)
        self.tense = outer
        return phrase

    def agent(self) -> Nominal:
        """Return the subject of a relative clause, a short noun phrase or a pronoun."""
        if self.bernoulli(0.25):
            return self.choose(PRONOUNS)
        return self.noun_phrase(("person", "person", "name"), short=self.words_left < 5)
