"""Numbers by which rows are sorted: place, value, split value and conditions of a row as the bits of one number.

The engine makes them, where the values lie in its caches: one narrow column comes instead of several wide ones.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import polars as pl

from scorecard.measures.sql import ROWS
from scorecard.measures.states.additive import finite
from scorecard.warehouse.engine import Engine

NARROW, WIDE = 32, 64
TYPES = {NARROW: "UINTEGER", WIDE: "UBIGINT"}
BITS = 63
"""So many are told apart: one less than a number has, so that none is ever taken for negative."""
LARGEST = float(2**52)
SCALES = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
"""Decimals are values that are whole numbers up to ``LARGEST``, divided by one of these."""
SAMPLE = 1000
"""So many rows tell which of them is tried on all."""
_COLUMN = re.compile(rf'CAST\({re.escape(ROWS)}\."[^"]+" AS DOUBLE\)')
QUICK_SEVENTHS = 13_000
"""Up to so many days a factor divides them by seven."""


@dataclass(frozen=True, slots=True)
class Decimals:
    """Doubles that are whole numbers from ``least`` to ``most``, divided by ``scale``; ``broken``: some are not finite.

    They are kept as whole numbers from 0 on; those that are not finite come after all others.
    """

    scale: int
    least: int
    most: int
    broken: bool = False

    @property
    def bits(self) -> int:
        return max(1, (self.lost if self.broken else self.most - self.least).bit_length())

    @property
    def lost(self) -> int:
        """What stands for a value that is not finite."""
        return self.most - self.least + 1

    def number(self, kept: int) -> float:
        """The double again: a quotient of whole numbers is rounded once, like that of doubles."""
        return (kept + self.least) / self.scale

    def numbers(self, kept: pl.Series) -> pl.Series:
        # A single divisor would be turned into a factor, which is rounded as well.
        divisor = pl.repeat(float(self.scale), len(kept), dtype=pl.Float64, eager=True)
        return (kept.cast(pl.Float64) + float(self.least)) / divisor

    def sql(self, value: str, type_: str) -> str:
        """What is kept of a double."""
        kept = f"CAST(round({{0}} * {self.scale}.0) - {float(self.least)!r} AS {type_})"
        if not self.broken:
            return kept.format(value)
        lost = f"CASE WHEN {value} IS NOT NULL THEN {whole(self.lost, type_)} END"
        return f"coalesce({kept.format(f'({finite(value)})')}, {lost})"


@dataclass(frozen=True, slots=True)
class Key:
    """From the top: a place below ``places``, ``bits`` of the value, ``low`` bits of what is below it."""

    places: int
    bits: int
    low: int

    @property
    def wide(self) -> int:
        """The bits below the place."""
        return self.bits + self.low

    @property
    def fits(self) -> bool:
        return (self.places - 1).bit_length() + self.wide <= BITS

    @property
    def size(self) -> int:
        """How many bits the number has that it is kept in."""
        return NARROW if (self.places - 1).bit_length() + self.wide <= NARROW else WIDE

    @property
    def type(self) -> str:
        return TYPES[self.size]

    def sql(self, place: str, value: str, below: Iterable[tuple[str, int]]) -> str:
        """``value``: of this type, from 0 on; ``below``: what else there is, and at which bit it begins.

        A value that has grown too large since it was looked at is an error of the engine's, never another cell's value.
        """
        type_, room = self.type, self.size - self.bits
        parts = [f"CAST({place} AS {type_}) * {whole(1 << self.wide, type_)}"] if self.places > 1 else []
        parts.append(f"({value} * {whole(1 << room, type_)}) >> {room - self.low}")
        parts += [f"CAST({what} AS {type_}) * {whole(1 << at, type_)}" for what, at in below]
        return " | ".join(f"({part})" for part in parts)


def whole(number: int, type_: str) -> str:
    return f"CAST({number} AS {type_})"


def steps(day: str, begins: Sequence[int], until: int) -> str:
    """SQL for how many of some days (rising, from 1 on) a day, a whole number from 0 to before ``until``, has reached.

    Mostly they are those of weeks, and a few more: one division, and a comparison for each of the others.
    """
    if len(begins) == until - 1:
        return day
    known, parts, left = set(begins), [], begins
    for first in begins[: bisect_left(begins, 8)]:
        weekly = range(first, until, 7)
        if len(weekly) > 1 and known.issuperset(weekly):
            since = f"({day} + {7 - first})"
            parts.append(f"(({since} * 9363) >> 16)" if until < QUICK_SEVENTHS else f"({since} // 7)")
            left = [begin for begin in begins if begin not in set(weekly)]
            break
    parts += [f"CAST({day} >= {begin} AS UINTEGER)" for begin in left]
    return " + ".join(parts) or "0"


def decimals_of(engine: Engine, rows: str, values: Sequence[str]) -> dict[str, Decimals | None]:
    """What is known of the values of some columns of doubles (SQL); None: they are no decimals. ``rows``: FROM and WHERE.

    Raises what the engine raises."""
    if not values:
        return {}
    shown = ", ".join(f"{value} AS v_{n}" for n, value in enumerate(values))
    sample = engine.query(f"SELECT {shown} {rows} LIMIT {SAMPLE}")
    likely = {value: _scale(sample[f"v_{n}"]) for n, value in enumerate(values)}
    found = _looked_at(engine, rows, {value: (scale,) for value, scale in likely.items()})
    finer = {v: tuple(s for s in SCALES if s > likely[v]) for v, known in found.items() if known is None}
    return found | _looked_at(engine, rows, {value: scales for value, scales in finer.items() if scales})


def _scale(values: pl.Series) -> int:
    """The least at which some values are decimals; where there is none, the finest."""
    known = [v for v in values.drop_nulls().to_list() if abs(v) <= LARGEST]
    fitting = (s for s in SCALES if all(round(v * s) / s == v for v in known))
    return next(fitting, SCALES[-1])


def _looked_at(engine: Engine, rows: str, scales: Mapping[str, Sequence[int]]) -> dict[str, Decimals | None]:
    """Columns of doubles with the scales at which all of their values may be decimals."""
    if not scales:
        return {}
    asked, inner, known = [], [], _ends(engine, rows, scales)
    for n, (value, tried) in enumerate(scales.items()):
        inner.append(f"{value} AS v_{n}")
        kept = f"f_{n}"
        if value in known:
            kept = f"v_{n}"
        else:
            asked += [f"min(f_{n}) AS least_{n}", f"max(f_{n}) AS most_{n}", f"count(v_{n}) - count(f_{n}) AS bad_{n}"]
        odd = {scale: f"round({kept} * {scale}.0) / {scale}.0 <> {kept}" for scale in tried}
        asked += [f"CAST(count_if({condition}) AS BIGINT) AS odd_{n}_{scale}" for scale, condition in odd.items()]
    checked = ["*", *(f"{finite(f'v_{n}')} AS f_{n}" for n, value in enumerate(scales) if value not in known)]
    source = f"SELECT {', '.join(checked)} FROM (SELECT {', '.join(inner)} {rows}) AS i"
    row = engine.query(f"SELECT {', '.join(asked)} FROM ({source}) AS m").row(0, named=True)
    found: dict[str, Decimals | None] = {}
    for n, (value, tried) in enumerate(scales.items()):
        least, most = known.get(value) or (row[f"{end}_{n}"] or 0.0 for end in ("least", "most"))
        largest = max(-least, most)
        fitting = (s for s in tried if not row[f"odd_{n}_{s}"] and largest * s <= LARGEST)
        scale = next(fitting, None)
        broken = value not in known and row[f"bad_{n}"] > 0
        found[value] = None if scale is None else Decimals(scale, round(least * scale), round(most * scale), broken)
    return found


def _ends(engine: Engine, rows: str, values: Iterable[str]) -> dict[str, tuple[float, float]]:
    """The least and the largest value of columns as they are kept, of which that is known without a look at their rows; not
    of those that are not finite."""
    plain = [value for value in values if _COLUMN.fullmatch(value)]
    if not plain or " WHERE " in rows:
        return {}
    ends = ", ".join(f"min({value}) AS a_{n}, max({value}) AS b_{n}" for n, value in enumerate(plain))
    found = engine.query(f"SELECT {ends} {rows}").row(0)
    pairs = zip(plain, found[::2], found[1::2], strict=True)
    return {value: (low, high) for value, low, high in pairs if low is not None and -inf < low <= high < inf}
