"""Nothing is lost: a training that is killed, torn, filled up or told to stop goes on exactly."""

import contextlib
import dataclasses
import errno
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml

from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.folder import write_config
from seq2seq.runs.nested import flatten
from seq2seq.runs.weights import read_tensors, read_weights, save_weights
from seq2seq.settings import compose
from seq2seq.settings.config import Config
from seq2seq.settings.config_files import model_names, model_settings
from seq2seq.system import files
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.lock import LOCK, exclusive_writer
from seq2seq.text.batching import Batch
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training import resume
from seq2seq.training.checkpoints import Checkpoints
from seq2seq.training.former_defaults import FORMER, with_original_defaults
from seq2seq.training.learner import Learner
from seq2seq.training.log import TrainingLog
from seq2seq.training.state import Save, Saves
from seq2seq.translation.translator import Translator

HASTY = ["search.max_length=6", "search.length_ratio=0"]  # what is validated is not the question
# Everything that has a position or a memory, all at once.
HARD = [
    "train.max_steps=13",
    "train.validate_every=4",
    "train.log_every=3",
    "train.accumulate=2",
    "train.average=3",
    "train.patience=50",
    "model.dropout=0.3",
    "tokenizer.sampling=0.2",
]
RECIPES = {
    "rnn": [*HARD, "train.schedule=plateau", "train.warmup_steps=0"],
    "bahdanau": [*HARD, "train.schedule=cosine", "train.average_of=best"],
    "transformer": [*HARD, "model.attention_dropout=0.1"],
}
PATIENT = ["train.learning_rate=0", "train.patience=2", "train.validate_by=loss"]
BRIEF = ["train.max_steps=6", "train.validate_every=2", "train.average=2"]
SHORT = ["train.max_steps=4", "train.validate_every=2", "train.average=2", "model.dropout=0.3"]
OFTEN, SELDOM = "train.save_every=0", "train.save_every=1000"


