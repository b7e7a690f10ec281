"""Sentences of the synchronous English-French grammar.

Every rule writes both sides and links them. Sentences are sampled with a budget of English words,
which they meet approximately. Agreement is handled in agreement.py, French contraction and elision
(du, l', cet) in phrase.py; the words are in data/controlled/.
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

# Verbs that can come first in "found an apple and ate it".
ACQUIRING = frozenset({"acheter", "choisir", "emprunter", "recevoir", "trouver"})
CONJUNCTIONS = (
    (",/1 and/2", ",/1 et/2"),
    (",/1 but/2", ",/1 mais/2"),
    ("because/1", "parce/1 que/1"),
)
# Every combination of (feminine, plural).
AGREEMENTS = tuple((feminine, plural) for plural in (False, True) for feminine in (False, True))


class Dependency(NamedTuple):
    """A sentence with a verb that agrees with a subject at a distance.

    Attributes:
        phrase: the sentence.
        french: the participle or adjective that agrees.
        english: was or were; None if the English sentence shows no agreement.
    """

    phrase: Phrase
    french: Agreement
    english: Agreement | None


class Grammar(NounPhrases):
    """Random sentences of the grammar."""

    def sentence(self, budget: int) -> Phrase:
        """Return a sentence of about `budget` English words, before contraction and elision."""
        self.used_nouns.clear()
        tense: Tense = self.weighted_choice(past=5, present=3, future=2)  # type: ignore[assignment]
        adverbial = "none"
        if budget > 4:
            last = 1.2 if budget < 12 else 0
            adverbial = self.weighted_choice(none=8, first=1.2, last=last)
        body = self.clauses(budget - (adverbial != "none"), tense)
        if adverbial == "none":
            return rule("{body} ./1", "{body} ./1", body=body)
        time = rule(*self.choose(self.lexicon.adverbs[tense]))
        order = "{time} ,/1 {body} ./2" if adverbial == "first" else "{body} {time} ./2"
        return rule(order, order, time=time, body=body)

    def clauses(self, budget: int, tense: Tense) -> Phrase:
        """Return one clause, or several joined by conjunctions if the budget allows."""
        if budget < 11 or (budget < 22 and self.bernoulli(0.5)):
            return self.clause(budget, tense)
        first = 5 + int(self._random() * min(budget - 10, 14))
        conjunctions = CONJUNCTIONS if tense == "future" else (*CONJUNCTIONS, ("when/1", "quand/1"))
        english, french = self.choose(conjunctions)
        a, b = self.clause(first, tense), self.clauses(budget - first - 1, tense)
        return rule(f"{{a}} {english} {{b}}", f"{{a}} {french} {{b}}", a=a, b=b)

    def clause(self, budget: int, tense: Tense) -> Phrase:
        """Return a simple clause, sometimes embedded in reported speech (she said that ...)."""
        self.words_left = budget - 4
        if tense in ("present", "past") and self.spend(4, 0.1):
            speaker = self.noun_phrase(("person", "name"), short=True)
            verb = self.choose(self.verbs_for(PERSON, "that"))
            said = verb_group(verb, speaker, tense)
            inner: Tense = "pluperfect"
            if tense == "present":
                inner = self.choose(("past", "present"))
            return rule(
                "{speaker} {said} that/1 {clause}",
                "{speaker} {said} que/1 {clause}",
                speaker=speaker.phrase,
                said=said,
                clause=self.simple_clause(inner),
            )
        return self.simple_clause(tense)

    def simple_clause(self, tense: Tense) -> Phrase:
        """Return a subject with its predicate."""
        self.tense = tense
        subject = self.subject()
        if "person" in subject.kinds and tense != "pluperfect" and self.spend(5, 0.15):
            vp = self.coordinated_verbs(subject)
        else:
            vp = self.predicate(subject, tense)
        return rule("{subject} {vp}", "{subject} {vp}", subject=subject.phrase, vp=vp)

    def subject(self) -> Nominal:
        """Return a pronoun, a noun phrase, or two coordinated noun phrases."""
        if self.bernoulli(0.2):
            return self.choose(PRONOUNS)
        kind = self.weighted_choice(person=10, animal=7, name=3, transport=1, organisation=2)
        two = kind not in ("transport", "organisation") and self.spend(3, 0.15)
        # The first of two is short: "the king near the hen and the cow" would be ambiguous.
        one = self.noun_phrase((kind,), short=two)
        if not two:
            return one
        other = self.noun_phrase((kind,), short=True)
        if other.phrase.source[-1] == one.phrase.source[-1]:
            return one
        both = rule("{one} and/1 {other}", "{one} et/1 {other}", one=one.phrase, other=other.phrase)
        return Nominal(both, one.feminine and other.feminine, True, one.kinds & other.kinds)

    # --- predicates ---

    def predicate(self, subject: Nominal, tense: Tense) -> Phrase:
        """Return a verb group with its objects and complements."""
        kind = next(
            k for k in ("person", "animal", "transport", "organisation") if k in subject.kinds
        )
        if kind == "organisation":
            return self.transitive(subject, tense)
        if kind == "transport":
            return self.choose((self.intransitive, self.copular))(subject, tense, kind)
        frame = self.weighted_choice(
            transitive=9,
            intransitive=6,
            directional=2,
            ditransitive=2 * (kind == "person"),
            copular=5,
        )
        if frame == "transitive":
            return self.transitive(subject, tense)
        if frame == "directional":
            return self.directional(subject, tense)
        if frame == "ditransitive":
            return self.ditransitive(subject, tense)
        if frame == "intransitive":
            return self.intransitive(subject, tense, kind)
        return self.copular(subject, tense, kind)

    def transitive(self, subject: Nominal, tense: Tense) -> Phrase:
        """Return a verb with a direct object: a noun phrase or a pronoun."""
        verb = self.choose(self.verbs_for(subject.kinds, "object"))
        if "person" in verb.objects and self.bernoulli(0.25):
            return self.verb_group(verb, subject, tense, clitic=self.choose(DIRECT))
        negation = self.negation(tense)
        obj = self.noun_phrase(sorted(verb.objects), owner=subject, negated=bool(negation))
        vp = self.verb_group(verb, subject, tense, negation=negation)
        return rule("{vp} {obj}", "{vp} {obj}", vp=vp, obj=obj.phrase)

    def coordinated_verbs(self, subject: Nominal) -> Phrase:
        """Return two verbs with one object, repeated as a pronoun: found an apple and ate it."""
        actions = self.verbs_for(PERSON, "object")
        first = self.choose([v for v in actions if v.infinitive in ACQUIRING])
        kinds = sorted(first.objects & {"object", "food"})
        # Without a postmodifier: the second verb could be read as part of a relative clause.
        obj = self.noun_phrase(kinds, owner=subject, short=True)
        verbs = [v for v in actions if v.objects & obj.kinds and v.infinitive not in ACQUIRING]
        letters = "les" if obj.plural else "la" if obj.feminine else "le"
        it = Clitic("them" if obj.plural else "it", letters, True, obj.feminine, obj.plural)
        return rule(
            "{one} {obj} and/1 {other}",
            "{one} {obj} et/1 {other}",
            one=verb_group(first, subject, self.tense),
            obj=obj.phrase,
            other=verb_group(self.choose(verbs), subject, self.tense, clitic=it),
        )

    def intransitive(self, subject: Nominal, tense: Tense, kind: str) -> Phrase:
        """Return a verb without an object, optionally with an adverb and a location."""
        frames = ("alone", "motion", "voice")
        frame = self.weighted_choice(**{f: bool(self.verbs_for(subject.kinds, f)) for f in frames})
        verb = self.choose(self.verbs_for(subject.kinds, frame))
        vp = self.verb_group(verb, subject, tense)
        if frame != "alone" and self.spend(1, 0.35):
            adverb = rule(*self.choose(self.lexicon.adverbs[frame]))
            vp = rule("{vp} {adverb}", "{vp} {adverb}", vp=vp, adverb=adverb)
        if kind != "transport" and verb.objects and self.spend(3, 0.4):
            inside = sorted(verb.objects - {"place"})
            place = self.prepositional_phrase(IN, inside) if inside else self.location(kind)
            return rule("{vp} {place}", "{vp} {place}", vp=vp, place=place)
        return vp

    def directional(self, subject: Nominal, tense: Tense) -> Phrase:
        """Return a verb with a place to go to, to come from or to live in."""
        frames = [("to", "à"), ("from", "de"), ("in", "dans")]
        english, french = self.choose([f for f in frames if self.verbs_for(subject.kinds, f[0])])
        verb = self.choose(self.verbs_for(subject.kinds, english))
        self.words_left -= 3
        only = "" if english == "in" else "definite"
        place = self.noun_phrase(sorted(verb.objects), only=only, singular=True)
        return rule(
            f"{{vp}} {english}/1 {{place}}",
            f"{{vp}} {french}/1 {{place}}",
            vp=self.verb_group(verb, subject, tense),
            place=place.phrase,
        )

    def ditransitive(self, subject: Nominal, tense: Tense) -> Phrase:
        """Return a verb with a direct object and a receiver."""
        verb = self.choose(self.verbs_for(subject.kinds, "give"))
        negation = self.negation(tense)
        obj = self.noun_phrase(
            sorted(verb.objects), owner=subject, negated=bool(negation), short=True
        )
        if self.bernoulli(0.5):
            clitic = self.choose(INDIRECT)
            vp = self.verb_group(verb, subject, tense, clitic=clitic, negation=negation)
            return rule("{vp} {obj}", "{vp} {obj}", vp=vp, obj=obj.phrase)
        self.words_left -= 3
        return rule(
            "{vp} {obj} to/1 {receiver}",
            "{vp} {obj} à/1 {receiver}",
            vp=self.verb_group(verb, subject, tense, negation=negation),
            obj=obj.phrase,
            receiver=self.noun_phrase(("person", "name"), owner=subject).phrase,
        )

    def copular(self, subject: Nominal, tense: Tense, kind: str) -> Phrase:
        """Return be with a complement: is tired, was sitting on the mat, will be near the river."""
        be = be_group(subject, tense, negation=self.negation(tense))
        sitting = 2 * (kind != "transport")
        complement = self.weighted_choice(state=3, quality=2, sitting=sitting, place=2)
        if complement in ("state", "quality"):
            position = "state" if complement == "state" else "after"
            return self.predicate_adjective(subject, be, position)
        self.words_left -= 3
        location = self.location("building" if kind == "transport" else kind)
        if complement == "place":
            return rule("{be} {location}", "{be} {location}", be=be, location=location)
        english, french = self.choose((("sitting", "assis"), ("lying", "allongé")))
        seat = self.noun_phrase(("seat",))
        return rule(
            f"{{be}} {english}/1 on/2 {{seat}}",
            f"{{be}} {participle(french, subject.feminine, subject.plural)}/1 sur/2 {{seat}}",
            be=be,
            seat=seat.phrase,
        )

    def predicate_adjective(self, subject: Nominal, be: Phrase, position: str) -> Phrase:
        """Return be with an adjective."""
        adjective = self.choose(self.adjectives_for(subject.kinds, position))
        french = adjective.form(feminine=subject.feminine, plural=subject.plural)
        words = rule(f"{adjective.english}/1", f"{french}/1")
        return rule("{be} {words}", "{be} {words}", be=be, words=words)

    def verb_group(
        self,
        verb: Verb,
        subject: Nominal,
        tense: Tense,
        *,
        clitic: Clitic | None = None,
        negation: str | None = None,
    ) -> Phrase:
        """Return the verb group, sometimes with a modal, a negation or an adverb.

        The negation is sampled if it is None.
        """
        if negation is None:
            negation = self.negation(tense)
        modal = adverb = None
        if tense == "present" and "transport" not in subject.kinds and self.spend(1, 0.2):
            modal = self.choose(self.modals)
            negation = "not" if negation else ""
        elif tense == "present" and not negation and self.spend(1, 0.2):
            adverb = self.choose(self.lexicon.adverbs["often"])
        return verb_group(
            verb, subject, tense, negation=negation, clitic=clitic, modal=modal, adverb=adverb
        )

    def negation(self, tense: Tense) -> str:
        """Sample a negation; empty in most cases."""
        if not self.spend(1, 0.2):
            return ""
        return self.choose(tuple(NEGATIONS)) if tense == "present" else "not"

    # --- long-distance agreement ---

    def dependency(self, budget: int) -> Dependency | None:
        """Return a subject and a verb that agrees with it, with about `budget` words between them.

        Returns:
            None if the sampled sentence is not a valid test: the last noun before the verb must
            differ from the subject in gender or number, and the word that agrees must be the only
            one of its forms in the sentence.
        """
        self.tense, self.words_left = "past", 0
        self.used_nouns.clear()
        kind = self.weighted_choice(person=5, animal=3, transport=1)
        subject = self.noun_phrase((kind,), short=True)
        own, self.last_noun = (subject.feminine, subject.plural), None
        between = Phrase()
        if budget > 1:
            self.words_left, self.min_probability = budget, 0.6
            between = self.postmodifier(subject)
            self.min_probability = 0.0
            if self.last_noun in (own, None):
                return None
        # A single word between cannot be a noun: it adds distance, but no other noun to agree with.
        adverb = self.choose(self.lexicon.adverbs["often"]) if budget == 1 else None
        distance = len(between.source) + bool(adverb)
        english = None
        if adverb or self.bernoulli(0.5):
            alone = self.verbs_for(subject.kinds, "alone")
            verbs = [v for v in alone if v.with_etre and not v.reflexive]
            verb = self.choose([v for v in verbs if not (adverb and v.infinitive == "mourir")])
            words = verb_group(verb, subject, "past", adverb=adverb)
            forms = {at: participle(verb.participle, *at) for at in AGREEMENTS}
        else:
            states = self.adjectives_for(subject.kinds, "state")
            state = self.choose([adjective for adjective in states if four_forms(adjective)])
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
                present = [w for w in side if w in (agreement.right, *agreement.wrong)]
                if present != [agreement.right]:
                    return None
        return Dependency(phrase, french, english)


def four_forms(adjective: Adjective) -> bool:
    """Whether all four combinations of gender and number have different forms."""
    return len({form for number in adjective.french for form in number}) == 4
