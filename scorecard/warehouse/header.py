"""Is everything there that must be, and can it be what it is said to be? Columns compared by name, never by position."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from scorecard.book.model.source import Source
from scorecard.ground.errors import Place, Problem, Refused, did_you_mean, suggest
from scorecard.warehouse.quoting import quote
from scorecard.warehouse.records import Memory
from scorecard.warehouse.shaping import Plan


def wanted_columns(source: Source) -> dict[str, str]:
    """Columns that a load must have → what asks for them."""
    wanted = dict.fromkeys(source.columns, "declared")
    if source.cursor is not None:
        wanted.setdefault(source.cursor.column, "the cursor")
    if source.time is not None:
        wanted.setdefault(source.time, "the time")
    for name in source.key:
        wanted.setdefault(name, "the key")
    if source.deleted is not None and source.kind != "http":  # JSON may name it only where a row is deleted
        wanted.setdefault(source.deleted, "deleted rows")
    return wanted


def missing_columns(
    source: Source, memory: Memory | None, seen: Iterable[str], file: str | None, needed: frozenset[str] | None = None
) -> list[Problem]:
    """A problem for every column that is declared or was in the table and is not there now.

    ``needed``: of those in the table only these must be there (None: all).
    """
    there = [name for name in seen if not name.startswith("_")]
    wanted = wanted_columns(source)
    before = () if memory is None else memory.standing.columns
    held = {name: "in the table" for name in before if needed is None or name in needed}
    optional = frozenset[str]() if memory is None else memory.optional
    known = set(wanted) | set(before)
    fresh = [name for name in there if name not in known]
    problems = []
    for name, why in {**held, **wanted}.items():
        if name in there:
            continue
        if name in optional and (why == "in the table" or source.kind == "http") and suggest(name, fresh) is None:
            continue  # good loads did without it before: JSON leaves out nulls, and an older file may lack a newer column
        written = source.columns[name].written if name in source.columns else name
        shown = f"'{written}'" if written == name else f"'{written}' ({name})"
        reason = "was in the table and is gone" if why == "in the table" else f"is missing ({why})"
        place = Place(file) if file else source.places.get("columns", source.place)
        listed = ", ".join(there) if there else "no columns"
        hint = (
            did_you_mean(name, fresh)
            or "if it was renamed or dropped on purpose, change metrics.yaml and run refresh --full"
        )
        problems.append(Problem(f"{source.name}: column {shown} {reason}; seen: {listed}", place, hint))
    return problems


def refuse_seconds_as_milliseconds(cursor: duckdb.DuckDBPyConnection, table: str, source: Source, plan: Plan) -> None:
    """Seconds since 1970 of any year from 1990 to 2100, read as milliseconds, all fall into the first weeks of 1970."""
    for shape in plan.shapes:
        if shape.kind != "epoch_ms":
            continue
        name = quote(shape.name)
        row = cursor.execute(
            f"SELECT count(*) FILTER ({name} BETWEEN '1970-01-08' AND '1970-02-17'), count({name}) FROM {table}"
        ).fetchone()
        inside, all_ = row or (0, 0)
        if all_ and inside == all_:
            message = (
                f"{source.name}: as milliseconds, every time in column '{shape.name}' lies in January or February 1970"
            )
            place = source.places.get("columns", source.place)
            raise Refused(Problem(message, place, f"they are seconds: columns: {{{shape.name}: epoch_s}}"))
