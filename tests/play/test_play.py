"""What the page shows, without a browser: the answers of the server to each of its requests."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from untrained_runs import ENGLISH, GERMAN, make_controlled_run, make_run, make_run_with_gold

from seq2seq.corpora.growing import growing, in_direction
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain
from seq2seq.play.loaded import with_hidden
from seq2seq.play.session import Session
from seq2seq.runs.short_names import short_names
from seq2seq.runs.weights import read_weights, save_weights
from seq2seq.text.batching import collate
from seq2seq.translation.translator import Translator

MODELS = ("rnn", "bahdanau", "transformer", "word_for_word", "decoder_only", "encoder_only")
RNN, BAHDANAU, TRANSFORMER, WORDS, DECODER, ENCODER = range(6)
TEXT = "a man rides a horse"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    made = [make_controlled_run(folder / model, model, seed=1) for model in MODELS]
    for step in (5, 20):
        model = Translator(made[BAHDANAU], device="cpu").model
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(step / 10)
        name = f"step-{step:08d}.safetensors"
        save_weights(model, made[BAHDANAU] / "checkpoints" / name)
    return made


@pytest.fixture(scope="module")
def client(serve, runs):
    return serve(*runs)


@pytest.fixture(scope="module")
def translators(runs):
    return [Translator(run, device="cpu") for run in runs]


def test_the_start_describes_the_runs(client):
    start = client.ok("start")
    assert (start["source"], start["target"], start["grammar"]) == ("en", "fr", True)
    assert [run["name"] for run in start["runs"]] == list(MODELS)
    steps = {run["name"]: run["steps"] for run in start["runs"]}
    assert steps == dict.fromkeys(MODELS, False) | {"bahdanau": True, "transformer": True}
    methods = [run["methods"] for run in start["runs"]]
    assert "attention" not in methods[RNN] and "occlusion" in methods[RNN]
    assert methods[TRANSFORMER][:3] == ["attention", "vectors", "alti"]
    assert methods[WORDS] == ["attention", "occlusion", "occlusion:lexeme", "occlusion:form"]
    assert [run["checkpoints"] for run in start["runs"]] == [[0], [0, 5, 20], [0], [], [0], [0]]
    assert start["runs"][ENCODER]["beam"] is None and not start["runs"][ENCODER]["continues"]


@pytest.mark.parametrize("run", range(len(MODELS)))
def test_a_translation_is_that_of_the_translator(client, translators, run):
    answer = client.ok("translate", run=run, text=TEXT)
    found = translators[run].n_best([TEXT], len(answer["best"]), attention=True)[0]
    assert [one["text"] for one in answer["best"]] == [one.text for one in found]
    assert answer["best"][0]["score"] == pytest.approx(found[0].score, abs=1e-5)
    assert answer["text"] == found[0].text and answer["pieces"] == found[0].target_pieces
    assert answer["map"], answer
    assert answer["map"]["method"] == ("occlusion" if run == RNN else "attention")
    assert len(answer["map"]["values"]) == len(answer["map"]["target"])
    if run != RNN:
        for row in answer["map"]["values"]:
            assert sum(row) == pytest.approx(1, abs=1e-3)
    assert len(answer["best"]) <= 3 and answer["seconds"] >= 0


def test_a_beam_size_is_that_of_the_search(client, translators):
    assert len(client.ok("translate", run=BAHDANAU, text=TEXT, beam=1)["best"]) == 1
    wide = client.ok("translate", run=BAHDANAU, text=TEXT, beam=7)
    assert [one["text"] for one in wide["best"]] == [
        one.text for one in translators[BAHDANAU].n_best([TEXT], 7)[0]
    ]


def test_every_method_layer_head_and_row_can_be_shown(client, translators):
    start, translator = client.ok("start"), translators[TRANSFORMER]
    for run, described in enumerate(start["runs"]):
        beam = described["beam"] and 1
        for method in described["methods"]:
            answer = client.ok("translate", run=run, text="a", beam=beam, view={"method": method})
            assert answer["map"]["method"] == method, answer
    (forced,) = translator.force([(TEXT, "ein Mann")])
    for layer, head, shift in ((1, 1, False), (3, 2, True), (0, 0, False)):
        view = {"method": "attention", "layer": layer, "head": head, "shift": shift}
        answer = client.ok("explain", run=TRANSFORMER, text=TEXT, target="ein Mann", view=view)
        assert (answer["map"]["layers"], answer["map"]["heads"]) == (3, 2)
        from seq2seq.alignment.rule import Rule

        rule = Rule(layer=layer or "mean", head=head or "mean", shift=shift)
        (found,) = explain(translator, [forced], rule)
        got = torch.tensor(answer["map"]["values"])
        torch.testing.assert_close(
            got, torch.tensor(found.values(rule)), atol=1e-4, rtol=0, check_dtype=False
        )


def test_layers_that_a_model_lacks_are_replaced_by_its_last(client):
    view = {"layer": 9, "head": 9}
    answer = client.ok("translate", run=TRANSFORMER, text=TEXT, view=view)
    assert (answer["map"]["layer"], answer["map"]["head"]) == (3, 2)


# --- alternatives and given words -----------------------------------------------------------------


@pytest.mark.parametrize("run", [RNN, BAHDANAU, TRANSFORMER, DECODER, WORDS])
def test_alternatives_are_the_likeliest_tokens_and_can_be_chosen(client, translators, run):
    answer = client.ok("translate", run=run, text=TEXT)
    tokens, place = answer["tokens"], answer["starts"][-2:][0]
    found = client.ok("alternatives", run=run, text=TEXT, tokens=tokens, place=place)
    shown = found["alternatives"]
    chances = [one["probability"] for one in shown]
    assert len(shown) == 10 and chances == sorted(chances, reverse=True) and sum(chances) <= 1.0001
    assert found["taken"] == (tokens[place] if place < len(tokens) else 2)
    model, tokenizers = translators[run].model, translators[run].tokenizers
    (source,) = tokenizers.source.encode([TEXT])
    src = torch.tensor([[*source, model.special.eos]])
    with torch.inference_mode():
        memory = model.encode(src, src > -1)
        state, token = model.start(memory), model.special.bos
        for given in [*tokens[:place], None]:
            step = model.step(torch.tensor([token]), memory, state)
            state, token = step.state, given
    p = step.logits.softmax(-1)[0]
    for one in shown:
        assert one["probability"] == pytest.approx(float(p[one["token"]]), abs=1e-5)
    for one in shown[:4]:
        prefix = [*found["given"], one["token"]]
        forced = client.ok("translate", run=run, text=TEXT, prefix=prefix)
        whole = [*forced["tokens"], model.special.eos]
        assert whole[: len(prefix)] == prefix and forced["given"] == len(prefix)


def test_the_likeliest_continuation_completes_a_word(client):
    answer = client.ok("translate", run=TRANSFORMER, text=TEXT)
    found = client.ok("alternatives", run=TRANSFORMER, text=TEXT, tokens=answer["tokens"], place=0)
    assert all("\u2581" not in one["rest"] for one in found["alternatives"])


def test_a_masked_model_lists_alternatives_but_takes_no_given_words(client):
    answer = client.ok("translate", run=ENCODER, text=TEXT)
    found = client.ok("alternatives", run=ENCODER, text=TEXT, tokens=answer["tokens"], place=0)
    assert len(found["alternatives"]) == 10 and not found["can_choose"]
    reply = client.post("translate", {"run": ENCODER, "text": TEXT, "prefix": [5]})
    assert "predicts all words of a translation at once" in reply.error


# --- hidden words ---------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [RNN, BAHDANAU, TRANSFORMER, DECODER, ENCODER])
@pytest.mark.parametrize("hide", ["mean", "unk"])
def test_hidden_words_are_read_as_the_mean_or_as_unknown(client, translators, run, hide):
    view = {"method": "attention"}
    one = client.ok("translate", run=run, text=TEXT, hidden=[1], hide=hide, view=view)
    other = client.ok("translate", run=run, text="a dog rides a horse", hidden=[1], hide=hide)
    for ours, theirs in zip(one["best"], other["best"], strict=True):  # of as many pieces
        assert ours["text"] == theirs["text"]
        assert ours["log_probability"] == pytest.approx(theirs["log_probability"], abs=1e-4)
    again = client.ok("translate", run=run, text=TEXT)
    assert again["text"] == translators[run]([TEXT])[0].text  # the run itself is unchanged
    assert one["best"][0]["log_probability"] != again["best"][0]["log_probability"]


def test_a_hidden_word_does_not_matter_any_more(client):
    texts = ["a man rides", "a cat rides"]
    answers = [client.ok("translate", run=BAHDANAU, text=text, hidden=[1]) for text in texts]
    assert answers[0]["best"] == answers[1]["best"]


def test_a_whole_batch_reads_hidden_words_as_a_search_does(fit):
    translator = Translator(fit("rnn"), device="cpu")
    special = translator.model.special
    batch = collate([([5, 6, 7], [8, 9]), ([5, 6, 7], [8])], special)
    hidden = with_hidden(translator, [1], "unk")
    whole, (last, *_) = hidden.encode_batch(batch), hidden.encode(batch.src, batch.src_mask)
    assert torch.equal(whole[0], last)
    assert not torch.equal(whole[0], translator.model.encode_batch(batch)[0])


def test_what_hiding_cannot_do_is_said(client):
    fields = {"run": BAHDANAU, "text": TEXT, "hidden": [1]}
    assert "there is no word 10" in client.post("translate", {**fields, "hidden": [9]}).error
    assert "left out of the sentence" in client.post("translate", {**fields, "hide": "drop"}).error
    fields["view"] = {"method": "occlusion"}
    answer = client.ok("translate", **fields)
    assert answer["map"] is None and "changes the source itself" in answer["no_map"]
    reply = client.post("translate", {"run": WORDS, "text": TEXT, "hidden": [1], "hide": "mean"})
    assert "no embeddings" in reply.error


# --- the grammar ----------------------------------------------------------------------------------


def test_a_sentence_of_the_grammar_grows(client):
    found = [client.ok("grammar", seed=7, clauses=n) for n in range(1, 11)]
    for shorter, longer in pairwise(found):
        assert longer["text"].startswith(shorter["text"].rstrip("."))
        assert longer["reference"].startswith(shorter["reference"].rstrip("."))
        assert set(shorter["gold"]["links"].split()[:-1]) <= set(longer["gold"]["links"].split())
    assert (
        found[0]
        == client.ok("grammar", seed=7, clauses=1)
        != client.ok("grammar", seed=8, clauses=1)
    )
    pair = growing(7, 3)
    assert in_direction(pair, "fr", "en")[0] == pair.texts[::-1]
    with pytest.raises(UserError, match="no sentences from en to de"):
        in_direction(pair, "en", "de")


def test_gold_links_are_outlined_and_scored(client, translators):
    found = client.ok("grammar", seed=7, clauses=2)
    for run in range(len(MODELS)):
        answer = client.ok(
            "explain", run=run, text=found["text"], target=found["reference"], gold=found["gold"]
        )
        links = {f"{i}-{j}" for i, j in answer["map"]["sure"]}
        assert links <= set(found["gold"]["links"].split()) and 0 <= answer["map"]["aer"] <= 1
        assert answer["map"]["target"][:-1] == found["gold"]["target"]
    scored = client.ok("translate", run=RNN, text=TEXT, reference=found["reference"])
    assert 0 <= scored["chrf"] <= 100


def test_gold_links_that_do_not_fit_are_refused(client):
    gold = {"source": ["a", "man"], "target": ["ein", "Mann"], "links": "0-0 1-1"}
    fields = {"run": BAHDANAU, "text": "a man", "target": "ein Mann"}
    for links, part in (
        ("0-9", "outside the pair"),
        ("0_0", "neither a sure link"),
        ("0-0 " * 10_000, "they have 40,000 characters, the limit is 32,768"),
    ):
        assert part in client.post("explain", {**fields, "gold": {**gold, "links": links}}).error
    long = {**gold, "source": ["a"] * 600}
    assert "600 pieces" in client.post("explain", {**fields, "gold": long}).error


def test_the_grammar_is_for_its_own_languages(serve, tmp_path):
    client = serve(make_run(tmp_path / "run", "bahdanau"))
    assert not client.ok("start")["grammar"]
    assert "built-in grammar" in client.post("grammar", {"seed": 1, "clauses": 1}).error


# --- one attention in numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("run", [BAHDANAU, TRANSFORMER])
def test_the_numbers_give_the_attention_that_is_shown(client, run):
    answer = client.ok("translate", run=run, text=TEXT)
    places = range(len(answer["tokens"]) + 1)
    layers = 1 if run == BAHDANAU else 3
    for place in places:
        asked = {"run": run, "text": TEXT, "tokens": answer["tokens"], "place": place}
        found = client.ok("numbers", **asked, layer=layers, head=1)
        view = {"method": "attention", "layer": layers, "head": 1}
        shown = client.ok("translate", run=run, text=TEXT, view=view)["map"]
        keys, query = torch.tensor(found["keys"]), torch.tensor(found["query"])
        if found["kind"] == "additive":
            scores = (query + keys).tanh() @ torch.tensor(found["energy"])
        else:
            scores = keys @ query / math.sqrt(len(query))
        weights = torch.tensor(found["weights"])
        torch.testing.assert_close(scores, torch.tensor(found["scores"]), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(scores.softmax(0), weights, atol=1e-4, rtol=1e-3)
        context = weights @ torch.tensor(found["values"])
        torch.testing.assert_close(context, torch.tensor(found["context"]), atol=1e-4, rtol=1e-3)
        if len(shown["target"]) == len(places) and len(shown["source"]) == len(weights):
            row = torch.tensor(shown["values"][place])
            torch.testing.assert_close(row, weights, atol=1e-4, rtol=0)


def test_models_without_such_an_attention_say_so(client):
    said = {
        RNN: "has no attention",
        WORDS: "without queries",
        DECODER: "one softmax",
        ENCODER: "one",
    }
    for run, part in said.items():
        asked = {"run": run, "text": TEXT, "tokens": [], "place": 0}
        assert part in client.post("numbers", asked).error
    asked = {"run": TRANSFORMER, "text": TEXT, "tokens": [], "place": 0}
    assert "no layer 4: it has 3" in client.post("numbers", {**asked, "layer": 4}).error
    assert "no head 3: it has 2" in client.post("numbers", {**asked, "head": 3}).error


# --- checkpoints ----------------------------------------------------------------------------------


def test_checkpoints_have_their_own_weights(client, runs):
    def score(step):
        fields = {"run": BAHDANAU, "text": TEXT, "step": step}
        return client.ok("translate", **fields)["best"][0]["log_probability"]

    trained = score(None)
    scores = [score(step) for step in (0, 5, 20, None)]
    assert scores[-1] == trained and len(set(scores)) == 4
    assert (
        "no checkpoint of step 7: it has 0, 5, 20"
        in client.post("translate", {"run": BAHDANAU, "text": TEXT, "step": 7}).error
    )


def test_a_checkpoint_of_another_size_is_refused(serve, tmp_path):
    run = make_controlled_run(tmp_path / "run", "bahdanau")
    client, file = serve(run), run / "checkpoints" / "step-00000003.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"not safetensors")
    assert "cannot be read" in client.post("translate", {"run": 0, "text": TEXT, "step": 3}).error
    weights = read_weights(run / "model.safetensors")
    name = min(weights)
    weights[name] = torch.zeros(7)
    from seq2seq.runs.weights import save_tensors

    save_tensors(file, weights, {})
    assert (
        "does not fit the model"
        in client.post("translate", {"run": 0, "text": TEXT, "step": 3}).error
    )
    assert client.ok("translate", run=0, text=TEXT)["text"] is not None


# --- runs -----------------------------------------------------------------------------------------


def test_examples_come_from_the_test_sets_with_their_gold_links(serve, tmp_path):
    client = serve(make_run_with_gold(tmp_path / "run", "bahdanau"))
    (found,) = client.ok("start")["examples"]
    assert found["test"] == "test"
    assert [one["text"] for one in found["sentences"]] == ENGLISH
    assert [one["reference"] for one in found["sentences"]] == GERMAN
    assert found["sentences"][0]["gold"]["links"] == "0-0 1-1 2?2"


def test_a_damaged_test_set_has_no_examples(serve, tmp_path):
    run = make_run_with_gold(tmp_path / "run", "bahdanau")
    (run / "hyps" / "test" / "gold.links.txt").write_text("0-99\n\n\n")
    assert serve(run).ok("start")["examples"] == []


def test_a_run_that_is_still_training_is_marked(serve, tmp_path):
    run = make_controlled_run(tmp_path / "run", "bahdanau")
    (run / "run.json").write_text(json.dumps({"format": 1, "status": "training"}))
    client = serve(run)
    assert client.ok("start")["runs"][0]["training"]
    assert client.ok("translate", run=0, text=TEXT)["best"]


def test_runs_that_do_not_fit_together_are_refused(tmp_path):
    runs = [make_run(tmp_path / name, "bahdanau", source=name) for name in ("en", "de")]
    with pytest.raises(UserError, match="different languages"):
        Session(runs, "cpu")
    with pytest.raises(UserError, match="at most 8"):
        Session([runs[0]] * 9, "cpu")
    with pytest.raises(UserError, match="given 2 times"):
        Session([runs[0]] * 2, "cpu")
    paths = [tmp_path / "a" / "x", tmp_path / "b" / "x"]
    assert short_names(paths) == ["a/x", "b/x"]


def test_weights_that_are_nan_are_an_error_of_one_sentence(serve, tmp_path):
    run = make_controlled_run(tmp_path / "run", "bahdanau")
    weights = read_weights(run / "model.safetensors")
    from seq2seq.runs.weights import save_tensors

    save_tensors(run / "model.safetensors", {k: v * math.nan for k, v in weights.items()}, {})
    client = serve(run)
    for action, more in (
        ("translate", {}),
        ("explain", {"target": "ein Mann"}),
        ("alternatives", {"tokens": [], "place": 0}),
        ("numbers", {"tokens": [], "place": 0}),
    ):
        assert "NaN" in client.post(action, {"run": 0, "text": TEXT, **more}).error
