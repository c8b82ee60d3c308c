"""Declared checks, on the table as it would be after the load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scorecard.book.model.source import Check
from scorecard.ground.errors import Place
from scorecard.warehouse import gates
from scorecard.warehouse.duck import DuckWarehouse
from tests.warehouse_house import good, load, rows_of, source, warehouse_in


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


TEN = {"id": range(10), "n": range(10)}


@pytest.mark.parametrize(
    ("check", "rows", "said"),
    [
        (
            Check("rows", drop_at_most=0.5),
            {"id": range(4), "n": range(4)},
            "drop from 10 to 4 rows (60%); the check allows 50%",
        ),
        (
            Check("rows", at_least=10),
            {"id": range(9), "n": range(9)},
            "would have 9 rows; the check asks for at least 10",
        ),
        (Check("not_null", ("id", "n")), {"id": [1, 2], "n": [1, None]}, "1 rows have no 'n'"),
        (
            Check("unique", ("n",)),
            {"id": [1, 2, 3, 4], "n": [1, 1, None, None]},
            "1 values of n stand in more than one row",
        ),
        (Check("unique", ("gone",)), {"id": [1], "n": [1]}, "names columns that are not there: gone"),
        (
            Check("sql", text="select count(*) = 0 from tickets where n < 0"),
            {"id": [1], "n": [-1]},
            "the check does not hold",
        ),
        (Check("sql", text="select max(n) > 0 from tickets"), {"id": [1], "n": [None]}, "the check does not hold"),
        (Check("sql", text="select n from tickets"), {"id": [1], "n": [1]}, "must give one true or false"),
        (Check("sql", text="select true from nowhere"), {"id": [1], "n": [1]}, "nowhere does not exist"),
        (
            Check("sql", text="drop table tickets"),
            {"id": [1], "n": [1]},
            "only a statement that begins with select or with is run",
        ),
        (
            Check("sql", text="select true; drop table tickets"),
            {"id": [1], "n": [1]},
            "one statement is run, and here are 2",
        ),
        (
            Check("sql", text="select count(*) > 0 from read_text('/etc/passwd')"),
            {"id": [1], "n": [1]},
            "could not be run",
        ),
        (Check("sql", text="select n / 0 > 'x'::int from tickets"), {"id": [1], "n": [1]}, "could not be run"),
    ],
)
def test_a_check_that_fails_leaves_everything_as_it_was(
    house: DuckWarehouse, check: Check, rows: dict[str, list[object]], said: str
) -> None:
    good(house, source(columns={"n": "integer"}), TEN)
    before = house.standing("tickets"), rows_of(house)
    placed = replace(check, place=Place("metrics.yaml", 9, 5))
    done, _ = load(house, source(columns={"n": "integer"}, checks=[placed]), rows)
    broken = ("names columns", "must give", "could not be run", "is run", "statement", "does not exist")
    assert done.outcome == ("failed" if any(word in said for word in broken) else "held")
    assert said in str(done.problem)
    assert done.problems[0].place == Place("metrics.yaml", 9, 5)
    assert (house.standing("tickets"), rows_of(house)) == before
    assert (done.loaded, done.unchanged, done.generation) == (0, 0, 1)


def test_checks_that_hold_let_the_load_in_and_all_failing_ones_are_told_at_once(house: DuckWarehouse) -> None:
    checks = [
        Check("rows", at_least=1, drop_at_most=0.5),
        Check("not_null", ("id",)),
        Check("unique", ("id",)),
        Check("sql", text="SELECT count(*) = 0 FROM tickets WHERE n < 0 -- none"),
        Check("sql", text="with few as (select * from tickets where n > 4) select count(*) > 0 from few"),
    ]
    good(house, source(key=["id"], checks=checks), TEN)
    good(house, source("other", checks=[Check("sql", text="select (select count(*) from tickets) = 10")]), {"x": [1]})
    done, _ = load(house, source(key=["id"], checks=checks), {"id": [1, 2], "n": [-1, 5]}, full=True)
    assert [p.message.split(": ", 1)[1][:20] for p in done.problems] == ["the table would drop", "the check does not h"]


def test_checks_see_the_whole_table_after_an_upsert(house: DuckWarehouse) -> None:
    of = source(
        key=["id"], checks=[Check("sql", text="select sum(n) = 45 + 100 - 3 from tickets"), Check("rows", at_least=10)]
    )
    good(house, source(key=["id"]), TEN)
    done, _ = load(house, of, {"id": [3], "n": [100]})
    assert done.outcome == "ok", done.problems
    done, _ = load(house, of, {"id": [3], "n": [101]})
    assert done.outcome == "held"
    assert rows_of(house)[3] == (3, 100)


def test_a_check_that_runs_too_long_fails_the_load(house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "SQL_SECONDS", 0.3)
    slow = "select count(*) > 0 from range(1000000000) a, range(1000) b where a.range + b.range = -1"
    done, _ = load(house, source(checks=[Check("sql", text=slow)]), TEN)
    assert done.outcome == "failed"
    assert "longer than 0.3 s" in str(done.problem)
    good(house, source(), TEN)
