"""Quantiles of values that lie in many sorted runs, and windows around them: found by narrowing all runs down together, without
merging them."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import chain, compress, repeat
from operator import getitem, lt, sub
from typing import Any

import polars as pl
import pyarrow as pa

from scorecard.measures.states.keys import Decimals
from scorecard.measures.states.sorting import Run
from scorecard.measures.states.stretches import Window, between_values

MANY = 1000
"""More values than these are sorted by the engine of frames."""
_KEPT = {"d": pa.float64(), "I": pa.uint32(), "Q": pa.uint64()}
FEW, FEW_EACH = 256, 4
"""So few values, and so many more for each run, are sorted at once: quicker than narrowing them down further."""


def quantile(runs: Sequence[Run], n: int, q: float, decimals: Decimals | None, *, fused: bool) -> float:
    """The quantile of all ``n`` (at least one) values, interpolated between order statistics (``quantile_cont``).

    ``decimals``: what the runs keep; None: doubles. ``fused``: how the engine rounds between two values (``between_values``).
    """
    place = (n - 1) * q
    low, high = math.floor(place), math.ceil(place)
    one, other = pair(runs, low, n)
    if decimals is not None:
        one, other = decimals.number(one), decimals.number(other)
    return one if low == high else between_values(one, other, place - low, fused=fused)


def pair(runs: Sequence[Run], rank: int, n: int) -> tuple[Any, Any]:
    """What the runs keep at a rank (from 0) among all ``n`` values and after it (of the last one: itself)."""
    if len(runs) == 1:
        values, first, until = runs[0]
        return values[first + rank], values[min(first + rank + 1, until - 1)]
    every, begins, ends = (list(column) for column in zip(*runs, strict=True))
    while n > FEW + FEW_EACH * len(every):
        sizes = list(map(sub, ends, begins))
        widest = sizes.index(max(sizes))
        pivot = every[widest][begins[widest] + sizes[widest] * rank // n]
        at = list(map(bisect_left, every, repeat(pivot), begins, ends))
        below = sum(at) - sum(begins)
        if rank + 1 < below:
            ends, n = at, below
        else:
            after = list(map(bisect_right, every, repeat(pivot), at, ends))
            through = below + sum(after) - sum(at)
            if rank < below:
                return max(v[i - 1] for v, a, i in zip(every, begins, at, strict=True) if a < i), pivot
            if rank < through:
                above = (v[i] for v, i, b in zip(every, after, ends, strict=True) if i < b)
                return pivot, pivot if rank + 1 < through else min(above, default=pivot)
            begins, rank, n = after, rank - through, n - through
        left = list(map(lt, begins, ends))
        every, begins, ends = (list(compress(column, left)) for column in (every, begins, ends))
    merged = sorted(chain.from_iterable(map(getitem, every, map(slice, begins, ends))))
    return merged[rank], merged[min(rank + 1, n - 1)]


def window(runs: Sequence[Run], n: int, bad: int, q: float, margin: float | None, decimals: Decimals | None) -> Window:
    """The values around a quantile of all ``n`` (at least one), so many shares of them on either side; None: all of them."""
    if margin is None:
        return Window(n, bad, 0, _merged(runs, decimals))
    low = pair(runs, math.floor((n - 1) * max(0.0, q - margin)), n)[0]
    high = pair(runs, math.ceil((n - 1) * min(1.0, q + margin)), n)[0]
    near = [Run(v, bisect_left(v, low, a, b), bisect_right(v, high, a, b)) for v, a, b in runs]
    below = sum(first for _, first, _ in near) - sum(a for _, a, _ in runs)
    return Window(n, bad, below, _merged(near, decimals))


def _merged(runs: Sequence[Run], decimals: Decimals | None) -> array[float]:
    """All values of some runs, sorted."""
    if sum(map(_length, runs)) <= MANY:
        few = sorted(chain.from_iterable(v[a:b] for v, a, b in runs))
        return array("d", few if decimals is None else map(decimals.number, few))
    joined = b"".join(v[a:b] for v, a, b in runs)
    kept = _KEPT[runs[0].values.format]
    flat = pa.Array.from_buffers(kept, len(joined) * 8 // kept.bit_width, [None, pa.py_buffer(joined)])
    # As a table: a series of an array loads all of Arrow's functions first.
    series = pl.DataFrame(pa.Table.from_arrays([flat], ["v"]))["v"].sort(multithreaded=False)
    found, whole = array("d"), (series if decimals is None else decimals.numbers(series)).rechunk().to_arrow()
    found.frombytes(whole.buffers()[1][whole.offset * 8 : (whole.offset + len(whole)) * 8])
    return found


def _length(run: Run) -> int:
    return run[2] - run[1]
