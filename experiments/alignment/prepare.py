"""Cut the corpora of this experiment into files that `data=files` reads.

    python prepare.py greek GREEK_NT OUT
    python prepare.py hansards NEWS_EN_FR HANSARDS_DEV OUT

Of the Greek New Testament every 16th verse is a test verse and every 32nd one a validation verse.
The Hansards tokens are lowercased here; in their French an elided word is written out (l' as le,
d' as de) and a contraction taken apart (du as de le), so the news are brought into that form too.
"""

import gzip
import re
import sys
from pathlib import Path

APART = {"au": "à le", "aux": "à les", "du": "de le", "des": "de les"}
ELIDED = re.compile(r"\b([cdjlmnst]|qu|jusqu|lorsqu|puisqu)'\s*")


def lines(path: Path) -> list[str]:
    """The lines of a file, gzipped or not; only a newline ends one."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    return data.decode("utf-8").removesuffix("\n").split("\n")


def write(path: Path, text: list[str]) -> None:
    """Write lines, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + "\n" for line in text).encode())


def greek(source: Path, out: Path) -> None:
    """Split verse by verse; the one verse that has no Greek is left out."""
    sides = [lines(source / f"nt.{name}.gz") for name in ("grc", "eng", "align")]
    verses = [verse for verse in zip(*sides, strict=True) if verse[0].strip() and verse[1].strip()]
    splits: dict[str, list[tuple[str, ...]]] = {"train": [], "validation": [], "test": []}
    for number, verse in enumerate(verses):
        name = {0: "test", 16: "test", 8: "validation"}.get(number % 32, "train")
        splits[name].append(verse)
    for name, kept in splits.items():
        for column, ending in enumerate(("grc", "eng", "align")):
            write(out / f"{name}.{ending}", [verse[column] for verse in kept])


def hansards_style(text: str, *, french: bool) -> str:
    """Lowercase, cut punctuation off; in French undo elision and contraction."""
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if french:
        text = ELIDED.sub(r"\1e ", text.replace("aujourd'hui", "aujourd' hui"))
    cut = re.findall(r"aujourd'|\w+|[^\w\s]", text)
    return " ".join(APART.get(word, word) if french else word for word in cut)


def hansards(news: Path, gold: Path, out: Path) -> None:
    """The news as training text, the 37 gold pairs as test."""
    for name in ("train", "validation"):
        sides = [lines(news / f"{name}.{language}.gz") for language in ("en", "fr")]
        write(out / f"{name}.en", [hansards_style(text, french=False) for text in sides[0]])
        write(out / f"{name}.fr", [hansards_style(text, french=True) for text in sides[1]])
    for language, ending in (("en", "e"), ("fr", "f")):
        write(out / f"test.{language}", [text.lower() for text in lines(gold / f"dev.{ending}")])


if __name__ == "__main__":
    {"greek": greek, "hansards": hansards}[sys.argv[1]](*map(Path, sys.argv[2:]))
