"""A refresh recomputes only what was touched, and must equal computing everything from the rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorecard.book.expressions import expression
from scorecard.book.model.metric import Age, Change, Cumulative, Fold, Level, Stock
from scorecard.book.model.organization import Organization
from scorecard.judgement.targets import Target, Versus
from scorecard.measures.run import Meter
from scorecard.measures.states import settled
from scorecard.measures.table import Table
from scorecard.measures.values import Measured
from scorecard.warehouse.engine import Touched
from tests.amounts import times
from tests.measuring import (
    ANA,
    BY_TEAM,
    World,
    average,
    cohort,
    count,
    distinct,
    formula,
    metric,
    moment,
    quantile,
    ratio,
    total,
    values,
)

COLUMNS = {
    "id": "integer",
    "created_at": "timestamp",
    "resolved_at": "timestamp",
    "minutes": "double",
    "cost": "decimal",
    "team": "text",
    "customer": "text",
}


def level(of: str, *key: str, fold: Fold = "last", carry: bool = False) -> Level:
    return Level(expression(of), key, fold, carry)


METRICS = (
    metric("n", count(), split=BY_TEAM, grain="day", targets=(Target(3.0), Target(9.0, grain="week", team="support"))),
    metric("resolved", count("resolved_at"), time="resolved_at", grain="hour", targets=(Target(1.0, grain="week"),)),
    metric("cost", total("cost"), split=BY_TEAM, targets=(Target(3.0), Target(9.0, grain="month"))),
    metric("minutes", total("minutes"), where="team is not null"),
    metric("mean", average("minutes"), split=BY_TEAM),
    metric("median", quantile("minutes"), split=BY_TEAM),
    metric("p90", quantile("resolved_at - created_at", 0.9), unit="h", time="resolved_at"),
    metric("customers", distinct("customer"), split=BY_TEAM),
    metric("late_customers", distinct("customer"), where="minutes > 30"),
    metric("late_by_team", distinct("customer"), where="minutes > 7", split=BY_TEAM),
    metric("fast", ratio("count_if(minutes <= 30)", "rows"), split=BY_TEAM),
    metric("solved", cohort("count_if(resolved_at - created_at <= interval 7 day)", "rows"), split=BY_TEAM),
    metric("range", ratio("max(minutes) - min(minutes)", "count(minutes)"), split=BY_TEAM),
    metric("open", Stock("created_at", "resolved_at"), split=BY_TEAM, grain="day"),
    metric("open_cost", Stock("created_at", "resolved_at", total("cost").of)),
    metric("stock", level("cost", "customer"), split=BY_TEAM, grain="day"),
    metric("stock_mean", level("minutes", fold="mean"), split=BY_TEAM),
    metric("stock_max", level("minutes", "customer", fold="max"), where="team is not null", grain="month"),
    metric("mrr", level("cost", "customer", carry=True), split=BY_TEAM, grain="hour"),
    metric("mrr_mean", level("minutes * 2", "customer", fold="mean", carry=True), split=BY_TEAM),
    metric("mrr_max", level("cost", "customer", "team", fold="max", carry=True), grain="day"),
    metric("mrr_all", level("minutes", carry=True), time="resolved_at"),
    metric("age_p90", Age("created_at", "resolved_at"), unit="d", split=BY_TEAM, grain="day"),
    metric("age_median", Age("created_at", "resolved_at", 0.5), unit="h", where="minutes > 7", grain="hour"),
    metric("aged", Age("created_at", "resolved_at", None, 5 * 86_400), unit="percent", split=BY_TEAM),
    metric("aged_cost", formula("aged * mrr - previous(age_p90) + stock")),
    metric("mrr_growth", Change("mrr", Versus("back", 1)), grain="month"),
    metric("cost_each", formula("cost / n")),
    metric("pace", formula("n / days - year_ago(n) / 365 + previous(n)")),
    metric("growth", Change("n", Versus("mean_of", 3))),
    metric("n_year", Cumulative("n", "year")),
    metric("n_rolling", Cumulative("n", None, 2), grain="day"),
    metric("range_month", Cumulative("range", "month")),
    metric("customers_rolling", Cumulative("customers", None, 2)),
    metric("median_month", Cumulative("median", "month")),
    metric("fast_rolling", Cumulative("fast", None, 3)),
    metric("cost_each_year", Cumulative("cost_each", "year")),
    metric("run_rate", formula("n_year / days + year_ago(range_month) - previous(customers_rolling)")),
    metric("shift", Change("median", Versus("back", 2), "points")),
)
"""Every measure there is, one line each: what is new is added here."""
HOURLY = {"resolved", "mrr", "mrr_growth", "age_median", "aged_cost"}
BY_VALUE = {
    "n",
    "median",
    "p90",
    "customers",
    "late_customers",
    "late_by_team",
    "customers_rolling",
    "median_month",
    "shift",
}
NOT_HOURLY = tuple(m for m in METRICS if m.name not in HOURLY)
"""Without those of thousands of cells, which are made in the same way."""
BEGIN = datetime(2026, 2, 20)  # noqa: DTZ001 - the rows say that it is UTC
TEAMS = ("support", "Support DE", " SALES ", "night-shift", "nobody", None)
MINUTES = (0.1, 30.0, 1e-9, 7.25, -3.3, *[None] * 5)
KINDS = ("put", "put", "put", "delete", "empty", "nothing", "reopen", "roll back", "roll back", "approve", "reject")


def drawn_rows(chance: Random, most: int) -> list[tuple[int, dict[str, Any]]]:
    """Some rows with their keys, out of few."""

    def time(missing: float) -> datetime | None:
        return None if chance.random() < missing else BEGIN + timedelta(minutes=chance.randrange(60 * 24 * 50))

    def drawn() -> dict[str, Any]:
        return {
            "created_at": time(0.25),
            "resolved_at": time(0.5),
            "minutes": chance.choice(MINUTES),
            "cost": chance.choice(("1.10", "0.05", "-2.20")),
            "team": chance.choice(TEAMS),
            "customer": chance.choice(("a", "b", "c", None)),
        }

    return [(chance.randint(1, 12), drawn()) for _ in range(chance.randint(1, most))]


def drawn_history(seed: int) -> tuple[list[Any], list[Any]]:
    """The first rows, and steps: (what, rows, minutes later)."""
    chance = Random(seed)
    steps = [
        (chance.choice(KINDS), drawn_rows(chance, 5), chance.randint(0, 60 * 24 * 6))
        for _ in range(chance.randint(2, 3))
    ]
    return drawn_rows(chance, 12), steps


_FIRST = {
    "created_at": BEGIN + timedelta(days=3),
    "resolved_at": None,
    "minutes": 30.0,
    "cost": "1.10",
    "team": "support",
}
_THEN = {**_FIRST, "created_at": BEGIN + timedelta(days=20), "resolved_at": BEGIN + timedelta(days=21), "customer": "b"}
DECIDED = [
    (what, [(key, {"customer": "a", **given})], 700)
    for what, key, given in (
        ("put", 1, _THEN),
        ("approve", 2, _THEN),
        ("roll back", 1, _FIRST),
        ("reject", 1, _THEN),
        ("roll back", 2, _FIRST),
        ("approve", 1, {**_THEN, "minutes": None}),
    )
]
"""Every kind of decision once, whatever the random histories hold."""


@contextmanager
def world(*metrics: Any) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder), Organization("Test", ANA, "America/New_York", week_starts=6, fiscal_year_starts=4))
        made.now = moment("2026-03-16 15:30")
        made.source("tickets", COLUMNS)
        made.open(*(metrics or METRICS))
        try:
            yield made
        finally:
            made.close()


def watched(monkeypatch: pytest.MonkeyPatch, w: World) -> list[str]:
    """The statements that the warehouse is asked from now on."""
    seen: list[str] = []
    query = w.engine.query

    def spy(sql: str, parameters: Any = (), **more: Any) -> pl.DataFrame:
        seen.append(sql)
        return query(sql, parameters, **more)

    monkeypatch.setattr(w.engine, "query", spy)
    return seen


def row(key: int, given: Mapping[str, Any]) -> dict[str, object]:
    times = {c: None if given[c] is None else f"{given[c].isoformat()}Z" for c in ("created_at", "resolved_at")}
    return {"id": key, **given, **times}


def assert_equal(one: Measured, other: Measured) -> None:
    assert one.problems == other.problems == {}
    assert set(one.series) == set(other.series)
    for key, series in one.series.items():
        assert series.periods == other.series[key].periods, key
        assert series.cells == other.series[key].cells, key
        assert series.cuts == other.series[key].cuts, key
    assert one.shares == other.shares
    assert (one.unassigned, one.future_rows, one.undated_rows) == (
        other.unassigned,
        other.future_rows,
        other.undated_rows,
    )


def assert_changes_named(before: Measured, after: Measured) -> None:
    """Every cell that differs is named in ``changed``."""
    assert after.changed is not None
    for key, series in after.series.items():
        old = before.series.get(key)
        named = after.changed.get(key, frozenset())
        if old is None or old.periods[:1] != series.periods[:1]:
            assert named == frozenset(range(len(series.cells)))
            continue
        differs = {i for i, c in enumerate(series.cells) if i >= len(old.cells) or old.cells[i] != c}
        assert differs <= named, key


HISTORIES = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate])
"""Each opens a warehouse: they are few and long, none is a trivial one, and to make them smaller would take an hour."""


@pytest.mark.slow
@settings(HISTORIES, max_examples=times(2))
@given(st.integers(0, 2**32))
def test_incremental_equals_full(seed: int) -> None:
    with mock.patch.object(settled, "FROM_ROWS", 0), world() as w:
        go_through(w, *drawn_history(seed))


@pytest.mark.slow
@settings(HISTORIES, max_examples=times(2))
@given(st.integers(0, 2**32))
def test_quantiles_and_distinct_counts_equal_full_where_all_periods_are_short(seed: int) -> None:
    """Only they are kept in another way then."""
    with world(*(m for m in METRICS if m.name in BY_VALUE)) as w:
        go_through(w, *drawn_history(~seed))


def test_what_people_decide_of_loads_is_a_step_like_any_other() -> None:
    """Every kind of decision, whatever the random histories hold, on one metric of each way to keep a state."""
    some = {
        "n",
        "cost",
        "median",
        "late_by_team",
        "fast",
        "solved",
        "open",
        "stock_mean",
        "mrr",
        "age_p90",
        "customers",
    }
    metrics = [m for m in METRICS if m.name in some]
    with mock.patch.object(settled, "FROM_ROWS", 0), world(*metrics) as w:
        go_through(w, [(n, {**_FIRST, "customer": "a"}) for n in (1, 2)], DECIDED)


def go_through(w: World, first: Sequence[Any], steps: Sequence[Any]) -> None:
    """Load by load and decision by decision; in the end all is as if it were computed for the first time."""
    rows = {key: row(key, given) for key, given in first}
    w.load("tickets", list(rows.values()))
    now = w.now
    measured = w.measure(now)
    were = {w.generation("tickets"): dict(rows)}
    for what, changes, minutes in steps:
        now += timedelta(minutes=minutes)
        touched: dict[str, Touched] = {}
        if what in ("put", "reopen"):
            put = {key: row(key, given) for key, given in changes}
            rows |= put
            touched["tickets"] = w.load("tickets", list(put.values()), at=now)
        elif what == "delete" and len(rows) > 1:
            rows.pop(sorted(rows)[changes[0][0] % len(rows)])
            touched["tickets"] = w.load("tickets", list(rows.values()), at=now, full=True)
        elif what == "empty":
            rows.clear()
            touched["tickets"] = w.load("tickets", [], at=now, full=True)
        elif what in {"approve", "reject"}:
            put = {key: row(key, given) for key, given in changes}
            rows |= put if what == "approve" else {}
            touched["tickets"] = w.propose("tickets", list(put.values()), now, what)
        elif what == "roll back" and (back := w.roll_back("tickets", changes[0][0], now)) is not None:
            rows = dict(were[back[0]])
            touched["tickets"] = back[1]
        were[w.generation("tickets")] = dict(rows)
        assert w.engine.query("SELECT count(*) FROM main.tickets").item() == len(rows)
        if what == "reopen":
            w.meter = w.fresh()
            measured = w.measure(now, touched)
            continue
        before, measured = measured, w.measure(now, touched)
        assert_changes_named(before, measured)
    kept = w.fresh().measure(now, {})
    assert_equal(kept, measured)
    assert_equal(w.fresh().measure(now, None), measured)


def test_what_is_asked_later_is_what_it_was() -> None:
    """Cells are made when they are asked for: by then rows have come, moved and gone, also those of days that were cut."""
    base = {"minutes": 5.0, "cost": "1.10", "team": "support", "customer": "a"}
    moments = [BEGIN + timedelta(hours=7 * n) for n in range(80)]
    teams = ("support", "night-shift", None)
    with mock.patch.object(settled, "FROM_ROWS", 0), world(*NOT_HOURLY) as w:
        varied = [
            {
                "minutes": n * 1.5,
                "team": teams[n % 3],
                "customer": "abcdefg"[n % 7],
                "created_at": at,
                "resolved_at": at,
            }
            for n, at in enumerate(moments)
        ]
        w.load("tickets", [row(n, {**base, **one}) for n, one in enumerate(varied)])
        seen: list[tuple[Measured, dict[Any, Any]]] = []
        touched: dict[str, Touched] | None = None
        for step in range(3):
            measured = w.measure(w.now + timedelta(hours=9), touched)
            assert isinstance(measured.series, Table)
            apart = {key: measured.series.groups[key[:2]].make(key[2]) for key in measured.series}
            seen.append((measured, {key: (tuple(one.cells), dict(one.cuts)) for key, one in apart.items()}))
            now = w.now.replace(tzinfo=None)
            late = {**base, "created_at": moments[25 * step], "resolved_at": now, "customer": "z"}
            new = {**late, "created_at": now, "minutes": 99.0 + step}
            touched = {"tickets": w.load("tickets", [row(900 + step, late), row(800 + step, new), row(step, new)])}
        for measured, then in seen:
            assert {key: (tuple(one.cells), dict(one.cuts)) for key, one in measured.series.items()} == then


def test_a_row_that_moves_between_weeks_changes_both() -> None:
    with world(*NOT_HOURLY) as w:
        a = {"id": 1, "created_at": "2026-03-03T10:00:00Z", "minutes": 5, "cost": "1", "team": "sales", "customer": "a"}
        b = {**a, "id": 2, "created_at": "2026-03-04T10:00:00Z"}
        w.load("tickets", [a, b])
        before = w.measure()
        assert values(before, "n")["2026-W09"] == 2
        touched = w.load("tickets", [{**b, "created_at": "2026-03-12T10:00:00Z"}])
        after = w.measure(None, {"tickets": touched})
        assert values(after, "n")["2026-W09"] == 1
        assert values(after, "n")["2026-W10"] == 1
        assert after.changed is not None
        assert after.changed["n", "week", None] >= {0, 1}
        assert_equal(w.fresh().measure(w.now, None), after)


def test_a_rollback_names_the_periods_that_are_not_covered_any_more() -> None:
    """They had 0 while a later load covered them, on whatever day that load's rows were."""
    with world(metric("n", count(), grain="day"), metric("year", Cumulative("n", "year"), grain="day")) as w:
        a = {"id": 1, "created_at": "2026-03-03T10:00:00Z"}
        w.load("tickets", [a])
        w.measure()
        later = w.now + timedelta(days=5)
        touched = w.load("tickets", [{**a, "id": 2}], at=later)
        before = w.measure(later, {"tickets": touched})
        back = w.roll_back("tickets", 1, later)
        assert back is not None
        after = w.measure(later, {"tickets": back[1]})
        assert values(before, "n", "day")["2026-03-19"] == 0
        assert values(after, "n", "day")["2026-03-19"] is None
        assert_changes_named(before, after)


