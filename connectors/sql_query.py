"""One SELECT on any database that SQLAlchemy knows, read-only and within a time limit, with exact types."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from connectors.columns import Gathering
from connectors.contract import Batch, Pull, SourceFailed
from connectors.sql.binding import bound_cursor
from connectors.sql.faults import as_failure
from connectors.sql.opening import connected, read_url, redaction_of, shown_database
from connectors.sql.postgres import NoCopy, copy_rows, has_copy
from connectors.sql.result import Aside, column_names, too_large
from connectors.sql.spool import Spool
from connectors.sql.statement import prepare_statement
from connectors.sql.stopping import driver_errors, guarded, stopped

ROWS_A_FETCH = 10_000
SMALL_ROWS = 50_000
"""So few rows leave as one table, more as a stream."""
RESTART_SECONDS = 20.0
"""How long a server may take to come back when it went away in the middle of a query."""
PAUSE_SECONDS = 0.5


def pull(request: Pull) -> Iterator[Batch]:
    """The rows of ``query``, with ``:cursor`` bound as a value.

    Nothing is sent before all rows have been read; a connection that breaks meanwhile is tried once more. Raises
    SourceFailed: database not to be reached, sign-in refused, a table or column that is not there, not valid SQL, too
    slow, not a single SELECT, columns whose names collide.
    """
    url = read_url(request)
    query, uses = prepare_statement(str(request.options.get("query") or ""), has_cursor=request.cursor is not None)
    aside = Aside(request.source)
    kept = _read_twice(request, url, query, uses, aside)
    with kept:
        if isinstance(kept, Spool):
            small = kept.rows <= SMALL_ROWS
            yield Batch(rows=kept.reader().read_all() if small else kept.reader(), rejected=tuple(aside.rows))
            return
        first = True
        for table in kept.tables():
            yield Batch(rows=table, rejected=tuple(aside.rows) if first else ())
            first = False


def _read_twice(request: Pull, url: URL, query: str, uses: bool, aside: Aside) -> Spool | Gathering:
    """All rows, kept. A connection that broke in the middle is made anew once, with patience for a server that restarts."""
    reading = Reading(request, url, query, uses, aside)
    try:
        return reading.read()
    except SourceFailed as failed:
        if not (failed.retry and reading.connected):
            raise
    until = time.monotonic() + RESTART_SECONDS
    while True:
        reading.connected = False
        if request.stop.wait(PAUSE_SECONDS):
            raise stopped()
        try:
            return reading.read()
        except SourceFailed as failed:
            if reading.connected or not failed.retry or time.monotonic() > until:
                raise


class Reading:
    """One attempt after another at reading a query's result. ``connected``: the last one reached the database."""

    def __init__(self, request: Pull, url: URL, query: str, uses: bool, aside: Aside) -> None:
        self.connected = False
        self._request = request
        self._url = url
        self._query = query
        self._uses = uses
        self._aside = aside

    def read(self) -> Spool | Gathering:
        """All rows, kept. Raises SourceFailed."""
        request, url = self._request, self._url
        self._aside.rows.clear()
        with connected(request, url) as connection:
            self.connected = True
            faults: tuple[type[Exception], ...] = (
                ArithmeticError,
                UnicodeError,
                ValueError,
                *driver_errors(connection),
            )
            try:
                with guarded(connection, request):
                    return self._taken(connection)
            except faults as problem:
                raise as_failure(problem, redaction_of(url), shown_database(url)) from None

    def _taken(self, connection: Connection) -> Spool | Gathering:
        cursor = self._request.cursor
        parameters: dict[str, Any] = {}
        if self._uses and cursor is not None:
            parameters["cursor"] = bound_cursor(cursor, self._request, connection, self._query)
        if has_copy(connection):
            try:
                return copy_rows(connection, self._request, self._query, parameters, self._aside)
            except NoCopy:
                pass
        return self._gathered(connection, parameters)

    def _gathered(self, connection: Connection, parameters: Mapping[str, Any]) -> Gathering:
        """Row by row, through the driver's Python values."""
        streamed = connection.execution_options(stream_results=True, yield_per=ROWS_A_FETCH)
        result = streamed.execute(sa.text(self._query), parameters)
        with ExitStack() as unless_whole:
            gathering = unless_whole.enter_context(Gathering(self._aside.add))
            gathering.expect(column_names(list(result.keys())))
            line = 0
            for rows in result.partitions():
                for row in rows:
                    line += 1
                    gathering.add(line, row)
                if gathering.size > self._request.max_bytes:
                    raise too_large(self._request.max_bytes)
            gathering.finish()
            unless_whole.pop_all()
        result.close()
        return gathering
