"""MySQL's kind of database on a real MariaDB: types, times, limits and read-only; skipped with words where none is installed."""

from __future__ import annotations

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
from connectors.registry import pull
from tests.pulls import Pulled, asked, collected, failure, pulled

HERE = Path(__file__).parent
pytest.importorskip("pymysql")


def read(url: str, query: str, **given: Any) -> Pulled:
    return pulled("sql", HERE, url=url, query=query, **given)


@pytest.fixture(scope="module")
def shop(mariadb_url: str) -> Iterator[str]:
    engine = sa.create_engine(sa.make_url(mariadb_url).set(drivername="mariadb+pymysql"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in (
            "set sql_mode = ''",
            "set time_zone = '+00:00'",
            """create table kinds (id bigint unsigned, price decimal(30,10), bits bit(3), flag tinyint(1), real4 float, day date, at datetime(6),
               moment timestamp(6) null, length time(1), year year, doc json, size enum('s','l'), tags set('a','b'), raw varbinary(4), t text)""",
            """insert into kinds values (18446744073709551615, 12345678901234567890.0123456789, b'101', 1, 0.1, '2026-03-29', '2026-03-29 10:00:00.5',
               '2026-03-29 08:00:00.25', '-838:59:58.5', 2026, '{"a": 1.10}', 'l', 'a,b', x'00ff', 'Zoë 😀'),
               (1, null, null, 0, null, '0000-00-00', '0000-00-00 00:00:00', null, '00:00:01', null, null, null, null, null, ''),
               (2, 1, null, 0, null, '2026-00-00', null, null, null, null, null, null, null, null, null)""",
            "create table changes (id int, at datetime, moment timestamp null)",
            "insert into changes values (1, '2026-01-01 10:00:00', '2026-01-01 09:00:00'), (2, '2026-01-01 12:00:00', '2026-01-01 11:00:00')",
        ):
            connection.exec_driver_sql(statement)
    yield mariadb_url
    engine.dispose()


def test_types_are_exact_and_zero_dates_are_none(shop: str) -> None:
    found = read(shop, "select * from kinds where id <> 2 order by id desc", timezone="Europe/Berlin")
    full, zero = found.rows
    assert full == {
        "id": Decimal(18446744073709551615), "price": Decimal("12345678901234567890.0123456789"), "bits": 5, "flag": 1, "real4": 0.1,
        "day": date(2026, 3, 29), "at": datetime(2026, 3, 29, 10, 0, 0, 500000),  # noqa: DTZ001 (what a clock shows)
        "moment": datetime(2026, 3, 29, 8, 0, 0, 250000, tzinfo=UTC), "length": "-838:59:58.5", "year": 2026, "doc": '{"a": 1.10}',
        "size": "l", "tags": "a,b", "raw": "00ff", "t": "Zoë 😀",
    }  # fmt: skip
    assert (zero["day"], zero["at"], zero["t"], found.rejected) == (None, None, "", [])
    assert found.types["moment"] == "timestamp[us, tz=UTC]"


def test_a_day_with_a_zero_in_it_is_put_aside(shop: str) -> None:
    found = read(shop, "select id, day from kinds where id <= 2 order by id")
    assert [(r.line, r.reason.split(",")[0]) for r in found.rejected] == [(2, "column day is 2026-00-00")]


@pytest.mark.parametrize(("column", "zone", "ids"), [
    ("at", "Europe/Berlin", [2]), ("at", "UTC", [1, 2]), ("moment", "Europe/Berlin", [2]), ("moment", "UTC", [2]),
])  # fmt: skip
def test_the_cursor_meets_clock_times_and_instants(shop: str, column: str, zone: str, ids: list[int]) -> None:
    """9:30 UTC is 10:30 in Berlin, whichever of the two the column holds."""
    cursor = Cursor(column, datetime(2026, 1, 1, 9, 30, tzinfo=UTC))
    found = read(shop, f"select * from changes where {column} > :cursor order by id", cursor=cursor, timezone=zone)
    assert found.column("id") == ids


@pytest.mark.parametrize(
    ("query", "words", "retry"),
    [
        ("select * from nothing_here", "table that is not there", False),
        ("select nothing_here from kinds", "column that is not there", False),
        ("select from", "not valid SQL", False),
        ("select id from kinds into outfile '/tmp/never'", "write a file", False),
        ("select nextval(counted)", "change data", False),
        ("select sleep(20)", "too long", False),
    ],
)  # fmt: skip
def test_what_the_server_says(shop: str, query: str, words: str, retry: bool) -> None:
    if "counted" in query:
        with sa.create_engine(
            sa.make_url(shop).set(drivername="mariadb+pymysql"), poolclass=sa.NullPool
        ).begin() as connection:
            connection.exec_driver_sql("create or replace sequence counted")
    started = time.monotonic()
    found = failure("sql", HERE, url=shop, query=query, seconds=1.0)
    assert words in found.message
    assert (found.retry, bool(found.hint)) == (retry, True)
    assert time.monotonic() - started < 8


def queries(url: str, words: str) -> int:
    with sa.create_engine(
        sa.make_url(url).set(drivername="mariadb+pymysql"), poolclass=sa.NullPool
    ).connect() as connection:
        rows = connection.execute(
            sa.text("select count(*) from information_schema.processlist where info like :w and id <> connection_id()"),
            {"w": f"%{words}%"},
        )
        return int(rows.scalar_one())


def test_a_stopped_pull_ends_its_query_and_does_not_read_the_rest(shop: str) -> None:
    request = asked(
        "sql", HERE, url=shop, query="select seq, sleep(0.01) as stopped_one from seq_1_to_10000", seconds=90
    )
    caught: list[SourceFailed] = []

    def run() -> None:
        try:
            collected(pull(request))
        except SourceFailed as failed:
            caught.append(failed)

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 10
    while not queries(shop, "stopped_one") and time.monotonic() < until:
        time.sleep(0.05)
    request.stop.set()
    thread.join(8)
    assert not thread.is_alive()
    assert [failed.message for failed in caught] == ["the pull was stopped"]
    assert queries(shop, "stopped_one") == 0


def test_secrets_stay_out_of_what_is_said(shop: str) -> None:
    url = sa.make_url(shop).set(username="nobody", password="s3cr3tpw").render_as_string(hide_password=False)
    found = failure("sql", HERE, url=url, query="select 1")
    assert "refused the sign-in" in found.message
    assert "s3cr3tpw" not in found.message + str(found.hint)