def test_only_the_touched_days_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick's statements on the source's rows are all bounded by the touched periods."""
    with world(metric("n", count(), split=BY_TEAM), metric("d", distinct("customer"), grain="month")) as w:
        base = {"minutes": 5, "cost": "1", "team": "sales", "customer": "a"}
        w.load("tickets", [{**base, "id": i, "created_at": f"2026-03-{i:02d}T12:00:00Z"} for i in range(1, 16)])
        w.measure()
        touched = w.load("tickets", [{**base, "id": 99, "created_at": "2026-03-16T12:00:00Z"}])
        seen = watched(monkeypatch, w)
        w.measure(None, {"tickets": touched})
        on_rows = [s for s in seen if 'main."tickets"' in s and "count(*) FROM main" not in s and "LIMIT 1" not in s]
        assert on_rows
        assert all("DATE '" in s for s in on_rows)


def test_a_changed_definition_recomputes_only_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(metric("n", count()), metric("cost", total("cost"))) as w:
        w.load("tickets", [{"id": 1, "created_at": "2026-03-03T10:00:00Z", "cost": "1", "minutes": 3}])
        first = w.measure()
        w.use(metric("n", count()), metric("cost", total("cost * 2")))
        seen = watched(monkeypatch, w)
        second = w.measure(None, {})
        assert values(second, "n") == values(first, "n")
        assert values(second, "cost")["2026-W09"] == 2
        scans = [
            s for s in seen if "GROUP BY bucket, slice" in s and "_day_created_at" in s and "make_timestamp" not in s
        ]
        assert len(scans) == 1
        assert "* 2" in scans[0]
        assert "count(v_0)" in scans[0]
        assert "v_1" not in scans[0]


def test_a_load_that_was_missed_makes_everything_new() -> None:
    """A process that dies between a load and its measuring must not leave a hole behind."""
    with world(metric("n", count())) as w:
        a = {"id": 1, "created_at": "2026-03-03T10:00:00Z"}
        w.load("tickets", [a])
        w.measure()
        w.load("tickets", [{**a, "id": 2}])  # never measured: the process died here
        touched = w.load("tickets", [{**a, "id": 3, "created_at": "2026-03-10T10:00:00Z"}])
        measured = w.fresh().measure(w.now, {"tickets": touched})
        assert values(measured, "n") == {"2026-W09": 2, "2026-W10": 1, "2026-W11": 0}


def test_rows_ahead_of_the_clock_count_when_their_time_comes() -> None:
    with world(metric("n", count(), grain="day")) as w:
        w.load(
            "tickets",
            [{"id": 1, "created_at": "2026-03-16T10:00:00Z"}, {"id": 2, "created_at": "2026-03-17T10:00:00Z"}],
        )
        first = w.measure()
        assert (sum(v or 0 for v in values(first, "n", "day").values()), first.future_rows) == (1, {"tickets": 1})
        w.load("tickets", [], at=moment("2026-03-17 12:00"))
        later = w.measure("2026-03-17 12:00", {"tickets": Touched()})
        assert values(later, "n", "day") == {"2026-03-16": 1, "2026-03-17": 1}
        assert later.future_rows == {"tickets": 0}
        back = w.measure("2026-03-16 15:30", {})
        assert values(back, "n", "day") == {"2026-03-16": 1}


def test_another_meter_on_the_same_warehouse_does_no_harm() -> None:
    """A second meter with other metrics, an earlier clock and its own loads must not change what the first one says."""
    with world(metric("n", count(), grain="day"), metric("m", quantile("minutes"))) as w:
        a = {"id": 1, "created_at": "2026-03-03T10:00:00Z", "minutes": 4}
        w.load("tickets", [a, {**a, "id": 2, "created_at": "2026-03-16T10:00:00Z"}])
        w.measure()
        first, book = w.meter, w.book
        w.use(metric("n", count(), grain="day"), metric("cost", total("cost")))
        w.meter.measure(moment("2026-03-10 12:00"), None)
        touched = w.load("tickets", [{**a, "id": 3, "minutes": 8}])
        w.book, w.meter = book, first
        measured = w.measure(None, {"tickets": touched})
        assert {k: v for k, v in values(measured, "n", "day").items() if v} == {"2026-03-03": 2, "2026-03-16": 1}
        assert_equal(w.fresh().measure(w.now, None), measured)


def test_a_killed_process_counts_again_only_what_was_touched() -> None:
    """What ticks count is written later. Who was killed before that finds in the source which days to count again."""
    metrics = (
        metric("n", count(), split=BY_TEAM, grain="day"),
        metric("m", quantile("minutes"), grain="day"),
        metric("d", distinct("customer"), grain="month"),
    )
    with mock.patch.object(settled, "FROM_ROWS", 0), world(*metrics) as w:
        base = {"minutes": 5, "cost": "1", "team": "sales", "customer": "a"}
        w.load("tickets", [{**base, "id": i, "created_at": f"2026-03-{i:02d}T12:00:00Z"} for i in range(1, 16)])
        w.measure()
        for number, day in ((90, "2026-03-16"), (91, "2026-03-05"), (92, "2026-03-16")):
            new = {**base, "id": number, "created_at": f"{day}T12:00:00Z", "customer": str(number), "minutes": number}
            measured = w.measure(None, {"tickets": w.load("tickets", [new])})
        written = w.engine.query("SELECT min(generation) AS g FROM meter.known").item()
        standing = w.engine.standing("tickets")
        assert standing is not None
        assert written < standing.generation
        known = w.fresh()
        assert_equal(known.measure(w.now, {}), measured)
        w.engine.write([("UPDATE meter.additive SET n = n + 100 WHERE bucket = TIMESTAMP '2026-03-10'", ())])
        w.load("tickets", [{**base, "id": 93, "created_at": "2026-03-11T12:00:00Z"}])  # and never measured
        again = w.fresh().measure(w.now, {})
        assert values(again, "n", "day")["2026-03-11"] == 2
        assert values(again, "n", "day")["2026-03-10"] == 101  # an untouched day is not counted again


def test_what_was_counted_is_written_down_at_the_end() -> None:
    with mock.patch.object(settled, "FROM_ROWS", 0), world(metric("n", count()), metric("m", quantile("minutes"))) as w:
        base = {"minutes": 5, "cost": "1", "team": "sales", "customer": "a"}
        w.load("tickets", [{**base, "id": i, "created_at": f"2026-03-{i:02d}T12:00:00Z"} for i in range(1, 16)])
        w.measure()
        touched = w.load("tickets", [{**base, "id": 90, "minutes": 9, "created_at": "2026-03-16T12:00:00Z"}])
        measured = w.measure(None, {"tickets": touched})
        w.meter.write_down()
        standing = w.engine.standing("tickets")
        assert standing is not None
        generations = w.engine.query("SELECT DISTINCT generation FROM meter.known")["generation"].to_list()
        assert generations == [standing.generation]
        w.engine.write([("UPDATE meter.bags SET x = x + 1 WHERE grain = 'week' AND bucket = '2026-03-15'", ())])
        again = w.fresh().measure(w.now, {})
        assert values(again, "m")["2026-W11"] == (values(measured, "m")["2026-W11"] or 0) + 1  # read, not counted


def test_a_day_that_grows_is_the_day_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a day to which rows come only these are read, if they come at its end; rows of the very same moment, or before it, count
    as well."""
    metrics = (
        metric("m", quantile("minutes"), split=BY_TEAM),
        metric("d", distinct("customer"), split=BY_TEAM),
        metric("late", quantile("minutes", 0.9), time="resolved_at"),
    )
    teams = ("support", "sales", None, "night-shift")
    with mock.patch.object(settled, "FROM_ROWS", 0), world(*metrics) as w:
        numbers = iter(range(1000))

        def come(*clocks: str) -> dict[str, Touched]:
            rows = []
            for clock in clocks:
                n = next(numbers)
                at = f"2026-03-16T{clock}Z"
                own = {"id": n, "created_at": at, "resolved_at": at, "minutes": n % 7, "customer": str(n % 5)}
                rows.append({**own, "team": teams[n % 4], "cost": "1"})
            return {"tickets": w.load("tickets", rows)}

        old = {"minutes": 3, "customer": "x", "team": "sales", "cost": "1"}
        w.load("tickets", [{**old, "id": 2000 + i, "created_at": f"2026-03-{i:02d}T12:00:00Z"} for i in range(1, 16)])
        w.measure()
        seen = watched(monkeypatch, w)
        for clocks in (
            ("08:00:00", "09:00:00"),
            ("10:00:00", "11:00:00"),
            ("11:00:00", "12:00:00"),  # one of the very same moment
            ("09:30:00", "13:00:00"),  # one before it
            ("18:00:00",),  # ahead of the clock
            ("13:00:00",),
        ):
            measured = w.measure(None, come(*clocks))
            with w.engine.trial() as aside:  # another meter on the same warehouse would end what this one remembers
                assert_equal(Meter(aside, w.book, w.calendar).measure(w.now, None), measured)
        assert sum("AS all_rows" in sql for sql in seen) >= 8
        later = w.measure("2026-03-16 20:00", {})
        assert_equal(w.fresh().measure(moment("2026-03-16 20:00"), None), later)
