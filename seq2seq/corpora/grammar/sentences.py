"""A synchronous grammar of English and French: every rule writes both sides and links them.

Sentences are drawn at random, about as long as there is room for. What agrees is decided in
agreement.py, how French words meet (du, l', cet) in phrase.py, and the words lie in
data/controlled/.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import NamedTuple, TypeVar

from seq2seq.corpora.grammar.agreement import (
    DIRECT,
    INDIRECT,
    MODALS,
    NEGATIONS,
    NUMERALS,
    PRONOUNS,
    Clitic,
    Nominal,
    Tense,
    be_group,
    definite,
    determiner,
    participle,
    possessive,
    verb_group,
)
from seq2seq.corpora.grammar.lexicon import Adjective, Lexicon, Noun, Verb
from seq2seq.corpora.grammar.phrase import Phrase, rule
from seq2seq.gold import Agreement

Item = TypeVar("Item")

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
GETTING = frozenset({"acheter", "choisir", "emprunter", "recevoir", "trouver"})
JOINTS = ((",/1 and/2", ",/1 et/2"), (",/1 but/2", ",/1 mais/2"), ("because/1", "parce/1 que/1"))
AGREEMENTS = tuple((feminine, plural) for plural in (False, True) for feminine in (False, True))
BEFORE_VOWEL = {"beau": "BEAU", "nouveau": "NOUVEAU", "vieux": "VIEUX"}  # see phrase.py


class Dependency(NamedTuple):
    """A sentence whose verb agrees with a subject some way off.

    Attributes:
        phrase: the sentence.
        french: the participle or adjective that agrees.
        english: was or were; None where English shows no agreement.
    """

    phrase: Phrase
    french: Agreement
    english: Agreement | None


class Grammar:
    """Draws sentences.

    Args:
        lexicon: its words.
        seed: decides every draw, alike on every machine.
    """

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        # Of all that Random offers only random() is promised to stay as it is.
        self._draw = Random(seed).random
        self.lexicon = lexicon
        self.left = 0  # words there is room for
        self.keen = 0.0  # the least share in which something is added
        self.tense: Tense = "past"
        self._fitting: dict[tuple[frozenset[str], str], list[Adjective]] = {}
        self.last: tuple[bool, bool] | None = None  # gender and number of the last noun drawn
        self.drawn: set[str] = set()  # the nouns of this sentence, which rarely come twice
        self.nouns: dict[str, list[Noun]] = {}
        for noun in lexicon.nouns:
            for kind in sorted(noun.classes):
                self.nouns.setdefault(kind, []).append(noun)
        self._doable: dict[tuple[frozenset[str], str], list[Verb]] = {}
        self.modals = [lexicon.verb(english, french) for english, french in MODALS.items()]

    # --- chance ---

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self._draw() < share

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items, each as likely."""
        return items[int(self._draw() * len(items))]

    def weighed(self, **weights: int | float) -> str:
        """One of the names, as likely as it weighs."""
        ends = list(accumulate(weights.values()))
        return list(weights)[bisect(ends, self._draw() * ends[-1])]

    def between(self, fewest: int, most: int) -> int:
        """A whole number, both ends included."""
        return fewest + int(self._draw() * (most - fewest + 1))

    def spend(self, words: int, share: float) -> bool:
        """Whether to add something of so many words: only where there is room, then by chance."""
        if self.left < words or not self.chance(max(share, self.keen)):
            return False
        self.left -= words
        return True

    # --- sentences ---

    def sentence(self, room: int) -> Phrase:
        """A sentence of about `room` English words, before French words meet."""
        self.drawn.clear()
        tense: Tense = self.weighed(past=5, present=3, future=2)  # type: ignore[assignment]
        where = (
            self.weighed(none=8, first=1.2, last=1.2 if room < 12 else 0) if room > 4 else "none"
        )
        body = self.clauses(room - (where != "none"), tense)
        if where == "none":
            return rule("{body} ./1", "{body} ./1", body=body)
        time = rule(*self.choose(self.lexicon.adverbs[tense]))
        order = "{time} ,/1 {body} ./2" if where == "first" else "{body} {time} ./2"
        return rule(order, order, time=time, body=body)

    def clauses(self, room: int, tense: Tense) -> Phrase:
        """One clause, or several where there is room."""
        if room < 11 or (room < 22 and self.chance(0.5)):
            return self.clause(room, tense)
        first = 5 + int(self._draw() * min(room - 10, 14))
        joints = JOINTS if tense == "future" else (*JOINTS, ("when/1", "quand/1"))
        english, french = self.choose(joints)
        a, b = self.clause(first, tense), self.clauses(room - first - 1, tense)
        return rule(f"{{a}} {english} {{b}}", f"{{a}} {french} {{b}}", a=a, b=b)

    def clause(self, room: int, tense: Tense) -> Phrase:
        """A subject and what it does; or somebody who says so."""
        self.left = room - 4
        if tense in ("present", "past") and self.spend(4, 0.1):
            speaker = self.noun_phrase(("person", "name"), short=True)
            verb = self.choose(self.doable(PERSON, "that"))
            said = verb_group(verb, speaker, tense)
            fact = self.fact("pluperfect" if tense == "past" else self.choose(("past", "present")))
            return rule(
                "{speaker} {said} that/1 {fact}",
                "{speaker} {said} que/1 {fact}",
                speaker=speaker.phrase,
                said=said,
                fact=fact,
            )
        return self.fact(tense)

    def fact(self, tense: Tense) -> Phrase:
        """A subject and what it does or is."""
        self.tense = tense
        subject = self.subject()
        if "person" in subject.kinds and tense != "pluperfect" and self.spend(5, 0.15):
            doing = self.two_actions(subject)
        else:
            doing = self.predicate(subject, tense)
        return rule("{subject} {doing}", "{subject} {doing}", subject=subject.phrase, doing=doing)

    def subject(self) -> Nominal:
        """A pronoun, a noun phrase, or two of them."""
        if self.chance(0.2):
            return self.choose(PRONOUNS)
        kind = self.weighed(person=10, animal=7, name=3, transport=1, organisation=2)
        two = kind not in ("transport", "organisation") and self.spend(3, 0.15)
        one = self.noun_phrase((kind,), short=two)  # the king near the hen and the cow: who is?
        if not two:
            return one
        other = self.noun_phrase((kind,), short=True)
        if other.phrase.source[-1] == one.phrase.source[-1]:
            return one
        both = rule("{one} and/1 {other}", "{one} et/1 {other}", one=one.phrase, other=other.phrase)
        return Nominal(both, one.feminine and other.feminine, True, one.kinds & other.kinds)

    # --- what a subject does or is ---

    def predicate(self, subject: Nominal, tense: Tense) -> Phrase:
        """A verb with what belongs to it."""
        kind = next(
            k for k in ("person", "animal", "transport", "organisation") if k in subject.kinds
        )
        if kind == "organisation":
            return self.acting(subject, tense)
        if kind == "transport":
            return self.choose((self.moving, self.being))(subject, tense, kind)
        how = self.weighed(acting=9, moving=6, going=2, giving=2 * (kind == "person"), being=5)
        if how == "acting":
            return self.acting(subject, tense)
        if how == "going":
            return self.going(subject, tense)
        if how == "giving":
            return self.giving(subject, tense)
        return (self.moving if how == "moving" else self.being)(subject, tense, kind)

    def acting(self, subject: Nominal, tense: Tense) -> Phrase:
        """Subject, verb, object."""
        verb = self.choose(self.doable(subject.kinds, "object"))
        if "person" in verb.objects and self.chance(0.25):
            return self.group(verb, subject, tense, clitic=self.choose(DIRECT))
        negation = self.negation(tense)
        thing = self.noun_phrase(sorted(verb.objects), owner=subject, negated=bool(negation))
        doing = self.group(verb, subject, tense, negation=negation)
        return rule("{doing} {thing}", "{doing} {thing}", doing=doing, thing=thing.phrase)

    def two_actions(self, subject: Nominal) -> Phrase:
        """Two actions on one object, a pronoun the second time: found an apple and ate it."""
        actions = self.doable(PERSON, "object")
        first = self.choose([v for v in actions if v.infinitive in GETTING])
        kinds = sorted(first.objects & {"object", "food"})
        # Nothing behind the noun, or the second verb might belong to its relative clause.
        thing = self.noun_phrase(kinds, owner=subject, short=True)
        verbs = [v for v in actions if v.objects & thing.kinds and v.infinitive not in GETTING]
        letters = "les" if thing.plural else "la" if thing.feminine else "le"
        it = Clitic("them" if thing.plural else "it", letters, True, thing.feminine, thing.plural)
        return rule(
            "{one} {thing} and/1 {other}",
            "{one} {thing} et/1 {other}",
            one=verb_group(first, subject, self.tense),
            thing=thing.phrase,
            other=verb_group(self.choose(verbs), subject, self.tense, clitic=it),
        )

    def moving(self, subject: Nominal, tense: Tense, kind: str) -> Phrase:
        """A verb without an object, perhaps how, perhaps where."""
        frames = ("alone", "motion", "voice")
        frame = self.weighed(**{f: bool(self.doable(subject.kinds, f)) for f in frames})
        verb = self.choose(self.doable(subject.kinds, frame))
        doing = self.group(verb, subject, tense)
        if frame != "alone" and self.spend(1, 0.35):
            how = rule(*self.choose(self.lexicon.adverbs[frame]))
            doing = rule("{doing} {how}", "{doing} {how}", doing=doing, how=how)
        if kind != "transport" and verb.objects and self.spend(3, 0.4):
            inside = sorted(verb.objects - {"place"})
            place = self.preposed(IN, inside) if inside else self.place(kind)
            return rule("{doing} {place}", "{doing} {place}", doing=doing, place=place)
        return doing

    def going(self, subject: Nominal, tense: Tense) -> Phrase:
        """To a place, from it, or at home in it."""
        frames = [("to", "à"), ("from", "de"), ("in", "dans")]
        english, french = self.choose([f for f in frames if self.doable(subject.kinds, f[0])])
        verb = self.choose(self.doable(subject.kinds, english))
        self.left -= 3
        only = "" if english == "in" else "definite"
        place = self.noun_phrase(sorted(verb.objects), only=only, singular=True)
        return rule(
            f"{{doing}} {english}/1 {{place}}",
            f"{{doing}} {french}/1 {{place}}",
            doing=self.group(verb, subject, tense),
            place=place.phrase,
        )

    def giving(self, subject: Nominal, tense: Tense) -> Phrase:
        """Somebody gets something."""
        verb = self.choose(self.doable(subject.kinds, "give"))
        negation = self.negation(tense)
        thing = self.noun_phrase(
            sorted(verb.objects), owner=subject, negated=bool(negation), short=True
        )
        if self.chance(0.5):
            clitic = self.choose(INDIRECT)
            doing = self.group(verb, subject, tense, clitic=clitic, negation=negation)
            return rule("{doing} {thing}", "{doing} {thing}", doing=doing, thing=thing.phrase)
        self.left -= 3
        return rule(
            "{doing} {thing} to/1 {receiver}",
            "{doing} {thing} à/1 {receiver}",
            doing=self.group(verb, subject, tense, negation=negation),
            thing=thing.phrase,
            receiver=self.noun_phrase(("person", "name"), owner=subject).phrase,
        )

    def being(self, subject: Nominal, tense: Tense, kind: str) -> Phrase:
        """A state or a place: is tired, was sitting on the mat, will be near the river."""
        be = be_group(subject, tense, negation=self.negation(tense))
        how = self.weighed(state=3, quality=2, sitting=2 * (kind != "transport"), place=2)
        if how in ("state", "quality"):
            return self.described(subject, be, "state" if how == "state" else "after")
        self.left -= 3
        where = self.place("building" if kind == "transport" else kind)
        if how == "place":
            return rule("{be} {where}", "{be} {where}", be=be, where=where)
        english, french = self.choose((("sitting", "assis"), ("lying", "allongé")))
        seat = self.noun_phrase(("seat",))
        return rule(
            f"{{be}} {english}/1 on/2 {{seat}}",
            f"{{be}} {participle(french, subject.feminine, subject.plural)}/1 sur/2 {{seat}}",
            be=be,
            seat=seat.phrase,
        )

    def described(self, subject: Nominal, be: Phrase, place: str) -> Phrase:
        """An adjective behind be."""
        adjective = self.choose(self.fitting(subject.kinds, place))
        french = adjective.form(feminine=subject.feminine, plural=subject.plural)
        words = rule(f"{adjective.english}/1", f"{french}/1")
        return rule("{be} {words}", "{be} {words}", be=be, words=words)

    def group(
        self,
        verb: Verb,
        subject: Nominal,
        tense: Tense,
        *,
        clitic: Clitic | None = None,
        negation: str | None = None,
    ) -> Phrase:
        """The verb, at times with a modal, a negation (drawn here if None) or an adverb."""
        if negation is None:
            negation = self.negation(tense)
        modal = often = None
        if tense == "present" and "transport" not in subject.kinds and self.spend(1, 0.2):
            modal = self.choose(self.modals)
            negation = "not" if negation else ""
        elif tense == "present" and not negation and self.spend(1, 0.2):
            often = self.choose(self.lexicon.adverbs["often"])
        return verb_group(
            verb, subject, tense, negation=negation, clitic=clitic, modal=modal, often=often
        )

    def negation(self, tense: Tense) -> str:
        """Mostly none."""
        if not self.spend(1, 0.2):
            return ""
        return self.choose(tuple(NEGATIONS)) if tense == "present" else "not"

    # --- noun phrases ---

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

    def fitting(self, kinds: frozenset[str], place: str) -> list[Adjective]:
        """The adjectives of this place that go with a noun of these classes."""
        key = (kinds, place)
        if key not in self._fitting:
            self._fitting[key] = [
                adjective
                for adjective in self.lexicon.adjectives
                if place in adjective.places and adjective.classes & kinds
            ]
        return self._fitting[key]

    def doable(self, kinds: frozenset[str], frame: str) -> list[Verb]:
        """The verbs of this frame whose subject may be of one of these classes."""
        key = (kinds, frame)
        if key not in self._doable:
            self._doable[key] = [
                verb for verb in self.lexicon.verbs if verb.frame == frame and verb.subjects & kinds
            ]
        return self._doable[key]

    # --- what stands behind a noun ---

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

    # --- agreement at a distance ---

    def dependency(self, room: int) -> Dependency | None:
        """A subject and what agrees with it, with about `room` words between them.

        None where what came out is no temptation: the last noun before the verb must differ from
        the subject in gender or number, and what agrees must occur only once.
        """
        self.tense, self.left = "past", 0
        self.drawn.clear()
        kind = self.weighed(person=5, animal=3, transport=1)
        subject = self.noun_phrase((kind,), short=True)
        own, self.last = (subject.feminine, subject.plural), None
        between = Phrase()
        if room > 1:
            self.left, self.keen = room, 0.6
            between = self.behind(subject)
            self.keen = 0.0
            if self.last in (own, None):
                return None
        # One word has no room for a noun: it shows the distance without the temptation.
        also = ("also/1", "aussi/1") if room == 1 else None
        distance = len(between.source) + bool(also)
        english = None
        if also or self.chance(0.5):
            alone = self.doable(subject.kinds, "alone")
            verbs = [v for v in alone if v.with_etre and not v.reflexive]
            verb = self.choose(verbs)
            words = verb_group(verb, subject, "past", often=also)
            forms = {at: participle(verb.participle, *at) for at in AGREEMENTS}
        else:
            state = self.choose([a for a in self.fitting(subject.kinds, "state") if four_forms(a)])
            forms = {at: state.form(feminine=at[0], plural=at[1]) for at in AGREEMENTS}
            right = "were" if subject.plural else "was"
            english = Agreement(distance, right, ("was" if subject.plural else "were",))
            adjective = rule(f"{state.english}/1", f"{forms[own]}/1")
            be = be_group(subject, "past")
            words = rule("{be} {state}", "{be} {state}", be=be, state=adjective)
        french = Agreement(distance, forms.pop(own), tuple(forms.values()))
        order = "{subject} {between} {words} ./1"
        phrase = rule(order, order, subject=subject.phrase, between=between, words=words)
        for side, agreement in ((phrase.source, english), (phrase.target, french)):
            if agreement:
                forms_there = [w for w in side if w in (agreement.right, *agreement.wrong)]
                if forms_there != [agreement.right]:
                    return None
        return Dependency(phrase, french, english)


def four_forms(adjective: Adjective) -> bool:
    """Whether gender and number can be told apart in every case."""
    return len({form for number in adjective.french for form in number}) == 4
