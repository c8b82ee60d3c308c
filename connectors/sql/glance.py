"""A look at what a query would give that costs its rows no way: how many they are, and how far they reach."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.contract import Pull, SourceFailed
from connectors.names import normalise
from connectors.sql.binding import bound_cursor
from connectors.sql.opening import connected, read_url
from connectors.sql.statement import prepare_statement
from connectors.sql.stopping import driver_errors, guarded

MOST_COLUMNS = 100


def glance(request: Pull) -> tuple[int, str] | None:
    """(rows, a text that is the same while the query gives the same); None where this database cannot say it so.

    Of a source with a cursor the text has the cursor's newest value, which every change moves; of others on PostgreSQL a hash
    of all rows, made on the server, and elsewhere each column's count, smallest and largest value.
    """
    try:
        query, uses = prepare_statement(str(request.options.get("query") or ""), has_cursor=request.cursor is not None)
        url = read_url(request)
        with connected(request, url) as connection:
            faults: tuple[type[Exception], ...] = (
                ArithmeticError,
                ValueError,
                LookupError,
                sa.exc.SQLAlchemyError,
                *driver_errors(connection),
            )
            try:
                with guarded(connection, request):
                    return _asked(connection, request, query, uses=uses)
            except faults:
                return None
    except SourceFailed:
        return None  # the pull itself says what is wrong


def _asked(connection: Connection, request: Pull, query: str, *, uses: bool) -> tuple[int, str] | None:
    cursor, parameters = request.cursor, dict[str, Any]()
    if uses and cursor is not None:
        parameters["cursor"] = bound_cursor(cursor, request, connection, query)
    rows = f"(\n{query.rstrip().rstrip(';')}\n) AS _rows"
    quote = connection.dialect.identifier_preparer.quote
    names = list(connection.execute(sa.text(f"SELECT * FROM {rows} WHERE 1 = 0"), parameters).keys())
    if cursor is not None:
        wanted = [f"max({quote(name)})" for name in names if normalise(name) == cursor.column]
        if not (uses and wanted):
            return None
    elif connection.dialect.name == "postgresql":
        wanted = ["sum(hashtextextended(CAST(_rows AS text), 0))"]
    elif len(names) > MOST_COLUMNS:
        return None
    else:
        wanted = [f"{what}({quote(name)})" for name in names for what in ("count", "min", "max")]
    found = connection.execute(sa.text(f"SELECT count(*), {', '.join(wanted)} FROM {rows}"), parameters).one()
    return int(found[0]), repr(tuple(found))
