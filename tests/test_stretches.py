"""Windows around quantiles take in the days that close, and say of all values together what sorting them says."""

from __future__ import annotations

import random
import re
from array import array
from datetime import timedelta
from math import ceil, floor
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.measures.run import Meter
from scorecard.measures.states import runs, settled
from scorecard.measures.states.stretches import Window, _ranked
from tests.measuring import BY_TEAM, distinct, metric, moment, quantile
from tests.test_incremental import assert_equal, watched, world

VALUES = st.lists(st.integers(-9, 9).map(float), max_size=25).map(sorted)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.integers(0, 25), st.integers(0, 25), st.lists(VALUES, max_size=3), VALUES)
def test_a_window_with_more_values_ranks_as_all_of_them(
    settled_: list[float], low: int, high: int, closed: list[list[float]], tail: list[float]
) -> None:
    if settled_:
        low, high = min(low, len(settled_) - 1), min(max(low, high), len(settled_) - 1)
        # A window holds all values that are like its first or last one.
        inside = [v for v in settled_ if settled_[low] <= v <= settled_[high]]
        window = Window(len(settled_), 1, sum(v < settled_[low] for v in settled_), array("d", inside))
    else:
        window = Window(0, 1, 0, array("d"))
    for more in closed:
        window = window.extended(array("d", more), 2)
    everything = sorted([*settled_, *(v for more in closed for v in more), *tail])
    assert (window.n + len(tail), window.bad) == (len(everything), 1 + 2 * len(closed))
    for rank, value in enumerate(everything):
        assert _ranked(window, array("d", tail), rank) in (None, value)
    if not window.below and len(window.values) == window.n:
        assert [_ranked(window, array("d", tail), rank) for rank in range(len(everything))] == everything


@settings(deadline=None)
@given(VALUES, st.integers(0, 25), st.integers(0, 25), VALUES, st.sampled_from([0.1, 0.5, 0.9, 0.99]), st.data())
def test_a_window_knows_how_many_more_values_leave_the_quantile_inside(
    settled_: list[float], low: int, high: int, tail: list[float], q: float, data: st.DataObject
) -> None:
    if not settled_:
        return
    low, high = min(low, len(settled_) - 1), min(max(low, high), len(settled_) - 1)
    inside = [v for v in settled_ if settled_[low] <= v <= settled_[high]]
    window = Window(len(settled_), 0, sum(v < settled_[low] for v in settled_), array("d", inside))
    room = window.room(q, tail)
    place = (len(settled_) + len(tail) - 1) * q
    found = [_ranked(window, tail, rank) for rank in (floor(place), ceil(place))]
    assert (room < 0) == (None in found)
    more = data.draw(st.lists(st.sampled_from([-99.0, 0.0, 99.0]), max_size=min(max(room, 0), 40)))
    if data.draw(st.booleans()):
        more = [data.draw(st.sampled_from([-99.0, 99.0]))] * min(max(room, 0), 40)
    if room >= 0:
        after, everything = sorted([*tail, *more]), sorted([*settled_, *tail, *more])
        place = (len(everything) - 1) * q
        for rank in (floor(place), ceil(place)):
            assert _ranked(window, after, rank) == everything[rank]


def test_days_that_close_one_after_the_other_are_those_of_all_rows() -> None:
    """What earlier days came to is taken over from day to day, for the running periods and for those that they are compared
    with; late rows and days without any come in between."""
    chance = random.Random(3)
    metrics = (
        metric("m", quantile("minutes"), grain="month", split=BY_TEAM),
        metric("d", distinct("customer"), grain="month", split=BY_TEAM),
    )
    few = mock.patch.multiple(settled, FROM_ROWS=0, ALL_OF=8, MARGIN=0.0), mock.patch.object(runs, "ALL_OF", 8)
    with few[0], few[1], world(*metrics) as w:
        numbers = iter(range(100_000))

        def rows(day: int, count: int) -> list[dict[str, object]]:
            begin = moment("2026-03-01 06:00") + timedelta(days=day)
            return [
                {
                    "id": next(numbers),
                    "created_at": begin + timedelta(seconds=chance.randrange(30_000)),
                    "minutes": chance.randrange(60),
                    "customer": str(chance.randrange(40)),
                    "team": chance.choice(["support", "sales", None]),
                    "cost": "1",
                }
                for _ in range(count)
            ]

        w.load("tickets", [row for day in range(-180, 15) for row in rows(day, 6)])
        w.measure()
        for day in (15, 16, 18):
            now = moment("2026-03-01 15:30") + timedelta(days=day)
            for late in ([], rows(day - 1, 1) if day == 16 else []):
                touched = w.load("tickets", [*rows(day, 6), *late], at=now)
                measured = w.measure(now, {"tickets": touched})
            with w.engine.trial() as aside:
                assert_equal(Meter(aside, w.book, w.calendar).measure(now, None), measured)


def test_what_one_tick_does_not_touch_is_there_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come that are not resolved, then one that is: no other resolved row is read again for the quarter's median."""
    with mock.patch.object(settled, "FROM_ROWS", 0), world(metric("m", quantile("minutes"), time="resolved_at")) as w:
        rows = [(n, w.now - timedelta(hours=9 * n)) for n in range(150)]
        row = {"minutes": 3, "cost": "1", "team": "sales"}
        w.load("tickets", [{**row, "id": n, "created_at": at, "resolved_at": at} for n, at in rows])
        w.measure()
        for number in range(1000, 1005):
            done = {"resolved_at": w.now} if number in (1000, 1004) else {}
            touched = w.load("tickets", [{**row, "id": number, "created_at": w.now, **done}])
            seen = watched(monkeypatch, w)
            measured = w.measure(w.now, {"tickets": touched})
        days = [min(re.findall("DATE '([0-9-]+)'", s)) for s in seen if 'main."tickets"' in s and '"minutes"' in s]
        assert days, seen
        assert min(days) == "2026-03-16"
        with w.engine.trial() as aside:
            assert_equal(Meter(aside, w.book, w.calendar).measure(w.now, None), measured)


def test_the_first_tick_reads_long_periods_once_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full compute no row of earlier days is read for a quantile; in a new process each is, once for all periods."""
    metrics = [metric(f"p{q}", quantile("minutes", q / 10), split=BY_TEAM) for q in (5, 9)]
    with mock.patch.object(settled, "FROM_ROWS", 0), world(*metrics) as w:
        rows = [
            {"id": n, "created_at": w.now - timedelta(hours=9 * n), "minutes": n % 17, "cost": "1", "team": "support"}
            for n in range(190)
        ]
        w.load("tickets", rows)
        w.measure()
        for process, reads in (("same", 0), ("new", 1)):
            if process == "new":
                w.meter.write_down()
                w.meter = w.fresh()
                w.measure(w.now, {})
            new = {"created_at": w.now, "minutes": 3, "cost": "1", "team": "sales"}
            touched = w.load("tickets", [{**new, "id": f"90{reads}"}])
            seen = watched(monkeypatch, w)
            measured = w.measure(w.now, {"tickets": touched})
            values = [s for s in seen if 'main."tickets"' in s and '"minutes"' in s]
            looks = [s for s in values if "LIMIT" in s or "count_if(round(" in s]  # what kind of values they are
            days = [min(re.findall("DATE '([0-9-]+)'", s)) for s in values if s not in looks]
            assert sum(day < "2026-03-16" for day in days) == reads, seen
            assert len(looks) == 2 * reads
            with w.engine.trial() as aside:
                assert_equal(Meter(aside, w.book, w.calendar).measure(w.now, None), measured)
