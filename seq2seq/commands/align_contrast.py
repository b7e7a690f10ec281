"""`seq2seq align --instead`: a heatmap of why a translation has one word and not another one."""

from dataclasses import asdict
from typing import Any

import numpy as np

from seq2seq.interpret.contrast import Contrast
from seq2seq.plots.panel import Panel


def contrast_panel(found: Contrast, rule_name: str) -> tuple[Panel, dict[str, Any]]:
    """Return a contrast as a heatmap of one row, and as values for JSON."""
    panel = Panel(
        found.source_words,
        [f"{found.word}, not {found.instead}"],
        np.array([found.values], dtype=np.float32),
        columns=(f"to source, {rule_name}",),
        signed=True,
        meaning=(f"favors {found.word}", f"favors {found.instead}"),
    )
    return panel, asdict(found)
