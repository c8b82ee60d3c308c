"""Distinct values, in two phases: first each value once per period, then counted. One column serves all its conditions."""

from __future__ import annotations

from collections.abc import Sequence

from scorecard.measures.plan import Bag
from scorecard.measures.states.rows import Rows, as_kept, kept_struct


def distinct_sql(bags: Sequence[Bag], rows: Rows) -> str:
    """One statement for all conditions on one value (the bags' common one)."""
    conditions = [bag.condition for bag in bags]
    inner = [f"{bags[0].value} AS v", *(f"({c}) AS c_{i}" for i, c in enumerate(conditions) if c is not None)]
    counted = [
        f"count(*) AS n_{i}" if c is None else f"count(*) FILTER (WHERE c_{i}) AS n_{i}"
        for i, c in enumerate(conditions)
    ]
    only = " AND c_0" if len(bags) == 1 and conditions[0] is not None else ""
    once = (
        f"(SELECT bucket, kind, name, v, {', '.join(counted)} FROM ({rows.select(inner)}) AS i "
        f"WHERE v IS NOT NULL{only} GROUP BY bucket, kind, name, v) AS m"
    )
    states = [kept_struct(bag.id, f"sum(n_{i})", "0", f"count_if(n_{i} > 0)") for i, bag in enumerate(bags)]
    return as_kept(", ".join(states), once, rows.grain)
