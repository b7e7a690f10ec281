"""COMET (Rei et al. 2020), a learned metric, from a model on this machine: the only door to it.

An extra, for it brings a large library and needs a model of gigabytes. Its model files are pickles,
which can run code: take them only from whom you trust.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.files import sha256


class Comet:
    """A model of COMET that reads source, translation and reference.

    Args:
        folder: as downloaded, with a `.ckpt` somewhere in it.

    Raises:
        UserError: there is none, or the library is not installed.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.rglob("*.ckpt"))
        if len(files) != 1:
            raise UserError(
                f"--comet {folder}: there must be one model in it (a file .ckpt, as COMET's models "
                f"on the hub have), but there are {len(files)}"
            )
        try:
            from comet import load_from_checkpoint
        except ModuleNotFoundError as error:
            raise UserError(
                f"--comet needs COMET, of which {error.name} is missing: "
                "pip install 'seq2seq-toolkit[comet]'"
            ) from error
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        self.model: Any = load_from_checkpoint(str(files[0]), local_files_only=True)
        self.signature = f"comet|model:{folder.name}|sha256:{sha256(files[0])[:12]}"

    def statistics(
        self, sources: list[str], hypotheses: list[str], references: list[str]
    ) -> Statistics:
        """The score of each sentence, whose mean in percent is that of the text."""
        sides = zip(sources, hypotheses, references, strict=True)
        data = [{"src": s, "mt": h, "ref": r} for s, h, r in sides]
        found = self.model.predict(data, batch_size=16, gpus=0, progress_bar=False)
        scores = np.array(found["scores"], np.float64)
        return Statistics(np.stack([scores, np.ones_like(scores)], 1), mean, self.signature)


def mean(sums: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """Sums over counts, in percent."""
    return 100 * sums[..., 0] / sums[..., 1]
