"""The laws of the controlled corpus: seeds, splits, lengths, distances, links, text."""

import csv
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from seq2seq.corpora.controlled import EACH_DISTANCE, EACH_LONG, LONG, TESTS, Controlled
from seq2seq.errors import UserError
from seq2seq.settings.plugins import build

SPLITS = ("train", "validation", *TESTS)
DIALS = {
    "source": "en",
    "target": "fr",
    "pairs": 60,
    "max_words": 20,
    "max_distance": 3,
    "grammar_seed": 5,
    "max_length": 100,
}
# Words without meaning of their own, which need no link or only a possible one.
FUNCTION = (
    "le la les l' de d' du des à se s' me m' nous ne n' en a ai ont avons avait avais avaient "
    "avions aux est suis sont sommes était étais étaient étions do does did will for to s 's '"
)


@pytest.fixture(scope="module")
def golds(controlled):
    return {split: list(controlled.gold(split)) for split in SPLITS}


def lines(corpus, split):
    return [path.read_text("utf-8").splitlines() for path in corpus.paths(split)]


def table(name):
    path = Path(__file__).parents[2] / f"data/controlled/{name}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row for row in rows if not row[0].startswith("#")]


def test_the_lexicon_has_400_content_words():
    kinds = ("nouns", "adjectives", "verbs", "adverbs")
    common = {(kind, *row[:2]) for kind in kinds for row in table(kind) if "name" not in row[-1]}
    assert len(common) >= 400


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(generated, tmp_path):
    one, same = (generated(tmp_path / seed, DIALS, seed) for seed in ("1", "2"))
    other = generated(tmp_path / "other", DIALS | {"grammar_seed": 6}, "1")
    assert one == same != other


def test_what_tests_does_not_depend_on_what_trains(generated, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path))
    dials = (DIALS, DIALS | {"pairs": 30, "max_words": 30})
    for each in dials:
        generated(tmp_path, each)
    one, other = (Controlled(**each) for each in dials)
    for split in TESTS:
        assert lines(one, split) == lines(other, split)
    assert lines(one, "train") != lines(other, "train")


def test_no_sentence_is_twice_in_the_corpus(controlled):
    for side in (0, 1):
        everything = [line for split in SPLITS for line in lines(controlled, split)[side]]
        assert len(everything) == len(set(everything))


def test_lengths_are_in_their_ranges(controlled):
    for split in ("train", "validation", "test"):
        lengths = {len(line.split()) for line in lines(controlled, split)[0]}
        assert min(lengths) >= 4 and max(lengths) <= 20 and len(lengths) > 14
    long = [len(line.split()) for line in lines(controlled, "test_long")[0]]
    for low, high in LONG:
        assert sum(low <= length <= high for length in long) == EACH_LONG
    assert len(long) == EACH_LONG * len(LONG)


def test_agreement_is_at_the_promised_distance(golds):
    """From the French form by its link to English, back to where the subject's noun ends."""
    nouns: dict[str, set[tuple[str, bool]]] = {}
    for _, french, gender, _ in table("nouns"):
        one, _, given = french.replace("*", "").partition("/")
        many = given or one + ("" if one[-1] in "sxz" else "x" if one.endswith("eau") else "s")
        nouns.setdefault(one, set()).add((gender, False))
        nouns.setdefault(many, set()).add((gender, True))
    seen = dict.fromkeys(range(21), 0)
    for gold in golds["test_agreement"]:
        agreement = gold.agreement
        forms = [j for j, w in enumerate(gold.target) if w in (agreement.right, *agreement.wrong)]
        assert [gold.target[j] for j in forms] == [agreement.right]
        place = min(i for i, j in gold.links.sure if j == forms[0])
        verb = place - (gold.source[place - 1] in ("was", "were"))  # the state is behind be
        head = verb - agreement.distance - 1
        (subject,) = (nouns[gold.target[j]] for i, j in gold.links.sure if i == head)
        seen[agreement.distance] += 1
        if agreement.distance >= 2:
            between = [gold.target[j] for i, j in gold.links.sure if head < i < verb]
            assert any(nouns[word] != subject for word in between if word in nouns), gold
    assert set(seen.values()) == {EACH_DISTANCE}


