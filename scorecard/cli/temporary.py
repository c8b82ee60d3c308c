"""The temporary folder: downloads, copies of files and query results pass through it, so it is tried before anything begins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from scorecard.ground.errors import Problem, Unavailable

PROBE_BYTES = 1 << 20
VARIABLES = ("TMPDIR", "TEMP", "TMP")


def check_temporary_folder() -> None:
    """Unavailable where nothing can be written there. One that was named is not silently exchanged for another."""
    named = next((name for name in VARIABLES if os.environ.get(name)), None)
    if named is not None:
        _try(Path(os.environ[named]), f" ({named})", f"set {named} to a folder with room that this user may write to")
        return
    hint = "set TMPDIR to a folder with room that this user may write to"
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise Unavailable(Problem(f"there is no temporary folder that can be written: {error}", hint=hint)) from None
    _try(folder, "", hint)


def _try(folder: Path, said: str, hint: str) -> None:
    """By writing: permission bits say nothing of a full disk, a read-only one, or of root."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(
            Problem(f"the temporary folder {folder}{said} cannot be written: {reason}", hint=hint)
        ) from None
