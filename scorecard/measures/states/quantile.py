"""Quantiles, recomputed from the rows of each period: linear interpolation between order statistics (``quantile_cont``)."""

from __future__ import annotations

from collections.abc import Sequence

from scorecard.measures.plan import Bag
from scorecard.measures.states.additive import LARGEST
from scorecard.measures.states.rows import Rows, as_kept, guarded, kept_struct


def quantile_sql(bags: Sequence[Bag], rows: Rows) -> str:
    """One statement for several quantiles; those of equal values share one pass through an ordered list."""
    values: dict[tuple[str, str | None], list[float]] = {}
    for bag in bags:
        wanted = values.setdefault((bag.value, bag.condition), [])
        if bag.q is not None and bag.q not in wanted:
            wanted.append(bag.q)
    inner = [f"{guarded(f'CAST({v} AS DOUBLE)', c)} AS v_{i}" for i, (v, c) in enumerate(values)]
    finite = [f"CASE WHEN v_{i} > -{LARGEST} AND v_{i} < {LARGEST} THEN v_{i} END AS f_{i}" for i in range(len(values))]
    lists = [f"quantile_cont(f_{i}, {_listed(qs)})" for i, qs in enumerate(values.values())]
    states = []
    for bag in bags:
        i = list(values).index((bag.value, bag.condition))
        place = 1 + values[bag.value, bag.condition].index(bag.q or 0.0)
        states.append(kept_struct(bag.id, f"count(f_{i})", f"count(v_{i}) - count(f_{i})", f"({lists[i]})[{place}]"))
    source = f"(SELECT *, {', '.join(finite)} FROM ({rows.select(inner)}) AS i) AS m"
    return as_kept(", ".join(states), source, rows.grain)


def _listed(quantiles: Sequence[float]) -> str:
    return "[" + ", ".join(repr(float(q)) for q in quantiles) + "]"
