"""Working time: all 24 local hours of each workday that is no holiday, in real elapsed seconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

DAY = timedelta(days=1)
SEARCHED_DAYS = 3660
"""How far ahead working time is looked for before the answer is 'never'."""


class WorkingTime:
    """Counts workdays and working seconds. ``midnight`` gives the first moment of a local day in UTC."""

    def __init__(
        self, workdays: frozenset[int], holidays: frozenset[date], midnight: Callable[[date], datetime]
    ) -> None:
        self._workdays = workdays
        self._holidays = holidays
        self._free = sorted(d for d in holidays if d.weekday() in workdays)
        self._midnight = midnight
        self._months: dict[tuple[int, int], float] = {}

    def is_workday(self, day: date) -> bool:
        """Whether people work on that day."""
        return day.weekday() in self._workdays and day not in self._holidays

    def days(self, first: date, until: date) -> int:
        """Workdays from ``first`` up to, not including, ``until``."""
        span = (until - first).days
        if span <= 0:
            return 0
        weeks, rest = divmod(span, 7)
        count = weeks * len(self._workdays) + sum((first.weekday() + n) % 7 in self._workdays for n in range(rest))
        return count - (bisect_left(self._free, until) - bisect_left(self._free, first))

    def seconds(self, start: datetime, end: datetime, first: date, last: date) -> float:
        """Working seconds between two moments; ``first`` and ``last`` are the local days they lie in."""
        if end <= start:
            return 0.0
        total, day = 0.0, first
        while day <= last:
            if day.day == 1 and day > first and (next_month := _next_month(day)) <= last:
                total += self._month(day, next_month)
                day = next_month
                continue
            if self.is_workday(day):
                begins, ends = max(self._midnight(day), start), min(self._midnight(day + DAY), end)
                total += max(0.0, (ends - begins).total_seconds())
            day += DAY
        return total

    def after(self, start: datetime, seconds: float, first: date) -> datetime | None:
        """The last moment (UTC) at which no more than ``seconds`` of working time have passed since ``start``.

        None if that much never passes (there are no workdays).
        """
        left, day, here = seconds, first, start.astimezone(UTC)
        for _ in range(SEARCHED_DAYS + int(seconds // 3600)):
            ends = self._midnight(day + DAY)
            if self.is_workday(day):
                there = max(here, self._midnight(day))
                if (ends - there).total_seconds() > left:
                    return there + timedelta(seconds=left)
                left -= max(0.0, (ends - there).total_seconds())
            here = max(here, ends)
            day += DAY
        return None

    def _month(self, first: date, until: date) -> float:
        key = (first.year, first.month)
        if key not in self._months:
            days = (date.fromordinal(n) for n in range(first.toordinal(), until.toordinal()))
            worked = (self._midnight(d + DAY) - self._midnight(d) for d in days if self.is_workday(d))
            self._months[key] = sum(span.total_seconds() for span in worked)
        return self._months[key]


def _next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)
