"""Run folders from strangers: each attack ends in one sentence, and nothing runs, leaks or swells.

Every attack is made on a run that would translate; the last test of a kind is that it still does
without the attack.
"""

import json
import os
import pickle
import resource
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from untrained_runs import ENGLISH, MODELS, make_run, write_test_set

from seq2seq.commands.evaluate import evaluate
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.untrusted import MAX_YAML_BYTES, read_json, read_yaml, refuse_outside_links
from seq2seq.runs.weights import build_model, load_model
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translator import Translator


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("untrusted")
    return {name: write_test_set(make_run(folder / name, name, shared=True)) for name in MODELS}


@pytest.fixture
def run(runs, tmp_path) -> Path:
    return Path(shutil.copytree(runs["bahdanau"], tmp_path / "run"))


def configure(run: Path, section: str, **changes: object) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    section_now = config[section] | changes
    config[section] = {key: value for key, value in section_now.items() if value is not None}
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def refused(run: Path) -> str:
    with pytest.raises(UserError) as caught:
        Translator(run, device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_an_honest_run_is_read(runs, name):
    assert len(Translator(runs[name], device="cpu")(ENGLISH)) == 3


# --- code ---------------------------------------------------------------------------------------


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.mark),)


def pickled(run: Path, mark: Path) -> None:
    (run / "model.safetensors").write_bytes(pickle.dumps(Bomb(mark)))


def torch_pickled(run: Path, mark: Path) -> None:
    torch.save({"x": Bomb(mark)}, run / "model.safetensors")


def pickled_vocabulary(run: Path, mark: Path) -> None:
    (run / "tokenizer.model").write_bytes(pickle.dumps(Bomb(mark)))


def yaml_object(run: Path, mark: Path) -> None:
    with (run / "config.yaml").open("a") as file:
        file.write(f"name: !!python/object/apply:os.mkdir ['{mark}']\n")


def os_mkdir(run: Path, mark: Path) -> None:
    configure(run, "model", name=None, _target_="os.mkdir", path=str(mark))


def os_mkdir_to_search(run: Path, mark: Path) -> None:
    configure(run, "search", name=None, _target_="os.mkdir", path=str(mark))


def module_of_the_folder(run: Path, mark: Path) -> None:
    (run / "evil.py").write_text(f"import os; os.mkdir({str(mark)!r})\nclass Model: pass\n")
    configure(run, "model", name=None, _target_="evil.Model")


CODE = [pickled, torch_pickled, pickled_vocabulary, yaml_object, os_mkdir, os_mkdir_to_search]


@pytest.mark.parametrize("attack", [*CODE, module_of_the_folder])
def test_no_code_is_run(run, tmp_path, monkeypatch, attack):
    monkeypatch.chdir(run)
    monkeypatch.syspath_prepend(str(run))
    attack(run, tmp_path / "mark")
    refused(run)
    assert not (tmp_path / "mark").exists() and "evil" not in sys.modules


def test_the_pickles_of_these_tests_would_run_code(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["os.system", "builtins", "..rnn", "base", 3, None])
def test_a_foreign_class_is_refused_by_name(run, name):
    configure(run, "model", name=name)
    assert "model" in refused(run)


def test_a_module_path_of_version_0_1_0_chooses_no_foreign_class(run):
    configure(run, "model", name=None, _target_=3)
    assert "unknown key 'model._target_'" in refused(run) or "not set" in refused(run)


# --- what the environment knows -----------------------------------------------------------------


def test_interpolations_of_a_stored_configuration_are_text(command, run, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    secret = "${oc.env:SECRET}"
    configure(run, "data", target=secret, source=secret)
    answer = command("evaluate", run)
    written = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    assert answer.status == 0
    assert b"hunter2" not in b"".join(written) and "hunter2" not in answer.out + answer.err
    assert (
        json.loads((run / "scores.json").read_text())["test"]["config"]["data"]["target"] == secret
    )
    configure(run, "search", beam=secret)
    assert refused(run) == f"search.beam={secret} must be a whole number"


# --- memory -------------------------------------------------------------------------------------


def header(run: Path, content: object, length: int | None = None) -> None:
    raw = json.dumps(content).encode()
    size = struct.pack("<Q", len(raw) if length is None else length)
    (run / "model.safetensors").write_bytes(size + raw + bytes(64))


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 1 << 62]},
        {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 64]},
        {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 64]},
        {"dtype": "F32", "shape": [0, 1 << 60], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [16], "data_offsets": [1 << 60, (1 << 60) + 64]},
        {"dtype": "F999", "shape": [16], "data_offsets": [0, 64]},
        {"dtype": "F32", "shape": [-16], "data_offsets": [0, 64]},
        {"dtype": "F32", "shape": [16], "data_offsets": [64, 0]},
        {},
        [],
    ],
)
def test_a_header_that_lies_is_refused(run, entry):
    header(run, {"score.key.weight": entry})
    assert "model.safetensors" in refused(run)


