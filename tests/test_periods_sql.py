"""The engine's buckets are the calendar's periods, and what a running period is compared with is what the calendar says: random
instants in zones where clocks change by an hour, by half an hour, at midnight and by a whole day, counted by both."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scorecard.book.model.metric import Change
from scorecard.book.model.organization import Organization
from scorecard.ground.periods import GRAINS, Grain
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.targets import Versus
from tests.amounts import TIMES
from tests.measuring import ANA, World, cell, count, metric, moment, of, total

Place = tuple[str, int, int, str, str]
PLACES: tuple[tuple[Place, str], ...] = (
    (("Europe/Berlin", 0, 1, "end", "months"), "2026-04-12 10:00"),
    (("Australia/Lord_Howe", 5, 7, "end", "4-4-5"), "2025-10-20 01:00"),  # half an hour
    (("America/Sao_Paulo", 6, 4, "start", "months"), "2019-03-03 18:00"),  # at midnight
    (("Africa/Cairo", 6, 1, "end", "4-5-4"), "2024-11-02 21:30"),  # at midnight, back again on a Thursday
    (("America/St_Johns", 3, 10, "end", "5-4-4"), "2013-12-30 03:30"),  # half an hour off UTC
    (("Pacific/Apia", 1, 2, "start", "months"), "2012-02-20 12:00"),  # December 30, 2011 was left out
    (("Asia/Kathmandu", 6, 8, "end", "months"), "2026-07-01 00:20"),
    (("Asia/Beirut", 2, 12, "end", "4-4-5"), "2021-04-05 22:00"),
)


def opened(folder: Path, place: Place, now: datetime) -> World:
    zone, week_starts, fiscal, named, pattern = place
    organization = Organization("Test", ANA, zone, week_starts, fiscal, named, pattern)  # type: ignore[arg-type]
    made = World(folder, organization)
    made.source("tickets", {"id": "integer", "created_at": "timestamp", "minutes": "integer"})
    made.now = now
    return made


def changes(zone: str, until: datetime, days: int) -> list[datetime]:
    """The moments (UTC, to the minute) in some days before a moment at which the zone's clocks change."""
    info, found = ZoneInfo(zone), []
    hour = until.replace(minute=0, second=0) - timedelta(days=days)
    while hour < until:
        later = hour + timedelta(hours=1)
        if hour.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
            minutes = (hour + timedelta(minutes=n) for n in range(1, 61))
            found.append(
                next(m for m in minutes if m.astimezone(info).utcoffset() == later.astimezone(info).utcoffset())
            )
        hour = later
    return found


