"""Rows that come at the end of a source are read once for all that is counted of them, and give what all rows give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.book.model.metric import Cumulative, Metric, Stock
from scorecard.measures.states import arrivals, settled
from scorecard.warehouse.engine import Standing, Touched
from tests.amounts import times
from tests.measuring import BY_TEAM, World, average, cohort, count, distinct, metric, moment, quantile, ratio, total
from tests.test_incremental import HISTORIES, assert_changes_named, assert_equal, row, watched, world

METRICS = (
    metric("n", count(), split=BY_TEAM, grain="day"),
    metric("resolved", count("resolved_at"), time="resolved_at"),
    metric("cost", total("cost"), split=BY_TEAM),
    metric("mean", average("minutes"), split=BY_TEAM),
    metric("vast", average("minutes * 1e307"), time="resolved_at"),
    metric("range", ratio("max(minutes) - min(minutes)", "count(minutes)"), time="resolved_at", split=BY_TEAM),
    metric("solved", cohort("count_if(resolved_at - created_at <= interval 7 day)", "rows"), split=BY_TEAM),
    metric("open", Stock("created_at", "resolved_at"), split=BY_TEAM),
    metric("median", quantile("minutes"), split=BY_TEAM),
    metric("p90", quantile("resolved_at - created_at", 0.9), unit="h", time="resolved_at"),
    metric("customers", distinct("customer"), split=BY_TEAM),
    metric("n_year", Cumulative("n", "year")),
    metric("customers_rolling", Cumulative("customers", None, 2)),
)
NOON = datetime.fromisoformat("2026-03-16T12:00")
PLAIN = {"resolved_at": None, "minutes": 7.25, "cost": "1.10", "team": "support", "customer": "a"}
MINUTES = (0.1, 30.0, 1e-9, -0.0, -3.3, 1e23, 5e-324, None)
TEAMS = ("support", "Support DE", "night-shift", "nobody", None)
Row = Mapping[str, Any]


@contextmanager
def running(metrics: Sequence[Metric] = METRICS) -> Iterator[World]:
    """Some days of rows, up to noon of a day, and a meter that has seen two loads of that day."""
    with mock.patch.object(settled, "FROM_ROWS", 0), world(*metrics) as w:
        days = [{**PLAIN, "created_at": NOON - timedelta(days=n), "team": TEAMS[n % 5]} for n in range(40)]
        w.load("tickets", [row(n, {**one, "resolved_at": one["created_at"]}) for n, one in enumerate(days)])
        w.now = moment("2026-03-16 13:30")
        w.measure(w.now)
        for minute in (1, 2):
            come(w, [{**PLAIN, "created_at": NOON + timedelta(minutes=minute), "team": team} for team in TEAMS])
        yield w


def come(w: World, rows: Sequence[Row], *keys: int) -> None:
    """A load and the tick after it; rows without keys get new ones."""
    first = 1000 + w.engine.query("SELECT count(*) FROM main.tickets").item()
    numbered = [row(keys[n] if n < len(keys) else first + n, one) for n, one in enumerate(rows)]
    before = w.measure(w.now, {})
    assert_changes_named(before, w.measure(w.now, {"tickets": w.load("tickets", numbered)}))


def reads(monkeypatch: pytest.MonkeyPatch, w: World) -> list[pl.DataFrame | None]:
    """The rows of one generation that the warehouse is asked for from now on."""
    seen: list[pl.DataFrame | None] = []
    query = w.engine.query_as_of

    def spy(standing: Standing, sql: str) -> pl.DataFrame | None:
        seen.append(query(standing, sql))
        return seen[-1]

    monkeypatch.setattr(w.engine, "query_as_of", spy)
    return seen


def is_as_computed_anew(w: World) -> None:
    """What was measured is what a new meter finds, and what is kept is what the rows give, number by number."""
    measured = w.measure(w.now, {})
    audited = w.meter.audit("tickets", lambda: w.measure(w.now, {}))
    assert audited is not None
    assert audited.differences == 0, audited.said
    assert_equal(w.fresh().measure(w.now, None), measured)


def at(minute: float, **more: Any) -> Row:
    return {**PLAIN, "created_at": NOON + timedelta(minutes=minute), **more}


def test_rows_at_the_end_are_read_once_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as w:
        touched = w.load("tickets", [row(500 + n, at(3 + n / 9, minutes=n, team=TEAMS[n % 5])) for n in range(20)])
        asked, read = watched(monkeypatch, w), reads(monkeypatch, w)
        w.measure(w.now, {"tickets": touched})
        assert [sql for sql in asked if '"tickets"' in sql and "AS cut(" not in sql] == []
        assert [0 if frame is None else len(frame) for frame in read] == [20 + len(TEAMS)], (
            "the rows, and those of the newest moment before"
        )
        monkeypatch.undo()
        is_as_computed_anew(w)


ODD: dict[str, Callable[[int], list[Row]]] = {
    "late": lambda m: [at(m - 600), at(m)],
    "of another day": lambda m: [at(m - 60 * 24 * 3), at(m)],
    "of the newest moment": lambda m: [at(m - 1), at(m - 1, team="sales"), at(m - 1)],
    "the same as one that is there": lambda m: [at(m - 1, minutes=1.5)],
    "resolved long ago": lambda m: [at(m, resolved_at=NOON - timedelta(days=9))],
    "resolved on a day without rows": lambda m: [at(m, resolved_at=NOON - timedelta(days=90))],
    "of a new team": lambda m: [at(m, team="sales"), at(m + 0.5, team="somebody")],
    "without a time": lambda m: [at(m, created_at=None, resolved_at=NOON), at(m)],
    "ahead of the clock": lambda m: [at(m), at(m + 300, resolved_at=NOON + timedelta(minutes=m + 330))],
    "resolved ahead of the clock": lambda m: [at(m, resolved_at=NOON + timedelta(minutes=m + 300))],
    "too large to be added up": lambda m: [at(m, cost="99999999999999999999999999.5", minutes=1e300)],
}


@pytest.mark.slow
def test_rows_that_come_otherwise_give_what_all_rows_give() -> None:
    with mock.patch.object(arrivals, "LONGEST_WAIT", 0), running() as w:
        minute = 4
        for odd, rows in ODD.items():
            for some in (rows(minute), [at(minute + 1, minutes=2.5, team=None), at(minute + 1, minutes=1.5)]):
                come(w, some)
                audited = w.meter.audit("tickets", lambda: w.measure(w.now, {}))
                assert audited is not None
                assert audited.differences == 0, (odd, audited.said)
            minute += 4
            if "ahead" in odd:  # until the clock has come that far
                w.now += timedelta(hours=6)
                minute += 360
                come(w, [at(minute - 1)])
        is_as_computed_anew(w)


def test_rows_that_change_are_no_rows_that_come() -> None:
    with running() as w:
        come(w, [at(3, minutes=99.0), at(4)], 3)
        come(w, [at(4, minutes=0.1)])
        is_as_computed_anew(w)


def test_a_load_that_comes_in_between_is_counted_once() -> None:
    """The rows of a later load than the one that is measured are there already, or come while it is being measured."""
    with running() as w:
        for first, second in (([at(3)], [at(4), at(2)]), ([at(-9), at(6)], [at(7)])):
            numbers = [2000 + w.generation("tickets") * 10 + n for n in range(4)]
            one = w.load("tickets", [row(numbers[n], each) for n, each in enumerate(first)])
            other = w.load("tickets", [row(numbers[2 + n], each) for n, each in enumerate(second)])
            w.measure(w.now, {"tickets": one})
            w.measure(w.now, {"tickets": other})
            is_as_computed_anew(w)


def test_days_that_are_read_once_a_load_has_come_in_are_not_added_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The days of which comparisons ask are read last: the rows of a load that has come in by then are among them already."""
    with running([m for m in METRICS if m.name in ("n", "p90")]) as w:
        w.now += timedelta(days=1)
        first = w.load("tickets", [row(900, at(1440))])
        days = [at(1441 + n, resolved_at=NOON - timedelta(days=n, minutes=30)) for n in range(50)]
        later: list[Touched] = []
        seen = reads(monkeypatch, w)
        query = w.engine.query_as_of

        def and_load(standing: Standing, sql: str) -> pl.DataFrame | None:
            found = query(standing, sql)
            if (
                len(seen) == 2
            ):  # first whether rows have come at the end, then, as the day is a new one, which ones are there
                later.append(w.load("tickets", [row(901 + n, one) for n, one in enumerate(days)]))
            return found

        monkeypatch.setattr(w.engine, "query_as_of", and_load)
        w.measure(w.now, {"tickets": first})
        w.measure(w.now, {"tickets": later[0]})
        is_as_computed_anew(w)


