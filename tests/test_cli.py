"""The verbs as a person types them: train, evaluate, translate, align, compare, and their refusals.

One small Transformer is trained by the real command line and shared by all tests that only read it.
"""

import importlib
import inspect
import io
import json
import re
import select
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from safetensors import safe_open

import seq2seq
from seq2seq import cli
from seq2seq.commands.evaluate import score_table
from seq2seq.runs.weights import load_model

PATIENCE = 300  # seconds; what takes longer hangs

# What takes long to import: nothing of it for a help text, and no more than needed by a command.
COMPILER = ("torch._dynamo", "torch._inductor", "torch.onnx", "torch.distributed.tensor", "sympy")
TRAINING = (*COMPILER, "lightning_fabric", "hydra", "omegaconf", "datasets", "pyarrow", "pandas")
PICTURES = ("matplotlib", "plotly", "PIL")
SERVICES = ("huggingface_hub", "transformers", "starlette", "uvicorn", "requests", "httpx")
ASIDE = (*TRAINING, *PICTURES, *SERVICES, "sacrebleu")
HEAVY = (*ASIDE, "torch", "sentencepiece", "numpy", "safetensors", "jaxtyping")
UNUSED = {  # what a command that needs the run `seen` does not import
    ("translate", "RUN"): ASIDE,
    ("translate", "RUN", "--sample", "--device", "cpu"): ASIDE,
    ("evaluate", "RUN"): (*TRAINING, *PICTURES, *SERVICES),
    ("export-alignment", "RUN", "--test", "test", "--out", "test.align"): ASIDE,
    ("align", "RUN", "--source", "two cats", "--out", "map.png"): (*TRAINING, *SERVICES),
    ("compare", "RUN", "--out", "report"): (*TRAINING, *SERVICES, "torch", "sentencepiece"),
}
SOURCES = ["two cats see trees", "", "five birds hear songs today", "three girls like cars"]


@pytest.fixture(scope="session")
def lesson(tmp_path_factory, process, tiny):
    """A folder with `runs/seen`, trained and evaluated, and what the commands printed."""
    folder = tmp_path_factory.mktemp("lesson")
    words = tiny("transformer", "name=seen", "train.max_steps=120", "train.validate_every=60")
    printed = []
    for command in (["train", *words, "train.log_every=20"], ["evaluate", "runs/seen"]):
        started = process(*command, cwd=folder)
        printed.append((*started.communicate(), started.returncode))
    return folder, printed


@pytest.fixture(scope="session")
def run(lesson) -> Path:
    return lesson[0] / "runs" / "seen"


@pytest.fixture
def copy(run, tmp_path) -> Path:
    """The run, to be spoilt."""
    return Path(shutil.copytree(run, tmp_path / "runs" / "copy"))


def read_json(path: Path):
    return json.loads(path.read_text("utf-8"))


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]


# --- help and usage -----------------------------------------------------------------------------


def shown_and_imported(*words: object, stdin: str = "", quiet: bool = True) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and the modules that it has imported."""
    code = "import sys\nfrom seq2seq.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    given = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(given, input=stdin, capture_output=True, text=True, check=True)
    assert not quiet or done.stderr == ""
    shown, _, modules = done.stdout.removesuffix("\n").rpartition("\n")
    return shown, set(modules.split())


def test_help_answers_without_heavy_imports():
    shown, imported = shown_and_imported("--help")
    assert all(verb in shown for verb in ("train", "translate", "evaluate", "align"))
    assert {*HEAVY, "rich", "yaml"} & imported == set()


@pytest.mark.parametrize(
    "words",
    [["--version"], ["translate", "--help"], ["compare", "--help"], ["bench", "--help"]],
    ids=" ".join,
)
def test_light_commands_have_no_heavy_imports(words):
    assert set(HEAVY) & shown_and_imported(*words)[1] == set()


FIRST_UPDATE = """
import os, sys
from seq2seq.cli import main
from seq2seq.training.learner import Learner
update = Learner.update
def last(learner, loss):
    update(learner, loss)
    print(*sys.modules, flush=True)
    os._exit(0)
