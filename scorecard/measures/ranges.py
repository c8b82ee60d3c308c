"""Days as literal range predicates, so that the engine reads only the blocks that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from scorecard.measures.plan import Scan
from scorecard.measures.sql import ROWS, column_kind, quoted

Range = tuple[date, date]
"""(first day, day after the last)."""
DAY = timedelta(days=1)
MOST_RANGES = 40
"""More runs of days than this are read as fewer, longer ones: a long OR costs more than the blocks it saves."""


def runs(days: Iterable[date]) -> tuple[Range, ...]:
    """The days as ranges without gaps, oldest first."""
    found: list[list[date]] = []
    for day in sorted(days):
        if found and day <= found[-1][1]:
            found[-1][1] = max(found[-1][1], day + DAY)
        else:
            found.append([day, day + DAY])
    return tuple((first, until) for first, until in found)


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Ranges with those that touch or overlap made one."""
    found: list[list[date]] = []
    for first, until in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1][1] = max(found[-1][1], until)
        else:
            found.append([first, until])
    return tuple((first, until) for first, until in found)


def covering(ranges: tuple[Range, ...], most: int = MOST_RANGES) -> tuple[Range, ...]:
    """At most so many ranges that cover the given ones: the smallest gaps are read along."""
    while len(ranges) > most:
        gaps = sorted(range(1, len(ranges)), key=lambda i: ranges[i][0] - ranges[i - 1][1])
        close = set(gaps[: len(ranges) - most])
        merged: list[Range] = [ranges[0]]
        for index in range(1, len(ranges)):
            if index in close:
                merged[-1] = (merged[-1][0], ranges[index][1])
            else:
                merged.append(ranges[index])
        ranges = tuple(merged)
    return ranges


def utc_naive(moment: datetime) -> datetime:
    """A moment as the tables hold it: UTC, without offset."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment


def moment_literal(moment: datetime) -> str:
    return f"TIMESTAMP '{utc_naive(moment).isoformat(sep=' ', timespec='microseconds')}'"


def day_literal(day: date) -> str:
    return f"DATE '{day.isoformat()}'"


def within(column: str, ranges: Iterable[Range]) -> str:
    """A predicate on a column (or expression) of days."""
    parts = [f"({column} >= {day_literal(a)} AND {column} < {day_literal(b)})" for a, b in ranges]
    return f"({' OR '.join(parts)})" if parts else "false"


def column(name: str) -> str:
    """A column of the source's rows."""
    return f"{ROWS}.{quoted(name)}"


def day_of(time: str) -> str:
    """The reporting day of a time column."""
    return column("_day_" + time)


def until_moment(time: str, type_: str, moment: datetime, day: date) -> str:
    """Rows not dated after a moment; a date counts from the beginning of its day (``day`` is the moment's)."""
    if column_kind(type_) == "date":
        return f"{column(time)} <= {day_literal(day)}"
    return f"{column(time)} <= {moment_literal(moment)}"


def before_moment(time: str, type_: str, moment: datetime, day: date, *, at_midnight: bool) -> str:
    """Rows dated before a moment (``day`` is the moment's, ``at_midnight``: it is that day's first)."""
    if column_kind(type_) == "date":
        return f"{column(time)} {'<' if at_midnight else '<='} {day_literal(day)}"
    return f"{column(time)} < {moment_literal(moment)}"


def event_day(scan: Scan) -> str:
    """The day in which a row counts. A row that closes before it opens is never open: it closes when it opens."""
    if scan.closed is not None:
        return f"greatest({day_of(scan.time)}, {day_of(scan.closed)})"
    return day_of(scan.time)


def event_days_within(scan: Scan, ranges: tuple[Range, ...] | None) -> str:
    """Rows whose event lies in the ranges (None: on any day), with literals on plain columns for the zone maps."""
    if scan.closed is not None:
        both = f"{day_of(scan.time)} IS NOT NULL AND {day_of(scan.closed)} IS NOT NULL"
        if ranges is None:
            return both
        either = f"({within(day_of(scan.closed), ranges)} OR {within(day_of(scan.time), ranges)})"
        return f"{both} AND {either} AND {within(event_day(scan), ranges)}"
    return f"{day_of(scan.time)} IS NOT NULL" if ranges is None else within(day_of(scan.time), ranges)


def event_until(scan: Scan, columns: Mapping[str, str], moment: datetime, day: date) -> str:
    """Rows whose event is not after a moment."""
    return " AND ".join(until_moment(time, columns[time], moment, day) for time in _event_columns(scan))


def _event_columns(scan: Scan) -> tuple[str, ...]:
    return scan.columns
