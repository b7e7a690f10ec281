"""The trainer: it learns, it stops when told, it keeps the best, and it does so again alike."""

import json
import math
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from seq2seq.commands.evaluate import evaluate
from seq2seq.errors import UserError
from seq2seq.layers.transformer import DecoderLayer, SelfAttentionLayer
from seq2seq.runs.weights import average, read_weights
from seq2seq.settings.config_files import model_names, model_settings
from seq2seq.settings.plugins import fits, locate
from seq2seq.system import threads
from seq2seq.translation.translator import Translator

HEART = ["data.train=heart", "data.validation=heart", "tokenizer.vocab_size=70"]


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


def log(run: Path, key: str) -> dict[int, float]:
    """A number of log.jsonl by step."""
    entries = map(json.loads, (run / "log.jsonl").read_text("utf-8").splitlines())
    return {entry["step"]: entry[key] for entry in entries if key in entry}


def read_pairs(corpus: Path, split: str) -> list[list[str]]:
    return [(corpus / f"{split}.{end}").read_text("utf-8").splitlines() for end in ("en", "de")]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_weights(run / "model.safetensors")


def steps_kept(run: Path) -> list[int]:
    return sorted(int(re.sub(r"\D", "", path.stem)) for path in run.glob("checkpoints/*"))


# --- learning -----------------------------------------------------------------------------------


# Without context, six sentences of the same words cannot be told apart.
@pytest.mark.parametrize("model", [n for n in model_names() if not fits(model_settings(n))])
def test_every_variant_learns_six_sentences_by_heart(fit, phrases, model):
    recipe = ["train.schedule=constant", "train.max_steps=400", "train.validate_every=40"]
    if model == "encoder_only":
        recipe += ["train.learning_rate=5e-3", "tokenizer.vocab_size=90"]
    run = fit(model, *HEART, *recipe, "train.log_every=40")
    sources, targets = read_pairs(phrases, "heart")
    assert [found.text for found in Translator(run)(sources)] == targets
    assert info(run)["best"]["bleu"] == pytest.approx(100)


def test_a_transformer_translates_what_it_has_not_seen(fit, phrases):
    recipe = ["tokenizer.vocab_size=200", "train.max_steps=150", "train.learning_rate=2e-2"]
    run = fit("transformer", *recipe, "train.validate_every=50", "train.log_every=50")
    (seen, _), (sources, targets) = read_pairs(phrases, "train"), read_pairs(phrases, "test")
    assert not set(seen) & set(sources)
    found = [translation.text for translation in Translator(run)(sources)]
    assert sum(map(str.__eq__, found, targets)) >= 15  # of 20


@pytest.mark.parametrize(
    "words",
    [
        ["train=adadelta"],
        ["train.optimizer=adamw", "train.weight_decay=0.1"],
        ["train.schedule=constant"],
        ["train.schedule=cosine", "train.warmup_steps=0"],
        ["train.schedule=plateau", "train.validate_every=5"],
        ["tokenizer.kind=unigram", "tokenizer.vocab_size=50"],
        ["tokenizer.shared=false", "tokenizer.vocab_size=60"],
        ["tokenizer.sampling=0.1"],
        ["search=sample"],
        ["trainer.precision=bf16-mixed"],
        ["train.accumulate=3", "train.label_smoothing=0.1", "model.dropout=0.1"],
    ],
    ids=lambda words: words[0],
)
def test_every_recipe_brings_the_loss_down(fit, words):
    run = fit("rnn", *words, "train.max_steps=30", "train.batch_tokens=200")
    losses = list(log(run, "loss").values())
    assert len(losses) == 30
    assert sum(losses[-3:]) < sum(losses[:3])


def test_the_cosine_ends_at_nothing_and_the_warm_up_climbs(fit):
    words = ["train.schedule=cosine", "train.warmup_steps=5", "train.max_steps=10"]
    rates = list(log(fit("rnn", *words), "learning_rate").values())
    assert rates[:5] == sorted(rates[:5]) and rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.1 * max(rates)


def test_the_plateau_falls_after_a_validation_in_vain(fit):
    words = ["train.schedule=plateau", "train.warmup_steps=0", "train.learning_rate=0.5"]
    run = fit("rnn", *words, "train.validate_every=2", "train.max_steps=12")
    rates = list(log(run, "learning_rate").values())
    assert rates[0] == 0.5 and rates[-1] < 0.5
    assert {rate / 0.5 for rate in rates} <= {0.5**n for n in range(7)}


