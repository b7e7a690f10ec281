"""Translation memories in TMX format, with all languages in one file."""

from collections.abc import Iterator
from pathlib import Path

from seq2seq.corpora.elements import xml_events
from seq2seq.corpora.lines import Defect, Place, Report
from seq2seq.corpora.segments import matches_language, tidy
from seq2seq.corpora.tables import Table
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError, did_you_mean

CODES = {"bpt", "ept", "ph", "it", "ut"}  # inline elements whose content is formatting, not text


class Tmx(Table):
    """Translation memories; data.source and data.target are the codes in `xml:lang`.

    A code also matches its regional variants: `en` matches `en-US` if there is no `en`. A unit
    without one of the two languages is skipped. Formatting inside a text is removed.
    """

    ending = ".tmx"

    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the two languages of every translation unit."""
        return tmx_pairs(path, (self.source, self.target), report)

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """Return the file and the languages."""
        return self.path(split), self.source, self.target


def tmx_pairs(path: Path, languages: tuple[str, str], report: Report) -> Iterator[tuple[int, Pair]]:
    """Stream the pairs of a TMX file, each with the line of its unit.

    Raises:
        UserError: the file is not well-formed or has no text in one of the languages.
    """
    known: set[str] = set()
    found = False
    for line, texts in units(path, report):
        known |= texts.keys()
        sides = [text_in(texts, language) for language in languages]
        if sides[0] is None or sides[1] is None:
            report(Defect("other languages", Place(path.name, line)))
            continue
        found = True
        yield line, Pair(sides[0], sides[1])
    if found:
        return
    for language in languages:
        if not any(matches_language(code, language) for code in known):
            raise UserError(
                f"{path} has no text in {language!r}; {did_you_mean(language, known)}"
                if known
                else f"{path} has no translation units (<tu> with <tuv xml:lang>)"
            )
    raise UserError(f"{path} has no unit in both {languages[0]!r} and {languages[1]!r}")


def units(path: Path, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """Stream the translation units: line, and first text by language."""
    texts: dict[str, str] = {}
    parts: list[str] | None = None
    first_line, language, codes = 0, "", 0
    for kind, value, line, attributes in xml_events(path, report):
        if kind == "text":
            if parts is not None and not codes:
                parts.append(value)
        elif kind == "start":
            if value == "tu":
                first_line, texts = line, {}
            elif value == "tuv":
                language = attributes.get("xml:lang") or attributes.get("lang", "")
                if not language:
                    raise UserError(f"line {line} of {path} has a <tuv> without xml:lang")
            elif value == "seg":
                parts = []
            elif value in CODES:
                codes += 1
        elif value in CODES:
            codes -= 1
        elif value == "seg" and parts is not None:
            texts.setdefault(language, tidy("".join(parts)))
            parts = None
        elif value == "tu":
            yield first_line, texts


def text_in(texts: dict[str, str], language: str) -> str | None:
    """Return the text in a language, by its exact code or else its first regional variant."""
    if language in texts:
        return texts[language]
    matching = (code for code in texts if matches_language(code, language))
    exact = language.replace("_", "-").lower()
    codes = sorted(matching, key=lambda code: code.replace("_", "-").lower() != exact)
    return texts[codes[0]] if codes else None
