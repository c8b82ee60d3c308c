"""Quantiles, recomputed from the rows of each period: linear interpolation between order statistics (``quantile_cont``)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from scorecard.measures.plan import Bag
from scorecard.measures.states.additive import finite
from scorecard.measures.states.rows import Rows, guarded


def _lists(bags: Sequence[Bag]) -> dict[tuple[str, str | None], list[float]]:
    """(value, condition) → its quantiles: those of equal values share one pass."""
    values: dict[tuple[str, str | None], list[float]] = {}
    for bag in bags:
        wanted = values.setdefault((bag.value, bag.condition), [])
        if bag.q is not None and bag.q not in wanted:
            wanted.append(bag.q)
    return values


def quantile_sql(bags: Sequence[Bag], rows: Rows, number: int = 0) -> str:
    """One statement for several quantiles: job (``number``), part, bucket, kind, name and ``n_i``, ``bad_i``, ``q_i`` (a list)."""
    values = _lists(bags)
    inner = [f"{guarded(f'CAST({v} AS DOUBLE)', c)} AS v_{i}" for i, (v, c) in enumerate(values)]
    checked = [f"{finite(f'v_{i}')} AS f_{i}" for i in range(len(values))]
    outer = [
        f"count(f_{i}) AS n_{i}, count(v_{i}) - count(f_{i}) AS bad_{i}, quantile_cont(f_{i}, {_listed(qs)}) AS q_{i}"
        for i, qs in enumerate(values.values())
    ]
    source = f"SELECT *, {', '.join(checked)} FROM ({rows.select(inner)}) AS i"
    keys = "part, bucket, kind, name"
    return f"SELECT {number} AS job, {keys}, {', '.join(outer)} FROM ({source}) AS m GROUP BY {keys}"


def quantile_columns(bags: Sequence[Bag]) -> list[tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """Where in the answer each bag's n, bad and number are."""
    values = _lists(bags)
    found = []
    for bag in bags:
        i = list(values).index((bag.value, bag.condition))
        place = values[bag.value, bag.condition].index(bag.q or 0.0)
        found.append((pl.col(f"n_{i}"), pl.col(f"bad_{i}"), pl.col(f"q_{i}").list.get(place, null_on_oob=True)))
    return found


def _listed(quantiles: Sequence[float]) -> str:
    return "[" + ", ".join(repr(float(q)) for q in quantiles) + "]"
