"""Python's memory: what has come to stay is not gone through again and again."""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_growing: list[bool] = []
"""One entry for each block that is inside ``growing``: whether the collector ran before."""
_settled = threading.Event()
"""Whether objects have been taken out. To ask the collector (``get_freeze_count``) is to count them: a fifth of a tick."""


def settle() -> None:
    """Takes all objects that there are now out of what the garbage collector goes through, once the garbage among them is gone.

    A board of some size rests on a million small objects. To look for cycles among them stops all threads for some tenths of a
    second, every few ticks, and finds none. They are freed all the same when nobody holds them any more.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _settled.set()
    # At the end the interpreter collects once more; modules that it cannot free then complain on the terminal.
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)


@contextmanager
def growing() -> Iterator[None]:
    """Leaves the garbage collector out while very many objects are made that come to stay, by any number of threads at once.

    It would go through all of them over and over, each time that their number has grown by a quarter.
    """
    with _lock:
        _growing.append(gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            before = _growing.pop()
            if not _growing and before:
                if not _settled.is_set():
                    # Where old objects are, without a look at them: as young ones all would be gone through three times.
                    gc.freeze()
                    gc.unfreeze()
                gc.enable()
