"""The names of methods that compute a map, and how one of them hides words.

They are apart from the methods, so that the help of the command line needs no torch.
"""

from typing import Literal, cast, get_args

from seq2seq.errors import UserError, did_you_mean

PartName = Literal["lexeme", "form"]
MethodName = Literal[
    "attention",
    "vectors",
    "alti",
    "occlusion",
    "gradient",
    "smoothgrad",
    "integrated_gradients",
    "occlusion:lexeme",
    "occlusion:form",
    "gradient:lexeme",
    "gradient:form",
    "smoothgrad:lexeme",
    "smoothgrad:form",
    "integrated_gradients:lexeme",
    "integrated_gradients:form",
]
# The methods that compute one map of a model, without layers; no column of it is that of `</s>`.
# They explain the log-probability of a word, and with a colon a part of it.
SIGNED = ("occlusion", "gradient", "smoothgrad", "integrated_gradients")
WITHOUT_LAYERS: tuple[MethodName, ...] = tuple(
    name for name in get_args(MethodName) if name.partition(":")[0] in SIGNED
)
WITHOUT_HEADS: tuple[MethodName, ...] = (*WITHOUT_LAYERS, "vectors", "alti")
Hide = Literal["mean", "unk", "drop"]


def parse_methods(text: str, option: str) -> list[MethodName]:
    """Parse the names of several methods, such as `attention,occlusion`.

    Args:
        text: the names, separated by commas.
        option: the option that has them, for messages.

    Raises:
        UserError: a name is unknown, or is given twice.
    """
    names = [name.strip() for name in text.split(",")]
    known: dict[str, MethodName] = {name: name for name in get_args(MethodName)}
    for name in names:
        if not name:
            raise UserError(
                f"{option} {text[:80]!r}: give names separated by commas, such as "
                "attention,occlusion"
            )
        if name not in known:
            raise UserError(
                f"{option} {text[:80]}: there is no method {name[:40]!r}; "
                + did_you_mean(name, [one for one in known if (":" in one) == (":" in name)])
            )
        if names.count(name) > 1:
            raise UserError(f"{option} {text[:80]}: {name} is given twice")
    return [known[name] for name in names]


def split_method(method: MethodName) -> tuple[str, PartName | None]:
    """Return the method, and the part of the log-probability that it explains; None for all."""
    name, _, part = method.partition(":")
    return name, cast(PartName, part) if part else None


def hides_words(method: MethodName) -> bool:
    """Whether a method hides words, so that `hide` has an effect."""
    return split_method(method)[0] == "occlusion"
