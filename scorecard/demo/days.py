"""Local days, moments and chance: everything the demo draws depends only on (seed, stream, day)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
HOUR = 3600
DAY = 86_400
WEEKS_OF_HISTORY = 80
T = TypeVar("T")


def local_day(now: datetime) -> date:
    """The day it is at Northwind."""
    return now.astimezone(ZONE).date()


def first_day(now: datetime) -> date:
    """Where the history begins: the Monday 80 weeks before the running week."""
    today = local_day(now)
    return today - timedelta(days=today.weekday(), weeks=WEEKS_OF_HISTORY)


def reference_day(first: date) -> date:
    """The day on which the company has its nominal size, for a history that begins on ``first``.

    It stays the same for two years of first days, then moves on by two years: growth compounds over any 80 weeks, and
    yet the company (and the demo's files) stay of one size, whatever the year of the clock.
    """
    return date(first.year + (1 if first.year % 2 else 0), 9, 1)


@lru_cache(maxsize=2048)
def midnight(day: date) -> int:
    """Seconds since 1970 at which the local day begins."""
    return int(datetime.combine(day, time(), ZONE).timestamp())


_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS = tuple(f"{second:02d}Z" for second in range(60))


@lru_cache(maxsize=2048)
def _utc_date(days: int) -> str:
    return datetime.fromtimestamp(days * DAY, UTC).date().isoformat()


def moment(seconds: int) -> str:
    """Seconds since 1970 as ISO 8601 in UTC (a table look-up: hundreds of thousands are written)."""
    minutes, second = divmod(seconds, 60)
    days, minute = divmod(minutes, 1440)
    return _utc_date(days) + _MINUTES[minute] + _SECONDS[second]


def dice(seed: int, stream: int, day: date) -> random.Random:
    """The chance of one stream of events on one day; the same whenever it is asked."""
    return random.Random((seed << 40) | (stream << 24) | day.toordinal())  # noqa: S311 - demo data, not secrets


def draw_count(rng: random.Random, expected: float) -> int:
    """How many events happen where ``expected`` do on average (Poisson, by its normal approximation)."""
    return max(0, round(rng.gauss(expected, expected**0.5)))


def pick(rng: random.Random, choices: tuple[T, ...]) -> T:
    """One of them; repeat one to make it likelier."""
    return choices[int(rng.random() * len(choices))]


def draw_seconds(rng: random.Random, hours: tuple[int, ...], count: int) -> list[int]:
    """``count`` seconds of a day, sorted, spread over its 24 hours by the weights."""
    return sorted(hour * HOUR + int(rng.random() * HOUR) for hour in rng.choices(range(24), hours, k=count))


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """Public holidays in the whole of Germany. Easter by the Gregorian computus (Meeus, Astronomical Algorithms)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    month, rest = divmod(d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114, 31)
    easter = date(year, month, rest + 1)
    moving = {easter + timedelta(days=shift) for shift in (-2, 1, 39, 50)}
    fixed = {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
    return frozenset(moving | {date(year, month, day) for month, day in fixed})


def is_workday(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays(day.year)
