"""The cursor's value as a database and its driver compare it rightly with the column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.contract import Cursor, Pull
from connectors.cursors import iso_text, source_zone, written_cursor
from connectors.names import normalise
from connectors.sql.mysqltypes import TIMESTAMP


def bound_cursor(cursor: Cursor, request: Pull, connection: Connection, query: str) -> Any:
    """The value as written by its format, else as the column's type has it."""
    zone = source_zone(request)
    written = written_cursor(cursor, zone)
    if written is not None:
        return written
    value, dialect = cursor.value, connection.dialect.name
    if not isinstance(value, datetime):
        return iso_text(value) if dialect == "sqlite" and not isinstance(value, int | float | str) else value
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    if dialect == "postgresql":
        # The session's zone is the source's, so this compares rightly with both kinds of timestamp.
        return aware
    local = aware.astimezone(zone).replace(tzinfo=None)
    if dialect == "sqlite":  # SQLite compares times as text, as its own functions write them
        return local.isoformat(sep=" ")
    if dialect in {"mysql", "mariadb"} and _is_instant(connection, query, cursor.column, local):
        return aware.astimezone(UTC).replace(tzinfo=None)  # the session's zone is UTC
    return local


def _is_instant(connection: Connection, query: str, column: str, value: Any) -> bool:
    """Whether a column of a MySQL query is a TIMESTAMP."""
    try:
        asked = sa.text(f"SELECT * FROM (\n{query}\n) AS _rows LIMIT 0")
        result = connection.execute(asked, {"cursor": value})
    except sa.exc.OperationalError:  # two columns of one name cannot be asked so; the query itself says it later
        return False
    described = () if result.cursor is None else result.cursor.description
    found = any(normalise(name) == column and code == TIMESTAMP for name, code, *_ in described)
    result.close()
    return found
