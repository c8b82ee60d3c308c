"""An earlier generation put back as a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from scorecard.book.model.source import Source
from scorecard.ground.errors import Conflict, Problem
from scorecard.warehouse.changes import Change, Tables, add_days, compared, live_columns, one, reporting_day
from scorecard.warehouse.engine import DAY_PREFIX, NOTHING, Touched, day_column
from scorecard.warehouse.generations import GENERATION, WAS, Keeping, log_table
from scorecard.warehouse.planning import held_kind
from scorecard.warehouse.quoting import incoming_table, live_table, quote, quoted
from scorecard.warehouse.records import Memory, unpacked_memory
from scorecard.warehouse.shaping import FILE, Plan, Shape
from scorecard.warehouse.traces import noted
from scorecard.warehouse.watermarks import first_day


@dataclass(frozen=True, slots=True)
class Step:
    """How to get from one generation to the one before."""

    generation: int
    kind: str
    place: str | None


def put_back(
    cursor: duckdb.DuckDBPyConnection, source: Source, memory: Memory, to: int, keeping: Keeping
) -> tuple[Memory, Change]:
    """The table as it was at generation ``to``, and what is then to be remembered. Runs in the caller's transaction.

    The newest values, the pull's cursor and state go back with it, so that what came since is pulled again. Raises
    Conflict where it is not kept.
    """
    steps = _steps(cursor, source.name, memory.standing.generation, to)
    old = _memory(cursor, source.name, to)
    wholes = [step for step in steps if step.kind == "whole"]
    if wholes:
        change = _swapped(cursor, source, memory, old, wholes[-1], to, keeping)
    else:
        change = _undone(cursor, source, memory, to, keeping)
    columns = live_columns(cursor, source.name) or {}
    axes = [name.removeprefix(DAY_PREFIX) for name in columns if name.startswith(DAY_PREFIX)]
    firsts = {axis: day for axis in axes if (day := first_day(cursor, source.name, axis)) is not None}
    generation = memory.standing.generation + 1
    touched = change.touched
    standing = replace(
        old.standing,
        generation=generation,
        rows=one(cursor, f"SELECT count(*) FROM {live_table(source.name)}"),
        first_day=firsts,
        traces=noted(memory.standing.traces, axes, touched.days, generation, everything=touched.everything),
    )
    return replace(old, standing=standing, zone=memory.zone), change


def _steps(cursor: duckdb.DuckDBPyConnection, source: str, current: int, to: int) -> list[Step]:
    """From the current generation down to the wanted one, newest first."""
    rows = cursor.execute(
        "SELECT generation, kind, place FROM _loads.generations WHERE source = ? AND generation >= ? "
        "ORDER BY generation DESC",
        [source, to],
    ).fetchall()
    found = [Step(*row) for row in rows]
    if [step.generation for step in found] != list(range(current - 1, to - 1, -1)) or not found:
        raise Conflict(
            Problem(
                f"{source}: generation {to} is not kept",
                hint=f"`scorecard loads {source}` lists those that are; `keep` in metrics.yaml says how many there are",
            )
        )
    return found


def _memory(cursor: duckdb.DuckDBPyConnection, source: str, generation: int) -> Memory:
    row = cursor.execute(
        "SELECT loaded_at, data_until, body FROM _loads.generations WHERE source = ? AND generation = ?",
        [source, generation],
    ).fetchone()
    if row is None:
        raise Conflict(Problem(f"{source}: generation {generation} is not kept"))
    return unpacked_memory(source, *row)


def _undone(cursor: duckdb.DuckDBPyConnection, source: Source, memory: Memory, to: int, keeping: Keeping) -> Change:
    """What was changed since is changed back, in the table itself."""
    live = live_table(source.name)
    kept = dict(sorted(memory.standing.columns.items()))
    key = _key(memory, source)
    if not _gather(cursor, source.name, key, live, kept, to, memory.standing.generation):
        return Change(same=True)
    columns = live_columns(cursor, source.name) or {}
    days: dict[str, frozenset[object]] = {}
    for axis in _axes(columns):
        day = reporting_day(axis, columns[axis], memory.zone)
        rows = cursor.execute(f"SELECT {day} FROM temp._out UNION SELECT {day} FROM temp._in").fetchall()
        days[axis] = frozenset(day for (day,) in rows if day is not None)
    went = f"SELECT {quoted(kept)} FROM temp._out"
    if key:
        keys = quoted(key)
        keeping.changes(kept, went, f"SELECT {keys} FROM temp._in ANTI JOIN temp._out USING ({keys})")
    else:
        keeping.changes(kept, went, f"SELECT {quoted(kept)} FROM temp._in")
    _exchange(cursor, live, kept, columns, memory.zone)
    touched = Touched(days) if any(days.values()) else NOTHING  # type: ignore[arg-type]  # they are dates
    return Change(touched, took_away=True)


def _swapped(
    cursor: duckdb.DuckDBPyConnection,
    source: Source,
    memory: Memory,
    old: Memory,
    whole: Step,
    to: int,
    keeping: Keeping,
) -> Change:
    """A table that was kept whole, what was changed before it changed back, takes the place of the live one."""
    fresh, live = incoming_table(source.name), live_table(source.name)
    before = live_columns(cursor, source.name) or {}
    cursor.execute(f"CREATE OR REPLACE TABLE {fresh} AS SELECT * FROM {whole.place}")
    columns = _columns_of(cursor, fresh)
    for name in [name for name in columns if name.startswith(DAY_PREFIX)]:
        cursor.execute(f"ALTER TABLE {fresh} DROP COLUMN {quote(name)}")  # of another zone, perhaps
    kept = {n: t for n, t in sorted(columns.items()) if not n.startswith(DAY_PREFIX) and n != FILE}
    key = _key(_memory(cursor, source.name, whole.generation), source)
    if _gather(cursor, source.name, key, fresh, kept, to, whole.generation):
        _exchange(cursor, fresh, kept, {}, memory.zone)
    axes = [name.removeprefix(DAY_PREFIX) for name in before if name.startswith(DAY_PREFIX)]
    there = [axis for axis in axes if columns.get(axis) in {"TIMESTAMP", "DATE"}]
    own = {name: type_ for name, type_ in columns.items() if not name.startswith(DAY_PREFIX)}
    add_days(cursor, fresh, own, there, memory.zone)
    touched = Touched(everything=True)
    if {n: t for n, t in before.items() if n != FILE} == {
        n: t for n, t in _columns_of(cursor, fresh).items() if n != FILE
    }:
        shapes = tuple(Shape(name, held_kind(type_), type_) for name, type_ in kept.items())
        touched = compared(cursor, Tables(live, fresh), Plan(shapes, tuple(there), memory.zone, memory.zone))
    keeping.take(live)
    cursor.execute(f"DROP TABLE IF EXISTS {live}")
    cursor.execute(f"ALTER TABLE {fresh} RENAME TO {quote(source.name)}")
    return Change(touched, took_away=True, rows=old.standing.rows)


def _key(memory: Memory, source: Source) -> tuple[str, ...]:
    """By which the changes before a generation are told: before it got another key its table was kept whole."""
    return tuple(source.key) if memory.key is None else memory.key


def _gather(
    cursor: duckdb.DuckDBPyConnection,
    source: str,
    key: Sequence[str],
    table: str,
    kept: Mapping[str, str],
    first: int,
    until: int,
) -> bool:
    """Tables ``_out`` and ``_in``: rows of ``table`` that go (with their ids), and rows that come instead.

    From what was changed between two generations, the later one exclusive, all of it by the same ``key``. False: nothing was.
    """
    log = log_table(source, kept)
    known = one(cursor, "SELECT count(*) FROM duckdb_tables() WHERE 'main.\"' || table_name || '\"' = ?", [log])
    span = f"FROM {log} WHERE {GENERATION} >= {first} AND {GENERATION} < {until}"
    if not known or not one(cursor, f"SELECT count(*) {span}"):
        return False
    names, every = quoted(key), quoted(kept)
    if key:
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE _back AS SELECT * {span} "
            f"QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY {GENERATION}) = 1"
        )
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE _out AS SELECT l.rowid AS _row, {quoted(kept, 'l.')} "
            f"FROM {table} l SEMI JOIN temp._back b USING ({names})"
        )
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE _in AS SELECT {every} FROM temp._back WHERE {WAS}")
        return True
    hashed = f"hash({every})"
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _net AS SELECT {hashed} AS _h, "
        f"count(*) FILTER (NOT {WAS}) - count(*) FILTER ({WAS}) AS _n {span} GROUP BY 1"
    )
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _out AS SELECT _row, {every} FROM (SELECT rowid AS _row, {every}, {hashed} AS _h, "
        f"row_number() OVER (PARTITION BY {hashed} ORDER BY rowid DESC) AS _nth FROM {table} "
        f"WHERE {hashed} IN (SELECT _h FROM temp._net WHERE _n > 0)) JOIN temp._net USING (_h) WHERE _nth <= _n"
    )
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _in AS SELECT {every} FROM (SELECT {every}, {hashed} AS _h, "
        f"row_number() OVER (PARTITION BY {hashed}) AS _nth {span} AND {WAS}) JOIN temp._net USING (_h) WHERE _nth <= -_n"
    )
    return True


def _exchange(
    cursor: duckdb.DuckDBPyConnection, table: str, kept: Mapping[str, str], columns: Mapping[str, str], zone: str
) -> None:
    axes = _axes(columns)
    days = [f"{reporting_day(axis, columns[axis], zone)} AS {quote(day_column(axis))}" for axis in axes]
    cursor.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT _row FROM temp._out)")
    cursor.execute(f"INSERT INTO {table} BY NAME SELECT {', '.join([quoted(kept), *days])} FROM temp._in")


def _axes(columns: Mapping[str, str]) -> list[str]:
    return [name for name in columns if day_column(name) in columns]


def _columns_of(cursor: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows: Sequence[tuple[str, ...]] = cursor.execute(f"DESCRIBE {table}").fetchall()
    return {row[0]: row[1] for row in rows}
