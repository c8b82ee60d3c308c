"""The prepared rows among those of the live table: by their keys, or added to them; counted, with the days that they touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import duckdb

from scorecard.ground.errors import Problem
from scorecard.warehouse.changes import CAME, DELETED, KEPT, Change, Tables, one
from scorecard.warehouse.engine import NOTHING, Touched, day_column
from scorecard.warehouse.generations import Keeping
from scorecard.warehouse.quoting import quote, quoted
from scorecard.warehouse.records import Counts
from scorecard.warehouse.shaping import Plan


def upsert(
    cursor: duckdb.DuckDBPyConnection,
    tables: Tables,
    plan: Plan,
    key: Sequence[str],
    counts: Counts,
    *,
    full: bool,
    said: int = 0,
    keeping: Keeping | None = None,
    time: str | None = None,
) -> Change:
    """New keys are added, differing rows replaced, equal ones counted; ``full``: keys not sent are removed.

    ``said``: so many keys in DELETED are removed where they are there. ``keeping``: takes the rows as they
    were, which are read with the comparison: it reads most of them anyway. ``time``: of whose newest is wanted.
    """
    names, own = quoted(key), own_columns(plan)
    kept = keeping is not None and not keeping.noted
    images = list(dict.fromkeys([*(own if kept else ()), *plan.days, *([time] if time else [])]))
    _lay_beside(cursor, tables, plan, key, images, time)
    lone = f", {quoted(images, 'l.')}" if images else ""
    lone += ", NULL" * len(_dated(plan, time))
    removed = f"INSERT INTO temp._old SELECT l.rowid, NULL, FALSE{lone} FROM {tables.live} l"
    unsaid = ""
    if said:
        hit = one(cursor, f"{removed} SEMI JOIN temp.{DELETED} d USING ({names})")
        counts.removed, counts.loaded, counts.unchanged = hit, counts.loaded + hit, counts.unchanged + said - hit
        unsaid = f"ANTI JOIN temp.{DELETED} d USING ({names})"
    if full:
        unsent = f"ANTI JOIN {tables.prepared} p USING ({names}) {unsaid}"
        counts.removed += one(cursor, f"{removed} {unsent} ANTI JOIN temp.{KEPT} k USING ({names})")
        unread = f"{removed} {unsent} SEMI JOIN temp.{KEPT} k USING ({names})"
        counts.removed += (surplus := _one_of_each(cursor, tables.live, names, _dated(plan, time), unread))
        counts.warnings += [_repeated(surplus, key)] if surplus else []
    texts = [name for name, type_ in own.items() if kept and type_ == "VARCHAR"]
    seen = _seen(cursor, plan, time, "temp._old", "NOT _same", texts, dated=CAME)
    if seen.equal:
        cursor.execute(f"DELETE FROM {tables.prepared} WHERE rowid IN (SELECT _other FROM temp._old WHERE _same)")
        counts.unchanged += seen.equal
    touched = _days(cursor, plan, [("temp._old WHERE NOT _same", ""), ("temp._old WHERE NOT _same", CAME)])
    if keeping is not None:
        went = f"SELECT {quoted(own)} FROM temp._old WHERE NOT _same AND _row IS NOT NULL"
        new = f"SELECT {names} FROM {tables.prepared} WHERE rowid IN (SELECT _other FROM temp._old WHERE _row IS NULL)"
        keeping.changes(own, went, new if seen.new else None, None if seen.new else seen.texts)
    gone = one(cursor, f"DELETE FROM {tables.live} WHERE rowid IN (SELECT _row FROM temp._old WHERE NOT _same)")
    come = insert(cursor, tables, plan)
    counts.loaded += come
    touched = replace(touched, added_only=not gone and touched != NOTHING)
    return Change(
        touched, not gone and not come, bool(gone), None, come, gone, first_days=seen.first_days, newest=seen.newest
    )


def _lay_beside(
    cursor: duckdb.DuckDBPyConnection,
    tables: Tables,
    plan: Plan,
    key: Sequence[str],
    images: Sequence[str],
    time: str | None,
) -> None:
    """``temp._old``: rows that come, all of them, beside those of their keys as they were; new keys have no ``_row``."""
    tail = "".join(f", {quoted([name], 'p.' if name in key else 'l.')}" for name in images)
    fresh = "".join(f", {quoted([name], 'p.')} AS {quote(CAME + name)}" for name in _dated(plan, time))
    differing = [name for name in plan.names if name not in key]
    same = " AND ".join(f"l.{quote(n)} IS NOT DISTINCT FROM p.{quote(n)}" for n in differing) or "TRUE"
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _old AS SELECT l.rowid AS _row, p.rowid AS _other, "
        f"l.rowid IS NOT NULL AND {same} AS _same{tail}{fresh} "
        f"FROM {tables.live} l RIGHT JOIN {tables.prepared} p USING ({quoted(key)})"
    )


def _one_of_each(cursor: duckdb.DuckDBPyConnection, live: str, names: str, dated: Sequence[str], unread: str) -> int:
    """In ``temp._old``: of live rows with one key, as they stand in a table that had no key or another one, all but one go.

    Left is the one that came again, or the newest of a key that could not be read now. How many go and have none in
    their place. ``dated``: columns of ``_old`` that say when a row comes; ``unread``: puts the live rows of such keys there.
    """
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _repeated AS SELECT {names} FROM {live} GROUP BY {names} HAVING count(*) > 1"
    )
    if not one(cursor, "SELECT count(*) FROM temp._repeated"):
        return 0
    surplus = one(
        cursor,
        "SELECT count(*) - count(DISTINCT _other) FROM temp._old WHERE _row IS NOT NULL AND _other IS NOT NULL",
    )
    # Where the row that came stands there already it takes one of those of its key, and the others have none in their place.
    came = "".join(f", {quote(CAME + name)} = NULL" for name in dated)
    cursor.execute(
        f"UPDATE temp._old SET _same = FALSE, _other = NULL{came} WHERE _row IS NOT NULL "
        "AND _other IN (SELECT _other FROM temp._old WHERE _same) "
        "AND _row NOT IN (SELECT min(_row) FROM temp._old WHERE _same GROUP BY _other)"
    )
    newest = f"SELECT max(rowid) FROM {live} SEMI JOIN temp._repeated r USING ({names}) GROUP BY {names}"
    return surplus + one(cursor, f"{unread} SEMI JOIN temp._repeated r USING ({names}) WHERE l.rowid NOT IN ({newest})")


def _repeated(surplus: int, key: Sequence[str]) -> Problem:
    return Problem(
        f"{surplus} rows of the table had a key that another row has ({', '.join(key)}): of each key one is left",
        severity="warning",
    )


def append(
    cursor: duckdb.DuckDBPyConnection,
    tables: Tables,
    plan: Plan,
    by: str | None,
    counts: Counts,
    keeping: Keeping | None = None,
    time: str | None = None,
) -> Change:
    """All rows are added, except those that an overlapping pull has brought before: exact copies of live rows."""
    counts.duplicate += one(
        cursor, f"DELETE FROM {tables.prepared} WHERE rowid IN ({brought_before(tables, plan.names, by)})"
    )
    seen = _seen(cursor, plan, time, tables.prepared, "TRUE")
    touched = _days(cursor, plan, [(tables.prepared, "")])
    if keeping is not None:
        own = own_columns(plan)
        keeping.changes(own, None, f"SELECT {quoted(own)} FROM {tables.prepared}")
    come = insert(cursor, tables, plan)
    counts.loaded += come
    touched = replace(touched, added_only=touched != NOTHING)
    return Change(touched, same=not come, came=come, first_days=seen.first_days, newest=seen.newest)


def brought_before(tables: Tables, names: Sequence[str], by: str | None) -> str:
    """A SELECT of the prepared rows (their ids) of which the live table has as many copies already."""
    hashed = f"hash({quoted(names)})"
    since = f"WHERE {quote(by)} >= (SELECT min({quote(by)}) FROM {tables.prepared})" if by else ""
    return (
        f"SELECT id FROM (SELECT rowid AS id, {hashed} AS h, "
        f"row_number() OVER (PARTITION BY {hashed} ORDER BY rowid) AS nth FROM {tables.prepared}) "
        f"JOIN (SELECT {hashed} AS h, count(*) AS n FROM {tables.live} {since} GROUP BY 1) USING (h) WHERE nth <= n"
    )


def own_columns(plan: Plan) -> dict[str, str]:
    """The source's columns and their types, without the reporting days; in the same order for every load."""
    return {shape.name: shape.type for shape in sorted(plan.shapes, key=lambda shape: shape.name)}


