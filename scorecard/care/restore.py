"""A safe copy put back: checked whole first, then in the place of what is there, which is kept beside."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from scorecard.care.copies import FILES, LOGS, Copy, damaged, read_list, said, sync_folders
from scorecard.ground.clock import Clock
from scorecard.ground.disk import sync
from scorecard.ground.errors import Problem, Refused, Unavailable
from scorecard.landings.landings import Landings

UNFINISHED = "restore.unfinished"
"""Beside half of what was there and half of what comes: until it is gone nobody opens the folder."""
JOURNAL = "journal.sqlite"


def put_back(folder: Path, data: Path, journal: Path | None, clock: Clock) -> tuple[Copy, Path | None]:
    """(the copy, where what was there is now). ``journal``: its SQLite file, None where a server keeps it.

    Refused where it is no whole copy, or a process has the data folder open; Unavailable where something cannot be written.
    """
    copy = read_list(folder)
    problems = tuple(damaged(copy))
    if problems:
        raise Refused(*problems)
    if _in_use(data / FILES[0]):
        raise Refused(Problem(f"a process has {data / FILES[0]} open", hint="stop `scorecard serve` first"))
    fresh = data / f".restoring-{os.getpid()}"
    old = _unused(data / f"before-restore-{clock.now():%Y%m%dT%H%M%S}")
    try:
        fresh.mkdir(parents=True, mode=0o700)
        try:
            _copied(copy, fresh)
            moved = _exchanged(copy, fresh, data, old, journal)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        half = (data / UNFINISHED).exists()
        hint = (
            f"restore once more; what was there is in {old}"
            if half
            else "nothing was changed: mend that and restore again"
        )
        raise Unavailable(Problem(f"the backup could not be put back: {said(error)}", hint=hint)) from error
    return copy, old if moved else None


def check_finished(data: Path) -> None:
    """Refused where a restore was cut off in the middle."""
    if (data / UNFINISHED).exists():
        hint = "run `scorecard restore` once more; what was there before is in before-restore-… beside it"
        raise Refused(
            Problem(f"a restore into {data} was cut off, and some of its files are of another moment", hint=hint)
        )


def _copied(copy: Copy, fresh: Path) -> None:
    folders = {fresh}
    for file in copy.files:
        path = fresh / file.name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folders.add(path.parent)
        shutil.copyfile(copy.folder / file.name, path)
        path.chmod(0o600)
        sync(path)
    sync_folders(folders)


def _exchanged(copy: Copy, fresh: Path, data: Path, old: Path, journal: Path | None) -> bool:
    """True where something was there."""
    (data / UNFINISHED).write_text(str(copy.folder), encoding="utf-8")
    sync(data / UNFINISHED)
    there = [data / name for name in (*FILES, *LOGS) if name != JOURNAL and (data / name).exists()]
    there += Landings.files_in(data)
    if journal is not None and journal.exists():
        _moved(journal, old / JOURNAL)
    for path in there:
        _moved(path, old / path.relative_to(data))
    for file in copy.files:
        if file.name != JOURNAL:
            _moved(fresh / file.name, data / file.name)
        elif journal is not None:
            _moved(fresh / file.name, journal)
    sync(data)
    (data / UNFINISHED).unlink()
    sync(data)
    return old.exists()


def _moved(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.move(path, to)
    sync(to.parent)


def _unused(path: Path) -> Path:
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def _in_use(path: Path) -> bool:
    """Whether another process holds DuckDB's lock on the file."""
    try:
        with path.open("rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
