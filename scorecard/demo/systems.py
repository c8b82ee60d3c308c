"""Engineering's systems: what was released, and how much traffic the shop had."""

from __future__ import annotations

import math
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from scorecard.demo.days import HOUR, draw_count, draw_seconds, is_workday, midnight, pick
from scorecard.demo.world import World, is_incident_day, season

SERVICES = ("shop", "checkout", "warehouse-app", "tracking", "billing")
OFFICE_HOURS = (0, 0, 0, 0, 0, 0, 0, 1, 4, 9, 10, 9, 5, 8, 9, 8, 6, 3, 1, 0, 0, 0, 0, 0)
VISIT_HOURS = (14, 8, 5, 4, 4, 7, 16, 30, 42, 50, 54, 56, 54, 52, 52, 54, 58, 64, 72, 80, 82, 70, 46, 26)
VISIT_WEEKDAYS = (1.05, 1.02, 1.0, 0.98, 0.92, 0.96, 1.07)
SECONDS_UNTIL_FAILURE_IS_KNOWN = 1200


class Deployment(NamedTuple):
    """``recovered`` 0: it did not fail."""

    number: int
    service: str
    committed: int
    finished: int
    recovered: int

    def seen_failing(self, now: int) -> bool:
        return bool(self.recovered) and now >= self.finished + SECONDS_UNTIL_FAILURE_IS_KNOWN

    def updated(self, now: int) -> int:
        """The last moment up to ``now`` at which the row changed."""
        stamps = (
            (self.finished, self.finished + SECONDS_UNTIL_FAILURE_IS_KNOWN, self.recovered)
            if self.recovered
            else (self.finished,)
        )
        return max(stamp for stamp in stamps if stamp <= now)


class TrafficHour(NamedTuple):
    start: int
    visits: int
    requests: int
    errors: int


@lru_cache(maxsize=1024)
def deployments_of(world: World, day: date) -> tuple[Deployment, ...]:
    """All deployments of a local day."""
    rng = world.dice(21, day)
    count = draw_count(rng, 5.8 * world.mood(21, day, 0.05)) if is_workday(day) else int(rng.random() < 0.15)
    risk = 0.45 if is_incident_day(day) else 0.195
    made = []
    for index, second in enumerate(draw_seconds(rng, OFFICE_HOURS, count)):
        finished = midnight(day) + second
        failed = rng.random() < risk
        mending = SECONDS_UNTIL_FAILURE_IS_KNOWN + int(HOUR * rng.lognormvariate(0, 0.7))
        made.append(
            Deployment(
                number=(day.toordinal() - 730_000) * 100 + index,
                service=pick(rng, SERVICES),
                committed=finished - int(HOUR * rng.lognormvariate(math.log(9), 0.9)),
                finished=finished,
                recovered=finished + mending if failed else 0,
            )
        )
    return tuple(made)


@lru_cache(maxsize=1024)
def traffic_of(world: World, day: date) -> tuple[TrafficHour, ...]:
    """The shop's traffic in the hours of a local day (23 or 25 of them where the clocks change)."""
    rng = world.dice(22, day)
    start = midnight(day)
    end = midnight(date.fromordinal(day.toordinal() + 1))
    size = (
        130
        * VISIT_WEEKDAYS[day.weekday()]
        * world.growth(day, 1.18)
        * season(day, 340, 0.06)
        * world.mood(22, day, 0.03)
    )
    rows = []
    for hour in range((end - start) // HOUR):
        visits = draw_count(rng, size * VISIT_HOURS[min(hour, 23)] / 10)
        requests = visits * 6 + rng.randrange(200)
        bad = 0.0004 * rng.lognormvariate(0, 0.6)
        if is_incident_day(day) and 10 <= hour < 14:
            visits, bad = int(visits * 0.6), 0.07
        rows.append(TrafficHour(start + hour * HOUR, visits, requests, round(requests * bad)))
    return tuple(rows)
