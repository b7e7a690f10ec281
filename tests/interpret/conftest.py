"""Fixtures of the tests of methods and scores."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest


@pytest.fixture(scope="module")
def translators(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Translators of small untrained models by name, each made once."""
    # Imported here: this file is loaded before jaxtyping can check the package.
    from untrained_runs import make_run

    from seq2seq.translation.translator import Translator

    @cache
    def get(name: str) -> Translator:
        return Translator(make_run(tmp_path_factory.mktemp(name), name), device="cpu")

    return get
