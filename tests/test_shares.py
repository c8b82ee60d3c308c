"""The shares of earlier periods at the running one's cut, from real rows, against counting them one by one."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import Organization
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.targets import Target
from scorecard.warehouse.engine import Touched
from tests.measuring import ANA, BY_TEAM, TEAMS, World, count, formula, metric, moment, total

NEW_YORK = ZoneInfo("America/New_York")
HOLIDAYS = frozenset({date(2026, 1, 1), date(2026, 1, 19), date(2026, 5, 25), date(2026, 7, 3)})
DAY = timedelta(days=1)
Row = dict[str, Any]


def aimed(name: str, measure: Any, **more: Any) -> Metric:
    """A metric with a target at all grains, for the whole and for two teams."""
    made = metric(name, measure, **more)
    grains = ("hour", "day", "week", "month", "quarter", "year")
    teams = (None, "support", "operations") if more.get("split") else (None,)
    return replace(made, targets=tuple(Target(100.0, grain=g, team=t) for g in grains for t in teams))


METRICS = (
    aimed("created", count(), split=BY_TEAM, grain="hour"),
    aimed("minutes", total("minutes"), where="team is not null", split=BY_TEAM),
    aimed("resolved", count("resolved_at"), time="resolved_at", grain="day"),
    aimed("net", formula("created - resolved / 2")),
    aimed("both", formula("2 * (created + sent)")),
    replace(aimed("sent", count(), source="parcels"), final_after_seconds=3 * 86_400),
)


def rows(seed: int, count_: int, until: datetime, days: int = 320) -> list[Row]:
    """Tickets of some days up to a moment: more of them on workdays, in the morning and at a month's end."""
    rng = random.Random(seed)
    found: list[Row] = []
    while len(found) < count_:
        created = until - timedelta(seconds=rng.randrange(days * 86_400))
        local = created.astimezone(NEW_YORK)
        likely = (0.1 if local.weekday() > 4 else 1.0) * (1.0 if 8 <= local.hour < 14 else 0.3)
        if rng.random() > likely * (1.0 if local.day > 24 else 0.6):
            continue
        resolved = created + timedelta(hours=rng.randrange(90))
        team = rng.choice(["support", "Support DE", "night-shift", "sales", None])
        minutes = rng.choice([0.1, 2.5, 30.0, -1.5])
        found.append({"id": len(found), "created_at": created, "resolved_at": resolved if resolved < until else None})
        found[-1] |= {"team": team, "minutes": minutes}
    return found


def written(found: list[Row]) -> list[Row]:
    return [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()} for row in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, Organization("Test", ANA, "America/New_York", fiscal_year_starts=4, holidays=HOLIDAYS))
    columns = {
        "id": "integer",
        "created_at": "timestamp",
        "resolved_at": "timestamp",
        "team": "text",
        "minutes": "double",
    }
    made.source("tickets", columns)
    made.source("parcels", columns)
    made.open(*METRICS)
    yield made
    made.close()


# -- the slow way ----------------------------------------------------------------------------------------------------

TEAM_OF = {"support": "support", "Support DE": "support", "night-shift": "night-shift", "sales": "sales"}


def inside(row: Row, team: str | None) -> bool:
    own = TEAM_OF.get(row["team"])
    return team is None or own == team or (own is not None and TEAMS[own].parent == team)


