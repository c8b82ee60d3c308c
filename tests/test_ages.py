"""Ages of open items: at the ends of periods, at the watermark, at cuts; against a naive computation over random histories."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorecard.book.model.metric import Age, Metric
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.measures import aging
from scorecard.measures.values import Measured
from tests.amounts import times
from tests.histories import (
    CALENDARS,
    INSTANT,
    TEAM,
    TIME,
    Row,
    Slice,
    check,
    first_day,
    histories,
    in_slice,
    steps,
    world,
)
from tests.measuring import BY_TEAM, World, cell, formula, metric, moment, of
from tests.test_incremental import watched

COLUMNS = {"id": "integer", "created_at": "timestamp", "closed_at": "timestamp", "team": "text", "urgent": "boolean"}
UNIT = {"h": 3600.0, "d": 86_400.0}


def age(q: float | None = 0.9, over: int | None = None) -> Age:
    return Age("created_at", "closed_at", None if over is not None else q, over)


METRICS = (
    metric("p90", age(), unit="d", split=BY_TEAM, grain="day"),
    metric("median", age(0.5), unit="h", where="urgent"),
    metric("old", age(over=5 * 86_400), unit="percent", split=BY_TEAM, grain="day"),
    metric("hourly", age(0.25), unit="h", split=BY_TEAM, grain="hour"),
    metric("twice", formula("old * 2")),
)
ROW = st.fixed_dictionaries(
    {
        "created_at": st.one_of(TIME, TIME, TIME, st.none()),
        "closed_at": st.one_of(TIME, st.none()),
        "team": TEAM,
        "urgent": st.sampled_from(["true", "false", None]),
    }
)


class Naive:
    """The format's words, row by row."""

    def __init__(self, calendar: Calendar, now: datetime, one: Metric) -> None:
        assert isinstance(one.measure, Age)
        self.calendar, self.now, self.measure, self.metric = calendar, now, one.measure, one

    def __call__(self, rows: list[Row], slice_: Slice, period: Period, until: datetime, inside: bool) -> float | None:
        first = first_day(self.calendar, rows, slice_, "created_at", self.now)
        if first is None or period.until <= first:
            return None
        taken = until - INSTANT if inside else until
        ages: list[float] = sorted(
            (taken - r["created_at"]).total_seconds()
            for r in rows
            if r["created_at"] is not None
            and r["created_at"] < until
            and (r["closed_at"] is None or r["closed_at"] >= until)
            and in_slice(r, slice_)
            and (self.metric.where is None or r["urgent"] == "true")
        )
        if not ages:
            return None
        if self.measure.q is None:
            return sum(a > (self.measure.over_seconds or 0) for a in ages) / len(ages)
        place = (len(ages) - 1) * self.measure.q
        low, high = ages[math.floor(place)], ages[math.ceil(place)]
        return (low + (high - low) * (place - math.floor(place))) / UNIT[self.metric.unit or ""]


def check_all(w: World, measured: Measured, rows: list[Row], now: datetime, loaded: datetime) -> None:
    newest = [r["created_at"] for r in rows if r["created_at"] is not None and r["created_at"] <= loaded]
    for one in w.book.metrics.values():
        if isinstance(one.measure, Age) and newest:
            grains = ("hour",) if one.grain == "hour" else ("day", "week", "month", "quarter", "year")
            mark, naive = max(newest) + INSTANT, Naive(w.calendar, now, one)
            check(measured, one.name, grains, w.calendar, mark, loaded, naive, rows)


@pytest.mark.slow
@settings(
    max_examples=times(4),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example opens a warehouse
)
@given(st.sampled_from(CALENDARS), st.lists(st.tuples(st.integers(1, 12), ROW), min_size=1, max_size=10), steps(ROW))
def test_incremental_is_full_is_naive(calendar: dict[str, Any], first: Any, happenings: Any) -> None:
    with world(calendar, COLUMNS, *METRICS) as w:
        for measured, rows, now, loaded in histories(w, first, happenings):
            check_all(w, measured, rows, now, loaded)
        for again in (w.fresh().measure(now, {}), w.fresh().measure(now, None)):
            for key, series in again.series.items():
                assert series == measured.series[key], key


