"""Every file of configs/experiment/ is a complete configuration of a model that can be built."""

import pytest

from seq2seq.package_data import data_folder
from seq2seq.settings import train_arguments
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build

NAMES = sorted(path.stem for path in data_folder("configs").glob("experiment/*.yaml"))
RECIPES = [name for name in NAMES if name.startswith(("multi30k-", "low-resource-"))]
CORPUS = ["data=files", "data.source=en", "data.target=de", "data.root=x"]


def composed(name: str) -> Config:
    words = CORPUS if name.startswith("low-resource") else []
    return train_arguments.config([f"experiment={name}", *words])


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_complete(name):
    config = composed(name)
    sizes = {"source_vocab": 20, "target_vocab": 20, "shared_vocab": True}
    assert build("model", config.model, **sizes).parameter_count >= 0


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_its_length_and_works_on_any_device(name):
    config = composed(name)
    first = (
        (data_folder("configs") / "experiment" / f"{name}.yaml")
        .read_text("utf-8")
        .split("defaults:")[0]
    )
    assert config.trainer.accelerator == "auto" and config.trainer.precision == "32-true"
    if name not in ("multi30k-recipe", "multi30k-first"):
        assert config.train.max_minutes is None
        assert f"{config.train.max_steps:,} updates" in " ".join(first.replace("#", "").split())
