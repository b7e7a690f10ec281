"""`seq2seq adopt`: make a run folder of a translation model that another program has trained."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from seq2seq.adoption import m2m100_tokenizers, marian_tokenizers, marian_weights
from seq2seq.adoption.m2m100_tokenizers import Direction, language_codes
from seq2seq.adoption.marian_config import AdoptedConfig, read_config
from seq2seq.adoption.marian_tokenizers import languages
from seq2seq.adoption.origin import origin
from seq2seq.corpora import Corpus, Text
from seq2seq.errors import UserError
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.facts import model_facts
from seq2seq.runs.folder import ADOPTED, FORMAT, create_run
from seq2seq.runs.weights import save_weights
from seq2seq.scoring import metrics
from seq2seq.settings import train_arguments
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build
from seq2seq.system.console import console
from seq2seq.system.files import write_json
from seq2seq.system.provenance import environment, timestamp
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.examples import gold_alignments, held_out_texts
from seq2seq.training.flops import multiply_adds

TAKEN = ("name", "runs_dir", "data", "search")  # keys of train, and groups, that have an effect
STORED = ("name", "runs_dir", "data", "model", "search")  # keys of config.yaml


def adopt_model(
    folder: Path,
    words: Sequence[str],
    source_language: str | None = None,
    target_language: str | None = None,
) -> Path:
    """Make a run folder of a Marian or M2M100 model of the library `transformers`.

    The run has the test sets of the corpus, as if it had been trained on it.

    Args:
        folder: the model: config.json, model.safetensors, and the files of its tokenizer.
        words: `name=`, and other arguments of `seq2seq train` on run folder, data and search.
        source_language: the source language of a model of several languages, if the data has
            another code for it, or none.
        target_language: the same of the target language.

    Returns:
        The run folder.

    Raises:
        UserError: the folder has no such model, its languages are not those of the corpus, an
            argument is wrong or has no effect, or the run folder exists.
    """
    settings = configuration(words)
    run = Path(settings.runs_dir) / settings.name
    if run.exists() or run.is_symlink():
        raise UserError(f"{run} exists already: choose another name=, or delete it")
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {str(folder)!r}: give one on this machine with the files of a "
            "model (hf download USER/NAME --local-dir FOLDER gets them)"
        )
    described = read_config(folder)
    corpus: Corpus = build("data", settings.data)
    tokenizers = read_tokenizers(folder, described, corpus, (source_language, target_language))
    weights = marian_weights.weights_file(folder)
    model = marian_weights.load(weights, described, tokenizers)
    texts = held_out_texts(corpus)
    for line in corpus.describe():
        console.print(line, markup=False, highlight=False)
    config = dataclasses.asdict(dataclasses.replace(settings, model=described.model))
    info = {
        "format": FORMAT,
        "name": settings.name,
        "status": "finished",
        "started": timestamp(),
        ADOPTED: origin(folder, read_files(folder), described.kind.name)
        | language_tokens(described, tokenizers),
        **facts(model, tokenizers, corpus, settings),
        **environment(),
    }
    run.parent.mkdir(parents=True, exist_ok=True)
    partial = run.with_name(f".{run.name}.{uuid4().hex}.partial")
    try:
        tokenizers.save(partial)
        save_weights(model, partial / marian_weights.WEIGHTS)
        write_json(partial / "run.json", info)
        stored = {key: config[key] for key in STORED}
        create_run(partial, stored, texts, gold_alignments(corpus))
        partial.rename(run)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return run


def read_tokenizers(
    folder: Path, described: AdoptedConfig, corpus: Corpus, given: tuple[str | None, str | None]
) -> Tokenizers:
    """Read the tokenizers of a model, for the languages of the corpus or those given instead.

    Raises:
        UserError: a file is missing or damaged, the languages are not those of the model, or
            languages are given without effect.
    """
    if described.kind.languages:
        return m2m100_tokenizers.read_tokenizers(
            folder, described, direction(folder, corpus, given)
        )
    for side, code in zip(Direction._fields, given, strict=True):
        if code is not None:
            raise UserError(
                f"--{side}-language {code} has no effect on {described.kind.title}, which has one "
                "direction: remove it"
            )
    tokenizers = marian_tokenizers.read_tokenizers(folder, described)
    refuse_other_languages(folder, corpus)
    return tokenizers


def language_tokens(described: AdoptedConfig, tokenizers: Tokenizers) -> dict[str, list[str]]:
    """Return the tokens of the languages of a model of several languages, for run.json."""
    if not described.kind.languages:
        return {}
    source, target = tokenizers
    return {"language_tokens": source.pieces([*source.prefix, target.special.bos])}


def direction(folder: Path, corpus: Corpus, given: tuple[str | None, str | None]) -> Direction:
    """Return the languages of the corpus in the codes of a model of several languages.

    Raises:
        UserError: a given language contradicts the corpus.
    """
    known, codes = language_codes(folder), []
    for side, own, other in zip(
        Direction._fields, (corpus.source, corpus.target), given, strict=True
    ):
        if other is not None and own != other and own in known:
            raise UserError(
                f"--{side}-language {other} contradicts the data, whose {side} language is {own}: "
                f"remove it, or set data.{side}"
            )
        codes.append(own if other is None else other)
    return Direction(*codes)


def configuration(words: Sequence[str]) -> Config:
    """Return the configuration of the run, with a model that is replaced.

    Raises:
        UserError: an argument is wrong or has no effect, or there is no `name=`.
    """
    keys = [word.partition("=")[0].lstrip("+~") for word in words]
    for word, key in zip(words, keys, strict=True):
        if key.partition(".")[0] not in TAKEN:
            raise UserError(
                f"{word}: adopt takes the keys name, runs_dir, data and search; all others are for "
                "training"
            )
    if "name" not in keys:
        raise UserError("give the new run a name, such as name=opus")
    return train_arguments.config(["model=transformer", *words])


def facts(
    model: Seq2Seq, tokenizers: Tokenizers, corpus: Corpus, settings: Config
) -> dict[str, Any]:
    """Return the fields of run.json that describe the model and the corpus."""
    lengths = mean_lengths(tokenizers, corpus.text("validation"))
    return {
        **model_facts(model, tokenizers),
        "multiply_adds_per_target_token": multiply_adds(model, *lengths),
        "data": {
            "source": corpus.source,
            "target": corpus.target,
            "bleu_tokenizer": metrics.bleu_tokenizer(Target.of(settings.data)),
        },
    }


def read_files(folder: Path) -> set[Path]:
    """Return the files of a model that adopting reads, except the model card."""
    names = ("config.json", "source.spm", "target.spm", "vocab.json", "target_vocab.json")
    more = (m2m100_tokenizers.SEGMENTER, "tokenizer_config.json", marian_weights.WEIGHTS)
    known = [folder / name for name in (*names, *more)]
    return {file for file in known if file.is_file()}


def refuse_other_languages(folder: Path, corpus: Corpus) -> None:
    """Check that the model translates in the direction of the corpus, if it states languages.

    Codes of different lengths, such as en and eng, are not compared.

    Raises:
        UserError: it translates between other languages.
    """
    stated, wanted = languages(folder), (corpus.source, corpus.target)
    for own, other in zip(stated, wanted, strict=True):
        if own and other and len(own) == len(other) and own.lower() != other.lower():
            raise UserError(
                f"{folder} translates from {stated[0]} to {stated[1]}, but the data is from "
                f"{wanted[0]} to {wanted[1]}: choose the data of its languages, or set data.source "
                "and data.target"
            )


def mean_lengths(tokenizers: Tokenizers, text: Text) -> tuple[int, int]:
    """Return the mean number of pieces of a source and a target, with `</s>`, rounded."""
    sides = (list(text.sources()), list(text.targets()))
    rows = [one.encode(lines) for one, lines in zip(tokenizers, sides, strict=True)]
    source, target = (round(sum(map(len, side)) / max(1, len(side))) + 1 for side in rows)
    return source, target
