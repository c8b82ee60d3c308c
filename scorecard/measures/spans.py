"""The dense periods of a series, and which of them a period is compared with; each worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from scorecard.book.model.metric import Cumulative
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.targets import Versus
from scorecard.measures.compare import compared, versus_name
from scorecard.measures.place import Key, key_of

MOST_DAYS: Mapping[str, int] = {"hour": 800, "day": 20 * 366, "week": 60 * 366}
"""How many of the newest days a series reaches back: one mistyped year must not make a million empty hours."""


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive periods, oldest first; the last one holds now. ``index``: key → place."""

    periods: tuple[Period, ...]
    keys: tuple[Key, ...]
    index: Mapping[Key, int]

    def __len__(self) -> int:
        return len(self.periods)


EMPTY = Span((), (), {})


@dataclass(slots=True)
class Spans:
    """Remembers spans and comparisons of one calendar."""

    calendar: Calendar
    _spans: dict[tuple[Grain, Key], Span] = field(default_factory=dict)
    _asked: dict[tuple[Grain, date], Span] = field(default_factory=dict)
    _others: dict[tuple[Key, Grain, str], tuple[Period, ...] | None] = field(default_factory=dict)

    def span(self, grain: Grain, first: date | None, now: datetime) -> Span:
        """All periods from a day to now."""
        if first is None:
            return EMPTY
        known = self._asked.get((grain, first))
        if known is not None and known.periods and known.periods[-1].start <= now < known.periods[-1].end:
            return known
        asked, last = (grain, first), self.calendar.period(now, grain)
        if grain in MOST_DAYS:
            first = max(first, last.first - timedelta(days=MOST_DAYS[grain]))
        beginning = self.calendar.period(first, grain)
        known = self._spans.get((grain, key_of(beginning)))
        if known is not None and known.periods and known.periods[-1] == last:
            self._asked[asked] = known
            return known
        periods = [p for p in self.calendar.between(grain, first, max(first, last.first)) if p.start <= now]
        keys = tuple(key_of(p) for p in periods)
        made = Span(tuple(periods), keys, {key: i for i, key in enumerate(keys)})
        self._spans[grain, key_of(beginning)] = self._asked[asked] = made
        return made

    def others(self, period: Period, versus: Versus) -> tuple[Period, ...] | None:
        """The periods it is compared with; None: it has no partner."""
        key = (key_of(period), period.grain, versus_name(versus))
        found = self._others.get(key, ())
        if found == ():
            if len(self._others) > 500_000:
                self._others.clear()  # another thread may be asking: it works out again what it misses
            found = self._others[key] = compared(self.calendar, period, versus)
        return found


def days_up_to(calendar: Calendar, word: str, period: Period, moment: datetime) -> float:
    """Elapsed days with the part of the cut day that has passed, whatever the length of that day."""
    begin, day = period.first, calendar.day_of(moment)
    if period.grain == "hour":
        length = (calendar.midnight(period.until) - calendar.midnight(period.first)).total_seconds()
        part = (moment - period.start).total_seconds() / length
        return part if word == "days" or calendar.is_workday(period.first) else 0.0
    start, end = calendar.midnight(day), calendar.midnight(day + timedelta(days=1))
    part = (moment - start).total_seconds() / (end - start).total_seconds()
    if word == "days":
        return (day - begin).days + part
    return calendar.workdays_in(begin, day) + (part if calendar.is_workday(day) else 0.0)


def last_day(calendar: Calendar, period: Period, moment: datetime) -> date:
    """The last local day of a period of which anything lies before a moment; its first day where nothing does."""
    last = period.until - timedelta(days=1)
    return min(max(calendar.day_of(moment - timedelta(microseconds=1)), period.first), last)


def window_first(calendar: Calendar, measure: Cumulative, last: date) -> date:
    """The first day of the window that ends with a day: of its (fiscal) month, quarter or year, or so many weeks before."""
    if measure.over is None:
        return last - timedelta(weeks=measure.weeks or 1) + timedelta(days=1)
    return calendar.period(last, measure.over).first


def reach(calendar: Calendar, measure: Cumulative, day: date) -> date:
    """The day before which every window ends that holds a day."""
    if measure.over is None:
        return day + timedelta(weeks=measure.weeks or 1)
    return calendar.period(day, measure.over).until
