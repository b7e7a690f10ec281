"""The garbage collector at the start and the end of a command."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.system.collector import importing

PROGRAM = """
import atexit, gc, sys, tempfile
from seq2seq.system.collector import exit_without_collection
exit_without_collection()
atexit.register(print, "at exit")
folder = tempfile.TemporaryDirectory()
print(folder.name)
class Cycle:
    def __init__(self): self.own = self
cycle = Cycle()
sys.exit(3)
"""


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_pauses_for_imports_and_goes_on_as_before(before):
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(ImportError), importing(), importing():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == before
    finally:
        gc.enable()


def test_functions_at_exit_and_finalizers_of_folders_still_run():
    given = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(given, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "")
    folder, last = done.stdout.splitlines()
    assert last == "at exit"
    assert not Path(folder).exists()
