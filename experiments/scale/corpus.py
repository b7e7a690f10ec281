"""Millions of pairs from twenty thousand: the controlled corpus again and again, never the same.

    python corpus.py FOLDER PAIRS

In every pair one word of each side is that of another pair, drawn at random, and both sides end
with the same number, so that hardly a line comes twice and the vocabulary has digits to learn.
"""

import shutil
import sys
from pathlib import Path
from random import Random

from seq2seq.settings import train_arguments
from seq2seq.settings.plugins import build
from seq2seq.system.console import track


def main(folder: Path, pairs: int) -> None:
    """Write train, validation and test as PREFIX.en and PREFIX.fr."""
    corpus = build("data", train_arguments.config(["data=controlled", "name=scale"]).data)
    known = [(pair.source.split(), pair.target.split()) for pair in corpus.read("train")]
    chance = Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("validation", "test"):
        for path in corpus.paths(split):
            shutil.copy(path, folder)
    with (folder / "train.en").open("w") as english, (folder / "train.fr").open("w") as french:
        for number in track(range(pairs), "writing", total=pairs, unit="pairs"):
            for file, left, right in zip(
                (english, french), known[number % len(known)], chance.choice(known), strict=True
            ):
                words = [*left]
                words[int(chance.random() * len(words))] = right[int(chance.random() * len(right))]
                file.write(f"{' '.join(words)} {number // 7}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
