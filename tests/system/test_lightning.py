"""Lightning without torch's compiler: in processes of their own, because pytest may import it."""

import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.system import lightning

STANDS_IN = """
import sys
import torch
from seq2seq.system import lightning
fabric = lightning.Fabric(accelerator="cpu", devices=1)
fabric.setup(torch.nn.Linear(2, 3))
assert "torch._dynamo" not in sys.modules
layer = torch.nn.Linear(2, 3)
assert not isinstance(layer, lightning.OptimizedModule)
compiled = torch.compile(layer, backend="eager")
assert isinstance(compiled, lightning.OptimizedModule)
again = fabric.setup(compiled)  # removes what torch.compile has added, and adds it again later
assert again._original_module is layer
assert isinstance(again._forward_module, sys.modules["torch._dynamo"].OptimizedModule)
assert not isinstance(layer, lightning.OptimizedModule)
"""
NEEDS_MORE = """
import sys
from seq2seq.system.lightning import COMPILER, import_without_compiler
import_without_compiler("nothing")
assert sys.modules["nothing"].done and COMPILER not in sys.modules
import_without_compiler("more")
from torch._dynamo.eval_frame import OptimizedModule
assert sys.modules["more"].torch._dynamo.OptimizedModule is OptimizedModule
"""
MORE = {
    "an attribute": "import torch._dynamo\ntorch._dynamo.reset()",
    "a module": "import torch\nfrom torch._dynamo.eval_frame import OptimizedModule",
}


def run(code: str, folder: Path) -> None:
    """Run a program in a process of its own, in a folder whose modules it can import."""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def test_lightning_gets_a_stand_in_for_one_class_of_the_compiler(tmp_path):
    run(STANDS_IN, tmp_path)


@pytest.mark.parametrize("more", MORE)
def test_a_library_that_imports_more_of_the_compiler_gets_the_compiler(tmp_path, more):
    (tmp_path / "nothing.py").write_text("done = True\n", "utf-8")
    (tmp_path / "more.py").write_text(f"{MORE[more]}\n", "utf-8")
    run(NEEDS_MORE, tmp_path)


def test_a_compiler_that_has_been_imported_is_not_replaced(monkeypatch):
    there = object()
    monkeypatch.setitem(sys.modules, lightning.COMPILER, there)
    with lightning.without_compiler():
        assert sys.modules[lightning.COMPILER] is there
    assert sys.modules[lightning.COMPILER] is there
