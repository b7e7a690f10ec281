"""Systems, which are runs that differ only in their seed, and differences between systems."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from seq2seq.compare.runs import Run
from seq2seq.runs.nested import flatten, section
from seq2seq.text.characters import printable

# Configuration keys that do not affect the model: names, paths and how the run was started.
PLACES = {"name", "runs_dir", "fresh", "resume", "data.root"}


@dataclass(frozen=True)
class System:
    """Runs of one configuration, with one seed or several.

    Attributes:
        name: unique name in the comparison.
        runs: one run per seed, in the order given.
    """

    name: str
    runs: list[Run]


def grouped(runs: Sequence[Run], tests: Sequence[str]) -> list[System]:
    """Group runs of the same configuration into systems, in the order of their first runs.

    Two runs belong to one system if their configurations are equal except for the seed, names and
    paths, if they were trained on the same text, and if the test sets were translated with the same
    search settings. A seed that occurs twice starts another system, because something else must
    differ.
    """
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        key = identity(run, tests)
        repeats = sum(
            run.seed in [one.seed for one in group]
            for (known, _), group in groups.items()
            if known == key
        )
        groups.setdefault((key, repeats), []).append(run)
    names: list[str] = []
    for group in groups.values():
        name = common_name(group)
        while name in names:
            name += "'"
        names.append(name)
    return [System(name, group) for name, group in zip(names, groups.values(), strict=True)]


def identity(run: Run, tests: Sequence[str]) -> str:
    """Return a key that is equal for runs of the same system."""
    if run.folder is None:
        return f"outside {run.path.resolve()}"
    text = section(section(run.info, "data"), "train").get("sha256")
    searches = [run.scores[test].get("search") for test in tests]
    config = {key: value for key, value in settings_of(run).items() if key != "seed"}
    return json.dumps([config, text, searches, run.seed is None], sort_keys=True, default=str)


def common_name(runs: Sequence[Run]) -> str:
    """Return the run name without its seed, if all runs share it; else the first run's name."""
    if len(runs) == 1:
        return runs[0].name
    names = {
        re.sub(rf"(.*)(?<!\d){run.seed}(?!\d)", r"\1", run.name).strip("-_=., /") for run in runs
    }
    stripped = re.sub(r"[-_=., ]*seed$", "", names.pop())
    return stripped if stripped and not names else f"{runs[0].name} and {len(runs) - 1} more"


def settings_of(run: Run) -> dict[str, Any]:
    """Return the settings of a run by dotted key, without those in `PLACES`."""
    return {key: value for key, value in flatten(run.config).items() if key not in PLACES}


@dataclass(frozen=True)
class Differences:
    """Facts about several items, split into those that are the same and those that differ.

    Attributes:
        same: fact -> value, for facts that are the same for all items.
        names: names of the items.
        different: fact -> one value per item, for facts that differ.
    """

    same: dict[str, str]
    names: list[str]
    different: dict[str, list[str]]


def differences(facts: Mapping[str, Mapping[str, Any]]) -> Differences:
    """Split facts into those that are the same for all items and those that differ.

    Args:
        facts: the facts of each item; a missing fact is shown as "-".
    """
    keys = list(dict.fromkeys(key for one in facts.values() for key in one))
    rows = {key: [shown(one.get(key)) for one in facts.values()] for key in keys}
    same = {printable(key): row[0] for key, row in rows.items() if len(set(row)) == 1}
    different = {printable(key): row for key, row in rows.items() if len(set(row)) > 1}
    return Differences(same, list(facts), different)


def configurations(systems: Sequence[System]) -> Differences:
    """Split the settings of the systems; the setting `seed` lists all seeds of a system."""
    facts = {}
    for system in systems:
        settings = dict(map(choice, settings_of(system.runs[0]).items()))
        seeds = ", ".join(shown(run.seed) for run in system.runs)
        facts[system.name] = settings | ({"seed": seeds} if settings else {})
    return differences(facts)


def choice(setting: tuple[str, Any]) -> tuple[str, Any]:
    """A setting as the command line has it: `model` for the stored `model.name`."""
    key, value = setting
    section, dot, last = key.rpartition(".")
    return (section, value) if dot and last == "name" else setting


def provenance_of(run: Run) -> dict[str, Any]:
    """Return the provenance of a run: text, vocabulary, versions, commit, machine."""
    info, data = run.info, section(run.info, "data")
    hashes = {
        "training text SHA-256": section(data, "train").get("sha256"),
        "validation text SHA-256": section(data, "validation").get("sha256"),
        "vocabulary SHA-256": section(info, "tokenizer").get("target"),
        "commit": info.get("commit"),
    }
    facts = {
        **{key: value[:12] for key, value in hashes.items() if isinstance(value, str)},
        "pairs used": section(data, "train").get("used"),
        "updates": info.get("steps"),
        **section(info, "versions"),
        **section(info, "machine"),
    }
    return {key: value for key, value in facts.items() if value is not None}


def shown(value: object) -> str:
    """Format a fact for display; None is "-"."""
    if value is None:
        return "-"
    return printable(value if isinstance(value, str) else json.dumps(value, default=str))


def number(value: object) -> float | None:
    """Return a value from an untrusted file as a float; None if it is not a finite number."""
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if valid and abs(value) < float("inf") else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the seeds of a system; deviation is None for one seed."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarize one value or more."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None)

    def __format__(self, form: str) -> str:
        if self.deviation is None:
            return format(self.mean, form)
        return f"{self.mean:{form}} ± {self.deviation:{form.lstrip('+')}}"


def spread(system: System, read: Callable[[Run], object]) -> Spread | None:
    """Summarize a value over the seeds of a system; None if it is missing in any run."""
    values = [number(read(run)) for run in system.runs]
    known = [value for value in values if value is not None]
    return Spread.of(known) if known and len(known) == len(values) else None
