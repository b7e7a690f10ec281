"""Language codes and names, and the BLEU tokenizer of each target language."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Codes (ISO 639-1, -2, -3; country codes often used instead) and names, by sacreBLEU's code.
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
# By language; 13a for all others. Languages with `char` are written without spaces between words,
# and sacreBLEU has no word tokenizer for them that works without a download.
TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"} | dict.fromkeys(
    ("th", "lo", "km", "my", "bo"), "char"
)
BY_SPACES = ("13a", "intl", "none")  # tokenizers that split at spaces
SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
SAMPLE = 1000  # lines that are checked for spaces


class Target(NamedTuple):
    """Target language and BLEU tokenizer.

    Attributes:
        language: code or name; None if unknown.
        tokenizer: sacreBLEU tokenizer chosen by the user; None selects it by language.
    """

    language: str | None
    tokenizer: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Target":
        """Read from the `data` section of a configuration.

        Runs older than the key `data.bleu_tokenizer` recognized fewer codes; they are scored as
        before.
        """
        language = data.get("target")
        if "bleu_tokenizer" in data:
            return cls(language, data["bleu_tokenizer"])
        known = isinstance(language, str) and _primary(language) in OLDER
        return cls(language if known else None)


def is_tokenized(data: Mapping[str, Any]) -> bool:
    """Whether the text of a `data` section is tokenized, so that BLEU of tokens is meaningful."""
    return bool(data.get("tokenized")) or data.get("form") == "tokenized"


def code(language: str | None) -> str:
    """Return the two-letter code of a language: `zh` for zh-CN, zho_Hans, cn and Chinese."""
    primary = _primary(language or "")
    return CODES.get(primary, primary)


def unspaced(lines: Sequence[str]) -> bool:
    """Whether text has almost no spaces between words.

    True if most letters are of a script written without spaces and less than 1 in 10 characters is
    a space, or if less than 1 in 50 characters of long lines is a space.
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
    """Return the language of a tag such as zh-Hans-CN or zh_TW, in lower case."""
    return language.strip().replace("_", "-").split("-")[0].lower()


def _of_script(character: str) -> bool:
    """Whether a letter is of a script that is written without spaces."""
    return character > "\u0e00" and unicodedata.name(character, "").startswith(SCRIPTS)


def _spaces(text: str) -> int:
    """Count the whitespace characters."""
    return sum(map(str.isspace, text))
