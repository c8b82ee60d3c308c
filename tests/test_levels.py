"""Levels that rows state: daily snapshots and change logs, against a naive computation over random histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorecard.book.expressions import expression
from scorecard.book.model.metric import Fold, Level, Metric
from scorecard.ground.periods.calendar import Calendar, Period
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
from tests.measuring import BY_TEAM, World, formula, metric, values
from tests.test_incremental import watched

COLUMNS = {
    "id": "integer", "created_at": "timestamp", "item": "text", "amount": "decimal", "weight": "double", "team": "text",
}  # fmt: skip
FOLDS: tuple[Fold, ...] = ("last", "mean", "max")


def level(of: str = "amount", key: Sequence[str] = ("item",), fold: Fold = "last", *, carry: bool = False) -> Level:
    return Level(expression(of), tuple(key), fold, carry)


def metrics(carry: bool) -> tuple[Metric, ...]:
    return (
        *(metric(fold, level(fold=fold, carry=carry), split=BY_TEAM, grain="day") for fold in FOLDS),
        metric("some", level("weight * 2", carry=carry), where="item <> 'b'"),
        metric("one", level(key=(), carry=carry), split=BY_TEAM),
        metric("two", level(key=("item", "team"), carry=carry)),
        *([metric("hourly", level(carry=True), split=BY_TEAM, grain="hour")] if carry else []),
        metric("half", formula("last / 2")),
    )


ROW = st.fixed_dictionaries(
    {
        "created_at": st.one_of(TIME, TIME, TIME, st.none()),
        "item": st.sampled_from(["a", "b", "c", None]),
        "amount": st.sampled_from(["1.10", "0.05", "-2.20", "7", None]),
        "weight": st.sampled_from([0.1, 1e-9, 3.0, None]),
        "team": TEAM,
    }
)


def last_rows(rows: list[Row], key: Sequence[str], value: str, until: datetime) -> list[Row]:
    """Of each key the last row before a moment; of two at once the larger."""
    found: dict[object, Row] = {}

    def order(r: Row) -> tuple[Any, ...]:
        known = r[value] is not None
        return (r["created_at"], known, float(r[value] or 0), r["team"] is not None, r["team"] or "")

    for r in rows:
        name = tuple(r[k] for k in key)
        if r["created_at"] < until and (name not in found or order(found[name]) < order(r)):
            found[name] = r
    return list(found.values())


class Naive:
    """The format's words, row by row. ``counts``: whether a row counts at all."""

    def __init__(self, calendar: Calendar, now: datetime, one: Metric) -> None:
        assert isinstance(one.measure, Level)
        self.calendar, self.now, self.measure = calendar, now, one.measure
        self.value, self.times = ("weight", 2) if "weight" in one.measure.of.text else ("amount", 1)
        self.only = one.where is not None

    def total(self, rows: list[Row], slice_: Slice) -> float:
        return sum(float(r[self.value]) * self.times for r in rows if r[self.value] is not None and in_slice(r, slice_))

    def counted(self, rows: list[Row]) -> list[Row]:
        return [r for r in rows if not self.only or (r["item"] is not None and r["item"] != "b")]

    def levels(self, rows: list[Row], slice_: Slice, days: list[date], until: datetime) -> list[float]:
        counted = self.counted(rows)
        found = []
        for day in days:
            begin, end = self.calendar.midnight(day), self.calendar.midnight(day + timedelta(days=1))
            if self.measure.carry:
                chosen = last_rows(counted, self.measure.key, self.value, min(end, until))
            else:
                today = [r for r in counted if r["created_at"] >= begin]
                chosen = last_rows(today, self.measure.key, self.value, end)
            found.append(self.total(chosen, slice_))
        return found

    def __call__(self, rows: list[Row], slice_: Slice, period: Period, until: datetime, inside: bool) -> float | None:
        come = [r for r in rows if r["created_at"] is not None and r["created_at"] <= self.now]
        first = first_day(self.calendar, come, slice_, "created_at", self.now)
        if first is None or period.until <= first:
            return None
        counted = self.counted(come)
        if period.grain == "hour":
            return self.total(last_rows(counted, self.measure.key, self.value, until), slice_)
        last = min(self.calendar.day_of(until - INSTANT), period.until - timedelta(days=1))
        begin = max(first, period.first)
        days = [begin + timedelta(days=n) for n in range((last - begin).days + 1)]
        if not self.measure.carry:
            days = [d for d in days if any(self.calendar.day_of(r["created_at"]) == d for r in come)]
            if not days:
                return None
        elif not days:
            return self.total(last_rows(counted, self.measure.key, self.value, until), slice_)
        found = self.levels(come, slice_, days, until)
        return {"last": found[-1], "max": max(found), "mean": sum(found) / len(found)}[self.measure.fold]


