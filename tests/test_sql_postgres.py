"""PostgreSQL by COPY: every type exact or named, and no query that goes on when nobody waits for it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Pull, SourceFailed
from connectors.registry import pull
from tests.postgres_server import Running
from tests.pulls import Pulled, asked, collected, failure, pulled
from tests.warehouse_house import good, rows_of, source, warehouse_in

HERE = Path(__file__).parent
pytestmark = pytest.mark.postgres


def read(url: str, query: str, **given: Any) -> Pulled:
    return pulled("sql", HERE, url=url, query=query, **given)


def plain(url: str) -> psycopg.Connection[Any]:
    """A connection of the test's own, that commits at once."""
    return psycopg.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(False), autocommit=True)


# -- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "type_", "value"),
    [
        ("'$1,234.50'::money", "decimal128(18, 2)", Decimal("1234.50")),
        ("'-$0.05'::money", "decimal128(18, 2)", Decimal("-0.05")),
        ("0.1::numeric(38,37)", "decimal128(38, 37)", Decimal("0.1")),
        ("1234567::numeric(4,-3)", "decimal128(18, 0)", Decimal(1235000)),
        ("0.00012::numeric(3,5)", "decimal128(18, 5)", Decimal("0.00012")),
        ("99999999999999999999.12::numeric(39,2)", "decimal128(38, 2)", Decimal("99999999999999999999.12")),
        ("1e-40::numeric", "string", "0." + "0" * 39 + "1"),
        ("(-1)::numeric", "decimal128(18, 0)", Decimal(-1)),
        ("9223372036854775807", "int64", 2**63 - 1),
        ("0.1::float4", "double", 0.1),
        ("'-2e-310'::float8", "double", -2e-310),
        ("b'0101'", "string", "0101"),
        ("b'1'::bit(1)", "string", "1"),
        ("interval '1 mon 2 days 03:04:05.6'", "string", "1 mon 2 days 03:04:05.6"),
        ("'\\xdeadbeef00'::bytea", "string", "deadbeef00"),
        ("''::bytea", "string", ""),
        ("'{\"a\": 1.10, \"b\": 123456789012345678901234567890}'::json", "string", '{"a": 1.10, "b": 123456789012345678901234567890}'),
        ("array[1.10, null]::numeric[]", "string", "[1.10, null]"),
        ("array['a,\"b', '']", "string", '["a,\\"b", ""]'),
        ("'{{1,2},{3,4}}'::int[]", "string", "[[1, 2], [3, 4]]"),
        ("'10.0.0.1/8'::inet", "string", "10.0.0.1/8"),
        ("'[1,5)'::int4range", "string", "[1,5)"),
        ("row(1, 'x')", "string", "(1,x)"),
        ("'24:00'::time", "string", "24:00:00"),
        ("timestamptz '2026-10-25 02:30:00+01'", "timestamp[us, tz=UTC]", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("timestamptz '1880-01-01 00:00:00+00'", "timestamp[us, tz=UTC]", datetime(1880, 1, 1, tzinfo=UTC)),
        ("timestamp '0001-01-01 00:00:00.000001'", "timestamp[us]", datetime(1, 1, 1, 0, 0, 0, 1)),  # noqa: DTZ001
        ("date '9999-12-31'", "date32[day]", date(9999, 12, 31)),
        ("''", "string", ""),
        ("'null'", "string", "null"),
        ("e'a\\n\"b\",\\r\\nc\\\\.'", "string", 'a\n"b",\r\nc\\.'),
        ("'\\.'", "string", "\\."),
        ("null::int[]", "string", None),
    ],
)  # fmt: skip
def test_each_type_is_exact(postgres_url: str, written: str, type_: str, value: Any) -> None:
    found = read(postgres_url, f"select {written} as v", timezone="Europe/Berlin")
    assert (found.types, found.column("v"), found.rejected) == ({"v": type_}, [value], [])