# --- budgets ------------------------------------------------------------------------------------


def test_steps_end_a_training(fit):
    run = fit("rnn", "train.max_steps=7", "train.max_epochs=100", "train.max_minutes=100")
    assert info(run)["steps"] == 7 and max(log(run, "loss")) == 7
    assert list(log(run, "validation_loss")) == [7]  # the last weights are looked at, always


def test_epochs_end_a_training(fit):
    found = info(fit("rnn", "train.max_steps=null", "train.max_epochs=2"))
    assert found["epochs"] == 2
    assert found["steps"] == 2 * found["data"]["train"]["batches"]


def test_minutes_end_a_training_which_says_that_it_does_not_repeat(fit, capsys):
    words = ["train.max_steps=null", "train.max_minutes=0.01", "train.schedule=cosine"]
    found = info(fit("rnn", *words))
    said = capsys.readouterr().err
    assert "train.max_minutes: the last step and the cosine schedule depend on elapsed time" in said
    fit("rnn", name="steps")
    assert "elapsed time" not in capsys.readouterr().err
    assert found["status"] == "finished" and found["steps"] >= 1
    assert found["minutes"] >= 0.01


def test_patience_ends_a_training(fit):
    words = ["train.learning_rate=0", "train.validate_every=2", "train.patience=3"]
    run = fit("rnn", *words, "train.max_steps=100", "train.validate_by=loss")
    assert list(log(run, "validation_loss")) == [2, 4, 6, 8]  # one is the best, three are in vain
    assert info(run)["best"]["step"] == 2


def test_a_loss_that_is_no_number_is_refused_with_the_remedy(fit):
    with pytest.raises(UserError, match=r"NaN or infinite in 10 updates.*train.learning_rate"):
        fit("rnn", "train.learning_rate=1e30", "train.clip_norm=0", "train.max_steps=50")


# --- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["bleu", "loss"])
def test_the_best_checkpoint_is_kept(fit, by):
    words = [f"train.validate_by={by}", "train.average_of=best", "train.learning_rate=5e-2"]
    run = fit("transformer", *words, "train.max_steps=60", "train.validate_every=10")
    bleu, loss = log(run, "validation_bleu"), log(run, "validation_loss")
    ranks = {step: (bleu[step], -loss[step])[:: 1 if by == "bleu" else -1] for step in bleu}
    best = max(ranks, key=ranks.get)
    assert info(run)["best"] == {"step": best, "loss": loss[best], "bleu": bleu[best]}
    kept = run / f"checkpoints/step-{best:08d}.safetensors"
    assert kept.read_bytes() == (run / "model.safetensors").read_bytes()


def test_checkpoints_are_kept_to_look_at_and_change_nothing(fit):
    often = ["train.max_steps=6", "train.validate_every=3"]
    plain, kept = fit("rnn", *often, name="plain"), fit("rnn", *often, "train.keep_every=2")
    names = sorted(path.name for path in (kept / "checkpoints").iterdir())
    steps = [int(re.search("[0-9]+", name)[0]) for name in names]
    assert {2, 4, 6} <= set(steps)
    for name, one in weights(plain).items():
        assert torch.equal(one, weights(kept)[name])
    assert fit("rnn", *often) == kept and info(kept)["status"] == "finished"  # as before


@pytest.mark.parametrize("of", ["last", "best"])
def test_the_average_is_of_the_chosen_checkpoints_and_kept_if_better(fit, of):
    words = ["train.average=3", f"train.average_of={of}", "train.validate_by=loss"]
    run = fit("rnn", *words, "train.max_steps=50", "train.validate_every=10")
    losses, found = log(run, "validation_loss"), info(run)["average"]
    chosen = list(losses)[-3:] if of == "last" else sorted(losses, key=losses.get)[:3]
    assert sorted(map(int, found["of"].split(", "))) == sorted(chosen)
    assert set(steps_kept(run)) >= set(chosen)
    assert found["kept"] == (found["loss"] < min(losses.values()))
    mean = average([run / f"checkpoints/step-{step:08d}.safetensors" for step in chosen])
    alone = read_weights(run / f"checkpoints/step-{min(losses, key=losses.get):08d}.safetensors")
    torch.testing.assert_close(weights(run), mean if found["kept"] else alone)


