"""What happens at Northwind: the size of the company, its seasons, its good and its bad weeks."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from scorecard.demo.days import dice, first_day, reference_day

# The bad fortnight in logistics and the incident in engineering come back on fixed rhythms, so that every 80 weeks have
# some; both are anchored to a Monday.
ANCHOR = date(2026, 8, 24)
BAD_FORTNIGHT_EVERY_WEEKS = 19
INCIDENT_EVERY_WEEKS = 13


@dataclass(frozen=True, slots=True)
class World:
    """All chance flows from ``seed``; on ``reference`` the company has its nominal size."""

    seed: int
    reference: date

    def dice(self, stream: int, day: date) -> random.Random:
        return dice(self.seed, stream, day)

    def growth(self, day: date, yearly: float) -> float:
        """The size on a day, 1 on the reference day; ``yearly`` 1.3 grows 30 % a year."""
        growth: float = yearly ** ((day - self.reference).days / 365.25)
        return growth

    def mood(self, stream: int, day: date, spread: float) -> float:
        """A factor near 1 that a whole week shares: weeks differ by more than the chance of single events."""
        monday = day - timedelta(days=day.weekday())
        return max(0.5, 1 + spread * self.dice(100 + stream, monday).gauss(0, 1))


def world_at(now: datetime, seed: int) -> World:
    """The world as it must be for a clock that says ``now``."""
    return World(seed, reference_day(first_day(now)))


def season(day: date, peak: int, height: float) -> float:
    """A yearly wave: 1 + ``height`` on the ``peak``-th day of the year, 1 − ``height`` half a year away."""
    return 1 + height * math.cos((day.timetuple().tm_yday - peak) / 365.25 * math.tau)


def in_bad_fortnight(day: date) -> bool:
    """Two carriers short: deliveries come late and the vans are overfull."""
    return (day - ANCHOR).days // 7 % BAD_FORTNIGHT_EVERY_WEEKS < 2


def is_incident_day(day: date) -> bool:
    """A release takes the shop down for some hours (a Wednesday, the third week after the anchor)."""
    weeks, weekday = divmod((day - ANCHOR).days, 7)
    return weekday == 2 and weeks % INCIDENT_EVERY_WEEKS == 3


def after_incident(day: date) -> bool:
    """The incident's day and the next, when customers write in."""
    return is_incident_day(day) or is_incident_day(day - timedelta(days=1))
