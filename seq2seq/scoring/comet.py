"""COMET (Rei et al. 2020), a learned metric, with a local model; the only module that imports it.

COMET is an extra, because the library is large and a model has gigabytes. Model files are pickles,
which can run code: use only models from sources that you trust.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.errors import UserError
from seq2seq.scoring.formulas import percent
from seq2seq.scoring.metrics import Statistics
from seq2seq.system.files import sha256


class Comet:
    """A reference-based COMET model.

    Args:
        folder: the folder of a downloaded model, with one `.ckpt` file at any depth.

    Raises:
        UserError: there is no such folder, it does not have exactly one model, or the library is
            not installed.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(f"--comet {folder}: there is no such folder")
        files = sorted(folder.rglob("*.ckpt"))
        if len(files) != 1:
            raise UserError(
                f"--comet {folder}: there must be one model in it (a .ckpt file, as in COMET's "
                f"models on the Hugging Face Hub), but there are {len(files)}"
            )
        try:
            from comet import load_from_checkpoint
        except ModuleNotFoundError as error:
            raise UserError(
                f"--comet needs COMET, but the module {error.name} is not installed: "
                "pip install 'seq2seq-toolkit[comet]'"
            ) from error
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        self.model: Any = load_from_checkpoint(str(files[0]), local_files_only=True)
        self.signature = f"comet|model:{folder.name}|sha256:{sha256(files[0])[:12]}"

    def statistics(
        self, sources: list[str], hypotheses: list[str], references: list[str]
    ) -> Statistics:
        """Return the score of each sentence; the score of a text is their mean, in percent."""
        sides = zip(sources, hypotheses, references, strict=True)
        data = [{"src": s, "mt": h, "ref": r} for s, h, r in sides]
        prediction = self.model.predict(data, batch_size=16, gpus=0, progress_bar=False)
        scores = np.array(prediction["scores"], np.float64)
        return Statistics(np.stack([scores, np.ones_like(scores)], 1), percent, self.signature)
