"""A read-only connection to any database that SQLAlchemy knows."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import NullPool

from connectors.columns import Unreadable
from connectors.contract import Pull, SourceFailed
from connectors.cursors import source_zone
from connectors.paths import may_read
from connectors.redaction import SECRET_NAMES, Redaction
from connectors.sql.faults import as_failure
from connectors.sql.mysqltypes import converters

DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mssql": "mssql+pymssql",
    "oracle": "oracle+oracledb",
}
PACKAGES = {
    "pymysql": "pymysql[rsa]",
    "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient", "cx_Oracle": "cx-Oracle", "ibm_db_sa": "ibm-db-sa",
    "mysql": "mysql-connector-python", "firebird": "firebird-driver",
    "awsathena": "PyAthena[SQLAlchemy]", "bigquery": "sqlalchemy-bigquery", "clickhouse": "clickhouse-sqlalchemy",
    "clickhousedb": "clickhouse-connect", "cockroachdb": "sqlalchemy-cockroachdb", "databricks": "databricks-sqlalchemy",
    "db2": "ibm-db-sa", "duckdb": "duckdb-engine", "exa": "sqlalchemy-exasol", "hana": "sqlalchemy-hana",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy", "teradatasql": "teradatasqlalchemy", "trino": "trino[sqlalchemy]",
    "vertica": "sqlalchemy-vertica-python",
}  # fmt: skip
"""Drivers and dialects whose package has another name, https://docs.sqlalchemy.org/en/21/dialects/"""
CONNECT_SECONDS = 15
READ_ONLY = {
    "mysql": (
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION max_execution_time = {milliseconds}",
        "SET time_zone = '+00:00'",
    ),
    "mariadb": (
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION max_statement_time = {seconds}",
        "SET time_zone = '+00:00'",
    ),
    "oracle": ("SET TRANSACTION READ ONLY",),
    "mssql": ("SET LOCK_TIMEOUT {milliseconds}",),
}


def read_url(request: Pull) -> URL:
    """The source's ``url``. Raises SourceFailed without showing it."""
    written = request.options.get("url")
    if not isinstance(written, str) or not written.strip():
        raise SourceFailed("url: missing", hint="an SQLAlchemy URL such as postgresql://user:${PASSWORD}@host/database")
    try:
        url = make_url(written.strip())
    except (sa.exc.ArgumentError, ValueError):
        hint = "dialect://user:password@host:port/database; signs such as @ or / in a password are written as %40, %2F"
        raise SourceFailed("url: this is no SQLAlchemy URL", hint=hint) from None
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def redaction_of(url: URL) -> Redaction:
    """Knows the password and the secrets in the query part of the address."""
    password = [] if url.password is None else [str(url.password)]
    named = [(name, [found] if isinstance(found, str) else found) for name, found in url.query.items()]
    return Redaction([*password, *(value for name, values in named if SECRET_NAMES.search(name) for value in values)])


def shown_database(url: URL) -> str:
    """How the database is named to people: without user and password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()} {url.database or ''} at {url.host or 'localhost'}{port}"


@contextmanager
def connected(request: Pull, url: URL) -> Iterator[Connection]:
    """A connection that only reads, with the pull's time limit. Raises SourceFailed where none can be had."""
    redaction, shown = redaction_of(url), shown_database(url)
    try:
        engine = _engine(request, url)
    except sa.exc.NoSuchModuleError:
        package = PACKAGES.get(url.get_backend_name())
        hint = f"install it: {_install(package)}" if package else _known_dialect(url.get_backend_name())
        raise SourceFailed(f"url: SQLAlchemy knows no dialect '{url.drivername}'", hint=hint) from None
    except ImportError as problem:
        module = (problem.name or str(problem)).partition(".")[0]
        hint = f"install it: {_install(PACKAGES.get(module, module))}"
        raise SourceFailed(f"url: the driver '{module}' is not installed", hint=hint) from None
    try:
        with engine.connect() as connection:
            _restrict(connection, request)
            yield connection
    except sa.exc.SQLAlchemyError as problem:
        raise as_failure(problem, redaction, shown) from None
    finally:
        engine.dispose()


