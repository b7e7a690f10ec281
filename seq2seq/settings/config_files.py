"""The YAML files of the choices: those in configs/, and those in a folder of the user."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from seq2seq.errors import UserError, did_you_mean
from seq2seq.package_data import data_folder

YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is faster


def config_folder() -> Path:
    """Return the folder of the YAML files."""
    return data_folder("configs")


_USER_FOLDER: ContextVar[Path | None] = ContextVar("user_folder", default=None)


@contextmanager
def user_folder(folder: Path | None) -> Iterator[None]:
    """Context manager that adds a folder with the user's own choices (--config-dir)."""
    token = _USER_FOLDER.set(None if folder is None else folder.absolute())
    try:
        yield
    finally:
        _USER_FOLDER.reset(token)


def own_folder() -> Path | None:
    """Return the folder with the user's own choices; None if there is none."""
    return _USER_FOLDER.get()


def folders() -> list[Path]:
    """Return the folders to search for choices."""
    own = own_folder()
    return [config_folder(), *([own] if own else [])]


def groups() -> list[str]:
    """Return the names of all groups."""
    return [path.name for path in sorted(config_folder().iterdir()) if path.is_dir()]


def choices(folder: Path) -> list[str]:
    """Return the names of the choices in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def choices_of(group: str) -> list[str]:
    """Return the names of all choices of a group."""
    return sorted({name for folder in folders() for name in choices(folder / group)})


def file_of(group: str, choice: str) -> Path:
    """Return the file of a choice: the package's folder has priority, as in Hydra."""
    files = (folder / group / f"{choice}.yaml" for folder in folders())
    return next(file for file in files if file.is_file())


def classes(group: str) -> list[str]:
    """Return the names of the classes that the package's choices of a group select."""
    files = (config_folder() / group).glob("*.yaml")
    sections = (yaml.load(file.read_bytes(), YAML) or {} for file in files)
    return sorted({str(section.get("name")) for section in sections})


def model_names() -> list[str]:
    """Return the names of all models."""
    return choices_of("model")


def model_settings(name: str) -> dict[str, Any]:
    """Load the YAML file of a model.

    Raises:
        UserError: there is no such model.
    """
    if name not in model_names():
        raise UserError(f"there is no model {name!r}; {did_you_mean(name, model_names())}")
    plain: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "model" / f"{name}.yaml"))
    return plain


def search_settings(name: str) -> dict[str, Any]:
    """Load the YAML file of a search."""
    plain: Any = OmegaConf.to_container(OmegaConf.load(config_folder() / "search" / f"{name}.yaml"))
    return plain


@functools.lru_cache
def default_search() -> str:
    """Return the choice of `search` in train.yaml."""
    defaults = OmegaConf.load(config_folder() / "train.yaml").defaults
    return next(str(one["search"]) for one in defaults if "search" in one)
