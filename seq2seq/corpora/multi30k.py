"""Multi30k, task 1: captions of 31,000 images in four languages (Elliott et al. 2016)."""

from pathlib import Path

from seq2seq.config import Folder, Positive
from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.fetch import fetch
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError, did_you_mean

LANGUAGES = ("en", "de", "fr", "cs")
TESTS = {
    "test_2016_flickr": LANGUAGES,
    "test_2017_flickr": ("en", "de", "fr"),
}
# SHA-256 of the unpacked files in data/task1/raw of github.com/multi30k/dataset
KNOWN = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "train.fr": "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d",
    "train.cs": "2be68b38c8d586ff4f54eb13cc6e1baaaa053695b3f070d3038303a47f2268da",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "val.fr": "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc",
    "val.cs": "d53827e469b0a1ca8d57e9e26b2b64c4bc4b33f5479c7b03ae87ae5c882c3e33",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    "test_2016_flickr.fr": "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6",
    "test_2016_flickr.cs": "45adb85f688de8407fddcbe1b36dca15d12aab868149b337e2576f2d6d2ff8d8",
    "test_2017_flickr.en": "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
    "test_2017_flickr.de": "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081",
    "test_2017_flickr.fr": "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6",
}
# Names of the splits in the copy on the hub (JSON lines, English and German only)
HUB_NAMES = {"train": "train", "val": "val", "test_2016_flickr": "test"}
HUB_LANGUAGES = ("en", "de")


class Multi30k(Files):
    """The raw text of Multi30k: cased, not tokenized.

    Args:
        source: language translated from: en, de, fr or cs
        target: language translated into: en, de, fr or cs
        root: URL to download the files from, or a folder that has them under the same names
        max_length: longest pair to train on, in pieces per side
        mirrors: URLs to try after root: folders with the same file names, or JSON lines
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        root: Folder,
        max_length: Positive,
        mirrors: list[str] | None = None,
    ) -> None:
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
        self.mirrors = mirrors or []
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
        """Return both files, downloading them if the root is a URL and they are not in the cache.

        Raises:
            UserError: no URL has one of the files; the message says where to put which files.
        """
        if "://" not in self.root:
            return super().paths(split)
        return self._fetched(split, self.source), self._fetched(split, self.target)

    def _fetched(self, split: str, language: str) -> Path:
        part = self.part(split)
        name = f"{part}.{language}"
        path = cache_folder() / "multi30k" / KNOWN[name][:16] / name
        try:
            urls = self.addresses(part, language)
            return fetch(urls, path, sha256=KNOWN[name], field=language)
        except UserError as error:
            parts = (self.part(split) for split in self.splits)
            names = [f"{part}.{side}.gz" for part in parts for side in (self.source, self.target)]
            raise UserError(
                f"{error}; obtain the files {', '.join(names)} (or the same without .gz) in "
                "another way, put them into one folder, and set data.root=FOLDER"
            ) from error

    def addresses(self, part: str, language: str) -> list[str]:
        """Return the URLs of a file: at the root, then at the mirrors that have it."""
        urls = []
        for base in (self.root, *self.mirrors):
            if "{split}" not in base:
                urls.append(f"{base.rstrip('/')}/{part}.{language}.gz")
            elif part in HUB_NAMES and language in HUB_LANGUAGES:
                urls.append(base.replace("{split}", HUB_NAMES[part]))
        return urls