def _install(package: str) -> str:
    """The one command that mends it: for the Python that runs here, wherever a shell's own pip belongs to."""
    return (
        f"{sys.executable} -m pip install '{package}'"
        if "[" in package
        else f"{sys.executable} -m pip install {package}"
    )


def _known_dialect(written: str) -> str:
    known = [*DRIVERS, "sqlite", *PACKAGES]
    close = next(iter(get_close_matches(written, known, 1, 0.7)), None)
    return f"did you mean '{close}'?" if close else "for example postgresql, mysql, mariadb, mssql, oracle, sqlite"


def _engine(request: Pull, url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(request, url)
    arguments: dict[str, Any] = {}
    if backend == "postgresql" and url.drivername.endswith("psycopg"):
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": str(int(request.timeout_seconds * 1000)),
            "TimeZone": source_zone(request).key,
            "DateStyle": "ISO",
            "IntervalStyle": "postgres",
            "bytea_output": "hex",
        }
        given = url.query.get("options", "")
        own = given if isinstance(given, str) else " ".join(given)
        url = url.difference_update_query(["options"])
        arguments["options"] = " ".join([own, *(f"-c {name}={value}" for name, value in settings.items())]).strip()
        arguments["client_encoding"] = "utf8"
        arguments["application_name"] = url.query.get("application_name", "scorecard")
        arguments["connect_timeout"] = int(str(url.query.get("connect_timeout", CONNECT_SECONDS)))
    elif url.drivername.endswith("pymysql"):
        from pymysql.converters import conversions

        arguments |= {"connect_timeout": CONNECT_SECONDS, "read_timeout": int(request.timeout_seconds) + 5}
        arguments["conv"] = converters(conversions)
        if "charset" not in url.query:
            arguments["charset"] = "utf8mb4"
    elif url.drivername.endswith("pymssql"):
        arguments |= {"login_timeout": CONNECT_SECONDS, "timeout": int(request.timeout_seconds) + 1}
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    if url.drivername.endswith("+psycopg"):
        sa.event.listen(engine, "connect", _read_odd_times)
    return engine


def _sqlite(request: Pull, url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise SourceFailed(
            "url: an SQLite address names a file", hint="sqlite:///data/shop.sqlite, relative to the YAML's folder"
        )
    path = request.folder / url.database
    if not path.exists():
        raise SourceFailed(
            f"no SQLite file at {url.database}", hint=f"paths are relative to {request.folder.resolve()}"
        )
    real = may_read(path, request).resolve()
    if real.stat().st_size == 0:
        raise SourceFailed(f"the SQLite file {url.database} is empty", hint="it has no tables yet")
    deadline = time.monotonic() + request.timeout_seconds

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(real))}?mode=ro", uri=True, timeout=5.0, check_same_thread=False)
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 20_000)
        connection.execute("PRAGMA query_only = ON")
        connection.set_authorizer(_allow_reading)
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _allow_reading(action: int, *_: str | None) -> int:
    refused = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
    return sqlite3.SQLITE_DENY if action in refused else sqlite3.SQLITE_OK


def _restrict(connection: Connection, request: Pull) -> None:
    """Read-only and a time limit where the address cannot carry them; what a server does not know is left out."""
    for statement in READ_ONLY.get(connection.dialect.name, ()):
        filled = statement.format(milliseconds=int(request.timeout_seconds * 1000), seconds=request.timeout_seconds)
        try:
            connection.exec_driver_sql(filled)
        except sa.exc.OperationalError:
            connection.rollback()


def _read_odd_times(connection: Any, _: Any) -> None:
    """Times that Python cannot hold (infinity, the year 30000) come as Unreadable instead of failing the whole pull."""
    from psycopg import DataError, adapters
    from psycopg.adapt import Buffer, Loader
    from psycopg.pq import Format

    def tolerant(oid: int) -> type[Loader]:
        usual = adapters.get_loader(oid, Format.TEXT)
        if usual is None:
            raise LookupError(oid)
        made = usual

        class Tolerant(Loader):
            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._load = made(oid, context).load

            def load(self, data: Buffer) -> Any:
                try:
                    return self._load(data)
                except DataError:
                    return Unreadable(bytes(data).decode())

        return Tolerant

    for oid in (1082, 1114, 1184):  # date, timestamp, timestamptz
        connection.adapters.register_loader(oid, tolerant(oid))
