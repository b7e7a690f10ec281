"""Fixtures of the tests of commands."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run folders with gold links, by model."""
    # Imported here: this file is loaded before jaxtyping can check the package.
    from untrained_runs import make_run_with_gold

    folder = tmp_path_factory.mktemp("made")
    return {name: make_run_with_gold(folder / name, name) for name in ("rnn", "transformer")}


@pytest.fixture
def plain(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["rnn"], tmp_path / "plain"))


@pytest.fixture
def deep(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["transformer"], tmp_path / "deep"))
