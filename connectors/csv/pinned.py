"""A file that stays one version while it is read, whoever replaces, rewrites or goes on writing it meanwhile.

Small files are copied first and read from the copy; large ones are read through the file that was opened, which a rename
over its name does not touch. What is written into the open file itself shows in its size and times, and ends the reading.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from connectors.contract import SourceFailed
from connectors.csv.files import CHUNK
from connectors.temporary import temporary_folder

COPIED_BYTES = 16 * 1024**2
"""Up to here a copy costs next to nothing, and lets a change be answered by copying again."""
ATTEMPTS = 5
PAUSE_SECONDS = 0.05
STILL_SECONDS = 0.02
"""A file's times move in steps of up to some milliseconds: two writes within one step look like one."""
UNENDED_SECONDS = 0.3
"""A file that ends in the middle of a line is probably being written, if it was written just now."""
PATIENCE_SECONDS = 3.0


class ReplacedError(SourceFailed):
    """A file changed while it was read."""

    def __init__(self, name: str, what: str = "the file changed while it was read") -> None:
        hint = "write the file under another name and rename it when it is whole"
        super().__init__(what, hint=hint, place=name, retry=True)


@dataclass(frozen=True, slots=True)
class Pinned:
    """One version of a file: ``path`` is where to read it. ``held``: what it is read through, None for a copy."""

    path: Path
    name: str
    held: BinaryIO | None = None
    before: os.stat_result | None = None
    original: Path | None = None

    def check(self) -> None:
        """Raises ReplacedError where what was read may not be one version."""
        if self.held is None or self.before is None:
            return
        if _changed(self.before, os.fstat(self.held.fileno())) or not _same_file(self.original, self.before):
            raise ReplacedError(self.name)


@contextmanager
def pinned(path: Path, name: str) -> Iterator[Pinned]:
    """The file, held still. Raises SourceFailed: gone, not readable, being written, changed again and again."""
    for attempt in range(ATTEMPTS):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise SourceFailed("the file went away while it was read", place=name, retry=True) from None
        except OSError as problem:
            raise SourceFailed(f"cannot read the file: {problem.strerror or problem}", place=name) from None
        with file:
            before = _wait_until_still(file, name)
            if before.st_size > COPIED_BYTES:
                yield _held(file, path, name, before)
                return
            with temporary_folder() as folder:
                copy = Path(folder) / "pinned.csv"
                _copy(file, copy, name)
                if not _changed(before, os.fstat(file.fileno())):
                    yield Pinned(copy, name)
                    return
        if attempt < ATTEMPTS - 1:
            time.sleep(PAUSE_SECONDS)
    raise ReplacedError(name, f"the file changed while it was read, {ATTEMPTS} times in a row")


def _held(file: BinaryIO, path: Path, name: str, before: os.stat_result) -> Pinned:
    """Where the system shows open files as paths, a new file under the old name does no harm."""
    door = Path(f"/proc/self/fd/{file.fileno()}")
    if door.exists():
        return Pinned(door, name, file, before)
    return Pinned(path, name, file, before, original=path)


def _copy(file: BinaryIO, copy: Path, name: str) -> None:
    try:
        with copy.open("wb") as written:
            while chunk := file.read(CHUNK):
                written.write(chunk)
                if written.tell() > 2 * COPIED_BYTES:
                    raise ReplacedError(name, "the file grew while it was read")
    except OSError as problem:
        raise SourceFailed(f"cannot read the file: {problem.strerror or problem}", place=name) from None


def _changed(before: os.stat_result, now: os.stat_result) -> bool:
    """Whether something was written. A new name, or a lost one, moves the last of the three times as well."""
    if (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
        return True
    return before.st_ctime_ns != now.st_ctime_ns and before.st_nlink == now.st_nlink


def _same_file(path: Path | None, before: os.stat_result) -> bool:
    if path is None:
        return True
    try:
        return path.stat().st_ino == before.st_ino
    except FileNotFoundError:
        return False


def _wait_until_still(file: BinaryIO, name: str) -> os.stat_result:
    """Waits until the last write lies far enough back to tell the next one from it. Raises ReplacedError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = os.fstat(file.fileno())
        age = time.time() - found.st_mtime
        wanted = STILL_SECONDS if _ends(file, found.st_size) else UNENDED_SECONDS
        if age >= wanted or age < -1:  # a clock elsewhere that is ahead says nothing
            return found
        if time.monotonic() > deadline:
            raise ReplacedError(name, "the file is still being written")
        time.sleep(min(PAUSE_SECONDS, max(0.001, wanted - age)))


def _ends(file: BinaryIO, size: int) -> bool:
    """Whether the last line ends; packed files say themselves where they end."""
    if not size:
        return False
    file.seek(0)
    start = file.read(2)
    file.seek(max(0, size - 2))
    end = file.read(2)
    file.seek(0)
    return start in {b"\x1f\x8b", b"PK"} or b"\n" in end or b"\r" in end
