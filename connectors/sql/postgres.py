"""PostgreSQL's rows by COPY: its own text of every value, parsed in Arrow; exact, streamed, and stopped on the server.

The text of a value is what the server itself holds for exact, so nothing is lost on the way through a driver's types.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.columns import LINE
from connectors.contract import Pull
from connectors.sql.postgrestypes import MONEY, NUMERIC, PLAIN, TEXTS, Field, Odd, field_of, read_piece
from connectors.sql.result import Aside, column_names, too_large, too_slow
from connectors.sql.spool import Spool

if TYPE_CHECKING:
    import psycopg

PIECE = 4 * 1024**2
"""Bytes that are parsed at a time."""
PIECES_AHEAD = 2
LOOK_SECONDS = 0.5
VANISHED_SINCE = 140000
NO_COPY = {"0A000", "42601"}
"""What servers say that speak PostgreSQL's language but have no COPY of a query."""
ARRAYS = "SELECT oid::int8 FROM pg_catalog.pg_type WHERE typcategory = 'A' AND oid = ANY(%s)"


def has_copy(connection: Connection) -> bool:
    """Whether this is PostgreSQL (or speaks like it) behind the driver that is used here."""
    return connection.dialect.name == "postgresql" and connection.dialect.driver == "psycopg"


class NoCopy(Exception):
    """The server has no COPY; the rows can still be had one by one."""


def copy_rows(connection: Connection, request: Pull, query: str, parameters: Mapping[str, Any], aside: Aside) -> Spool:
    """The whole result of ``query``, whose parameters are written as SQLAlchemy has them.

    Raises NoCopy (the connection is then as before), psycopg.Error, SourceFailed, UnicodeError.
    """
    server: Any = connection.connection.driver_connection
    text = _filled(connection, server, query, parameters)
    if server.info.server_version >= VANISHED_SINCE:
        # Else a query goes on for nobody when this process is killed, until it has a row to send.
        server.execute("SET client_connection_check_interval = '2s'")
    fields, select = _described(server, text)
    numbers = [field.name for field in fields if field.free]
    spool = Spool(pa.schema([*((field.name, field.type) for field in fields), (LINE, pa.int64())]), numbers)
    with ExitStack() as unless_whole:
        unless_whole.enter_context(spool)
        try:
            _copy(server, select, fields, spool, request, aside)
        except NoCopy:
            server.rollback()
            raise
        unless_whole.pop_all()
    return spool


def _filled(connection: Connection, server: psycopg.Connection[Any], query: str, parameters: Mapping[str, Any]) -> str:
    """COPY takes no parameters, so psycopg writes them into the text, quoted by its rules."""
    from psycopg import ClientCursor

    compiled = str(sa.text(query).compile(dialect=connection.dialect))
    with ClientCursor(server) as cursor:
        return cursor.mogrify(compiled, dict(parameters))


def _described(server: psycopg.Connection[Any], text: str) -> tuple[list[Field], str]:
    """The columns, and the SELECT that gives them in words that mean the same everywhere: money as numeric, arrays as JSON."""
    inner = f"(\n{text}\n) AS _rows"
    with server.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {inner} LIMIT 0".encode())
        described = list(cursor.description or ())
        names = column_names([column.name for column in described])
        unknown = {column.type_code for column in described} - PLAIN.keys() - TEXTS - {NUMERIC, MONEY}
        arrays = {oid for (oid,) in cursor.execute(ARRAYS, [list(unknown)])} if unknown else set()
    chosen = []
    for column in described:
        name = '"' + column.name.replace('"', '""') + '"'
        as_json, as_number = f"to_jsonb({name})::text AS {name}", f"{name}::numeric AS {name}"
        chosen.append(as_json if column.type_code in arrays else as_number if column.type_code == MONEY else name)
    plain = all(column.type_code not in {MONEY, *arrays} for column in described)
    fields = [
        field_of(name, column.type_code, column.precision, column.scale)
        for name, column in zip(names, described, strict=True)
    ]
    return fields, text if plain else f"SELECT {', '.join(chosen)} FROM {inner}"


def _copy(
    server: psycopg.Connection[Any], select: str, fields: Sequence[Field], spool: Spool, request: Pull, aside: Aside
) -> None:
    line = size = 0
    reading: deque[Future[tuple[pa.Table, list[Odd]]]] = deque()

    def take() -> None:
        nonlocal line
        table, odd = reading.popleft().result()
        first, line = line + 1, line + table.num_rows + len(odd)
        for each in odd:
            aside.add(first + each.at, each.reason, each.values)
        gone = {first + each.at for each in odd}
        lines = pa.array([n for n in range(first, line + 1) if n not in gone]) if gone else pa.arange(first, line + 1)
        spool.add(table.append_column(LINE, lines.cast(pa.int64())))

    # Arrow parses without holding Python's lock, so that one piece is parsed while the next one comes in.
    with ThreadPoolExecutor(1, thread_name_prefix=f"parse-{request.source}") as parser:
        for piece in _pieces(server, f"COPY (\n{select}\n) TO STDOUT (FORMAT csv)", request):
            size += len(piece)
            if size > request.max_bytes:
                raise too_large(request.max_bytes)
            reading.append(parser.submit(read_piece, piece, fields))
            if len(reading) > PIECES_AHEAD:
                take()
        while reading:
            take()


def _pieces(server: psycopg.Connection[Any], statement: str, request: Pull) -> Iterator[bytearray]:
    """Whole lines, a few megabytes at a time. psycopg's own loop takes three times as long: it waits anew for each row."""
    from psycopg.pq import ExecStatus

    deadline = time.monotonic() + request.timeout_seconds + LOOK_SECONDS
    connection = server.pgconn
    with selectors.DefaultSelector() as selector:
        selector.register(connection.socket, selectors.EVENT_READ)

        def wait() -> None:
            while not selector.select(LOOK_SECONDS):
                if time.monotonic() > deadline:
                    raise too_slow(request.timeout_seconds)
            connection.consume_input()

        connection.send_query(statement.encode())
        _expect(server, ExecStatus.COPY_OUT, wait)
        piece, take = bytearray(), connection.get_copy_data
        while True:
            length, data = take(1)
            if length > 0:
                piece += data
                if len(piece) >= PIECE:
                    yield piece
                    piece = bytearray()
                    if time.monotonic() > deadline:
                        raise too_slow(request.timeout_seconds)
            elif length == 0:
                wait()
            else:
                break
        _expect(server, ExecStatus.COMMAND_OK, wait)
        if piece:
            yield piece


def _expect(server: psycopg.Connection[Any], status: Any, wait: Callable[[], None]) -> None:
    """The next result, and none after it unless rows are to come; the server's error is raised as psycopg's."""
    from psycopg import errors
    from psycopg.pq import DiagnosticField, ExecStatus

    connection = server.pgconn
    problem = None
    while True:
        while connection.is_busy():
            wait()
        result = connection.get_result()
        if result is None:
            break
        if result.status != status:
            problem = problem or result
        elif status == ExecStatus.COPY_OUT:
            return
    if problem is None:
        return
    if (problem.error_field(DiagnosticField.SQLSTATE) or b"").decode() in NO_COPY:
        raise NoCopy
    raise errors.error_from_result(problem, "utf-8")
