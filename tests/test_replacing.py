"""Upserts into a table whose keys are unique: rows, counters, days, first and newest times, against a dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.book.model.source import ColumnType
from scorecard.warehouse import replacing
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import NOTHING
from tests.amounts import times
from tests.warehouse_house import clock, day, good, rows_of, source, warehouse_in

KEY = st.tuples(st.sampled_from("ab"), st.integers(1, 3))
ROW = st.tuples(st.sampled_from([None, "1", "2"]), st.sampled_from([None, "x"]), st.sampled_from(["", "", "yes"]))
Row = tuple[str | None, str | None, str]
Key = tuple[str, int]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def test_rows_that_lie_further_back_are_found_too(house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most keys stand in the latest rows, so that these are looked at first: one changed and one the same lie before them."""
    monkeypatch.setattr(replacing, "LATEST", 4)
    of = source(key=["id"], time="at", columns={"id": "text", "n": "integer", "at": "timestamp"})
    at = [f"2026-01-0{n} 10:00:00" for n in range(1, 8)]
    good(house, of, {"id": list("abcdef"), "n": range(6), "at": at[:6]}, "at")
    done, touched = good(
        house,
        of,
        {"id": list("fedcbag"), "n": [9, 4, 9, 9, 1, 9, 9], "at": [at["abcdefg".index(i)] for i in "fedcbag"]},
        "at",
    )
    assert (done.loaded, done.unchanged) == (5, 2)
    assert rows_of(house, columns="id, n") == list(zip("abcdefg", [9, 1, 9, 9, 4, 9, 9], strict=True))
    assert touched.days == {"at": {day(f"2026-01-0{n}") for n in (1, 3, 4, 6, 7)}}
    again, touched = good(house, of, {"id": list("gfa"), "n": [9, 9, 9], "at": [at[6], at[5], at[0]]}, "at")
    assert (again.outcome, again.unchanged, touched) == ("unchanged", 3, NOTHING)


@settings(max_examples=times(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    latest=st.sampled_from([0, 1, 2, 200_000]),
    loads=st.lists(st.dictionaries(KEY, ROW, min_size=2, max_size=6), min_size=4, max_size=6),
)
def test_a_load_does_what_a_dictionary_would(
    house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch, latest: int, loads: list[dict[Key, Row]]
) -> None:
    """Wherever in the table the rows lie: ``latest`` so many of them are looked at first."""
    monkeypatch.setattr(replacing, "LATEST", latest)
    name = f"t{house.loads(limit=1)[0].id if house.loads(limit=1) else 0}"
    kinds: dict[str, ColumnType] = {"g": "text", "n": "integer", "at": "timestamp", "v": "text", "gone": "text"}
    of = source(name, key=["g", "n"], time="at", deleted="gone", columns=kinds)
    there: dict[Key, tuple[str | None, str | None]] = {}
    began: str | None = None
    begin: dict[Key, Row] = {("a", 1): ("2", "x", ""), ("b", 2): (None, None, "")}
    for rows in [begin, *loads]:
        done, touched = good(house, of, _told(rows), "at")
        went = {k: there[k] for k, (at, v, gone) in rows.items() if k in there and (gone or there[k] != (at, v))}
        came = {k: (at, v) for k, (at, v, gone) in rows.items() if not gone and there.get(k) != (at, v)}
        removed = sum(1 for k in went if rows[k][2])
        assert (done.loaded, done.removed) == (len(came) + removed, removed), (there, rows)
        there = {k: row for k, row in there.items() if k not in went} | came
        days = {row[0] for row in (*went.values(), *came.values()) if row[0] is not None}
        if began is not None:
            assert touched.days == ({"at": {day(f"2026-01-0{d}") for d in days}} if days else {}), (there, rows)
            assert touched.added_only == bool(days and not went)
            assert (done.outcome == "unchanged", touched == NOTHING) == (not went and not came, not days)
        began = done.outcome
        _check(house, name, there)


def _told(rows: dict[Key, Row]) -> dict[str, list[object]]:
    return {
        "g": [k[0] for k in rows],
        "n": [k[1] for k in rows],
        "at": [None if at is None else f"2026-01-0{at} 10:00:00" for at, _, _ in rows.values()],
        "v": [v for _, v, _ in rows.values()],
        "gone": [gone for _, _, gone in rows.values()],
    }


def _check(house: DuckWarehouse, name: str, there: dict[Key, tuple[str | None, str | None]]) -> None:
    """The table, and all that is remembered of it without looking at it."""
    wanted = [(g, n, None if at is None else clock(2026, 1, int(at), 10), v) for (g, n), (at, v) in there.items()]
    assert rows_of(house, name, "g, n, at, v", by="g, n") == sorted(wanted, key=lambda row: row[:2])
    times_ = [row[2] for row in wanted if row[2] is not None]
    standing = house.standing(name)
    assert standing is not None
    assert standing.rows == len(there)
    assert standing.data_until == (max(times_).replace(tzinfo=UTC) if times_ else None)
    assert standing.first_day == ({"at": min(times_).date()} if times_ else {})
