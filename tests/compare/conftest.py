"""Fixtures of the tests of `seq2seq compare`."""

from pathlib import Path

import pytest
from made_runs import BAD, GOOD, make_run


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return make_run(tmp_path / "good", GOOD), make_run(tmp_path / "bad", BAD)
