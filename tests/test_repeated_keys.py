"""A table that has grown row by row and gets a key: of each key one row is left, said, counted, and given back by a rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Decision
from tests.amounts import times
from tests.warehouse_house import NOW, Rows, day, good, load, order, rows_of, source, warehouse_in


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def rows(*told: tuple[str, int | str, str]) -> Rows:
    return {
        "id": [r[0] for r in told],
        "n": [r[1] for r in told],
        "at": [f"2026-09-{r[2]}" for r in told],
    }


def grown(house: DuckWarehouse, *told: tuple[str, int | str, str]) -> None:
    good(house, source(mode="append", columns={"n": "integer", "at": "date"}), rows(*told), "at")


def test_equal_rows_of_one_key_become_one(house: DuckWarehouse) -> None:
    grown(house, ("a", 1, "01"), ("a", 1, "01"), ("a", 1, "01"), ("b", 2, "02"))
    keyed = source(key=["id"], columns={"n": "integer", "at": "date"})
    done, touched = good(house, keyed, rows(("a", 1, "01"), ("b", 2, "02")), "at", full=True)
    assert rows_of(house, columns="id, n") == [("a", 1), ("b", 2)]
    assert (done.outcome, done.read, done.unchanged, done.loaded, done.removed) == ("ok", 2, 2, 0, 2)
    assert touched.days == {"at": {day("2026-09-01")}}
    assert not touched.added_only
    assert "2 rows of the table had a key that another row has" in done.problems[0].message
    standing = house.standing("tickets")
    assert standing is not None
    assert (standing.rows, standing.generation) == (2, 2)
    again, _ = good(house, keyed, rows(("a", 1, "01"), ("b", 2, "02")), "at", full=True)
    assert (again.outcome, again.problems) == ("unchanged", ())


def test_of_differing_rows_the_one_that_the_source_gives_is_left(house: DuckWarehouse) -> None:
    grown(house, ("a", 1, "01"), ("a", 2, "02"), ("b", 1, "03"), ("b", 2, "04"), ("c", 1, "05"), ("c", 2, "06"))
    keyed = source(key=["id"], columns={"n": "integer", "at": "date"})
    done, touched = good(house, keyed, rows(("a", 1, "01"), ("b", 9, "07")), "at", full=True)
    assert rows_of(house, columns="id, n") == [("a", 1), ("b", 9)]
    assert (done.unchanged, done.loaded, done.removed) == (1, 1, 4), "one of a, one of b beside the replaced, both of c"
    assert touched.days == {"at": {day(f"2026-09-0{n}") for n in (2, 3, 4, 5, 6, 7)}}


def test_of_keys_that_could_not_be_read_now_the_newest_row_is_left(house: DuckWarehouse) -> None:
    grown(house, ("a", 1, "01"), ("a", 2, "02"), ("a", 3, "02"), ("b", 1, "03"))
    keyed = source(key=["id"], columns={"n": "integer", "at": "date"}, quarantine_at_most=0.9)
    done, _ = good(house, keyed, rows(("a", "three", "02"), ("b", 1, "03")), "at", full=True)
    assert (done.quarantined, done.removed) == (1, 2)
    assert rows_of(house, columns="id, n") == [("a", 3), ("b", 1)]


def test_a_coarser_key_is_a_new_key_too_and_a_rollback_gives_back_every_row(house: DuckWarehouse) -> None:
    finer = source(key=["id", "n"], columns={"n": "integer", "at": "date"})
    good(house, finer, rows(("a", 1, "01"), ("a", 2, "02"), ("b", 1, "03")), "at")
    before = rows_of(house)
    keyed = source(key=["id"], columns={"n": "integer", "at": "date"})
    done, _ = good(house, keyed, rows(("a", 2, "02"), ("b", 1, "03")), "at", full=True)
    assert (rows_of(house, columns="id, n"), done.removed) == ([("a", 2), ("b", 1)], 1)
    back, _ = house.holds.roll_back(order(keyed, "at"), Decision("1", "rollback", "tickets", 0, "Dana", "no", NOW))
    assert back.outcome == "ok"
    assert rows_of(house) == before


def test_a_rollback_reaches_back_over_a_new_key_by_the_key_of_then(house: DuckWarehouse) -> None:
    grown(house, ("a", 1, "01"), ("b", 1, "03"))
    before = [rows_of(house)]
    grown(house, ("a", 2, "02"), ("a", 2, "02"))
    before.append(rows_of(house))
    keyed = source(key=["id"], columns={"n": "integer", "at": "date"})
    good(house, keyed, rows(("a", 2, "02"), ("b", 1, "03")), "at", full=True)
    before.append(rows_of(house))
    good(house, keyed, rows(("c", 2, "02")), "at")
    for to in (3, 2, 1):
        wrong = Decision(str(to), "rollback", "tickets", 0, "Dana", "no", NOW, to=to)
        house.holds.roll_back(order(keyed, "at"), wrong)
        assert rows_of(house) == before[to - 1]


ROW = st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.sampled_from(["01", "02", "03"]))


@settings(max_examples=times(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(ROW, min_size=1, max_size=8), then=st.lists(ROW, max_size=5))
def test_whatever_has_grown_a_full_load_by_key_leaves_what_the_source_gives(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[str, int, str]],
    then: list[tuple[str, int, str]],
) -> None:
    house = warehouse_in(tmp_path_factory.mktemp("house"))
    grown(house, *first)
    keyed = source(key=["id"], columns={"n": "integer", "at": "date"})
    count = len(rows_of(house))
    done, _ = load(house, keyed, rows(*then), "at", full=True)
    if done.outcome in {"ok", "unchanged"}:
        wanted = {r[0]: (r[0], r[1]) for r in then}
        assert rows_of(house, columns="id, n") == sorted(wanted.values())
        assert done.read == done.loaded + done.unchanged + done.duplicate + done.quarantined
        standing = house.standing("tickets")
        assert standing is not None
        assert standing.rows == len(wanted)
        replaced = sum(1 for id_ in wanted if any(r[0] == id_ for r in first))
        assert done.removed == count - replaced, "every row that goes and has none in its place"
    else:
        assert len(rows_of(house)) == count
    house.close()
