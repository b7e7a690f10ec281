"""Multi30k, task 1: captions of 31,000 pictures in four languages (Elliott et al. 2016)."""

import hashlib
from pathlib import Path

from seq2seq.config import Folder, Positive
from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.fetch import fetch_gzip
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError, did_you_mean

LANGUAGES = ("en", "de", "fr", "cs")
TESTS = {
    "test_2016_flickr": LANGUAGES,
    "test_2017_flickr": ("en", "de", "fr"),
}


class Multi30k(Files):
    """The raw text of Multi30k: cased, not tokenised.

    Args:
        source: language translated from: en, de, fr or cs
        target: language translated into: en, de, fr or cs
        root: URL that the files are fetched from, or a folder that has them under the same names
        max_length: longest pair to train on, in pieces a side
    """

    def __init__(self, *, source: str, target: str, root: Folder, max_length: Positive) -> None:
        for key, language in (("source", source), ("target", target)):
            if language not in LANGUAGES:
                raise UserError(
                    f"Multi30k has no data.{key}={language}; {did_you_mean(language, LANGUAGES)}"
                )
        if source == target:
            others = [language for language in LANGUAGES if language != source]
            raise UserError(
                f"data.source and data.target are both {source}; {did_you_mean('', others)}"
            )
        super().__init__(
            source=source,
            target=target,
            root=root,
            train="train",
            validation="val",
            tests=[name for name, known in TESTS.items() if {source, target} <= set(known)],
            max_length=max_length,
            tokenized=False,
        )

    def paths(self, split: str) -> tuple[Path, Path]:
        """Both files, fetched first if the root is a URL and they are not in the cache."""
        if "://" not in self.root:
            return super().paths(split)
        return self._fetched(split, self.source), self._fetched(split, self.target)

    def _fetched(self, split: str, language: str) -> Path:
        root = self.root.rstrip("/")
        name = f"{self.part(split)}.{language}.gz"
        folder = cache_folder() / "multi30k" / hashlib.sha256(root.encode()).hexdigest()[:16]
        return fetch_gzip(f"{root}/{name}", folder / name)
