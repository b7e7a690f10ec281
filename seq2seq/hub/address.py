"""Names of models on the hub, and the addresses that commands accept instead of a run folder."""

import re
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.runs.folder import HUB

# The hub's rule for names: letters, digits, -, _ and ., not at the ends, no -- or .. inside.
PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
NAME = re.compile(rf"{PART}/{PART}", re.ASCII)
REVISION = re.compile(r"[\w./-]{1,255}", re.ASCII)


class HubAddress(NamedTuple):
    """A model on the hub.

    Attributes:
        name: USER/NAME or ORGANIZATION/NAME.
        revision: a branch, a tag or a commit; None is the newest commit of the main branch.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{HUB}{self.name}" + (f"@{self.revision}" if self.revision else "")


def is_address(run: str | Path) -> bool:
    """Return whether this names a model on the hub and not a path."""
    return str(run).startswith(HUB)


def parse_address(text: str) -> HubAddress:
    """Parse hf:USER/NAME or hf:USER/NAME@REVISION.

    Raises:
        UserError: the text is not of this form.
    """
    name, at, revision = text.removeprefix(HUB).partition("@")
    check_name(name, text)
    if at and (not REVISION.fullmatch(revision) or ".." in revision):
        raise UserError(
            f"{text!r}: {revision!r} is not a branch, a tag or a commit; "
            f"write {HUB}{name} for the newest"
        )
    return HubAddress(name, revision or None)


def check_name(name: str, text: str) -> None:
    """Check that a name has the form USER/NAME.

    Raises:
        UserError: it does not; the message shows `text`.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"{text!r} is not the name of a model on the hub: that is USER/NAME, with letters, "
            "digits, and -, _ and . inside"
        )
