"""SQL sources on real databases: exact types, read only, and errors that say what to do."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.contract import Cursor, SourceFailed
from connectors.sql.statement import prepare_statement
from tests.pulls import failure, pulled

HERE = Path(__file__).parent


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
        connection.execute("create table orders (id integer, amount numeric, updated_at text, note)")
        rows = [
            (1, 1.5, "2026-01-01 10:00:00", None),
            (2, 2, "2026-01-02 10:00:00", "x"),
            (3, None, "2026-01-03 10:00:00", 7),
        ]
        connection.executemany("insert into orders values (?, ?, ?, ?)", rows)
    connection.close()
    return tmp_path


def sqlite(folder: Path, query: str, **given: Any) -> Any:
    return pulled("sql", folder, url="sqlite:///shop.sqlite", query=query, **given)


def sqlite_fails(folder: Path, query: str, url: str = "sqlite:///shop.sqlite", **given: Any) -> SourceFailed:
    return failure("sql", folder, url=url, query=query, **given)


# -- SQLite -----------------------------------------------------------------------------------------------------------


def test_rows_with_types_that_hold_for_the_whole_result(shop: Path) -> None:
    found = sqlite(shop, 'select id as "Order ID", amount, note from orders order by id;')
    assert found.rows == [
        {"order_id": 1, "amount": 1.5, "note": None},
        {"order_id": 2, "amount": 2.0, "note": "x"},
        {"order_id": 3, "amount": None, "note": "7"},
    ]
    assert found.types == {"order_id": "int64", "amount": "double", "note": "string"}
    assert found.lines == [1, 2, 3]


def test_a_first_value_after_a_hundred_thousand_nulls(shop: Path) -> None:
    query = """with recursive n(i) as (select 1 union all select i + 1 from n where i < 120000)
               select i, case when i > 110000 then i / 4.0 end as late, case when i = 119999 then 'x' else i end as mixed,
                      case when i = 119999 then 9223372036854775807 else i end as large, null as never from n"""
    found = sqlite(shop, query)
    assert found.types == {"i": "int64", "late": "double", "mixed": "string", "large": "int64", "never": "null"}
    assert found.column("late")[:110_000] == [None] * 110_000
    assert found.column("late")[-1] == 30_000.0
    assert found.column("mixed")[-3:] == ["119998", "x", "120000"]
    assert found.column("large")[-2] == 2**63 - 1
    assert found.lines == list(range(1, 120_001))


def test_no_rows_still_have_columns(shop: Path) -> None:
    found = sqlite(shop, "select id, amount from orders where 1 = 0")
    assert (found.rows, list(found.types)) == ([], ["id", "amount"])


def test_the_cursor_is_a_bound_value(shop: Path) -> None:
    query = "select id, ':cursor' as told, '10:30' as clock from orders where updated_at > :cursor -- not :this\n order by id"
    found = sqlite(shop, query, cursor=Cursor("updated_at", datetime(2026, 1, 2, 10, tzinfo=UTC)))
    assert found.rows == [{"id": 3, "told": ":cursor", "clock": "10:30"}]
    berlin = sqlite(
        shop, query, cursor=Cursor("updated_at", datetime(2026, 1, 2, 8, 30, tzinfo=UTC)), timezone="Europe/Berlin"
    )
    assert berlin.column("id") == [2, 3]
    evil = Cursor("id", "0 or 1=1; drop table orders", None)
    assert sqlite(shop, "select id from orders where updated_at = :cursor", cursor=evil).rows == []
    assert sqlite(shop, "select id from orders where id > :cursor", cursor=Cursor("id", 2)).column("id") == [3]
    seconds = Cursor("updated_at", datetime(2026, 1, 2, 10, tzinfo=UTC), "epoch_s")
    assert sqlite(shop, "select :cursor + 0 as c", cursor=seconds).column("c") == [1767348000]


def test_infinity_is_put_aside(shop: Path) -> None:
    found = sqlite(shop, "select id, case when id = 2 then 9e999 else amount end as amount from orders")
    assert found.column("id") == [1, 3]
    assert [(r.line, r.reason) for r in found.rejected] == [
        (2, "column amount is inf, which is no value to count with")
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select * from ordres", "ordres"),
        ("select amuont from orders", "amuont"),
        ("select id from orders where", "not valid SQL"),
        ("select id, amount as ID from orders", "'id' and 'ID'"),
        ("select 1 as _line", "_line"),
        ("", "missing"),
        ("-- nothing\n", "missing"),
        ("select 1; drop table orders", "more than one"),
        ("delete from orders", "begins with DELETE"),
        ("with gone as (delete from orders returning id) select * from gone", "change data"),
        ("with x as (select 1) delete from orders", "change data"),
        ("attach 'x' as y", "begins with ATTACH"),
        ("pragma user_version", "begins with PRAGMA"),
        ("select id from orders where id > :cursor", "declares no cursor"),
    ],
)  # fmt: skip
def test_queries_that_are_refused(shop: Path, query: str, words: str) -> None:
    found = sqlite_fails(shop, query)
    assert words in found.message
    assert (found.retry, bool(found.hint)) == (False, True)


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("select a::text, b from t where c > :cursor", "select a\\:\\:text, b from t where c > :cursor"),
        ("select ':x', \"a:b\", $$ :y; $$ from t;", "select '\\:x', \"a\\:b\", $$ \\:y; $$ from t"),
        ("select 1 /* ; :z */ ; -- done", "select 1 /* ; \\:z */  -- done"),
        ("select 'it''s; fine'", "select 'it''s; fine'"),
        ("select a[1:2], update_time, \"delete\" from t", "select a[1\\:2], update_time, \"delete\" from t"),
    ],
)  # fmt: skip
def test_colons_and_semicolons_in_texts_are_left_alone(query: str, written: str) -> None:
    assert prepare_statement(query, has_cursor=True)[0] == written


def test_files_that_are_not_there_or_not_allowed(shop: Path) -> None:
    assert "no SQLite file" in sqlite_fails(shop, "select 1", "sqlite:///new.sqlite").message
    assert not (shop / "new.sqlite").exists()
    inner = shop / "inner"
    inner.mkdir()
    assert "outside" in sqlite_fails(inner, "select 1", "sqlite:///../shop.sqlite").message
    assert pulled("sql", inner, url="sqlite:///../shop.sqlite", query="select 1 as a", allowed=(shop,)).rows == [
        {"a": 1}
    ]
    assert pulled("sql", inner, url=f"sqlite:///{shop}/shop.sqlite", query="select 1 as a", allowed=(shop,)).rows == [
        {"a": 1}
    ]
    (shop / "text.sqlite").write_text("just some text, long enough to be looked at\n" * 100)
    assert "not a sound SQLite" in sqlite_fails(shop, "select * from t", "sqlite:///text.sqlite").message
    (shop / "empty.sqlite").touch()
    assert "empty" in sqlite_fails(shop, "select 1", "sqlite:///empty.sqlite").message
    assert "names a file" in sqlite_fails(shop, "select 1", "sqlite://").message


def test_slow_queries_end_at_the_limit(shop: Path) -> None:
    query = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    started = time.monotonic()
    found = sqlite_fails(shop, query, seconds=0.3)
    assert "too long" in found.message
    assert time.monotonic() - started < 3


def test_a_locked_file_is_tried_again(shop: Path) -> None:
    holder = sqlite3.connect(shop / "shop.sqlite", isolation_level=None, check_same_thread=False)
    holder.execute("begin exclusive")
    timer = threading.Timer(0.5, lambda: holder.execute("rollback"))
    timer.start()
    assert len(sqlite(shop, "select * from orders").rows) == 3  # waits a moment for the lock
    timer.join()
    holder.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url at all", "no SQLAlchemy URL"),
        ("nosuch://u:s3cr3tpw@h/d", "nosuch"),
        ("", "missing"),
        ("postgresql://ana:s3cr3tpw@127.0.0.1:9/shop?sslpassword=alsos3cret", "cannot be reached"),
        ("postgres://ana:s3cr3tpw@no-such-host.invalid/shop", "cannot be reached"),
    ],
)  # fmt: skip
def test_addresses_that_lead_nowhere(url: str, words: str) -> None:
    found = failure("sql", HERE, url=url, query="select 1")
    assert words in found.message
    assert "s3cr" not in found.message + str(found.hint)
    assert "ana" not in found.message
    assert found.retry == ("reached" in words)


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tickets(postgres_url: str) -> Iterator[str]:
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """create table kinds (id bigint, free numeric, money2 numeric(12,2), at timestamp, moment timestamptz, day date,
                                   uid uuid, doc jsonb, list int[], ok boolean, x double precision, code char(3), raw bytea)"""
        )
        connection.exec_driver_sql(
            """insert into kinds select g, case g when 3 then 1.123456789012 else g end, g + 0.25, timestamp '2026-01-01' + g * interval '1 h',
               timestamptz '2026-01-01 00:00+00' + g * interval '1 h', '2026-01-01', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
               '{"a": [1, null]}', '{1,2}', true, 0.1, 'ab', '\\x00ff' from generate_series(1, 3) g"""
        )
        connection.exec_driver_sql("create role reader login")
    yield postgres_url
    with engine.begin() as connection:
        connection.exec_driver_sql("drop table kinds")
        connection.exec_driver_sql("drop role reader")
    engine.dispose()


@pytest.mark.postgres
def test_postgres_types_are_exact(tickets: str) -> None:
    found = pulled(
        "sql", HERE, url=tickets.replace("postgresql+psycopg:", "postgres:"), query="select * from kinds order by id"
    )
    assert found.types == {
        "id": "int64", "free": "decimal128(18, 12)", "money2": "decimal128(12, 2)", "at": "timestamp[us]",
        "moment": "timestamp[us, tz=UTC]", "day": "date32[day]", "uid": "string", "doc": "string", "list": "string", "ok": "bool",
        "x": "double", "code": "string", "raw": "string",
    }  # fmt: skip
    last = found.rows[2]
    assert last["free"] == Decimal("1.123456789012")
    assert last["money2"] == Decimal("3.25")
    assert last["at"] == datetime(2026, 1, 1, 3)  # noqa: DTZ001 (a time without a zone stays one)
    assert last["moment"] == datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert (last["day"], last["doc"], last["list"], last["raw"]) == (
        date(2026, 1, 1),
        '{"a": [1, null]}',
        "[1, 2]",
        "00ff",
    )
    assert last["uid"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.mark.postgres
def test_postgres_numbers_that_are_none_are_put_aside(tickets: str) -> None:
    query = """select 1 as id, 'infinity'::timestamptz as t, 1::numeric as n, 1::float8 as x
               union all select 2, now(), 'NaN', 1 union all select 3, now(), 1, '-Infinity' union all select 4, now(), 1, 1
               union all select 5, '12000-01-01', 1, 1"""
    found = pulled("sql", HERE, url=tickets, query=query)
    assert found.column("id") == [4]
    assert [(r.line, r.reason.split(",")[0]) for r in found.rejected] == [
        (1, "column t is infinity"), (2, "column n is NaN"), (3, "column x is -Infinity"), (5, "column t is 12000-01-01 00:00:00+00"),
    ]  # fmt: skip


@pytest.mark.postgres
def test_large_numbers_of_postgres_are_exact(tickets: str) -> None:
    query = "select sum(id) as s, 123456789012345678901234567890.5::numeric as n, repeat('9', 60)::numeric as far from kinds"
    row = pulled("sql", HERE, url=tickets, query=query).rows[0]
    assert row == {"s": Decimal(6), "n": Decimal("123456789012345678901234567890.5"), "far": "9" * 60}


@pytest.mark.postgres
def test_the_cursor_meets_both_kinds_of_timestamps(tickets: str) -> None:
    at_two = Cursor("moment", datetime(2026, 1, 1, 2, tzinfo=UTC))
    for column, zone, ids in (
        ("moment", "UTC", [3]),
        ("moment", "Europe/Berlin", [3]),
        ("at", "UTC", [3]),
        ("at", "Europe/Berlin", []),
    ):
        query = f"select id from kinds where {column} > :cursor and doc::text like '%a%' order by id"
        assert pulled("sql", HERE, url=tickets, query=query, cursor=at_two, timezone=zone).column("id") == ids


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("query", "words", "retry"),
    [
        ("select * from nothing_here", "table that is not there", False),
        ("select nothing_here from kinds", "column that is not there", False),
        ("select id from kinds where", "not valid SQL", False),
        ("select * into other from kinds", "not valid SQL", False),
        ("select lo_create(0)", "change data", False),
        ("select 1 / (id - id) from kinds", "division by zero", False),
        ("select pg_sleep(20)", "too long", False),
        ("select pg_terminate_backend(pg_backend_pid())", "connection", True),
    ],
)  # fmt: skip
def test_what_postgres_says(tickets: str, query: str, words: str, retry: bool) -> None:
    found = failure("sql", HERE, url=tickets, query=query, seconds=1.0)
    assert words in found.message
    assert (found.retry, bool(found.hint)) == (retry, True)


@pytest.mark.postgres
def test_who_may_not_read_is_told_so(tickets: str) -> None:
    as_reader = sa.make_url(tickets).set(username="reader", password="s3cr3tpw").render_as_string(hide_password=False)
    found = failure("sql", HERE, url=as_reader, query="select * from kinds")
    assert "may not read" in found.message
    nobody = sa.make_url(tickets).set(username="nobody", password="s3cr3tpw").render_as_string(hide_password=False)
    found = failure("sql", HERE, url=nobody, query="select 1")
    assert "refused the sign-in" in found.message
    assert "s3cr3tpw" not in found.message + str(found.hint)
    nowhere = sa.make_url(tickets).set(database="nowhere").render_as_string(hide_password=False)
    assert "no such database" in failure("sql", HERE, url=nowhere, query="select 1").message


@pytest.mark.postgres
def test_many_rows_come_in_one_stream(tickets: str) -> None:
    query = "select g as id, case when g > 110000 then g * 1.5 end as late from generate_series(1, 120000) g"
    found = pulled("sql", HERE, url=tickets, query=query)
    assert found.batches == 1
    assert found.lines == found.column("id") == list(range(1, 120_001))
    assert found.column("late")[-2:] == [Decimal("179998.5"), Decimal("180000.0")]
    assert found.types == {"id": "int64", "late": "decimal128(18, 1)"}
