"""When a cron line runs: five fields, minute hour day month weekday, in the calendar's local time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from scorecard.ground.errors import Refused
from scorecard.ground.periods.calendar import Calendar

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SEARCHED_DAYS = 366 * 8
"""How far ahead a run is looked for: the 29th of February can be eight years away."""
LONGEST_JUMP = timedelta(hours=3)
"""Clocks are moved by less than this."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line taken apart. ``weekdays`` count from Sunday = 0.

    ``either``: day or weekday is enough, as cron has it where both are restricted. ``hourly``: it names no hour.
    """

    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    hourly: bool

    def runs_on(self, day: date) -> bool:
        """Whether it runs on a local day."""
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        fits = by_date or by_weekday if self.either else by_date and by_weekday
        return fits and day.month in self.months


def read_cron(line: str) -> Cron:
    """A line with lists, ranges, steps and English names taken apart; weekday 0 and 7 are Sunday. Refused otherwise."""
    fields = line.split()
    if len(fields) != 5:
        raise Refused(f"'{line}' has {len(fields)} fields: a cron line has five, minute hour day month weekday")
    minutes, hours = _values(fields[0], 0, 59), _values(fields[1], 0, 23)
    days, months = _values(fields[2], 1, 31), _values(fields[3], 1, 12, _MONTHS, 1)
    weekdays = {day % 7 for day in _values(fields[4], 0, 7, _WEEKDAYS, 0)}
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Cron(times, frozenset(days), frozenset(months), frozenset(weekdays), either, fields[1].startswith("*"))


def cron_runs(line: str, after: datetime, calendar: Calendar) -> Iterator[datetime]:
    """The runs after a moment, in order.

    Where the clocks change, a line for every hour runs in every real hour; another runs once: at the first of a doubled
    time, and an hour later where its time is missing.
    """
    cron, local = read_cron(line), calendar.at(after)
    day = local.date()
    earliest = local.replace(tzinfo=None) - LONGEST_JUMP
    for _ in range(SEARCHED_DAYS):
        if cron.runs_on(day):
            walls = (datetime.combine(day, at) for at in cron.times)
            found = {moment for wall in walls if wall >= earliest for moment in _moments(wall, cron, calendar)}
            yield from sorted(moment for moment in found if moment > after)
        day += timedelta(days=1)


def _moments(wall: datetime, cron: Cron, calendar: Calendar) -> Iterator[datetime]:
    """The moments at which a line runs for a time that the wall clock shows once, twice or not at all."""
    shown = [(hour, wall.replace(tzinfo=hour.start.tzinfo)) for hour in calendar.hours_at(wall.date(), wall.hour)]
    moments = [moment for hour, moment in shown if hour.start <= moment < hour.end]
    if cron.hourly:
        yield from moments
    else:
        yield moments[0] if moments else calendar.at(wall)


def _values(field: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0) -> set[int]:
    def number(text: str) -> int:
        text = text.lower()
        value = names.index(text) + first if text in names else int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    found: set[int] = set()
    try:
        for part in field.split(","):
            span, _, step = part.partition("/")
            begin, _, end = span.partition("-")
            lowest, highest = (
                (low, high) if span == "*" else (number(begin), number(end or (str(high) if step else begin)))
            )
            found.update(range(lowest, highest + 1, int(step or 1)))
    except ValueError:
        found.clear()
    if not found:
        raise Refused(f"'{field}' in a cron line: expected numbers from {low} to {high}, lists, ranges or steps")
    return found
