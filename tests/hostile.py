"""Files of a run folder with something else in them, for tests by Hypothesis.

A `Change` is drawn before the run is known: it names a file, a place in it by a share of what there
is, and what to put there. `apply` makes it.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from seq2seq.runs.weights import read_tensors, save_tensors

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 2.5, 0.0, -0.5, 1e308, float("nan"), float("inf"), 10**6,
    10**12, 2**63 - 1, 2**70, "", "x", "mean", "0", "-1", "é\u202e\0", "x" * 5000, "${oc.env:HOME}",
    "../../x", "/etc/passwd", "\ud800", "seq2seq.models.rnn.RNN", [], [[]], [None], ["x"], [1, 2],
    {}, {"x": 1}, {"": {}}, [{"x": 1}] * 3,
]  # fmt: skip
LINES = [
    b"", b"\xff\xfe\n", b"\0\n", b"x\n" * 50, b"\n", b"0-0 99-99\n", b"0-0 x\n", b"1\t2\n",
    b"\xe2\x80\xa8\n", b"9" * 400 + b"-0\n", b"\xef\xbb\xbfx\n", b"{}\n", b"[1]\n", b"{\n",
    b"a" * 9000,
]  # fmt: skip


class Change(NamedTuple):
    """What to change: `file`, `place` and `how` are taken modulo what there is."""

    file: int
    place: int
    how: int
    value: int


CHANGES = st.builds(Change, *[st.integers(0, 10**6)] * 4)


def apply(run: Path, change: Change) -> str:
    """Change one file of a run; what was done."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name[0] != ".")
    path = files[change.file % len(files)]
    if change.how % 12 == 0:
        return shaped(path, change)
    ways = {".json": in_json, ".yaml": in_yaml, ".jsonl": in_json_lines}
    ways[".safetensors"] = in_tensors
    return f"{path.name}: {ways.get(path.suffix, in_lines)(path, change)}"


def shaped(path: Path, change: Change) -> str:
    """Another kind of thing under the name."""
    path.unlink()
    if change.value % 4 == 0:
        path.mkdir()
    elif change.value % 4 == 1:
        path.write_bytes(b"")
    elif change.value % 4 == 2:
        path.write_bytes(bytes(range(256)))
    return f"{path.name}: {['a folder', 'empty', 'bytes', 'missing'][change.value % 4]}"


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    found = [(tree, key) for key in keys]
    for key in keys:
        if isinstance(tree[key], dict | list):
            found += places(tree[key])
    return found


def in_tree(tree: Any, change: Change) -> str:
    """Put another value at a place, remove it, or add a key."""
    there = places(tree)
    if not there:
        return "nothing"
    container, key = there[change.place % len(there)]
    value = VALUES[change.value % len(VALUES)]
    if change.how % 12 == 1:
        del container[key]
        return f"{key} removed"
    if change.how % 12 == 2 and isinstance(container, dict):
        container["odd"] = value
        return f"odd={value!r:.60} beside {key}"
    container[key] = value
    return f"{key}={value!r:.60}"


def in_json(path: Path, change: Change) -> str:
    tree = json.loads(path.read_text("utf-8"))
    done = in_tree(tree, change)
    path.write_text(json.dumps(tree))
    return done


def in_yaml(path: Path, change: Change) -> str:
    tree = yaml.safe_load(path.read_text("utf-8"))
    if change.how % 12 == 3:
        path.write_text(f"{path.read_text('utf-8')}odd: 2001-01-01\n2001-01-02: !!set {{a, b}}\n")
        return "dates and sets"
    done = in_tree(tree, change)
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8", "surrogatepass")
    return done


def in_json_lines(path: Path, change: Change) -> str:
    lines = path.read_text("utf-8").splitlines()
    if not lines or change.how % 12 in (3, 4):
        return in_lines(path, change)
    number = change.place % len(lines)
    tree = json.loads(lines[number])
    done = in_tree(tree, change)
    lines[number] = json.dumps(tree)
    path.write_text("\n".join([*lines, ""]))
    return done


def in_lines(path: Path, change: Change) -> str:
    """Other bytes for a line, one line fewer, or one more."""
    lines = path.read_bytes().splitlines(keepends=True) or [b""]
    number, new = change.place % len(lines), LINES[change.value % len(LINES)]
    way = change.how % 3
    lines[number : number + (way > 0)] = [] if way == 1 else [new]
    path.write_bytes(b"".join(lines))
    return f"line {number + 1}: {['before it', 'removed', 'is'][way]} {new[:40]!r}"


def in_tensors(path: Path, change: Change) -> str:
    """Other facts, another name, shape or type, with a checksum that is right again."""
    own = path.name != "attention.safetensors"
    if own:
        tensors, facts = read_tensors(path)
    else:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    way = change.how % 5
    names = sorted(tensors)
    name = names[change.place % len(names)]
    if way < 2 and facts:  # stored attention has text there
        done = in_tree(facts, change)
    elif way == 2:
        tensors[["x", "optimizer.x.y", "optimizer.999.step", "weights."][change.value % 4]] = (
            tensors.pop(name)
        )
        done = f"{name} renamed"
    elif way == 3:
        tensors[name] = tensors[name].reshape(-1)[: change.value % 3].contiguous()
        done = f"{name} cut"
    else:
        tensors[name] = tensors[name].double() * [0, 1e300, float("nan")][change.value % 3]
        done = f"{name} other values"
    if own:
        save_tensors(path, tensors, facts)
    else:
        save_file(tensors, path, {key: ascii(value) for key, value in facts.items()})
    return done
