"""What a good load leaves behind: how far the data reaches, where the next pull goes on, what each axis begins with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from scorecard.book.model.source import Source
from scorecard.warehouse.changes import Change, described
from scorecard.warehouse.engine import LoadOrder, Standing, day_column
from scorecard.warehouse.planning import whole_days
from scorecard.warehouse.quoting import live_table, quote
from scorecard.warehouse.records import Memory, aware, naive
from scorecard.warehouse.shaping import Plan
from scorecard.warehouse.traces import Traces, noted


def definition_of(source: Source, zone: str) -> str:
    """A digest of all that decides how rows are read and kept."""
    columns = [[c.name, c.type, c.format] for c in source.columns.values()]
    names = ["csv", "query", "records", "params"]
    if source.kind == "http":
        names += [name for name in ("url", "body", "variables", "rows") if name in source.options]
    if source.kind == "external":
        names.append("table")
    asked = {name: source.options.get(name) for name in names}
    decides = [source.key, source.mode, source.time, source.timezone, zone, columns, asked]
    text = json.dumps([*decides, *([source.deleted] if source.deleted else [])], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def row_key(source: Source) -> tuple[str, ...]:
    """By which changes of a source's rows are told; () where rows are only added, or the table is replaced."""
    return tuple(source.key) if source.mode == "upsert" else ()


def remembered(
    cursor: duckdb.DuckDBPyConnection,
    order: LoadOrder,
    before: Memory | None,
    plan: Plan,
    change: Change,
    state: Mapping[str, Any],
    given: Any,
    begun: int = 0,
) -> Memory:
    """The memory after a load whose change stands in this transaction. ``given``: newest cursor value of its rows.
    ``begun``: the generation of another table, which had the name before; whoever knows that one must see a newer one."""
    old = None if before is None else before.standing
    rows = change.rows
    if rows is None:
        rows = (0 if old is None else old.rows) + change.came - change.went
    newest, until = _until(cursor, order, before, plan, change)
    generation = begun if old is None else old.generation
    traces: Traces = {} if old is None else old.traces
    if old is None or not change.same:
        generation += 1
        everything = old is None or change.touched.everything
        traces = noted(traces, plan.axes, change.touched.days, generation, everything=everything)
    standing = Standing(
        source=order.source.name,
        loaded_at=order.now,
        data_until=until,
        generation=generation,
        rows=rows,
        columns={shape.name: shape.type for shape in plan.shapes},
        first_day=_first_days(cursor, order, old, plan, change),
        cursor=later(None if old is None else old.cursor, given),
        state=dict(state),
        definition=definition_of(order.source, order.timezone),
        traces=traces,
    )
    return Memory(standing, zone=order.timezone, newest=newest, key=row_key(order.source))


def _until(
    cursor: duckdb.DuckDBPyConnection, order: LoadOrder, before: Memory | None, plan: Plan, change: Change
) -> tuple[datetime | None, datetime | None]:
    """(newest time of all, newest not later than now), in UTC. A day's row reaches to the end of its day, or to now."""
    time = order.source.time
    shape = next((s for s in plan.shapes if s.name == time), None)
    if shape is None or shape.type not in {"TIMESTAMP", "DATE"}:
        return None, None
    if before is not None and before.standing.definition != definition_of(order.source, order.timezone):
        before = None  # it may be of another column, or of another zone's days
    if change.same and before is not None and before.newest is not None and before.newest <= order.now:
        return before.newest, before.newest  # what lay ahead at the load before may have come to pass since
    zone = ZoneInfo(order.timezone)
    table = live_table(order.source.name)
    days = whole_days(shape)
    if before is not None and (kept := _kept_up(order, before, change, days)) is not None:
        return kept
    limit: Any = order.now.astimezone(zone).date() if shape.type == "DATE" else naive(order.now)
    known = None if before is None else before.standing.data_until
    if known is not None and not days and not change.touched.everything:
        # Rows from the last watermark on are few and lie together; only if they are all gone is the whole table asked.
        row = cursor.execute(
            f"SELECT max({quote(shape.name)}), max({quote(shape.name)}) FILTER (WHERE {quote(shape.name)} <= ?) "
            f"FROM {table} WHERE {quote(shape.name)} >= TIMESTAMP '{naive(known)}'",
            [limit],
        ).fetchone()
        if row is not None and row[1] is not None:
            return _moment(row[0], zone, days), _moment(row[1], zone, days)
    row = cursor.execute(
        f"SELECT max({quote(shape.name)}), max({quote(shape.name)}) FILTER (WHERE {quote(shape.name)} <= ?) "
        f"FROM {table}",
        [limit],
    ).fetchone()
    newest, until = (_moment(value, zone, days) for value in row or (None, None))
    return newest, None if until is None else min(until, order.now)


def _kept_up(order: LoadOrder, before: Memory, change: Change, days: bool) -> tuple[datetime, datetime] | None:
    """Both from what was known before, where no row of that time has gone and none lies in the future; None: they are asked."""
    known, until = before.newest, before.standing.data_until
    if days or change.newest is None or change.touched.everything or known is None or known != until:
        return None
    went, came = (aware(moment) for moment in change.newest)
    if (went is not None and went >= known) or (came is not None and came > order.now) or known > order.now:
        return None
    newest = known if came is None else max(known, came)
    return newest, newest


def _moment(value: Any, zone: ZoneInfo, days: bool) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC)
        if not days:
            return moment
        value = moment.astimezone(zone).date()
    following = value + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(UTC)


def _first_days(
    cursor: duckdb.DuckDBPyConnection, order: LoadOrder, old: Standing | None, plan: Plan, change: Change
) -> dict[str, date]:
    """Per axis the first reporting day; only asked of the whole table where old rows may have gone."""
    firsts: dict[str, date] = {}
    for axis in plan.axes:
        known = None if old is None else old.first_day.get(axis)
        touched = change.touched.days.get(axis, frozenset())
        if known is not None and not change.touched.everything:
            first = min([known, *touched])
            there = first not in touched or change.first_days.get(axis) == first
            if there or _has_day(cursor, order.source.name, axis, first):
                firsts[axis] = first
                continue
        earliest = first_day(cursor, order.source.name, axis)
        if earliest is not None:
            firsts[axis] = earliest
    return firsts


def first_day(cursor: duckdb.DuckDBPyConnection, source: str, axis: str) -> date | None:
    """The first reporting day of the live table; None where there is none, or no such axis."""
    name = day_column(axis)
    if name not in (described(cursor, source) or {}):
        return None
    row = cursor.execute(f"SELECT min({quote(name)}) FROM {live_table(source)}").fetchone()
    return None if row is None else row[0]


def _has_day(cursor: duckdb.DuckDBPyConnection, source: str, axis: str, day: date) -> bool:
    day_is = f"{quote(day_column(axis))} = DATE '{day}'"
    return cursor.execute(f"SELECT 1 FROM {live_table(source)} WHERE {day_is} LIMIT 1").fetchone() is not None


def newest_cursor(cursor: duckdb.DuckDBPyConnection, table: str, source: Source, plan: Plan) -> Any:
    """The newest value of the source's cursor column among the prepared rows; moments are aware."""
    if source.cursor is None or source.cursor.column not in plan.names:
        return None
    row = cursor.execute(f"SELECT max({quote(source.cursor.column)}) FROM {table}").fetchone()
    value = None if row is None else row[0]
    return aware(value) if isinstance(value, datetime) else value


def later(old: Any, new: Any) -> Any:
    """The greater of two cursor values; a value of another type than before starts anew."""
    if new is None or old is None or type(old) is not type(new):
        return old if new is None else new
    return max(old, new)