def test_a_pronoun_is_at_the_promised_distance_from_a_noun_of_its_gender(golds):
    """Genders are from the lexicon's table."""
    genders = {}
    for english, french, gender, _ in table("nouns"):
        genders[english.partition("/")[0], french.replace("*", "").partition("/")[0]] = gender
    forms = {"subject": {"m": "il", "f": "elle"}, "object": {"m": "le", "f": "la"}}
    seen = Counter()
    for gold in golds["test_pronoun"]:
        (distance, right, wrong), role, source, target = gold.pronoun
        assert gold.source[source.pronoun] == "it"
        nouns = [
            genders[gold.source[i], gold.target[j]]
            for i, j in zip(source[1:], target[1:], strict=True)
        ]
        assert set(nouns) == {"m", "f"}
        assert gold.target[target.pronoun] == forms[role][nouns[0]] == right.split()[-1]
        assert [form.split()[-1] for form in wrong] == [forms[role][nouns[1]]]
        assert f" {right} " in " ".join(gold.target).replace("'", " ")
        # The subject of the first clause comes first; links say the same of both sides.
        assert (source.antecedent < source.distractor) == (role == "subject")
        assert {*zip(source, target, strict=True)} <= gold.links.sure
        between = [w for w in gold.source[source.antecedent + 1 : source.pronoun] if w != ","]
        assert distance == len(between)
        seen[distance, role, nouns[0]] += 1
    # Of each distance, role and gender as many: the nearer noun, the first one, or one gender in
    # all sentences are right in half of them.
    assert {distance for distance, _, _ in seen} == set(range(4, 21))
    assert set(seen.values()) == {EACH_DISTANCE // 4} and len(seen) == 17 * 4


def test_what_existed_before_test_pronoun_has_the_same_bytes(generated, tmp_path):
    generated(tmp_path, DIALS)
    (folder,) = (tmp_path / "controlled").iterdir()
    files = [f for f in sorted(folder.iterdir()) if not f.name.startswith("test_pronoun")]
    found = sha256(b"".join(f.name.encode() + f.read_bytes() for f in files)).hexdigest()
    assert found == "69d5c201c8ecb03de96c03df805e95367f6d20ae8a5d0e0ac37d0dea949473ef"


def test_pronouns_are_added_behind_the_training_text(generated, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path))
    dials = DIALS, DIALS | {"pronouns": 40}
    for each in dials:
        generated(tmp_path, each)
    without, with_more = (Controlled(**each) for each in dials)
    for split in (*TESTS, "validation"):
        assert lines(without, split) == lines(with_more, split)
    for before, after in zip(lines(without, "train"), lines(with_more, "train"), strict=True):
        assert after[: len(before)] == before and len(after) == len(before) + 40
    english = lines(with_more, "train")[0]
    assert sum((" it " in line and "," in line) or "because it" in line for line in english) >= 20
    assert max(len(line.split()) for line in english) <= DIALS["max_words"]


def test_links_stay_inside_and_cover_every_content_word(golds):
    for gold in (gold for split in SPLITS for gold in golds[split]):
        both = gold.links.sure | gold.links.possible
        for side, words in enumerate((gold.source, gold.target)):
            sure, linked = ({link[side] for link in links} for links in (gold.links.sure, both))
            assert linked == set(range(len(words))), gold
            loose = {words[i].lower() for i in range(len(words)) if i not in sure}
            assert loose <= set(FUNCTION.split()), (loose, gold)


def test_tokens_joined_give_the_text(controlled, golds):
    """By a rule of the test's own: what is apart is a mark, a possessive or an elided word."""
    for split in SPLITS:
        english, french = lines(controlled, split)
        for gold, left, right in zip(golds[split], english, french, strict=True):
            assert "".join(gold.source) == left.replace(" ", "")
            assert "".join(gold.target) == right.replace(" ", "")
            assert (
                " ".join(gold.target).replace("' ", "'").replace(" ,", ",").replace(" .", ".")
                == right
            )
            assert left.replace("'s ", " 's ").replace("s' ", "s ' ").replace(",", " ,").replace(
                ".", " ."
            ) == " ".join(gold.source)


def test_from_french_everything_turns_round(controlled, golds, monkeypatch):
    root = Path(controlled.root)
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(root.parents[1]))
    dials = DIALS | {"pairs": 400, "max_distance": 20, "grammar_seed": 3, "pronouns": 200}
    turned = Controlled(**dials | {"source": "fr", "target": "en"})
    assert turned.root == controlled.root
    for split in TESTS:
        assert lines(turned, split) == lines(controlled, split)[::-1]
        for one, other in zip(turned.gold(split), golds[split], strict=True):
            assert (one.source, one.target) == (other.target, other.source)
            assert one.links == other.links.swapped()
    found = [gold.agreement for gold in turned.gold("test_agreement")]
    assert {agreement.right for agreement in found if agreement} == {"was", "were"}
    assert None in found  # a participle shows no number in English
    assert not any(gold.pronoun for gold in turned.gold("test_pronoun"))  # "it" in any case


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "de"}, "the controlled corpus has no data.source=de"),
        ({"target": "fra"}, "no data.target=fra; did you mean 'fr'"),
        ({"target": "en"}, "data.source and data.target are both en"),
        ({"pairs": 0}, "data.pairs=0 must be at least 1"),
        ({"max_words": 3}, "data.max_words=3 must be at least 4"),
        ({"max_words": 61}, "data.max_words=61 must be at most 60"),
        ({"max_distance": 21}, "data.max_distance=21 must be at most 20"),
        ({"grammar_seed": -1}, "data.grammar_seed=-1 must be at least 0"),
        ({"pronouns": -1}, "data.pronouns=-1 must be at least 0"),
        ({"pronouns": 5, "max_words": 11}, "needs sentences of at least 12 words, but"),
    ],
)
def test_dials_out_of_range_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        build("data", {"name": "controlled", **DIALS, **changes})