@pytest.mark.parametrize("length", [1 << 60, (1 << 64) - 1, 0])
def test_a_header_of_the_wrong_length_is_refused(run, length):
    header(run, {}, length)
    assert "model.safetensors cannot be read as safetensors" in refused(run)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.complex64, torch.float8_e4m3fn])
def test_weights_that_are_no_floats_are_refused(run, dtype):
    file = run / "model.safetensors"
    model, _ = load_model(RunFolder.open(run))
    save_file({name: p.detach().to(dtype) for name, p in model.named_parameters()}, file)
    assert "not F16, BF16, F32, F64" in refused(run)


@pytest.fixture
def little_memory():
    """Of a gigabyte more than is used now, whoever takes it fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


LARGE = [
    (name, key, value)
    for name, model in MODELS.items()
    for key, value_now in model.items()
    if isinstance(value_now, int) and not isinstance(value_now, bool)
    for value in (10**6, 10**9, (1 << 63) - 2)
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("name", "key", "value"), LARGE)
def test_sizes_are_held_against_the_file_before_memory_is_taken(
    runs, tmp_path, little_memory, name, key, value
):
    run = Path(shutil.copytree(runs[name], tmp_path / "run"))
    configure(run, "model", **{key: value})
    said = refused(run)
    assert any(
        part in said
        for part in (
            "does not fit the model",
            "cannot be built",
            "must be at most",
            "must be even",
            "a multiple",
        )
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_new_model_of_an_absurd_size_is_refused(runs, name):
    tokenizers = Tokenizers.load(runs[name])
    with pytest.raises(UserError, match=r"model\.dim=1000000000000 must be at most 1048576"):
        build_model(MODELS[name] | {"dim": 10**12}, tokenizers)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beam", 10**9),
        ("max_length", 10**12),
        ("length_ratio", float("nan")),
        ("length_ratio", float("inf")),
        ("length_penalty", float("nan")),
    ],
)
def test_a_search_without_bounds_is_refused(run, key, value):
    configure(run, "search", **{key: value})
    assert f"search.{key}" in refused(run)


def test_a_yaml_bomb_does_not_swell(run, little_memory):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with (run / "config.yaml").open("a") as file:
        file.write("\n".join(lines))
    assert "alias" in refused(run)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("{a: " * 20_000, "nested too deeply"),
        ("x: 0x" + "f" * 100_000, "more than 64 bits"),
        ("x: " + "9" * 10_000, ""),
        ("x: " + ":".join(["59"] * 50_000), ""),
        ("a: b\n" * MAX_YAML_BYTES, "but the maximum is"),
        ("- a\n- b\n", "is not a mapping"),
        ("model: [1, 2]", "model=[1, 2] must be a mapping"),
        ("data: 3", "data=3 must be a mapping"),
        ("data: {max_length: long}", "data.max_length=long must be a whole number"),
        ("data: {target: [en]}", "data.target=['en'] must be text"),
        ("a: *b", "alias"),
        ("? [a, b]\n: c", ""),
        ("a: !!binary x", ""),
        ("a: !!timestamp 2001-99-99", ""),
        ("\x00", ""),
    ],
)
def test_a_hostile_configuration_is_one_sentence(run, content, reason):
    (run / "config.yaml").write_text(content)
    assert reason in (said := refused(run)) and len(said) < 1000
    assert "config.yaml" in said or " must be " in said


@pytest.mark.parametrize(("target", "used"), [(5, "5"), (2.5, "2.5"), ("de", "de")])
def test_a_stored_value_is_used_as_the_type_has_it(command, run, target, used):
    configure(run, "data", target=target, max_length=40.0, tokenized=None)
    data = RunFolder.open(run).config["data"]
    assert data["target"] == used and data["max_length"] == 40 and "tokenized" not in data
    assert isinstance(data["max_length"], int)
    assert command("evaluate", run).status == 0


@pytest.mark.parametrize("name", ["run.json", "scores.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"format": ' + b"9" * 5000 + b"}",
        b'{"format": ' + b"9" * 50 + b"}",
        b'{"format": "x", "test": 3}',
        b'{"format": 99, "versions": [], "test": []}',
        b"[]",
        b"3",
        b"",
        b"\xff",
        b"\0",
    ],
)
def test_hostile_json_is_one_sentence(run, name, content):
    (run / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        _ = RunFolder.open(run).scores
    assert len(str(caught.value)) < 1000


def test_a_date_in_a_configuration_is_text_and_a_set_is_refused(command, run):
    before = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(f"{before}begun: 2001-01-01\n2001-01-02: x\n")
    assert command("evaluate", run).status == 0
    (run / "config.yaml").write_text(f"{before}odd: !!set {{a, b}}\n")
    assert "tag:yaml.org,2002:set" in refused(run)


def test_a_huge_json_is_not_read(run, little_memory):
    with (run / "run.json").open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no disk
    assert "run.json" in (said := refused(run)) and "but the maximum is" in said


# --- places outside the folder ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "tokenizer.model",
        "config.yaml",
        "run.json",
        "scores.json",
        "hyps/test/source.txt",
        "hyps/test",
        "hyps",
        "align",
        "checkpoints/step-1.safetensors",
    ],
)
def test_a_link_to_outside_is_not_followed(run, tmp_path, name):
    inside, outside = run / name, tmp_path / "outside"
    inside.parent.mkdir(exist_ok=True)
    if inside.exists():
        inside.rename(outside)
    else:
        outside.mkdir()
    inside.symlink_to(outside)
    assert f"{inside} is a link to a place outside" in refused(run)
    inside.unlink()
    inside.symlink_to(os.path.relpath(outside, inside.parent))
    assert "is a link to a place outside" in refused(run)


def test_links_inside_a_run_and_to_a_run_are_followed(run, tmp_path):
    (run / "model.safetensors").rename(run / "best.safetensors")
    (run / "model.safetensors").symlink_to("best.safetensors")
    (tmp_path / "link").symlink_to(run)
    assert len(Translator(tmp_path / "link", device="cpu")(ENGLISH)) == 3


def test_a_link_in_a_circle_is_nothing(run):
    (run / "scores.json").symlink_to("scores.json")
    refuse_outside_links(run)
    assert RunFolder.open(run).scores == {}


def test_what_would_wait_forever_is_refused(run):
    os.mkfifo(run / "scores.json")
    assert "neither a file nor a folder" in refused(run)


@pytest.mark.parametrize("name", ["../outside", "..", ".", "", "test/../../outside", "/etc"])
def test_a_test_set_outside_the_run_is_refused(command, run, name):
    outside = run.parent / "outside"
    shutil.copytree(run / "hyps" / "test", outside)
    command("evaluate", run, "--test", name).must_refuse("has no test set")
    command("align", run, "--test", name, "--lines", "1").must_refuse("has no test set")
    assert sorted(path.name for path in outside.iterdir()) == ["reference.txt", "source.txt"]


@pytest.mark.parametrize("tests", [[".."], [""], ["a/.."]])
def test_a_corpus_names_no_test_set_outside_of_its_run(tests):
    usual = {"source": "en", "target": "de", "max_length": 9, "tokenized": False}
    with pytest.raises(UserError, match="a test set cannot be called"):
        Files(**usual, root=".", train="train", validation="validation", tests=tests)


@pytest.mark.parametrize("side", ["source", "reference"])
@pytest.mark.parametrize("content", [b"\xff\n\n", b""])
def test_a_hostile_test_set_is_one_sentence(command, run, side, content):
    for name in ("source", "reference") if not content else (side,):
        (run / "hyps" / "test" / f"{name}.txt").write_bytes(content)
    command("evaluate", run).must_refuse("hyps/test/")


# --- anything at all ----------------------------------------------------------------------------


LEAVES = st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=20)
VALUES = st.recursive(  # that YAML and JSON can hold
    LEAVES | st.just("${oc.env:HOME}"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(content=st.binary(max_size=300) | VALUES.map(json.dumps).map(str.encode))
def test_any_bytes_are_a_mapping_or_one_sentence(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    for read in (read_yaml, read_json):
        try:
            assert isinstance(read(tmp_path / "file"), dict)
        except UserError as error:
            assert "\n" not in str(error)


@given(
    section=st.sampled_from(["model", "search", "data"]),
    choose=st.randoms(use_true_random=False),
    value=VALUES,
)
def test_any_value_in_a_stored_configuration_loads_or_is_one_sentence(run, section, choose, value):
    before = (run / "config.yaml").read_text()
    key = choose.choice([*yaml.safe_load(before)[section], "tokenized"])
    configure(run, section, **{key: value})
    try:
        assert evaluate(run, ["test"], device="cpu")["test"]["test"]["lines"] == 3
    except UserError as error:
        assert "\n" not in str(error)
    finally:
        (run / "config.yaml").write_text(before)


@given(
    at=st.floats(0, 1),
    name=st.sampled_from(["model.safetensors", "tokenizer.model"]),
    new=st.binary(max_size=8),
)
def test_a_file_with_other_bytes_somewhere_loads_or_is_one_sentence(run, at, name, new):
    content = (run / name).read_bytes()
    start = int(at * min(len(content), 4000))
    (run / name).write_bytes(content[:start] + new + content[start + len(new) :])
    try:
        load_model(RunFolder.open(run))
    except UserError as error:
        assert "\n" not in str(error)
    finally:
        (run / name).write_bytes(content)


# --- what a configuration names -----------------------------------------------------------------

WATCH = """
import json, os, sys
folders = [os.path.realpath(f) for f in json.loads(sys.argv[1])]
import matplotlib, matplotlib.font_manager, torch, sacrebleu, sentencepiece
import seq2seq
from seq2seq.commands import align, demo, evaluate, export_alignment, plot, score_alignment
from seq2seq.compare import comparison
from seq2seq.compare.report import terminal, write
from seq2seq.translation import translator
from seq2seq.cli import main
folders += [matplotlib.get_cachedir(), os.path.dirname(seq2seq.__file__), sys.prefix]
folders += [sys.base_prefix, "/usr", "/lib", "/etc", "/proc", "/sys", "/dev", "/var", "/opt"]

