"""Values sorted within cells (segments of days × split values): decimals as one number with their cell, others cell by cell.
Always on one thread: several spend half as much again between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import polars as pl

BITS = 63
"""So many has a number that is sorted."""
LARGEST = float(2**52)
SCALES = (1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0, 1_000_000.0)
"""Decimals are values that are whole numbers up to ``LARGEST``, divided by one of these."""
SAMPLE = 100
"""So many values tell which of them is tried on all."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows in some consecutive ``segments``: ``day``, and ``low``: the number of the split value (below ``size``) above one
    bit for each of so many ``flags``. ``of_day``: the segment of each day. A cell is its segment × size + the split value.
    """

    rows: pl.DataFrame
    of_day: pl.Series
    segments: range
    size: int
    flags: int

    def numbers(self, of_day: pl.Series, shift: int, kept: Sequence[int]) -> pl.Series:
        """Each row's number from a table for its day, with the split value above ``shift`` bits and some flags as the lowest."""
        low = pl.int_range(self.size << self.flags, dtype=pl.UInt64, eager=True)
        of_low = low // (1 << self.flags) * (1 << shift)
        for place, flag in enumerate(kept):
            of_low += low // (1 << flag) % 2 * (1 << place)
        return of_day.gather(self.rows["day"]) + of_low.gather(self.rows["low"])

    def under(self, flag: int | None) -> Portion:
        """The rows with a flag; None: all."""
        if flag is None:
            return self
        return self.only((self.rows["low"] & (1 << flag)) != 0)

    def only(self, chosen: pl.Series) -> Portion:
        return Portion(self.rows.filter(chosen), self.of_day, self.segments, self.size, self.flags)


class Run(NamedTuple):
    """Sorted values of a cell: those from one place to before another."""

    values: memoryview[float]
    first: int
    until: int


class Cells(NamedTuple):
    """Cell → its finite values, and cell → how many are not finite."""

    runs: Mapping[int, Run]
    bad: Mapping[int, int]


def cells_sorted(portion: Portion, name: str, asked: Sequence[int | None]) -> dict[int | None, Cells]:
    """The values of a column in their cells: of all rows (None), or of those with a flag."""
    bad: dict[int | None, dict[int, int]] = {}
    if portion.rows[name].null_count():
        portion = portion.only(portion.rows[name].is_not_null())
    finite = portion.rows[name].is_finite()
    if not finite.all():
        lost = portion.only(~finite)
        bad = {flag: dict(_cells(lost.under(flag)).value_counts().rows()) for flag in asked}
        portion = portion.only(finite)
    runs = _packed(portion, name, asked) if len(portion.rows) else {}
    if runs is None:
        runs = {flag: _each_by_itself(portion.under(flag), name) for flag in asked}
    return {flag: Cells(runs.get(flag, {}), bad.get(flag, {})) for flag in asked}


def _cells(portion: Portion) -> pl.Series:
    return portion.numbers(portion.of_day.cast(pl.UInt64) * portion.size, 0, ()).alias("cell")


def _each_by_itself(portion: Portion, name: str) -> dict[int, Run]:
    made = pl.DataFrame([_cells(portion), portion.rows[name].alias("v")]).group_by("cell").agg("v")
    return {
        cell: Run(_floats(values.sort(multithreaded=False)), 0, len(values))
        for cell, values in zip(made["cell"].to_list(), made["v"], strict=True)
    }


def _packed(portion: Portion, name: str, asked: Sequence[int | None]) -> dict[int | None, dict[int, Run]] | None:
    """Cell, value and flags of a row as the bits of one number; None where they do not fit, or not all values are decimals."""
    values = portion.rows[name]
    scale = _scale(values.head(SAMPLE))
    if scale is None:
        return None
    whole = (values if scale == 1.0 else values * scale).round()
    least, most = whole.to_frame("v").select(pl.col("v").min(), most=pl.col("v").max()).row(0)
    kept = [flag for flag in asked if flag is not None]
    size, segments = portion.size, portion.segments
    low, cells = len(kept), len(segments) * size
    divisor = _column_of(scale, len(values))
    if max(-least, most) > LARGEST or not (whole / divisor == values).all():
        return None
    bits = int(most - least).bit_length()
    wide = bits + low
    if cells.bit_length() + wide > BITS:
        return None
    begins = (portion.of_day.cast(pl.Int64) - segments.start).clip(0, len(segments)).cast(pl.UInt64)
    numbers = portion.numbers(begins * (size << wide), wide, kept)
    keys = (numbers + (whole - least).cast(pl.UInt64) * (1 << low)).sort(multithreaded=False)
    bounds = pl.Series([cell << wide for cell in range(cells)], dtype=pl.UInt64)
    found: dict[int | None, dict[int, Run]] = {}
    for flag in asked:
        some = keys if flag is None else keys.filter((keys & (1 << kept.index(flag))) != 0)
        ends = [*some.search_sorted(bounds).to_list(), len(some)]
        numbers = (some if not low else some // (1 << low)) & ((1 << bits) - 1)
        floats = _floats((numbers.cast(pl.Float64) + least) / divisor.head(len(some)))
        places = enumerate(pairwise(ends), segments.start * size)
        found[flag] = {cell: Run(floats, begin, end) for cell, (begin, end) in places if begin < end}
    return found


def _scale(values: pl.Series) -> float | None:
    """The scale at which all of these values are decimals."""
    for scale in SCALES:
        if ((values * scale).round() / _column_of(scale, len(values)) == values).all() and (
            (values * scale).abs() <= LARGEST
        ).all():
            return scale
    return None


def _column_of(divisor: float, size: int) -> pl.Series:
    """What to divide by so that quotients are rounded once: a single divisor is turned into a factor, which is rounded as well."""
    return pl.repeat(divisor, size, dtype=pl.Float64, eager=True)


def _floats(values: pl.Series) -> memoryview[float]:
    """A series without nulls as it lies in memory."""
    flat = values.rechunk().to_arrow()
    return memoryview(flat.buffers()[1]).cast("d")[flat.offset : flat.offset + len(flat)]
