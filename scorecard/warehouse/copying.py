"""A copy of the warehouse's file while it is open: the file of one moment, opened and counted before it is called good."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from scorecard.ground.errors import Problem, Unavailable
from scorecard.warehouse.faults import first_lines
from scorecard.warehouse.opening import FILE_NAME, SPILL_FOLDER, connect
from scorecard.warehouse.quoting import INCOMING_PREFIX, quote

HEADERS_BYTES = 3 * 4096
"""The main header and the two that checkpoints write by turns: as long as they are the same, none of the blocks that they
name was written to."""
LOGS = (".wal", ".wal.checkpoint")
TRIES = 20
PAUSE_SECONDS = 0.05
AT_ONCE = 100
COUNTED = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT temporary "
    "AND NOT internal ORDER BY ALL"
)


def copy_file(cursor: duckdb.DuckDBPyConnection, folder: Path, to: Path) -> None:
    """The warehouse's file and its log as of now, folded into one file in the folder ``to``.

    Nobody else may commit meanwhile but what loads put aside for themselves (``INCOMING_PREFIX``), which a start clears away.
    Raises OSError, duckdb.Error; Unavailable where no copy became whole.
    """
    expected = _counts(cursor)
    source, copy = folder / FILE_NAME, to / FILE_NAME
    wrong = "it was written to meanwhile"
    for _ in range(TRIES):
        if not _copied(source, copy):
            time.sleep(PAUSE_SECONDS)  # a checkpoint for what a load puts aside takes that long
            continue
        try:
            found = _counts_within(copy)
        except duckdb.Error as error:
            wrong = first_lines(error)
            continue
        if found == expected:
            break
        other = sorted(f"{s}.{t}" for s, t in {*expected, *found} if found.get((s, t)) != expected.get((s, t)))
        wrong = f"other rows in {', '.join(other[:5])}"
    else:
        hint = "try again, or stop the process first"
        raise Unavailable(Problem(f"none of {TRIES} copies of the warehouse was whole: {wrong}", hint=hint))
    for left in (*(copy.with_name(copy.name + ending) for ending in LOGS), to / SPILL_FOLDER):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        left.unlink(missing_ok=True)


def _copied(source: Path, copy: Path) -> bool:
    """Whether the file stayed as it was while it was copied."""
    before = _state(source)
    for ending in LOGS:  # the log first: a checkpoint in between would have emptied it, and written the headers
        log = source.with_name(source.name + ending)
        copy.with_name(copy.name + ending).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(log, copy.with_name(copy.name + ending))
    shutil.copyfile(source, copy)
    return _state(source) == before


def _counts_within(copy: Path) -> Mapping[tuple[str, str], int]:
    """Of a copy, opened; its log is folded into it."""
    with connect(copy, {"memory_limit": "512MB", "threads": 1}) as connection:
        connection.execute("CHECKPOINT")
        return _counts(connection)


def _state(path: Path) -> tuple[bytes, frozenset[str]]:
    """The headers, and which logs there are: another one is there while a checkpoint is being written."""
    with path.open("rb") as file:
        headers = file.read(HEADERS_BYTES)
    return headers, frozenset(e for e in LOGS[1:] if path.with_name(path.name + e).exists())


def _counts(cursor: duckdb.DuckDBPyConnection) -> Mapping[tuple[str, str], int]:
    """(schema, table) → rows of every table that outlives a start."""
    names = [(s, t) for s, t in cursor.execute(COUNTED).fetchall() if not t.startswith(INCOMING_PREFIX)]
    found: dict[tuple[str, str], int] = {}
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        asked = " UNION ALL ".join(f"SELECT {n}, count(*) FROM {quote(s)}.{quote(t)}" for n, (s, t) in enumerate(some))
        found |= {some[number]: count for number, count in cursor.execute(asked).fetchall()}
    return found
