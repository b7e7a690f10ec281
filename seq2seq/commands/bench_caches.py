"""`seq2seq bench --caches`: memory and speed of decoding, for every kind of attention and cache.

The model is untrained and reads random tokens (forced decoding): neither memory nor speed depends
on which tokens they are. One sentence is decoded at a time.
"""

import functools
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.text import Text

from seq2seq.commands.bench import WINDOWS, sizes, timed
from seq2seq.errors import UserError
from seq2seq.layers.cache import nbytes
from seq2seq.models.base import Autoregressive
from seq2seq.models.results import Memory, State
from seq2seq.settings import config_files, train_arguments
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build
from seq2seq.system import devices, provenance
from seq2seq.system.console import console
from seq2seq.system.lightning import Fabric
from seq2seq.system.terminal_table import TableView

SOURCE = 20  # tokens of the source sentence
LENGTHS = (20, 200, 2000)  # target tokens
REPEATED = 200  # longest target whose speed is the median of several measurements
KINDS = ("multi_head", "grouped_query", "multi_query", "latent")
LATENT_KEYS = ("latent_dim", "query_latent_dim", "rotary_dim")
MEASURED = ("attention", "cross_attention_cache")  # keys of the model with every value
# What only reading text, training, searching and writing a run folder need
UNUSED = ("data", "search", "train", "name", "runs_dir", "fresh", "resume")


def bench_caches(
    names: Sequence[str], words: Sequence[str] = (), *, own: bool = False
) -> dict[str, Any]:
    """Measure the caches of a model with every kind of attention.

    Args:
        names: the model, at most one; `transformer` if empty.
        words: arguments KEY=VALUE of `seq2seq train`.
        own: use the default sizes of the model, not the sizes compared in experiments/speed.

    Returns:
        The measurements, as `--json` writes them.

    Raises:
        UserError: there is no such model, it has no caches, or an argument is invalid or has no
            effect.
    """
    if len(names) > 1:
        raise UserError(f"bench --caches measures one model, not {len(names)}: {', '.join(names)}")
    name = names[0] if names else "transformer"
    given = config_files.model_settings(name)
    if "attention" not in given:
        having = [
            one
            for one in config_files.model_names()
            if "attention" in config_files.model_settings(one)
        ]
        raise UserError(
            f"bench --caches needs a model with the key model.attention, not {name}: "
            f"{' or '.join(having)}"
        )
    for word in words:
        group, _, key = word.lstrip("+~").partition("=")[0].partition(".")
        if group == "model" and key in MEASURED and key in given:
            raise UserError(f"{word} has no effect: bench --caches measures every model.{key}")
        if group in UNUSED:
            raise UserError(
                f"{word} has no effect: bench --caches measures an untrained model on random "
                "tokens, and needs only the keys of model, tokenizer and trainer"
            )
    config = train_arguments.config([f"name=bench-{name}", *sizes(name, own), *words])
    fabric = devices.fabric(config.trainer)
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    rows = []
    for section in sections(config.model):
        with console.status(f"measuring {section['attention']}"):
            rows.append(measure(fabric, section, config))
    return {
        "model": name,
        "words": list(words),
        "rows": rows,
        "source_tokens": SOURCE,
        "device": fabric.device.type,
        "precision": config.trainer.precision,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine() | {"threads": torch.get_num_threads()},
    }


def sections(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the section `model` of the configuration for every kind of attention and cache."""
    heads = model["heads"]
    groups = next((g for g in range(heads // 2, 0, -1) if heads % g == 0), 1)
    for kind in KINDS:
        own: dict[str, Any] = {"attention": kind, "key_value_heads": None}
        if kind == "grouped_query":
            own["key_value_heads"] = model["key_value_heads"] or groups
        if kind != "latent":
            own |= dict.fromkeys(LATENT_KEYS)
        if "cross_attention_cache" in model:
            for cache in ("keys", "source") if kind != "latent" else ("keys",):
                yield model | own | {"cross_attention_cache": cache}
        else:
            yield model | own


def measure(fabric: Fabric, section: dict[str, Any], config: Config) -> dict[str, Any]:
    """Measure one kind: bytes by formula and in memory, and tokens per second, by length."""
    devices.seed_generators(config.seed)
    vocab = config.tokenizer.vocab_size
    given = {"source_vocab": vocab, "target_vocab": vocab, "shared_vocab": config.tokenizer.shared}
    model: Any = build("model", section, **given)
    model = model.to(fabric.device).eval()
    src = torch.full((1, SOURCE), model.special.unk, device=fabric.device)
    speeds = {}
    with torch.inference_mode(), fabric.autocast():
        memory = model.encode(src, torch.ones_like(src, dtype=torch.bool))
        state = decode(model, memory, LENGTHS[0])  # and the first steps are slower
        for length in LENGTHS:
            work = functools.partial(decode, model, memory, length)
            repeats = WINDOWS if length <= REPEATED else 1
            seconds = [timed(fabric.device, work) for _ in range(repeats)]
            speeds[str(length)] = length / statistics.median(seconds)
    elements = model.cache_elements()
    bytes_of = {
        key: tree[0][0].element_size()
        for key, tree in (("source", memory.source), ("target", state))
    }
    return {
        **{key: section[key] for key in ("attention", "key_value_heads")},
        "cross_attention_cache": section.get("cross_attention_cache"),
        "parameters": model.parameter_count,
        "bytes_per_source_token": {
            "formula": bytes_of["source"] * elements.source,
            "measured": nbytes(memory.source) / SOURCE,
        },
        "bytes_per_target_token": {
            "formula": bytes_of["target"] * elements.target,
            "measured": nbytes(state) / LENGTHS[0],
        },
        "tokens_per_second": speeds,
    }


def decode(model: Autoregressive, memory: Memory, length: int) -> State:
    """Run so many steps, each on a given token; return the last state."""
    token = torch.full((1,), model.special.unk, device=next(model.parameters()).device)
    state = model.start(memory)
    for _ in range(length):
        state = model.step(token, memory, state, weights=False).state
    return state


def caches_table(results: dict[str, Any]) -> RenderableType:
    """Return a table of the measurements with a row per kind of attention and cache."""
    rows = []
    for row in results["rows"]:
        groups = row["key_value_heads"]
        kind = row["attention"] + (f" {groups}" if groups else "")
        sizes = [row[f"bytes_per_{side}_token"] for side in ("target", "source")]
        rows.append(
            [
                f"{kind}, {row['cross_attention_cache']}" if row["cross_attention_cache"] else kind,
                *(f"{size[how]:,.0f}" for size in sizes for how in ("formula", "measured")),
                *(f"{speed:,.0f}" for speed in row["tokens_per_second"].values()),
            ]
        )
    lengths = next(iter(results["rows"]))["tokens_per_second"]
    caches = any(row["cross_attention_cache"] for row in results["rows"])
    head = [
        "attention, cache" if caches else "attention",
        "target, bytes",
        "measured",
        "source, bytes",
        "measured",
    ]
    head += [f"speed at {int(length):,}" for length in lengths]
    title = (
        f"{results['model']}, one sentence of {results['source_tokens']} source tokens: bytes of "
        "the cache for each target and source token, by formula and as measured; tokens per "
        "second at the given numbers of target tokens"
    )
    return Group(Text(title), TableView(head, rows))
