"""Sharing runs on the hub, against a local server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import TOKEN, Hub, serving_hub
from marian_model import write_marian
from untrained_runs import make_run, write_test_set

from seq2seq import Translator
from seq2seq.errors import UserError
from seq2seq.hub.address import HubAddress, parse_address
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import load_model, save_weights

# The client's upload of large files uses a deprecated argument of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

NAME = "me/small.model-1"
ADDRESS = f"hf:{NAME}"
SENTENCE = "a man rides a horse"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The local server, in place of the hub; the cache is empty and nobody is logged in."""
    from huggingface_hub import constants

    with serving_hub(Hub()) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture
def login(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with an untrained model, as a finished training leaves it."""
    folder = write_test_set(make_run(tmp_path / "small", "bahdanau"))
    for extra in ("state/save.safetensors", "checkpoints/step-1.safetensors", ".hidden"):
        (folder / extra).parent.mkdir(exist_ok=True)
        (folder / extra).write_text("not shared", "utf-8")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def shared(hub: Hub, run: Path) -> str:
    """A run on the hub; its commit."""
    wanted = ("config.yaml", "run.json", "model.safetensors")
    return hub.add(
        NAME,
        {p: c for p, c in files_of(run).items() if p in wanted or p.endswith(".model")},
    )


def test_a_run_with_a_vocabulary_of_its_own_translates_from_the_hub(
    hub: Hub, phrases: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    text = [(phrases / f"train.{side}").read_text("utf-8").splitlines() for side in ("en", "de")]
    model = write_marian(tmp_path / "marian", *text, end=2.0)
    data = ("data=files", f"data.root={phrases}", "data.source=en", "data.target=de")
    assert command("adopt", "marian", model, "name=opus", *data).status == 0
    hub.add(NAME, files_of(Path("runs/opus")))
    found = [Translator(run)(text[0][:3]) for run in (ADDRESS, "runs/opus")]
    assert [one.text for one in found[0]] == [one.text for one in found[1]]


@pytest.mark.usefixtures("login")
def test_a_pushed_run_translates_as_it_did(
    hub: Hub, run: Path, command: Callable[..., Any]
) -> None:
    answer = command("push", run, NAME, "--license", "mit")
    assert answer.status == 0, answer.err
    commit, files = hub.commits[NAME][-1]
    assert f"{ADDRESS}@{commit}" in answer.err
    own = files_of(run)
    left = {"state/save.safetensors", "checkpoints/step-1.safetensors", ".hidden"}
    assert {name for name in files if name not in ("README.md", "attention.png")} == set(own) - left
    assert all(files[name] == own[name] for name in set(own) - left)
    assert Translator(ADDRESS)([SENTENCE])[0].text == Translator(run)([SENTENCE])[0].text
    assert command("translate", ADDRESS, stdin=f"{SENTENCE}\n").out == (
        command("translate", run, stdin=f"{SENTENCE}\n").out
    )
    again = command("push", run, NAME, "--license", "mit", "--no-texts")
    assert again.status == 0, again.err


def test_the_card_says_what_the_run_is(run: Path, command: Callable[..., Any]) -> None:
    assert command("evaluate", run).status == 0
    answer = command("push", run, NAME, "--license", "cc-by-4.0", "--dry-run", "out")
    assert answer.status == 0, answer.err
    card = Path("out/README.md").read_text("utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    scores = json.loads((run / "scores.json").read_text("utf-8"))
    (entry,) = header["model-index"]
    results = {one["dataset"]["split"]: one["metrics"][0] for one in entry["results"]}
    assert results.keys() == scores.keys()
    for test, metric in results.items():
        assert metric["value"] == pytest.approx(scores[test]["bleu"]["score"], abs=0.005)
        assert metric["args"]["signature"] == scores[test]["bleu"]["signature"]
        low, high = metric["args"]["interval_95"]
        assert low <= high
    assert header["license"] == "cc-by-4.0"
    assert f"seq2seq translate {ADDRESS}" in card
    assert Path("out/attention.png").stat().st_size > 1000
    assert "](attention.png)" in card


def test_without_texts_no_sentence_leaves_the_machine(
    run: Path, command: Callable[..., Any]
) -> None:
    words = ("push", run, NAME, "--license", "mit", "--no-texts", "--dry-run", "out")
    assert command(*words).status == 0
    command("evaluate", "out").must_refuse("has no test set", "push --no-texts")
    assert not [name for name in files_of(Path("out")) if name.startswith(("hyps", "align"))]
    assert SENTENCE.encode() not in b"".join(files_of(Path("out")).values())
    assert Translator("out")([SENTENCE])[0].text == Translator(run)([SENTENCE])[0].text


def test_a_readme_of_your_own_is_kept(run: Path, command: Callable[..., Any]) -> None:
    mine = "---\nlicense: mit\n---\nmine\n"
    (run / "README.md").write_text(mine, "utf-8")
    assert command("push", run, NAME, "--license", "mit", "--dry-run", "out").status == 0
    assert Path("out/README.md").read_text("utf-8") == mine


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mine", "names no license"),
        ("---\nlicense: apache-2.0\n---\n", "says license: apache-2.0"),
        ("---\nlicense: [\n---\n", "names no license"),
        ("---\nlicense: mit\n", "names no license"),
    ],
)
def test_a_readme_of_another_license_is_refused(
    run: Path, command: Callable[..., Any], text: str, found: str
) -> None:
    (run / "README.md").write_text(text, "utf-8")
    answer = command("push", run, NAME, "--license", "mit", "--dry-run", "out")
    answer.must_refuse("README.md", found, "license: mit")


def test_a_private_dry_run_is_refused(run: Path, command: Callable[..., Any]) -> None:
    answer = command("push", run, NAME, "--license", "mit", "--dry-run", "out", "--private")
    answer.must_refuse("--private has no effect with --dry-run")


def test_a_dry_run_into_the_run_folder_is_refused(run: Path, command: Callable[..., Any]) -> None:
    answer = command("push", run, NAME, "--license", "mit", "--dry-run", run / "card")
    answer.must_refuse("is in the run folder: name a folder outside")
    assert not (run / "card").exists()


def test_paths_of_this_machine_are_named(run: Path, command: Callable[..., Any]) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    config["data"]["root"] = "/srv/secret text"
    (run / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    answer = command("push", run, NAME, "--license", "mit", "--dry-run", "out")
    assert "data.root: /srv/secret text" in answer.err


def test_incomplete_translations_are_refused(run: Path, command: Callable[..., Any]) -> None:
    assert command("evaluate", run).status == 0
    (run / "hyps" / "test" / "hypothesis.txt").write_text("one\n", "utf-8")
    answer = command("push", run, NAME, "--license", "mit", "--dry-run", "out")
    answer.must_refuse("hypothesis.txt has 1 lines but the reference has")


def test_scores_of_other_weights_or_texts_are_not_published(
    run: Path, command: Callable[..., Any]
) -> None:
    assert command("evaluate", run).status == 0
    weights, reference = run / "model.safetensors", run / "hyps" / "test" / "reference.txt"
    for file in (reference, weights):
        before = file.read_bytes()
        if file == weights:
            model, _ = load_model(RunFolder.open(run))
            next(model.parameters()).data.add_(1)
            save_weights(model, file)
        else:
            file.write_bytes(before.replace(b"a", b"o"))
        answer = command("push", run, NAME, "--license", "mit", "--dry-run", "out")
        answer.must_refuse(f"{file.name} has changed since 'test' was scored", "seq2seq evaluate")
        file.write_bytes(before)
    assert command("push", run, NAME, "--license", "mit", "--dry-run", "out").status == 0


def test_a_revision_pins_the_model(hub: Hub, shared: str, command: Callable[..., Any]) -> None:
    hub.add(NAME, {"model.safetensors": b"something else"})
    pinned = f"{ADDRESS}@{shared}"
    answer = command("translate", pinned, stdin=f"{SENTENCE}\n")
    assert answer.status == 0, answer.err
    assert "is now" not in answer.err
    answer = command("translate", ADDRESS, stdin=f"{SENTENCE}\n")
    assert answer.status != 0
    assert answer.err.count("\n") <= 3
    assert "no such branch, tag or commit" in command("translate", f"{ADDRESS}@v9").err


def test_only_what_translating_needs_is_downloaded(hub: Hub, run: Path) -> None:
    hub.add(NAME, files_of(run))
    Translator(ADDRESS)
    got = [one for one in hub.asked if one.startswith("GET") and "/resolve/" in one]
    assert got
    assert not [one for one in got if "hyps" in one or "state" in one]


def test_the_cache_serves_without_a_network(
    hub: Hub, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    expected = Translator(ADDRESS)([SENTENCE])[0].text
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert Translator(ADDRESS)([SENTENCE])[0].text == expected
    assert Translator(f"{ADDRESS}@{shared}")([SENTENCE])[0].text == expected
    assert not hub.asked
    with pytest.raises(UserError, match="cache"):
        Translator("hf:me/another")


@pytest.mark.usefixtures("shared")
def test_pull_makes_a_run_folder(run: Path, hub: Hub, command: Callable[..., Any]) -> None:
    commit = hub.add(
        NAME, {name: content for name, content in files_of(run).items() if "/" in name}
    )
    answer = command("pull", ADDRESS)
    assert answer.status == 0, answer.err
    folder = Path("runs/small.model-1")
    assert json.loads((folder / "hub.json").read_text("utf-8")) == {"name": NAME, "commit": commit}
    assert command("evaluate", folder).status == 0
    assert not [path for path in Path("runs").iterdir() if path != folder]
    assert "exists already" in command("pull", ADDRESS).err
    assert "exists already" in command("pull", ADDRESS, folder).err


@pytest.mark.parametrize("action", ["evaluate", "align"])
def test_commands_that_write_ask_for_a_copy(action: str, command: Callable[..., Any]) -> None:
    more = ["--source", SENTENCE] if action == "align" else []
    answer = command(action, ADDRESS, *more)
    assert f"seq2seq pull {ADDRESS}" in answer.err
    assert answer.status != 0


def test_other_models_are_not_read(hub: Hub, command: Callable[..., Any]) -> None:
    hub.add(NAME, {"config.json": b"{}", "pytorch_model.bin": b"\x80\x02pickle", "data.pkl": b""})
    for words in (("translate", ADDRESS), ("pull", ADDRESS)):
        answer = command(*words, stdin=f"{SENTENCE}\n")
        assert answer.status != 0
        assert f"{ADDRESS} is not a run folder of seq2seq: it has no config.yaml" in answer.err
    assert not list(Path().glob("runs/*"))


@pytest.mark.usefixtures("shared")
def test_damaged_weights_are_found(hub: Hub, command: Callable[..., Any]) -> None:
    whole = hub.at(NAME, "main")[1]["model.safetensors"]  # type: ignore[index]
    hub.damage["model.safetensors"] = whole[:-4] + b"\xff\xff\xff\x7e"
    answer = command("translate", ADDRESS, stdin=f"{SENTENCE}\n")
    assert answer.status != 0
    assert "Traceback" not in answer.err
    assert "model.safetensors" in answer.err
    assert "pull" not in answer.err


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda hub: None, "there is no such model on the hub, or it is private"),
        (lambda hub: setattr(hub, "down", 503), "cannot be reached"),
    ],
)
def test_failures_are_one_sentence(
    hub: Hub, command: Callable[..., Any], prepare: Callable[[Hub], None], expected: str
) -> None:
    prepare(hub)
    for words in (("translate", "hf:me/absent"), ("pull", "hf:me/absent")):
        answer = command(*words, stdin=f"{SENTENCE}\n")
        assert answer.status != 0
        assert "Traceback" not in answer.err
        assert "hf:me/absent" in answer.err
    assert expected in command("translate", "hf:me/absent", stdin="a\n").err


def test_no_network_is_one_sentence(
    command: Callable[..., Any], hub: Hub, monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for words in (
        ("translate", ADDRESS),
        ("pull", ADDRESS),
        ("push", run, NAME, "--license", "mit"),
    ):
        answer = command(*words, stdin=f"{SENTENCE}\n")
        assert answer.status != 0
        assert "Traceback" not in answer.err
        assert "network" in answer.err


def test_push_needs_a_token(hub: Hub, run: Path, command: Callable[..., Any]) -> None:
    assert "hf auth login" in command("push", run, NAME, "--license", "mit").err


@pytest.mark.usefixtures("login", "hub")
def test_push_refuses_what_the_hub_refuses(run: Path, command: Callable[..., Any]) -> None:
    assert "write access" in command("push", run, "others/model", "--license", "mit").err
    answer = command("push", run, NAME, "--license", "unheard-of")
    assert answer.status != 0
    assert '"license" must be one of' in answer.err


@pytest.mark.usefixtures("login")
def test_a_private_model_needs_the_token(
    hub: Hub, run: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("push", run, NAME, "--license", "mit", "--private").status == 0
    assert NAME in hub.private
    assert command("pull", ADDRESS, "copy").status == 0
    monkeypatch.delenv("HF_TOKEN")
    assert "private" in command("pull", ADDRESS, "second").err


@pytest.mark.parametrize("license", ["", "MIT", "my license", "../x"])
def test_a_license_is_an_identifier(license: str, run: Path, command: Callable[..., Any]) -> None:
    assert "--license" in command("push", run, NAME, "--license", license).err


def test_an_unfinished_run_is_not_shared(run: Path, command: Callable[..., Any]) -> None:
    info = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps({**info, "status": "interrupted"}), "utf-8")
    answer = command("push", run, NAME, "--license", "mit")
    assert "has not finished (status: interrupted)" in answer.err


@pytest.mark.parametrize(
    "wrong",
    [
        "me",
        "me/",
        "/name",
        "a/b/c",
        "me/na me",
        "me/..",
        "me/a--b",
        "-me/x",
        "me/x-",
        "../x",
        "é/x",
    ],
)
def test_names_of_another_form_are_refused(wrong: str, command: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="USER/NAME"):
        parse_address(f"hf:{wrong}")
    assert "USER/NAME" in command("translate", f"hf:{wrong}", stdin="a\n").err


@pytest.mark.parametrize("wrong", ["hf:me/x@", "hf:me/x@a b", "hf:me/x@../../etc"])
def test_revisions_of_another_form_are_refused(wrong: str) -> None:
    with pytest.raises(UserError, match="branch, a tag or a commit"):
        parse_address(wrong)


def test_addresses_are_parsed() -> None:
    assert parse_address("hf:me/x.y_z-1@v1.0") == HubAddress("me/x.y_z-1", "v1.0")
    assert str(parse_address("hf:me/x")) == "hf:me/x"
