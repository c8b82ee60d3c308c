"""What a SELECT gives, as a frame."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from scorecard.ground.errors import Problem, ScorecardError

if TYPE_CHECKING:
    import polars as pl

# It advises ``sql`` instead, which parses and binds a statement before it runs it, and then does both again: for a tick's
# statements, long ones about few rows, that is nearly half of what they cost. Where many rows come, the copy costs more.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result makes an extra copy", category=UserWarning)


def answer(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = (), *, many: bool = False
) -> pl.DataFrame:
    """The rows of one statement; ``many``: of so many that they should not be copied once more. Raises ScorecardError where it
    cannot give any."""
    import polars as pl  # 25 MB and a tenth of a second, which a process that only loads does not need

    if many:
        relation = cursor.sql(sql, params=list(parameters) if parameters else None)
        if relation is not None:
            return pl.DataFrame(pl.from_arrow(relation.to_arrow_table(), rechunk=False))
    else:
        cursor.execute(sql, list(parameters) if parameters else None)
        if cursor.description:
            return pl.DataFrame(cursor.to_arrow_table())
    raise ScorecardError(Problem("only a statement that gives rows can be queried", hint="use a SELECT"))
