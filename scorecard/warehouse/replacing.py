"""The prepared rows among those of a live table in which every key stands once: what differs goes, and is told, in one look.

A statement that looks for the rows which differ and another that takes them out read a big table twice, and the second
takes as long as the first where the rows lie all over it. So they are taken out at once, and given as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from scorecard.warehouse.changes import DELETED, Change, Tables, one
from scorecard.warehouse.engine import NOTHING, Touched
from scorecard.warehouse.generations import Keeping
from scorecard.warehouse.merging import insert, own_columns
from scorecard.warehouse.quoting import quote, quoted
from scorecard.warehouse.records import Counts
from scorecard.warehouse.shaping import Plan

WENT = "temp._went"
"""The rows that go, as they were."""
LATEST = 200_000
"""So many rows at the end of a table are looked at first."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows that went or came: how many, bytes of all their texts, their newest ``time``, along each axis their days."""

    rows: int
    texts: int
    newest: datetime | None
    days: Mapping[str, frozenset[date]]


def replace_rows(
    cursor: duckdb.DuckDBPyConnection,
    tables: Tables,
    plan: Plan,
    key: Sequence[str],
    counts: Counts,
    *,
    said: int = 0,
    keeping: Keeping | None = None,
    time: str | None = None,
    rows: int = 0,
) -> Change:
    """New keys are added, differing rows replaced, equal ones counted. ``rows``: how many the live table has. The rest is as in
    ``merging.upsert``."""
    own = own_columns(plan)
    kept = keeping is not None and not keeping.noted
    images = list(dict.fromkeys([*key, *(own if kept else ()), *plan.days, *([time] if time else [])]))
    left, parts = _parts(cursor, tables, key, rows)
    for nth, part in enumerate(parts):
        left -= _take_out(cursor, tables, plan, key, images, part, first=not nth)
        if left:
            counts.unchanged += (equal := _drop_equal(cursor, tables, key, part))
            left -= equal
        if not left:
            break
    hit = _take_out_deleted(cursor, tables, key, images) if said else 0
    counts.removed, counts.loaded, counts.unchanged = hit, counts.loaded + hit, counts.unchanged + said - hit
    texts = [name for name, type_ in own.items() if kept and type_ == "VARCHAR"]
    came, went = _sides(cursor, tables.prepared, plan, time, texts)
    if keeping is not None:
        _keep(tables, key, own, keeping, went, new=bool(left))
    counts.loaded += insert(cursor, tables, plan)
    days = {axis: came.days[axis] | went.days[axis] for axis in plan.axes}
    return Change(
        Touched(days, added_only=not went.rows) if any(days.values()) else NOTHING,
        same=not (came.rows or went.rows),
        took_away=bool(went.rows),
        came=came.rows,
        went=went.rows,
        first_days={axis: min(found, default=None) for axis, found in came.days.items()},
        newest=(went.newest, came.newest) if time else None,
    )


def _parts(
    cursor: duckdb.DuckDBPyConnection, tables: Tables, key: Sequence[str], rows: int
) -> tuple[int, tuple[str, ...]]:
    """How many rows are prepared, and conditions on the live ones ``l`` that part them, in the order to look for keys in.

    What has changed lately, and what an overlapping pull brings again, stands at the end of the table. Where most of the keys
    are there, only the others are looked for in all the rest: none of it is read where their keys are new ones.
    """
    names, last = quoted(key), max(rows - LATEST, 0)
    if not last:
        return one(cursor, f"SELECT count(*) FROM {tables.prepared}"), ("TRUE",)
    counted = f"SELECT count(*) FROM {tables.live} l JOIN {tables.prepared} p USING ({names}) WHERE l.rowid >= {last}"
    ((total, there),) = cursor.execute(f"SELECT (SELECT count(*) FROM {tables.prepared}), ({counted})").fetchall()
    return total, (f"l.rowid >= {last}", f"l.rowid < {last}") if 2 * there > total else ("TRUE",)


