"""One torch thread (three times faster for models this small) and a cache of the test's own.

Hypothesis tries a few dozen examples a test, the same ones each time. SEQ2SEQ_EXAMPLES=10000 tries
that many, new ones each time: `SEQ2SEQ_EXAMPLES=10000 pytest tests/test_fuzz.py`.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("SEQ2SEQ_EXAMPLES")
settings.register_profile(
    "seq2seq",
    deadline=None,  # machines are shared
    max_examples=int(EXAMPLES or 40),
    derandomize=EXAMPLES is None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("seq2seq")

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make significance tests fast; test_significance.py tests them with the default numbers."""
    from seq2seq.compare import significance

    monkeypatch.setattr(significance, "RESAMPLES", 50)
    monkeypatch.setattr(significance, "TRIALS", 100)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """An installed Chromium, driven by Playwright."""
    driver = pytest.importorskip("playwright.sync_api")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None
    )
    if program is None:
        pytest.skip("there is no Chromium on the path")
    driver.expect.set_options(timeout=60_000)  # machines are shared
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def real_corpora() -> Path:
    folder = Path(__file__).parents[2] / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"the real corpora are not here ({folder.parent.name}/{folder.name} is absent)")
    return folder


@pytest.fixture(scope="session")
def generated() -> Callable[..., str]:
    """Generate the controlled corpus into a cache, by a process that checks no types: much faster.

    What comes back is a hash of all files.
    """
    script = (
        "import json, sys; from hashlib import sha256; from pathlib import Path;"
        "from seq2seq.corpora.controlled import Controlled;"
        "corpus = Controlled(**json.loads(sys.argv[1])); corpus.paths('train');"
        "files = sorted(Path(corpus.root).iterdir());"
        "print(sha256(b''.join(f.name.encode() + f.read_bytes() for f in files)).hexdigest())"
    )

    def generate(cache: Path, dials: dict[str, str | int], hash_seed: str = "random") -> str:
        env = {**os.environ, "SEQ2SEQ_CACHE": str(cache), "PYTHONHASHSEED": hash_seed}
        words = [sys.executable, "-c", script, json.dumps(dials)]
        done = subprocess.run(words, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return generate


@pytest.fixture(scope="session")
def controlled(tmp_path_factory: pytest.TempPathFactory, generated: Callable[..., str]) -> object:
    """The controlled corpus with 400 training pairs, and 200 with pronouns."""
    from seq2seq.corpora.controlled import Controlled

    cache = tmp_path_factory.mktemp("controlled")
    dials = {"source": "en", "target": "fr", "pairs": 400, "max_words": 20, "max_distance": 20}
    dials |= {"grammar_seed": 3, "max_length": 100, "pronouns": 200}
    generated(cache, dials)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQ2SEQ_CACHE", str(cache))
        return Controlled(**dials)


# --- a corpus with a known answer, and the command line ------------------------------------------

SLOTS = [
    {"two": "zwei", "three": "drei", "five": "fünf"},
    {"cats": "Katzen", "dogs": "Hunde", "girls": "Mädchen", "birds": "Vögel"},
    {"see": "sehen", "hear": "hören", "like": "mögen"},
    {"trees": "Bäume", "cars": "Autos", "songs": "Lieder"},
    {"": "", "today": "heute"},
]
SMALL = {  # of any model that has the key
    "dim": 32,
    "embedding": 32,
    "align_dim": 32,
    "readout_dim": 32,
    "heads": 2,
    "layers": 1,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "feed_forward": 64,
    "dropout": 0,
    "attention_dropout": 0,
    "words": 100,
    "largest_offset": 5,
}
QUICK = (
    "tokenizer.vocab_size=90 trainer.accelerator=cpu train.max_epochs=null train.max_steps=4 "
    "train.batch_tokens=200 train.learning_rate=1e-2 train.warmup_steps=20 train.log_every=1 "
    "train.label_smoothing=0"
)


class Answer(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str

    def must_refuse(self, *parts: str) -> None:
        """Check for exit status 1, no output, and one sentence that has all these parts."""
        lines = [line for line in self.err.splitlines() if not line.startswith("run folder: ")]
        assert self.status == 1, self
        assert self.out == "", self
        assert len(lines) == 1 and lines[0].startswith("seq2seq: "), self
        assert [part for part in parts if part not in lines[0]] == [], lines[0]


def write_split(folder: Path, split: str, pairs: Iterable[tuple[str, str]]) -> None:
    for language, lines in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines), "utf-8")


@pytest.fixture(scope="session")
def phrases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 216 word-by-word pairs in files; `heart` is six of them."""
    words = [zip(*choice, strict=True) for choice in product(*(slot.items() for slot in SLOTS))]
    pairs = [tuple(" ".join(filter(None, side)) for side in sides) for sides in words]
    random.Random(1).shuffle(pairs)
    folder = tmp_path_factory.mktemp("phrases")
    write_split(folder, "validation", pairs[:20])
    write_split(folder, "test", pairs[20:40])
    write_split(folder, "train", pairs[40:])
    write_split(folder, "heart", pairs[-6:])
    return folder


@pytest.fixture(scope="session")
def tiny(phrases: Path) -> Callable[..., list[str]]:
    """The words after `seq2seq train` for a tiny run of a model, with more words at the end."""
    from seq2seq.settings.config_files import model_settings

    def words(model: str, *more: str) -> list[str]:
        corpus = ["data=files", f"data.root={phrases}", "data.source=en", "data.target=de"]
        known = model_settings(model)
        sizes = [f"model.{key}={value}" for key, value in SMALL.items() if key in known]
        if model == "encoder_only":
            sizes += ["search.rounds=4", "search.lengths=1"]
        return [*corpus, f"model={model}", *sizes, *QUICK.split(), *more]

    return words


@pytest.fixture
def fit(tiny: Callable[..., list[str]], tmp_path: Path) -> Callable[..., Path]:
    """Train a tiny model in this process; its run folder."""
    from seq2seq.settings import compose
    from seq2seq.training.train import train

    def run(model: str, *words: str, name: str = "run") -> Path:
        more = [f"runs_dir={tmp_path}", f"name={name}", *words]
        return train(compose.read(compose.compose(tiny(model, *more))))

    return run


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """The `seq2seq` command in this process, in an empty working directory."""
    from seq2seq.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*words: object, stdin: str | bytes = b"") -> Answer:
        with TemporaryFile("w+", encoding="utf-8") as lines:
            lines.buffer.write(stdin.encode() if isinstance(stdin, str) else stdin)
            lines.seek(0)
            monkeypatch.setattr(sys, "stdin", lines)
            monkeypatch.setattr(sys, "argv", ["seq2seq", *map(str, words)])
            capfd.readouterr()
            try:
                main()
                status = 0
            except SystemExit as end:
                status = end.code or 0
        return Answer(status, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.Popen[str]]:
    """The `seq2seq` command in a process of its own, with pipes."""
    cache = tmp_path_factory.mktemp("cache")

    def start(*words: object, cwd: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "seq2seq.cli", *map(str, words)],
            cwd=cwd,
            env={**os.environ, "SEQ2SEQ_CACHE": str(cache), "COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # Not so where the tests run in the background of a shell without job control
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start
