"""External tables: looked at, not copied; what changed is found day by day, and what is not there is named at its place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.board.publish import Publisher
from scorecard.book.model import Book
from scorecard.book.read import read_book
from scorecard.ground.clock import FixedClock
from scorecard.ground.errors import ScorecardError
from scorecard.journal.journal import Journal
from scorecard.refresh.pull import pull_source
from scorecard.refresh.run import Refresher
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import NOTHING, Load, Touched
from tests.amounts import times
from tests.warehouse_house import NOW, day, good, rows_of, source, warehouse_in

HEAD = """
version: 1
organization: {name: N, owner: A <a@example.com>, timezone: Europe/Berlin}
"""
BOOK = (
    HEAD
    + """
sources:
  hours: {kind: external, table: payroll.hours, time: day, every: 1h}
metrics:
  paid: {role: lagging, source: hours, sum: hours, unit: h, better: lower, grain: day}
  people: {role: lagging, source: hours, distinct: who, better: lower, grain: day}
"""
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path / "data")
    yield warehouse
    warehouse.close()


def fill(house: DuckWarehouse, *statements: str) -> None:
    """What something else does to the tables."""
    house.write([(statement, ()) for statement in statements])


MAKE = (
    "CREATE SCHEMA IF NOT EXISTS payroll",
    'CREATE OR REPLACE TABLE payroll.hours ("Day" DATE, who VARCHAR, hours DECIMAL(6,2))',
    "INSERT INTO payroll.hours VALUES ('2026-09-01', 'ana', 7.5), ('2026-09-01', 'ben', 8), ('2026-09-02', 'ana', 4.25)",
)


def book_of(folder: Path, text: str) -> Book:
    (folder / "metrics.yaml").write_text(text, encoding="utf-8")
    return read_book(folder / "metrics.yaml")


def look(house: DuckWarehouse, book: Book, folder: Path, **more: Any) -> tuple[Load, Touched]:
    done, touched = pull_source(house, book, book.sources["hours"], folder, FixedClock(NOW), cause="command", **more)
    assert done.read == done.loaded + done.unchanged + done.duplicate + done.quarantined or done.outcome == "failed"
    return done, touched


def test_days_that_changed_are_found_and_nothing_is_copied(house: DuckWarehouse, tmp_path: Path) -> None:
    book = book_of(tmp_path, BOOK)
    assert book.warnings == ()
    fill(house, *MAKE)
    first, touched = look(house, book, tmp_path)
    assert (first.outcome, first.read, first.loaded, touched.everything) == ("ok", 3, 3, True)
    assert rows_of(house, "hours", "day, who, _day_day")[0] == (day("2026-09-01"), "ana", day("2026-09-01"))
    again, touched = look(house, book, tmp_path)
    assert (again.outcome, again.unchanged, again.generation, touched) == ("unchanged", 3, 1, NOTHING)
    fill(
        house,
        "UPDATE payroll.hours SET hours = 9 WHERE who = 'ben'",
        "INSERT INTO payroll.hours VALUES ('2026-09-05', 'ana', 1)",
    )
    done, touched = look(house, book, tmp_path)
    assert (done.loaded, done.unchanged, done.removed, done.generation) == (3, 1, 0, 2)
    assert touched.days == {"day": {day("2026-09-01"), day("2026-09-05")}}
    fill(house, "DELETE FROM payroll.hours WHERE \"Day\" = '2026-09-01'")
    done, touched = look(house, book, tmp_path)
    assert (done.loaded, done.unchanged, done.removed) == (0, 2, 2)
    assert touched.days == {"day": {day("2026-09-01")}}
    standing = house.standing("hours")
    assert standing is not None
    assert (standing.rows, standing.first_day) == (2, {"day": day("2026-09-02")})
    assert standing.data_until == datetime(2026, 9, 5, 22, tzinfo=UTC)
    assert house.query("SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'hours'")["n"].to_list() == [1]


def test_two_rows_that_change_places_are_no_change_and_equal_sums_are_one(house: DuckWarehouse, tmp_path: Path) -> None:
    book = book_of(tmp_path, BOOK)
    fill(house, *MAKE)
    look(house, book, tmp_path)
    fill(house, "CREATE OR REPLACE TABLE payroll.hours AS FROM payroll.hours ORDER BY hours DESC")
    assert look(house, book, tmp_path)[0].outcome == "unchanged"
    fill(house, "UPDATE payroll.hours SET hours = 15.5 - hours WHERE \"Day\" = '2026-09-01'")
    assert look(house, book, tmp_path)[1].days == {"day": {day("2026-09-01")}}


def test_a_view_serves_as_well_and_times_are_the_organisations(house: DuckWarehouse, tmp_path: Path) -> None:
    fill(
        house,
        "CREATE TABLE raw AS SELECT TIMESTAMP '2026-09-01 23:30:00' AS \"At Local\", TIMESTAMPTZ '2026-09-01 22:30:00+00' AS at_zone, 1 AS n",
        "CREATE VIEW shown AS FROM raw",
    )
    text = (
        HEAD
        + """
