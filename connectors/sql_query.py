"""One SELECT on any database that SQLAlchemy knows, read-only and within a time limit, with exact types."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import CursorResult

from connectors.columns import Gathering
from connectors.contract import Batch, Cursor, Pull, Rejected, SourceFailed
from connectors.cursors import iso_text, source_zone, written_cursor
from connectors.names import collisions, normalise_all
from connectors.sql.faults import as_failure
from connectors.sql.opening import connected, read_url, redaction_of, shown_database
from connectors.sql.statement import prepare_statement

ROWS_A_FETCH = 10_000
REJECTED_LIMIT = 100_000


def pull(request: Pull) -> Iterator[Batch]:
    """The rows of ``query``, with ``:cursor`` bound as a parameter.

    Nothing is sent before all rows have been read. Raises SourceFailed: database not to be reached, sign-in refused, a
    table or column that is not there, not valid SQL, too slow, not a single SELECT, columns whose names collide.
    """
    url = read_url(request)
    query, uses = prepare_statement(str(request.options.get("query") or ""), has_cursor=request.cursor is not None)
    rejected: list[Rejected] = []

    def reject(line: int, reason: str, row: Sequence[Any]) -> None:
        rejected.append(Rejected(request.source, line, reason, _shown(row)))

    with Gathering(reject) as gathering:
        with connected(request, url) as connection:
            parameters = (
                {"cursor": _bound(request.cursor, request, connection.dialect.name)} if uses and request.cursor else {}
            )
            result = connection.execution_options(stream_results=True, yield_per=ROWS_A_FETCH).execute(
                sa.text(query), parameters
            )
            try:
                _gather(result, gathering, rejected, request)
            except (ArithmeticError, UnicodeError, ValueError) as problem:
                raise as_failure(problem, redaction_of(url), shown_database(url)) from None
            finally:
                result.close()
        first = True
        for table in gathering.tables():
            yield Batch(rows=table, rejected=tuple(rejected) if first else ())
            first = False


def _gather(result: CursorResult[Any], gathering: Gathering, rejected: list[Rejected], request: Pull) -> None:
    names = _columns(list(result.keys()))
    gathering.expect(names)
    deadline = time.monotonic() + request.timeout_seconds
    line = 0
    for rows in result.partitions():
        for row in rows:
            line += 1
            gathering.add(line, row)
        if len(rejected) > REJECTED_LIMIT:
            raise SourceFailed(f"more than {REJECTED_LIMIT:,} rows cannot be read", hint=rejected[0].reason)
        if time.monotonic() > deadline:
            hint = "select less, or pull in steps with a cursor"
            raise SourceFailed(f"the query took longer than {request.timeout_seconds:g} s", hint=hint)
    gathering.finish()


def _columns(written: Sequence[str]) -> tuple[str, ...]:
    for normal, doubled in collisions(written).items():
        listed = " and ".join(repr(name) for name in doubled)
        hint = "give one of them another name with AS"
        raise SourceFailed(f"the query has columns {listed}, which both become '{normal}'", hint=hint)
    if "_line" in written:
        raise SourceFailed("a column may not be called '_line'", hint="give it another name with AS")
    return normalise_all(written)


def _shown(row: Sequence[Any]) -> str:
    return ", ".join("null" if value is None else str(value) for value in row)[:500]


def _bound(cursor: Cursor, request: Pull, dialect: str) -> Any:
    """The cursor's value as the driver should bind it: as written by its format, else as the column's type has it."""
    zone = source_zone(request)
    written = written_cursor(cursor, zone)
    if written is not None:
        return written
    value = cursor.value
    if not isinstance(value, datetime):
        return iso_text(value) if dialect == "sqlite" and not isinstance(value, int | float | str) else value
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    if (
        dialect == "postgresql"
    ):  # the session's zone is the source's, so this compares rightly with both kinds of timestamp
        return aware
    local = aware.astimezone(zone).replace(tzinfo=None)
    if dialect == "sqlite":  # SQLite compares times as text, as its own functions write them
        return local.isoformat(sep=" ")
    return local