@pytest.mark.parametrize(
    "written",
    ["'-infinity'::date", "'infinity'::timestamp", "'0044-03-15 BC'::date", "'NaN'::numeric(5,2)", "'-Infinity'::numeric", "'Infinity'::float4",
     "'12000-01-01'::date"],
)  # fmt: skip
def test_what_cannot_be_counted_with_is_named(postgres_url: str, written: str) -> None:
    query = f"select 1 as id, {written} as v, '' as t, 'x'::bytea as b, true as o union all select 2, null, null, '\\x01', false"
    found = read(postgres_url, query + " union all select 3, null, 'a', null, null order by 1")
    assert [(r.line, r.reason.split(" is ")[0]) for r in found.rejected] == [(1, "column v")]
    assert found.lines == [2, 3]
    assert [(r["id"], r["v"], r["t"], r["b"], r["o"]) for r in found.rows] == [
        (2, None, None, "01", False), (3, None, "a", None, None),
    ]  # fmt: skip


def test_columns_of_enums_domains_and_nulls(postgres_url: str) -> None:
    with plain(postgres_url) as connection:
        connection.execute("create type mood as enum ('fine', 'bad')")
        connection.execute("create domain share as numeric(5,4) check (value <= 1)")
        try:
            found = read(
                postgres_url,
                "select 'fine'::mood as m, array['bad']::mood[] as ms, 0.25::share as s, null as n, null::numeric as d",
            )
        finally:
            connection.execute("drop type mood")
            connection.execute("drop domain share")
    assert found.rows == [{"m": "fine", "ms": '["bad"]', "s": Decimal("0.2500"), "n": None, "d": None}]
    assert found.types["s"] == "decimal128(5, 4)"


ODD_TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
ROW = st.tuples(
    st.none() | ODD_TEXT,
    st.none() | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=12),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["", '"', "a\\.", "\\.", "\r\n", ",", "NULL", "\\N"]),
)


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(ROW, max_size=8))
def test_whatever_was_written_is_read(postgres_url: str, rows: list[Any]) -> None:
    with plain(postgres_url) as connection:
        connection.execute(
            "create table written (id int, t text, n numeric, x float8, at timestamptz, ok bool, e varchar(20))"
        )
        try:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into written values (%s, %s, %s, %s, %s, %s, %s)", [(i, *row) for i, row in enumerate(rows)]
                )
            found = read(postgres_url, "select * from written order by id", timezone="America/New_York")
        finally:
            connection.execute("drop table written")
    assert [tuple(row.values())[1:] for row in found.rows] == rows
    assert found.rejected == []


def test_parameters_in_texts_that_hold_signs(postgres_url: str) -> None:
    from connectors.contract import Cursor

    query = "select '%s 100%% :cursor' as a, 10 % 3 as b, :cursor as c, ':x'::text as d -- % :no"
    evil = "it's \\' %s; drop table x --"
    found = read(postgres_url, query, cursor=Cursor("c", evil))
    assert found.rows == [{"a": "%s 100%% :cursor", "b": 1, "c": evil, "d": ":x"}]


@pytest.mark.parametrize("declared", [{}, {"v": "decimal"}])
def test_numbers_that_become_finer_are_not_rounded(postgres_url: str, tmp_path: Path, declared: dict[str, Any]) -> None:
    house = warehouse_in(tmp_path)
    of = source("prices", kind="sql", key=["id"], columns=declared)
    try:
        for number, written in ((1, "1.5"), (2, "1.123456789012345"), (3, "0.1")):
            query = f"select {number} as id, {written}::numeric as v"
            good(house, of, pull(asked("sql", HERE, url=postgres_url, query=query)))
        assert [row[1] for row in rows_of(house, "prices", "id, v")] == [
            Decimal("1.5"), Decimal("1.123456789012345"), Decimal("0.1"),
        ]  # fmt: skip
    finally:
        house.close()


# -- time limits, stops and restarts ----------------------------------------------------------------------------------


