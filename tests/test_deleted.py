"""Rows that say of themselves that they are deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.book.model.source import Check
from scorecard.book.read import read_book
from scorecard.ground.clock import FixedClock
from scorecard.ground.errors import ScorecardError
from scorecard.refresh.pull import pull_source
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import NOTHING
from tests.amounts import times
from tests.warehouse_house import NOW, day, good, load, rows_of, source, warehouse_in


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def test_a_deleted_row_takes_its_key_away_and_touches_its_day(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], time="at", deleted="gone")
    at = ["2026-01-01", "2026-01-02", "2026-01-03"]
    first, _ = good(house, tickets, {"id": ["a", "b", "c"], "at": at, "gone": ["false", "true", "false"]}, "at")
    assert (first.loaded, first.unchanged, first.removed) == (2, 1, 0)
    done, touched = good(house, tickets, {"id": ["c", "z"], "at": [None, None], "gone": ["true", "true"]}, "at")
    assert (done.read, done.loaded, done.unchanged, done.removed, done.outcome) == (2, 1, 1, 1, "ok")
    assert touched.days == {"at": {day("2026-01-03")}}
    assert not touched.added_only
    assert rows_of(house, columns="id") == [("a",)]
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.rows == 1
    again, touched = good(house, tickets, {"id": ["c"], "at": [None], "gone": ["true"]}, "at")
    assert (again.outcome, again.unchanged, again.removed, touched) == ("unchanged", 1, 0, NOTHING)
    back, _ = good(house, tickets, {"id": ["c"], "at": [at[2]], "gone": ["false"]}, "at")
    assert (back.loaded, back.removed) == (1, 0)
    assert rows_of(house, columns="id") == [("a",), ("c",)]


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        (["true", "false", None], "a"),
        (["1", "0", None], "a"),
        (["2.5", "0.0", None], "a"),
        (["2026-01-01 10:00", None, None], "a"),
        (["yes", "no", "F"], "a"),
        (["gone", " ", "Off"], "a"),
        ([None, None, None], ""),
    ],
)  # fmt: skip
def test_what_says_that_a_row_is_deleted(house: DuckWarehouse, values: list[Any], gone: str) -> None:
    good(house, source(key=["id"], deleted="x"), {"id": ["a", "b", "c"], "x": values})
    assert [row[0] for row in rows_of(house, columns="id")] == [name for name in "abc" if name not in gone]


def test_times_after_a_column_that_was_always_empty(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], deleted="deleted_at")
    good(house, tickets, {"id": ["a", "b"], "deleted_at": [None, None]})
    done, _ = good(house, tickets, {"id": ["a"], "deleted_at": ["2026-01-01T10:00:00Z"]})
    assert done.removed == 1
    assert rows_of(house, columns="id") == [("b",)]


def test_of_equal_keys_the_later_decides(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], cursor="at", deleted="gone", columns={"gone": "boolean", "at": "date"})
    rows = {
        "id": ["a", "a", "b", "b"],
        "at": ["2026-01-02", "2026-01-01", "2026-01-01", "2026-01-02"],
        "gone": ["false", "true", "false", "true"],
    }
    done, _ = good(house, tickets, rows)
    assert (done.duplicate, done.loaded, done.unchanged) == (2, 1, 1)
    assert rows_of(house, columns="id") == [("a",)]


def test_a_file_of_nothing_but_deletions_may_empty_the_table_and_an_empty_one_may_not(house: DuckWarehouse) -> None:
    tickets = source(key=["id"], deleted="gone", columns={"gone": "boolean"})
    good(house, tickets, {"id": ["a", "b"], "gone": [False, False]})
    done, _ = load(house, tickets, {"id": [], "gone": []}, full=True)
    assert (done.outcome, "no rows came" in str(done.problem)) == ("held", True)
    done, _ = good(house, tickets, {"id": ["a", "b"], "gone": [True, True]})
    assert (done.removed, rows_of(house)) == (2, [])


def test_json_may_name_the_column_only_where_a_row_is_deleted(house: DuckWarehouse) -> None:
    people = source(kind="http", key=["id"], deleted="deleted_at")
    good(house, people, {"id": ["a", "b"]}, file=None)
    done, _ = good(house, people, {"id": ["b"], "deleted_at": ["2026-01-01T10:00:00Z"]}, file=None)
    assert (done.removed, [row[0] for row in rows_of(house, columns="id")]) == (1, ["a"])
    assert good(house, people, {"id": ["a"]}, file=None)[0].outcome == "unchanged"


def test_a_column_that_is_not_there_fails_the_load(house: DuckWarehouse) -> None:
    done, _ = load(house, source(key=["id"], deleted="gone"), {"id": ["a"]})
    assert done.outcome == "failed"
    assert "'gone' is missing (deleted rows)" in str(done.problem)


ROW = st.tuples(st.sampled_from("abcd"), st.integers(0, 2), st.booleans())


@settings(max_examples=times(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pulls=st.lists(st.tuples(st.lists(ROW, max_size=5), st.booleans()), min_size=1, max_size=4))
def test_the_table_is_what_a_dictionary_would_hold(house: DuckWarehouse, pulls: list[tuple[list[Any], bool]]) -> None:
    with house._writing(), house._cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS main.tickets")
        cursor.execute("DELETE FROM _loads.standing")
    tickets = source(
        kind="sql",
        key=["id"],
        deleted="gone",
        time="at",
        columns={"id": "text", "n": "integer", "gone": "boolean"},
        checks=[Check("rows", at_least=0)],  # a full pull without rows is meant: nothing waits for a person
    )
    held: dict[str, int] = {}
    for rows, full in pulls:
        days = [f"2026-01-0{1 + n}" for _, n, _ in rows]
        given_rows = {"id": [r[0] for r in rows], "n": [r[1] for r in rows], "gone": [r[2] for r in rows], "at": days}
        done, touched = good(house, tickets, given_rows, "at", full=full)
        before = dict(held)
        last = {key: (n, gone) for key, n, gone in rows}
        for key, (n, gone) in last.items():
            if gone:
                held.pop(key, None)
            else:
                held[key] = n
        if full:
            held = {key: n for key, n in held.items() if key in last}
        assert dict(rows_of(house, columns="id, n")) == held
        assert done.removed == len(before.keys() - held.keys())
        if not touched.everything:
            changed = {
                n
                for key in before.keys() | held.keys()
                if before.get(key) != held.get(key)
                for n in (before.get(key), held.get(key))
            }
            assert touched.days.get("at", frozenset()) == {day(f"2026-01-0{1 + n}") for n in changed if n is not None}


BOOK = """
version: 1
organization: {name: N, owner: A <a@example.com>, timezone: UTC}
sources:
  orders:
    kind: sql
    url: sqlite:///shop.sqlite
    query: select * from orders where updated_at > :cursor
    cursor: {column: updated_at, lookback: 1h}
    key: [id]
    deleted: deleted_at
    every: 1m