def check_all(w: World, measured: Measured, rows: list[Row], now: datetime, loaded: datetime) -> None:
    newest = [r["created_at"] for r in rows if r["created_at"] is not None and r["created_at"] <= loaded]
    for one in w.book.metrics.values():
        if isinstance(one.measure, Level) and newest:
            grains = ("hour",) if one.grain == "hour" else ("day", "week", "month", "quarter")
            mark, naive = max(newest) + INSTANT, Naive(w.calendar, now, one)
            check(measured, one.name, grains, w.calendar, mark, loaded, naive, rows)


@pytest.mark.slow
@pytest.mark.parametrize("carry", [False, True], ids=["snapshots", "change log"])
@settings(
    max_examples=times(3),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example opens a warehouse
)
@given(st.sampled_from(CALENDARS), st.lists(st.tuples(st.integers(1, 12), ROW), min_size=1, max_size=10), steps(ROW))
def test_incremental_is_full_is_naive(carry: bool, calendar: dict[str, Any], first: Any, happenings: Any) -> None:
    with world(calendar, COLUMNS, *metrics(carry)) as w:
        for measured, rows, now, loaded in histories(w, first, happenings):
            check_all(w, measured, rows, now, loaded)
        for meter in (w.fresh().measure(now, {}), w.fresh().measure(now, None)):
            for key, series in meter.series.items():
                assert series == measured.series[key], key


def test_a_late_change_moves_only_the_days_until_its_keys_next_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a row that was only added, the days on which states are counted again are its own and that of the next row."""
    made = World(tmp_path)
    made.source("tickets", COLUMNS)
    made.open(metric("open", level(carry=True), grain="day"))

    def stated(key: int, day: str, item: str, amount: int) -> Row:
        return {"id": key, "created_at": f"{day}T10:00:00Z", "item": item, "amount": amount}

    made.load(
        "tickets", [stated(1, "2026-03-02", "a", 10), stated(2, "2026-03-09", "a", 20), stated(3, "2026-03-11", "b", 5)]
    )
    before = values(made.measure("2026-03-13 12:00"), "open", "day")
    touched = made.load("tickets", [stated(4, "2026-03-05", "a", 70)])
    assert touched.added_only
    seen = watched(monkeypatch, made)
    after = values(made.measure("2026-03-13 12:00", {"tickets": touched}), "open", "day")
    differs = [day for day in after if after[day] != before[day]]
    assert differs == ["2026-03-05", "2026-03-06", "2026-03-07", "2026-03-08"]
    assert {after[day] for day in differs} == {70}
    (counted,) = [sql for sql in seen if "lag(s)" in sql and "make_timestamp" not in sql]
    assert "DATE '2026-03-05'" in counted
    assert "DATE '2026-03-09'" in counted
    assert "DATE '2026-03-12'" not in counted  # the 11th is no day of it
    made.close()


@pytest.mark.parametrize(
    ("one", "said", "hint"),
    [
        (metric("m", level("team")), "'team' is a text, where a number is needed", None),
        (metric("m", level(key=("itme",))), "has no column 'itme'", "did you mean 'item'"),
        (metric("m", level(), grain="hour"), "snapshots are daily, so there are no hours", "carry: true"),
        (metric("m", level(carry=True), time="team"), "'team' is varchar, not a time", "timestamp"),
    ],
)
def test_what_cannot_be_a_level_is_said(one: Metric, said: str, hint: str | None, tmp_path: Path) -> None:
    made = World(tmp_path)
    made.source("tickets", COLUMNS)
    made.open(one)
    made.load("tickets", [{"id": 1, "created_at": "2026-03-02T10:00:00Z", "item": "a", "amount": 1, "team": "support"}])
    problem = made.measure().problems["m"]
    assert said in problem.message
    assert hint is None or (problem.hint is not None and hint in problem.hint)
    if "column" not in said:
        assert [said in p.message for p in made.meter.mistakes()] == [True]
    made.close()


def test_a_level_explains_itself(tmp_path: Path) -> None:
    """The statements that are shown can be run, and give the levels."""
    made = World(tmp_path)
    made.source("tickets", COLUMNS)
    made.open(metric("shots", level(), split=BY_TEAM), metric("log", level(carry=True), split=BY_TEAM))
    rows = [("1", "2026-03-02", "a", "10"), ("2", "2026-03-02", "b", "4"), ("3", "2026-03-04", "a", "7")]
    made.load(
        "tickets",
        [{"id": i, "created_at": f"{d}T10:00:00Z", "item": k, "amount": n, "team": "support"} for i, d, k, n in rows],
    )
    made.measure("2026-03-05 12:00")

    def answers(name: str) -> list[list[tuple[Any, ...]]]:
        statements = made.meter.explain(name)["sql"]
        assert isinstance(statements, list)
        return [[(str(r[0]), float(r[-1])) for r in made.engine.query(sql).rows()] for sql in statements]

    assert answers("shots")[1] == [("2026-03-02", 14.0), ("2026-03-04", 7.0)]
    assert answers("log") == [[("2026-03-02", 14.0), ("2026-03-04", 7.0)], [("2026-03-04", 10.0)]]
    made.close()
