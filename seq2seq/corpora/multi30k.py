"""Multi30k, task 1: captions of 31,000 images in four languages (Elliott et al. 2016)."""

from pathlib import Path
from typing import Literal

from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.fetch import fetch
from seq2seq.corpora.files import Files
from seq2seq.errors import UserError, did_you_mean
from seq2seq.settings.ranges import Folder, Positive

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
TOKENIZED = ".lc.norm.tok"  # in the names of lowercased, normalized and tokenized files
# SHA-256 of the files in data/task1/tok, without this part of their names
KNOWN_TOKENIZED = {
    "train.en": "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
    "train.de": "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
    "train.fr": "8fa41bb718412bcb7c5dfa58603842810a01543eae86a51279f9886b901266e1",
    "val.en": "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
    "val.de": "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
    "val.fr": "b303e301aa21fe7822a846b2b3fb2d5a1121ec807cd5b1d006fb7b2b5507168a",
    "test_2016_flickr.en": "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
    "test_2016_flickr.de": "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
    "test_2016_flickr.fr": "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836",
    "test_2017_flickr.en": "c9d1dfd7a26add989382e534af235af9f0f658b2a30e7eb0efdaf142496ee54f",
    "test_2017_flickr.de": "02067e4a9402786a4fcb8c1b6f4307e4a5073ced64800abead5273b54f5f31f6",
    "test_2017_flickr.fr": "c0583117a47b31e8a6c6a97cfe8de153e462074668f4e994764fcc80b21d33b4",
}
TOKENIZED_LANGUAGES = ("en", "de", "fr")
# Names of the splits in the copy on the hub (JSON lines, English and German only)
HUB_NAMES = {"train": "train", "val": "val", "test_2016_flickr": "test"}
HUB_LANGUAGES = ("en", "de")


class Multi30k(Files):
    """The text of Multi30k, as it is, or lowercased and tokenized.

    Most published scores are those of form=tokenized: lowercased, with normalized punctuation, and
    tokenized by the scripts of Moses. They are BLEU of tokens (data.bleu_tokenizer=none).

    Args:
        source: language translated from: en, de, fr or (form=raw) cs
        target: language translated into: en, de, fr or (form=raw) cs
        root: URL to download the files from, or a folder that has them under the same names
        max_length: longest pair to train on, in pieces per side
        mirrors: URLs to try after root: folders with the same file names, or JSON lines
        form: raw (cased, not tokenized) or tokenized (lowercased, as in most publications)
        train_pairs: train on the first pairs only, this many; null is all
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        root: Folder,
        max_length: Positive,
        mirrors: list[str] | None = None,
        form: Literal["raw", "tokenized"] = "raw",
        train_pairs: Positive | None = None,
    ) -> None:
        self.suffix = TOKENIZED if form == "tokenized" else ""
        available = TOKENIZED_LANGUAGES if form == "tokenized" else LANGUAGES
        for key, language in (("source", source), ("target", target)):
            if language not in available:
                where = f" with data.form={form}" if language in LANGUAGES else ""
                raise UserError(
                    f"Multi30k has no data.{key}={language}{where}; "
                    f"{did_you_mean(language, available)}"
                )
        if source == target:
            others = [language for language in available if language != source]
            raise UserError(
                f"data.source and data.target are both {source}; {did_you_mean('', others)}"
            )
        self.mirrors = mirrors or []
        super().__init__(
            source=source,
            target=target,
            root=root,
            train=f"train{self.suffix}",
            validation=f"val{self.suffix}",
            tests=[
                f"{name}{self.suffix}"
                for name, known in TESTS.items()
                if {source, target} <= set(known)
            ],
            max_length=max_length,
            tokenized=form == "tokenized",
            train_pairs=train_pairs,
        )

    def name(self, part: str) -> str:
        """Return the name of a test set, which is the same in both forms."""
        return super().name(part).removesuffix(self.suffix)

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
        known = KNOWN_TOKENIZED if self.suffix else KNOWN
        sha256 = known[f"{part.removesuffix(self.suffix)}.{language}"]
        path = cache_folder() / "multi30k" / sha256[:16] / name
        try:
            urls = self.addresses(part, language)
            return fetch(urls, path, sha256=sha256, field=language)
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
                packed = "" if self.suffix else ".gz"
                urls.append(f"{base.rstrip('/')}/{part}.{language}{packed}")
            elif part in HUB_NAMES and language in HUB_LANGUAGES:
                urls.append(base.replace("{split}", HUB_NAMES[part]))
        return urls