def test_rows_are_those_of_a_generation_or_none() -> None:
    with running() as w:
        standing = w.engine.standing("tickets")
        assert standing is not None
        asked = "SELECT count(*) AS n FROM main.tickets"
        found = w.engine.query_as_of(standing, asked)
        assert found is not None
        assert found.item() == standing.rows
        w.load("tickets", [row(900, at(5))])
        assert w.engine.query_as_of(standing, asked) is None


def test_where_rows_do_not_come_at_the_end_it_is_seldom_looked_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as w:
        read = reads(monkeypatch, w)
        for n in range(8):
            come(w, [at(-n)])
        assert len(read) <= 4
        is_as_computed_anew(w)


KINDS = ("end", "end", "end", "end", "late", "change", "delete", "tie", "night", "reopen")


@pytest.mark.slow
@settings(HISTORIES, max_examples=times(2))
@given(st.integers(0, 2**32))
def test_any_history_gives_what_all_rows_give(seed: int) -> None:
    chance = Random(seed)
    with mock.patch.object(arrivals, "MOST_AT_EDGE", chance.choice((1, 1000))), running() as w:
        rows = {n: at(-60 * 24 * n) for n in range(40)}
        newest = 2.0
        for step in range(12):
            kind = chance.choice(KINDS)
            w.now += timedelta(minutes=60 * 14 if kind == "night" else 5)
            newest += 60 * 14 if kind == "night" else 0.5 if kind != "tie" else 0
            when = newest - chance.choice((1, 600, 5000)) if kind == "late" else newest
            put = {
                (chance.choice(list(rows)) if kind == "change" else 5000 + 10 * step + n): at(
                    when,
                    resolved_at=chance.choice((None, NOON + timedelta(minutes=when - chance.randrange(90)))),
                    minutes=chance.choice(MINUTES),
                    cost=chance.choice(("1.10", "0.05", "-2.20")),
                    team=chance.choice(TEAMS),
                    customer=chance.choice("abc"),
                )
                for n in range(chance.randint(1, 4))
            }
            rows |= put
            touched = w.load("tickets", [row(key, one) for key, one in put.items()], at=w.now)
            if kind == "reopen":
                w.meter.write_down()
                w.meter = w.fresh()
            w.measure(w.now, {"tickets": touched})
        is_as_computed_anew(w)