@pytest.fixture
def small(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.source("tickets", COLUMNS)
    return made


def opened(key: int, day: str, closed: str | None = None) -> Row:
    return {
        "id": key,
        "created_at": f"{day}T12:00:00Z",
        "closed_at": closed and f"{closed}T12:00:00Z",
        "team": "support",
    }


def test_a_period_that_ends_without_a_load_is_counted(small: World) -> None:
    """Nothing was touched, only the clock went on: what was running is now closed and looks at its own end."""
    small.open(metric("m", age(0.5), unit="d", grain="day"), metric("h", age(0.5), unit="h", grain="hour"))
    small.load(
        "tickets", [opened(1, "2026-03-02"), opened(2, "2026-03-04", "2026-03-05")], at=moment("2026-03-05 10:00")
    )
    first = small.measure("2026-03-05 10:00")
    assert of(first, "m", "day").cells[-1].value == 1.0  # as of the newest row, 4 March 12:00: two days and none
    later = small.measure("2026-03-05 23:30", {})
    assert [p.label for p in of(later, "m", "day").periods][-2:] == ["2026-03-05", "2026-03-06"]
    closed = of(later, "m", "day").cells[-2]
    assert closed.value == pytest.approx(3 + 11 / 24)  # midnight in Berlin is 23:00 UTC
    assert closed.n == 1
    assert cell(later, "h", "2026-03-05T11", "hour").value == (71 + 23) / 2  # the hour that ran when the load came
    again = small.fresh().measure(moment("2026-03-05 23:30"), None)
    assert dict(again.series) == dict(later.series)
    small.close()


def test_a_load_counts_again_only_what_ends_after_its_openings(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small.open(metric("m", age(0.5), unit="d"))
    small.load("tickets", [opened(n, f"2026-02-{n:02d}") for n in range(1, 28)])
    before = small.measure("2026-03-20 12:00")
    touched = small.load("tickets", [opened(40, "2026-03-11")])
    seen = watched(monkeypatch, small)
    after = small.measure("2026-03-20 12:00", {"tickets": touched})
    at_ends = [sql for sql in seen if "meter.days AS d" in sql]
    assert at_ends
    assert not any("2026-03-09'" in sql for sql in at_ends)  # week 10 ends there, before that row was opened
    assert of(before, "m").cells[:-2] == of(after, "m").cells[:-2]
    assert of(before, "m").cells[-2].n == 27
    assert of(after, "m").cells[-2].n == 28
    small.close()


def test_many_open_items_are_counted_in_portions(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small.open(
        metric("m", age(0.5), unit="d", grain="day", split=BY_TEAM), metric("h", age(0.5), unit="h", grain="hour")
    )
    small.load("tickets", [opened(n, f"2026-03-{n:02d}", "2026-03-25" if n % 3 else None) for n in range(1, 28)])
    whole = small.measure("2026-03-30 12:00")
    monkeypatch.setattr(aging, "MET_AT_ONCE", 50)
    assert small.fresh().measure(moment("2026-03-30 12:00"), None).series == whole.series
    small.close()


@pytest.mark.parametrize(
    ("one", "said", "hint"),
    [
        (metric("m", age(), unit="EUR"), "an age is a length of time, and the metric's unit is 'EUR'", "unit: d"),
        (metric("m", age()), "an age is a length of time, and the metric has no unit", "unit: d"),
        (metric("m", Age("created_at", "team"), unit="d"), "'team' is varchar, not a time", "timestamp"),
        (metric("m", Age("opened_at", "closed_at"), unit="d"), "has no column 'opened_at'", None),
        (metric("m", age(over=60), unit="percent", where="team + 1 > 2"), "", None),
    ],
)
def test_what_cannot_be_an_age_is_said(one: Metric, said: str, hint: str | None, small: World) -> None:
    small.open(one, metric("fine", age(), unit="d"))
    small.load("tickets", [opened(1, "2026-03-02")])
    measured = small.measure()
    assert set(measured.problems) == {"m"}
    problem = measured.problems["m"]
    assert said in problem.message
    assert hint is None or (problem.hint is not None and hint in problem.hint)
    small.close()


def test_an_age_explains_itself(small: World) -> None:
    """The statement that is shown can be run, and gives the age at the end of the latest closed period."""
    small.open(metric("m", age(0.5), unit="d"), metric("o", age(over=4 * 86_400), unit="percent"))
    small.load("tickets", [opened(1, "2026-03-02"), opened(2, "2026-03-06")])
    measured = small.measure("2026-03-10 12:00")
    for name, number in (("m", 4 + 11 / 24), ("o", 1.0)):
        explained = small.meter.explain(name)["sql"]
        assert isinstance(explained, list)
        sql = str(explained[0])
        ((*_, n, x),) = small.engine.query(sql).rows()
        assert (n, x) == (2, pytest.approx(number))
    assert of(measured, "m").cells[-2].value == pytest.approx(4 + 11 / 24)
    assert of(measured, "o").cells[-2].value == 0.5
    assert small.meter.explain("o")["states"][0]["kind"] == "older than 345600 s"  # type: ignore[index]
    small.close()
