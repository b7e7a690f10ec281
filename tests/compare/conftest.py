"""Fixtures of the tests of `seq2seq compare`."""

from pathlib import Path

import pytest


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    # Imported here: `pytest tests/compare` loads this file before jaxtyping can check the package.
    from made_runs import BAD, GOOD, make_run

    return make_run(tmp_path / "good", GOOD), make_run(tmp_path / "bad", BAD)
