"""Distinct values, in two phases: first each value once per period, then counted. One column serves all its conditions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from scorecard.measures.plan import Bag
from scorecard.measures.sql import literal
from scorecard.measures.states.rows import Rows

MOST_SLICES = 61
"""So many bits has a number besides the one for the whole."""


def masked_sql(bags: Sequence[Bag], rows: Rows, number: int = 0) -> str:
    """As ``distinct_sql``, of the whole and all slices in one pass: each value once, with the slices that have it as bits."""
    conditions = [bag.condition for bag in bags]
    named = (("", ""), *rows.named)
    inner = [f"{bags[0].value} AS v", *(f"({c}) AS c_{i}" for i, c in enumerate(conditions) if c is not None)]
    only = " AND c_0" if len(bags) == 1 and conditions[0] is not None else ""
    source = f"({rows.select_masked(inner)}) AS i WHERE v IS NOT NULL{only}"
    of_mask = ["mask" if c is None else f"CASE WHEN c_{i} THEN mask ELSE 0 END" for i, c in enumerate(conditions)]
    masks = ", ".join(f"bit_or({m}) AS k_{i}" for i, m in enumerate(of_mask))
    counts = ", ".join("count(*)" if c is None else f"count_if(c_{i})" for i, c in enumerate(conditions))
    places = range(len(bags))
    keys, zeros = ", ".join(f"k_{i}" for i in places), ", ".join("0" for _ in places)
    read = ", ".join([*(f"k_{i}" for i in places), "d", "mask", *(f"m_{i}" for i in places)])
    once = f"SELECT part, bucket, v, {masks} FROM {source} GROUP BY part, bucket, v"
    both = (
        f"SELECT part, bucket, {keys}, count(*), 0, {zeros} FROM ({once}) AS o GROUP BY part, bucket, {keys} "
        f"UNION ALL SELECT part, bucket, {zeros}, 0, mask, {counts} FROM {source} GROUP BY part, bucket, mask"
    )
    sums, lists = [], []
    for i in places:
        for word, value, mask in (("n", f"m_{i}", "mask"), ("d", "d", f"k_{i}")):
            # Without FILTER: CASE on small numbers is quicker than another selection for every bit.
            sums += [
                f"sum(CASE WHEN {mask} & {1 << bit} <> 0 THEN {value} ELSE 0 END) AS {word}_{i}_{bit}"
                for bit in range(len(named))
            ]
            listed = ", ".join(f"CAST({word}_{i}_{bit} AS BIGINT)" for bit in range(len(named)))
            lists.append(f"unnest([{listed}]) AS {word}_{i}")
    kinds, names = (", ".join(literal(s[place]) for s in named) for place in (0, 1))
    wide = f"SELECT part, bucket, {', '.join(sums)} FROM ({both}) AS b(part, bucket, {read}) GROUP BY part, bucket"
    return (
        f"SELECT {number} AS job, part, bucket, unnest([{kinds}]) AS kind, unnest([{names}]) AS name, {', '.join(lists)} "
        f"FROM ({wide}) AS w"
    )


def distinct_sql(bags: Sequence[Bag], rows: Rows, number: int = 0) -> str:
    """One statement for all conditions on one value: job (``number``), part, bucket, kind, name and ``n_i``, ``d_i`` by bag."""
    if rows.masked:
        return masked_sql(bags, rows, number)
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
