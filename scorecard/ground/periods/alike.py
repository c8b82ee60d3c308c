"""Which earlier periods come along as a running one does, and where they are cut as it is: what pace learns from.

Hours compare with the same hour of the clock on earlier days of their kind (workdays, or days off); days with the same
weekday of their kind; weeks with weeks in which the same weekdays are workdays; months, quarters and years with all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import islice

from scorecard.ground.errors import Refused
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.ground.periods.span import Period
from scorecard.ground.periods.zone import DAY

SEARCHED: Mapping[Grain, int] = {"hour": 56, "day": 52, "week": 52, "month": 26, "quarter": 26, "year": 26}
"""How far back is looked: days for hours, weeks for days, else periods. What is older says little of today's pace."""


def alike(calendar: Calendar, period: Period) -> Iterator[Period]:
    """Earlier periods that compare with this one, newest first."""
    searched = SEARCHED[period.grain]
    try:
        if period.grain == "hour":
            yield from _hours(calendar, period, searched)
        elif period.grain == "day":
            yield from _of_kind(calendar, period, (calendar.back(period, 7 * n) for n in range(1, searched + 1)))
        elif period.grain == "week":
            yield from _of_kind(calendar, period, (calendar.back(period, n) for n in range(1, searched + 1)))
        else:
            yield from (calendar.back(period, n) for n in range(1, searched + 1))
    except Refused:  # beyond the calendar's years
        return


def _hours(calendar: Calendar, period: Period, searched: int) -> Iterator[Period]:
    length, works = period.end - period.start, calendar.is_workday(period.first)
    for back in range(1, searched + 1):
        day = period.first - DAY * back
        same = [h for h in calendar.hours_at(day, period.start.hour) if h.end - h.start == length]
        if same and calendar.is_workday(day) == works:
            yield same[-1]


def _of_kind(calendar: Calendar, period: Period, others: Iterator[Period]) -> Iterator[Period]:
    mine = _worked(calendar, period)
    return (other for other in others if _worked(calendar, other) == mine)


def _worked(calendar: Calendar, period: Period) -> list[bool]:
    return [calendar.is_workday(period.first + DAY * n) for n in range((period.until - period.first).days)]


def cut_alike(calendar: Calendar, period: Period, other: Period, moment: datetime) -> datetime:
    """The moment that cuts ``other`` where the work of ``period`` stands at ``moment``; never outside ``other``.

    Up to weeks that is ``Calendar.cut``: the same weekday and time of day. Longer periods have different numbers of
    workdays: the same workday of the month, counted from both ends. The first one is cut as the first, the last as the
    last, and where the numbers differ the difference is spread evenly between. A day off is cut as the same day off after
    that workday; where there are fewer of them, at their end.
    """
    mine = calendar.workdays_in(period.first, period.until)
    theirs = calendar.workdays_in(other.first, other.until)
    if period.grain in ("hour", "day", "week") or not mine or not theirs or not period.start < moment < period.end:
        return calendar.cut(period, other, moment)
    local = calendar.at(moment)
    today = local.date()
    done = calendar.workdays_in(period.first, today)
    if calendar.is_workday(today):
        there = _workday(calendar, other, _spread(done, mine, theirs))
    else:
        last = _workday(calendar, period, done - 1) if done else period.first - DAY
        gap = _workday(calendar, other, _spread(done - 1, mine, theirs)) if done else other.first - DAY
        there, free = gap + DAY, (today - last).days - 1
        while free and there < other.until and not calendar.is_workday(there):
            there, free = there + DAY, free - 1
        if there >= other.until:
            return other.end
        if calendar.is_workday(there):
            return calendar.midnight(there)
    found = calendar.at(datetime.combine(there, local.time()))
    return min(max(found, other.start), other.end)


def _spread(index: int, mine: int, theirs: int) -> int:
    """The index among ``theirs`` of an index among ``mine`` (both from 0): first to first, last to last, rounded between."""
    return 0 if mine == 1 else (2 * index * (theirs - 1) + mine - 1) // (2 * (mine - 1))


def _workday(calendar: Calendar, period: Period, index: int) -> date:
    """The workday of a period with that index (from 0)."""
    days = (period.first + DAY * n for n in range((period.until - period.first).days))
    return next(islice((day for day in days if calendar.is_workday(day)), index, None), period.until)
