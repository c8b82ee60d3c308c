"""How old the open items are at given moments: quantiles of their ages, and how many are older than a limit.

Open at a moment: opened before it, and not closed before it. A row meets every moment that it is open at, found by counting
moments up to its opening and its closing, so that items that come and go between two moments cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from scorecard.ground.periods.calendar import Period
from scorecard.measures.place import Here
from scorecard.measures.plan import Ages
from scorecard.measures.ranges import before_moment, column, day_literal, day_of, moment_literal
from scorecard.measures.sql import ROWS, column_kind, literal
from scorecard.measures.states.rows import Slices

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Point(NamedTuple):
    """A moment inside a period (exclusive: what is dated at it has not come yet), and the moment that ages are taken at."""

    until: datetime
    taken_at: datetime


def ages_at_ends(ages: Sequence[Ages], here: Here, slices: Slices, periods: Sequence[Period]) -> str:
    """SQL for some ages of the same items at the ends of periods of one grain (hours: without gaps), as ``read_ages`` reads it."""
    one = ages[0]
    if periods[0].grain == "hour":
        return _folded(ages, slices, _open_at_hours(one, here, periods))
    shown = []
    for nth, period in enumerate(periods):
        bucket = f"TIMESTAMP '{period.first.isoformat()} 00:00:00'"
        shown.append(f"({nth}, {day_literal(period.until)}, {_microseconds(one, here, period.end)}, {bucket})")
    first, last = periods[0].until, periods[-1].until
    opened, closed = day_of(one.opened), day_of(one.closed)
    counted = (
        "SELECT d.bucket AS day, count(e.day) OVER (ORDER BY d.bucket) AS n "
        "FROM meter.days AS d LEFT JOIN ends AS e ON e.day = d.bucket"
    )
    until = (
        f"CASE WHEN {closed} IS NULL OR {closed} >= {day_literal(last)} THEN {len(periods)} ELSE coalesce(c.n, 0) END"
    )
    rows = (
        f"SELECT {_opening(one, here)} AS us, {_raw(one)} AS raw, coalesce(o.n, 0) AS i, {until} AS j "
        f"FROM {here.table} AS {ROWS} LEFT JOIN marks AS o ON o.day = {opened} LEFT JOIN marks AS c ON c.day = {closed} "
        f"WHERE {opened} < {day_literal(last)} AND ({closed} IS NULL OR {closed} >= {day_literal(first)}){_only(one)}"
    )
    met = f"SELECT us, raw, unnest(range(i, j)) AS nth FROM ({rows}) AS a WHERE i < j"
    return _folded(
        ages,
        slices,
        f"SELECT e.bucket, e.us - m.us AS us, m.raw FROM ({met}) AS m JOIN ends AS e ON e.nth = m.nth",
        f"ends AS MATERIALIZED (SELECT * FROM (VALUES {', '.join(shown)}) AS v(nth, day, us, bucket)), "
        f"marks AS MATERIALIZED ({counted})",
    )


def ages_at_points(ages: Sequence[Ages], here: Here, slices: Slices, points: Sequence[Point]) -> str:
    """SQL for some ages of the same items at a few moments; the bucket is the point's number, as seconds of 1970."""
    one, arms = ages[0], []
    for nth, point in enumerate(points):
        day = here.calendar.day_of(point.until)
        midnight = here.calendar.midnight(day) == point.until
        opened = before_moment(one.opened, here.columns[one.opened], point.until, day, at_midnight=midnight)
        closed = before_moment(one.closed, here.columns[one.closed], point.until, day, at_midnight=midnight)
        # Days first: they are small, and most rows are told by them. One scan for each point is quicker than one OR for all.
        since = f"({day_of(one.closed)} IS NULL OR {day_of(one.closed)} >= {day_literal(day - timedelta(days=1))})"
        days = f"{day_of(one.opened)} <= {day_literal(day)} AND {since}"
        age = f"{_microseconds(one, here, point.taken_at)} - {_opening(one, here)}"
        arms.append(
            f"SELECT make_timestamp({1_000_000 * nth}) AS bucket, {age} AS us, {_raw(one)} AS raw "
            f"FROM {here.table} AS {ROWS} WHERE {days} AND {opened} AND ({closed}) IS NOT TRUE{_only(one)}"
        )
    return _folded(ages, slices, " UNION ALL ".join(arms))


def read_ages(ages: Sequence[Ages], answer: pl.DataFrame) -> list[tuple[str, datetime, tuple[str, str] | None, Any]]:
    """(state, bucket, slice, (items open, 0, the quantile in the unit or the number of older items))."""
    found: list[tuple[str, datetime, tuple[str, str] | None, Any]] = []
    for bucket, kind, name, n, *numbers in answer.rows():
        slice_ = (kind, name) if kind else None
        found += [(one.id, bucket, slice_, (n, 0, x)) for one, x in zip(ages, numbers, strict=True)]
    return found


