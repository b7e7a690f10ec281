"""Find the data files of this package."""

from pathlib import Path


def data_folder(name: str) -> Path:
    """Return a folder of data files, such as "configs".

    An installed package contains it; in a checkout it is next to the package.
    """
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
