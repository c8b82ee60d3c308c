"""The pass that counts what does not add up gives what one statement for each state gives, to the last digit, and in any portions."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorecard.book.model.metric import Split
from scorecard.ground.clock import FixedClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures import counting, run, sweep
from scorecard.measures.states import once, ranks, settled
from scorecard.measures.states.layout import coded, days_laid_out
from scorecard.measures.states.runs import Runs
from scorecard.measures.states.sorting import Cells, Portion, Run, cells_sorted
from scorecard.warehouse.duck import DuckWarehouse
from tests.amounts import times
from tests.measuring import BY_TEAM, World, distinct, metric, moment, quantile

COLUMNS = {
    "id": "integer", "created_at": "timestamp", "resolved_at": "timestamp", "minutes": "double", "team": "text",
    "process": "text", "customer": "integer", "name": "text",
}  # fmt: skip
BY_PROCESS = Split("process", "process")
HIGH = "minutes > 2"
METRICS = (
    metric("median", quantile("minutes"), split=BY_TEAM, grain="day"),
    metric("p90", quantile("minutes", 0.9), split=BY_TEAM),
    metric("high", quantile("minutes", 0.25), split=BY_TEAM, where=HIGH),
    metric("guarded", quantile("1 / customer", 0.3), split=BY_TEAM, where="customer <> 0"),
    metric("resolved", quantile("minutes"), split=BY_TEAM, time="resolved_at"),
    metric("by_process", quantile("minutes"), split=BY_PROCESS),
    metric("endless", quantile("minutes * 1e100"), split=BY_TEAM),
    metric("by_hour", quantile("minutes"), grain="hour"),
    metric("customers", distinct("customer"), split=BY_TEAM),
    metric("customers_high", distinct("customer"), split=BY_TEAM, where=HIGH),
    metric("customers_by_day", distinct("customer"), grain="day"),
    metric("customers_of_processes", distinct("customer"), split=BY_PROCESS, grain="month"),
    metric("customers_low", distinct("customer"), split=BY_TEAM, where="minutes < 2"),
    metric("names", distinct("name"), split=BY_TEAM),
)
BEGIN = moment("2025-11-20 00:00")
NUMBERS = st.sampled_from(["1.5", "2.5", "2.5", "4", "-3.25", "1e300", None])
ROW = st.fixed_dictionaries(
    {
        "created_at": st.integers(0, 100 * 24).map(lambda h: BEGIN + timedelta(hours=h)),
        "resolved_at": st.none() | st.integers(0, 100 * 24).map(lambda h: BEGIN + timedelta(hours=h)),
        "minutes": NUMBERS,
        "team": st.sampled_from(["support", "Support", "Support DE", "operations", "sales", "nobody", None]),
        "process": st.sampled_from(["returns", "RMA", None]),
        "customer": st.sampled_from(["0", "1", "2", "7", "-9000000000", None]),
        "name": st.sampled_from(["a", "b", None]),
    }
)


def kept(world: World) -> object:
    return world.engine.query("SELECT * FROM meter.bags ORDER BY ALL").rows()


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)
@given(
    rows=st.lists(ROW, min_size=1, max_size=40),
    in_hand=st.sampled_from([3, 20, 1000]),
    table_bits=st.sampled_from([1, 18]),
    shared=st.sampled_from([0, 10**9]),
)
def test_it_equals_statements(rows: list[dict[str, object]], in_hand: int, table_bits: int, shared: int) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(settled, "FROM_ROWS", 0):
        world = World(Path(folder))
        world.now = moment("2026-03-01 12:00")
        world.source("tickets", COLUMNS)
        world.open(*METRICS)
        world.load("tickets", [{"id": i, **row} for i, row in enumerate(rows)])
        with (
            mock.patch.object(sweep, "ROWS_IN_HAND", in_hand),
            mock.patch.object(once, "AT_ONCE", in_hand),
            mock.patch.object(sweep, "TABLE_BITS", table_bits),
            mock.patch.object(counting, "ROWS_TO_SHARE", shared),
            mock.patch.object(run.LOG, "exception") as attempted,
        ):
            measured = world.measure()
            found, cuts = kept(world), {key: dict(series.cuts) for key, series in measured.series.items()}
        assert not measured.problems
        assert not attempted.called, "no part of it was given up and left to statements"
        with mock.patch.object(sweep, "ROWS_IN_HAND", 0), mock.patch.object(sweep, "MOST_IN_HAND", 0):
            measured = world.measure()
            assert kept(world) == found
            assert {key: dict(series.cuts) for key, series in measured.series.items()} == cuts
        world.close()


class Noting(DuckWarehouse):
    """Remembers what it was asked."""

    asked: ClassVar[list[str]] = []

    def query(self, sql: str, parameters: Sequence[Any] = (), *, many: bool = False) -> pl.DataFrame:
        self.asked.append(sql)
        return super().query(sql, parameters, many=many)


def test_what_goes_with_the_pass_is_not_asked_of_the_engine(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.source("tickets", COLUMNS)
    world.open().engine.close()
    world.engine = Noting.open(tmp_path, FixedClock(world.now))
    world.use(*(m for m in METRICS if m.name not in ("by_hour", "names")))
    rows = [{"id": i, "created_at": BEGIN, "minutes": "1.5", "customer": i, "team": "support"} for i in range(9)]
    world.load("tickets", rows)
    for table_bits in (18, 1):
        Noting.asked.clear()
        with mock.patch.object(sweep, "TABLE_BITS", table_bits), mock.patch.object(settled, "FROM_ROWS", 0):
            world.meter.measure(world.now, None)
        passes = [sql for sql in Noting.asked if " AS code, " in sql]
        assert len(passes) == (3 if table_bits == 18 else 5)  # time columns and splits
        of_all_days = [sql for sql in Noting.asked if '_at" IS NOT NULL AND' in sql]
        assert not [sql for sql in of_all_days if "quantile_cont(f_" in sql or "count_if(n_" in sql]
    world.close()


def test_what_does_not_fit_is_counted_by_statements(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.source("tickets", COLUMNS)
    world.open(*METRICS)
    rows = [{"id": i, "created_at": BEGIN, "customer": c} for i, c in enumerate(("1", str(2**63 - 1), str(-(2**63))))]
    world.load("tickets", rows)
    measured = world.measure()
    assert measured.series["customers", "week", None].cells[0].value == 3
    with mock.patch.object(sweep, "MOST_IN_HAND", 1), mock.patch.object(sweep, "ROWS_IN_HAND", 1):
        before = kept(world)
        world.meter.measure(world.now, None)
        assert kept(world) == before
    world.close()


def runs_of(parts: list[list[float]]) -> list[Run]:
    return [Run(memoryview(array("d", [0.0, *sorted(p)])), 1, 1 + len(p)) for p in parts if p]


FLOATS = st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0])


@given(
    parts=st.lists(st.lists(FLOATS, max_size=30), min_size=1, max_size=8), q=st.floats(0, 1), margin=st.floats(0, 0.5)
)
def test_ranks_of_many_runs_are_those_of_all_values(parts: list[list[float]], q: float, margin: float) -> None:
    whole = sorted(value for part in parts for value in part)
    runs, n = runs_of(parts), len(whole)
    with (
        mock.patch.object(ranks, "FEW", 1),
        mock.patch.object(ranks, "FEW_EACH", 0),
        mock.patch.object(ranks, "MANY", 5),
    ):
        for rank in range(n):
            assert ranks.pair(runs, rank, n) == (whole[rank], whole[min(rank + 1, n - 1)])
        if not n:
            return
        window = ranks.window(runs, n, 0, q, margin, None)
        values = list(window.values)
        assert values == whole[window.below : window.below + len(values)]
        low, high = int((n - 1) * max(0.0, q - margin)), int((n - 1) * min(1.0, q + margin))
        assert window.below <= low <= high < window.below + len(values)
        assert window.below == 0 or whole[window.below - 1] < values[0]


def sorted_in_cells(
    cells: Sequence[int],
    values: Sequence[float | None],
    flags: Sequence[bool] = (),
    asked: Sequence[int | None] = (None,),
) -> Mapping[int | None, Cells]:
    """A cell is 10 × the segment (a day each) + the split value; flag 0 as given, flag 1 the opposite."""
    low = [(cell % 10 << 2) + (1 if flag else 2) for cell, flag in zip_longest(cells, flags)]
    rows = pl.DataFrame(
        {"day": [cell // 10 for cell in cells], "low": low, "v": values},
        schema={"day": pl.UInt32, "low": pl.UInt32, "v": pl.Float64},
    )
    days = pl.Series(range(12), dtype=pl.UInt32)
    return cells_sorted(Portion(rows, days, 10, 2), "v", asked)


VALUES = st.one_of(
    st.lists(st.integers(-30, 30).map(lambda n: n / 10), min_size=1, max_size=30),
    st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 1000), min_size=1, max_size=30),
    st.lists(st.sampled_from([1e300, 0.1 + 0.2, 2.0**60, -0.0, 5e-324, float(2**53)]), min_size=1, max_size=30),
)


@settings(max_examples=times(40), deadline=None)
@given(values=VALUES, odd=st.booleans(), data=st.data())
def test_values_are_sorted_in_their_cells(values: list[float], odd: bool, data: st.DataObject) -> None:
    given_values = [*values, None, float("nan"), float("-inf")] if odd else values
    cells = data.draw(st.lists(st.sampled_from([3, 4, 70]), min_size=len(given_values), max_size=len(given_values)))
    flags = data.draw(st.lists(st.booleans(), min_size=len(given_values), max_size=len(given_values)))
    found = sorted_in_cells(cells, given_values, flags, (1, None, 0))
    rows = pl.DataFrame({"cell": cells, "v": given_values, "f": flags}, schema_overrides={"v": pl.Float64})
    for flag, some in ((None, rows), (0, rows.filter("f")), (1, rows.filter(~pl.col("f")))):
        for cell in (3, 4, 70):
            own = [v for c, v in some.select("cell", "v").rows() if c == cell and v is not None]
            finite = sorted(v for v in own if isfinite(v))
            run = found[flag].runs.get(cell)
            assert ([] if run is None else list(run.values[run.first : run.until])) == finite
            assert found[flag].bad.get(cell, 0) == len(own) - len(finite)


def test_split_values_of_a_slice_follow_each_other() -> None:
    slices = {
        "b": [("team", "b"), ("team", "root")],
        "root": [("team", "root")],
        "a": [("team", "a"), ("team", "root")],
        "B!": [("team", "b"), ("team", "root")],
        "other": [("team", "other")],
    }
    code = coded(slices)
    assert code is not None
    for slice_, (first, until) in code.ranges.items():
        assert {raw for raw, n in code.codes.items() if first <= n < until} == {
            raw for raw, named in slices.items() if slice_ in named
        }
    for named, layer in code.layers:
        for raw, n in code.codes.items():
            place = layer[n]
            assert place == len(named) or named[place] in slices[raw]
    assert coded({"x": [("team", "a"), ("team", "b")], "y": [("team", "b"), ("team", "a")]}) is None


def test_what_is_not_finite_counts_in_a_window_that_holds_nothing_else() -> None:
    first, until = moment("2026-03-02 00:00").date(), moment("2026-03-09 00:00").date()
    days, code = days_laid_out(Calendar("Europe/Berlin"), first, until, ("week",)), coded({"a": [("team", "a")]})
    assert code is not None
    runs = Runs([0.5], ("week",), days, code, fused=True, stretches={(first, until): {}})
    found = list(runs.take(sorted_in_cells([0, 1], [2.0, float("inf")])[None], 2))
    assert [(slice_, n, bad) for _, _, slice_, n, bad, _ in found] == [(None, 1, 1), (("team", "a"), 0, 1)]
    windows = runs.windows[first, until]
    assert [(s, w.n, w.bad, list(w.values)) for s, (w,) in windows.items()] == [
        (None, 1, 1, [2.0]),
        (("team", "a"), 0, 1, []),
    ]


def test_segments_lie_in_one_period_of_every_grain() -> None:
    calendar = Calendar("Europe/Berlin")
    first, last = moment("2025-11-20 00:00").date(), moment("2026-03-01 00:00").date()
    mark = moment("2026-01-07 00:00").date()
    days = days_laid_out(calendar, first, last, ("month", "year"), {mark})
    assert (mark - first).days in days.begins
    for grain, grained in days.grains.items():
        for number, begin in enumerate(grained.firsts):
            covered = range(grained.begins[number], grained.begins[number + 1])
            for day in range((last - first).days + 1):
                inside = calendar.period(first + timedelta(days=day), grain).first == begin
                assert (days.of_day[day] in covered) == inside
                assert (grained.of_day[day] == number) == inside