class Slow:
    """Values by adding up rows: of each count or sum the rows in order of time, and between two moments their sum."""

    def __init__(self, data: dict[str, list[Row]]) -> None:
        self.data = data
        self._events: dict[tuple[str, str | None], list[tuple[datetime, float]]] = {}

    def events(self, name: str, team: str | None) -> list[tuple[datetime, float]]:
        if (name, team) not in self._events:
            found = self.data["parcels" if name == "sent" else "tickets"]
            time = "resolved_at" if name == "resolved" else "created_at"
            worth = [(r["minutes"] if r["team"] else 0.0) if name == "minutes" else 1.0 for r in found]
            pairs = [(r[time], w) for r, w in zip(found, worth, strict=True) if r[time] is not None and inside(r, team)]
            self._events[name, team] = sorted(pairs)
        return self._events[name, team]

    def between(self, name: str, team: str | None, begin: datetime, ends: dict[str, datetime]) -> float:
        """Up to each source's own end, exclusive."""
        if name == "net":
            return self.between("created", team, begin, ends) - self.between("resolved", team, begin, ends) / 2
        if name == "both":
            return 2 * (self.between("created", team, begin, ends) + self.between("sent", team, begin, ends))
        events = self.events(name, team)
        end = ends["parcels" if name == "sent" else "tickets"]
        low, high = (bisect_left(events, moment_, key=lambda e: e[0]) for moment_ in (begin, end))
        return sum(worth for _, worth in events[low:high])

    def first(self, name: str, team: str | None) -> date:
        parts = {"net": ("created", "resolved"), "both": ("created", "sent")}.get(name, (name,))
        return max(self.events(part, team)[0][0].astimezone(NEW_YORK).date() for part in parts)