def test_only_what_may_still_be_averaged_stays_on_disk(fit):
    words = ["train.average=2", "train.max_steps=12", "train.validate_every=2"]
    assert steps_kept(fit("rnn", *words, "train.validate_by=loss")) == [10, 12]


# --- sums ---------------------------------------------------------------------------------------


def test_two_half_batches_make_the_update_of_a_whole_one(fit):
    words = [*HEART, "train.optimizer=adadelta", "train.betas=[0.9,0]", "train.learning_rate=1"]
    words += ["trainer.precision=64-true", "train.max_steps=1", "train.warmup_steps=0"]
    whole = fit("bahdanau", *words, "train.batch_tokens=4000", name="whole")
    halves = fit("bahdanau", *words, "train.batch_tokens=100", "train.accumulate=2", name="halves")
    assert [info(run)["data"]["train"]["batches"] for run in (whole, halves)] == [1, 2]
    assert info(halves)["target_tokens"] == info(whole)["target_tokens"]
    assert log(halves, "loss")[1] == pytest.approx(log(whole, "loss")[1])
    assert log(halves, "gradient_norm")[1] == pytest.approx(log(whole, "gradient_norm")[1])
    torch.testing.assert_close(weights(halves), weights(whole))


# --- again alike --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("rnn", ["model.dropout=0.3"]),
        ("bahdanau", ["model.dropout=0.3"]),
        ("luong", ["model.dropout=0.3"]),
        ("transformer", ["model.dropout=0.3", "model.attention_dropout=0.1"]),
        ("encoder_only", []),
        ("rnn", ["tokenizer.sampling=0.3"]),
    ],
    ids=["rnn", "bahdanau", "luong", "transformer", "encoder_only", "sampling"],
)
def test_a_seed_repeats_everything_and_another_one_nothing(fit, model, words):
    words = [*words, "train.max_steps=16"]
    first = fit(model, *words, name="first")
    again = fit(model, *words, name="again")
    other = fit(model, *words, "seed=2", name="other")
    assert log(first, "loss") == log(again, "loss")
    assert log(first, "validation_loss") == log(again, "validation_loss")
    assert all(torch.equal(tensor, weights(again)[key]) for key, tensor in weights(first).items())
    assert log(first, "loss") != log(other, "loss")


def test_sampling_cuts_words_differently_each_epoch_but_not_the_validation(fit):
    words = [*HEART, "train.max_steps=3", "train.learning_rate=0", "train.batch_tokens=4000"]
    whole = fit("rnn", *words, name="whole")
    cut = fit("rnn", *words, "tokenizer.sampling=0.5", name="cut")
    assert len(set(log(whole, "loss").values())) < len(set(log(cut, "loss").values())) == 3
    assert log(whole, "validation_loss") == log(cut, "validation_loss")
    assert info(cut)["target_tokens"] > info(whole)["target_tokens"]


# --- records ------------------------------------------------------------------------------------


@pytest.mark.skipif(not find_spec("tensorboard"), reason="TensorBoard, an extra, is not installed")
def test_tensorboard_gets_the_same_numbers(fit):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = fit("rnn", "train.tensorboard=true")
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    losses = {event.step: event.value for event in events.Scalars("loss")}
    assert losses == pytest.approx(log(run, "loss"))


# --- processes ----------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_best_model_so_far(process, tiny, tmp_path):
    words = tiny("rnn", "name=cut", "train.max_steps=1000000", "train.validate_every=5")
    started = process("train", *words, cwd=tmp_path)
    for line in started.stderr:
        if line.startswith("step     10 "):
            break
    started.send_signal(signal.SIGINT)
    out, err = started.communicate()
    run = tmp_path / "runs" / "cut"
    assert (started.returncode, out) == (130, ""), err
    assert "stop requested" in err and "Traceback" not in err
    assert info(run)["status"] == "interrupted" and info(run)["steps"] >= 10
    best = info(run)["best"]
    assert log(run, "validation_loss")[best["step"]] == best["loss"]
    assert len(Translator(run)(["two cats see trees"])) == 1


