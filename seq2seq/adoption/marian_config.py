"""The configuration of a Marian model of the library `transformers`, as keys of our Transformer."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from seq2seq.errors import UserError, did_you_mean
from seq2seq.runs.untrusted import read_json
from seq2seq.settings.ranges import Natural, Share, Width, Within
from seq2seq.settings.schema import coerce

ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu", "gelu": "gelu"}
# Keys of the original converter that change the function, with the value that our Transformer and
# the Marian class of `transformers` have. An absent key has this value.
FIXED = {
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
    "tie_word_embeddings": True,
}
DEFAULTS = {  # of MarianConfig; sizes must be given
    "activation_function": "gelu",
    "attention_dropout": 0.0,
    "decoder_start_token_id": 58100,
    "dropout": 0.1,
    "eos_token_id": 0,
    "pad_token_id": 58100,
    "scale_embedding": False,
    "share_encoder_decoder_embeddings": True,
}
Layers = Annotated[int, Within(1, 1000)]


class MarianConfig(NamedTuple):
    """What config.json says of the function of a model.

    Attributes:
        model: the section `model` of our configuration.
        vocabularies: the number of pieces of source and target.
        shared: whether both sides have the same embedding.
        scaled: whether embeddings are multiplied by sqrt(dim).
        pad: the id of padding.
        start: the first input of the decoder.
        eos: the end of a sentence.
    """

    model: dict[str, Any]
    vocabularies: tuple[int, int]
    shared: bool
    scaled: bool
    pad: int
    start: int
    eos: int


def read_config(folder: Path) -> MarianConfig:
    """Read config.json.

    Raises:
        UserError: it is missing or damaged, is that of another architecture, or has a value that
            our Transformer cannot have.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise UserError(
            f"{str(folder)!r} is not a model of the library transformers: it has no config.json"
        )
    given = read_json(file)
    refuse_other_kind(file, given.get("model_type"))
    for key, value in FIXED.items():
        if (found := given.get(key, value)) != value:
            raise UserError(
                f"{file} has {key}={str(found).lower()}, but only Marian models with "
                f"{key}={str(value).lower()} can be adopted"
            )
    config = DEFAULTS | given

    def read(key: str, kind: Any) -> Any:
        if key not in config:
            raise UserError(f"{file} has no {key}")
        return coerce(config[key], kind, f"{file}: {key}")

    def both(key: str, kind: Any) -> Any:
        sides = {f"{side}_{key}": read(f"{side}_{key}", kind) for side in ("encoder", "decoder")}
        first, second = sides.values()
        if first != second:
            words = " and ".join(f"{name}={value}" for name, value in sides.items())
            raise UserError(f"{file} has {words}: only models in which they are equal are adopted")
        return first

    activation = read("activation_function", str)
    if activation not in ACTIVATIONS:
        raise UserError(
            f"{file}: activation_function={activation} is not known: "
            + did_you_mean(activation, ACTIVATIONS)
        )
    vocabulary = read("vocab_size", Width)
    config["decoder_vocab_size"] = config.get("decoder_vocab_size") or vocabulary
    return MarianConfig(
        model={
            "name": "transformer",
            "dim": read("d_model", Width),
            "heads": both("attention_heads", Width),
            "encoder_layers": read("encoder_layers", Layers),
            "decoder_layers": read("decoder_layers", Layers),
            "feed_forward": both("ffn_dim", Width),
            "norm": "post",
            "dropout": read("dropout", Share),
            "attention_dropout": read("attention_dropout", Share),
            "feed_forward_kind": ACTIVATIONS[activation],
        },
        vocabularies=(vocabulary, read("decoder_vocab_size", Width)),
        shared=read("share_encoder_decoder_embeddings", bool),
        scaled=read("scale_embedding", bool),
        pad=read("pad_token_id", Natural),
        start=read("decoder_start_token_id", Natural),
        eos=read("eos_token_id", Natural),
    )


def refuse_other_kind(file: Path, kind: object) -> None:
    """Check that the architecture is Marian.

    Raises:
        UserError: it is another one; the message names what M2M100 and NLLB would need.
    """
    if kind == "marian":
        return
    if kind == "m2m_100":
        raise UserError(
            f"{file} is that of an M2M100 or NLLB model, which cannot be adopted yet: its decoder "
            "reads the target language as a second token before the translation, and the models of "
            "this package have one token (<s>) there"
        )
    if not isinstance(kind, str):
        raise UserError(f"{file} has no model_type, so it is not that of a Marian model")
    raise UserError(
        f"{file} is that of a model of type {kind!r}, but only Marian models (model_type marian, "
        "such as those of OPUS-MT) can be adopted"
    )
