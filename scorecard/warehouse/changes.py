"""The prepared rows into the live table: replace, upsert or append, counted, with the days that they touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import duckdb

from scorecard.ground.errors import Problem, Refused
from scorecard.warehouse.engine import NOTHING, Touched, day_column
from scorecard.warehouse.generations import Keeping
from scorecard.warehouse.quoting import live_table, quote, quoted
from scorecard.warehouse.records import Counts
from scorecard.warehouse.shaping import BAD, FILE, LINE, MOVED, Plan, Shape, readable
from scorecard.warehouse.zones import local_day

DELETED = "_deleted"
"""Keys of the rows of a load that say of themselves that they are deleted."""

KEPT = "_kept"
"""Keys of rows put aside: a full load does not remove what it only could not read."""

CAME = "_came"
"""What the names of columns of new rows begin with, beside those of the old ones."""

SORTING = (LINE, BAD, MOVED)
"""Columns of a prepared table that no live table has."""


@dataclass(slots=True)
class Change:
    """What became of the live table. ``same``: nothing at all. ``took_away``: the oldest or newest row may be gone.

    ``rows``: of a table swapped in; else ``came`` and ``went`` are the rows added and deleted, ``first_days`` the
    first day along each axis of those added, ``newest`` the newest ``time`` among those that (went, came); None: not known.
    """

    touched: Touched = NOTHING
    same: bool = False
    took_away: bool = False
    rows: int | None = None
    came: int = 0
    went: int = 0
    first_days: Mapping[str, date | None] = field(default_factory=dict)
    newest: tuple[datetime | None, datetime | None] | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """The live and the prepared table, as named in SQL, and the live one's columns → types (None: there is none)."""

    live: str
    prepared: str
    columns: Mapping[str, str] | None = None


def described(cursor: duckdb.DuckDBPyConnection, source: str) -> dict[str, str] | None:
    """What ``live_columns`` gives, whatever the number of tables; None also for a view of what is gone.

    Within a transaction only of a table that is there: a miss aborts it.
    """
    try:
        rows = cursor.execute(f"DESCRIBE {live_table(source)}").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return {row[0]: row[1] for row in rows}


def live_columns(cursor: duckdb.DuckDBPyConnection, source: str) -> dict[str, str] | None:
    """Column → type of the live table with its reporting days and file; None where there is none. Asks about all tables."""
    rows = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' "
        "AND database_name = current_database() AND table_name = ? ORDER BY column_index",
        [source],
    ).fetchall()
    return dict(rows) or None


def one(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    """The one whole number a SELECT gives."""
    rows = cursor.execute(sql, list(parameters)).fetchall()
    return 0 if not rows or rows[0][0] is None else int(rows[0][0])


def drop_duplicates(cursor: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], by: str | None) -> int:
    """Of equal keys the last stays: in cursor order, then file, then line, then arrival. How many went."""
    names = quoted(key)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _double AS SELECT {names} FROM {table} GROUP BY {names} HAVING count(*) > 1"
    )
    if one(cursor, "SELECT count(*) FROM temp._double") == 0:
        return 0
    order = ", ".join(
        [*([f"{quote(by)} DESC NULLS LAST"] if by else []), f"{FILE} DESC NULLS LAST", f"{LINE} DESC NULLS LAST"]
    )
    gone = (
        f"SELECT id FROM (SELECT p.rowid AS id, row_number() OVER "
        f"(PARTITION BY {quoted(key, 'p.')} ORDER BY {order}, p.rowid DESC) AS nth "
        f"FROM {table} p SEMI JOIN temp._double d USING ({names})) WHERE nth > 1"
    )
    return one(cursor, f"DELETE FROM {table} WHERE rowid IN ({gone})")