Learner.update = last
main()
"""


@pytest.mark.parametrize("more", ["deterministic=true", "train.optimizer=adadelta"])
def test_a_first_update_waits_for_no_import_that_it_does_not_need(tiny, tmp_path, more):
    given = [sys.executable, "-c", FIRST_UPDATE, "train", *tiny("bahdanau", "name=a", more)]
    done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {"torch", "lightning_fabric"} <= imported
    assert {*COMPILER, *PICTURES, *SERVICES, "datasets", "pyarrow", "pandas"} & imported == set()


@pytest.mark.parametrize("words", UNUSED, ids=lambda words: words[0])
def test_a_command_imports_no_library_that_it_does_not_use(words, copy, monkeypatch):
    monkeypatch.chdir(copy.parent)
    given = [str(copy) if word == "RUN" else word for word in words]
    _, imported = shown_and_imported(*given, stdin=f"{SOURCES[0]}\n", quiet=False)
    assert set(UNUSED[words]) & imported == set()


def test_the_help_lists_every_command_once_under_a_heading(command):
    shown = command("--help").out
    for verb in cli.app.registered_commands:
        assert shown.count(f"\n  {verb.name} ") == 1
    assert max(map(len, shown.splitlines())) <= 80
    for heading in cli.COMMANDS:
        assert f"\n{heading}:\n" in shown


def test_translating_waits_for_no_import_that_it_does_not_need(run):
    shown, imported = shown_and_imported("translate", run, stdin=f"{SOURCES[0]}\n")
    assert len(shown.splitlines()) == 1
    assert set(ASIDE) & imported == set()
    assert "torch" in imported


@pytest.mark.parametrize("verb", ["translate", "evaluate", "align", "compare", "bench"])
def test_every_verb_explains_itself(command, verb):
    answer = command(verb, "--help")
    assert answer.status == 0
    assert f"seq2seq {verb}" in answer.out


@pytest.mark.parametrize(
    "words",
    [
        ["teach"],
        ["translate"],
        ["evaluate"],
        ["translate", "runs/x", "--bean", "3"],
        ["translate", "runs/x", "--beam", "0"],
        ["translate", "runs/x", "--beam", "many"],
        ["evaluate", "runs/x", "--n-best", "2"],
        ["align", "runs/x", "--lines"],
    ],
)
def test_wrong_usage_is_status_two(command, words):
    answer = command(*words)
    assert (answer.status, answer.out) == (2, "")
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "options",
    [
        *(["--sample", option, "3"] for option in ("--beam", "--rounds", "--lengths")),
        ["--temperature", "0.5"],
        ["--top-k", "3"],
        ["--seed", "2"],
    ],
)
def test_searching_and_drawing_do_not_mix(command, run, options):
    assert command("translate", run, *options).status == 2


# --- train --------------------------------------------------------------------------------------


def test_training_prints_the_run_folder_and_nothing_else(lesson):
    (out, err, status), _ = lesson[1]
    assert (out, status) == ("runs/seen\n", 0), err
    assert err.startswith("run folder: runs/seen\n")
    assert "padding" in err and "parameters" in err


def test_the_run_folder_holds_what_was_promised(run):
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    hyps = {
        f"hyps/{t}/{side}.txt" for t in ("test", "validation") for side in ("source", "reference")
    }
    assert names >= {"config.yaml", "run.json", "log.jsonl", "model.safetensors", *hyps}
    assert names >= {"tokenizer.model", "checkpoints/step-00000120.safetensors", "scores.json"}
    assert not [name for name in names if name.endswith((".pt", ".pkl", ".ckpt", ".partial"))]


def test_run_json_tells_what_was_trained_on_what_with_what(run):
    info = read_json(run / "run.json")
    with safe_open(run / "model.safetensors", "pt") as file:
        sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    count = sum(shape[0] * (shape[1] if shape[1:] else 1) for shape in sizes)
    model, _ = load_model(seq2seq.runs.folder.RunFolder.open(run))
    assert info["parameters"] == count == model.parameter_count
    assert info["status"] == "finished" and info["steps"] == 120 and info["seed"] == 1
    assert info["model"]["kind"] == "Transformer" and info["model"]["source_vocab"] == 90
    train, validation = info["data"]["train"], info["data"]["validation"]
    assert (train["pairs"], train["used"], validation["pairs"]) == (176, 176, 20)
    assert 0 <= train["padding"] < 0.1
    assert all(re.fullmatch("[0-9a-f]{64}", part["sha256"]) for part in (train, validation))
    assert {"python", "seq2seq", "torch", "sacrebleu"} <= info["versions"].keys()
    checkout = (Path(seq2seq.__file__).parents[1] / ".git").exists()
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?" if checkout else "None", str(info["commit"]))
    assert info["minutes"] > 0 and info["target_tokens_per_second"] > 0


def test_the_log_is_json_line_by_line_and_goes_forward(run):
    entries = log(run)
    steps = [entry["step"] for entry in entries]
    assert steps == sorted(steps)
    assert [e["step"] for e in entries if "loss" in e] == [20, 40, 60, 80, 100, 120]
    assert [e["step"] for e in entries if "validation_bleu" in e] == [60, 120]


def test_the_best_validation_is_what_run_json_calls_best(run):
    validations = [entry for entry in log(run) if "validation_bleu" in entry]
    best = max(validations, key=lambda entry: entry["validation_bleu"])
    found = read_json(run / "run.json")["best"]
    expected = [best[key] for key in ("step", "validation_loss", "validation_bleu")]
    assert [found[key] for key in ("step", "loss", "bleu")] == expected


def test_the_stored_configuration_trains_the_same_run_again(run):
    stored = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    assert seq2seq.settings.config.Config.read(stored).train.max_steps == 120


def test_another_seed_is_refused_and_fresh_moves_the_old_run_aside(command, tiny, tmp_path):
    words = ["train", *tiny("rnn", "name=one", "train.max_steps=1")]
    assert command(*words).status == 0
    weights = (tmp_path / "runs/one/model.safetensors").read_bytes()
    command(*words, "seed=2").must_refuse("runs/one", "fresh=true", "name=")
    assert command(*words, "seed=2", "fresh=true").out == "runs/one\n"
    [old], new = (tmp_path / "runs").glob("one.*"), tmp_path / "runs/one"
    assert (old / "model.safetensors").read_bytes() == weights
    assert {path.name for path in old.iterdir()} == {path.name for path in new.iterdir()}
    assert (tmp_path / "runs/one/model.safetensors").read_bytes() != weights


# --- evaluate -----------------------------------------------------------------------------------


def test_scores_carry_their_signatures_and_their_origin(run):
    scores = read_json(run / "scores.json")
    assert scores.keys() == {"test"}
    entry = scores["test"]
    for metric in ("bleu", "bleu_lowercase", "chrf", "ter"):
        assert entry[metric].keys() == {"score", "signature"}
        assert "version:" in entry[metric]["signature"]
    assert "case:mixed" in entry["bleu"]["signature"]
    assert "case:lc" in entry["bleu_lowercase"]["signature"]
    assert "bleu_tokenized" not in entry
    assert entry["perplexity"]["score"] > 1
    assert entry["seconds"] > 0 and entry["sentences_per_second"] > 0
    assert entry["test"]["lines"] == 20
    assert {"config", "data", "seed", "versions", "commit", "machine", "search"} <= entry.keys()


def test_the_table_goes_to_standard_output_and_the_rest_to_standard_error(lesson):
    _, (out, err, status) = lesson[1]
    assert status == 0
    assert "BLEU" in out and "chrF" in out and "test" in out and "wrote" not in out
    assert "wrote runs/seen/scores.json" in err and "BLEU" not in err


def test_the_sacrebleu_command_finds_the_same_bleu(run):
    files = [str(run / "hyps/test" / f"{side}.txt") for side in ("reference", "hypothesis")]
    words = [sys.executable, "-m", "sacrebleu", files[0], "-i", files[1], "-b", "-w", "6"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(
        read_json(run / "scores.json")["test"]["bleu"]["score"], abs=1e-6
    )


def test_a_test_set_is_evaluated_by_name_and_the_others_stay(command, copy):
    before = read_json(copy / "scores.json")["test"]
    answer = command("evaluate", copy, "--test", "validation", "--beam", "2")
    assert answer.status == 0 and "validation" in answer.out
    scores = read_json(copy / "scores.json")
    assert scores["test"] == before
    assert scores["validation"]["search"]["beam"] == 2
    assert len((copy / "hyps/validation/hypothesis.txt").read_text("utf-8").splitlines()) == 20


def test_an_unknown_test_set_is_refused_with_the_nearest_one(command, run):
    command("evaluate", run, "--test", "tst").must_refuse("'tst'", "did you mean 'test'?")


def test_tokenized_bleu_is_measured_where_the_corpus_is_tokenised(command, tiny):
    words = tiny("rnn", "train.max_steps=1", "data.tokenized=true", "name=tok")
    assert command("train", *words).status == 0
    assert "tokens" in command("evaluate", "runs/tok").out
    assert (
        "tok:none" in read_json(Path("runs/tok/scores.json"))["test"]["bleu_tokenized"]["signature"]
    )


# --- translate ----------------------------------------------------------------------------------


def test_translate_is_a_filter(process, run, tmp_path):
    started = process("translate", run, cwd=tmp_path)
    out, err = started.communicate("".join(f"{line}\n" for line in SOURCES))
    lines = out.split("\n")
    assert (started.returncode, err) == (0, "")
    assert len(lines) == len(SOURCES) + 1 and lines[-1] == ""
    assert [bool(line) for line in lines[:-1]] == [bool(line) for line in SOURCES]


def test_a_line_is_translated_alike_alone_and_in_company(command, run):
    together = command("translate", run, stdin="\n".join(SOURCES)).out.split("\n")
    alone = [command("translate", run, stdin=line + "\n").out for line in SOURCES]
    assert together[:-1] == [line.removesuffix("\n") for line in alone]
    turned = command("translate", run, stdin="\n".join(reversed(SOURCES))).out.split("\n")
    assert turned[:-1] == together[-2::-1]


def test_n_best_lists_are_numbered_and_best_first(command, run):
    best = command("translate", run, "--beam", 3, stdin=SOURCES[0]).out
    out = command("translate", run, "--beam", 3, "--n-best", 3, stdin="\n".join(SOURCES)).out
    rows = [line.split(" ||| ") for line in out.splitlines()]
    assert [row[0] for row in rows] == [*"000", "1", *"222", *"333"]
    assert rows[0][1] == best.removesuffix("\n")
    scores = [float(row[2]) for row in rows[:3]]
    assert scores == sorted(scores, reverse=True)


def test_max_length_is_kept_and_said(command, run):
    answer = command("translate", run, "--max-length", 1, stdin="two cats see trees\n")
    assert len(answer.out.split()) <= 1
    assert "line 1" in answer.err and "--max-length" in answer.err


def test_drawing_is_repeated_by_its_seed_alone(command, run):
    def draw(seed: int) -> str:
        words = ["--sample", "--temperature", 2, "--seed", seed]
        return command("translate", run, *words, stdin="\n".join(SOURCES)).out

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_line_of_five_thousand_words_is_translated_and_remarked_upon(command, run):
    answer = command("translate", run, "--beam", 1, stdin="cars " * 5000 + "\ntwo cats see trees\n")
    assert answer.status == 0
    assert len(answer.out.splitlines()) == 2
    assert "line 1: " in answer.err and "trained on at most 100" in answer.err
    assert "line 2" not in answer.err


@pytest.mark.parametrize(
    "line",
    ["🐈 sees 🌳 👩‍👩‍👧", "two\x00cats\x07\x1b[31m", "a\u2028b\x85c\x0cd\re", "   ", "\ufeff"],
    ids=["emoji", "control", "breaks", "spaces", "mark"],
)
def test_any_line_gives_one_line(command, run, line):
    answer = command("translate", run, stdin=f"{line}\ntwo cats see trees\n")
    assert answer.status == 0
    assert answer.out.count("\n") == 2


def test_a_line_that_is_not_utf8_is_refused_by_its_number(command, run):
    answer = command("translate", run, stdin=b"two cats\n\xff\n")
    assert answer.status == 1 and answer.out.count("\n") == 1
    assert answer.err.startswith("seq2seq: standard input is not UTF-8 at line 2")


def test_translate_searches_as_the_library_does(command, copy):
    config = yaml.safe_load((copy / "config.yaml").read_text("utf-8"))
    limits = {key: config["search"][key] for key in ("max_length", "length_ratio", "length_extra")}
    sample = {"name": "sample", "temperature": 2.0, "top_k": 9, "top_p": 0.9}
    for search in (config["search"] | {"beam": 4}, {**sample, "seed": 3, **limits}):
        (copy / "config.yaml").write_text(yaml.safe_dump({**config, "search": search}), "utf-8")
        translator = seq2seq.Translator(copy, device="cpu")
        expected = [found.text for found in translator(SOURCES)]
        assert command("translate", copy, stdin="\n".join(SOURCES)).out.split("\n")[:-1] == expected
        for n in (3, 6):
            lines = [
                f"{number} ||| {found.text} ||| {found.score:.4f}"
                for number, group in enumerate(translator.n_best(SOURCES, n))
                for found in group
            ]
            answer = command("translate", copy, "--n-best", n, stdin="\n".join(SOURCES))
            assert answer.out.splitlines() == lines


# A command's function, and the functions whose defaults it may not contradict.
BEHIND = {
    "translate": [
        "translation.translator.run_search",
        "translation.translator.sampling",
        "translation.translator.Translator.n_best",
    ],
    "evaluate": ["commands.evaluate.evaluate"],
    "align": ["commands.align.align"],
    "score_alignment": ["commands.score_alignment.score_alignment"],
    "score_contrast": ["commands.score_contrast.score_contrast"],
    "score_deletion": ["commands.score_deletion.score_deletion"],
    "export_alignment": ["commands.export_alignment.export_text"],
    "plot": ["commands.plot.plot"],
    "compare": ["compare.comparison.compare"],
    "demo": ["commands.demo.demo"],
    "bench": ["commands.bench.bench"],
}


@pytest.mark.parametrize("verb", BEHIND)
def test_no_option_contradicts_the_default_of_the_function_behind_it(verb):
    given = inspect.signature(getattr(cli, verb)).parameters
    for path in BEHIND[verb]:
        folder, module, *parts = path.split(".")
        found = importlib.import_module(f"seq2seq.{folder}.{module}")
        for part in parts:
            found = getattr(found, part)
        for name, parameter in inspect.signature(found).parameters.items():
            if name in given and parameter.default is not parameter.empty:
                default = given[name].default
                said = None if (name, default) == ("rule", "run") else default
                assert (said or None) == (parameter.default or None), (path, name)


def test_a_program_may_write_a_line_and_wait_for_its_translation(process, run, tmp_path):
    expected = [found.text for found in seq2seq.Translator(run, device="cpu")(SOURCES)]
    started = process("translate", run, "--device", "cpu", cwd=tmp_path)
    for source, text in zip(SOURCES, expected, strict=True):
        started.stdin.write(f"{source}\n")
        started.stdin.flush()
        ready, _, _ = select.select([started.stdout], [], [], PATIENCE)
        assert ready, "no answer"
        assert started.stdout.readline() == f"{text}\n"
    out, err = started.communicate()
    assert (out, err, started.returncode) == ("", "", 0)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "> /dev/full", "| head -c 0", "2>&-"])
@pytest.mark.parametrize("words", ["translate RUN", "evaluate nowhere", "--help"])
def test_closed_and_full_descriptors_end_in_a_sentence(run, tmp_path, closed, words):
    if closed.endswith("full") and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    program = shlex.join([sys.executable, "-m", "seq2seq.cli"])
    script = f"{program} {words.replace('RUN', shlex.quote(str(run)))} {closed}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, input="two cats\n" * 9, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    if closed == "2>&-" and words != "--help":
        assert "seq2seq:" not in done.stdout
    if closed == "> /dev/full" and words != "evaluate nowhere":
        assert done.stderr == "seq2seq: No space left on device: standard output\n"


@pytest.mark.parametrize(
    "options",
    [
        *(["--sample", "--temperature", bad] for bad in ("nan", "inf", "1e-39", "0", "-1")),
        *(["--sample", "--top-p", bad] for bad in ("nan", "0", "2")),
        ["--sample", "--n-best", "20000"],
        ["--sample", "--top-k", "9" * 30],
        ["--sample", "--seed", "-1"],
        ["--max-length", "1000000000"],
        ["--max-length", "0"],
        *([option, bad] for option in ("--beam", "--rounds", "--lengths") for bad in ("0", "1001")),
        ["--n-best", "0"],
    ],
    ids=" ".join,
)
def test_numbers_out_of_range_are_refused_under_the_users_name(command, run, options):
    answer = command("translate", run, *options, stdin="two cats\n")
    assert (answer.status, answer.out) == (2, "")
    assert options[-2] in answer.err


@pytest.mark.parametrize("line", ["0", "-1", "9" * 30, "999"])
def test_a_line_to_plot_that_is_not_there_is_refused_under_the_users_name(command, run, line):
    answer = command("plot", "runs", run, "--test", "test", "--line", line)
    assert answer.status in (1, 2) and "--line" in answer.err and "--lines" not in answer.err


# --- align --------------------------------------------------------------------------------------


def matrix(path: Path) -> dict:
    found = read_json(path)
    weights = found["weights"]
    assert len(weights) == len(found["target_words"])
    assert all(len(row) == len(found["source_words"]) for row in weights)
    assert [sum(row) for row in weights] == pytest.approx([1] * len(weights), abs=1e-4)
    return found


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_a_sentence_is_drawn_and_its_matrix_lies_beside(command, run, tmp_path, ending, magic):
    picture = tmp_path / f"cats.{ending}"
    answer = command("align", run, "--source", "two cats see trees", "--out", picture)
    assert (answer.status, answer.out) == (0, "")
    assert f"wrote {picture}" in answer.err
    assert picture.read_bytes().startswith(magic)
    found = matrix(tmp_path / "cats.json")
    assert found["source_words"] == ["two", "cats", "see", "trees", "</s>"]
    assert found["target_words"][-1] == "</s>" and not found["forced"]


def test_a_given_translation_is_read(command, run, tmp_path):
    words = ["--source", "two cats", "--target", "zwei Vögel", "--out", "given.png"]
    assert command("align", run, *words).status == 0
    found = matrix(tmp_path / "given.json")
    assert found["target_words"] == ["zwei", "Vögel", "</s>"] and found["forced"]


def test_lines_of_a_test_set_are_drawn_into_the_run(command, copy):
    answer = command("align", copy, "--test", "test", "--lines", "2,4-5", "--reference")
    assert answer.status == 0
    names = {path.name for path in (copy / "align").iterdir()}
    assert names == {f"test-{n}.{ending}" for n in (2, 4, 5) for ending in ("png", "json")}
    sources = (copy / "hyps/test/source.txt").read_text("utf-8").splitlines()
    references = (copy / "hyps/test/reference.txt").read_text("utf-8").splitlines()
    found = matrix(copy / "align/test-4.json")
    assert (found["source"], found["target"]) == (sources[3], references[3])


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--source", "two", "--out", "a.jpg"], ["a.jpg", ".png, .svg, .pdf"]),
        (["--test", "test", "--lines", "3,21"], ["3,21", "from 1 to 20"]),
        (["--test", "test", "--lines", "0"], ["from 1 to 20"]),
        (["--test", "test", "--lines", "two"], ["'two'", "1-5"]),
        (["--test", "tets", "--lines", "1"], ["'tets'", "did you mean 'test'?"]),
        (["--test", "test"], ["--lines"]),
        (["--source", "two", "--lines", "1"], ["--lines", "--test NAME"]),
        (["--lines", "1"], ["--test NAME"]),
        (["--test", "test", "--lines", "1", "--target", "zwei"], ["--target", "--source"]),
        (["--source", "two", "--layer", "3"], ["no layer 3", "has 2"]),
        (["--source", ""], ["empty"]),
    ],
)
def test_what_cannot_be_aligned_is_refused(command, run, words, parts):
    command("align", run, *words).must_refuse(*parts)


def test_a_test_set_is_scored_against_gold_and_the_best_reading_is_kept(command, copy, tmp_path):
    """The corpus is word by word, so the gold is the diagonal."""
    sources = (copy / "hyps/test/source.txt").read_text("utf-8").splitlines()
    gold = tmp_path / "links.txt"
    gold.write_text(
        "".join(" ".join(f"{i}-{i}" for i in range(len(s.split()))) + "\n" for s in sources)
    )
    answer = command("score-alignment", copy, "--test", "test", "--gold", gold, "--rule", "auto")
    assert answer.status == 0, answer
    assert "AER at the row that predicts a token" in answer.out
    assert "the diagonal" in answer.out and "0.000" in answer.out  # the diagonal is the gold
    best = min(
        reading["aer"] for reading in read_json(copy / "align/test.readings.json")["readings"]
    )
    assert f"*{best:.3f}" in answer.out
    assert read_json(copy / "align/rule.json")["aer"] == best
    gold.write_text("0-0\n1:1\n" + "\n" * (len(sources) - 2))
    again = command("score-alignment", copy, "--test", "test", "--gold", gold)
    again.must_refuse("links.txt, line 2", "'1:1'")


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("align", ["--source", "a", "--gold", "x"]),
        ("align", ["--source", "a", "--back", "x"]),
        ("align", ["--source", "a", "--threshold", "0.2"]),
        ("align", ["--source", "a", "--rule", "auto"]),
        ("score-alignment", ["--test", "test", "--reference"]),
        ("score-alignment", ["--test", "test", "--beam", "7"]),
        ("score-alignment", ["--test", "test", "--lines", "1"]),
        ("score-alignment", ["--test", "test", "--rule", "auto", "--layer", "1"]),
        ("score-alignment", ["--test", "test", "--threshold", "0.2", "--end", "keep"]),
        ("export-alignment", ["--test", "test"]),
        ("export-alignment", ["--test", "test", "--out", "x.align", "--gold", "x"]),
        ("export-alignment", ["--test", "test", "--out", "x.npz", "--threshold", "0.2"]),
    ],
)
def test_an_option_of_another_command_or_without_effect_is_refused(command, run, verb, words):
    assert command(verb, run, *words).status == 2


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--test", "test", "--gold-format", "naacl"], "--gold-format needs --gold"),
        (["--text", "a", "b"], "--text SOURCE TARGET with --gold"),
        (["--test", "test", "--text", "a", "b"], "give --test NAME, or --text"),
    ],
)
def test_options_that_need_others_are_refused(command, run, words, part):
    command("score-alignment", run, *words).must_refuse(part)


def test_all_links_of_a_test_set_are_written(command, run, tmp_path):
    out = tmp_path / "test.align"
    answer = command("export-alignment", run, "--test", "test", "--out", out)
    assert answer.status == 0 and f"wrote {out}" in answer.err
    assert len(out.read_text("ascii").splitlines()) == 20


def test_a_figure_of_all_heads_is_drawn(command, run, tmp_path):
    out = tmp_path / "heads.pdf"
    words = ["plot", "heads", run, "--test", "test", "--line", "2", "--out", out]
    assert command(*words).status == 0
    assert out.read_bytes().startswith(b"%PDF")
    command(*words[:5]).must_refuse("--line")


def test_a_model_without_attention_says_so(command, tiny):
    assert command("train", *tiny("rnn", "train.max_steps=1", "name=plain")).status == 0
    command("align", "runs/plain", "--source", "two cats").must_refuse("has no attention")
    assert not Path("runs/plain/align").exists()


# --- compare ------------------------------------------------------------------------------------


def test_runs_are_put_side_by_side(command, run, copy, tmp_path):
    assert command("evaluate", copy, "--beam", 1).status == 0
    answer = command("compare", run, copy, "--out", "report")
    assert answer.status == 0
    assert "seen" in answer.out and "copy" in answer.out and "BLEU" in answer.out
    assert read_json(tmp_path / "report/report.json")
    assert "| seen |" in (tmp_path / "report/report.md").read_text("utf-8")
    assert "wrote report/report.md" in answer.err


def test_a_run_that_is_not_evaluated_cannot_be_compared(command, run, copy):
    (copy / "scores.json").unlink()
    command("compare", run, copy).must_refuse("not evaluated", "seq2seq evaluate")


# --- run folders that are none ------------------------------------------------------------------


def absent(copy: Path) -> tuple[Path, list[str]]:
    return copy.with_name("copi"), ["no run folder", "did you mean 'copy'?"]


def empty(copy: Path) -> tuple[Path, list[str]]:
    return copy.parent, ["is not a run folder", "config.yaml"]


def unfinished(copy: Path) -> tuple[Path, list[str]]:
    (copy / "model.safetensors").unlink()
    return copy, ["incomplete", "model.safetensors"]


def damaged(copy: Path) -> tuple[Path, list[str]]:
    (copy / "model.safetensors").write_bytes(b"no weights")
    return copy, ["model.safetensors", "safetensors"]


def garbled(copy: Path) -> tuple[Path, list[str]]:
    (copy / "run.json").write_text("{")
    return copy, ["cannot be read"]


def newer(copy: Path) -> tuple[Path, list[str]]:
    info = read_json(copy / "run.json") | {"format": 99}
    (copy / "run.json").write_text(json.dumps(info))
    return copy, ["format 99", "formats up to 2"]


@pytest.mark.parametrize("spoil", [absent, empty, unfinished, damaged, garbled, newer])
def test_what_is_no_run_is_refused_by_name(command, copy, spoil):
    path, parts = spoil(copy)
    for verb in (["translate"], ["evaluate"], ["align", "--source", "two"]):
        command(verb[0], path, *verb[1:]).must_refuse(*parts)


def test_a_device_that_is_not_there_is_refused(command, run):
    command("translate", run, "--device", "cdua").must_refuse("no device 'cdua'")


# --- corpora that are none ----------------------------------------------------------------------


def missing(corpus: Path) -> list[str]:
    (corpus / "train.de").unlink()
    return ["train.de", "no file"]


def unequal(corpus: Path) -> list[str]:
    with (corpus / "train.de").open("a") as file:
        file.write("eins\n")
    return ["train.en has 176 lines", "train.de has 177"]


def not_utf8(corpus: Path) -> list[str]:
    lines = (corpus / "train.en").read_bytes().split(b"\n")
    lines[6] = b"caf\xe9"
    (corpus / "train.en").write_bytes(b"\n".join(lines))
    return ["train.en is not UTF-8 at line 7"]


def without_lines(corpus: Path) -> list[str]:
    for language in ("en", "de"):
        (corpus / f"train.{language}").write_text("")
    return ["train is empty", "train.en"]


def without_words(corpus: Path) -> list[str]:
    for language in ("en", "de"):
        (corpus / f"train.{language}").write_text("\n\n\n")
    return ["train"]


def missing_test(corpus: Path) -> list[str]:
    (corpus / "test.en").unlink()
    return ["test.en", "no file"]


def empty_validation(corpus: Path) -> list[str]:
    for language in ("en", "de"):
        (corpus / f"validation.{language}").write_text("")
    return ["validation is empty"]


SPOILT = [missing, unequal, not_utf8, without_lines, without_words, missing_test, empty_validation]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_corpus_is_refused_and_leaves_no_folder(command, tiny, phrases, tmp_path, spoil):
    corpus = Path(shutil.copytree(phrases, tmp_path / "corpus"))
    parts = spoil(corpus)
    command("train", *tiny("rnn", f"data.root={corpus}", "name=never")).must_refuse(*parts)
    assert not Path("runs/never").exists()


def test_a_refused_name_is_free_once_the_corpus_is_mended(command, tiny, phrases, tmp_path):
    corpus = Path(shutil.copytree(phrases, tmp_path / "corpus"))
    words = ["train", *tiny("rnn", f"data.root={corpus}", "train.max_steps=1", "name=again")]
    parts = unequal(corpus)
    command(*words).must_refuse(*parts)
    shutil.copytree(phrases, corpus, dirs_exist_ok=True)
    assert command(*words).out == "runs/again\n"


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("tokenizer.vocab_size=5000", ["tokenizer.vocab_size=5000", "largest possible is 2"]),
        ("tokenizer.vocab_size=10", ["tokenizer.vocab_size=10", "too small"]),
        ("data.max_length=1", ["no training pair is left of 176", "data.max_length=1"]),
        ("data.max_length=0", ["data.max_length"]),
        ("train.batch_tokens=3", ["train.batch_tokens=3", "longest training pair"]),
        ("model.heads=3", ["32", "3"]),
        ("search.beam=0", ["search.beam"]),
        ("trainer.accelerator=cuda", ["trainer.accelerator=cuda"]),
        ("trainer.devices=100", ["trainer.devices=100"]),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_no_folder(command, tiny, word, parts):
    import torch

    if "cuda" in word and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    command("train", *tiny("transformer", word, "name=never")).must_refuse(*parts)
    assert not Path("runs/never").exists()


def test_a_corpus_smaller_than_one_batch_is_trained_on(command, tiny):
    words = ["data.train=heart", "train.batch_tokens=100000", "train.max_steps=2"]
    answer = command("train", *tiny("rnn", *words, "tokenizer.vocab_size=60", "name=small"))
    assert answer.status == 0
    assert read_json(Path("runs/small/run.json"))["data"]["train"]["batches"] == 1


def test_a_process_of_its_own_ends_in_the_same_sentence_and_status(process, tmp_path):
    started = process("translate", "runs/none", cwd=tmp_path)
    out, err = started.communicate("two cats\n")
    assert (started.returncode, out) == (1, "")
    assert err == "seq2seq: there is no run folder 'runs/none'\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_of_scores_is_whole_at_any_width(width):
    kinds = [
        "bleu",
        "bleu_lowercase",
        "bleu_tokenized",
        "chrf",
        "ter",
        "perplexity",
        "exact_match",
        "agreement",
        "pronoun",
    ]
    entry = {kind: {"score": 123.456} for kind in kinds} | {"sentences_per_second": 1234.5}
    name = "test_2016_flickr_with_a_long_name"
    file = io.StringIO()
    Console(file=file, width=width).print(score_table({name: entry, "[bold]": entry}))
    text = file.getvalue()
    assert "…" not in text and all(len(line.rstrip()) <= width for line in text.splitlines())
    assert "[bold]" in text and text.count("123.46") == 2 * len(kinds)


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["align", "RUN", "--source", "two", "--out", "PLACE"], False),
        (["plot", "heads", "RUN", "--source", "two", "--out", "PLACE"], False),
        (["score-alignment", "RUN", "--test", "test", "--out", "PLACE"], False),
        (["export-alignment", "RUN", "--test", "test", "--out", "PLACE"], False),
        (["bench", "--json", "PLACE"], False),
        (["compare", "RUN", "--out", "PLACE"], True),
        (["demo", "--out", "PLACE"], True),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(command, run, words, folder):
    Path("folder").mkdir()
    Path("file").touch()
    option = words[-2]
    for place in ("file/x.json", "file/x/y.json", "file" if folder else "folder"):
        given = [
            place if word == "PLACE" else str(run) if word == "RUN" else word for word in words
        ]
        command(*given).must_refuse(f"{option} {place}", "is a f")
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    "words",
    [
        ["heads", "run", "--test", "test"],
        ["score-alignment", "run"],
        ["score-contrast", "run"],
        ["score-deletion", "run", "--test", "test"],
        ["evaluate", "run"],
        ["compare", "run"],
        ["bench"],
    ],
    ids=lambda words: words[0],
)
def test_a_closed_output_is_refused_before_the_work(command, monkeypatch, tmp_path, words):
    (tmp_path / "run").mkdir()  # not even looked into
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", None)
    command(*words).must_refuse("standard output is closed")
