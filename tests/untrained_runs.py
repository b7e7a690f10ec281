"""Run folders with an untrained model, and gold alignments of their sentences."""

import json
from pathlib import Path

import torch
import yaml

from seq2seq.alignment.gold import Gold, Links, write_gold
from seq2seq.runs.weights import build_model, save_weights
from seq2seq.settings.config_files import model_settings
from seq2seq.system.files import write_lines
from seq2seq.text.tokenizer import Tokenizers

ENGLISH = ["a man rides a horse", "two dogs run over the grass", "the cat sits on the mat"]
GERMAN = ["ein Mann reitet ein Pferd", "zwei Hunde laufen", "die Katze sitzt auf der Matte"]
RECURRENT = {"cell": "gru", "embedding": 8, "dim": 8, "layers": 1, "dropout": 0.0}
READOUT = {"readout": "tanh", "readout_dim": 8}
MODELS = {
    "rnn": {
        "name": "rnn",
        "context": "every_step",
        "bidirectional": False,
        "reverse": False,
        **RECURRENT,
        **READOUT,
    },
    "bahdanau": {
        "name": "bahdanau",
        "align_dim": 8,
        **RECURRENT,
        **READOUT,
    },
    "elman": {
        "name": "elman",
        "context": "start",
        "bidirectional": False,
        "reverse": True,
        **{key: value for key, value in RECURRENT.items() if key != "cell"},
        **READOUT,
    },
    "luong": {
        "name": "luong",
        "score": "general",
        "input_feeding": True,
        "encoder_dim": None,
        "bidirectional": False,
        "reverse": False,
        **RECURRENT,
    },
    "transformer": {
        "name": "transformer",
        "dim": 8,
        "heads": 2,
        "encoder_layers": 1,
        "decoder_layers": 3,
        "feed_forward": 8,
        "norm": "pre",
        "dropout": 0.0,
        "attention_dropout": 0.0,
    },
}
SIZES = {  # of a model that is not in MODELS
    **RECURRENT,
    **READOUT,
    "align_dim": 8,
    "encoder_dim": 8,
    "heads": 2,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "feed_forward": 8,
    "attention_dropout": 0.0,
    "words": 100,
    "largest_offset": 5,
}
MASK_PREDICT = {
    "name": "mask_predict",
    "rounds": 2,
    "lengths": 1,
    "max_length": 8,
    "length_ratio": 2.0,
    "length_extra": 2,
}
SEARCH = {
    "name": "beam",
    "beam": 3,
    "length_penalty": 1.0,
    "max_length": 8,
    "length_ratio": 2.0,
    "length_extra": 2,
}


def small(model: str) -> dict[str, object]:
    """Return the configuration of a small model, of any YAML file in configs/model."""
    if model in MODELS:
        return MODELS[model]
    settings = model_settings(model)
    own = {key: value for key, value in SIZES.items() if key in settings and key != "cell"}
    return {"name": model, **settings, **own}


def make_run(
    folder: Path,
    model: str,
    *,
    source: str = "en",
    target: str = "de",
    normalization: str = "nmt_nfkc",
    shared: bool = False,
) -> Path:
    """Write a run folder with a tokenizer and a small model with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizers = Tokenizers.train(
        ENGLISH,
        GERMAN,
        shared=shared,
        kind="bpe",
        vocab_size=50,
        character_coverage=1.0,
        normalization=normalization,
    )
    tokenizers.save(folder)
    torch.manual_seed(0)
    built = build_model(small(model), tokenizers)
    if not built.fits:
        with torch.no_grad():
            for weight in built.parameters():
                weight.add_(torch.randn_like(weight) * 0.3)
    save_weights(built, folder / "model.safetensors")
    data = {"source": source, "target": target, "max_length": 40}
    search = SEARCH if built.natural_search == "beam" else MASK_PREDICT
    config = {"model": small(model), "search": search, "data": data}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "run.json").write_text(json.dumps({"format": 1, "status": "finished"}))
    return folder


def write_test_set(run: Path, sources: list[str] = ENGLISH, references: list[str] = GERMAN) -> Path:
    """Add the text of a test set `test` to a run folder, and return the run folder."""
    write_lines(run / "hyps" / "test" / "source.txt", sources)
    write_lines(run / "hyps" / "test" / "reference.txt", references)
    return run


def gold_alignments(count: int = 3) -> list[Gold]:
    """Gold links of the first sentence pairs: words 0 and 1 are sure links, word 2 is possible."""
    diagonal = Links(frozenset({(0, 0), (1, 1)}), frozenset({(2, 2)}))
    pairs = zip(ENGLISH, GERMAN, strict=True)
    return [Gold(s.split(), t.split(), diagonal) for s, t in pairs][:count]


def make_run_with_gold(folder: Path, model: str) -> Path:
    """Write a run folder that has a test set with gold alignments."""
    run = write_test_set(make_run(folder, model))
    write_gold(run / "hyps" / "test", gold_alignments())
    return run


def make_controlled_run(folder: Path, model: str, **more: object) -> Path:
    """Write a run folder of the built-in grammar, with further keys of its configuration."""
    run = make_run(folder, model, source="en", target="fr")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["name"] = "controlled"
    (run / "config.yaml").write_text(yaml.safe_dump({**config, **more}))
    return run
