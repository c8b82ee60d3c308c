"""One load: modes, accounting, types, times, headers, touched days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import Batch, Rejected, SourceFailed
from scorecard.book.model.source import Check
from scorecard.ground.errors import Place
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import NOTHING, Load
from tests.warehouse_house import NOW, Rows, clock, day, good, load, order, rows_of, source, text, warehouse_in


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


# -- modes -----------------------------------------------------------------------------------------------------


def test_replace_swaps_the_table_and_says_which_days_changed(house: DuckWarehouse) -> None:
    tickets = source(time="at")
    first, touched = good(house, tickets, {"id": [1, 2, 3], "at": ["2026-01-01", "2026-01-02", "2026-01-03"]}, "at")
    assert (first.loaded, first.generation, touched.everything) == (3, 1, True)
    again, touched = good(house, tickets, {"id": [3, 1, 2], "at": ["2026-01-03", "2026-01-01", "2026-01-02"]}, "at")
    assert (again.outcome, again.unchanged, again.generation, touched) == ("unchanged", 3, 1, NOTHING)
    changed, touched = good(house, tickets, {"id": [1, 7], "at": ["2026-01-01", "2026-01-02"]}, "at")
    assert (changed.loaded, changed.unchanged, changed.generation) == (2, 0, 2)
    assert touched.days == {"at": {day("2026-01-02"), day("2026-01-03")}}
    assert rows_of(house, columns="id, at") == [(1, day("2026-01-01")), (7, day("2026-01-02"))]


def test_upsert_counts_new_changed_same_and_double(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], columns={"n": "integer"})
    good(
        house, tickets, {"id": ["a", "b", "c"], "n": [1, 2, 3], "at": ["2026-01-01", "2026-01-02", "2026-01-03"]}, "at"
    )
    done, touched = good(
        house,
        tickets,
        {"id": ["b", "c", "d", "d"], "n": [2, 9, 4, 5], "at": ["2026-01-02", "2026-02-03", "2026-03-01", "2026-03-02"]},
        "at",
    )
    assert (done.read, done.loaded, done.unchanged, done.duplicate) == (4, 2, 1, 1)
    assert touched.days == {"at": {day("2026-01-03"), day("2026-02-03"), day("2026-03-02")}}
    assert [row[:2] for row in rows_of(house, by="id")] == [("a", 1), ("b", 2), ("c", 9), ("d", 5)]
    standing = house.standing("tickets")
    assert standing is not None
    assert (standing.rows, standing.generation) == (4, 2)
    assert standing.first_day == {"at": day("2026-01-01")}


def test_the_later_of_equal_keys_wins_by_cursor_then_file_then_line(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], cursor="seen")
    rows = {"id": ["a", "a"], "v": ["late", "early"], "seen": ["2026-01-02T00:00", "2026-01-01T00:00"]}
    good(house, tickets, rows)
    assert rows_of(house, columns="v") == [("late",)]
    plain = source("plain", key=["id"])
    batches = [
        Batch(text({"id": ["a"], "v": ["b.csv"]}), "b.csv"),
        Batch(text({"id": ["a", "a"], "v": ["x", "y"]}), "a.csv"),
    ]
    done, _ = good(house, plain, batches)
    assert done.duplicate == 2
    assert rows_of(house, "plain", "v") == [("b.csv",)]


def test_a_full_load_removes_keys_that_are_gone_but_not_those_it_could_not_read(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], columns={"n": "integer"})
    good(house, tickets, {"id": ["a", "b", "c"], "n": [1, 2, 3]})
    done, _ = good(house, tickets, {"id": ["a", "b"], "n": [1, "x"]}, full=True)
    assert (done.unchanged, done.quarantined, done.removed) == (1, 1, 1)
    assert rows_of(house, columns="id, n") == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("new", [0, 1, 2])
def test_append_without_a_time(house: DuckWarehouse, new: int) -> None:
    events = source(mode="append", cursor="id")
    load(house, events, {"id": [1, 2], "n": [2, 3]})
    ids = [1, 2, *range(3, 3 + new)]
    done, _ = load(house, events, {"id": ids, "n": [n + 1 for n in ids]})
    assert done.outcome == ("ok" if new else "unchanged"), done.problems
    assert (done.read, done.loaded, done.duplicate) == (2 + new, new, 2)
    assert rows_of(house, columns="id") == [(n,) for n in ids]


def test_append_adds_and_does_not_double_the_overlap(house: DuckWarehouse) -> None:
    events = source(mode="append", cursor="at", time="at")
    good(house, events, {"at": ["2026-01-01T01:00", "2026-01-01T02:00", "2026-01-01T02:00"], "n": [1, 2, 2]}, "at")
    rows = {"at": ["2026-01-01T02:00"] * 3 + ["2026-01-05T03:00"], "n": [2, 2, 2, 3]}
    done, touched = good(house, events, rows, "at")
    assert (done.loaded, done.duplicate) == (2, 2)
    assert touched.days == {"at": {day("2026-01-01"), day("2026-01-05")}}
    standing = house.standing("tickets")
    assert standing is not None
    assert (standing.rows, standing.cursor) == (5, datetime(2026, 1, 5, 3, tzinfo=UTC))
    nothing, touched = good(house, events, rows, "at")
    assert (nothing.outcome, nothing.duplicate, touched) == ("unchanged", 4, NOTHING)


def test_files_that_did_not_change_keep_their_rows(house: DuckWarehouse) -> None:
    tickets = source(time="at")
    one = text({"id": [1, 2], "at": ["2026-01-01", "2026-01-02"]})
    state = {"files": {"a.csv": {"rows": 2}}}
    good(
        house,
        tickets,
        [Batch(one, "a.csv", state=state), Batch(text({"id": [3], "at": ["2026-01-03"]}), "b.csv")],
        "at",
    )
    nothing = pa.table({})
    batches = [Batch(nothing, "a.csv", unchanged=2), Batch(text({"id": [4], "at": ["2026-01-04"]}), "b.csv")]
    done, touched = good(house, tickets, batches, "at")
    assert (done.read, done.loaded, done.unchanged) == (3, 1, 2)
    assert touched.days == {"at": {day("2026-01-03"), day("2026-01-04")}}
    assert rows_of(house, columns="id, _file") == [(1, "a.csv"), (2, "a.csv"), (4, "b.csv")]
    same, touched = good(
        house, tickets, [Batch(nothing, "a.csv", unchanged=2), Batch(nothing, "b.csv", unchanged=1)], "at"
    )
    assert (same.outcome, same.unchanged, touched) == ("unchanged", 3, NOTHING)
    gone, _ = good(house, tickets, [Batch(nothing, "a.csv", unchanged=2), Batch(one.slice(0, 0), state=state)], "at")
    assert (gone.loaded, gone.unchanged) == (0, 2)
    assert rows_of(house, columns="id") == [(1,), (2,)]


def test_an_unchanged_load_renews_the_age_only(house: DuckWarehouse) -> None:
    tickets = source()
    good(house, tickets, [Batch(text({"id": [1]}), "a.csv", state={"etag": "x"})])
    later = datetime(2026, 9, 28, 9, tzinfo=UTC)
    done, _ = good(house, tickets, [Batch(pa.table({}), unchanged=None)], now=later)
    assert (done.outcome, done.read, done.unchanged) == ("unchanged", 1, 1)
    standing = house.standing("tickets")
    assert standing is not None
    assert (standing.loaded_at, standing.generation, standing.state) == (later, 1, {"etag": "x"})


# -- accounting and touched days -------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c", "d", "", None])
DAYS = st.sampled_from(["2026-01-01", "2026-01-02", "2026-02-10", None, "soon"])
TIMES = st.sampled_from(["2026-01-01T10:00", "2026-01-02T10:00", "2026-12-01T10:00", None, "soon"])
IMAGE = st.lists(st.tuples(KEYS, DAYS, TIMES, st.sampled_from(["1", "2", "x"])), max_size=8)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _batch(rows: list[tuple[Any, ...]]) -> pa.Table:
    return text(
        dict(zip(("id", "at", "closed", "n"), zip(*rows, strict=True), strict=True))
        if rows
        else {"id": [], "at": [], "closed": [], "n": []}
    )


def _image(house: DuckWarehouse, name: str) -> list[tuple[Any, ...]]:
    return rows_of(house, name, "id, at, _day_closed, n")


def _days_that_differ(old: list[tuple[Any, ...]], new: list[tuple[Any, ...]], axis: int) -> set[date]:
    """By brute force: the days whose multiset of rows is another."""
    days = {row[axis] for row in [*old, *new]} - {None}
    return {
        d
        for d in days
        if sorted(map(str, (r for r in old if r[axis] == d))) != sorted(map(str, (r for r in new if r[axis] == d)))
    }


@FEW
@given(
    pulls=st.lists(IMAGE, min_size=2, max_size=4),
    mode=st.sampled_from(["replace", "upsert", "append"]),
    full=st.booleans(),
)
def test_every_row_is_accounted_for_and_touched_days_are_exact(
    house: DuckWarehouse, pulls: list[list[tuple[Any, ...]]], mode: str, full: bool
) -> None:
    name = f"t{house.loads(limit=1)[0].id if house.loads(limit=1) else 0}"
    keyed = mode == "upsert"
    of = source(
        name,
        mode=mode,
        key=["id"] if keyed else [],
        columns={"id": "text", "at": "date", "closed": "timestamp", "n": "integer"},
        time="closed",
        quarantine_at_most=1.0,
        checks=[Check("rows", drop_at_most=1.0)],
    )
    old: list[tuple[Any, ...]] = []
    for number, pull in enumerate(pulls):
        done, touched = good(house, of, _batch(pull), "at", "closed", full=full)
        new = _image(house, name)
        bad = [r for r in pull if "soon" in (r[1], r[2]) or r[3] == "x" or (keyed and not r[0])]
        assert (done.read, done.quarantined) == (len(pull), len(bad))
        standing = house.standing(name)
        assert standing is not None
        assert standing.rows == len(new)
        times = [t.replace(tzinfo=UTC) for (t,) in rows_of(house, name, "closed") if t is not None]
        assert standing.data_until == max((t for t in times if t <= NOW), default=None)
        for axis, index in (("at", 1), ("closed", 2)):
            assert standing.first_day.get(axis) == min((r[index] for r in new if r[index] is not None), default=None)
            if number:
                assert not touched.everything
                assert touched.days.get(axis, frozenset()) == _days_that_differ(old, new, index)
        old = new


# -- types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "type_", "read"),
    [
        (["1", "-2", " 3 "], "BIGINT", [1, -2, 3]),
        (["9007199254740993", "9223372036854775807"], "BIGINT", [9007199254740993, 9223372036854775807]),
        (["9223372036854775808", "1"], "VARCHAR", ["9223372036854775808", "1"]),
        (["1", "2.5", "1e3"], "DOUBLE", [1.0, 2.5, 1000.0]),
        (["007", "1"], "VARCHAR", ["007", "1"]),
        (["0", "0.5"], "DOUBLE", [0.0, 0.5]),
        (["+49", "1"], "VARCHAR", ["+49", "1"]),
        (["1_000", "2"], "VARCHAR", ["1_000", "2"]),
        (["0x1F", "2"], "VARCHAR", ["0x1F", "2"]),
        (["true", "FALSE"], "BOOLEAN", [True, False]),
        (["yes", "no"], "VARCHAR", ["yes", "no"]),
        (["2026-01-05", "2026-02-01"], "DATE", [date(2026, 1, 5), date(2026, 2, 1)]),
        (
            ["2026-01-05 10:00", "2026-02-01T10:00:00.5"],
            "TIMESTAMP",
            [clock(2026, 1, 5, 10), clock(2026, 2, 1, 10, 0, 0, 500000)],
        ),
        (
            ["2026-01-05T10:00:00+02:00", "2026-01-05T10:00Z"],
            "TIMESTAMP",
            [clock(2026, 1, 5, 8), clock(2026, 1, 5, 10)],
        ),
        (["05/01/2026", "2026-01-05"], "VARCHAR", ["05/01/2026", "2026-01-05"]),
        (["2026-02-30", "2026-02-01"], "VARCHAR", ["2026-02-30", "2026-02-01"]),
        (["1,5", "2"], "VARCHAR", ["1,5", "2"]),
        (["infinity", "2026-01-01"], "VARCHAR", ["infinity", "2026-01-01"]),
        ([None, None], "VARCHAR", [None, None]),
    ],
)
def test_types_are_inferred_once(house: DuckWarehouse, values: list[str], type_: str, read: list[Any]) -> None:
    of = source(quarantine_at_most=0.01)
    good(house, of, {"i": range(len(values)), "v": values})
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.columns["v"] == type_
    assert [v for _, v in rows_of(house, columns="i, v", by="i")] == read


@pytest.mark.parametrize(
    ("told", "value", "read"),
    [
        ("integer", "1.0", 1),
        ("integer", "1.5", None),
        ("integer", "1e3", 1000),
        ("integer", "007", 7),
        ("integer", "9223372036854775808", None),
        ("double", "nan", None),
        ("double", "-inf", None),
        ("double", "1e999", None),
        ("double", "1_000", None),
        ("double", "45%", None),
        ("decimal", "0.1", Decimal("0.1")),
        ("decimal", "1.234.5", None),
        ("boolean", "yes", True),
        ("boolean", "2", None),
        ("date", "2026-01-05", date(2026, 1, 5)),
        ("date", "2026-02-30", None),
        (("date", "%d.%m.%Y"), "05.01.2026", date(2026, 1, 5)),
        (("date", "%d.%m.%Y"), "2026-01-05", None),
        ("epoch_s", "1767600000", clock(2026, 1, 5, 8)),
        ("epoch_ms", "1767600000500", clock(2026, 1, 5, 8, 0, 0, 500000)),
        ("epoch_s", "99999999999999", None),
        ("timestamp", "infinity", None),
        (("timestamp", "%m/%d/%Y %H:%M"), "01/05/2026 09:00", clock(2026, 1, 5, 8)),
        (("timestamp", "%m/%d/%Y"), "01/05/2026", clock(2026, 1, 4, 23)),
        (("timestamp", "%Y-%m-%d %H:%M %z"), "2026-01-05 10:00 +0200", clock(2026, 1, 5, 8)),
        ("text", "007", "007"),
        ("text", "", ""),
        ("double", "", None),
    ],
)
def test_declared_types_read_or_put_aside(house: DuckWarehouse, told: Any, value: str, read: Any) -> None:
    of = source(columns={"v": told}, timezone="Europe/Berlin")
    done, _ = good(house, of, {"i": [1, 2], "v": [value, None]})
    if read is None and value:
        assert done.quarantined == 1
        kind = told if isinstance(told, str) else told[0]
        said = done.problems[0]
        assert said.severity == "warning"
        assert said.place == Place("a.csv", 2)
        assert f"tickets: column 'v': '{value}' is not" in said.message
        assert kind in said.message or kind == "boolean"
        assert house.quarantine("tickets").rows()[0][1:3] == ("a.csv", 2)
    else:
        assert rows_of(house, columns="i, v")[0][1] == read


def test_a_decimal_comma_is_read_and_a_point_is_then_not(house: DuckWarehouse) -> None:
    of = source(columns={"v": "double"}, csv={"decimal": ","})
    done, _ = good(house, of, {"v": ["1,5", "1.5", "2"], "w": ["1,25", "2,5", "3"]})
    assert done.quarantined == 1
    assert rows_of(house, columns="v, w") == [(1.5, 1.25), (2.0, 3.0)]


def test_typed_arrow_keeps_its_types_and_what_has_none_becomes_text(house: DuckWarehouse) -> None:
    table = pa.table(
        {
            "i": pa.array([1, 2], pa.int32()),
            "f": pa.array([1.5, float("nan")], pa.float32()),
            "d": pa.array([Decimal("1.25"), None], pa.decimal128(9, 2)),
            "u": pa.array([datetime(2026, 1, 5, 8, tzinfo=UTC)] * 2, pa.timestamp("us", "Europe/Berlin")),
            "n": pa.array([clock(2026, 1, 5, 8)] * 2, pa.timestamp("ns")),
            "x": pa.array([None, None], pa.null()),
            "b": pa.array([True, None]),
            "l": pa.array([[1, 2], None]),
            "s": pa.array(["00123", "4"]),
        }
    )
    done, _ = good(house, source(kind="sql", timezone="America/New_York"), table, file=None)
    assert done.quarantined == 1
    assert "'nan' is not a double" in done.problems[0].message
    standing = house.standing("tickets")
    assert standing is not None
    assert list(standing.columns.values()) == [
        *("BIGINT", "DOUBLE", "DECIMAL(38,10)", "TIMESTAMP", "TIMESTAMP", "VARCHAR", "BOOLEAN", "VARCHAR", "VARCHAR")
    ]
    row = rows_of(house)[0]
    assert row[:5] == (1, 1.5, Decimal("1.25"), clock(2026, 1, 5, 8), clock(2026, 1, 5, 13))
    assert row[7:] == ("[1,2]", "00123")


def test_one_stray_value_is_put_aside_and_not_the_whole_column_text(house: DuckWarehouse) -> None:
    of = source(quarantine_at_most=0.01)
    done, _ = good(house, of, {"id": range(1000), "minutes": [*(f"{n}.5" for n in range(999)), "abc"]})
    assert done.quarantined == 1
    assert done.problems[0].place == Place("a.csv", 1001)
    assert "column 'minutes': 'abc' is not a double" in done.problems[0].message


@pytest.mark.parametrize(
    ("values", "type_", "odd"),
    [
        (["2026-03-02", "2026-02-30", "2026-03-04"], "DATE", 1),
        (["2026-03-02", "2026-03-04 10:00", "x", "", "2026-03-04"], "TIMESTAMP", 1),
        (["03/04/2026", "03/05/2026", "2026-03-04"], "VARCHAR", 0),
    ],
)
def test_what_is_said_to_be_a_time_is_no_text(house: DuckWarehouse, values: list[str], type_: str, odd: int) -> None:
    rows = {"id": [str(i) for i in range(len(values))], "at": values}
    of = source(key=["id"], time="at")
    if odd:
        done, _ = load(house, replace(of, quarantine_at_most=0.1), rows)
        assert (done.outcome, done.quarantined) == ("held", odd)
    done, _ = load(house, replace(of, quarantine_at_most=1.0), rows)
    assert (done.outcome, done.loaded, done.quarantined) == ("ok", len(values) - odd, odd)
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.columns["at"] == type_


def test_a_type_seen_late_is_settled_over_all_rows(house: DuckWarehouse) -> None:
    values = [*range(30_000), "2.5", "later text"]
    good(house, source(quarantine_at_most=0.0), {"v": values, "w": [*range(30_001), "0.5"]})
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.columns == {"v": "VARCHAR", "w": "DOUBLE"}


def test_held_types_stay_and_all_null_columns_wait_for_theirs(house: DuckWarehouse) -> None:
    of = source(key=["id"])
    good(house, of, {"id": ["1"], "n": ["5"], "later": [None]})
    done, _ = good(house, of, {"id": ["2", "3"], "n": ["6", "six"], "later": ["1.5", None]})
    assert done.quarantined == 1
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.columns == {"id": "BIGINT", "n": "BIGINT", "later": "DOUBLE"}


def test_a_declared_type_that_comes_later_is_given_to_the_live_table(house: DuckWarehouse) -> None:
    good(house, source(key=["id"]), {"id": ["a"], "at": ["05.01.2026"], "n": ["7"]}, "at")
    of = source(key=["id"], columns={"at": ("date", "%d.%m.%Y"), "n": "double"})
    _, touched = good(house, of, {"id": ["b"], "at": ["06.01.2026"], "n": ["1.5"]}, "at")
    assert touched.everything
    assert rows_of(house) == [
        ("a", day("2026-01-05"), 7.0, day("2026-01-05")),
        ("b", day("2026-01-06"), 1.5, day("2026-01-06")),
    ]
    wrong, _ = load(house, source(key=["id"], columns={"at": "epoch_s"}), {"id": ["c"], "at": ["1"], "n": ["1"]}, "at")
    assert wrong.outcome == "failed"
    assert "2 of its loaded values (DATE) cannot be read" in str(wrong.problem)
    done, _ = good(
        house, source(key=["id"], columns={"at": "epoch_s"}), {"id": ["c"], "at": ["1"], "n": ["1"]}, "at", full=True
    )
    assert (done.loaded, done.removed) == (1, 2)


# -- times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "written", "instant", "doubled", "missing"),
    [
        ("Europe/Berlin", "2026-10-25 02:30", clock(2026, 10, 25, 1, 30), 1, 0),
        ("Europe/Berlin", "2026-03-29 02:30", clock(2026, 3, 29, 1, 30), 0, 1),
        ("Europe/Berlin", "2026-10-25 01:59", clock(2026, 10, 24, 23, 59), 0, 0),
        ("Europe/Berlin", "2026-10-25 03:00", clock(2026, 10, 25, 2, 0), 0, 0),
        ("Europe/Berlin", "2026-10-25T02:30:00+02:00", clock(2026, 10, 25, 0, 30), 0, 0),
        ("America/New_York", "2026-11-01 01:00", clock(2026, 11, 1, 6, 0), 1, 0),
        ("America/New_York", "2026-03-08 02:00", clock(2026, 3, 8, 7, 0), 0, 1),
        ("Australia/Lord_Howe", "2026-04-05 01:45", clock(2026, 4, 4, 15, 15), 1, 0),
        ("Asia/Kolkata", "2026-04-05 01:45", clock(2026, 4, 4, 20, 15), 0, 0),
        ("UTC", "2026-10-25 02:30", clock(2026, 10, 25, 2, 30), 0, 0),
    ],
)
def test_local_times_through_clock_changes(
    house: DuckWarehouse, zone: str, written: str, instant: datetime, doubled: int, missing: int
) -> None:
    of = source(timezone=zone, columns={"at": "timestamp"})
    done, _ = good(house, of, {"at": [written]})
    assert rows_of(house, columns="at") == [(instant,)]
    assert (done.times_doubled, done.times_missing) == (doubled, missing)


def test_reporting_days_are_local_and_days_are_never_shifted(house: DuckWarehouse) -> None:
    of = source(timezone="UTC", columns={"at": "timestamp", "d": "date"})
    rows = {"at": ["2026-01-05T23:30Z", "2026-01-05", "2026-07-05T22:30"], "d": ["2026-01-05"] * 3}
    good(house, of, rows, "at", "d", zone="America/New_York")
    days = rows_of(house, columns="at, _day_at, _day_d")
    assert [(d, e) for _, d, e in days] == [(day("2026-01-05"), day("2026-01-05"))] * 2 + [
        (day("2026-07-05"), day("2026-01-05"))
    ]
    good(
        house,
        source("b", timezone="UTC", columns={"at": "timestamp"}),
        {"at": rows["at"]},
        "at",
        zone="Pacific/Auckland",
    )
    assert rows_of(house, "b", "_day_at", "at") == [(day("2026-01-05"),), (day("2026-01-06"),), (day("2026-07-06"),)]


def test_an_axis_that_comes_later_gets_its_days(house: DuckWarehouse) -> None:
    of = source(key=["id"], timezone="Europe/Berlin")
    good(house, of, {"id": [1], "at": ["2026-01-01T00:30"], "closed": ["2026-01-09T10:00"]}, "at")
    _, touched = good(house, of, {"id": [2], "at": ["2026-01-02T00:30"], "closed": [None]}, "at", "closed")
    assert touched.everything
    assert rows_of(house, columns="_day_at, _day_closed") == [
        (day("2026-01-01"), day("2026-01-09")),
        (day("2026-01-02"), None),
    ]
    _, touched = good(house, of, {"id": [3], "at": ["2026-01-03T00:30"], "closed": ["2026-01-08"]}, "at")
    assert touched.days["closed"] == {day("2026-01-08")}
    assert not house.prepare_axes("tickets", ("at", "closed", "id"), "Europe/Berlin")
    other = source("other", timezone="Europe/Berlin")
    good(house, other, {"at": ["2026-01-01T00:30"]})
    assert house.prepare_axes("other", ("at",), "Europe/Berlin")
    standing = house.standing("other")
    assert standing is not None
    assert standing.first_day == {"at": day("2026-01-01")}
    same, touched = good(house, other, [Batch(pa.table({}), "a.csv", unchanged=1)], "at")
    assert (same.outcome, touched) == ("unchanged", NOTHING)


def test_an_axis_may_come_while_a_load_is_pulling(house: DuckWarehouse) -> None:
    for name, key in (("up", ["id"]), ("swap", [])):
        of = source(name, key=key)
        good(house, of, {"id": [1], "at": ["2026-01-01T10:00"]})

        def pulling(name: str = name) -> Iterator[Batch]:
            assert house.prepare_axes(name, ("at",), "Europe/Berlin")
            yield Batch(text({"id": [2], "at": ["2026-01-02T10:00"]}), "a.csv")

        good(house, of, pulling())
        house.prepare_axes(name, ("at",), "Europe/Berlin")
        assert rows_of(house, name, "_day_at")[-1] == (day("2026-01-02"),)


def test_an_axis_without_times_is_said(house: DuckWarehouse) -> None:
    done, _ = good(house, source(), {"at": ["Monday", "Tuesday"]}, "at")
    assert ["column 'at' is used as a time, but holds text" in p.message for p in done.problems] == [True]


def test_data_until_is_the_newest_time_not_later_than_now(house: DuckWarehouse) -> None:
    def until(of_time: list[str], name: str) -> datetime | None:
        good(house, source(name, time="at", timezone="UTC"), {"at": of_time})
        standing = house.standing(name)
        assert standing is not None
        return standing.data_until

    assert until(["2026-09-28T07:59", "2027-01-01T00:00"], "a") == datetime(2026, 9, 28, 7, 59, tzinfo=UTC)
    assert until(["2026-09-26", "2026-09-27"], "b") == datetime(2026, 9, 27, 22, tzinfo=UTC)  # Berlin's midnight
    assert until(["2026-09-28", "2026-09-27"], "c") == NOW
    assert until(["2027-01-01T00:00"], "d") is None
    of = source("e", key=["id"], time="at", timezone="UTC")
    good(house, of, {"id": [1, 2], "at": ["2026-09-01T00:00", "2026-09-28T09:00"]})
    good(house, of, {"id": [1], "at": ["2026-08-01T00:00"]}, now=datetime(2026, 9, 28, 10, tzinfo=UTC))
    standing = house.standing("e")
    assert standing is not None
    assert standing.data_until == datetime(2026, 9, 28, 9, tzinfo=UTC)


@pytest.mark.parametrize("key", [["id"], []])
def test_data_until_reaches_what_lay_ahead_when_its_time_has_come(house: DuckWarehouse, key: list[str]) -> None:
    of, rows = (
        source("g", key=key, time="at", timezone="UTC"),
        {"id": [1, 2], "at": ["2026-09-27T09:00", "2026-09-29T09:00"]},
    )
    for day_, until in ((28, 27), (30, 29)):
        done, _ = load(house, of, rows, now=datetime(2026, 9, day_, 12, tzinfo=UTC))
        standing = house.standing("g")
        assert standing is not None
        assert standing.data_until == datetime(2026, 9, until, 9, tzinfo=UTC)
    assert done.outcome == "unchanged"


@pytest.mark.parametrize("key", [["id"], []])
def test_data_until_is_of_another_column_at_once(house: DuckWarehouse, key: list[str]) -> None:
    """The same rows, and the book says that another column is their time."""
    rows = {"id": [1, 2], "at": ["2026-09-01T00:00", "2026-09-03T09:00"], "closed": ["2026-09-05T07:00", None]}
    opened, closed = datetime(2026, 9, 3, 9, tzinfo=UTC), datetime(2026, 9, 5, 7, tzinfo=UTC)
    for time, newest in (("at", opened), ("closed", closed), ("at", opened)):
        load(house, source("f", key=key, time=time, timezone="UTC"), rows)
        standing = house.standing("f")
        assert standing is not None
        assert standing.data_until == newest


# -- headers, thresholds, faults -------------------------------------------------------------------------------


def _unharmed(house: DuckWarehouse, of: Any, batches: Any, *axes: str, outcome: str = "failed") -> str:
    """A load that fails (or is held) and leaves table, standing and generation alone; what it says."""
    before = (house.standing("tickets"), rows_of(house) if house.standing("tickets") else None)
    done, touched = load(house, of, batches, *axes)
    assert (done.outcome, touched, done.loaded) == (outcome, NOTHING, 0)
    assert (house.standing("tickets"), rows_of(house) if house.standing("tickets") else None) == before
    assert house.loads("tickets", 1)[0] == done
    assert house.query("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '_incoming%'").item() == 0
    return "\n".join(str(p) for p in done.problems)


def test_a_column_that_is_renamed_or_gone_fails_the_load(house: DuckWarehouse) -> None:
    of = source(time="created_at", columns={"minutes": "double"})
    good(house, of, {"created_at": ["2026-01-01"], "minutes": ["1"], "team": ["x"]})
    said = _unharmed(house, of, {"created_at": ["2026-01-01"], "minuts": ["1"], "team": ["x"]})
    assert said == (
        "a.csv: tickets: column 'minutes' is missing (declared); seen: created_at, minuts, team (did you mean 'minuts'?)"
    )
    said = _unharmed(house, of, {"created_at": ["2026-01-01"], "minutes": ["1"], "group": ["x"]})
    assert "column 'team' was in the table and is gone; seen: created_at, minutes, group" in said
    assert "column 'id' is missing (the key)" in _unharmed(house, source(key=["id"]), {"x": ["1"]})
    done, touched = good(house, of, {"created_at": ["2026-01-01"], "minutes": ["1"], "team": ["x"], "new": ["7"]})
    assert touched.everything
    assert done.loaded == 1
    assert _unharmed(house, of, {"created_at": ["2026-01-01"], "minutes": ["1"], "team": ["x"]})


@pytest.mark.parametrize("key", [[], ["id"]])
def test_a_full_load_forgets_a_column_that_is_gone_and_that_nobody_reads(key: list[str], house: DuckWarehouse) -> None:
    of = source(key=key, time="day")
    good(house, of, {"id": [1, 2], "day": ["2026-01-01", "2026-01-02"], "amount": [5, 6]}, "day")
    renamed: Rows = {"id": [1, 2], "day": ["2026-01-01", "2026-01-02"], "betrag": [5, 7]}

    def full(*needed: str) -> Load:
        wanted = replace(order(of, "day", full=True), needed=frozenset(needed))
        return house.load(wanted, [Batch(text(renamed), "a.csv")])[0]

    assert "column 'amount' was in the table and is gone" in str(full("amount").problems[0])
    assert rows_of(house, columns="amount") == [(5,), (6,)]
    done = full("betrag")
    assert (done.outcome, done.loaded + done.unchanged) == ("ok", 2), done.problems
    standing = house.standing("tickets")
    assert standing is not None
    assert (set(standing.columns), standing.rows) == ({"id", "day", "betrag"}, 2)
    assert rows_of(house, columns="id, betrag") == [(1, 5), (2, 7)]
    assert good(house, of, renamed, "day")[0].unchanged == 2


@pytest.mark.parametrize("key", [[], ["id"]])
def test_a_time_that_nobody_reads_any_more_goes_with_its_days(key: list[str], house: DuckWarehouse) -> None:
    of = source(key=key, time="day")
    rows = {"id": [1], "day": ["2026-01-01"], "closed": ["2026-01-05"]}
    good(house, of, rows, "day", "closed")
    wanted = replace(order(of, "day", full=True), needed=frozenset())
    done, touched = house.load(wanted, [Batch(text({"id": [1], "day": ["2026-01-01"]}), "a.csv")])
    assert (done.outcome, touched.everything) == ("ok", True), done.problems
    (names,) = zip(
        *house.query("SELECT column_name FROM duckdb_columns() WHERE table_name = 'tickets'").rows(), strict=True
    )
    assert not [name for name in names if "closed" in name]


def test_json_may_leave_out_nulls_but_not_rename(house: DuckWarehouse) -> None:
    of = source(kind="http", key=["id"], time="at", columns={"closed": "timestamp"})
    full = {"id": ["1"], "at": ["2026-01-01T10:00"], "closed": ["2026-01-02T10:00"], "team": ["x"]}
    good(house, of, text(full, lines=False), file=None)
    good(house, of, text({"id": ["2"], "at": ["2026-01-03T10:00"]}, lines=False), file=None)
    assert [row[2:4] for row in rows_of(house, by="id")] == [(clock(2026, 1, 2, 10), "x"), (None, None)]
    assert "column 'closed' is missing" in _unharmed(
        house, of, text({"id": ["3"], "at": ["2026-01-01T10:00"], "closd": ["x"]}, lines=False)
    )
    assert "column 'at' is missing (the time)" in _unharmed(house, of, text({"id": ["3"]}, lines=False))
    both = {"id": ["3", "4"], "at": ["2026-01-03T10:00"] * 2, "n": ["1", "2"]}
    done, _ = load(house, of, text({**both, "team": ["y", "z"]}, lines=False), file=None)
    assert done.outcome == "ok", done.problems
    pages = [
        Batch(text({"id": [str(n)], "at": ["2026-01-03T10:00"], **({"n": [n]} if n % 2 else {})}, lines=False))
        for n in range(10, 60)
    ]
    done, _ = good(house, of, pages)
    assert done.loaded == 50


def test_too_many_unreadable_rows_hold_the_load(house: DuckWarehouse) -> None:
    of = source(columns={"n": "integer"}, quarantine_at_most=0.1)
    good(house, of, {"n": range(10)})
    rejected = (Rejected("a.csv", 4, "3 values instead of 1", "1,2,3"),)
    done, _ = good(house, of, [Batch(text({"n": range(20)}), "a.csv", rejected)])
    assert (done.read, done.quarantined) == (21, 1)
    assert "3 values instead of 1" in str(done.problems[0])
    said = _unharmed(house, of, {"n": [*range(9), "x", "y"]}, outcome="held")
    assert "2 of 11 rows could not be read (18.2%); at most 10.0% may be put aside" in said
    assert "a.csv:11: warning: tickets: column 'n': 'x' is not an integer" in said
    assert house.quarantine("tickets")["reason"].to_list()[:2] == [
        "column 'n': 'x' is not an integer",
        "column 'n': 'y' is not an integer",
    ]


def test_a_column_of_another_type_fails_the_load_by_its_name(house: DuckWarehouse) -> None:
    of = source(key=["id"], quarantine_at_most=0.01)
    good(house, of, {"id": range(20), "minutes": range(20)})
    said = _unharmed(house, of, {"id": range(20), "minutes": ["n/a"] * 19 + [None]})
    assert "column 'minutes' was integer, and none of its values is that any more" in said
    assert "'n/a' is not an integer" in said


def test_empty_keys_are_put_aside(house: DuckWarehouse) -> None:
    done, _ = good(
        house,
        source(key=["id", "part"], quarantine_at_most=1.0),
        {"id": ["a", "", None, "b"], "part": ["1", "1", "1", None]},
    )
    assert (done.loaded, done.quarantined) == (1, 3)
    assert house.quarantine("tickets")["reason"].to_list() == [
        "the key column 'id' is empty",
        "the key column 'id' is empty",
        "the key column 'part' is empty",
    ]


def test_a_source_that_fails_midway_changes_nothing(house: DuckWarehouse) -> None:
    of = source(key=["id"])
    good(house, of, {"id": ["a"], "n": ["1"]})

    def broken() -> Iterator[Batch]:
        yield Batch(text({"id": ["b"], "n": ["2"]}), "b.csv")
        raise SourceFailed("page 3 of 5 answered 500", hint="try later", place="https://example.com/3")

    assert _unharmed(house, of, broken()) == "https://example.com/3: tickets: page 3 of 5 answered 500 (try later)"

    def stream() -> Iterator[pa.RecordBatch]:
        yield from text({"id": ["b"], "n": ["2"]}).to_batches()
        raise SourceFailed("the connection was lost", retry=True)

    def streamed() -> Iterator[Batch]:
        schema = text({"id": ["b"], "n": ["2"]}).schema
        yield Batch(pa.RecordBatchReader.from_batches(schema, stream()), "b.csv")

    assert _unharmed(house, of, streamed()) == "tickets: the connection was lost"
    assert _unharmed(house, source(), streamed()) == "tickets: the connection was lost"


def test_a_fault_of_the_program_is_raised_and_leaves_nothing(house: DuckWarehouse) -> None:
    def wrong() -> Iterator[Batch]:
        yield Batch(text({"id": ["b"]}), "b.csv")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        house.load(order(source()), wrong())
    assert house.standing("tickets") is None
    assert house.loads() == ()
    good(house, source(), {"id": ["b"]})


def test_pulls_without_rows(house: DuckWarehouse) -> None:
    assert "no rows and no columns" in str(load(house, source(), [])[0].problem)
    good(
        house,
        source("empty", time="at", columns={"at": "timestamp", "n": "double"}, kind="http"),
        [Batch(pa.table({}))],
        "at",
    )
    assert rows_of(house, "empty") == []
    done, touched = good(house, source("files", key=["id"]), {"id": [], "at": []}, "at")
    assert (done.read, touched.everything) == (0, True)
    good(house, source("files", key=["id"]), {"id": ["1"], "at": ["2026-01-01"]}, "at")
    standing = house.standing("files")
    assert standing is not None
    assert standing.columns == {"id": "BIGINT", "at": "DATE"}
    emptied = source("all", checks=[Check("rows", drop_at_most=1.0)])
    good(house, emptied, {"n": [1, 2]})
    done, _ = good(house, emptied, {"n": []})
    assert (done.outcome, rows_of(house, "all")) == ("ok", [])


def test_large_streams_and_small_pages_give_the_same_table(house: DuckWarehouse) -> None:
    rows = {"id": [f"k{n}" for n in range(5000)], "at": ["2026-01-05T10:00:00"] * 5000, "n": range(5000)}
    table = text(rows)
    pages = [Batch(table.slice(n, 50), "a.csv") for n in range(0, 5000, 50)]
    stream = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=300))
    good(house, source("pages", key=["id"]), pages, "at")
    good(house, source("stream", key=["id"]), [Batch(stream, "a.csv")], "at")
    assert rows_of(house, "pages") == rows_of(house, "stream")
    again, _ = good(
        house,
        source("stream", key=["id"]),
        [Batch(pa.RecordBatchReader.from_batches(table.schema, table.to_batches()), "a.csv")],
        "at",
    )
    assert (again.outcome, again.unchanged) == ("unchanged", 5000)


def test_names_that_sql_has_taken_for_itself(house: DuckWarehouse) -> None:
    of = source("order", key=["group"], time="at")
    good(house, of, {"group": ["a"], "at": ["2026-01-01T10:00"], "limit": [1], "window": ["x"]}, "at")
    good(house, of, {"group": ["a"], "at": ["2026-01-02T10:00"], "limit": [2], "window": ["it's"]}, "at")
    assert rows_of(house, "order", "limit, window") == [(2, "it's")]


@pytest.mark.parametrize("name", ["json", "csv", "parquet", "db", "duckdb"])
def test_names_that_end_files(house: DuckWarehouse, name: str) -> None:
    """``main.json`` is a table here, also while there is none yet."""
    of = source(name, key=["id"], time="at")
    good(house, of, {"id": ["a"], "at": ["2026-01-01T10:00"]}, "at")
    good(house, of, {"id": ["b"], "at": ["2026-01-02T10:00"]}, "at")
    assert rows_of(house, name, "id") == [("a",), ("b",)]


def test_secrets_do_not_show_in_a_load(house: DuckWarehouse) -> None:
    from dataclasses import replace

    def broken() -> Iterator[Batch]:
        yield from ()
        raise SourceFailed("no answer from db://bob:hunter22@host")

    done, _ = house.load(order(replace(source(), secrets=("hunter22",))), broken())
    assert done.problem == "tickets: no answer from db://bob:***@host"


def test_a_table_whose_column_is_retyped_still_knows_how_many_rows_it_has(house: DuckWarehouse) -> None:
    rows = {"id": [1, 2, 3], "begun": ["3/14/2025 1:20", "3/15/2025 1:20", "3/16/2025 1:20"]}
    good(house, source(key=["id"]), rows)
    declared = source(key=["id"], columns={"begun": ("timestamp", "%m/%d/%Y %H:%M")}, time="begun")
    done, _ = good(house, declared, rows, "begun")
    assert (done.outcome, done.loaded, done.unchanged) == ("ok", 0, 3)
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.rows == 3
