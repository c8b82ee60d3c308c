"""The number of the newest load, beside the warehouse's file: by it a start sees that the file has lost some.

DuckDB reads a log that is damaged or gone as one that ends earlier, and says nothing. What is lost with it is read again from
the sources; but that it was lost has to be said.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from scorecard.ground.errors import Problem

NAME = "warehouse.newest"


def note_newest(folder: Path, load: int) -> None:
    """After the load is on the disk, so that the number here is never ahead of an undamaged file. A full disk costs nothing
    but this note."""
    fresh = folder / f".{NAME}-{os.getpid()}"
    with suppress(OSError, ValueError):
        if load > _noted(folder):
            fresh.write_text(str(load))
            fresh.replace(folder / NAME)


def lost_loads(folder: Path, newest: int) -> tuple[Problem, ...]:
    """What a file whose newest load is this one has lost. It is said once."""
    with suppress(OSError, ValueError):
        noted = _noted(folder)
        if noted > newest:
            (folder / NAME).unlink()
            which = f"load {noted}" if noted == newest + 1 else f"loads {newest + 1} to {noted}"
            said = f"the warehouse has lost {which}: its file or its log was damaged, removed or put back from a copy"
            hint = "the sources are read again from where it stands now; notes are kept elsewhere and are not touched"
            return (Problem(said, hint=hint, severity="warning"),)
    return ()


def _noted(folder: Path) -> int:
    path = folder / NAME
    return int(path.read_text()) if path.exists() else 0
