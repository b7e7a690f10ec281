"""The tokenizers of a Marian model: two SentencePiece models, and the ids of their pieces."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from seq2seq.adoption.marian_config import AdoptedConfig
from seq2seq.errors import UserError
from seq2seq.runs.untrusted import read_json
from seq2seq.text.renumbered import Renumbered, check_vocabulary
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.tokenizer import Tokenizers

UNKNOWN = "<unk>"


def read_tokenizers(folder: Path, config: AdoptedConfig) -> Tokenizers:
    """Read source.spm, target.spm, vocab.json and, with two vocabularies, target_vocab.json.

    Raises:
        UserError: a file is missing or damaged, or does not fit the configuration.
    """
    settings = read_settings(folder)
    unknown = token(settings, "unk_token", UNKNOWN)
    separate = bool(settings.get("separate_vocabs", False))
    if separate == config.shared:
        raise UserError(
            f"{folder / 'tokenizer_config.json'} has separate_vocabs={str(separate).lower()}, but "
            "config.json has share_encoder_decoder_embeddings="
            f"{str(config.shared).lower()}: one of the two files is not that of this model"
        )
    names = ("vocab.json", "target_vocab.json" if separate else "vocab.json")
    refuse_missing(folder, ("source.spm", "target.spm", *dict.fromkeys(names)), "a Marian model")
    sides = []
    for name, size in zip(names, config.vocabularies, strict=True):
        file = folder / name
        pieces = read_vocabulary(file, size)
        if unknown not in pieces:
            raise UserError(f"{file} has no piece {unknown!r} for what is unknown")
        special = SpecialIds(config.pad, config.start, config.eos, pieces.index(unknown))
        check_vocabulary(file, pieces, {**special._asdict(), "mask": 0})
        sides.append((pieces, special))
    (source, special), (target, other) = sides
    if special != other:
        raise UserError(f"{folder}: {unknown} has different ids in {' and '.join(names)}")
    written = Renumbered(SentencePiece.read(folder / "target.spm"), target, special)
    read = SentencePiece.read(folder / "source.spm")
    return Tokenizers(
        Renumbered(read, source, special, written if config.shared else None), written
    )


def read_settings(folder: Path) -> dict[str, Any]:
    """Return the content of tokenizer_config.json; empty if there is no such file."""
    file = folder / "tokenizer_config.json"
    return read_json(file) if file.is_file() else {}


def read_vocabulary(file: Path, size: int) -> list[str]:
    """Return the pieces of a vocabulary file in the order of their ids.

    Raises:
        UserError: it is damaged, has another number of pieces than the model, or codes of several
            target languages.
    """
    pieces = read_pieces(file)
    if len(pieces) != size:
        raise UserError(f"{file} has {len(pieces):,} pieces, but config.json says {size:,}")
    codes = [one for one in pieces if one.startswith(">>") and one.endswith("<<")]
    if codes:
        raise UserError(
            f"{file} has codes of target languages ({', '.join(codes[:3])}), one of which must "
            "begin each source sentence: models for several target languages cannot be adopted yet"
        )
    return pieces


def read_pieces(file: Path) -> list[str]:
    """Return the pieces of a vocabulary file in the order of their ids.

    Raises:
        UserError: it is damaged, or its ids are not 0, 1, ...
    """
    ids = read_json(file)
    pieces = sorted(ids, key=lambda piece: ids[piece] if isinstance(ids[piece], int) else -1)
    if [ids[piece] for piece in pieces] != list(range(len(pieces))):
        raise UserError(f"{file} must give the ids 0, 1, ... to its pieces, each once")
    return pieces


def token(settings: dict[str, Any], name: str, default: str) -> object:
    """Return a special token of tokenizer_config.json, which may be stored with its options."""
    value = settings.get(name) or default
    return value.get("content") if isinstance(value, dict) else value


def refuse_missing(folder: Path, names: Collection[str], title: str) -> None:
    """Check that the files of a tokenizer are there.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name} is missing: {title} has the tokenizer files {', '.join(names)}"
            )


def languages(folder: Path) -> tuple[str | None, str | None]:
    """Return the source and target language that the tokenizer states; None if it does not."""
    settings = read_settings(folder)
    source, target = (settings.get(f"{side}_lang") for side in ("source", "target"))
    return (
        source if isinstance(source, str) else None,
        target if isinstance(target, str) else None,
    )
