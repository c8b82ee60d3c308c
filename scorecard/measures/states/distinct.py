"""Distinct values, in two phases: first each value once per period, then counted. One column serves all its conditions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from scorecard.measures.plan import Bag
from scorecard.measures.states.rows import Rows


def distinct_sql(bags: Sequence[Bag], rows: Rows, number: int = 0) -> str:
    """One statement for all conditions on one value: job (``number``), part, bucket, kind, name and ``n_i``, ``d_i`` by bag."""
    conditions = [bag.condition for bag in bags]
    inner = [f"{bags[0].value} AS v", *(f"({c}) AS c_{i}" for i, c in enumerate(conditions) if c is not None)]
    counted = [
        f"count(*) AS n_{i}" if c is None else f"count(*) FILTER (WHERE c_{i}) AS n_{i}"
        for i, c in enumerate(conditions)
    ]
    only = " AND c_0" if len(bags) == 1 and conditions[0] is not None else ""
    keys = "part, bucket, kind, name"
    once = (
        f"SELECT {keys}, v, {', '.join(counted)} FROM ({rows.select(inner)}) AS i "
        f"WHERE v IS NOT NULL{only} GROUP BY {keys}, v"
    )
    outer = [f"CAST(sum(n_{i}) AS BIGINT) AS n_{i}, count_if(n_{i} > 0) AS d_{i}" for i in range(len(bags))]
    return f"SELECT {number} AS job, {keys}, {', '.join(outer)} FROM ({once}) AS m GROUP BY {keys}"


def distinct_columns(bags: Sequence[Bag]) -> list[tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """Where in the answer each bag's n, bad (none: any value counts) and number are."""
    return [(pl.col(f"n_{i}"), pl.lit(0), pl.col(f"d_{i}")) for i in range(len(bags))]
