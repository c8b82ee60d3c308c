"""What is sent to databases that no test runs, statement by statement, and what is said where a driver is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite

from connectors.contract import SourceFailed
from connectors.sql.mysqltypes import clock_time, day, instant, number_of_bits
from connectors.sql.opening import DRIVERS, PACKAGES, READ_ONLY, read_url, shown_database
from connectors.sql.statement import prepare_statement
from tests.pulls import asked, failure

HERE = Path(__file__).parent


def dialect_of(module: Any, **options: str) -> sa.Dialect:
    made: sa.Dialect = module.dialect(**options)
    return made


@pytest.mark.parametrize(
    ("dialect", "query", "sent"),
    [
        (
            dialect_of(mssql, paramstyle="pyformat"),
            "select top 10 [Order ID], [a:b] as c from [dbo].[orders] with (nolock) where [at] > :cursor order by 1 desc",
            "select top 10 [Order ID], [a:b] as c from [dbo].[orders] with (nolock) where [at] > %(cursor)s order by 1 desc",
        ),
        (
            dialect_of(mssql, paramstyle="qmark"),
            "with o as (select * from sales.orders where at > :cursor) select o.*, '50%' as p from o option (maxdop 1)",
            "with o as (select * from sales.orders where at > ?) select o.*, '50%' as p from o option (maxdop 1)",
        ),
        (
            dialect_of(oracle),
            "select id, to_char(at, 'HH24:MI') as t from orders where at > :cursor",
            "select id, to_char(at, 'HH24:MI') as t from orders where at > :cursor",
        ),
        (
            dialect_of(mysql, paramstyle="format"),
            "select `a:b`, date_format(at, '%H:%i') as t from orders where at > :cursor",
            "select `a:b`, date_format(at, '%%H:%%i') as t from orders where at > %s",
        ),
        (
            dialect_of(postgresql, paramstyle="pyformat"),
            "select a::text, b[1:2], 5 % 2 as m from orders where at > :cursor",
            "select a::text, b[1:2], 5 %% 2 as m from orders where at > %(cursor)s",
        ),
        (
            dialect_of(sqlite),
            "select strftime('%H:%M', at) as t from orders where at > :cursor",
            "select strftime('%H:%M', at) as t from orders where at > ?",
        ),
    ],
)
def test_what_is_sent(dialect: sa.Dialect, query: str, sent: str) -> None:
    prepared, uses = prepare_statement(query, has_cursor=True)
    assert uses
    assert str(sa.text(prepared).compile(dialect=dialect)) == sent


def test_sessions_are_limited_in_words_that_each_server_has() -> None:
    filled = {
        name: [s.format(milliseconds=1500, seconds=1.5) for s in statements] for name, statements in READ_ONLY.items()
    }
    assert filled == {
        "mysql": [
            "SET SESSION TRANSACTION READ ONLY",
            "SET SESSION max_execution_time = 1500",
            "SET time_zone = '+00:00'",
        ],
        "mariadb": [
            "SET SESSION TRANSACTION READ ONLY",
            "SET SESSION max_statement_time = 1.5",
            "SET time_zone = '+00:00'",
        ],
        "oracle": ["SET TRANSACTION READ ONLY"],
        "mssql": ["SET LOCK_TIMEOUT 1500"],
    }


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://h/d", "postgresql+psycopg"), ("mysql://h/d", "mysql+pymysql"), ("mariadb://h/d", "mariadb+pymysql"),
        ("mssql://h/d", "mssql+pymssql"), ("mssql+pyodbc://h/d", "mssql+pyodbc"), ("oracle://h/d", "oracle+oracledb"),
    ],
)  # fmt: skip
def test_each_kind_of_address_has_a_driver(url: str, driver: str) -> None:
    assert read_url(asked("sql", HERE, url=url)).drivername == driver


@pytest.mark.parametrize(
    ("url", "words", "package"),
    [
        ("mssql://sa:s3cr3tpw@h/d", "the driver 'pymssql' is not installed", "pymssql"),
        ("oracle://u:s3cr3tpw@h/d", "the driver 'oracledb' is not installed", "oracledb"),
        ("mysql+mysqldb://u:s3cr3tpw@h/d", "the driver 'MySQLdb' is not installed", "mysqlclient"),
        ("postgresql+psycopg2://u:s3cr3tpw@h/d", "the driver 'psycopg2' is not installed", "psycopg2-binary"),
        ("snowflake://u:s3cr3tpw@h/d", "SQLAlchemy knows no dialect 'snowflake'", "snowflake-sqlalchemy"),
        ("trino://u:s3cr3tpw@h/d", "SQLAlchemy knows no dialect 'trino'", "'trino[sqlalchemy]'"),
    ],
)
def test_a_missing_driver_is_said_with_the_command_that_mends_it(url: str, words: str, package: str) -> None:
    found = failure("sql", HERE, url=url, query="select 1")
    if "not installed" not in found.message and "no dialect" not in found.message:
        pytest.skip("the driver is installed here")
    assert words in found.message
    assert found.hint == f"install it: {sys.executable} -m pip install {package}"
    assert "s3cr3tpw" not in found.message + found.hint


def test_a_misspelt_dialect_is_guessed() -> None:
    assert failure("sql", HERE, url="postgresq://h/d", query="select 1").hint == "did you mean 'postgresql'?"


def test_every_database_is_shown_without_its_user() -> None:
    for name in (*DRIVERS, *PACKAGES):
        url = sa.make_url(f"{name}://ana:s3cr3tpw@db.example.com:99/shop")
        shown = shown_database(url) if name not in PACKAGES else f"shop at {url.host}:{url.port}"
        assert "shop at db.example.com:99" in shown
        assert "ana" not in shown


@pytest.mark.parametrize("query", ["select * from t into outfile '/tmp/x'", "select 1 into dumpfile '/x'"])
def test_files_are_not_written(query: str) -> None:
    with pytest.raises(SourceFailed, match="write a file"):
        prepare_statement(query, has_cursor=False)
    assert prepare_statement("select 'into outfile' as a, `outfile` from t", has_cursor=False)


def test_values_of_mysql() -> None:
    assert [day("0000-00-00"), str(day("2026-02-00")), str(day("2026-02-28"))] == [None, "2026-02-00", "2026-02-28"]
    assert [clock_time("0000-00-00 00:00:00.000"), str(clock_time("2026-02-00 10:00:00"))] == [
        None,
        "2026-02-00 10:00:00",
    ]
    assert (str(instant("2026-02-28 10:00:00.5")), instant("0000-00-00 00:00:00")) == (
        "2026-02-28 10:00:00.500000+00:00",
        None,
    )
    assert [number_of_bits(b"\x00"), number_of_bits(b"\x01\x00")] == [0, 256]
