"""A synchronous grammar of English and French: every rule writes both sides and links them.

Sentences are drawn at random, about as long as there is room for. What agrees is decided in
agreement.py, how French words meet (du, l', cet) in phrase.py, and the words lie in
data/controlled/.
"""

from typing import NamedTuple

from seq2seq.corpora.grammar.agreement import (
    DIRECT,
    INDIRECT,
    NEGATIONS,
    PRONOUNS,
    Clitic,
    Nominal,
    Tense,
    be_group,
    participle,
    verb_group,
)
from seq2seq.corpora.grammar.lexicon import Adjective, Verb
from seq2seq.corpora.grammar.nouns import IN, PERSON, NounPhrases
from seq2seq.corpora.grammar.phrase import Phrase, rule
from seq2seq.text.agreement import Agreement

GETTING = frozenset({"acheter", "choisir", "emprunter", "recevoir", "trouver"})
JOINTS = ((",/1 and/2", ",/1 et/2"), (",/1 but/2", ",/1 mais/2"), ("because/1", "parce/1 que/1"))
AGREEMENTS = tuple((feminine, plural) for plural in (False, True) for feminine in (False, True))


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


class Grammar(NounPhrases):
    """Draws sentences."""

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
        often = self.choose(self.lexicon.adverbs["often"]) if room == 1 else None
        distance = len(between.source) + bool(often)
        english = None
        if often or self.chance(0.5):
            alone = self.doable(subject.kinds, "alone")
            verbs = [v for v in alone if v.with_etre and not v.reflexive]
            verb = self.choose([v for v in verbs if not (often and v.infinitive == "mourir")])
            words = verb_group(verb, subject, "past", often=often)
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
