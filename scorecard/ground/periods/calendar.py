"""The organisation's calendar: periods of every grain, their labels, comparisons and working time.

SQL joins, labels, charts, pace and comparisons all ask this one engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from scorecard.ground.errors import Problem, Refused, did_you_mean
from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.periods.hours import LocalTime
from scorecard.ground.periods.labels import Parts, accepted, refused, taken_apart
from scorecard.ground.periods.span import FIRST_YEAR, LAST_YEAR, Period, beyond
from scorecard.ground.periods.working import WorkingTime
from scorecard.ground.periods.years import (
    PATTERNS,
    Year,
    first_week,
    months_on,
    week_first,
    week_number,
    year_beginning,
    year_holding,
)
from scorecard.ground.periods.zone import DAY, zone_named

__all__ = ["Calendar", "Comparison", "DayRow", "Period"]

Comparison = Literal["previous", "year_ago", "364d"]
DayRow = tuple[date, date, date, date, date]
"""(day, first day of its week, month, quarter, year)."""

WEEK = timedelta(weeks=1)
YEAR_IN_WEEKS = timedelta(days=364)
KEPT = 200_000
"""Periods remembered before the memory starts anew."""


@dataclass(slots=True)
class _Memory:
    """What a calendar has worked out already; never part of its value."""

    years: dict[int, Year] = field(default_factory=dict)
    periods: dict[tuple[Grain, date], Period] = field(default_factory=dict)
    year_ago: dict[tuple[Grain, date, int], Period | None] = field(default_factory=dict)
    working: dict[tuple[datetime, datetime], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calendar:
    """How an organisation cuts time, built from plain values.

    ``timezone`` is an IANA name; ``week_starts`` and ``workdays`` count from Monday = 0; ``fiscal_year_starts`` is a
    month; a fiscal year that does not start in January is named after the calendar year it ``start``s or ``end``s in.
    ``holidays`` are local days. Raises Refused for values that make no calendar.
    """

    timezone: str
    week_starts: int = 0
    fiscal_year_starts: int = 1
    fiscal_year_named: Literal["start", "end"] = "end"
    pattern: str = "months"
    workdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})
    holidays: frozenset[date] = frozenset()
    _local: LocalTime = field(init=False, repr=False, compare=False)
    _working: WorkingTime = field(init=False, repr=False, compare=False)
    _memory: _Memory = field(init=False, repr=False, compare=False, default_factory=_Memory)

    def __post_init__(self) -> None:
        _check(self)
        local = LocalTime(zone_named(self.timezone))
        object.__setattr__(self, "_local", local)
        object.__setattr__(self, "_working", WorkingTime(self.workdays, self.holidays, local.begins))

    # -- days and moments --------------------------------------------------------------------------------------

    def day_of(self, moment: datetime) -> date:
        """The local day of a moment."""
        return self.at(moment).date()

    def midnight(self, day: date) -> datetime:
        """The first moment of a local day, in the zone: 00:00, or where the clocks land when they jump over it."""
        return self._local.midnight(day)

    def at(self, moment: datetime) -> datetime:
        """A moment in the zone. One without offset is local: a doubled one is the second, a missing one moves on."""
        return self._local.at(moment)

    # -- periods -----------------------------------------------------------------------------------------------

    def period(self, moment: date | datetime, grain: str) -> Period:
        """The period of a grain that holds a moment (or a local day: then of its first hour)."""
        kind = known_grain(grain)
        if kind == "hour":
            return self._local.hour_holding(moment if isinstance(moment, datetime) else self.midnight(moment))
        return self._holding(self.day_of(moment) if isinstance(moment, datetime) else moment, kind)

    def running(self, now: datetime, grain: str) -> Period:
        """The period that holds ``now``."""
        return self.period(now, grain)

    def latest_closed(self, now: datetime, grain: str) -> Period:
        """The newest period whose end is not after ``now``."""
        return self.shift(self.period(now, grain), -1)

    def shift(self, period: Period, count: int) -> Period:
        """The period so many of its grain later (negative: earlier); Refused beyond the calendar's years."""
        try:
            return period if count == 0 else self._shifted(period, count)
        except (OverflowError, ValueError):
            raise beyond(f"{abs(count)} {period.grain}s {'after' if count > 0 else 'before'} {period.label}") from None

    def back(self, period: Period, count: int) -> Period:
        """The period so many of its grain earlier."""
        return self.shift(period, -count)

    def between(self, grain: str, first: date, last: date) -> tuple[Period, ...]:
        """All periods of a grain that hold any of the days from ``first`` to ``last`` (both included), oldest first."""
        kind = known_grain(grain)
        if last < first:
            return ()
        if kind == "hour":
            days = (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
            return tuple(hour for day in days for hour in self._local.hour_periods(day))
        return tuple(self._walk(kind, first, last))

    def coarser(self, grain: str) -> tuple[Grain, ...]:
        """The grains at which a value of that grain can be shown (recomputed, so weeks give months), itself first."""
        return GRAINS[GRAINS.index(known_grain(grain)) :]

    def day_rows(self, first: date, last: date) -> list[DayRow]:
        """One row for each day from ``first`` to ``last`` (both included), for joins in SQL."""
        rows: list[DayRow] = []
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            year, month = self._place(day)
            week = week_first(day, self.week_starts)
            rows.append((day, week, year.firsts[month], year.firsts[month - month % 3], year.firsts[0]))
        return rows

    def hours_at(self, day: date, number: int) -> list[Period]:
        """The hours that the wall clock shows with that number on a local day: one, or none or two where it changes."""
        return self._local.hours_at(day, number)

    # -- labels ------------------------------------------------------------------------------------------------

    def parse(self, label: str) -> Period:
        """The period of a label, in any of the accepted forms, upper or lower case; Refused naming them otherwise."""
        hint = accepted(self._fiscal, self._patterned)
        parts = taken_apart(label, hint)
        try:
            found = self._named(parts)
        except ValueError:
            found = None
        if found is None:
            raise refused(label, self._why_not(parts), hint)
        return found

    # -- comparisons -------------------------------------------------------------------------------------------

    def compare(self, period: Period, kind: str, count: int = 1) -> Period | None:
        """The period to compare with, ``count`` steps back; None where it has no partner.

        ``year_ago`` is 364 days for hours and days, the same number for weeks, the label one year earlier for longer
        ones. ``364d`` is the span exactly 364 days earlier, if that is a period.
        """
        if kind == "previous":
            return self.back(period, count)
        if kind == "364d" or (kind == "year_ago" and period.grain in ("hour", "day")):
            return self._moved(period, YEAR_IN_WEEKS * count)
        if kind != "year_ago":
            raise ValueError(f"no comparison is called {kind!r}")
        memory, key = self._memory.year_ago, (period.grain, period.first, count)
        if key not in memory:
            memory[key] = self._year_ago(period, count)
        return memory[key]

    def _year_ago(self, period: Period, count: int) -> Period | None:
        """The same week number, or the label, so many years earlier."""
        if period.grain == "week":
            year, number = week_number(period.first)
            first = first_week(year - count, self.week_starts) + WEEK * (number - 1)
            return self.period(first, "week") if week_number(first) == (year - count, number) else None
        return self.shift(period, -count * {"month": 12, "quarter": 4, "year": 1}[period.grain])

    def cut(self, period: Period, other: Period, moment: datetime) -> datetime:
        """The moment that cuts ``other`` as ``moment`` cuts ``period``.

        At the same time of day, after as many local days; in quarters and years made of months, in the same month of
        theirs and on its same day (a day that this month does not have is its end). Hours: after as much real time.
        Never outside ``other``.
        """
        if moment <= period.start:
            return other.start
        if moment >= period.end:
            return other.end
        if period.grain == "hour":
            return min(other.end, other.start + (moment - period.start))
        local = self.at(moment)
        day, until = other.first + (local.date() - period.first), other.until
        if self.pattern == "months" and period.grain == other.grain and period.grain in ("quarter", "year"):
            # Counted in days, a leap day would move the cut of all that follows it.
            months = (local.year - period.first.year) * 12 + local.month - period.first.month
            day = months_on(other.first, months) + timedelta(days=local.day - 1)
            until = months_on(other.first, months + 1)
        if day >= until:
            return self.midnight(until)
        there = self.at(datetime.combine(day, local.time()))
        return min(max(there, other.start), other.end)

    # -- working time ------------------------------------------------------------------------------------------

    def is_workday(self, day: date) -> bool:
        """Whether people work on that day: a workday of the week and no holiday."""
        return self._working.is_workday(day)

    def workdays_in(self, first: date, until: date) -> int:
        """Workdays from ``first`` up to, not including, ``until``."""
        return self._working.days(first, until)

    def working_seconds(self, start: datetime, end: datetime) -> float:
        """Real seconds between two moments that lie in workdays (all 24 local hours of each)."""
        memory = self._memory.working
        found = memory.get((start, end))
        if found is None:
            if len(memory) >= KEPT:
                memory.clear()
            found = memory[start, end] = self._working.seconds(start, end, self.day_of(start), self.day_of(end))
        return found

    def after_working(self, start: datetime, seconds: float) -> datetime | None:
        """The last moment at which no more than ``seconds`` of working time have passed since ``start``.

        None if that much never passes because nobody works.
        """
        found = self._working.after(start, seconds, self.day_of(start))
        return None if found is None else self.at(found)

    # -- inside ------------------------------------------------------------------------------------------------

    @property
    def _patterned(self) -> bool:
        return self.pattern != "months"

    @property
    def _fiscal(self) -> bool:
        return self.fiscal_year_starts != 1

    def _year(self, begins: int) -> Year:
        found = self._memory.years.get(begins)
        if found is None:
            found = year_beginning(begins, self.fiscal_year_starts, self.pattern, self.week_starts)
            self._memory.years[begins] = found
        return found

    def _place(self, day: date) -> tuple[Year, int]:
        """The fiscal year a day lies in, and its month there, 0 to 11."""
        year = self._year(year_holding(day, self.fiscal_year_starts, self.pattern, self.week_starts))
        return year, year.month_of(day)

    def _year_name(self, begins: int) -> int:
        return begins + (1 if self._fiscal and self.fiscal_year_named == "end" else 0)

    def _holding(self, day: date, grain: Grain) -> Period:
        """The period (no hour) that holds a local day."""
        found = self._memory.periods.get((grain, day))
        if found is not None:
            return found
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise beyond(str(day))
        first, until, label = self._bounds(day, grain)
        made = self._memory.periods.get((grain, first))
        if made is None:
            made = Period(grain, label(), first, until, self.midnight(first), self.midnight(until))
        if len(self._memory.periods) >= KEPT:
            self._memory.periods.clear()
        self._memory.periods[grain, first] = self._memory.periods[grain, day] = made
        return made

    def _bounds(self, day: date, grain: Grain) -> tuple[date, date, Callable[[], str]]:
        if grain == "day":
            return day, day + DAY, day.isoformat
        if grain == "week":
            first = week_first(day, self.week_starts)
            return first, first + WEEK, lambda: "{:04d}-W{:02d}".format(*week_number(first))
        year, month = self._place(day)
        prefix = f"{'FY' if self._fiscal or self._patterned else ''}{self._year_name(year.begins):04d}"
        if grain == "year":
            return year.firsts[0], year.firsts[12], lambda: prefix
        if grain == "quarter":
            quarter = month // 3
            return year.firsts[quarter * 3], year.firsts[quarter * 3 + 3], lambda: f"{prefix}-Q{quarter + 1}"
        first, until = year.firsts[month], year.firsts[month + 1]
        if self._patterned:
            return first, until, lambda: f"{prefix}-P{month + 1:02d}"
        return first, until, lambda: f"{first.year:04d}-{first.month:02d}"

    def _walk(self, grain: Grain, first: date, last: date) -> Iterator[Period]:
        day = first
        while day <= last:
            found = self._holding(day, grain)
            yield found
            day = found.until

    def _shifted(self, period: Period, count: int) -> Period:
        if period.grain == "hour":
            return self._local.hour_shifted(period, count)
        if period.grain == "day":
            return self._holding(period.first + DAY * count, "day")
        if period.grain == "week":
            return self._holding(period.first + WEEK * count, "week")
        year, month = self._place(period.first)
        months = {"month": 1, "quarter": 3, "year": 12}[period.grain]
        years, month = divmod(month + months * count, 12)
        return self._holding(self._year(year.begins + years).firsts[month], period.grain)

    def _moved(self, period: Period, earlier: timedelta) -> Period | None:
        """The period of the same grain exactly so much earlier; None where there is none."""
        try:
            day = period.first - earlier
            if period.grain != "hour":
                found = self._holding(day, period.grain)
                return found if (found.first, found.until) == (day, period.until - earlier) else None
        except OverflowError:
            raise beyond(f"{earlier.days} days before {period.label}") from None
        hours = self._local.hours_at(day, period.start.hour)
        same = [h for h in hours if h.start.utcoffset() == period.start.utcoffset()]
        return (same or hours)[-1] if hours else None

    # -- reading labels ----------------------------------------------------------------------------------------

    def _named(self, parts: Parts) -> Period | None:
        """The period that the parts of a label mean; None (or ValueError) where there is none."""
        if parts.grain in ("day", "hour"):
            day = date(parts.year, parts.month, parts.day)
            return self._holding(day, "day") if parts.grain == "day" else self._local.hour_named(day, parts)
        if parts.grain == "week":
            first = first_week(parts.year, self.week_starts) + WEEK * (parts.number - 1)
            return self._holding(first, "week") if week_number(first)[0] == parts.year else None
        if parts.grain == "month" and not parts.fiscal:
            return None if self._patterned else self._holding(date(parts.year, parts.number, 1), "month")
        if (self._fiscal and not parts.fiscal) or (parts.grain == "month" and not self._patterned):
            return None
        year = self._year(parts.year - self._year_name(0))
        month = {"month": parts.number - 1, "quarter": (parts.number - 1) * 3, "year": 0}[parts.grain]
        return self._holding(year.firsts[month], parts.grain)

    def _why_not(self, parts: Parts) -> str:
        if parts.grain == "week":
            return f"is no week: {parts.year} has 52 of them"
        if parts.grain == "day":
            return "is no day of the calendar"
        if parts.grain == "hour":
            return self._local.why_no_hour(parts)
        if parts.grain == "month":
            return "is no month here: " + (
                "they follow the pattern " + self.pattern if self._patterned else "use its dates"
            )
        return f"is no {parts.grain} here: the fiscal year starts in month {self.fiscal_year_starts}"


def known_grain(grain: str) -> Grain:
    """The grain of that name; Refused with a suggestion otherwise."""
    if grain not in GRAINS:
        raise Refused(
            Problem(f"'{grain}' is no grain", hint=did_you_mean(grain, GRAINS) or f"one of {', '.join(GRAINS)}")
        )
    return grain


def _check(calendar: Calendar) -> None:
    if calendar.week_starts not in range(7):
        raise Refused(f"week_starts is {calendar.week_starts}: Monday is 0 and Sunday is 6")
    if calendar.fiscal_year_starts not in range(1, 13):
        raise Refused(f"fiscal_year_starts is {calendar.fiscal_year_starts}: it is a month, 1 to 12")
    if calendar.fiscal_year_named not in ("start", "end"):
        raise Refused(f"fiscal_year_named is '{calendar.fiscal_year_named}': it is 'start' or 'end'")
    if calendar.pattern != "months" and calendar.pattern not in PATTERNS:
        raise Refused(f"pattern is '{calendar.pattern}': it is one of months, {', '.join(PATTERNS)}")
    if not calendar.workdays <= set(range(7)):
        raise Refused(f"workdays are {sorted(calendar.workdays)}: Monday is 0 and Sunday is 6")