def works(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def days_of(period: Period) -> list[date]:
    return [period.first + DAY * n for n in range((period.until - period.first).days)]


def slow_alike(one: Period, other: Period) -> bool:
    if one.grain == "hour":
        same = one.start.hour == other.start.hour and works(one.first) == works(other.first)
        return same and one.first - other.first <= 56 * DAY
    if one.grain in ("day", "week"):
        same = one.first.weekday() == other.first.weekday() and [works(d) for d in days_of(one)] == [
            works(d) for d in days_of(other)
        ]
        return same and one.first - other.first <= 364 * DAY
    return True


def slow_cut(running: Period, other: Period, mark: datetime) -> datetime:
    """The moment in ``other`` that is ``mark`` in the running period; on a workday only, and without changes of the clocks."""
    local = mark.astimezone(NEW_YORK)
    if running.grain == "hour":
        return other.start + (mark - running.start)
    if running.grain in ("day", "week"):
        day = other.first + (local.date() - running.first)
    else:
        mine, theirs = [[d for d in days_of(p) if works(d)] for p in (running, other)]
        place = mine.index(local.date()) * (len(theirs) - 1) / (len(mine) - 1)
        day = theirs[int(place + 0.5)]
    return datetime.combine(day, local.time(), NEW_YORK)


def slow_shares(
    world: World, slow: Slow, name: str, grain: str, team: str | None, now: datetime, loaded: datetime
) -> tuple[float, ...]:
    marks = {s: max(r["created_at"] for r in rows_) + timedelta(microseconds=1) for s, rows_ in slow.data.items()}
    first = slow.first(name, team)
    final = loaded - (timedelta(days=3) if name in ("sent", "both") else timedelta(0))
    running = world.calendar.running(now, grain)
    found: list[float] = []
    other = running
    while len(found) < 13:
        other = world.calendar.back(other, 1)
        if other.first < first or running.first - other.first > 370 * DAY:
            break
        if not slow_alike(running, other) or other.end > final:
            continue
        whole = slow.between(name, team, other.start, dict.fromkeys(marks, other.end))
        ends = {s: min(slow_cut(running, other, mark), other.end) for s, mark in marks.items()}
        so_far = slow.between(name, team, other.start, ends)
        if whole > 0 and so_far > 0:
            found.append(so_far / whole)
    return tuple(found)


def load(world: World, data: dict[str, list[Row]], at: datetime) -> dict[str, Touched]:
    return {name: world.load(name, written(found), at=at) for name, found in data.items()}


NOW = moment("2026-06-24 15:30")  # a Wednesday


def test_shares_are_those_of_counting_rows(world: World) -> None:
    data = {"tickets": rows(1, 4000, NOW - timedelta(minutes=4)), "parcels": rows(2, 2000, NOW - timedelta(hours=3))}
    world.now = NOW
    load(world, data, NOW)
    measured = world.measure(NOW)
    assert measured.problems == {}
    slow, seen = Slow(data), 0
    for one in METRICS:
        for grain in ("hour", "day", "week", "month", "quarter", "year"):
            for team in (None, "support", "operations"):
                key = (one.name, grain, None if team is None else ("team", team))
                if key not in measured.series:
                    assert key not in measured.shares
                    continue
                shares = slow_shares(world, slow, one.name, grain, team, NOW, NOW)
                assert measured.shares[key] == pytest.approx(shares), key
                seen += len(shares) > 5
    assert seen > 15, "most of them have enough periods"
    assert len(measured.shares["created", "week", None]) == 13


def test_shares_follow_every_load_and_equal_those_computed_anew(world: World) -> None:
    world.use(replace(METRICS[0], grain="day"), *METRICS[1:])
    data = {"tickets": rows(3, 2000, NOW - DAY), "parcels": rows(4, 900, NOW - DAY)}
    now = NOW - DAY + timedelta(minutes=5)
    world.now = now
    load(world, data, now)
    before = world.measure(now)
    assert before.problems == {}
    rng = random.Random(5)
    for step in range(5):
        now += timedelta(minutes=rng.choice([1, 40, 700]))
        new = [{**r, "id": 10_000 + 100 * step + i} for i, r in enumerate(rows(6 + step, 30, now, days=1))]
        if step % 3 == 1:  # rows of long ago change too, also in the hours before a cut
            new += [{**r, "id": r["id"]} for r in rows(60 + step, 40, now, days=200)]
        if step % 3 == 2:
            new[0] = {**new[0], "id": 7, "created_at": now - 91 * DAY - timedelta(hours=2)}
        touched = {"tickets": world.load("tickets", written(new), at=now)}
        data["tickets"] = list({r["id"]: r for r in [*data["tickets"], *new]}.values())
        measured = world.measure(now, touched)
        assert measured.shares == world.fresh().measure(now, None).shares
        counted = slow_shares(world, Slow(data), "created", "week", None, now, now)
        assert measured.shares["created", "week", None] == pytest.approx(counted)
        if step % 2:
            world.meter = world.fresh()
            assert world.measure(now, {}).shares == measured.shares


def test_only_what_is_judged_on_its_pace_has_shares(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.source("tickets", {"id": "integer", "created_at": "timestamp", "minutes": "double"})
    n = metric("n", count(), targets=(Target(5.0),))
    world.open(
        n,
        replace(n, name="by_days", pace="workdays"),
        replace(n, name="as_it_stands", pace="none"),
        replace(n, name="untargeted", targets=()),
        replace(n, name="later", targets=(Target(5.0, since=date(2027, 1, 1)),)),
        metric("share", formula("n / by_days"), targets=(Target(5.0),)),
    )
    world.load("tickets", [{"id": i, "created_at": f"2026-03-{1 + i:02d}T10:00:00Z", "minutes": 1} for i in range(30)])
    measured = world.measure("2026-04-01 12:00")
    assert set(measured.shares) == {("n", "week", None)}
    assert measured.shares["n", "week", None] == pytest.approx([1 / 7] * 4), "the first week has only its Sunday"
    world.close()


def test_a_row_that_breaks_one_metric_leaves_the_shares_and_cuts_of_the_others(tmp_path: Path) -> None:
    """The row lies on a day at which last week is cut, where all metrics of a source are read together."""
    world = World(tmp_path)
    world.source("tickets", {"id": "integer", "created_at": "timestamp", "customer": "text"})
    n = metric("n", count(), targets=(Target(5.0),))
    world.open(n, metric("cast", total("cast(customer as integer)"), targets=(Target(5.0),)))
    found = [{"id": i, "created_at": f"2026-03-{2 + i:02d}T10:00:00Z", "customer": "3"} for i in range(29)]
    world.load("tickets", found)
    assert world.measure("2026-04-01 12:00").problems == {}
    touched = world.load(
        "tickets", [{**found[21], "customer": "many"}]
    )  # Monday, March 23; the newest row is March 30's
    for measured in (world.measure("2026-04-01 12:00", {"tickets": touched}), world.fresh().measure(world.now, None)):
        assert set(measured.problems) == {"cast"}
        assert measured.shares["n", "week", None] == pytest.approx([1 / 7] * 4)
        assert measured.series["n", "week", None].cuts["previous"].value == 1
    world.close()
