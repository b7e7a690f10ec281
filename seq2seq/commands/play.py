"""`seq2seq play`: a local web page to try trained runs with sentences of one's own."""

import os
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import torch

from seq2seq.errors import UserError
from seq2seq.runs.untrusted import read_json
from seq2seq.system import threads
from seq2seq.system.console import console, print_if_read

DEMO = Path("runs/demo")
INSTALL = "pip install 'seq2seq-toolkit[play]'"


def play(
    paths: Sequence[Path], *, port: int | None = None, browser: bool = True, device: str = "auto"
) -> None:
    """Serve the page until the process is stopped.

    Args:
        paths: the run folders; those of the demo if there are none.
        port: the port; None is a usual one, or any free one.
        browser: open the page in a browser if this machine has one.
        device: auto, cpu, cuda, ...

    Raises:
        UserError: a library is missing, there is no run, a run cannot be loaded, or the port is in
            use.
        KeyboardInterrupt: the process was stopped by Ctrl-C.
    """
    try:
        from seq2seq.play import server
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in ("starlette", "uvicorn"):
            raise
        raise UserError(f"seq2seq play needs {library}: {INSTALL}") from error
    from seq2seq.play.session import Session, warm_up

    chosen = list(paths) or demo_runs(DEMO)
    torch.set_num_threads(threads.repeatable())  # small models are no faster with more
    listener = server.bound(port)  # before the runs are loaded, since it fails at once
    with listener:
        session = Session(chosen, device)
        warm_up(session)
        token = server.new_token()
        address = f"http://{server.HOST}:{listener.getsockname()[1]}/#token={token}"
        print_if_read(address)
        console.print("open this address in a browser; stop with Ctrl-C", markup=False)
        if browser and has_display():
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        server.serve(session, listener, token)


def demo_runs(folder: Path) -> list[Path]:
    """Return the runs of the demo, in the order in which they were started.

    Raises:
        UserError: there is none.
    """
    found = [path.parent for path in folder.glob("*/config.yaml")]
    runs = [path for path in found if (path / "model.safetensors").is_file()]
    if not runs:
        raise UserError(
            f"there are no runs of the demo in {folder}: make them with `seq2seq demo`, or give "
            "run folders (seq2seq play runs/NAME)"
        )
    return sorted(runs, key=lambda path: (started(path), path.name))


def started(run: Path) -> str:
    """Return when a run was started, for sorting; empty if that is unknown."""
    try:
        return str(read_json(run / "run.json").get("started", ""))
    except (UserError, OSError):
        return ""  # opening the run will report it


def has_display() -> bool:
    """Whether a browser with windows can be opened; one in the terminal would take it over."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
