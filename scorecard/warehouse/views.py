"""External tables as the warehouse shows them: a view with its names and types, and one with reporting days beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from scorecard.warehouse.changes import add_days, move_days, one, reporting_day
from scorecard.warehouse.engine import day_column
from scorecard.warehouse.quoting import live_table, quote

TYPED = "_external"
"""Schema of the views that give an external table's columns the warehouse's names and types."""


def is_view(cursor: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether the source's live table is a view over an external one."""
    found = (
        "SELECT count(*) FROM duckdb_views() "
        "WHERE database_name = current_database() AND schema_name = 'main' AND view_name = ?"
    )
    return one(cursor, found, [source]) > 0


def show_days(
    cursor: duckdb.DuckDBPyConnection, source: str, types: Mapping[str, str], axes: Sequence[str], zone: str
) -> None:
    """The live view anew: the typed columns, and a reporting day for each of these axes that is a time."""
    days = "".join(
        f", {reporting_day(axis, types[axis], zone)} AS {quote(day_column(axis))}"
        for axis in dict.fromkeys(axes)
        if types.get(axis) in {"TIMESTAMP", "DATE"}
    )
    cursor.execute(f"CREATE OR REPLACE VIEW {live_table(source)} AS SELECT *{days} FROM {TYPED}.{quote(source)}")


def fit_days(
    cursor: duckdb.DuckDBPyConnection,
    source: str,
    columns: Mapping[str, str],
    axes: Sequence[str],
    zone: str,
    moved: bool,
) -> bool:
    """Reporting days for these axes, and all of them anew where the zone ``moved``. True where there was one to add."""
    if not is_view(cursor, source):
        if moved:
            move_days(cursor, live_table(source), columns, zone)
        return add_days(cursor, live_table(source), columns, axes, zone)
    held = [axis for axis in columns if day_column(axis) in columns]
    show_days(cursor, source, columns, [*held, *axes], zone)
    return any(axis not in held and columns.get(axis) in {"TIMESTAMP", "DATE"} for axis in axes)