def active(url: str, words: str) -> int:
    """How many queries with these words run on the server."""
    with plain(url) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where state = 'active' and query like %s and pid <> pg_backend_pid()", [f"%{words}%"],
        ).fetchone()  # fmt: skip
    return 0 if row is None else int(row[0])


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_the_limit_holds_while_rows_come(postgres_url: str) -> None:
    started = time.monotonic()
    found = failure(
        "sql",
        HERE,
        url=postgres_url,
        query="select g, pg_sleep(0.02) as limited from generate_series(1, 1000) g",
        seconds=0.5,
    )
    assert "took too long" in found.message
    assert time.monotonic() - started < 4
    assert wait_for(lambda: active(postgres_url, "limited") == 0)


def test_a_locked_table_is_not_waited_for_without_end(postgres_url: str) -> None:
    with plain(postgres_url) as other:
        other.execute("create table locked (id int)")
        try:
            with other.transaction():
                other.execute("lock table locked in access exclusive mode")
                found = failure("sql", HERE, url=postgres_url, query="select * from locked", seconds=0.5)
        finally:
            other.execute("drop table locked")
    assert "took too long" in found.message


class Begun:
    """A pull in a thread of its own, and what it ended with."""

    def __init__(self, request: Pull) -> None:
        self.request = request
        self.found: Pulled | None = None
        self.failed: SourceFailed | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.found = collected(pull(self.request))
        except SourceFailed as failed:
            self.failed = failed


def test_a_stopped_pull_ends_its_query(postgres_url: str) -> None:
    query = "select pg_sleep(60) as stopped_one"
    begun = Begun(asked("sql", HERE, url=postgres_url, query=query, seconds=90))
    assert wait_for(lambda: active(postgres_url, "stopped_one") == 1)
    begun.request.stop.set()
    begun.thread.join(5)
    assert not begun.thread.is_alive()
    assert begun.failed is not None
    assert (begun.failed.message, begun.failed.retry) == ("the pull was stopped", False)
    assert wait_for(lambda: active(postgres_url, "stopped_one") == 0, 2)


KILLED = """
import sys
from pathlib import Path
from tests.pulls import pulled
pulled("sql", Path(), url=sys.argv[1], query="select pg_sleep(60) as killed_one", seconds=90)
"""


def test_a_killed_process_leaves_no_query_behind(postgres_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, postgres_url], cwd=HERE.parent) as process:
        try:
            assert wait_for(lambda: active(postgres_url, "killed_one") == 1, 20)
        finally:
            process.kill()
    assert wait_for(lambda: active(postgres_url, "killed_one") == 0, 6)


def test_a_server_that_restarts_is_asked_once_more(postgres: Running) -> None:
    query = "select g as id, case when g = 1 then pg_sleep(1.5)::text end as restarted from generate_series(1, 3) g"
    begun = Begun(asked("sql", HERE, url=postgres.url, query=query, seconds=60))
    assert wait_for(lambda: active(postgres.url, "restarted") == 1)
    postgres.restart("immediate")
    begun.thread.join(30)
    assert begun.failed is None
    assert begun.found is not None
    assert begun.found.column("id") == [1, 2, 3]


def test_a_connection_that_breaks_twice_is_a_failure(postgres_url: str) -> None:
    begun = Begun(asked("sql", HERE, url=postgres_url, query="select pg_sleep(60) as broken_one", seconds=90))
    seen: set[int] = set()

    def ended() -> bool:
        with plain(postgres_url) as connection:
            rows = connection.execute(
                "select pid from pg_stat_activity where state = 'active' and query like '%broken_one%' and pid <> pg_backend_pid()"
            ).fetchall()
            for (pid,) in rows:
                if pid not in seen:
                    seen.add(pid)
                    connection.execute("select pg_terminate_backend(%s)", [pid])
        return not begun.thread.is_alive()

    assert wait_for(ended, 15)
    begun.thread.join()
    assert len(seen) == 2
    assert begun.failed is not None
    assert begun.failed.retry
