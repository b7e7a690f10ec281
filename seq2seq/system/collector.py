"""Python's garbage collector at the start and the end of a command.

Importing torch creates half a million objects, none of which is garbage, and the collector visits
them many times. `import torch` takes a tenth longer for it, and the end of the process 0.2 s.
"""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

keeping = False  # changed by `keep_imported_objects`


def keep_imported_objects() -> None:
    """From now on, exclude all objects from collection that exist after an import (`importing`).

    A collection then takes 0.2 s less. What is garbage at that time is never freed, so that only
    commands call this function, never the library.
    """
    global keeping
    keeping = True


@contextmanager
def importing() -> Iterator[None]:
    """Context manager for imports, during which no garbage is collected."""
    enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if keeping and len(sys.modules) > modules:
            gc.freeze()
        if enabled:
            gc.enable()


def exit_without_collection() -> None:
    """Let the process end without a search for garbage in all objects; memory is freed anyway.

    Functions registered with `atexit` and finalizers of temporary folders run before, as usual. A
    file that is still open may lose what was not flushed, so that this is for commands that write
    to standard output only.
    """
    atexit.register(gc.freeze)  # the first that is registered is the last that runs