def test_sigterm_before_the_first_validation_keeps_what_there_is(process, tiny, tmp_path):
    words = tiny("rnn", "name=cut", "train.max_steps=1000000", "train.validate_every=1000000")
    started = process("train", *words, cwd=tmp_path)
    records = tmp_path / "runs/cut/log.jsonl"
    while not records.is_file() or not records.read_text():
        assert started.poll() is None
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)
    _, err = started.communicate()
    assert started.returncode == 143, err
    assert info(tmp_path / "runs/cut")["best"] is None
    assert len(Translator(tmp_path / "runs/cut")(["two cats see trees"])) == 1


def test_two_processes_make_the_updates_of_one_with_twice_the_batches(process, fit, tiny, tmp_path):
    words = ["train=adadelta", "trainer.precision=64-true", "train.max_steps=6"]
    words += ["train.validate_every=3", f"runs_dir={tmp_path}"]
    two, one = tmp_path / "two", fit("rnn", *words, "train.accumulate=2", name="one")
    for steps in (3, 6):  # the second time they go on
        more = ["trainer.devices=2", "name=two", f"train.max_steps={steps}"]
        started = process("train", *tiny("rnn", *words, *more), cwd=tmp_path)
        out, err = started.communicate()
        assert (out, started.returncode) == (f"{two}\n", 0), err
    assert "resuming at step 3" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert info(two)["devices"] == 2 and info(two)["steps"] == 6
    assert info(two)["target_tokens"] == info(one)["target_tokens"]
    for key in ("loss", "gradient_norm", "validation_loss", "epoch"):
        assert log(two, key) == pytest.approx(log(one, key))
    torch.testing.assert_close(weights(two), weights(one))


# --- threads ------------------------------------------------------------------------------------


@pytest.fixture
def two_threads():
    """Torch with two threads, whatever the machine, and with those of before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_threads_that_are_fastest_are_kept_when_the_run_goes_on(
    two_threads, fit, monkeypatch, capsys
):
    monkeypatch.setattr(threads, "probe", lambda work, most: {1: 0.5, most: 0.9})
    run = fit("rnn", "train.max_steps=2", "deterministic=false")
    assert info(run)["machine"]["threads"] == 1
    assert "threads: 1 (an update takes 0.50 s with 1, 0.90 s with 2)" in capsys.readouterr().err
    monkeypatch.setattr(threads, "probe", None)  # is not called again
    run = fit("rnn", "train.max_steps=4", "deterministic=false")
    assert info(run)["machine"]["threads"] == 1
    assert "threads: 1, as when this run started" in capsys.readouterr().err


def test_each_training_of_a_process_tries_threads_for_itself(two_threads, fit, monkeypatch):
    tried = []
    monkeypatch.setattr(threads, "probe", lambda work, most: tried.append(most) or {1: 1.0, 2: 2.0})
    for name in ("first", "second"):
        run = fit("rnn", "train.max_steps=1", "deterministic=false", name=name)
        assert info(run)["machine"]["threads"] == 1
    assert tried == [2, 2] and torch.get_num_threads() == 2


def test_no_clock_chooses_the_threads_of_a_repeatable_training(fit, monkeypatch, capsys):
    monkeypatch.setattr(threads, "probe", None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for processors, count in ((1, 1), (2, 1), (3, 1), (6, 3), (8, 4), (64, 4)):
        monkeypatch.setattr(threads, "processors", lambda found=processors: found)
        assert threads.repeatable() == count
    assert [threads.repeatable(processes) for processes in (2, 3, 8)] == [2, 1, 1]
    assert info(fit("rnn", "train.max_steps=1"))["machine"]["threads"] == 4
    assert "threads: 4 of 64 processors, chosen without timing" in capsys.readouterr().err
    monkeypatch.setattr(threads, "processors", lambda: 2)
    assert info(fit("rnn", "train.max_steps=2"))["machine"]["threads"] == 4  # as it began


@pytest.mark.parametrize(("number", "count"), [("3", 3), ("0", 1), ("many", 1), ("9" * 9, 1)])
def test_a_number_in_the_environment_is_taken(monkeypatch, number, count):
    monkeypatch.setattr(threads, "processors", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", number)
    assert threads.repeatable() == count


def test_trying_threads_changes_nothing_that_is_learned(two_threads, fit, monkeypatch):
    def probe(work, most):
        tried = [work() for _ in range(3)]
        return {1: 1.0, most: float(len(tried))}

    monkeypatch.setattr(threads, "probe", probe)
    tried = fit("transformer", "model.dropout=0.1", "deterministic=false", name="tried")
    given = fit("transformer", "model.dropout=0.1", "trainer.threads=1", name="given")
    assert log(tried, "loss") == log(given, "loss")
    for name, weight in weights(given).items():
        assert torch.equal(weights(tried)[name], weight)


def test_threads_that_are_given_are_not_tried(two_threads, fit, monkeypatch):
    monkeypatch.setattr(threads, "probe", None)
    assert info(fit("rnn", "trainer.threads=2"))["machine"]["threads"] == 2


def compiled(words, backend, out):
    """Train in a process that checks no shapes: torch's compiler cannot look through that."""
    script = f"""
import sys, torch
made, torch_compile = [], torch.compile
def as_it_is(graph, inputs):
    made.append(graph)
    return graph.forward
def broken(graph, inputs):
    raise RuntimeError("there is no compiler")
torch.compile = lambda work, **how: torch_compile(work, backend={backend}, **how)
from seq2seq.cli import main
try:
    main()
finally:
    print("graphs:", len(made))
"""
    given = [*words, "trainer.compile=true", f"runs_dir={out}", "name=compiled"]
    return subprocess.run(
        [sys.executable, "-c", script, "train", *given],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize(
    "parts",
    [
        "model.norm=pre",
        "model.attention=latent model.positions=rope model.normalization=rms",
    ],
)
def test_a_compiled_model_learns_the_same(fit, tiny, tmp_path, parts):
    # Without torch's later stages, which take minutes and a C++ compiler.
    given = [*parts.split(), "model.dropout=0.1", "train.max_steps=3", "trainer.threads=1"]
    told = compiled(tiny("transformer", *given), "as_it_is", tmp_path)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout.split("graphs:")[1]) > 0
    plain = fit("transformer", *given)
    assert log(tmp_path / "compiled", "loss") == pytest.approx(log(plain, "loss"), rel=1e-5)