def insert(cursor: duckdb.DuckDBPyConnection, tables: Tables, plan: Plan) -> int:
    """All prepared rows into the live table. How many."""
    names = quoted(plan.columns)
    return one(cursor, f"INSERT INTO {tables.live} ({names}) SELECT {names} FROM {tables.prepared}")


def _dated(plan: Plan, time: str | None) -> list[str]:
    """The columns of new rows by which it is told what a load touches."""
    return [*plan.days, *([time] if time else [])]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of a change before it is made: as in Change; rows that were there already, rows of new keys, bytes
    of the texts of those that go."""

    first_days: Mapping[str, date | None]
    newest: tuple[datetime | None, datetime | None] | None
    equal: int = 0
    new: int = 0
    texts: int = 0


def _seen(
    cursor: duckdb.DuckDBPyConnection, plan: Plan, time: str | None, rows: str, where: str,
    texts: Sequence[str] = (), *, dated: str = "",
) -> _Seen:  # fmt: skip
    """One look at the rows of a change. ``dated``: what the names of the new rows' columns begin with, beside the old ones'."""
    old = bool(dated)
    newest = [f"max({quote(time)})" if old else "NULL", f"max({quote(dated + time)})"] if time else []
    size = " + ".join(f"coalesce(strlen({quote(name)}), 0)" for name in texts)
    asked = [
        "count(*) FILTER (_same)" if old else "0",
        "count(*) FILTER (_row IS NULL)" if old else "count(*) * 0",  # one row also where nothing else is counted
        f"coalesce(sum({size}) FILTER ({where} AND _row IS NOT NULL), 0)" if texts else "0",
        *(f"{each} FILTER ({where})" if each != "NULL" else each for each in newest),
        *(f"min({quote(dated + day)}) FILTER ({where})" for day in plan.days),
    ]
    (row,) = cursor.execute(f"SELECT {', '.join(asked)} FROM {rows}").fetchall()
    equal, new, bytes_, *rest = row
    times = (rest[0], rest[1]) if time else None
    firsts = dict(zip(plan.axes, rest[len(newest) :], strict=True))
    return _Seen(firsts, times, int(equal), int(new), int(bytes_))


def _days(cursor: duckdb.DuckDBPyConnection, plan: Plan, rows: Sequence[tuple[str, str]]) -> Touched:
    """The days along each axis of these relations, whose columns' names begin with a prefix."""
    days = {}
    for axis in plan.axes:
        name = day_column(axis)
        union = " UNION ".join(f"SELECT {quote(prefix + name)} FROM {relation}" for relation, prefix in rows)
        days[axis] = frozenset(day for (day,) in cursor.execute(union).fetchall() if day is not None)
    return Touched(days) if any(days.values()) else NOTHING
