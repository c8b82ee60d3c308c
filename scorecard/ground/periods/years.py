"""How a year is cut into twelve months and four quarters: calendar and fiscal years, and the 4-4-5 family."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Pattern = Literal["months", "4-4-5", "4-5-4", "5-4-4"]
PATTERNS: dict[str, tuple[int, ...]] = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}
"""Weeks of the three months of a quarter; a 53rd week joins the year's last month."""


@dataclass(frozen=True, slots=True)
class Year:
    """``begins``: the calendar year its nominal first day lies in. ``firsts``: the first day of each of its twelve
    months and of the next year."""

    begins: int
    firsts: tuple[date, ...]

    def month_of(self, day: date) -> int:
        """0 to 11; the day must lie in the year."""
        return bisect_right(self.firsts, day) - 1


def week_first(day: date, week_starts: int) -> date:
    """The first day of the week that holds a day; ``week_starts`` is 0 for Monday."""
    return day - timedelta(days=(day.weekday() - week_starts) % 7)


def week_number(first: date) -> tuple[int, int]:
    """(year, number) of the week that begins on ``first``: the year that holds its fourth day. ISO weeks for Monday."""
    fourth = first + timedelta(days=3)
    return fourth.year, (fourth.timetuple().tm_yday - 1) // 7 + 1


def first_week(year: int, week_starts: int) -> date:
    """The first day of a year's week 1, the week that holds its fourth of January."""
    return week_first(date(year, 1, 4), week_starts)


def months_on(first: date, months: int) -> date:
    """The first of a month, so many months after another."""
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def year_first(begins: int, starts: int, pattern: str, week_starts: int) -> date:
    """The first day of the fiscal year whose nominal first is the first of month ``starts`` in year ``begins``.

    A pattern year starts on the week start nearest to it: the start of the week that holds the third day after.
    """
    nominal = date(begins, starts, 1)
    return nominal if pattern == "months" else week_first(nominal + timedelta(days=3), week_starts)


def year_beginning(begins: int, starts: int, pattern: str, week_starts: int) -> Year:
    """The fiscal year that begins (nominally) in calendar year ``begins``."""
    end = year_first(begins + 1, starts, pattern, week_starts)
    if pattern == "months":
        months = [divmod(starts - 1 + n, 12) for n in range(12)]
        return Year(begins, (*(date(begins + more, month + 1, 1) for more, month in months), end))
    firsts = [year_first(begins, starts, pattern, week_starts)]
    for weeks in (PATTERNS[pattern] * 4)[:11]:
        firsts.append(firsts[-1] + timedelta(weeks=weeks))
    return Year(begins, (*firsts, end))


def year_holding(day: date, starts: int, pattern: str, week_starts: int) -> int:
    """The calendar year in which the fiscal year that holds a day (nominally) begins."""
    near = day if pattern == "months" else day + timedelta(days=3)
    begins = near.year if near.month >= starts else near.year - 1
    return begins if year_first(begins, starts, pattern, week_starts) <= day else begins - 1
