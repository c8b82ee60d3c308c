"""Rows that say of themselves that they are deleted: taken out of the load, and their keys out of the table."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from scorecard.book.model.source import Source
from scorecard.warehouse.changes import DELETED, Tables, one
from scorecard.warehouse.quoting import quote, quoted
from scorecard.warehouse.shaping import Plan

NOT_SO = ("", "0", "f", "false", "n", "no", "off")
"""Texts that do not say so."""


def says_deleted(name: str, type_: str) -> str:
    """A condition: true, a number other than 0, any time, any text but those that mean no."""
    column = quote(name)
    match type_:
        case "BOOLEAN":
            return f"coalesce({column}, FALSE)"
        case "VARCHAR":
            words = ", ".join(f"'{word}'" for word in NOT_SO)
            return f"lower(trim(coalesce({column}, ''))) NOT IN ({words})"
        case "TIMESTAMP" | "DATE":
            return f"{column} IS NOT NULL"
        case _:
            return f"coalesce({column}, 0) <> 0"


def take_deleted(cursor: duckdb.DuckDBPyConnection, prepared: str, source: Source, plan: Plan) -> int:
    """Moves the keys of deleted rows from the prepared table into one of their own. How many rows said so."""
    shape = next((shape for shape in plan.shapes if shape.name == source.deleted), None)
    if shape is None:
        return 0
    condition = says_deleted(shape.name, shape.type)
    keys = quoted(source.key)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {DELETED} AS SELECT {keys} FROM {prepared} WHERE {condition}")
    return one(cursor, f"DELETE FROM {prepared} WHERE {condition}")


def deleted_here(cursor: duckdb.DuckDBPyConnection, tables: Tables, key: Sequence[str]) -> int:
    """How many rows of the live table the deleted keys take away."""
    match = " AND ".join(f"CAST(l.{quote(n)} AS VARCHAR) = CAST(d.{quote(n)} AS VARCHAR)" for n in key)
    return one(cursor, f"SELECT count(*) FROM {tables.live} l SEMI JOIN temp.{DELETED} d ON {match}")