sources:
  hours: {kind: external, table: shown, time: at_local, every: 1h, timezone: America/New_York}
metrics:
  one: {role: lagging, source: hours, sum: n, better: lower, grain: day}
  two: {role: lagging, source: hours, sum: n, time: at_zone, better: lower, grain: day}
"""
    )
    look(house, book_of(tmp_path, text), tmp_path)
    columns = "at_local, at_zone, _day_at_local, _day_at_zone"
    found = rows_of(house, "hours", columns)
    utc = (datetime(2026, 9, 2, 3, 30), datetime(2026, 9, 1, 22, 30))  # noqa: DTZ001 (UTC, as tables hold it)
    assert found == [(*utc, day("2026-09-02"), day("2026-09-02"))]


@pytest.mark.parametrize(
    ("change", "said", "at", "hint"),
    [
        ("DROP TABLE payroll.hours", "the warehouse has no table payroll.hours", 6, "something else must make it first"),
        ("ALTER TABLE payroll.hours RENAME TO hour", "the warehouse has no table payroll.hours", 6, "did you mean 'payroll.hour'?"),
        ('ALTER TABLE payroll.hours RENAME "Day" TO days', "payroll.hours has no column 'day' (the time)", 6, "did you mean 'days'?"),
        ("ALTER TABLE payroll.hours DROP hours", "payroll.hours has no column 'hours' (metrics)", 6, "it has day, who"),
        ('ALTER TABLE payroll.hours ADD COLUMN "DAY " INT', "both become 'day'", 6, "name a view"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(
    house: DuckWarehouse, tmp_path: Path, change: str, said: str, at: int, hint: str
) -> None:
    book = book_of(tmp_path, BOOK)
    fill(house, *MAKE)
    look(house, book, tmp_path)
    before = house.standing("hours")
    fill(house, change)
    done, touched = look(house, book, tmp_path)
    assert (done.outcome, touched) == ("failed", NOTHING)
    (problem,) = done.problems
    assert said in problem.message
    assert problem.place is not None
    assert problem.place.line == at
    assert hint in (problem.hint or "")
    assert house.standing("hours") == before


def test_declared_types_hold_and_what_cannot_be_read_is_counted(house: DuckWarehouse, tmp_path: Path) -> None:
    text = BOOK.replace("every: 1h}", "every: 1h, columns: {hours: decimal}, quarantine_at_most: 50%}", 1)
    fill(
        house,
        *MAKE[:1],
        "CREATE TABLE payroll.hours AS SELECT DATE '2026-09-01' AS day, 'x' AS who, unnest(['1.5', '2', 'three']) AS hours",
    )
    done, _ = look(house, book_of(tmp_path, text), tmp_path)
    assert done.outcome == "ok"
    assert ["1 of 3 rows hold a value that cannot be read" in p.message for p in done.problems] == [True]
    failed, _ = look(house, book_of(tmp_path, text.replace("50%", "5%")), tmp_path)
    assert (failed.outcome, "at most 5.0% may" in str(failed.problem)) == ("failed", True)


def test_a_check_that_fails_renews_nothing(house: DuckWarehouse, tmp_path: Path) -> None:
    text = BOOK.replace("every: 1h}", "every: 1h, checks: [{rows: {at_least: 3}}]}", 1)
    book = book_of(tmp_path, text)
    fill(house, *MAKE)
    assert look(house, book, tmp_path)[0].outcome == "ok"
    fill(house, "DELETE FROM payroll.hours WHERE who = 'ben'")
    done, _ = look(house, book, tmp_path)
    assert (done.outcome, "at least 3" in str(done.problem)) == ("failed", True)
    fill(house, "INSERT INTO payroll.hours VALUES ('2026-09-01', 'ben', 8)")
    assert look(house, book, tmp_path)[0].outcome == "unchanged"


def test_a_source_may_become_external_and_copied_again(house: DuckWarehouse, tmp_path: Path) -> None:
    copied = source("hours", time="day")
    good(house, copied, {"day": ["2026-09-09"], "who": ["z"], "hours": ["1"]}, "day")
    fill(house, *MAKE)
    assert look(house, book_of(tmp_path, BOOK), tmp_path)[0].outcome == "ok"
    assert len(rows_of(house, "hours")) == 3
    good(house, copied, {"day": ["2026-09-09"], "who": ["z"], "hours": ["1"]}, "day")
    assert [row[0] for row in rows_of(house, "hours")] == [day("2026-09-09")]


def test_a_source_of_another_kind_goes_on_counting_and_shows_no_number_of_before(tmp_path: Path) -> None:
    """Each look and load in a process of its own, as far as what is kept can tell: nothing is in memory."""
    external, clock = BOOK, FixedClock(NOW)
    copied = BOOK.replace("kind: external, table: payroll.hours", "kind: csv, path: hours.csv")
    generations, numbers = [], []
    for n, text in enumerate([external, copied, copied, external, copied], 1):
        rows = f"Day,who,hours\n2026-09-01,ana,{n}\n"
        (tmp_path / "hours.csv").write_text(rows)
        house = warehouse_in(tmp_path / "data")
        fill(house, *MAKE[:2], f"INSERT INTO payroll.hours VALUES ('2026-09-01', 'ana', {n})")
        journal = Journal.open(tmp_path / "data", clock)
        refresher = Refresher(book_of(tmp_path, text), tmp_path, house, journal, Publisher(tmp_path / "data"), clock)
        done = refresher.pull_one("hours", cause="command")
        assert done.outcome == "ok", done.problems
        # The process ends between the load and its measuring; another one measures.
        later = Refresher(book_of(tmp_path, text), tmp_path, house, journal, Publisher(tmp_path / "data"), clock)
        numbers.append(later.look().reading("paid", "day", "2026-09-01").value)
        standing = house.standing("hours")
        assert standing is not None
        generations.append(standing.generation)
        journal.close()
        house.close()
    assert numbers == [1, 2, 3, 4, 5]
    assert generations == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "{kind: external, table: a.b.c, every: 1h}",
            "6:34: 'table' of source 'hours' is 'a.b.c', expected a table of the warehouse",
        ),
        ("{kind: external, table: main.hours, every: 1h}", "6:34: 'table' of source 'hours' is the source itself"),
        ("{kind: external, every: 1h}", "source 'hours' has no 'table'"),
    ],
)
def test_mistakes_are_said_where_they_stand(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ScorecardError) as caught:
        book_of(tmp_path, HEAD + f"\nsources:\n  hours: {line}\n")
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems


def test_keys_that_do_nothing_are_warned_of(tmp_path: Path) -> None:
    book = book_of(
        tmp_path, HEAD + "\nsources:\n  hours: {kind: external, table: p.h, every: 1h, key: [id], full_every: 1d}\n"
    )
    assert [("'key'" in str(w), "'full_every'" in str(w)) for w in book.warnings] == [(True, False), (False, True)]
    assert (book.sources["hours"].mode, book.sources["hours"].key) == ("replace", ())


ROW = st.tuples(st.integers(1, 5), st.sampled_from(["ana", "ben"]), st.integers(0, 3))


@settings(max_examples=times(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=st.lists(st.lists(ROW, max_size=6), min_size=2, max_size=3))
def test_readings_after_any_changes_are_those_of_the_rows(
    house: DuckWarehouse, tmp_path: Path, tables: list[list[Any]]
) -> None:
    """Measured look by look: only touched days are computed anew, and yet every number is that of the table's rows."""
    book, clock = book_of(tmp_path, BOOK), FixedClock(NOW)
    journal = Journal.open(tmp_path / "data", clock)
    refresher = Refresher(book, tmp_path, house, journal, Publisher(tmp_path / "data"), clock)
    try:
        for rows in tables:
            values = ", ".join(f"(DATE '2026-09-0{n}', '{who}', {hours})" for n, who, hours in rows)
            fill(house, *MAKE[:2], *([f"INSERT INTO payroll.hours VALUES {values}"] if rows else []))
            refresher.pull_one("hours", cause="command")
            board = refresher.publish()
            for number in range(1, 6):
                mine = [row for row in rows if row[0] == number]
                said = board.reading("paid", "day", f"2026-09-0{number}").value
                assert said in ({sum(row[2] for row in mine)} if mine else {0, None})
    finally:
        journal.close()


