"""Whose turn it is: simulated hours by a fixed clock, so that limits, fairness, backoff and skips are exact."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.book.model.source import Schedule, Source
from scorecard.ground.periods.calendar import Calendar
from scorecard.refresh.agenda import Agenda
from scorecard.refresh.breaker import RETRY_AFTER_AT_MOST, Breaker, Patience
from scorecard.refresh.limits import Limits, host_of
from scorecard.refresh.rhythm import Moment

BEGIN = datetime(2026, 9, 28, 8, tzinfo=UTC)
UTC_CALENDAR = Calendar("UTC")


def source(
    name: str, every: int | None = 60, host: str | None = None, cron: str | None = None, **more: object
) -> Source:
    options = {"path": f"{name}.csv"} if host is None else {"url": f"https://{host}/{name}"}
    return Source(name, "csv" if host is None else "http", options, Schedule(every, cron), **more)  # type: ignore[arg-type]


@dataclass
class World:
    """An agenda, two clocks that only the simulation moves, and runs that take as long as they are said to take."""

    sources: list[Source]
    limits: Limits = field(default_factory=Limits)
    takes: Callable[[str], float] = lambda _: 0.01
    fails: Callable[[str, float], bool] = lambda _name, _at: False
    calendar: Calendar = UTC_CALENDAR
    begin: datetime = BEGIN

    def __post_init__(self) -> None:
        self.steady, self.offset = 1000.0, timedelta()
        self.agenda = Agenda(self.limits, Patience())
        self.starts: list[tuple[float, str]] = []
        self.late: list[float] = []
        self.most_together: Counter[str | None] = Counter()
        self.most_in_all = 0
        self.ends: list[tuple[float, str]] = []
        self.agenda.replace({s.name: s for s in self.sources}, self.calendar, self.moment)

    @property
    def moment(self) -> Moment:
        return Moment(self.steady, self.begin + self.offset + timedelta(seconds=self.steady - 1000.0))

    def step(self) -> None:
        """What is due begins; then the clocks move to the next event."""
        list(self.agenda.skips(self.moment))
        for start in self.agenda.pick(self.moment):
            running = {name for _, name in self.ends}
            assert start.source not in running, "two runs of one source at a time"
            self.starts.append((self.steady, start.source))
            self.late.append(start.late_seconds)
            heapq.heappush(self.ends, (self.steady + self.takes(start.source), start.source))
        together = Counter(host_of(self.agenda.entries[name].source) for _, name in self.ends)
        self.most_in_all = max(self.most_in_all, len(self.ends))
        for host, number in together.items():
            self.most_together[host] = max(self.most_together[host], number)
        wait = self.agenda.wait_seconds(self.moment, 30.0) if self.agenda.room > 0 else 30.0
        upcoming = self.steady + max(wait, 0.001)
        self.steady = min(upcoming, self.ends[0][0]) if self.ends else upcoming
        while self.ends and self.ends[0][0] <= self.steady:
            _, name = heapq.heappop(self.ends)
            bad = self.fails(name, self.steady)
            self.agenda.heard(name, self.moment, good=not bad, retry=bad)
            self.agenda.ended(name, self.moment)

    def run(self, seconds: float) -> World:
        until = self.steady + seconds
        while self.steady < until:
            self.step()
        return self

    def times(self, name: str) -> list[float]:
        return [at - 1000.0 for at, who in self.starts if who == name]


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def test_500_sources_of_one_interval_spread_over_it_and_do_not_drift() -> None:
    world = World([source(f"s{i}", 5) for i in range(500)]).run(60)
    for name in ("s0", "s7", "s499"):
        later = world.times(name)[2:]
        assert all(gap == pytest.approx(5, abs=0.05) for gap in gaps(later)), "on the grid, run after run"
    second = Counter(int(at) for at, _ in world.starts if 1030 <= at < 1060)
    assert max(second.values()) < 160, "100 a second on average: never all at once"
    assert max(world.late[1500:]) < 0.2


@settings(max_examples=12, deadline=None)
@given(
    intervals=st.lists(st.sampled_from([5, 10, 30, 60]), min_size=8, max_size=40),
    workers=st.integers(1, 6),
    overload=st.floats(1.0, 2.0),
)
def test_at_twice_the_capacity_nobody_starves(intervals: list[int], workers: int, overload: float) -> None:
    """The work is ``overload`` times what the workers can do; every source runs again and again, and all are late alike."""
    demand = sum(1 / every for every in intervals)
    took = overload * workers / demand
    sources = [source(f"s{i}", every) for i, every in enumerate(intervals)]
    world = World(sources, Limits(workers, 99), takes=lambda _: took).run(12 * max(60.0, took))
    floor = took * len(intervals) / workers  # one round of all
    for each in sources:
        every = each.schedule.every_seconds or 0
        widest = max(gaps(world.times(each.name)[1:]))
        assert widest <= 2.5 * max(every, took) * overload + floor, (each.name, widest, took)


def test_a_storm_of_pushes_does_not_starve_the_schedule() -> None:
    world = World([source("quiet", 5), *(source(f"p{i}", 3600) for i in range(40))], Limits(1, 9), takes=lambda _: 1.0)
    for _ in range(400):
        for i in range(40):
            world.agenda.ask(f"p{i}", "hook", world.moment)
        world.step()
    assert max(gaps(world.times("quiet"))) < 130, "ten intervals behind at most, and one round of what was asked before"


def test_limits_hold_in_all_and_for_each_host() -> None:
    sources = [source(f"a{i}", 5, "a.example") for i in range(20)] + [source(f"f{i}", 5) for i in range(20)]
    world = World(sources, Limits(6, 2), takes=lambda _: 1.0).run(120)
    assert world.most_in_all == 6
    assert world.most_together["a.example"] == 2
    assert world.most_together[None] >= 4
    assert {name for _, name in world.starts} == {s.name for s in sources}


def test_a_host_that_hangs_holds_up_only_its_own() -> None:
    sources = [source(f"dead{i}", 5, "dead.example") for i in range(50)] + [source("well", 5)]
    world = World(sources, Limits(8, 4), takes=lambda name: 300.0 if name.startswith("dead") else 0.01).run(600)
    assert max(gaps(world.times("well")[1:])) < 5.1


def test_the_one_nearer_to_its_limit_goes_first() -> None:
    """Both wait for the one worker as long; one is late by more of its interval, and one by more of what it is fresh for."""
    world = World(
        [source("hourly", 3600), source("brisk", 30), source("strict", 3600, fresh_for_seconds=40)], Limits(1, 1)
    )
    world.run(7200)
    world.takes = lambda _: 20.0
    for name in ("hourly", "brisk", "strict"):
        entry = world.agenda.entries[name]
        entry.waiting_since = world.steady - 15
        world.agenda._ready[name] = entry
    assert [start.source for start in world.agenda.pick(world.moment)] == ["strict"]


def test_an_overrun_is_skipped_and_counted_and_never_overlaps() -> None:
    world = World([source("slow", 5)], takes=lambda _: 12.0).run(120)
    entry = world.agenda.entries["slow"]
    starts = world.times("slow")
    assert all(gap >= 12.0 for gap in gaps(starts))
    assert entry.skipped >= 2 * (len(starts) - 2)
    assert entry.skipped_at is not None
    assert max(gaps(starts)) <= 17.01, "the next place on the grid after it has ended"


def test_missed_runs_are_made_up_for_once() -> None:
    world = World(
        [source("late", 5), source("hog", 3600)], Limits(1, 1), takes=lambda name: 100.0 if name == "hog" else 0.1
    )
    world.run(300)
    assert world.agenda.entries["late"].coalesced >= 18
    assert len(world.times("late")) <= 45


def test_a_network_error_is_waited_out_longer_and_longer_and_a_mistake_is_not() -> None:
    down = World([source("down", 5), source("fine", 5)], fails=lambda name, _: name == "down").run(3600)
    waits = gaps(down.times("down"))
    assert waits[:4] == sorted(waits[:4])
    assert waits[0] < 6
    assert all(225 <= wait <= 301 for wait in waits[8:]), "five minutes at the longest"
    assert len(down.times("fine")) > 700
    entry = down.agenda.entries["down"]
    assert entry.breaker.state in ("open", "half_open")
    for _ in range(30):
        down.agenda.heard("fine", down.moment, good=False, retry=False)
    assert down.agenda.entries["fine"].breaker == Breaker("closed")
    before = len(down.times("fine"))
    assert len(down.run(60).times("fine")) - before >= 12, (
        "a syntax error is asked again when it is due, not sooner or later"
    )


def test_a_source_of_an_hour_is_tried_again_within_seconds() -> None:
    world = World([source("hourly", 3600)], fails=lambda _, at: at < 1030).run(600)
    assert len(world.times("hourly")) == 4
    assert world.agenda.entries["hourly"].breaker.failures == 0
    assert world.agenda.entries["hourly"].breaker.next_try is None


def test_the_breaker_opens_lets_one_through_and_closes() -> None:
    world = World([source("s", 5)], fails=lambda _, at: at < 1400)
    states: list[str] = []

    def seen(_: str) -> float:
        states.append(world.agenda.entries["s"].breaker.state)
        return 0.01

    world.takes = seen
    world.run(1000)
    assert states[:7] == ["closed"] * 5 + ["half_open"] * 2
    assert states[-1] == "closed"
    assert world.agenda.entries["s"].breaker.since == pytest.approx(1400, abs=310)
    assert gaps(world.times("s"))[-5:] == [pytest.approx(5)] * 5


def test_retry_after_is_honoured_and_bounded() -> None:
    patience = Patience()
    assert 120 <= patience.wait_seconds("s", 1, after=120.0) < 122
    assert patience.wait_seconds("s", 1, after=10**7) <= RETRY_AFTER_AT_MOST + 1
    assert patience.wait_seconds("s", 8, after=0.0) >= 225, "never sooner than the backoff"
    assert patience.wait_seconds("s", 3) == patience.wait_seconds("s", 3)
    assert patience.wait_seconds("s", 3) != patience.wait_seconds("t", 3), (
        "those that fell together do not rise together"
    )


def test_whoever_asks_is_served_at_once_also_by_an_open_breaker() -> None:
    world = World([source("s", 3600)], fails=lambda _, at: at < 2000).run(900)
    assert world.agenda.entries["s"].breaker.state == "open"
    before = len(world.times("s"))
    assert world.agenda.ask("s", "hook", world.moment)
    assert world.agenda.ask("s", "hook", world.moment)
    assert [start.cause for start in world.agenda.pick(world.moment)] == ["hook"]
    assert len(world.times("s")) == before
    assert not world.agenda.ask("nobody", "hook", world.moment)


def test_asked_while_it_runs_it_runs_once_more() -> None:
    world = World([source("s", 3600)], takes=lambda _: 50.0)
    world.step()
    for _ in range(3):
        world.agenda.ask("s", "hook", world.moment)
    world.run(300)
    assert world.times("s") == [0.0, 50.0]


def test_another_book_keeps_the_turns_of_what_stayed_the_same() -> None:
    world = World([source("same", 3600), source("other", 3600), source("gone", 3600)], takes=lambda _: 5.0).run(600)
    following = world.agenda.entries["same"].rhythm.next_run(world.moment)
    book = {s.name: s for s in (source("same", 3600), source("other", 60), source("new", 60))}
    world.agenda.replace(book, UTC_CALENDAR, world.moment)
    assert world.agenda.entries["same"].rhythm.next_run(world.moment) == following
    world.steady += 0.03
    assert [start.source for start in world.agenda.pick(world.moment)] == ["other"]
    assert set(world.agenda.entries) == {"same", "other", "new"}


def test_a_source_that_went_and_came_while_it_runs_does_not_overlap() -> None:
    world = World([source("s", 5)], takes=lambda _: 60.0)
    world.step()
    world.agenda.replace({}, UTC_CALENDAR, world.moment)
    assert world.agenda.running == 1
    world.agenda.replace({"s": source("s", 7)}, UTC_CALENDAR, world.moment)
    assert world.agenda.pick(world.moment) == []
    world.agenda.ended("s", world.moment)
    world.steady += 7
    assert len(world.agenda.pick(world.moment)) == 1


# -- clocks ----------------------------------------------------------------------------------------------------


def test_a_wall_clock_a_day_ahead_gives_one_run_and_no_burst() -> None:
    world = World([source("every", 60), source("line", None, cron="*/5 * * * *")]).run(1000)
    before = len(world.starts)
    world.offset += timedelta(days=1)
    world.agenda.stepped(world.moment)
    world.run(55)
    assert len(world.starts) - before <= 4
    assert {name for _, name in world.starts[before:]} == {"every", "line"}


def test_a_wall_clock_an_hour_back_stops_nothing() -> None:
    world = World([source("every", 60), source("line", None, cron="*/5 * * * *")]).run(1000)
    world.offset -= timedelta(hours=1)
    world.agenda.stepped(world.moment)
    before = world.steady - 1000
    world.run(1200)
    assert max(gaps([before, *(t for t in world.times("line") if t > before)])) <= 301
    assert max(gaps([before, *(t for t in world.times("every") if t > before)])) <= 61


@pytest.mark.parametrize(
    ("zone", "line", "begin", "days"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-10-23T12:00Z", 4),
        ("Europe/Berlin", "30 2 * * *", "2026-03-27T12:00Z", 4),
        ("America/New_York", "30 1 * * *", "2026-10-30T12:00Z", 4),
        ("America/New_York", "30 2 * * *", "2026-03-06T12:00Z", 4),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-03T06:00Z", 4),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-02T06:00Z", 4),
        ("Asia/Kathmandu", "0 6 * * *", "2026-01-01T00:00Z", 4),
        ("Pacific/Apia", "0 0 * * *", "2026-01-01T00:00Z", 4),
        ("Africa/Casablanca", "30 2 * * *", "2026-02-13T12:00Z", 4),
    ],
)
def test_a_daily_line_runs_once_each_local_day_also_where_clocks_change(
    zone: str, line: str, begin: str, days: int
) -> None:
    calendar, at = Calendar(zone), datetime.fromisoformat(begin)
    world = World([source("daily", None, cron=line)], calendar=calendar, begin=at).run(86_400 * days)
    runs = [calendar.at(at + timedelta(seconds=t)) for t in world.times("daily")[1:]]  # the first is the start's
    dates = [run.date() for run in runs]
    assert len(set(dates)) == len(dates) >= days - 1
    minute, hour = (int(part) for part in line.split()[:2])
    shown = [run for run in runs if (run.hour, run.minute) == (hour, minute)]
    assert len(runs) - len(shown) <= 1, "only the day whose hour is missing has another time"


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"path": "data/*.csv"}, None),
        ({"path": "https://Files.Example.com:8443/a.csv"}, "files.example.com"),
        ({"url": "postgresql+psycopg://ana:p%40ss@db.example.com:5432/shop"}, "db.example.com"),
        ({"url": "postgresql:///shop?host=/var/run/postgresql"}, "localhost"),
        ({"url": "postgresql:///shop?host=10.0.0.7"}, "10.0.0.7"),
        (
            {"url": "mssql+pyodbc:///?odbc_connect=Driver%3D%7BX%7D%3BServer%3Dsql.example.com%3BDatabase%3Dx"},
            "sql.example.com",
        ),
        ({"url": "sqlite:///data/shop.sqlite"}, None),
        ({"url": "http://[2001:db8::1]:80/x"}, "2001:db8::1"),
    ],
)
def test_a_source_knows_its_host(options: dict[str, str], host: str | None) -> None:
    assert host_of(Source("s", "http", options, Schedule(60))) == host