def same_items(ages: Sequence[Ages]) -> list[list[Ages]]:
    """Ages of the same items, split same_items, together."""
    groups: dict[tuple[object, ...], list[Ages]] = {}
    for one in ages:
        groups.setdefault((one.opened, one.closed, one.condition, one.split), []).append(one)
    return list(groups.values())


def even_runs(hours: Sequence[Period]) -> list[list[Period]]:
    """Hours that follow each other, each a whole one: in some places clocks change by half an hour."""
    found: list[list[Period]] = []
    for hour in hours:
        whole = hour.end - hour.start == timedelta(hours=1)
        if (
            found
            and whole
            and found[-1][-1].end == hour.start
            and found[-1][-1].end - found[-1][-1].start == timedelta(hours=1)
        ):
            found[-1].append(hour)
        else:
            found.append([hour])
    return found


def _open_at_hours(one: Ages, here: Here, hours: Sequence[Period]) -> str:
    """Each open item with each of the hours (one after the other) at whose end it is open."""
    first, last = _microseconds(one, here, hours[0].end), _microseconds(one, here, hours[-1].end)
    opened, closed = f"epoch_us({column(one.opened)})", f"epoch_us({column(one.closed)})"

    def up_to(us: str) -> str:
        return f"CASE WHEN {us} < {first} THEN 0 ELSE ({us} - {first}) // {HOUR_US} + 1 END"

    rows = (
        f"SELECT {opened} AS us, {_raw(one)} AS raw, {up_to(opened)} AS i, "
        f"least({len(hours)}, coalesce({up_to(closed)}, {len(hours)})) AS j FROM {here.table} AS {ROWS} "
        f"WHERE {column(one.opened)} < {moment_literal(hours[-1].end)} "
        f"AND ({column(one.closed)} IS NULL OR {column(one.closed)} >= {moment_literal(hours[0].end)}){_only(one)}"
    )
    met = f"SELECT us, raw, unnest(range(i, j)) AS nth FROM ({rows}) AS a WHERE i < j"
    begin = _since_epoch(hours[0].start)
    step = HOUR_US if len(hours) > 1 else last - begin
    return f"SELECT make_timestamp({begin} + nth * {step}) AS bucket, {first} + nth * {step} - us AS us, raw FROM ({met}) AS m"


def _folded(ages: Sequence[Ages], slices: Slices, source: str, tables: str = "") -> str:
    numbers = []
    for number, one in enumerate(ages):
        if one.q is not None:
            x = f"quantile_cont(CAST(us AS DOUBLE), {one.q!r}) / {one.unit_us}.0"
        else:
            x = f"CAST(count_if(us > {(one.over_seconds or 0) * 1_000_000}) AS DOUBLE)"
        numbers.append(f"{x} AS x_{number}")
    chosen = f"count(*) AS n, {', '.join(numbers)}"
    met = [*([tables] if tables else []), f"met AS {'MATERIALIZED ' if slices else ''}({source})"]
    asked = f"SELECT bucket, '' AS kind, '' AS name, {chosen} FROM met GROUP BY bucket"
    if slices:
        pairs = ", ".join(
            f"({literal(raw)}, {literal(k)}, {literal(n)})" for raw, named in sorted(slices.items()) for k, n in named
        )
        asked += (
            f" UNION ALL SELECT bucket, g.kind, g.name, {chosen} FROM met AS s "
            f"JOIN (VALUES {pairs}) AS g(raw, kind, name) ON g.raw = s.raw GROUP BY bucket, g.kind, g.name"
        )
    return f"WITH {', '.join(met)} {asked}"


def _opening(one: Ages, here: Here) -> str:
    """When an item was opened, in microseconds: a moment in UTC, a day on the local clock."""
    if column_kind(here.columns[one.opened]) == "date":
        return f"epoch_us(CAST({column(one.opened)} AS TIMESTAMP))"
    return f"epoch_us({column(one.opened)})"


def _microseconds(one: Ages, here: Here, moment: datetime) -> int:
    """A moment as ages are counted: of days on the local clock, else in UTC."""
    if column_kind(here.columns[one.opened]) == "date":
        return _since_epoch(here.calendar.at(moment).replace(tzinfo=UTC))
    return _since_epoch(moment)


def _since_epoch(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _raw(one: Ages) -> str:
    return "CAST(NULL AS VARCHAR)" if one.split is None else f"CAST({column(one.split.column)} AS VARCHAR)"


def _only(one: Ages) -> str:
    return "" if one.condition is None else f" AND ({one.condition})"
