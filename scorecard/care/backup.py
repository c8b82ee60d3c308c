"""A safe copy of all that is kept, taken while it runs: warehouse, journal and what sources gave, of one moment."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from scorecard.board.publish import Publisher
from scorecard.care.copies import BEFORE, LIST, UNFINISHED, Copy, beside, listed, said, write_list
from scorecard.ground.clock import Clock
from scorecard.ground.errors import Problem, Refused, Unavailable
from scorecard.journal.journal import Journal
from scorecard.landings.landings import Landings
from scorecard.warehouse.duck import DuckWarehouse

SMALL = ("warehouse.newest", "board.json", "book.json", "token.secret")


def back_up(
    data: Path,
    to: Path,
    engine: DuckWarehouse,
    journal: Journal,
    landings: Landings,
    publisher: Publisher,
    clock: Clock,
    product: str,
) -> Copy:
    """A copy of the data folder in the folder ``to``, which is new, empty, or holds an earlier copy: that stays until this one
    is whole. Refused for another folder, Unavailable where something cannot be read or written.
    """
    _check_place(to)
    aside = to.parent / f".{to.name}.{os.getpid()}{UNFINISHED}"
    try:
        aside.mkdir(parents=True, mode=0o700)
        try:
            with landings.copying(aside) as copy_list:

                def beside() -> None:
                    journal.copy_to(aside / "journal.sqlite")
                    copy_list()
                    for name in SMALL:
                        with suppress(FileNotFoundError):
                            shutil.copyfile(data / name, aside / name)

                engine.copy_to(aside, beside)
            copy = Copy(aside, clock.now(), publisher.next_version - 1, product, listed(aside))
            write_list(copy)
            return _put(copy, to)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        hint = "free some space there, or name another folder: the backup before is as it was"
        raise Unavailable(Problem(f"the backup could not be written: {said(error)}", hint=hint)) from error


def _check_place(to: Path) -> None:
    if to.exists() and not to.is_dir():
        raise Refused(Problem(f"{to} is a file", hint="name a folder"))
    if to.is_dir() and any(to.iterdir()) and not (to / LIST).exists():
        raise Refused(Problem(f"{to} holds something that is no backup", hint="name a new or empty folder"))


def _put(copy: Copy, to: Path) -> Copy:
    """Into its place, the copy before out of it: of the two one is always whole, and has its list."""
    old = to.parent / f".{to.name}.{os.getpid()}{BEFORE}"
    if to.exists():
        to.rename(old)
    copy.folder.rename(to)
    for left in beside(to):  # the one before, and what was left by backups that were killed
        shutil.rmtree(left, ignore_errors=True)
    return Copy(to, copy.taken_at, copy.version, copy.product, copy.files)
