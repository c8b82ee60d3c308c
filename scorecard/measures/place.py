"""Where and when a source is measured: its table, its standing, the moment, and the calendar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.measures.ranges import DAY, Range, joined, utc_naive
from scorecard.warehouse.engine import Standing

OLDEST = timedelta(days=36_525)
"""Rows dated longer ago than a century are in no period."""
Key = date
"""A period's key in the grid: its first day; for hours (a datetime) the full hour of the clock, in UTC without offset."""
NOT_YET = "the period began after the last good load"
BEFORE_FIRST = "there are no rows before this period's end"


@dataclass(frozen=True, slots=True)
class Here:
    """One source as it is measured at ``now``; ``today`` is the local day of that moment.

    ``watermark``: the newest time in the source (where it has no time of its own: the last load), never later than now.
    """

    source: str
    table: str
    standing: Standing
    calendar: Calendar
    now: datetime
    today: date
    whole_hours: bool
    loaded_at: datetime | None = field(init=False)
    watermark: datetime | None = field(init=False)

    def __post_init__(self) -> None:
        loaded_at = self.aware(self.standing.loaded_at)
        until = self.aware(self.standing.data_until) or loaded_at
        object.__setattr__(self, "loaded_at", loaded_at)
        object.__setattr__(self, "watermark", None if until is None else min(until, self.now))

    @property
    def columns(self) -> Mapping[str, str]:
        return self.standing.columns

    def first_day(self, time: str) -> date | None:
        """The first reporting day of an axis; None where no row has one, or all lie ahead."""
        first = self.standing.first_day.get(time)
        return None if first is None or first > self.today else max(first, self.today - OLDEST)

    def rows_in(self, time: str, first: date, until: date) -> float:
        """About how many rows lie in some days, if they were spread evenly."""
        begin = self.first_day(time)
        if begin is None:
            return 0.0
        days = (min(until, self.today + DAY) - max(first, begin)).days
        return self.standing.rows * max(0, days) / ((self.today - begin).days + 1)

    @staticmethod
    def aware(moment: datetime | None) -> datetime | None:
        """A moment with its offset: those of the warehouse are in UTC."""
        return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def key_of(period: Period) -> Key:
    """The period's key in the grid. An hour that a change of the clocks has cut short begins off the full hour; its rows'
    buckets do not know that."""
    if period.grain != "hour":
        return period.first
    start = period.start
    return utc_naive(start - timedelta(minutes=start.minute, seconds=start.second))


def uncovered(here: Here, first: date | None, period: Period) -> str | None:
    """Why nothing counted in a period would not be 0; ``first``: the first day with a row."""
    if here.loaded_at is None or period.start > here.loaded_at:
        return NOT_YET
    return BEFORE_FIRST if first is None or period.until <= first else None


def touched_ranges(calendar: Calendar, grain: Grain, days: Iterable[date]) -> tuple[Range, ...]:
    """The days of all periods of a grain that hold any of the given days."""
    if grain in ("hour", "day"):
        return joined((day, day + DAY) for day in days)
    found = {}
    for day in days:
        period = calendar.period(day, grain)
        found[period.first] = period.until
    return joined(found.items())


def has_whole_hours(calendar: Calendar, years: Iterable[int]) -> bool:
    """Whether the zone's offset is a whole number of hours all through those years."""
    for year in years:
        for month in range(1, 13):
            offset = calendar.at(datetime(year, month, 15, tzinfo=UTC)).utcoffset()
            if offset is not None and offset.total_seconds() % 3600:
                return False
    return True


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved in a source since the last time: the touched period keys of each grain (None: all), and until when it was covered
    then and is now."""

    keys: Mapping[Grain, frozenset[Key]] | None
    loaded_before: datetime | None
