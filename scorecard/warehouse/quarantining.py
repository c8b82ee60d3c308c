"""When too many rows could not be read: a column that is of another type now, or rows for a person to look at."""

from __future__ import annotations

from collections import Counter

import duckdb

from scorecard.book.model.source import Source
from scorecard.ground.errors import Problem, Refused
from scorecard.warehouse.quoting import quote
from scorecard.warehouse.records import Counts, Memory
from scorecard.warehouse.shaping import Plan

ENOUGH_ROWS = 10
"""A few odd values are for a person to look at; so many, and no good one among them, are another type."""


def refuse_retyped(
    cursor: duckdb.DuckDBPyConnection, source: Source, memory: Memory | None, prepared: str, counts: Counts, plan: Plan
) -> None:
    """Refused, naming the columns, where none of a column's values could be read as what the table has it for."""
    known = {} if memory is None else memory.standing.columns
    seen = Counter(row.column for row in counts.aside if row.column is not None and row.column in known)
    bad = sorted(name for name, count in seen.items() if count >= ENOUGH_ROWS)
    kinds = {shape.name: shape.kind for shape in plan.shapes}
    problems = []
    for name in bad:
        row = cursor.execute(f"SELECT count({quote(name)}) FROM {prepared}").fetchone()
        if row is not None and not row[0]:
            example = next(r.reason for r in counts.aside if r.column == name)
            place = source.places.get("columns", source.place)
            hint = f"if its type was changed on purpose, declare it (columns: {{{name}: …}}) and run refresh --full"
            said = (
                f"{source.name}: column '{name}' was {kinds[name]}, and none of its values is that any more: {example}"
            )
            problems.append(Problem(said, place, hint))
    if problems:
        raise Refused(*problems)


def too_many(source: Source, quarantined: int, sent: int) -> Problem:
    """More rows were put aside than the source allows."""
    most = source.quarantine_at_most
    return Problem(
        f"{source.name}: {quarantined} of {sent} rows could not be read ({quarantined / sent:.1%}); "
        f"at most {most:.1%} may be put aside (quarantine_at_most)",
        source.places.get("quarantine_at_most", source.place),
        "mend the rows named beside this, declare the columns' types, or raise quarantine_at_most",
    )