def add_days(
    cursor: duckdb.DuckDBPyConnection, live: str, columns: Mapping[str, str], axes: Iterable[str], zone: str
) -> bool:
    """Reporting days for axes that the live table does not have yet. True where there was one to add."""
    added = False
    for axis in axes:
        name = day_column(axis)
        if name not in columns and columns.get(axis) in {"TIMESTAMP", "DATE"}:
            cursor.execute(f"ALTER TABLE {live} ADD COLUMN {quote(name)} DATE")
            cursor.execute(f"UPDATE {live} SET {quote(name)} = {reporting_day(axis, columns[axis], zone)}")
            added = True
    return added


def move_days(cursor: duckdb.DuckDBPyConnection, live: str, columns: Mapping[str, str], zone: str) -> None:
    """All reporting days anew, after the organisation moved to another time zone."""
    days = [(axis, type_) for axis, type_ in columns.items() if day_column(axis) in columns and type_ == "TIMESTAMP"]
    if days:
        sets = ", ".join(f"{quote(day_column(axis))} = {reporting_day(axis, type_, zone)}" for axis, type_ in days)
        cursor.execute(f"UPDATE {live} SET {sets}")


def reporting_day(axis: str, type_: str, zone: str) -> str:
    """The reporting day of a typed time column, as SQL."""
    return quote(axis) if type_ == "DATE" else local_day(quote(axis), zone)


def swap_in(
    cursor: duckdb.DuckDBPyConnection,
    source: str,
    tables: Tables,
    plan: Plan,
    counts: Counts,
    *,
    files: bool,
    keeping: Keeping | None = None,
) -> Change:
    """The prepared table becomes the live one; where the rows are the same as before, it stays as it is.

    ``files``: the table is made of files, and remembers of each row which. Rows taken over from the old table have
    no MOVED. ``keeping``: takes the table that was live.
    """
    row = cursor.execute(f"SELECT count(*), count({MOVED}), count({FILE}) FROM {tables.prepared}").fetchone()
    total, fresh, filed = row or (0, 0, 0)
    touched = Touched(everything=True)
    if tables.columns is not None and _own(tables.columns) == plan.columns:
        touched = compared(cursor, tables, plan)
        if touched == NOTHING:
            counts.unchanged += fresh
            if not files or _same_files(cursor, tables, bool(filed)):
                return Change(same=True, rows=total)
            fresh = 0
    counts.loaded += fresh
    gone = [*SORTING, *([] if files and filed else [FILE])]
    for name in gone:
        cursor.execute(f"ALTER TABLE {tables.prepared} DROP COLUMN {name}")
    if keeping is not None and tables.columns is not None:
        keeping.take(tables.live)
    cursor.execute(f"DROP TABLE IF EXISTS {tables.live}")
    cursor.execute(f"ALTER TABLE {tables.prepared} RENAME TO {quote(source)}")
    return Change(touched, took_away=True, rows=total)


def _own(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: type_ for name, type_ in columns.items() if name != FILE}


def _same_files(cursor: duckdb.DuckDBPyConnection, tables: Tables, filed: bool) -> bool:
    if not filed or FILE not in (tables.columns or {}):
        return not filed and FILE not in (tables.columns or {})
    counted = f"SELECT {FILE}, count(*) FROM {{}} GROUP BY ALL"
    old, new = counted.format(tables.live), counted.format(tables.prepared)
    return one(cursor, f"SELECT count(*) FROM (({old} EXCEPT {new}) UNION ALL ({new} EXCEPT {old}))") == 0


def compared(cursor: duckdb.DuckDBPyConnection, tables: Tables, plan: Plan) -> Touched:
    """The days whose rows differ, along each axis, by number and sum of row hashes; NOTHING where all are the same."""
    hashed = f"hash({quoted(plan.names)})"
    if not plan.axes:
        whole = f"SELECT count(*), sum({hashed}) FROM {{}}"
        old, new = (cursor.execute(whole.format(t)).fetchone() for t in (tables.live, tables.prepared))
        return NOTHING if old == new else Touched(days={"": frozenset()})
    days = {}
    for axis in plan.axes:
        by = f"SELECT {quote(day_column(axis))} AS day, count(*) AS n, sum({hashed}) AS h FROM {{}} GROUP BY 1"
        rows = cursor.execute(
            f"SELECT coalesce(o.day, p.day) FROM ({by.format(tables.live)}) o "
            f"FULL JOIN ({by.format(tables.prepared)}) p "
            "ON o.day IS NOT DISTINCT FROM p.day WHERE o.n IS DISTINCT FROM p.n OR o.h IS DISTINCT FROM p.h"
        ).fetchall()
        if not rows:
            return NOTHING
        days[axis] = frozenset(day for (day,) in rows if day is not None)
    return Touched(days)