def instants(zone: str, until: datetime, days: int, number: int, seed: int) -> list[datetime]:
    """Random moments up to one, a third of them near changes of the clocks or near local midnights."""
    rng, info = random.Random(seed), ZoneInfo(zone)
    near = changes(zone, until, days)
    found = []
    for _ in range(number):
        at = until - timedelta(microseconds=rng.randrange(1, days * 86_400 * 10**6))
        kind = rng.randrange(6)
        if kind == 0 and near:
            at = rng.choice(near) + timedelta(
                seconds=rng.choice([-1, 0, 1, 1799, 1800, 3599, 3600, rng.randrange(-9000, 9000)])
            )
        elif kind == 1:
            local = at.astimezone(info)
            at -= timedelta(
                hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
            at += timedelta(microseconds=rng.choice([-1, 0, 1]))
        found.append(min(at, until))
    return found


def rows(found: list[datetime], first: int = 0) -> list[dict[str, object]]:
    return [{"id": first + n, "created_at": at.isoformat(), "minutes": 1 + n % 7} for n, at in enumerate(found)]


@pytest.mark.parametrize(("place", "until"), PLACES, ids=[p[0][0] for p in PLACES])
def test_buckets_are_periods(place: Place, until: str, tmp_path: Path) -> None:
    now = moment(until)
    world = opened(tmp_path, place, now).open(metric("n", count(), grain="hour"))
    found = instants(place[0], now, 500, 500, seed=len(until) + place[1])
    assert place[0] == "Asia/Kathmandu" or changes(place[0], now, 500)
    world.load("tickets", rows(found))
    measured = world.measure(now)
    for grain in GRAINS:
        expected = Counter(world.calendar.period(at, grain).label for at in found)
        series = of(measured, "n", grain)
        counted = {p.label: c.value for p, c in zip(series.periods, series.cells, strict=True) if c.value}
        assert counted == dict(expected), grain
        assert [p.start for p in series.periods[1:]] == [p.end for p in series.periods[:-1]]
    world.close()


# -- what a running period is compared with ---------------------------------------------------------------------------

VERSUS = (Versus("previous"), Versus("year_ago"), Versus("364d"), Versus("back", 3), Versus("mean_of", 4))


def wall_moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """A doubled local time is the second, a missing one moves on by what is missing."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return (
        first
        if first.astimezone(zone).replace(tzinfo=None) != wall
        else wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    )


def others(calendar: Calendar, running: Period, versus: Versus) -> list[Period]:
    if versus.kind == "mean_of":
        return [calendar.back(running, n) for n in range(1, versus.count + 1)]
    if versus.kind == "back":
        return [calendar.back(running, versus.count)]
    found = calendar.compare(running, versus.kind)
    return [] if found is None else [found]


def counted_to_cut(found: list[datetime], calendar: Calendar, running: Period, other: Period, mark: datetime) -> int:
    """Rows of ``other`` up to where ``mark`` (which counts itself) lies in the running period."""
    if running.grain == "hour":
        cut = other.start + (mark - running.start)
    else:
        zone = ZoneInfo(calendar.timezone)
        local = mark.astimezone(zone).replace(tzinfo=None)
        day, until = other.first + (local.date() - running.first), other.until
        if calendar.pattern == "months" and running.grain in ("quarter", "year"):
            months = (local.year - running.first.year) * 12 + local.month - running.first.month
            begins = [d for d in (other.first + timedelta(days=n) for n in range(400)) if d.day == 1]
            day, until = begins[months] + timedelta(days=local.day - 1), begins[months + 1]
        cut = wall_moment(datetime.combine(min(day, until), time() if day >= until else local.time()), zone)
    return sum(other.start <= at < min(max(cut, other.start), other.end) for at in found)


RUNNING = PLACES[:6] if TIMES > 1 else PLACES[1:6:2]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "until"), RUNNING, ids=[p[0][0] for p in RUNNING])
def test_a_running_period_is_compared_at_its_cut(place: Place, until: str, tmp_path: Path) -> None:
    now, rng = moment(until) - timedelta(days=20), random.Random(place[2])
    world = opened(tmp_path, place, now)
    named = [metric(f"against_{n}", Change("n", v, "points"), grain="hour") for n, v in enumerate(VERSUS)]
    world.open(metric("n", count(), grain="hour"), metric("minutes", total("minutes"), grain="day"), *named)
    found = instants(place[0], now, 420, 800, seed=place[2])
    world.load("tickets", rows(found))
    measured = world.measure(now)
    for step in range(2):
        now += timedelta(minutes=rng.randrange(10, 60 * 24 * 8))
        new = instants(place[0], now, 9, 25, seed=step)
        found += [at for at in new if at <= now]
        touched = world.load("tickets", rows(new, 10_000 * (step + 1)), at=now)
        measured = world.measure(now, {"tickets": touched})
        mark = max(found) + timedelta(microseconds=1)
        for grain in GRAINS:
            running = world.calendar.running(now, grain)
            value = sum(running.start <= at for at in found)
            for number, versus in enumerate(VERSUS):
                compared = others(world.calendar, running, versus)
                usual = [
                    counted_to_cut(found, world.calendar, running, other, min(mark, running.end)) for other in compared
                ]
                short = any(o.until <= world.calendar.day_of(min(found)) for o in compared)
                line = cell(measured, f"against_{number}", running.label, grain)
                if mark <= running.start or short or not compared:
                    continue
                assert line.value == value - sum(usual) / len(usual), (grain, versus, running.label)
            first = world.calendar.compare(running, "previous")
            assert first is not None
            shown = of(measured, "n", grain).cuts["previous"].value
            assert (
                shown == counted_to_cut(found, world.calendar, running, first, min(mark, running.end))
                or mark <= running.start
            )
    world.close()


# -- labels around changes of the clocks ------------------------------------------------------------------------------


def hours_near_changes() -> Iterator[tuple[Calendar, Period]]:
    for place, until in PLACES:
        calendar = Calendar(*place)  # type: ignore[arg-type]
        for change in changes(place[0], moment(until), 800):
            for minutes in range(-150, 151, 30):
                yield calendar, calendar.period(change + timedelta(minutes=minutes), "hour")


def test_hours_near_a_change_of_the_clocks_have_labels_of_their_own() -> None:
    doubled, seen = 0, 0
    for calendar, hour in hours_near_changes():
        seen += 1
        doubled += len(hour.label) > len("2026-10-25T02")
        assert calendar.parse(hour.label) == hour
        assert calendar.parse(hour.label.replace("+", " ")) == hour, "as an address that was not escaped has it"
        earlier, later = calendar.back(hour, 1), calendar.shift(hour, 1)
        assert earlier.end == hour.start
        assert later.start == hour.end
        assert len({earlier.label, hour.label, later.label}) == 3
        local = hour.start.astimezone(ZoneInfo(calendar.timezone))
        assert hour.label.startswith(f"{local:%Y-%m-%dT%H}")
    assert seen > 200
    assert doubled > 20


GRAIN_OF: dict[Grain, str] = {"hour": "T", "week": "W", "quarter": "Q"}


def test_every_period_around_a_change_prints_and_parses() -> None:
    for calendar, hour in hours_near_changes():
        for grain in GRAINS:
            period = calendar.period(hour.start, grain)
            assert calendar.parse(period.label) == period
            assert GRAIN_OF.get(grain, "") in period.label
