"""The runs of the page, and the answer to each of its requests."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.play import sentences
from seq2seq.play.answers import alternatives, translated
from seq2seq.play.asked import Alternatives, Explain, Grown, Numbers, OfSentence, Translate, parse
from seq2seq.play.limits import BEAM, CHARACTERS, CLAUSES, RUNS
from seq2seq.play.loaded import LoadedRun
from seq2seq.play.maps import explained
from seq2seq.play.numbers import attention_numbers
from seq2seq.runs.short_names import short_names
from seq2seq.system.console import track
from seq2seq.version import __version__


class Session:
    """The loaded runs. Only one thread may call `answer`, because runs change their weights.

    Args:
        paths: the run folders.
        device: auto, cpu, cuda, ...

    Raises:
        UserError: a path is not a run folder, there are too many runs, or they have different
            source languages.
    """

    def __init__(self, paths: Sequence[Path], device: str = "auto") -> None:
        if len(paths) > RUNS:
            raise UserError(f"{len(paths)} runs are given, but the page shows at most {RUNS}")
        names = short_names(paths)
        loading = track(zip(paths, names, strict=True), "loading", total=len(paths), unit="runs")
        self.runs = [LoadedRun(path, name, device) for path, name in loading]
        self.direction = sentences.directions(self.runs)
        self.examples = next(filter(None, (sentences.examples(run.run) for run in self.runs)), [])
        self.actions: dict[str, Callable[[bytes], dict[str, Any]]] = {
            "start": self.start,
            "translate": self.of_run(Translate, translated),
            "explain": self.of_run(Explain, explained),
            "alternatives": self.of_run(Alternatives, alternatives),
            "numbers": self.of_run(Numbers, attention_numbers),
            "grammar": self.grammar,
        }

    def answer(self, action: str, body: bytes) -> dict[str, Any]:
        """Return the answer to a request.

        Args:
            action: a key of `actions`.
            body: the request, as JSON.

        Raises:
            UserError: the request cannot be answered; the message says why.
        """
        return self.actions[action](body)

    def of_run(
        self, kind: type[Any], action: Callable[[LoadedRun, Any], dict[str, Any]]
    ) -> Callable[[bytes], dict[str, Any]]:
        """Return an action that reads the request and finds its run."""

        def act(body: bytes) -> dict[str, Any]:
            asked: OfSentence = parse(body, kind)
            if asked.run >= len(self.runs):
                raise UserError(f"there is no run {asked.run}: this page has {len(self.runs)}")
            return action(self.runs[asked.run], asked)

        return act

    def start(self, body: bytes) -> dict[str, Any]:
        """Return what the page shows before the first sentence."""
        source, target = self.direction
        return {
            "version": __version__,
            "source": source,
            "target": target,
            "runs": [described(run) for run in self.runs],
            "examples": self.examples,
            "grammar": self.has_grammar,
            "characters": CHARACTERS,
            "clauses": CLAUSES,
            "beam": BEAM,
        }

    @property
    def has_grammar(self) -> bool:
        """Whether the runs translate sentences of the built-in grammar."""
        return None not in self.direction and any(map(sentences.of_grammar, self.runs))

    def grammar(self, body: bytes) -> dict[str, Any]:
        """Return a sentence of the built-in grammar."""
        source, target = self.direction
        if not self.has_grammar or source is None or target is None:
            raise UserError("no run of this page was trained on the built-in grammar")
        return sentences.grown((source, target), parse(body, Grown))


def described(run: LoadedRun) -> dict[str, Any]:
    """Return what the page says about a run."""
    return {
        "name": run.name,
        "model": type(run.model).__name__,
        "parameters": run.model.parameter_count,
        "training": run.training,
        "status": str(run.run.info.get("status", "unknown"))[:40],
        "methods": run.methods,
        "steps": run.has_steps,
        "beam": run.default_beam,
        "continues": run.continues_prefix,
        "hides": ["drop", "unk"] if run.model.fits else ["drop", "unk", "mean"],
        "checkpoints": run.checkpoints(),
    }


def warm_up(session: Session) -> float:
    """Translate a word with each run, since the first call is slow; return the seconds."""
    started = time.perf_counter()
    for run in session.runs:
        translated(run, Translate(run=0, text="a"))
    return time.perf_counter() - started