def test_another_book_on_trial_and_in_earnest_sees_other_times(house: DuckWarehouse, tmp_path: Path) -> None:
    more = (
        BOOK
        + "  booked: {role: lagging, source: hours, sum: hours, time: booked, unit: h, better: lower, grain: day}\n"
    )
    fill(house, *MAKE, "ALTER TABLE payroll.hours ADD COLUMN booked TIMESTAMP DEFAULT TIMESTAMP '2026-09-03 23:30'")
    book, clock = book_of(tmp_path, BOOK), FixedClock(NOW)
    journal = Journal.open(tmp_path / "data", clock)
    refresher = Refresher(book, tmp_path, house, journal, Publisher(tmp_path / "data"), clock)
    try:
        refresher.pull_one("hours", cause="command")
        refresher.publish()
        other = book_of(tmp_path, more)
        with refresher.trial(other) as board:
            assert board.reading("booked", "day", "2026-09-03").value == 19.75
        assert "_day_booked" not in house.query("SELECT * FROM main.hours LIMIT 0").columns
        assert refresher.replace_book(other).reading("booked", "day", "2026-09-03").value == 19.75
        fill(house, "UPDATE payroll.hours SET booked = booked - INTERVAL 1 DAY WHERE who = 'ben'")
        refresher.pull_one("hours", cause="command")
        board = refresher.publish()
        assert [board.reading("booked", "day", f"2026-09-0{n}").value for n in (2, 3)] == [8, 11.75]
    finally:
        journal.close()