"""


def test_a_soft_delete_of_a_database_is_followed(tmp_path: Path, house: DuckWarehouse) -> None:
    (tmp_path / "metrics.yaml").write_text(BOOK, encoding="utf-8")
    book = read_book(tmp_path / "metrics.yaml")
    shop = sqlite3.connect(tmp_path / "shop.sqlite")
    shop.execute("create table orders (id integer, amount integer, updated_at text, deleted_at text)")
    shop.executemany(
        "insert into orders values (?, ?, ?, null)", [(i, i, f"2026-01-0{i} 10:00:00") for i in range(1, 5)]
    )
    shop.commit()

    def pull() -> Any:
        return pull_source(house, book, book.sources["orders"], tmp_path, FixedClock(NOW), cause="command")[0]

    assert pull().loaded == 4
    shop.execute(
        "update orders set updated_at = '2026-02-01 10:00:00', deleted_at = '2026-02-01 10:00:00' where id = 2"
    )
    shop.commit()
    shop.close()
    done = pull()
    assert (done.outcome, done.removed, done.loaded) == ("ok", 1, 1)
    assert [row[0] for row in rows_of(house, "orders", "id")] == [1, 3, 4]
    assert (pull().outcome, pull().removed) == ("unchanged", 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    deleted: deleted_at\n    mode: append\n", "10:5: source 'orders' has 'deleted' without a key"),
        (
            "    key: [id, deleted_at]\n    deleted: deleted_at\n",
            "11:14: 'deleted' of source 'orders' is 'deleted_at', a part of its key",
        ),
        ("    key: [id]\n    deleted: [x]\n", "11:14: "),
    ],
)
def test_mistakes_are_said_where_they_stand(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "metrics.yaml").write_text(
        BOOK.replace("    key: [id]\n    deleted: deleted_at\n", line), encoding="utf-8"
    )
    with pytest.raises(ScorecardError) as caught:
        read_book(tmp_path / "metrics.yaml")
    assert [str(p) for p in caught.value.problems if said in str(p)], caught.value.problems
