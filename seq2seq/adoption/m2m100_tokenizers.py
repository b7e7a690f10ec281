"""The tokenizers of an M2M100 model: SentencePiece, the ids of its pieces, and language tokens."""

from itertools import count, filterfalse, islice
from pathlib import Path
from typing import NamedTuple

from seq2seq.adoption.marian_config import AdoptedConfig
from seq2seq.adoption.marian_tokenizers import (
    UNKNOWN,
    read_pieces,
    read_settings,
    refuse_missing,
    token,
)
from seq2seq.errors import UserError, did_you_mean
from seq2seq.text.renumbered import Renumbered, check_vocabulary
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.text.words import language_token

SEGMENTER, VOCABULARY, CLASS = "sentencepiece.bpe.model", "vocab.json", "M2M100Tokenizer"
# The languages by `language_codes` of tokenizer_config.json. Their tokens have the ids after those
# of vocab.json, in this order (transformers/models/m2m_100/tokenization_m2m_100.py).
CODES = {
    "m2m100": (
        "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl "
        "gu ha he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml "
        "mn mr ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl "
        "tn tr uk ur uz vi wo xh yi yo zh zu"
    ),
    "wmt21": "en ha is ja cs ru zh de",
}


class Direction(NamedTuple):
    """The source and target language of a translation, as codes of the model."""

    source: str
    target: str


def read_tokenizers(folder: Path, config: AdoptedConfig, direction: Direction) -> Tokenizers:
    """Read sentencepiece.bpe.model and vocab.json, for one direction.

    Every source begins with the token of its language. That of the target language is the first
    input of the decoder after the prefix of the model, so it is `special.bos`.

    Raises:
        UserError: a file is missing or damaged or does not fit the configuration, or the model
            does not have one of the languages.
    """
    settings = read_settings(folder)
    name = settings.get("tokenizer_class", CLASS)
    if name != CLASS:
        raise UserError(
            f"{folder / 'tokenizer_config.json'} has tokenizer_class={name}, but of the models of "
            f"type m2m_100 only those with {CLASS} can be adopted, not NLLB or others"
        )
    refuse_missing(folder, (SEGMENTER, VOCABULARY), config.kind.title)
    file, languages = folder / VOCABULARY, language_codes(folder)
    vocabulary = read_pieces(file)
    tokens = list(map(language_token, languages))
    unused = config.vocabularies[0] - len(vocabulary) - len(tokens)
    if unused < 0:
        raise UserError(
            f"{file} has {len(vocabulary):,} pieces, and with {len(tokens)} language tokens that "
            f"is more than vocab_size={config.vocabularies[0]:,} of config.json"
        )
    ids = {
        name: place(file, vocabulary, token(settings, f"{name}_token", default))
        for name, default in (("pad", "<pad>"), ("eos", "</s>"), ("unk", UNKNOWN))
    }
    for name, given in (("pad", config.pad), ("eos", config.eos)):
        if given != ids[name]:
            raise UserError(
                f"{file} gives {vocabulary[ids[name]]!r} the id {ids[name]}, but config.json has "
                f"{name}_token_id={given}: one of the two files is not that of this model"
            )
    known, first = set(vocabulary), len(vocabulary)
    names = filterfalse(known.__contains__, map("madeupword{:04}".format, count()))
    pieces = [*vocabulary, *tokens, *islice(names, unused)]
    source, target = (
        first + number(folder, languages, side, code) for side, code in direction._asdict().items()
    )
    special = SpecialIds(ids["pad"], target, ids["eos"], ids["unk"])
    check_vocabulary(file, pieces, {**special._asdict(), "mask": 0})
    segmenter, silent = SentencePiece.read(folder / SEGMENTER), range(first, len(pieces))
    written = Renumbered(segmenter, pieces, special, silent=silent)
    return Tokenizers(
        Renumbered(segmenter, pieces, special, written, prefix=[source], silent=silent), written
    )


def language_codes(folder: Path) -> list[str]:
    """Return the codes of the languages of a model in the order of their ids.

    Raises:
        UserError: tokenizer_config.json names an unknown list of languages.
    """
    name = read_settings(folder).get("language_codes", "m2m100")
    if not isinstance(name, str) or name not in CODES:
        raise UserError(
            f"{folder / 'tokenizer_config.json'} has language_codes={name!r}, but the known lists "
            f"of languages are {' and '.join(CODES)}"
        )
    return CODES[name].split()


def place(file: Path, vocabulary: list[str], piece: object) -> int:
    """Return the id of a special piece.

    Raises:
        UserError: the vocabulary does not have it.
    """
    if piece not in vocabulary:
        raise UserError(f"{file} has no piece {piece!r}")
    return vocabulary.index(str(piece))


def number(folder: Path, languages: list[str], side: str, code: str) -> int:
    """Return the number of a language.

    Raises:
        UserError: the model does not have it.
    """
    if code not in languages:
        raise UserError(
            f"the model in {folder} has no language {code!r}, the {side} language of the data: "
            f"{did_you_mean(code, languages)} (--{side}-language names one of its "
            f"{len(languages)} languages)"
        )
    return languages.index(code)
