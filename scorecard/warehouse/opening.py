"""Opening the warehouse file: one owner, locked settings, and a damaged file set aside."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb

from scorecard.ground.errors import Problem, Unavailable
from scorecard.warehouse.faults import as_problem, first_lines, is_damage
from scorecard.warehouse.newest import NAME

FILE_NAME = "warehouse.duckdb"
DAMAGED_MARK = "warehouse.damaged"
SPILL_FOLDER = "warehouse.tmp"
HELD_BY = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


def open_file(
    folder: Path, now: datetime, *, memory_limit: str, threads: int
) -> tuple[duckdb.DuckDBPyConnection, tuple[Problem, ...]]:
    """A locked connection to the folder's warehouse file, made where there is none.

    A damaged file is renamed and a new one begun; the notices say so. Unavailable: another process owns the file, the
    folder cannot be written, or the file is of another DuckDB version.
    """
    make_folder(folder)
    path = folder / FILE_NAME
    notices: list[Problem] = []
    if (folder / DAMAGED_MARK).exists():
        notices.append(set_aside(path, now, (folder / DAMAGED_MARK).read_text(encoding="utf-8")))
        (folder / DAMAGED_MARK).unlink()
    settings: dict[str, str | int] = {"memory_limit": memory_limit, "threads": threads}
    try:
        connection = connect(path, settings)
    except duckdb.Error as error:
        if not is_damage(error) and not isinstance(error, duckdb.FatalException | duckdb.InternalException):
            raise Unavailable(why_not_opened(error, path)) from error
        notices.append(set_aside(path, now, first_lines(error)))
        try:
            connection = connect(path, settings)
        except duckdb.Error as again:
            raise Unavailable(why_not_opened(again, path)) from again
    # The lock is ours, so what a killed process spilled belongs to nobody.
    for spilled in (folder / SPILL_FOLDER).glob("duckdb_temp_*"):
        spilled.unlink(missing_ok=True)
    return connection, tuple(notices)


def connect(path: Path, settings: Mapping[str, str | int]) -> duckdb.DuckDBPyConnection:
    """Connected, then locked. The order matters: folders first, then no outside access, then no more settings."""
    connection = duckdb.connect(
        str(path),
        config={
            **settings,
            "temp_directory": str(path.parent / SPILL_FOLDER),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        },
    )
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET GLOBAL enable_external_access = false")
        connection.execute("SET GLOBAL python_enable_replacements = false")
        connection.execute("SET GLOBAL lock_configuration = true")
    except duckdb.Error:
        connection.close()
        raise
    return connection


def make_folder(folder: Path) -> None:
    """The folder, writable; Unavailable otherwise. Tried by writing, because root passes every permission bit."""
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(
            Problem(
                f"the data folder {folder} cannot be written: {reason}",
                hint="give this user the right to write there, or choose another folder with --data",
            )
        ) from error


def set_aside(path: Path, now: datetime, reason: str) -> Problem:
    """The damaged file and its log renamed, so that nothing is lost and a new one can begin."""
    kept = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}-{number}")
    log = path.with_name(path.name + ".wal")
    for old, new in ((path, kept), (log, kept.with_name(kept.name + ".wal"))):
        if old.exists():
            shutil.move(old, new)
    (path.parent / NAME).unlink(missing_ok=True)  # what was in the file is known to be gone
    return Problem(
        f"the warehouse file was damaged ({reason}); it was set aside as {kept.name} and a new one was begun",
        hint="the sources fill it again at their next load; notes are kept elsewhere and are not touched",
        severity="warning",
    )


def why_not_opened(error: duckdb.Error, path: Path) -> Problem:
    """One sentence: who has the file, or what it is."""
    held = HELD_BY.search(str(error))
    if held is not None:
        return Problem(
            f"process {held['pid']} ({Path(held['program']).name}) owns the warehouse {path}",
            hint="stop it, or let it do the work: only one process can have the file open",
        )
    if "configuration" in str(error):
        return Problem(f"this process already has the warehouse {path} open", hint="close it first")
    if "version number" in str(error):
        return Problem(
            f"the warehouse {path} was written by another version of DuckDB: {first_lines(error)}",
            hint="use the version that wrote it, or move the file away: it is filled again from the sources",
        )
    problem = as_problem(error)
    return Problem(f"the warehouse {path} cannot be opened: {problem.message}", hint=problem.hint)
