"""Values sorted within cells (short stretches of days × split values): decimals as one number with their cell, others cell by
cell. Always on one thread: several spend half as much again between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import polars as pl

BITS = 64
"""So many has a number that is sorted."""
LARGEST = float(2**52)
SCALES = (1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0, 1_000_000.0)
"""Decimals are values that are whole numbers up to ``LARGEST``, divided by one of these."""
SAMPLE = 100
"""So many values tell which of them is tried on all."""


class Run(NamedTuple):
    """Sorted values of a cell: those from one place to before another."""

    values: memoryview[float]
    first: int
    until: int


class Cells(NamedTuple):
    """Cell → its finite values, and cell → how many are not finite."""

    runs: Mapping[int, Run]
    bad: Mapping[int, int]


def cells_sorted(rows: pl.DataFrame, asked: Sequence[str | None]) -> dict[str | None, Cells]:
    """The values ``v`` of rows in their ``cell``: of all rows (None), or of those under a flag (the name of a column)."""
    known = rows.drop_nulls("v") if rows["v"].null_count() else rows
    bad: dict[str | None, dict[int, int]] = {}
    if not known["v"].is_finite().all():
        lost = known.filter(~pl.col("v").is_finite())
        bad = {flag: dict(_under(lost, flag).group_by("cell").len().rows()) for flag in asked}
        known = known.filter(pl.col("v").is_finite())
    runs = _packed(known, asked) if len(known) else {}
    if runs is None:
        runs = {flag: _each_by_itself(_under(known, flag)) for flag in asked}
    return {flag: Cells(runs.get(flag, {}), bad.get(flag, {})) for flag in asked}


def _under(rows: pl.DataFrame, flag: str | None) -> pl.DataFrame:
    return rows if flag is None else rows.filter(pl.col(flag))


def _each_by_itself(rows: pl.DataFrame) -> dict[int, Run]:
    made = rows.group_by("cell").agg("v")
    return {
        cell: Run(_floats(values.sort(multithreaded=False)), 0, len(values))
        for cell, values in zip(made["cell"].to_list(), made["v"], strict=True)
    }


def _packed(rows: pl.DataFrame, asked: Sequence[str | None]) -> dict[str | None, dict[int, Run]] | None:
    """Cell, value and flags of a row as the bits of one number; None where they do not fit, or not all values are decimals."""
    scale, flags = _scale(rows["v"].head(SAMPLE)), [flag for flag in asked if flag is not None]
    if scale is None:
        return None
    whole = (pl.col("v") if scale == 1.0 else pl.col("v") * scale).round().cast(pl.Int64, strict=False)
    made = rows.with_columns(whole.alias("k"))
    if made["k"].null_count() or not (_divided(made["k"], scale) == made["v"]).all():
        return None
    ends = made.select(a=pl.col("k").min(), b=pl.col("k").max(), first=pl.col("cell").min(), last=pl.col("cell").max())
    least, most, first, last = ends.row(0)
    low, bits = len(flags), (most - least).bit_length()
    if max(-least, most) > LARGEST or (last - first).bit_length() + bits + low > BITS:
        return None
    number = (pl.col("k") - least).cast(pl.UInt64) * (1 << low)
    number += (pl.col("cell") - first).cast(pl.UInt64) * (1 << (bits + low))
    for place, flag in enumerate(flags):
        number += pl.col(flag).cast(pl.UInt64) * (1 << place)
    keys = made.select(number).to_series().sort(multithreaded=False)
    bounds = pl.Series([n << (bits + low) for n in range(last - first + 1)], dtype=pl.UInt64)
    found: dict[str | None, dict[int, Run]] = {}
    for of in asked:
        some = keys if of is None else keys.filter((keys & (1 << flags.index(of))) != 0)
        ends_at = [*some.search_sorted(bounds).to_list(), len(some)]
        values = _floats(_divided(((some // (1 << low)) & ((1 << bits) - 1)).cast(pl.Int64) + least, scale))
        places = enumerate(pairwise(ends_at), first)
        found[of] = {cell: Run(values, begin, end) for cell, (begin, end) in places if begin < end}
    return found


def _scale(values: pl.Series) -> float | None:
    """The scale at which all of these values are decimals."""
    for scale in SCALES:
        if (_divided((values * scale).round(), scale) == values).all() and ((values * scale).abs() <= LARGEST).all():
            return scale
    return None


def _divided(values: pl.Series, scale: float) -> pl.Series:
    """Quotients that are rounded once. By a column: a single divisor is turned into a factor, which is rounded as well."""
    return values.cast(pl.Float64) / pl.repeat(scale, len(values), dtype=pl.Float64, eager=True)


def _floats(values: pl.Series) -> memoryview[float]:
    """A series without nulls as it lies in memory."""
    flat = values.rechunk().to_arrow()
    return memoryview(flat.buffers()[1]).cast("d")[flat.offset : flat.offset + len(flat)]
