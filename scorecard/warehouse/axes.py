"""Reporting days for time columns that metrics use since the last load, without loading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import duckdb

from scorecard.warehouse import generations
from scorecard.warehouse.changes import described, live_columns
from scorecard.warehouse.engine import day_column
from scorecard.warehouse.records import read_memory, write_memory
from scorecard.warehouse.views import fit_days
from scorecard.warehouse.watermarks import first_day


def are_ready(cursor: duckdb.DuckDBPyConnection, source: str, axes: Sequence[str], timezone: str) -> bool:
    """Whether there is nothing to do: no table, or all days are there and of this zone."""
    memory = read_memory(cursor, source)
    if memory is None:
        return True
    if memory.zone == timezone and set(axes) <= set(memory.standing.first_day):
        return True
    columns = described(cursor, source) or {}
    known = all(day_column(axis) in columns or columns.get(axis) not in {"TIMESTAMP", "DATE"} for axis in axes)
    return known and memory.zone == timezone


def make_ready(
    cursor: duckdb.DuckDBPyConnection, source: str, axes: Sequence[str], timezone: str, now: datetime
) -> bool:
    """Adds the days, or all of them anew in another zone, in one transaction. True: days are new."""
    cursor.execute("BEGIN TRANSACTION")
    memory = read_memory(cursor, source)
    columns = live_columns(cursor, source) or {}
    moved = memory is not None and memory.zone != timezone
    if memory is None or not (fit_days(cursor, source, columns, axes, timezone, moved) or moved):
        cursor.execute("ROLLBACK")
        return False
    firsts = dict(memory.standing.first_day)
    for axis in {*axes, *(firsts if moved else ())}:
        if (first := first_day(cursor, source, axis)) is not None:
            firsts[axis] = first
    # What was counted by other days is not of this generation.
    if moved:
        generations.note(cursor, memory, now=now)
    generation = memory.standing.generation + (1 if moved else 0)
    standing = replace(memory.standing, first_day=firsts, generation=generation)
    write_memory(cursor, replace(memory, standing=standing, zone=timezone))
    cursor.execute("COMMIT")
    return True
