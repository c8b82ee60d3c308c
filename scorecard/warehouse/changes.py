"""The prepared rows into the live table: replace, upsert or append, counted, with the days that they touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

    Within a transaction only of a table that is there: a miss aborts it. A missing table called ``json`` or ``db`` is
    taken for the file ``main.json``, which nobody here may open.
    """
    try:
        rows = cursor.execute(f"DESCRIBE {live_table(source)}").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.PermissionException):
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