def lines(path: Path) -> list[dict]:
    """The entries of a log."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def info(run: Path) -> dict:
    return json.loads((run / "run.json").read_text("utf-8"))


def result(run: Path) -> dict[str, bytes | dict]:
    """All of a run that must not depend on how often it was killed."""
    files = [run / "model.safetensors", run / "log.jsonl", *run.glob("checkpoints/*")]
    found: dict = {str(path.relative_to(run)): path.read_bytes() for path in files}
    tensors, facts = read_tensors(max(run.glob("state/*")))
    for measured in ("seconds", "validating", "seconds_at_log", "joules", "peak_memory"):
        del facts["progress"][measured]
    del facts["logs"]["clock.jsonl"]
    found["state"] = (facts, {name: tensor.tolist() for name, tensor in tensors.items()})
    return found


def torn(run: Path) -> list[Path]:
    """Files that somebody left unfinished, the lock included."""
    return [*run.rglob("*.partial"), *run.rglob(LOCK)]


@pytest.fixture
def fit(fit) -> Callable[..., Path]:
    """Train a tiny model in this process, with short validations; its run folder."""
    return lambda model, *words, **name: fit(model, *HASTY, *words, **name)


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], dict]:
    """Results of runs that nobody disturbed."""
    return {}


@pytest.fixture
def undisturbed(fit, known) -> Callable[..., dict]:
    """What a command comes to when it is let alone."""

    def find(*words: str) -> dict:
        if words not in known:
            known[words] = result(fit(*words, name="undisturbed"))
        return known[words]

    return find


class Forked:
    """A training in a copy of this process, as if its command had been given in another shell."""

    def __init__(self, work: Callable[[], object], words: Path | None = None) -> None:
        """Do the work; what it says on standard error goes to the file `words`, if given."""
        with warnings.catch_warnings():  # of threads, which Python 3.12 fears for; they do nothing
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            status = 99
            # Not so where the tests run by nohup or in the background of a shell
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            try:
                if words:
                    sys.stderr = words.open("w", buffering=1)
                with reporting_user_errors():
                    work()
                status = 0
            except SystemExit as end:
                status = end.code
            finally:
                sys.stderr.flush()
                os._exit(status)

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit status; the signal's number, negative, where a signal ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def wait_for(self, path: Path, text: str) -> None:
        """Wait until a file says something."""
        while not path.is_file() or text not in path.read_text("utf-8"):
            assert os.waitpid(self.pid, os.WNOHANG) == (0, 0), "it ended too early"
            time.sleep(0.01)


@pytest.fixture
def doomed(fit) -> Callable[..., bool]:
    """Train in a copy of this process that is killed, SIGKILL, just before or after a call."""

    def run(owner: object, name: str, call: int, *words: str, after: bool = False) -> bool:
        """Whether death came.

        Args:
            owner: whose function it waits at.
            name: of the function.
            call: the number of the deadly call, from 1.
            words: after `fit`.
            after: whether that call is still made.
        """

        def work() -> None:
            original, calls = getattr(owner, name), []

            def fatal(*args, **kwargs):
                calls.append(name)
                if len(calls) < call:
                    return original(*args, **kwargs)
                if after:
                    original(*args, **kwargs)
                return os.kill(os.getpid(), signal.SIGKILL)

            setattr(owner, name, fatal)
            fit(*words)

        status = Forked(work).wait()
        assert status in (0, -signal.SIGKILL)
        return status != 0

    return run


# --- exact --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", RECIPES)
def test_killed_at_any_step_it_ends_with_the_same_bits(fit, doomed, undisturbed, model):
    words = RECIPES[model]
    for name, saves, lives in (("often", OFTEN, (1, 6)), ("seldom", SELDOM, (7,))):
        for updates in lives:
            assert doomed(Learner, "update", updates, model, *words, saves, f"name={name}")
        run = fit(model, *words, saves, name=name)
        assert result(run) == undisturbed(model, *words)
        assert torn(run) == []
        assert len(info(run)["resumed"]) == len(lives)


def test_patience_and_its_count_survive(fit, doomed, undisturbed):
    words = ["rnn", *BRIEF, *PATIENT, "train.max_steps=50", OFTEN]
    assert doomed(Learner, "update", 6, *words)
    run = fit(*words)
    assert result(run) == undisturbed(*words)
    assert info(run)["steps"] == 6 and info(run)["best"]["step"] == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_renaming_or_deleting_it_ends_with_the_same_bits(
    fit, doomed, undisturbed, after
):
    words = ["rnn", *SHORT]
    call = 1
    while doomed(Path, ("replace", "unlink")[call % 2], call, *words, OFTEN, after=after):
        call += 1  # each life lasts a little longer, and dies at another file
    assert call > 6
    run = fit(*words)  # it is finished
    assert result(run) == undisturbed(*words) and torn(run) == []


def test_a_run_killed_before_it_began_begins_again(fit, doomed, capfd):
    assert doomed(TrainingLog, "print_setup", 1, "rnn", *BRIEF)
    capfd.readouterr()
    assert info(fit("rnn", *BRIEF))["status"] == "finished"
    assert "Traceback" not in capfd.readouterr().err


def test_minutes_go_on_where_they_stopped(fit, doomed, monkeypatch):
    words = ["rnn", "train.max_steps=null", "train.max_minutes=0.05", "train.validate_every=1000"]
    began = time.monotonic()
    assert doomed(Learner, "update", 3, *words, OFTEN)
    run = fit(*words, OFTEN)
    minutes = [entry["minutes"] for entry in lines(run / "clock.jsonl")]
    assert minutes == sorted(minutes)
    assert 0.05 <= info(run)["minutes"] <= (time.monotonic() - began) / 60
    again = info(run)["minutes"]
    assert info(fit(*words))["minutes"] == again  # finished: nothing more is spent


# --- the same command ---------------------------------------------------------------------------


def test_a_finished_run_says_so_and_stays_as_it_is(command, tiny, tmp_path):
    words = ["train", *tiny("rnn", "name=one", *BRIEF)]
    assert command(*words).status == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/one").rglob("*")}
    answer = command(*words)
    assert (answer.status, answer.out) == (0, "runs/one\n")
    assert answer.err.startswith("runs/one is finished") and answer.err.count("\n") == 1
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/one").rglob("*")}
    assert after == before


@pytest.fixture
def given(tiny, tmp_path) -> Callable[..., Config]:
    """A configuration of the run `one`."""

    def read(*words: str) -> Config:
        more = [f"runs_dir={tmp_path}", "name=one", *words]
        return compose.read(compose.compose(tiny("rnn", *more)))

    return read


@pytest.fixture
def begun(given, tmp_path) -> Path:
    """The run `one`, as good as begun."""
    write_config(tmp_path / "one", dataclasses.asdict(given()))
    return tmp_path / "one"


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("train.learning_rate=0.5", ["train.learning_rate=0.01 (now 0.5)", "resume=force"]),
        ("model.dropout=0.5", ["model.dropout=0.0 (now 0.5)", "fresh=true", "name="]),
        ("data.validation=heart", ["data.validation=validation (now heart)", "resume=force"]),
        ("train.schedule=plateau", ["train.schedule=inverse_sqrt (now plateau)"]),
        ("deterministic=false", ["deterministic=true (now false)"]),
    ],
)
def test_another_configuration_is_refused_unless_forced(given, begun, word, parts):
    with pytest.raises(UserError) as caught:
        resume.find_earlier(begun, given(word))
    assert [part for part in (str(begun), *parts) if part not in str(caught.value)] == []
    assert resume.find_earlier(begun, given(word, "resume=force")).changes.keys() == {
        word.split("=")[0]
    }
    assert resume.find_earlier(begun, given(word, "fresh=true")) is None


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("seed=2", "seed=1 (now 2)"),
        ("tokenizer.vocab_size=80", "tokenizer.vocab_size=90 (now 80)"),
        ("train.optimizer=adadelta", "train.optimizer=adam (now adadelta)"),
    ],
)
def test_what_a_save_was_made_by_cannot_be_forced(given, begun, word, part):
    with pytest.raises(UserError, match="cannot change") as caught:
        resume.find_earlier(begun, given(word, "resume=force"))
    assert part in str(caught.value) and "fresh=true" in str(caught.value)
    assert "resume=force" not in str(caught.value)


@pytest.mark.parametrize(
    ("then", "words", "says"),
    [
        (1, [], None),
        (2, ["train.accumulate=2"], "each update still has the same 2 batches"),
        (
            4,
            ["trainer.devices=2", "train.accumulate=2"],
            "2 processes instead of 4: each update",
        ),
        (2, [], "1 process instead of 2: each update now has 1 batch instead of 2"),
        (
            1,
            ["trainer.devices=3"],
            "3 processes instead of 1: each update now has 3 bat",
        ),
        ("many", ["trainer.devices=3"], None),  # a damaged run.json
    ],
)
def test_another_number_of_processes_may_go_on_and_is_said(given, begun, then, words, says):
    (begun / "run.json").write_text(json.dumps({"devices": then}), "utf-8")
    earlier = resume.find_earlier(begun, given(*words))
    assert earlier.changes == {}
    assert earlier.other_processes() is None if says is None else says in earlier.other_processes()


def test_more_batches_in_an_update_of_one_process_are_refused_as_before(given, begun):
    with pytest.raises(UserError, match=r"accumulate=1 \(now 2\)"):
        resume.find_earlier(begun, given("train.accumulate=2"))


def test_every_key_of_a_list_is_a_key(given):
    known = flatten(dataclasses.asdict(given())).keys()
    models = {f"model.{key}" for name in model_names() for key in model_settings(name)}
    assert {*resume.HARMLESS, *resume.ENDS, *resume.FIXED} <= known | models


def test_the_form_of_a_cache_may_change(tiny, tmp_path):
    def read(form: str) -> Config:
        own = [f"runs_dir={tmp_path}", "name=one", f"model.cross_attention_cache={form}"]
        return compose.read(compose.compose(tiny("transformer", *own)))

    write_config(tmp_path / "one", dataclasses.asdict(read("keys")))
    assert resume.find_earlier(tmp_path / "one", read("source")).changes == {}


OWN = {"name", "runs_dir", "resume", "model.cross_attention_cache"}  # keys of other tests


@pytest.mark.parametrize("key", sorted(resume.HARMLESS.keys() - OWN))
def test_what_changes_nothing_is_no_hindrance(given, begun, key):
    switches = {"fresh": "false", "train.tensorboard": "true", "trainer.compile": "true"}
    values = {"trainer.threads": "2", "trainer.cuda_graphs": "false", **switches}
    word = f"{key}={values.get(key, '7')}"
    assert resume.find_earlier(begun, given(word)).changes == {}


def test_the_end_may_be_moved_but_not_that_of_a_cosine(given, begun):
    for word in ("train.max_steps=99", "train.max_epochs=9", "train.patience=3"):
        assert resume.find_earlier(begun, given(word)).changes.keys() == {word.split("=")[0]}
    cosine = "train.schedule=cosine"
    write_config(begun, dataclasses.asdict(given(cosine)))
    with pytest.raises(UserError, match=r"max_steps=4 \(now 99\) \(the cosine falls to zero"):
        resume.find_earlier(begun, given(cosine, "train.max_steps=99"))
    assert resume.find_earlier(begun, given(cosine, "train.patience=3"))
    assert resume.find_earlier(begun, given(cosine, "train.max_steps=99", "resume=force"))


def test_a_key_that_an_older_version_did_not_have_is_no_hindrance(given, begun):
    stored = dataclasses.asdict(given())
    del stored["deterministic"], stored["train"]["save_every"]
    write_config(begun, stored)
    assert resume.find_earlier(begun, given()).changes == {}


@pytest.mark.parametrize(
    "word",
    [
        "train.r_drop=1.0",
        "train.guided_attention=0.05",
        "trainer.precision=bf16-mixed",
    ],
)
def test_a_key_that_an_older_version_did_not_have_cannot_be_turned_on(given, begun, word):
    part, key = word.split("=")[0].split(".")
    stored = dataclasses.asdict(given())
    del stored[part][key]
    write_config(begun, stored)
    assert resume.find_earlier(begun, given()).changes == {}
    with pytest.raises(UserError, match=f"was started with {word.split('=')[0]}"):
        resume.find_earlier(begun, given(word))


class Earlier(NamedTuple):
    """A run `one` that an earlier version began with its defaults."""

    read: Callable[..., Config]  # today's configuration of it, with further words
    former: dict[str, Any]


@pytest.fixture(params=["transformer", "bahdanau"])
def earlier(tiny, tmp_path, request) -> Earlier:
    model, today = request.param, ["train.warmup_steps=1000"]  # `tiny` has other values
    if model == "transformer":
        today.append("model.attention_dropout=0.0")

    def read(*words: str) -> Config:
        more = [*today, f"runs_dir={tmp_path}", "name=one", *words]
        return compose.read(compose.compose([*tiny(model), *more]))

    stored, former = dataclasses.asdict(read()), {}
    for key, value in FORMER.items():
        part, name = key.split(".")
        if name in stored[part]:
            assert stored[part][name] != value  # the defaults of today are others
            stored[part][name] = former[key] = value
    write_config(tmp_path / "one", stored)
    return Earlier(read, former)


def test_every_former_default_is_tested(tiny):
    today = set()
    for model in ("transformer", "bahdanau"):
        today |= flatten(dataclasses.asdict(compose.read(compose.compose(tiny(model))))).keys()
    assert today >= FORMER.keys()


def test_the_same_command_resumes_a_run_of_earlier_defaults(earlier, tmp_path):
    given = earlier.read()
    assert resume.find_earlier(tmp_path / "one", given).changes == {}
    resumed = with_original_defaults(tmp_path / "one", given)
    values = flatten(dataclasses.asdict(resumed))
    assert {key: values[key] for key in earlier.former} == earlier.former
    said = resume.describe_former(given, resumed)
    assert all(key in said for key in earlier.former) and "train.warmup_steps=200" in said
    assert resume.describe_former(resumed, resumed) is None


@pytest.mark.parametrize("word", ["model.dropout=0.25", "train.warmup_steps=100"])
def test_another_value_than_both_defaults_is_a_change(earlier, tmp_path, word):
    with pytest.raises(UserError, match=f"{word.split('=')[0]}=.* \\(now {word.split('=')[1]}\\)"):
        resume.find_earlier(tmp_path / "one", earlier.read(word))


def test_force_changes_earlier_defaults_too(earlier, tmp_path):
    given = earlier.read("resume=force")
    assert resume.find_earlier(tmp_path / "one", given).changes.keys() == earlier.former.keys()
    assert with_original_defaults(tmp_path / "one", given) == given


def test_a_folder_that_is_no_run_is_left_alone(given, tmp_path):
    (tmp_path / "one").mkdir()
    assert resume.find_earlier(tmp_path / "one", given()) is None
    (tmp_path / "one/thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"is not a run folder .*thesis.tex.*fresh=true"):
        resume.find_earlier(tmp_path / "one", given())


def test_a_run_without_saves_is_not_begun_again(given, begun):
    (begun / "model.safetensors").write_bytes(b"trained by an older version")
    with pytest.raises(UserError, match=r"no saved state to resume from.*fresh=true"):
        resume.find_earlier(begun, given())


def test_a_larger_budget_ends_as_if_it_had_always_been_so(fit):
    words = ["rnn", "train.validate_every=2", "train.average=2", "model.dropout=0.3"]
    whole = fit(*words, "train.max_steps=8", name="whole")
    fit(*words, "train.max_steps=4")
    run = fit(*words, "train.max_steps=8")
    assert result(run) == result(whole)
    assert info(run)["resumed"][0]["changes"] == {"train.max_steps": [4, 8]}
    assert yaml.safe_load((run / "config.yaml").read_text("utf-8"))["train"]["max_steps"] == 8


def test_a_smaller_budget_ends_at_once(fit, doomed):
    assert doomed(Learner, "update", 5, "rnn", "train.max_steps=9", OFTEN)
    run = fit("rnn", "train.max_steps=2")
    assert info(run)["steps"] == 4 and info(run)["status"] == "finished"
    assert info(run)["best"]["step"] == 4


def test_what_is_forced_is_done_and_noted(fit, doomed):
    assert doomed(Learner, "update", 5, "rnn", "train.max_steps=8", OFTEN)
    words = ["train.max_steps=8", "train.learning_rate=0", "resume=force"]
    run = fit("rnn", *words, "train.batch_tokens=400", "train.validate_every=4")
    rates = [entry.get("learning_rate") for entry in lines(run / "log.jsonl")]
    assert [rate == 0 for rate in rates if rate is not None] == [False] * 4 + [True] * 4
    assert info(run)["resumed"][0]["changes"]["train.learning_rate"] == [0.01, 0.0]


def test_what_cannot_be_forced_leaves_the_run_as_it_was(fit, doomed, tmp_path):
    assert doomed(Learner, "update", 5, "rnn", *BRIEF, OFTEN)
    run = tmp_path / "run"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"the save does not fit the model: .* is \[\d+, 32\], not"):
        fit("rnn", *BRIEF, "model.embedding=16", "resume=force")
    before.pop(run / LOCK)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_other_text_under_the_same_name_is_refused_unless_forced(fit, doomed, phrases, tmp_path):
    corpus = shutil.copytree(phrases, tmp_path / "corpus")
    words = ["rnn", f"data.root={corpus}", "train.max_steps=6", OFTEN]
    assert doomed(Learner, "update", 3, *words)
    lines = (corpus / "train.de").read_text("utf-8").splitlines()
    (corpus / "train.de").write_text("\n".join(lines[::-1]) + "\n", "utf-8")
    with pytest.raises(UserError, match=r"the train text has changed since .* resume=force"):
        fit(*words)
    assert info(fit(*words, "resume=force"))["steps"] == 6


# --- files --------------------------------------------------------------------------------------


def flipped(path: Path, place: float = 0.9) -> None:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 4
    path.write_bytes(content)


def shortened(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [flipped, shortened, emptied])
def test_a_damaged_save_falls_back_to_the_one_before(
    fit, doomed, undisturbed, tmp_path, capfd, damage
):
    words = ["rnn", *SHORT]
    assert doomed(Learner, "update", 4, *words, OFTEN)
    newest = max(tmp_path.glob("run/state/*"))
    damage(newest)
    capfd.readouterr()
    assert result(fit(*words)) == undisturbed(*words)
    said = capfd.readouterr().err
    assert (
        str(newest) in said and "trying the previous save" in said and "resuming at step 2" in said
    )


def test_where_no_save_is_whole_nothing_is_touched(fit, doomed, tmp_path):
    words = ["rnn", *BRIEF, OFTEN]
    assert doomed(Learner, "update", 5, *words)
    for path in tmp_path.glob("run/state/*"):
        flipped(path)
    log = (tmp_path / "run/log.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"all saves in .*run/state are damaged.*fresh=true"):
        fit(*words)
    assert (tmp_path / "run/log.jsonl").read_bytes() == log
    assert len([*tmp_path.glob("run/checkpoints/*")]) == 2


def test_one_wrong_bit_anywhere_in_the_weights_is_found(tmp_path):
    path = tmp_path / "model.safetensors"
    for place in range(0, 100, 4):
        save_weights(torch.nn.Linear(2, 3), path)
        flipped(path, place / 100)
        with pytest.raises(UserError, match=r"model.safetensors (is damaged|cannot be read)"):
            read_weights(path)


def test_a_damaged_model_is_refused_and_written_anew_by_its_command(fit, doomed):
    run = fit("rnn", *BRIEF)
    whole = result(run)
    for damage in (flipped, shortened, Path.unlink):
        damage(run / "model.safetensors")
        with pytest.raises(UserError, match=r"model\.safetensors|not saved a model"):
            Translator(run)
        assert result(fit("rnn", *BRIEF)) == whole


def test_a_damaged_checkpoint_is_left_out_of_the_average(fit, doomed, tmp_path, capfd):
    words = ["rnn", *BRIEF, "train.average=3", "train.validate_by=loss"]
    assert doomed(Learner, "update", 5, *words)
    flipped(tmp_path / "run/checkpoints/step-00000002.safetensors")
    capfd.readouterr()
    found = info(fit(*words))["average"]
    assert found["of"] == "4, 6"
    assert "step-00000002.safetensors is damaged" in capfd.readouterr().err


def test_the_best_model_comes_back_with_its_save(fit, doomed, tmp_path):
    words = ["rnn", *BRIEF, "train.max_steps=9", SELDOM]
    assert doomed(Checkpoints, "prune", 2, *words)  # the first one is that of the beginning
    run = tmp_path / "run"
    newer = run / "model.safetensors"
    shutil.copy(newer, run / "checkpoints/step-00000099.safetensors")  # of a time after the save
    flipped(newer)
    assert doomed(Learner, "update", 1, *words)
    best = run / "checkpoints/step-00000002.safetensors"
    assert newer.read_bytes() == best.read_bytes()


def test_the_logs_are_cut_where_the_save_was_made(fit, doomed, tmp_path):
    words = ["rnn", "train.max_steps=4", "train.validate_every=2"]
    assert doomed(Learner, "update", 4, *words)
    log = tmp_path / "run/log.jsonl"
    assert max(entry["step"] for entry in lines(log)) == 3
    with log.open("a") as file:
        file.write('{"step": 3, "lo')  # as a kill in the middle of a line leaves it
    run = fit(*words)
    assert log.read_bytes() == (fit(*words, name="whole") / "log.jsonl").read_bytes()
    for name in ("log.jsonl", "clock.jsonl"):
        assert [entry["step"] for entry in lines(run / name)] == [1, 2, 2, 3, 4, 4]


# --- a full disk --------------------------------------------------------------------------------


def check_that_files_are_whole(run: Path) -> None:
    """Check that whatever is there can be read to its end."""
    for path in run.rglob("*"):
        if path.suffix == ".safetensors":
            read_tensors(path)
        elif path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix == ".jsonl":
            content = path.read_text("utf-8")
            assert not content or content.endswith("\n")
            [json.loads(line) for line in content.splitlines()]
    assert torn(run) == []


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own; call it with a size to make it as large."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "none", place], capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a small file system is not permitted here")

    def resize(size: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)
        return place

    yield resize
    subprocess.run(["umount", place], check=True)


def test_a_full_file_system_stops_a_training_that_goes_on_when_there_is_room(
    fit, undisturbed, small_disk
):
    words = ["rnn", *SHORT]
    for size in ("200k", "900k", "1500k"):  # no room to begin, to save, to keep
        place = small_disk(size)
        with pytest.raises(UserError, match=r"no space is left on the disk for .*free some space"):
            fit(*words, f"runs_dir={place}")
        check_that_files_are_whole(place)
    assert len([*place.glob("run/state/*")]) == 2
    assert result(fit(*words, f"runs_dir={small_disk('9m')}")) == undisturbed(*words)


def test_no_file_is_torn_where_the_disk_is_full(fit, undisturbed, monkeypatch, tmp_path):
    """Also where a mount is not permitted: the system says so when a file is put on disk."""
    words, sync = ["rnn", *SHORT], os.fsync
    for call in (1, 9, 17):
        calls: list[int] = []

        def full(file: int, calls=calls, call=call) -> None:
            calls.append(file)
            if len(calls) >= call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(file)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(UserError, match="no space is left on the disk for"):
                fit(*words)
        check_that_files_are_whole(tmp_path / "run")
    assert result(fit(*words)) == undisturbed(*words)


def test_a_line_is_added_whole_or_not_at_all(small_disk):
    path = small_disk("8k") / "log.jsonl"
    with pytest.raises(UserError, match=r"no space is left on the disk for .*log\.jsonl"):
        for _ in range(1000):
            files.append_line(path, "a line of forty-five bytes, with its newline")
    lines = path.read_text("utf-8").split("\n")
    assert lines.pop() == "" and len({*lines}) == 1 and len(lines) > 50


# --- one writer ---------------------------------------------------------------------------------


@pytest.fixture
def endless(fit, tmp_path) -> Iterator[Forked]:
    """A training that has made ten updates and goes on; its run is `run`, its words are `words`."""
    words = ["train.max_steps=1000000", "train.validate_every=1000000", SELDOM]
    training = Forked(lambda: fit("rnn", *words), tmp_path / "words")
    training.wait_for(tmp_path / "run/log.jsonl", '"step": 10,')
    yield training
    with contextlib.suppress(ProcessLookupError):
        training.kill(signal.SIGKILL)
        training.wait()


def test_a_second_writer_is_told_who_the_first_one_is(fit, endless, tmp_path):
    who = f"process {endless.pid} on {socket.gethostname()} since 2"
    for words in ([], ["fresh=true"]):
        with pytest.raises(UserError, match=f"run is being trained by {who}.*name="):
            fit("rnn", "train.max_steps=1000000", "train.validate_every=1000000", *words)


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, capfd):
    assert Forked(lambda: exit_inside(exclusive_writer(tmp_path))).wait() == -signal.SIGKILL
    pid = json.loads((tmp_path / LOCK).read_text())["pid"]
    with exclusive_writer(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert f"process {pid} died while it trained {tmp_path}" in capfd.readouterr().err
    assert torn(tmp_path) == []


def exit_inside(block: contextlib.AbstractContextManager[None]) -> None:
    with block:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "here"}'])
def test_a_lock_that_says_nothing_is_free_where_nobody_holds_it(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with exclusive_writer(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_a_number_used_again_is_not_taken_for_its_former_owner(tmp_path):
    owner = {"host": socket.gethostname(), "pid": os.getppid(), "since": "yesterday"}
    (tmp_path / LOCK).write_text(json.dumps(owner))  # alive, but not at it
    with exclusive_writer(tmp_path):
        pass


def test_a_lock_of_another_machine_is_respected(tmp_path):
    (tmp_path / LOCK).write_text('{"host": "elsewhere", "pid": 7, "since": "today"}')
    message = rf"process 7 on elsewhere since today.*if it has died, delete {tmp_path / LOCK}"
    with pytest.raises(UserError, match=message), exclusive_writer(tmp_path):
        pass
    assert (tmp_path / LOCK).is_file()


def test_of_many_that_want_a_folder_one_gets_it_at_a_time(tmp_path):
    def work() -> None:
        for _ in range(30):
            with contextlib.suppress(UserError), exclusive_writer(tmp_path / "run"):
                (tmp_path / "inside").touch(exist_ok=False)
                (tmp_path / "inside").unlink()

    assert [training.wait() for training in [Forked(work) for _ in range(4)]] == [0] * 4


# --- signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_training_that_then_goes_on_exactly(
    fit, endless, tmp_path, capfd, number, status
):
    endless.kill(number)
    assert endless.wait() == status
    run, said = tmp_path / "run", (tmp_path / "words").read_text("utf-8")
    assert "stop requested" in said and "run the same command again" in said
    steps = info(run)["steps"]
    assert info(run)["status"] == "interrupted" and steps >= 10 and torn(run) == []
    assert len(Translator(run)(["two cats see trees"])) == 1
    words = [f"train.max_steps={steps + 3}", "train.validate_every=1000000"]
    assert result(fit("rnn", *words)) == result(fit("rnn", *words, name="whole"))
    assert f"resuming at step {steps}," in capfd.readouterr().err


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)]
)
def test_a_second_signal_ends_it_at_once(fit, tmp_path, number, status):
    def work() -> None:
        write = Saves.write

        def slow(saves: Saves, save: Save) -> None:
            if save.facts["progress"]["step"]:
                (tmp_path / "saving").write_text("now")
                time.sleep(60)
            write(saves, save)

        Saves.write = slow
        fit("rnn", "train.max_steps=1000000", "train.validate_every=1000000", SELDOM)

    training = Forked(work)
    training.wait_for(tmp_path / "run/log.jsonl", '"step": 2,')
    training.kill(signal.SIGTERM)
    training.wait_for(tmp_path / "saving", "now")
    training.kill(number)
    assert training.wait() == status
    assert {path.name for path in torn(tmp_path / "run")} <= {LOCK}
    assert Saves(tmp_path / "run").read(warn=pytest.fail).facts["progress"]["step"] == 0


def test_a_validation_is_cut_short_and_made_again(fit, tmp_path):
    def work() -> None:
        loss = Seq2Seq.loss

        def slow(self, batch, smoothing=0.0):
            if not self.training:
                (tmp_path / "looking").write_text("now")
                time.sleep(60)
            return loss(self, batch, smoothing)

        Seq2Seq.loss = slow
        fit("rnn", *BRIEF)

    training = Forked(work)
    training.wait_for(tmp_path / "looking", "now")
    training.kill(signal.SIGTERM)
    assert training.wait() == 143
    assert info(tmp_path / "run")["steps"] == 2
    assert result(fit("rnn", *BRIEF)) == result(fit("rnn", *BRIEF, name="whole"))


# --- numbers ------------------------------------------------------------------------------------


@pytest.fixture
def poison(monkeypatch) -> Callable[..., None]:
    """Have some batches of the training give a loss that is no number."""

    def spread(bad: Callable[[Batch], bool], value: float = math.nan) -> None:
        clean = Seq2Seq.loss

        def loss(self, batch: Batch, smoothing: float = 0.0):
            found = clean(self, batch, smoothing)
            return found * value if self.training and bad(batch) else found

        monkeypatch.setattr(Seq2Seq, "loss", loss)

    return spread


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_update_that_is_no_number_is_skipped_and_counted(fit, poison, value):
    words = ["rnn", "train.max_steps=1", "model.dropout=0.3"]
    beginning = fit(*words, "train.learning_rate=0", name="beginning")
    poison(lambda batch: True, value)
    run = fit(*words, "train.max_skipped=2")
    assert info(run)["skipped"] == 1 and info(run)["target_tokens"] == 0
    entry, _ = lines(run / "log.jsonl")
    assert (entry["loss"], entry["gradient_norm"], entry["skipped"]) == (None, None, 1)
    found, expected = (read_weights(path / "model.safetensors") for path in (run, beginning))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_single_skipped_updates_stop_nothing_and_survive_a_kill(fit, doomed, poison):
    poison(lambda batch: int(batch.src.sum()) % 3 == 0)
    words = ["rnn", "train.max_steps=12", "train.validate_every=4", "train.log_every=3", OFTEN]
    whole = fit(*words, name="whole")
    assert 2 <= info(whole)["skipped"] <= 8
    for updates in (3, 5):
        assert doomed(Learner, "update", updates, *words)
    assert result(fit(*words)) == result(whole)


def test_too_many_in_a_row_stop_it_and_the_last_good_state_is_kept(fit, poison, tmp_path):
    words = ["rnn", "train.max_steps=9", "train.validate_every=2", "train.max_skipped=2"]
    batches: list[torch.Size] = []

    def bad(batch: Batch) -> bool:
        batches.append(batch.src.shape)
        return len(batches) > 3

    poison(bad)
    with pytest.raises(UserError, match="in 2 updates in a row") as caught:
        fit(*words, OFTEN)
    run = tmp_path / "run"
    assert (info(run)["status"], info(run)["steps"], info(run)["skipped"]) == ("failed", 5, 2)
    wrong = info(run)["no_number"]
    assert wrong["step"] == 5 and len(wrong["pairs"]) == batches[-1][0]
    named = ", ".join(map(str, wrong["pairs"][:12]))
    assert f"lines {named}" in str(caught.value) and "train.de" in str(caught.value)
    assert Saves(run).read(warn=pytest.fail).facts["progress"]["step"] == 3


def test_the_lines_are_those_of_the_batch(fit, poison, phrases, tmp_path):
    target = (phrases / "train.de").read_text("utf-8").splitlines()
    number = 1 + max(range(len(target)), key=lambda row: len(target[row]))
    words = ["rnn", "train.max_steps=1000", "train.batch_tokens=30", "train.max_skipped=1"]
    other = fit("rnn", "train.max_steps=1", name="other")
    [ids] = Tokenizers.load(other).target.encode([target[number - 1]])
    poison(lambda batch: any(row[: len(ids)].tolist() == ids for row in batch.tgt_out))
    with pytest.raises(UserError, match="check these lines"):
        fit(*words)
    pairs = info(tmp_path / "run")["no_number"]["pairs"]
    assert number in pairs and len(pairs) <= 10


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_a_batch_that_does_not_fit_says_what_to_lower(fit, monkeypatch, error):
    def loss(*_):
        raise error

    monkeypatch.setattr(Seq2Seq, "loss", loss)
    message = (
        r"out of memory on a batch of \d+ pairs with up to \d+ source and \d+ target tokens: "
        r"lower train.batch_tokens=200"
    )
    with pytest.raises(UserError, match=message):
        fit("rnn")


def test_another_mistake_is_not_taken_for_a_lack_of_memory(fit, monkeypatch):
    def loss(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Seq2Seq, "loss", loss)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fit("rnn")


@pytest.mark.parametrize("stored", [True, False])
def test_a_resumed_run_keeps_the_meaning_of_keys_that_it_did_not_have(given, tmp_path, stored):
    """Text of an older run was normalized alike on both sides, and BLEU had one tokenizer."""
    config = given("tokenizer.target_normalization=identity", "data.bleu_tokenizer=char")
    written = dataclasses.asdict(config)
    if not stored:
        del written["tokenizer"]["target_normalization"], written["data"]["bleu_tokenizer"]
    write_config(tmp_path / "one", written)
    resumed = with_original_defaults(tmp_path / "one", config)
    kept = (resumed.tokenizer.target_normalization, resumed.data.get("bleu_tokenizer"))
    assert kept == (("identity", "char") if stored else (None, None))
