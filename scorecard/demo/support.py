"""Support: tickets, what customers say about them, and the shifts that are paid."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from scorecard.demo.days import DAY, HOUR, draw_count, draw_seconds, is_workday, midnight, pick
from scorecard.demo.world import World, after_incident, season

FIRST_LINE = "First line"
NIGHT_SHIFT = "Night shift"
CHANNELS = ("email", "email", "email", "email", "chat", "chat", "phone", "form")
PRIORITIES = ("normal", "normal", "normal", "normal", "normal", "high", "high", "low")
LONGEST_TICKET_DAYS = 24
TICKETS_A_WEEK = 640
TICKETS_GROW = 1.30
HOURS_GROW = 1.12
# Shares of a week's tickets, Monday to Sunday, and of a day's, hour by hour.
WEEKDAYS = (0.205, 0.190, 0.180, 0.170, 0.155, 0.060, 0.040)
HOURS = (1, 1, 1, 1, 1, 2, 4, 9, 16, 19, 19, 17, 14, 15, 17, 16, 14, 11, 8, 6, 4, 3, 2, 1)
SHIFTS = (
    (0, NIGHT_SHIFT, 1.0, 1.0),
    (6, FIRST_LINE, 4.4, 1.6),
    (12, FIRST_LINE, 4.0, 1.6),
    (18, NIGHT_SHIFT, 1.6, 1.0),
)
"""Start hour, team, people on workdays, people on other days; each shift has six hours."""


class Ticket(NamedTuple):
    """Moments are seconds since 1970. ``answered`` 0 and ``score`` 0: the customer did not answer the survey."""

    number: int
    created: int
    channel: str
    priority: str
    team: str
    customer: int
    replied: int
    resolved: int
    answered: int
    score: int


class Shift(NamedTuple):
    """``day`` is local; the row is known from ``started`` on."""

    number: int
    day: date
    team: str
    started: int
    hours: float


@lru_cache(maxsize=256)
def tickets_of(world: World, day: date) -> tuple[Ticket, ...]:
    """All tickets created on a local day, whole lives included."""
    rng = world.dice(1, day)
    start = midnight(day)
    week = day.toordinal() / 7
    rough = 1.6 if after_incident(day) else 1.0
    volume = TICKETS_A_WEEK * WEEKDAYS[day.weekday()] * world.growth(day, TICKETS_GROW) * season(day, 350, 0.05)
    volume *= world.mood(1, day, 0.025) * rough * (1.0 if day.weekday() > 4 or is_workday(day) else 0.45)
    # Growing with fewer hands: tools get better, so a ticket takes less time as volume grows.
    pace = world.growth(day, 1 / TICKETS_GROW)
    wait = rough * (1 + 0.05 * math.sin(week / 9 * math.tau)) * world.mood(2, day, 0.03)
    made = []
    for index, second in enumerate(draw_seconds(rng, HOURS, draw_count(rng, volume))):
        created = start + second
        night = second < 6 * HOUR or second >= 18 * HOUR
        replied = created + 20 + int(60 * rng.lognormvariate(math.log(26.0 if night else 10.2), 0.92) * wait)
        resolved = _resolved(rng, replied, start, pace * rough)
        happy = (0.76 if night else 0.833) - (0.12 if rough > 1 else 0.0)
        answers = rng.random() < (0.09 if night else 0.46)
        score = pick(rng, (4, 5, 5)) if rng.random() < happy else pick(rng, (1, 2, 3, 3))
        made.append(
            Ticket(
                number=(day.toordinal() - 730_000) * 1000 + index,
                created=created,
                channel=pick(rng, CHANNELS),
                priority=pick(rng, PRIORITIES),
                team=NIGHT_SHIFT if night else FIRST_LINE,
                customer=1000 + int(rng.random() ** 1.6 * 2400),
                replied=replied,
                resolved=resolved,
                answered=resolved + 60 + int(rng.expovariate(1 / (5 * HOUR))) if answers else 0,
                score=score if answers else 0,
            )
        )
    return tuple(made)


def _resolved(rng: random.Random, replied: int, start: int, pace: float) -> int:
    """When it is done: most within hours, some after days; people close tickets in working hours."""
    spread = rng.lognormvariate(math.log(3.5 * HOUR if rng.random() < 0.72 else 2.6 * DAY), 0.8)
    done = replied - start + int(min(spread * pace, 18 * DAY))
    days, second = divmod(done, DAY)
    if second >= 20 * HOUR or second < 7 * HOUR:
        days += second >= 20 * HOUR
        second = int((7.5 + 3.5 * rng.random()) * HOUR)
    weekday = (start // DAY + 4 + days) % 7  # day 0 was a Thursday; local midnight is the evening before in UTC
    if weekday > 4 and rng.random() < 0.75:
        days += 7 - weekday
        second = int((7.5 + 5 * rng.random()) * HOUR)
    return max(replied + 60, start + days * DAY + second)


@lru_cache(maxsize=256)
def shifts_of(world: World, day: date) -> tuple[Shift, ...]:
    """The paid shifts of a local day."""
    rng = world.dice(2, day)
    size = world.growth(day, HOURS_GROW)
    return tuple(
        Shift(
            number=(day.toordinal() - 730_000) * 10 + index,
            day=day,
            team=team,
            started=midnight(day) + hour * HOUR,
            hours=round(6 * (people if is_workday(day) else fewer) * size * rng.uniform(0.93, 1.07), 2),
        )
        for index, (hour, team, people, fewer) in enumerate(SHIFTS)
    )


def days_with_tickets(since: date, until: date) -> list[date]:
    """The days whose tickets may change between two days: those, and all on which a ticket may still be open."""
    first = since - timedelta(days=LONGEST_TICKET_DAYS)
    return [first + timedelta(days=n) for n in range((until - first).days + 1)]
