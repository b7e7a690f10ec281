"""Download run folders from the hub.

To translate, the few files that this takes are kept in the cache of the hub's client, which other
programs share, so that they are downloaded once and work offline afterwards. `pull` copies a
complete run folder.
"""

import shutil
from pathlib import Path
from uuid import uuid4

from seq2seq.errors import UserError
from seq2seq.hub.address import HubAddress, is_address, parse_address
from seq2seq.hub.failures import as_user_errors
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import console
from seq2seq.system.files import write_json

NEEDED = ["config.yaml", "run.json", "model.safetensors"]
# What translating needs; other files of a run, and a model of another kind, can be large.
TO_TRANSLATE = [*NEEDED, "*.model", "*.vocabulary.json"]
ORIGIN = "hub.json"  # in a folder that `pull` wrote: the name and the commit


def open_run(path: str | Path) -> RunFolder:
    """Return the run folder at a path, or at an address on the hub, such as hf:USER/NAME.

    Raises:
        UserError: as in `RunFolder.open` or in `open_address`.
    """
    return open_address(str(path)) if is_address(path) else RunFolder.open(path)


def open_address(text: str) -> RunFolder:
    """Return the run folder at an address such as hf:USER/NAME, for reading only.

    It is downloaded unless the cache has this commit. The commit is printed if the address does
    not name it, since the newest one may be another one tomorrow.

    Raises:
        UserError: there is no such model, it is not a run folder, or it can neither be downloaded
            nor found in the cache.
    """
    from huggingface_hub import snapshot_download

    address = parse_address(text)
    with as_user_errors(str(address)):
        folder = Path(
            snapshot_download(address.name, revision=address.revision, allow_patterns=TO_TRANSLATE)
        )
    check_files(address, folder)
    # CACHE/models--USER--NAME/snapshots/COMMIT: its files are links to ../../blobs
    run = RunFolder.open(folder, links_inside=folder.parent.parent)
    if address.revision != folder.name:
        console.print(f"{address} is now {HubAddress(address.name, folder.name)}")
    return run


def pull(text: str, folder: Path) -> None:
    """Copy a run folder from the hub.

    Args:
        text: the address.
        folder: where to write it; it must not exist.

    Raises:
        UserError: the folder exists, or as in `open_address`.
    """
    from huggingface_hub import HfApi, snapshot_download

    address = parse_address(text)
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists already: name another folder, or delete it")
    partial = folder.with_name(f".{folder.name}.{uuid4().hex}.partial")
    try:
        with as_user_errors(str(address)):
            commit = HfApi().model_info(address.name, revision=address.revision).sha
            snapshot_download(address.name, revision=commit, local_dir=partial)
        shutil.rmtree(partial / ".cache", ignore_errors=True)  # notes of the client
        check_files(address, partial)
        write_json(partial / ORIGIN, {"name": address.name, "commit": commit})
        RunFolder.open(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_files(address: HubAddress, folder: Path) -> None:
    """Check that what was downloaded is a run folder.

    Raises:
        UserError: it is not.
    """
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{address} is not a run folder of seq2seq: it has no {missing[0]} (other kinds of "
            "models are not read)"
        )