COMPILED = [(name, "") for name in model_names() if locate("model", name).compilable]
COMPILED += [(name, "train.guided_attention=0.5") for name, _ in COMPILED if name != "encoder_only"]


@pytest.mark.parametrize(("model", "guided"), COMPILED)
def test_every_layer_of_an_update_is_compiled(learner, linked, monkeypatch, model, guided):
    """Also those that read the source in a stack for both sides."""
    inside, calls = [], []

    def compiled(work, **_):
        def call(*given, **more):
            inside.append(work)
            try:
                return work(*given, **more)
            finally:
                inside.pop()

        return call

    monkeypatch.setattr(torch, "compile", compiled)
    more = [guided, f"train.guided_links={linked / 'train.links'}"] if guided else []
    made = learner(model, "trainer.compile=true", *more)
    layers = [
        module
        for module in made.raw_model.modules()
        if isinstance(module, SelfAttentionLayer | DecoderLayer)
    ]
    for layer in layers:
        layer.register_forward_hook(lambda *_: calls.append(bool(inside)))
    made.dry_run()
    assert len(calls) >= len(layers) and all(calls)


def test_what_cannot_be_compiled_is_said_to_be_so(fit, tiny, tmp_path):
    told = compiled(tiny("transformer"), "broken", tmp_path)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    said = " ".join(told.stderr.split())
    assert "trainer.compile=true fails on this machine" in said
    assert "there is no compiler" in said
    with pytest.raises(UserError, match=r"trainer\.compile=true is not supported for RNN"):
        fit("rnn", "trainer.compile=true")


@pytest.mark.parametrize("more", [[], ["train.ema=0.5"]])
def test_the_best_validation_is_that_of_the_weights_that_are_kept(fit, more):
    words = ["model.dropout=0.3", "train.max_steps=40", "train.validate_every=20"]
    run = fit("bahdanau", *words, *more)
    best = info(run)["best"]
    found = evaluate(run, ["validation"], beam=1, device="cpu")["validation"]
    assert found["bleu"]["score"] == pytest.approx(best["bleu"])
    assert found["perplexity"]["score"] == pytest.approx(math.exp(best["loss"]), rel=1e-4)