def fit_live(cursor: duckdb.DuckDBPyConnection, source: str, tables: Tables, plan: Plan) -> bool:
    """Columns that the live table lacks or that have another declared type now. True where it had to be changed."""
    columns = tables.columns or {}
    fitted = False
    for shape in plan.shapes:
        held = columns.get(shape.name)
        if held is None:
            cursor.execute(f"ALTER TABLE {tables.live} ADD COLUMN {quote(shape.name)} {shape.type}")
        elif held != shape.type:
            _retype(cursor, source, tables.live, shape, held, plan)
            if day_column(shape.name) in columns:
                cursor.execute(f"ALTER TABLE {tables.live} DROP COLUMN {quote(day_column(shape.name))}")
        else:
            continue
        fitted = True
    return fitted


def _retype(cursor: duckdb.DuckDBPyConnection, source: str, live: str, shape: Shape, held: str, plan: Plan) -> None:
    name = quote(shape.name)
    value = readable(shape, name, held, plan)
    lost = one(cursor, f"SELECT count(*) FROM {live} WHERE {name} IS NOT NULL AND ({value}) IS NULL")
    if lost:
        raise Refused(
            Problem(
                f"{source}: column '{shape.name}' is now {shape.kind}, and {lost} of its loaded values ({held}) "
                "cannot be read as that",
                hint="run refresh --full to read the source again",
            )
        )
    cursor.execute(f"ALTER TABLE {live} ALTER COLUMN {name} TYPE {shape.type} USING {value}")


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
    tail = "".join(f", {quoted([name], 'p.' if name in key else 'l.')}" for name in images)
    fresh = "".join(f", {quoted([name], 'p.')} AS {quote(CAME + name)}" for name in _dated(plan, time))
    differing = [name for name in plan.names if name not in key]
    same = " AND ".join(f"l.{quote(n)} IS NOT DISTINCT FROM p.{quote(n)}" for n in differing) or "TRUE"
    # Rows that come are all in it, those of new keys without a _row.
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _old AS SELECT l.rowid AS _row, p.rowid AS _other, "
        f"l.rowid IS NOT NULL AND {same} AS _same{tail}{fresh} "
        f"FROM {tables.live} l RIGHT JOIN {tables.prepared} p USING ({names})"
    )
    lone = f", {quoted(images, 'l.')}" if images else ""
    lone += ", NULL" * len(_dated(plan, time))
    removed = f"INSERT INTO temp._old SELECT l.rowid, NULL, FALSE{lone} FROM {tables.live} l"
    unsaid = ""
    if said:
        hit = one(cursor, f"{removed} SEMI JOIN temp.{DELETED} d USING ({names})")
        counts.removed, counts.loaded, counts.unchanged = hit, counts.loaded + hit, counts.unchanged + said - hit
        unsaid = f"ANTI JOIN temp.{DELETED} d USING ({names})"
    if full:
        counts.removed += one(
            cursor,
            f"{removed} ANTI JOIN {tables.prepared} p USING ({names}) ANTI JOIN temp.{KEPT} k USING ({names}) {unsaid}",
        )
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
    come = _insert(cursor, tables, plan)
    counts.loaded += come
    touched = replace(touched, added_only=not gone and touched != NOTHING)
    return Change(
        touched, not gone and not come, bool(gone), None, come, gone, first_days=seen.first_days, newest=seen.newest
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
    come = _insert(cursor, tables, plan)
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


def _insert(cursor: duckdb.DuckDBPyConnection, tables: Tables, plan: Plan) -> int:
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
        "count(*) FILTER (_row IS NULL)" if old else "0",
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