def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "urllib.Request"):
        print(f"FORBIDDEN {event} {arguments!r}", flush=True)
        os._exit(3)
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if not any(path == f or path.startswith(f.rstrip("/") + "/") for f in folders):
            print(f"FORBIDDEN {event} {path}", flush=True)
            os._exit(3)

sys.addaudithook(hook)
for words in json.loads(sys.argv[2]):
    sys.argv = ["seq2seq", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            print("FAILED", words, end.code, flush=True)
            os._exit(4)
print("ALL RAN")
"""
CORPORA = {
    "files": {"_target_": "seq2seq.corpora.files.Files", "root": "TRAP"},
    "url": {"_target_": "seq2seq.corpora.multi30k.Multi30k", "root": "http://127.0.0.1:9/x"},
    "hub": {"_target_": "seq2seq.corpora.hub.Hub", "path": "TRAP"},
    "controlled": {"_target_": "seq2seq.corpora.controlled.Controlled", "pairs": 10**15},
}


@pytest.mark.parametrize("corpus", CORPORA)
def test_no_command_after_training_opens_what_a_configuration_names(run, tmp_path, corpus):
    trap, work = tmp_path / "trap", tmp_path / "work"
    for folder in (trap, work):
        folder.mkdir()
    named = {k: str(trap) if v == "TRAP" else v for k, v in CORPORA[corpus].items()}
    configure(run, "data", **named, train=str(trap / "x"), tests=[str(trap / "x")])
    test, inside = run / "hyps" / "test", [str(run)]
    lines = len((test / "source.txt").read_text("utf-8").splitlines())
    (work / "links").write_text("0-0\n" * lines)
    score = ["--test", "test", "--gold", str(work / "links")]
    commands = [
        ["translate", *inside],
        ["evaluate", *inside],
        ["align", *inside, "--test", "test", "--lines", "1"],
        ["score-alignment", *inside, *score],
        ["score-alignment", *inside, *score, "--rule", "auto"],
        ["export-alignment", *inside, "--test", "test", "--out", str(work / "x.align")],
        ["plot", "lines", *inside, "--source", "a man", "--out", str(work / "x.png")],
        ["compare", *inside, "--out", str(work / "report")],
    ]
    if corpus != "files":  # one corpus for all commands, the others for those that read text
        commands = commands[3:5]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps([str(run), str(work)]), json.dumps(commands)],
        cwd=work,
        env={**os.environ, "TMPDIR": str(work)},
        input="a man\n",
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("ALL RAN\n"), done.stdout[-500:] + done.stderr[-3000:]
