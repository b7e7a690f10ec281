"""The garbage collector at the start and the end of a command."""

import gc
import io
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from seq2seq.system import collector
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


def test_only_a_command_keeps_the_objects_of_an_import_and_only_once(monkeypatch):
    monkeypatch.setattr(collector, "keeping", False)  # a command may have run in this process
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # `this` prints
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    with importing():
        import_module("this")
    assert frozen == []
    monkeypatch.delitem(sys.modules, "this")
    collector.keep_imported_objects()
    for _ in range(2):
        with importing():
            import_module("this")
    assert frozen == [1]
    assert gc.isenabled()
