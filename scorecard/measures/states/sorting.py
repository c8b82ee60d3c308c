"""Values sorted within cells (segments of days × split values): decimals as one number with their cell, others cell by cell.
Always on one thread: several spend half as much again between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import polars as pl

from scorecard.measures.states.keys import Decimals, Key


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows: ``day``, and ``low``: the number of the split value (below ``size``) above one bit for each of so many ``flags``.
    ``of_day``: the segment of each day. A cell is its segment × size + the split value.
    """

    rows: pl.DataFrame
    of_day: pl.Series
    size: int
    flags: int

    def cells(self) -> pl.Series:
        """Each row's cell."""
        segments = self.of_day.cast(pl.UInt64).gather(self.rows["day"])
        return (segments * self.size + self.rows["low"] // (1 << self.flags)).alias("cell")

    def under(self, flag: int | None) -> Portion:
        """The rows with a flag; None: all."""
        if flag is None:
            return self
        return self.only((self.rows["low"] & (1 << flag)) != 0)

    def only(self, chosen: pl.Series) -> Portion:
        return Portion(self.rows.filter(chosen), self.of_day, self.size, self.flags)


class Run(NamedTuple):
    """Sorted values of a cell: those from one place to before another. Doubles, or what is kept of decimals."""

    values: memoryview[Any]
    first: int
    until: int


class Cells(NamedTuple):
    """Cell → its finite values, and cell → how many are not finite."""

    runs: Mapping[int, Run]
    bad: Mapping[int, int]


def cells_sorted(portion: Portion, name: str, asked: Sequence[int | None]) -> dict[int | None, Cells]:
    """The values of a column of doubles in their cells: of all rows (None), or of those with a flag."""
    bad: dict[int | None, dict[int, int]] = {}
    if portion.rows[name].null_count():
        portion = portion.only(portion.rows[name].is_not_null())
    finite = portion.rows[name].is_finite()
    if not finite.all():
        lost = portion.only(~finite)
        bad = {flag: dict(lost.under(flag).cells().value_counts().rows()) for flag in asked}
        portion = portion.only(finite)
    return {flag: Cells(_each_by_itself(portion.under(flag), name), bad.get(flag, {})) for flag in asked}


def _each_by_itself(portion: Portion, name: str) -> dict[int, Run]:
    made = pl.DataFrame([portion.cells(), portion.rows[name].alias("v")]).group_by("cell").agg("v")
    return {
        cell: Run(_flat(values.sort(multithreaded=False)), 0, len(values))
        for cell, values in zip(made["cell"].to_list(), made["v"], strict=True)
    }


def cells_of_keys(
    keys: pl.Series, key: Key, decimals: Decimals, first: int, asked: Sequence[int | None]
) -> dict[int | None, Cells]:
    """The same of decimals, from the numbers that the engine has made of them: their places are cells from ``first`` on, below the
    value are the flags in the order in which they are asked for."""
    keys = (keys.drop_nulls() if keys.null_count() else keys).sort(multithreaded=False)
    low, mask = key.low, (1 << key.bits) - 1
    bounds = pl.Series([place << key.wide for place in range(key.places)], dtype=keys.dtype)
    found: dict[int | None, Cells] = {}
    bit = 0
    for flag in asked:
        some = keys
        if flag is not None:
            some = keys.filter((keys & (1 << bit)) != 0)
            bit += 1
        begins = [*some.search_sorted(bounds).to_list(), len(some)]
        ends = begins[1:]
        if decimals.broken:
            ends = some.search_sorted(bounds + (decimals.lost << low)).to_list()
        values = _flat((some // (1 << low) if low else some) & mask)
        places = list(enumerate(zip(pairwise(begins), ends, strict=True), first))
        runs = {cell: Run(values, begin, end) for cell, ((begin, _), end) in places if begin < end}
        found[flag] = Cells(runs, {cell: after - end for cell, ((_, after), end) in places if end < after})
    return found


def _flat(values: pl.Series) -> memoryview[Any]:
    """A series without nulls as it lies in memory."""
    flat = values.rechunk().to_arrow()
    whole = memoryview(flat.buffers()[1])
    typed: memoryview[Any]
    if values.dtype == pl.UInt32:
        typed = whole.cast("I")
    elif values.dtype == pl.UInt64:
        typed = whole.cast("Q")
    else:
        typed = whole.cast("d")
    return typed[flat.offset : flat.offset + len(flat)]
