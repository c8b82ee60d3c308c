"""Orders, their deliveries and invoices, the vans that carry them, and the money in the bank."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from scorecard.demo.days import DAY, HOUR, draw_count, draw_seconds, is_workday, midnight, pick
from scorecard.demo.world import World, in_bad_fortnight, is_incident_day, season

ORDERS_A_WEEK = 285
ORDERS_GROW = 1.12
LONGEST_PAYMENT_DAYS = 75
LONGEST_ORDER_DAYS = LONGEST_PAYMENT_DAYS + 8
WEEKDAYS = (0.165, 0.160, 0.155, 0.150, 0.135, 0.105, 0.130)
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 13, 14, 14, 13, 12, 12, 12, 13, 14, 16, 18, 18, 14, 9, 4)
COUNTRIES = ("DE", "DE", "DE", "DE", "DE", "DE", "FR", "AT", "NL", "PL")
VAN_CAPACITY = 120


class Order(NamedTuple):
    """Moments are seconds since 1970; the invoice is sent with the parcel. ``amount`` is in EUR."""

    number: int
    customer: int
    country: str
    amount: float
    ordered: int
    promised: int
    shipped: int
    delivered: int
    paid: int


class Tour(NamedTuple):
    number: int
    driver: int
    started: int
    parcels: int
    capacity: int


class Booking(NamedTuple):
    """Money that arrived, in EUR, as the bank's export has it: a day and no time of day."""

    number: int
    day: date
    amount: float


@lru_cache(maxsize=256)
def orders_of(world: World, day: date) -> tuple[Order, ...]:
    """All orders of a local day, with everything that will happen to them."""
    rng = world.dice(11, day)
    start = midnight(day)
    volume = ORDERS_A_WEEK * WEEKDAYS[day.weekday()] * world.growth(day, ORDERS_GROW) * season(day, 340, 0.06)
    volume *= world.mood(11, day, 0.03) * (0.7 if is_incident_day(day) else 1.0)
    customers = int(1150 * world.growth(day, ORDERS_GROW))
    price = 168 * world.growth(day, 1.02)
    made = []
    for index, second in enumerate(draw_seconds(rng, HOURS, draw_count(rng, volume))):
        ordered = start + second
        promised = start + 5 * DAY - 1
        shipped = ordered + int((5 + 22 * rng.random()) * HOUR)
        late = rng.random() < (0.20 if in_bad_fortnight(day) else 0.032)
        made.append(
            Order(
                number=(day.toordinal() - 730_000) * 1000 + index,
                customer=50_000 + int(rng.random() ** 1.25 * customers),
                country=pick(rng, COUNTRIES),
                amount=round(price * rng.lognormvariate(-0.16, 0.56), 2),
                ordered=ordered,
                promised=promised,
                shipped=shipped,
                delivered=_delivered(rng, shipped, promised, start, late),
                paid=shipped + int(DAY * min(LONGEST_PAYMENT_DAYS, 0.5 + rng.lognormvariate(math.log(14), 0.6))),
            )
        )
    return tuple(made)


def _delivered(rng: random.Random, shipped: int, promised: int, start: int, late: bool) -> int:
    """By day, in time or not."""
    if late:
        days = 5 + int(rng.expovariate(0.9))
        return start + min(days, 8) * DAY + int((8 + 10 * rng.random()) * HOUR)
    days = (shipped - start) // DAY + pick(rng, (1, 1, 2))
    return min(promised, start + days * DAY + int((8 + 11 * rng.random()) * HOUR))


@lru_cache(maxsize=256)
def tours_of(world: World, day: date) -> tuple[Tour, ...]:
    """The vans that leave on a local day: in the bad fortnight fewer, and overfull."""
    rng = world.dice(12, day)
    if not is_workday(day):
        return ()
    load = 0.97 if in_bad_fortnight(day) else 0.705
    return tuple(
        Tour(
            number=(day.toordinal() - 730_000) * 100 + index,
            driver=700 + rng.randrange(14),
            started=midnight(day) + int((6 + 3.5 * index / 12 + 0.25 * rng.random()) * HOUR),
            parcels=max(20, min(VAN_CAPACITY + 10, round(VAN_CAPACITY * rng.gauss(load, 0.09)))),
            capacity=VAN_CAPACITY,
        )
        for index in range(9 if in_bad_fortnight(day) else 12)
    )


def bookings_of(world: World, day: date) -> tuple[Booking, ...]:
    """What the payment providers paid out on a local day."""
    rng = world.dice(13, day)
    if not is_workday(day):
        return ()
    size = 46_000 / 5 / 4 * world.growth(day, ORDERS_GROW)
    return tuple(
        Booking((day.toordinal() - 730_000) * 10 + index, day, round(size * rng.lognormvariate(0, 0.25), 2))
        for index in range(4)
    )


def bank_exported_until(today: date) -> date:
    """The bank's weekly export is overdue: the last booking day is the Friday before last week's."""
    return today - timedelta(days=today.weekday() + 10)


def days_with_orders(since: date, until: date) -> list[date]:
    """The days whose orders may change between two days: those, and all on which an invoice may still be open."""
    first = since - timedelta(days=LONGEST_ORDER_DAYS)
    return [first + timedelta(days=n) for n in range((until - first).days + 1)]
