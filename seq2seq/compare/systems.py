"""Systems: runs that differ in their seed alone, and in what systems differ from each other."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from seq2seq.compare.runs import Run, section
from seq2seq.text.characters import printable

# Keys of a configuration that say where a run lies and how it was begun, not what it is.
PLACES = {"name", "runs_dir", "fresh", "resume", "data.root"}


@dataclass(frozen=True)
class System:
    """What was trained with several seeds, or once.

    Attributes:
        name: unique among those compared.
        runs: one for each seed, in the order given.
    """

    name: str
    runs: list[Run]


def grouped(runs: Sequence[Run], tests: Sequence[str]) -> list[System]:
    """Take runs of one configuration together, in the order in which they are first met.

    Two runs are of one system if their configurations are equal but for the seed and for names and
    paths, if they were trained on the same text, and if the tests were searched alike. A seed that
    comes again begins another system: something else must differ.
    """
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        same = identity(run, tests)
        again = sum(
            run.seed in [one.seed for one in group]
            for (known, _), group in groups.items()
            if known == same
        )
        groups.setdefault((same, again), []).append(run)
    names: list[str] = []
    for group in groups.values():
        name = common_name(group)
        while name in names:
            name += "'"
        names.append(name)
    return [System(name, group) for name, group in zip(names, groups.values(), strict=True)]


def identity(run: Run, tests: Sequence[str]) -> str:
    """What is equal for two runs of one system."""
    if run.folder is None:
        return f"outside {run.path.resolve()}"
    text = section(section(run.info, "data"), "train").get("sha256")
    searches = [run.scores[test].get("search") for test in tests]
    config = {key: value for key, value in flat(run.config).items() if key != "seed"}
    return json.dumps([config, text, searches, run.seed is None], sort_keys=True, default=str)


def common_name(runs: Sequence[Run]) -> str:
    """The name of a run without its seed, where that is the same for all; else the first's."""
    if len(runs) == 1:
        return runs[0].name
    names = {
        re.sub(rf"(.*)(?<!\d){run.seed}(?!\d)", r"\1", run.name).strip("-_=., /") for run in runs
    }
    stripped = re.sub(r"[-_=., ]*seed$", "", names.pop())
    return stripped if stripped and not names else f"{runs[0].name} and {len(runs) - 1} more"


def flat(mapping: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys, without PLACES."""
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        name = f"{above}{key}"
        if name in PLACES:
            continue
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


@dataclass(frozen=True)
class Differences:
    """Facts about several things: what is the same for all, once, and what is not, for each."""

    same: dict[str, str]
    names: list[str]
    different: dict[str, list[str]]


def differences(facts: Mapping[str, Mapping[str, Any]]) -> Differences:
    """Set apart what all have alike.

    Args:
        facts: for each thing its facts by name; what one lacks is unknown ("-").
    """
    keys = list(dict.fromkeys(key for one in facts.values() for key in one))
    rows = {key: [shown(one.get(key)) for one in facts.values()] for key in keys}
    same = {printable(key): row[0] for key, row in rows.items() if len(set(row)) == 1}
    different = {printable(key): row for key, row in rows.items() if len(set(row)) > 1}
    return Differences(same, list(facts), different)


def configurations(systems: Sequence[System]) -> Differences:
    """In what the systems' settings differ; of those of several seeds, all seeds."""
    facts = {}
    for system in systems:
        settings = dict(map(choice, flat(system.runs[0].config).items()))
        seeds = ", ".join(shown(run.seed) for run in system.runs)
        facts[system.name] = settings | ({"seed": seeds} if settings else {})
    return differences(facts)


def choice(setting: tuple[str, Any]) -> tuple[str, Any]:
    """A setting as the command line has it: `model` for the stored `model.name`."""
    key, value = setting
    section, dot, last = key.rpartition(".")
    return (section, value) if dot and last == "name" else setting


def made_of(run: Run) -> dict[str, Any]:
    """What a run was made with and from: text, vocabulary, versions, commit, machine."""
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
    """A fact for reading; "-" where there is none."""
    if value is None:
        return "-"
    return printable(value if isinstance(value, str) else json.dumps(value, default=str))


def number(value: object) -> float | None:
    """A number that somebody else wrote; None if it is none."""
    sound = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if sound and abs(value) < float("inf") else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class Spread:
    """A number of a system: the mean over its seeds and their standard deviation, None for one."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None)

    def __format__(self, form: str) -> str:
        if self.deviation is None:
            return format(self.mean, form)
        return f"{self.mean:{form}} ± {self.deviation:{form.lstrip('+')}}"


def spread(system: System, read: Callable[[Run], object]) -> Spread | None:
    """A number over the seeds of a system; None where a run lacks it."""
    values = [number(read(run)) for run in system.runs]
    known = [value for value in values if value is not None]
    return Spread.of(known) if known and len(known) == len(values) else None
