"""Upload files to a model on the hub, in one commit."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.hub.failures import as_user_errors


class Uploaded(NamedTuple):
    """A commit on the hub.

    Attributes:
        url: its page.
        commit: its name, 40 hexadecimal digits.
    """

    url: str
    commit: str


def upload(name: str, files: Mapping[str, Path], *, private: bool, message: str) -> Uploaded:
    """Create a model on the hub if there is none of this name, and add files to it.

    Args:
        name: USER/NAME.
        files: local files by path in the model.
        private: whether a new model is private; an existing one stays as it is.
        message: the commit message.

    Raises:
        UserError: you are not logged in or may not write there, the hub refuses the model card, or
            it cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    with as_user_errors(name):
        api.create_repo(name, private=private, exist_ok=True)
        try:
            done = api.create_commit(
                name,
                [CommitOperationAdd(path, str(file)) for path, file in files.items()],
                commit_message=message,
            )
        except ValueError as error:  # of the card's metadata, such as an unknown license
            raise UserError(f"{name}: {' '.join(str(error).split())}") from error
    return Uploaded(str(done.commit_url), str(done.oid))
