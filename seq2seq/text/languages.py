"""Target languages by the codes and names in use, and how BLEU splits their text into words."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Codes (ISO 639-1, -2, -3; country codes often used in their place) and names, by sacreBLEU's code.
NAMES = {
    "zh": "zh zho chi cmn yue wuu nan hak lzh cn ch chs cht zhs zht chinese mandarin cantonese",
    "ja": "ja jpn jp jap japanese",
    "ko": "ko kor kr korean",
    "th": "th tha thai",
    "lo": "lo lao laotian",
    "km": "km khm khmer cambodian",
    "my": "my mya bur mm burmese myanmar",
    "bo": "bo bod tib dzo dz tibetan dzongkha",
}
CODES = {name: code for code, names in NAMES.items() for name in names.split()}
OLDER = {code: CODES[code] for code in ("zh", "ja", "ko", "cmn", "zho", "jpn", "kor")}
# By language; where a language is not here, it is 13a. Those split into characters write no spaces
# between words, and sacreBLEU has no words for them that come without a download.
TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"} | dict.fromkeys(
    ("th", "lo", "km", "my", "bo"), "char"
)
BY_SPACES = ("13a", "intl", "none")  # tokenizers that find words between spaces
SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
SAMPLE = 1000  # lines that are looked at for spaces


class Target(NamedTuple):
    """What decides how BLEU splits the target side.

    Attributes:
        language: code or name; None if unknown.
        tokenizer: of sacreBLEU, as the user chose it; None chooses by the language.
    """

    language: str | None
    tokenizer: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Target":
        """Of a configuration's `data`.

        Runs older than `data.bleu_tokenizer` knew fewer codes: they are scored as they were.
        """
        language = data.get("target")
        if "bleu_tokenizer" in data:
            return cls(language, data["bleu_tokenizer"])
        known = isinstance(language, str) and _primary(language) in OLDER
        return cls(language if known else None)


def code(language: str | None) -> str:
    """The two-letter code of a language: `zh` for zh-CN, zho_Hans, cn and Chinese."""
    primary = _primary(language or "")
    return CODES.get(primary, primary)


def unspaced(lines: Sequence[str]) -> bool:
    """Whether text has next to no spaces between its words.

    That is so where most letters are of a script that sets no spaces and fewer than one character
    in ten is a space, or where long lines have fewer than one in fifty.
    """
    sample = [line.strip() for line in lines[:: 1 + len(lines) // SAMPLE]]
    text = "".join(sample)
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return False
    if 2 * sum(map(_of_script, letters)) > len(letters):
        return 10 * _spaces(text) < len(text)
    long = "".join(line for line in sample if len(line) >= 30)
    return 2 * len(long) > len(text) and 50 * _spaces(long) < len(long)


def _primary(language: str) -> str:
    """The language of a tag such as zh-Hans-CN or zh_TW, in lower case."""
    return language.strip().replace("_", "-").split("-")[0].lower()


def _of_script(character: str) -> bool:
    """Whether a letter is of a script that is written without spaces."""
    return character > "\u0e00" and unicodedata.name(character, "").startswith(SCRIPTS)


def _spaces(text: str) -> int:
    """How many characters are spaces of any kind."""
    return sum(map(str.isspace, text))
