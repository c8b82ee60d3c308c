"""Whether a file can have changed since it was read, told without reading it: by its size, its times and what it is.

A file that is written twice within one step of the clock that dates files looks the same after both. So looks are only noted
once they are older than any such step; and now and then a file is read all the same, for clocks elsewhere that are wrong.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

STEP_SECONDS = 3.0
"""Longer than the steps in which any file system dates its files."""
BELIEVED_SECONDS = 600.0

Looks = list[Any]
"""Size, times of writing and of change (ns), device and number of the file, and when it was looked at (seconds since 1970)."""


def looks_of(path: Path) -> Looks | None:
    """How it looks now; None where that may not tell the next change from the last."""
    try:
        found, now = path.stat(), time.time()
    except OSError:
        return None
    if max(found.st_mtime, found.st_ctime) > now - STEP_SECONDS:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino, now]


def looks_the_same(path: Path, noted: Looks | None) -> bool:
    """Whether it looks as noted, and that was not long ago."""
    now = None if noted is None else looks_of(path)
    return (
        now is not None and noted is not None and now[:-1] == noted[:-1] and 0 <= now[-1] - noted[-1] < BELIEVED_SECONDS
    )
