"""Temporary folders that do not outlive their process, however it ends.

What is downloaded, unpacked or copied for a load may be as large as the source. ``TemporaryDirectory`` takes it away again, but
not after ``kill -9`` or a power cut. So a process makes its folders inside one of its own, which holds a locked file as long as
the process lives; the system gives the lock back when it does not, and whoever comes next may take the folder away. The lock, and
not a process id, is asked: containers that share a temporary folder have numbers of their own.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "scorecard-"
HELD: Final = ".held"

_making = threading.Lock()
_own: dict[tuple[int, str], Path] = {}
"""This process's folder by process id (a fork has none yet) and temporary folder."""


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """An empty folder, for ``with``. Raises OSError where none can be made."""
    place = _folder_of_this_process()
    try:
        return tempfile.TemporaryDirectory(dir=place)
    except FileNotFoundError:  # the system's own cleaning of old files took it away
        _own.pop((os.getpid(), tempfile.gettempdir()), None)
        return tempfile.TemporaryDirectory(dir=_folder_of_this_process())


def sweep() -> int:
    """Takes away what processes that are gone have left in the temporary folder; how many folders that were."""
    swept = 0
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{HELD}"):
        with suppress(OSError):  # another user's, or swept by another process in this moment
            folder = path.parent.lstat()
            if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.geteuid():
                continue
            with path.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent)
                swept += 1
    return swept


def _folder_of_this_process() -> Path:
    key = (os.getpid(), tempfile.gettempdir())
    with _making:
        if key not in _own:
            place = Path(tempfile.mkdtemp(prefix=PREFIX))
            new = place / ".new"
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)  # open, and locked, until the process ends
            fcntl.flock(file, fcntl.LOCK_EX)
            new.rename(place / HELD)  # found under its name only once it is locked
            _own[key] = place
            atexit.register(_leave, key[0], place)
        return _own[key]


def _leave(process: int, place: Path) -> None:
    if process == os.getpid():
        shutil.rmtree(place, ignore_errors=True)
