"""Random rows, calendars and histories of loads, for tests that compare what is measured with a naive computation."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import Organization
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.measures.values import Cell, Measured
from scorecard.warehouse.engine import Touched
from tests.measuring import ANA, TEAMS, World, moment

Row = dict[str, Any]
Slice = tuple[str, str] | None
INSTANT = timedelta(microseconds=1)
NOW = "2026-04-03 15:30"
BEGIN = datetime(2026, 2, 20, tzinfo=UTC)
CALENDARS: tuple[dict[str, Any], ...] = (
    {"timezone": "Europe/Berlin"},
    {"timezone": "America/New_York", "week_starts": 6, "fiscal_year_starts": 4},
    {"timezone": "Europe/London", "fiscal_year_starts": 4, "pattern": "4-4-5"},
    {"timezone": "Asia/Kolkata", "week_starts": 3},
)
"""The clocks change on 8 March in New York, on 29 March in Berlin and London, and never in Kolkata."""
TIME = st.builds(lambda m: BEGIN + timedelta(minutes=m), st.integers(0, 60 * 24 * 45))
TEAM = st.sampled_from(["support", "Support DE", "night-shift", " SALES ", "nobody", None])
SLICES: Mapping[str, frozenset[str]] = {
    "support": frozenset({"support", "support de"}),
    "night-shift": frozenset({"night-shift"}),
    "operations": frozenset({"support", "support de", "night-shift"}),
    "sales": frozenset({"sales"}),
}
"""Which written team names count in a team, parents with their children."""


def steps(row: Any) -> Any:
    """What happens to a source: rows put (some of known ids: changed), only added, deleted, nothing, a new process."""
    return st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "add", "add", "delete", "nothing", "reopen"]),
            st.lists(st.tuples(st.integers(1, 12), row), min_size=1, max_size=4),
            st.integers(0, 60 * 24 * 6),
        ),
        min_size=1,
        max_size=4,
    )


def in_slice(row: Row, slice_: Slice) -> bool:
    return slice_ is None or (row["team"] is not None and row["team"].strip().casefold() in SLICES[slice_[1]])


def as_text(row: Row) -> Row:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}


@contextmanager
def world(calendar: Mapping[str, Any], columns: Mapping[str, str], *metrics: Metric) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder), Organization("Test", ANA, **calendar))
        made.now = moment(NOW)
        made.source("tickets", columns)
        made.open(*metrics)
        try:
            yield made
        finally:
            made.close()


def histories(
    w: World, first: Sequence[tuple[int, Row]], happenings: Sequence[tuple[str, list[tuple[int, Row]], int]]
) -> Iterator[tuple[Measured, list[Row], datetime, datetime]]:
    """Plays a history; after each step what was measured, the rows as they then are, the moment, and the last load's."""
    rows = {key: {"id": key, **given} for key, given in first}
    w.load("tickets", [as_text(r) for r in rows.values()])
    loaded = now = w.now
    yield w.measure(now), list(rows.values()), now, loaded
    for what, changes, minutes in happenings:
        now += timedelta(minutes=minutes)
        touched: dict[str, Touched] = {}
        if what == "delete" and len(rows) > 1:
            rows.pop(sorted(rows)[changes[0][0] % len(rows)])
            touched["tickets"] = w.load("tickets", [as_text(r) for r in rows.values()], at=now, full=True)
        elif what != "nothing":
            put = {(key if what == "put" else 100 + len(rows) + n): given for n, (key, given) in enumerate(changes)}
            rows |= {key: {"id": key, **given} for key, given in put.items()}
            touched["tickets"] = w.load("tickets", [as_text(rows[key]) for key in put], at=now)
        if what == "reopen":
            w.meter = w.fresh()
        loaded = now if touched else loaded
        yield w.measure(now, touched), list(rows.values()), now, loaded


Naive = Callable[[list[Row], Slice, Period, datetime, bool], "float | None"]
"""(rows, slice, period, moment up to which it is looked at, whether that is inside the period) → value."""


def check(measured: Measured, name: str, grains: Sequence[str], calendar: Calendar, mark: datetime, loaded: datetime,
          naive: Naive, rows: list[Row]) -> None:  # fmt: skip
    """Every cell of a metric, and the compared values of its running period, against a naive computation."""
    assert not measured.problems, measured.problems
    for (metric, grain, slice_), series in measured.series.items():
        if metric != name or grain not in grains:
            continue
        for period, cell in zip(series.periods, series.cells, strict=True):
            running = period is series.periods[-1]
            until = min(mark, period.end) if running else period.end
            expected = None if period.start > loaded else naive(rows, slice_, period, until, running)
            same((name, period.label, slice_), cell, expected)
        for kind in ("previous", "year_ago"):
            last = series.periods[-1]
            other = calendar.compare(last, kind)
            if other is not None and other.until > series.periods[0].first:
                until = calendar.cut(last, other, mark)
                expected = None if other.start > loaded else naive(rows, slice_, other, until, until < other.end)
                same((name, kind, last.label, slice_), series.cuts[kind], expected)


def same(place: object, cell: Cell, expected: float | None) -> None:
    if expected is None or cell.value is None:
        assert cell.value is expected, (place, cell, expected)
    else:
        assert math.isclose(cell.value, expected, rel_tol=1e-9, abs_tol=1e-9), (place, cell, expected)


def first_day(calendar: Calendar, rows: list[Row], slice_: Slice, time: str, now: datetime) -> date | None:
    days = [calendar.day_of(r[time]) for r in rows if r[time] is not None and r[time] <= now and in_slice(r, slice_)]
    return min(days, default=None)


assert set(SLICES) <= set(TEAMS)
