"""Noun phrases: a noun, what stands before it, and what there is room for behind it."""

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
from seq2seq.corpora.grammar.chance import Chance
from seq2seq.corpora.grammar.lexicon import Noun
from seq2seq.corpora.grammar.phrase import Phrase, rule

NEAR, NEXT_TO = ("near/1", "près/1 de/1?"), ("next/1 to/1", "à/1 côté/1 de/1?")
BEHIND, IN_FRONT = ("behind/1", "derrière/1"), ("in/1 front/1 of/1", "devant/1")
IN, AT = ("in/1", "dans/1"), ("at/1", "à/1")
ON, UNDER = ("on/1", "sur/1"), ("under/1", "sous/1")

# Where what can be: a preposition, then the classes of nouns behind it.
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
BEFORE_VOWEL = {"beau": "BEAU", "nouveau": "NOUVEAU", "vieux": "VIEUX"}  # see phrase.py


class NounPhrases(Chance, ABC):
    """Draws noun phrases; what their relative clauses say is left to the grammar of sentences."""

    @abstractmethod
    def predicate(self, subject: Nominal, tense: Tense) -> Phrase:
        """A verb with what belongs to it."""

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
        """A noun with all that belongs to it.

        Args:
            kinds: classes of meaning, one of which it is of.
            owner: whose it may be.
            negated: it is the object of a negated verb, where un and des become de.
            only: the kind of determiner; any if empty.
            short: nothing behind the noun.
            singular: one only.
        """
        noun = self.choose(self.nouns[self.choose(kinds)])
        if noun.french[0] in self.drawn:
            noun = self.choose(self.nouns[self.choose(kinds)])
        self.drawn.add(noun.french[0])
        plural = not (singular or noun.classes & {"name", "parent"}) and self.chance(0.3)
        self.last = noun.feminine, plural
        if "name" in noun.classes:
            name = rule(f"{noun.english[0]}/1", f"{noun.french[0]}/1")
            return Nominal(name, noun.feminine, False, noun.classes | {"person"})
        inner, before = self.inner(noun, plural)
        kind = only or self.weighed(
            definite=9,
            indefinite=4,
            this=1.5,
            count=3 * plural,
            every=0.5 * (not plural and not negated),
            own=4 * bool(owner and noun.classes & OWNED),
            whose=1.5 * bool(noun.classes & OWNED and self.left > 2),
        )
        if kind == "whose":
            return self.owned(noun, plural, inner)
        if kind == "own" and owner:
            english, french = possessive(owner, noun, plural)
            front, back = f"{english}/1", f"{french}/1"
        elif kind == "count":
            front, back = self.count(negated)
        else:
            front, back = determiner(kind, noun, plural, inner, before=before, negated=negated)
        phrase = rule(f"{front} {{inner}}", f"{back} {{inner}}", inner=inner)
        nominal = Nominal(phrase, noun.feminine, plural, noun.classes)
        return nominal if short else self.modified(nominal)

    def owned(self, noun: Noun, plural: bool, inner: Phrase) -> Nominal:
        """The girl's cat, le chat de la fille."""
        self.left -= 2
        owner = self.noun_phrase(("person", "name"), only="definite", short=True)
        mark = "'" if owner.plural and owner.phrase.source[-1].endswith("s") else "'s"
        phrase = rule(
            f"{{owner}} {mark}/1,2? {{inner}}",
            f"{definite(noun, plural)}/2? {{inner}} de/1 {{owner}}",
            owner=owner.phrase,
            inner=inner,
        )
        self.last = owner.feminine, owner.plural
        return Nominal(phrase, noun.feminine, plural, noun.classes)

    def count(self, negated: bool) -> tuple[str, str]:
        """How many; a negated verb takes no `several`."""
        vague = (("many", "beaucoup"), ("several", "plusieurs"))
        english, french = self.choose((*NUMERALS.items(), *vague[: 1 if negated else 2]))
        return f"{english}/1", f"{french}/1" + " de/1?" * (english == "many")

    def inner(self, noun: Noun, plural: bool) -> tuple[Phrase, bool]:
        """The noun with its adjectives, and whether a French one stands before it."""
        phrase = rule(f"{noun.english[plural]}/1", f"{noun.french[plural]}/1")

        def add(place: str, order: str) -> bool:
            """Put an adjective to the noun, before it or after it in French."""
            nonlocal phrase
            fitting = self.fitting(noun.classes, place)
            if not fitting:
                return False
            adjective = self.choose(fitting)
            french = adjective.form(feminine=noun.feminine, plural=plural)
            if place == "before" and not (plural or noun.feminine):
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
            add("nation" if self.chance(0.15) else "after", "{phrase} {word}")
        before = self.spend(1, 0.22) and add("before", "{word} {phrase}")
        return phrase, before

    def compound(self, noun: Noun, phrase: Phrase) -> Phrase | None:
        """A noun with another in front of it, which French puts behind; None if it takes none."""
        names = {noun.english[0], *noun.classes}
        fitting = [compound for compound in self.lexicon.compounds if compound.heads & names]
        if not fitting:
            return None
        english, french, _ = self.choose(fitting)
        words = " ".join([*(f"{word}/1?" for word in french[:-1]), f"{french[-1]}/1"])
        return rule(f"{english}/1 {{phrase}}", f"{{phrase}} {words}", phrase=phrase)

    def modified(self, nominal: Nominal) -> Nominal:
        """A noun phrase with what there is room for behind it."""
        behind = self.behind(nominal)
        if not behind.source:
            return nominal
        phrase = rule("{a} {b}", "{a} {b}", a=nominal.phrase, b=behind)
        return replace(nominal, phrase=phrase)

    def behind(self, nominal: Nominal) -> Phrase:
        """Of what, where, with what on, or who or which does what.

        Never two of them: which noun the second belongs to could not be seen in English.
        """
        kind = next((kind for kind in OF if kind in nominal.kinds), "")
        if kind and self.spend(3, 0.4):
            return self.preposed(("of/1", "de/1"), OF[kind])
        if (where := self.located(nominal)) and self.spend(3, 0.2):
            return self.place(where)
        alone = "person" in nominal.kinds and not nominal.plural
        if alone and self.spend(3, 0.06):
            return self.preposed(("with/1", "à/1"), ("worn",), only="definite", singular=True)
        return self.relative(nominal) if self.spend(5, 0.35) else Phrase()

    def located(self, nominal: Nominal) -> str:
        """The kind of places where something of these classes is; empty where none makes sense."""
        return next((kind for kind in WHERE if kind in nominal.kinds), "")

    def place(self, kind: str) -> Phrase:
        """Where somebody or something is."""
        preposition, kinds = self.choose(WHERE[kind])
        only = "definite" if preposition == AT else ""
        return self.preposed(preposition, kinds, only=only, singular=preposition in (AT, IN))

    def preposed(
        self,
        preposition: tuple[str, str],
        kinds: Sequence[str],
        *,
        only: str = "",
        singular: bool = False,
    ) -> Phrase:
        """A preposition and its noun phrase."""
        english, french = preposition
        noun = self.noun_phrase(kinds, only=only, singular=singular).phrase
        return rule(f"{english} {{noun}}", f"{french} {{noun}}", noun=noun)

    def relative(self, nominal: Nominal) -> Phrase:
        """A relative clause: who, which or that does it; whom it is done to; where it is done."""
        outer: Tense = self.tense
        tense: Tense = "past" if outer in ("past", "pluperfect") else "present"
        person = "person" in nominal.kinds
        verbs = [v for v in self.doable(PERSON, "object") if v.objects & nominal.kinds]
        doing = bool(nominal.kinds & {"person", "animal", "transport", "organisation"})
        ways = {
            "doing": 3.0 * doing,
            "done": 3.0 * bool(verbs),
            "where": 2.0 * bool(nominal.kinds & {"home", "inside", "public"}),
            "being": 1.0 * bool(self.located(nominal)) * (not person),
        }
        if not any(ways.values()):
            return Phrase()
        how = self.weighed(**ways)
        self.tense = tense
        if how == "doing":
            clause = self.predicate(nominal, tense)
            words = "who/1" if person else self.choose(("that/1", "which/1"))
            phrase = rule(f"{words} {{clause}}", "qui/1 {clause}", clause=clause)
        elif how == "done":
            agent = self.agent()
            ahead = nominal.feminine, nominal.plural
            clause = verb_group(self.choose(verbs), agent, tense, ahead=ahead)
            words = "that/1" if person else self.choose(("that/1", "which/1"))
            order = "{agent} {clause}"
            phrase = rule(f"{words} {order}", f"que/1 {order}", agent=agent.phrase, clause=clause)
        elif how == "where":
            agent = self.agent()
            done = (verb for verb in self.doable(PERSON, "motion") if "place" in verb.objects)
            at_home = self.doable(PERSON, "in") if "home" in nominal.kinds else ()
            clause = verb_group(self.choose((*at_home, *done)), agent, tense)
            order = "{agent} {clause}"
            phrase = rule(f"where/1 {order}", f"où/1 {order}", agent=agent.phrase, clause=clause)
        else:
            be, where = be_group(nominal, tense), self.place(self.located(nominal))
            words = self.choose(("that/1", "which/1"))
            phrase = rule(f"{words} {{be}} {{where}}", "qui/1 {be} {where}", be=be, where=where)
        self.tense = outer
        return phrase

    def agent(self) -> Nominal:
        """Who does it, in a few words."""
        if self.chance(0.25):
            return self.choose(PRONOUNS)
        return self.noun_phrase(("person", "person", "name"), short=self.left < 5)
