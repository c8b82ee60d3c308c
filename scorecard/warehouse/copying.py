"""A copy of the warehouse's file while it is open: the file of one moment, opened and counted before it is called good."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb

from scorecard.ground.errors import Problem, Unavailable
from scorecard.warehouse.opening import FILE_NAME, SPILL_FOLDER, connect
from scorecard.warehouse.quoting import INCOMING_PREFIX, quote

HEADERS_BYTES = 3 * 4096
"""The main header and the two that checkpoints write by turns: as long as they are the same, none of the blocks that they
name was written to."""
LOGS = (".wal", ".wal.checkpoint")
TRIES = 20
AT_ONCE = 100
COUNTED = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT temporary "
    "AND NOT internal ORDER BY ALL"
)


def copy_file(cursor: duckdb.DuckDBPyConnection, folder: Path, to: Path) -> None:
    """The warehouse's file and its log as of now, folded into one file in the folder ``to``.

    Nobody else may commit meanwhile but what loads put aside for themselves (``INCOMING_PREFIX``), which a start clears away.
    Raises OSError, duckdb.Error; Unavailable where no moment was found without a checkpoint, or the copy is not whole.
    """
    expected = _counts(cursor)
    source, copy = folder / FILE_NAME, to / FILE_NAME
    for _ in range(TRIES):
        before = _state(source)
        for ending in LOGS:  # the log first: a checkpoint in between would have emptied it, and written the headers
            log = source.with_name(source.name + ending)
            copy.with_name(copy.name + ending).unlink(missing_ok=True)
            if log.exists():
                shutil.copyfile(log, copy.with_name(copy.name + ending))
        shutil.copyfile(source, copy)
        if _state(source) == before:
            break
    else:
        hint = "loads write without a pause: try again, or stop the process"
        raise Unavailable(Problem("the warehouse was written to during every one of several copies", hint=hint))
    with _opened(copy) as connection:
        connection.execute("CHECKPOINT")
        found = _counts(connection)
    if found != expected:
        wrong = sorted(f"{s}.{t}" for s, t in expected if found.get((s, t)) != expected[s, t])
        raise Unavailable(Problem(f"the copy of the warehouse is not whole: {', '.join(wrong[:5])}", hint="try again"))
    for left in (*(copy.with_name(copy.name + ending) for ending in LOGS), to / SPILL_FOLDER):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        left.unlink(missing_ok=True)


def _state(path: Path) -> tuple[bytes, frozenset[str]]:
    """The headers, and which logs there are: another one is there while a checkpoint is being written."""
    with path.open("rb") as file:
        headers = file.read(HEADERS_BYTES)
    return headers, frozenset(e for e in LOGS[1:] if path.with_name(path.name + e).exists())


def _opened(path: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return connect(path, {"memory_limit": "512MB", "threads": 1})


def _counts(cursor: duckdb.DuckDBPyConnection) -> Mapping[tuple[str, str], int]:
    """(schema, table) → rows of every table that outlives a start."""
    names = [(s, t) for s, t in cursor.execute(COUNTED).fetchall() if not t.startswith(INCOMING_PREFIX)]
    found: dict[tuple[str, str], int] = {}
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        asked = " UNION ALL ".join(f"SELECT {n}, count(*) FROM {quote(s)}.{quote(t)}" for n, (s, t) in enumerate(some))
        found |= {some[number]: count for number, count in cursor.execute(asked).fetchall()}
    return found
