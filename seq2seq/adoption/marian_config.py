"""The configuration of a Marian or M2M100 model of `transformers`, as keys of our Transformer."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from seq2seq.errors import UserError, did_you_mean
from seq2seq.runs.folder import ADOPTED_KINDS
from seq2seq.runs.untrusted import read_json
from seq2seq.settings.ranges import Natural, Share, Width, Within
from seq2seq.settings.schema import coerce

ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu", "gelu": "gelu"}


class Kind(NamedTuple):
    """What all models of a type have.

    Attributes:
        name: its name in run.json.
        fixed: keys that change the function, with the value that our Transformer and the class of
            `transformers` have. An absent key has this value.
        defaults: values of other absent keys, as in the class of `transformers`; sizes must be
            given.
        model: keys of our Transformer.
        languages: whether it has several languages, of which source and target begin with one.
    """

    name: str
    fixed: dict[str, Any]
    defaults: dict[str, Any]
    model: dict[str, Any]
    languages: bool

    @property
    def title(self) -> str:
        """Its name in messages."""
        return ADOPTED_KINDS[self.name]


KINDS = {
    "marian": Kind(
        "marian",
        {  # the first three are keys of the converter of Marian's own files
            "normalize_before": False,
            "normalize_embedding": False,
            "add_final_layer_norm": False,
            "static_position_embeddings": True,
            "tie_word_embeddings": True,
        },
        {
            "activation_function": "gelu",
            "attention_dropout": 0.0,
            "decoder_start_token_id": 58100,
            "dropout": 0.1,
            "eos_token_id": 0,
            "pad_token_id": 58100,
            "scale_embedding": False,
            "share_encoder_decoder_embeddings": True,
        },
        {"norm": "post"},
        languages=False,
    ),
    "m2m_100": Kind(
        "m2m100",
        {
            "pad_token_id": 1,  # positions=fairseq counts from the next number
            "share_encoder_decoder_embeddings": True,
            "tie_word_embeddings": True,
        },
        {
            "activation_function": "relu",
            "attention_dropout": 0.1,
            "decoder_start_token_id": 2,
            "dropout": 0.1,
            "eos_token_id": 2,
            "pad_token_id": 1,
            "scale_embedding": True,
            "share_encoder_decoder_embeddings": True,
        },
        {"norm": "pre", "positions": "fairseq"},
        languages=True,
    ),
}
Layers = Annotated[int, Within(1, 1000)]


class AdoptedConfig(NamedTuple):
    """What config.json says of the function of a model.

    Attributes:
        kind: its type.
        model: the section `model` of our configuration.
        vocabularies: the number of pieces of source and target.
        shared: whether both sides have the same embedding.
        scaled: whether embeddings are multiplied by sqrt(dim).
        pad: the id of padding.
        start: the first input of the decoder.
        eos: the end of a sentence.
    """

    kind: Kind
    model: dict[str, Any]
    vocabularies: tuple[int, int]
    shared: bool
    scaled: bool
    pad: int
    start: int
    eos: int


def read_config(folder: Path) -> AdoptedConfig:
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
    kind = kind_of(file, given.get("model_type"))
    for key, value in kind.fixed.items():
        if (found := given.get(key, value)) != value:
            raise UserError(
                f"{file} has {key}={str(found).lower()}, but {kind.title} can be adopted only "
                f"with {key}={str(value).lower()}"
            )
    config = kind.defaults | given

    def read(key: str, of: Any) -> Any:
        if key not in config:
            raise UserError(f"{file} has no {key}")
        return coerce(config[key], of, f"{file}: {key}")

    def both(key: str, of: Any) -> Any:
        sides = {f"{side}_{key}": read(f"{side}_{key}", of) for side in ("encoder", "decoder")}
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
    start = read("decoder_start_token_id", Natural)
    # The target language, the first token of a translation, is our BOS.
    prefix = {"target_prefix": [start]} if kind.languages else {}
    return AdoptedConfig(
        kind=kind,
        model={
            "name": "transformer",
            "dim": read("d_model", Width),
            "heads": both("attention_heads", Width),
            "encoder_layers": read("encoder_layers", Layers),
            "decoder_layers": read("decoder_layers", Layers),
            "feed_forward": both("ffn_dim", Width),
            "dropout": read("dropout", Share),
            "attention_dropout": read("attention_dropout", Share),
            "feed_forward_kind": ACTIVATIONS[activation],
            **kind.model,
            **prefix,
        },
        vocabularies=(vocabulary, read("decoder_vocab_size", Width)),
        shared=read("share_encoder_decoder_embeddings", bool),
        scaled=read("scale_embedding", bool),
        pad=read("pad_token_id", Natural),
        start=start,
        eos=read("eos_token_id", Natural),
    )


def kind_of(file: Path, name: object) -> Kind:
    """Return the kind of model that `model_type` names.

    Raises:
        UserError: it is another one.
    """
    if not isinstance(name, str):
        raise UserError(f"{file} has no model_type, so it is not that of a Marian or M2M100 model")
    if name not in KINDS:
        raise UserError(
            f"{file} is that of a model of type {name!r}, but only Marian models (model_type "
            "marian, such as those of OPUS-MT) and M2M100 models (m2m_100) can be adopted"
        )
    return KINDS[name]