def _take_out(
    cursor: duckdb.DuckDBPyConnection, tables: Tables, plan: Plan, key: Sequence[str], images: Sequence[str], part: str,
    *, first: bool,
) -> int:  # fmt: skip
    """The live rows of a part that have the key of a prepared one and differ from it go to WENT. How many."""
    names = [name for name in plan.names if name not in key]
    differs = " OR ".join(f"l.{quote(n)} IS DISTINCT FROM p.{quote(n)}" for n in names) or "FALSE"
    match = " AND ".join(f"l.{quote(name)} = p.{quote(name)}" for name in key)
    looked_for = (
        tables.prepared if first else f"(SELECT * FROM {tables.prepared} ANTI JOIN {WENT} USING ({quoted(key)}))"
    )
    gone = (
        f"WITH gone AS (DELETE FROM {tables.live} l USING {looked_for} p "
        f"WHERE {part} AND {match} AND ({differs}) RETURNING {quoted(images, 'l.')})"
    )
    if first:
        name = WENT.removeprefix("temp.")
        return one(cursor, f"CREATE OR REPLACE TEMP TABLE {name} AS {gone} SELECT * FROM gone")
    return one(cursor, f"{gone} INSERT INTO {WENT} SELECT * FROM gone")


def _take_out_deleted(
    cursor: duckdb.DuckDBPyConnection, tables: Tables, key: Sequence[str], images: Sequence[str]
) -> int:
    """The live rows that the source says are deleted go to WENT. How many."""
    match = " AND ".join(f"l.{quote(name)} = d.{quote(name)}" for name in key)
    return one(
        cursor,
        f"WITH gone AS (DELETE FROM {tables.live} l USING temp.{DELETED} d WHERE {match} "
        f"RETURNING {quoted(images, 'l.')}) INSERT INTO {WENT} SELECT * FROM gone",
    )


def _drop_equal(cursor: duckdb.DuckDBPyConnection, tables: Tables, key: Sequence[str], part: str) -> int:
    """Prepared rows whose key is still in a part of the live table are there as they are. How many."""
    names = quoted(key)
    left = f"(SELECT rowid AS _id, {names} FROM {tables.prepared} ANTI JOIN {WENT} USING ({names}))"
    equal = f"SELECT p._id FROM {tables.live} l JOIN {left} p USING ({names}) WHERE {part}"
    return one(cursor, f"DELETE FROM {tables.prepared} WHERE rowid IN ({equal})")


def _sides(
    cursor: duckdb.DuckDBPyConnection, prepared: str, plan: Plan, time: str | None, texts: Sequence[str]
) -> tuple[Side, Side]:
    """What comes and what went, in one question."""
    size = " + ".join(f"coalesce(strlen({quote(name)}), 0)" for name in texts) or "0"
    newest = f"max({quote(time)})" if time else "NULL"
    days = [f"list(DISTINCT {quote(day)})" for day in plan.days]
    came = ", ".join(["count(*)", "0", newest, *days])
    went = ", ".join(["count(*)", f"coalesce(sum({size}), 0)", newest, *days])
    row = cursor.execute(f"SELECT * FROM (SELECT {came} FROM {prepared}), (SELECT {went} FROM {WENT})").fetchone()
    half = len(row or ()) // 2
    return _side(plan, (row or ())[:half]), _side(plan, (row or ())[half:])


def _side(plan: Plan, told: Sequence[Any]) -> Side:
    rows, texts, newest, *lists = told
    days = {axis: frozenset(found or ()) - {None} for axis, found in zip(plan.axes, lists, strict=True)}
    return Side(int(rows), int(texts), newest, days)


def _keep(
    tables: Tables, key: Sequence[str], own: Mapping[str, str], keeping: Keeping, went: Side, *, new: bool
) -> None:
    """The rows that went, and the keys of those that are new, for a generation to go back to."""
    names = quoted(key)
    gone = f"SELECT {quoted(own)} FROM {WENT}" if went.rows and not keeping.noted else None
    added = f"SELECT {names} FROM {tables.prepared} ANTI JOIN {WENT} USING ({names})" if new else None
    keeping.changes(own, gone, added, None if new else went.texts)
