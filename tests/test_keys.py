"""The numbers by which rows are sorted: made by the engine, taken apart here."""

from __future__ import annotations

from bisect import bisect_right
from math import isfinite
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.ground.clock import FixedClock
from scorecard.ground.errors import ScorecardError
from scorecard.measures.states import keys
from scorecard.measures.states.keys import Decimals, Key, decimals_of, steps
from scorecard.measures.states.sorting import cells_of_keys
from scorecard.warehouse.duck import DuckWarehouse
from tests.amounts import times
from tests.measuring import moment

LAYOUTS = (
    st.sets(st.integers(1, 40)).map(sorted)
    | st.builds(
        lambda first, more: sorted({*range(first, 60, 7), *more}), st.integers(1, 7), st.sets(st.integers(1, 59))
    )
    | st.just(list(range(1, 60)))
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DuckWarehouse:
    return DuckWarehouse.open(Path(tmp_path_factory.mktemp("keys")), FixedClock(moment("2026-03-01 12:00")))


@settings(max_examples=times(15), deadline=None)
@given(begins=LAYOUTS, quick=st.booleans())
def test_days_find_their_periods(begins: list[int], quick: bool) -> None:
    before = keys.QUICK_SEVENTHS
    keys.QUICK_SEVENTHS = before if quick else 0
    sql = steps("x", begins, 60)
    keys.QUICK_SEVENTHS = before
    days = "SELECT CAST(i AS UINTEGER) AS x FROM range(60) AS r(i)"
    found = duckdb.execute(f"SELECT x, {sql} AS n FROM ({days}) AS d ORDER BY x").fetchall()
    assert found == [(day, bisect_right(begins, day)) for day in range(60)]


def test_weeks_are_found_by_one_division() -> None:
    assert steps("x", sorted([*range(3, 60, 7), 30]), 60).count(">=") == 1


def test_sevenths_are_exact_as_far_as_they_are_used() -> None:
    assert all(day * 9363 >> 16 == day // 7 for day in range(keys.QUICK_SEVENTHS + 7))


TENTHS = st.integers(-30, 30).map(lambda n: n / 10)
FINE = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)
ODD = st.sampled_from([1e300, 0.1 + 0.2, 2.0**60, 5e-324, 1 / 3])


@settings(max_examples=times(25), deadline=None)
@given(
    values=st.lists(st.one_of(TENTHS, TENTHS, FINE), min_size=1, max_size=30) | st.lists(TENTHS | ODD, min_size=1),
    broken=st.booleans(),
    data=st.data(),
)
def test_decimals_are_sorted_in_their_cells(
    engine: DuckWarehouse, values: list[float], broken: bool, data: st.DataObject
) -> None:
    some = [*values, None, *((float("nan"), float("-inf")) if broken else ())]
    cells = data.draw(st.lists(st.integers(0, 9), min_size=len(some), max_size=len(some)))
    flags = data.draw(st.lists(st.booleans(), min_size=len(some), max_size=len(some)))
    doubles = ["NULL" if v is None else f"CAST('{v!r}' AS DOUBLE)" for v in some]
    listed = ", ".join(f"({c}, {v}, {f})" for c, v, f in zip(cells, doubles, flags, strict=True))
    rows = f"(SELECT * FROM (VALUES {listed}) AS t(c, v, f))"
    decimals = decimals_of(engine, f"FROM {rows}", ["v"])["v"]
    finite = [v for v in some if v is not None and isfinite(v)]
    fitting = any(all(abs(v * s) <= 2**52 and round(v * s) / s == v for v in finite) for s in keys.SCALES)
    assert (decimals is not None) == fitting
    if decimals is None:
        return
    assert decimals.broken == broken
    key = Key(10, decimals.bits, 1)
    assert key.fits
    sql = f"SELECT {key.sql('c', decimals.sql('v', key.type), [('f', 0)])} AS k FROM {rows}"
    found = cells_of_keys(engine.query(sql)["k"], key, decimals, 50, (None, 0))
    for flag in (None, 0):
        for cell in range(10):
            own = [
                v
                for c, v, f in zip(cells, some, flags, strict=True)
                if c == cell and v is not None and (f or flag is None)
            ]
            run = found[flag].runs.get(50 + cell)
            given_back = [] if run is None else [decimals.number(k) for k in run.values[run.first : run.until]]
            assert given_back == sorted(v for v in own if isfinite(v))
            assert (
                run is None
                or decimals.numbers(pl.Series(run.values[run.first : run.until].tolist())).to_list() == given_back
            )
            assert found[flag].bad.get(50 + cell, 0) == sum(not isfinite(v) for v in own)


def test_a_value_that_has_grown_since_is_an_error_and_not_the_next_cells(engine: DuckWarehouse) -> None:
    decimals = Decimals(100, 0, 4095)
    key = Key(4, decimals.bits, 0)
    for value, fits in ((40.95, True), (40.96, False), (-0.01, False)):
        sql = f"SELECT {key.sql('0', decimals.sql('v', key.type), ())} AS k FROM (SELECT {value}::DOUBLE AS v)"
        if fits:
            assert engine.query(sql).item() == 4095
        else:
            with pytest.raises(ScorecardError):
                engine.query(sql)


def test_few_bits_are_kept_in_small_numbers() -> None:
    assert [Key(16, 20, low).type for low in (8, 9)] == ["UINTEGER", "UBIGINT"]
    assert [Key(16, 50, low).fits for low in (9, 10)] == [True, False]
