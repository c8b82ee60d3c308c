"""Distinct whole numbers of all rows, by sorting: equal ones of a period follow each other, and of each only the first counts.

Period, value, split value and conditions of a row are the bits of one number, so that one sort serves the whole, all slices
and all conditions of a grain.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from scorecard.ground.errors import Problem, Refused
from scorecard.ground.periods import Grain
from scorecard.measures.slices import Slice
from scorecard.measures.states.layout import Coded, Grained
from scorecard.measures.states.sorting import Portion

BITS = 63
"""So many are told apart: one less than a number has, so that none is ever taken for negative."""
AT_ONCE = 1_000_000
"""So many are sorted at once; of more rows than these of one period the values are counted in parts, to bound memory."""
Count = tuple[Grain, date, str | None, Slice | None, int, int]
"""(grain, the period's first day, condition, slice, values counted, distinct ones)."""


@dataclass(slots=True)
class Once:
    """Counts one value, between ``least`` and ``most``, in portions of rows in the order of days. ``asked``: under which
    conditions (None: all rows). What belongs to a period of which more days are to come is held until they have.
    """

    least: int
    most: int
    coded: Coded
    grains: Mapping[Grain, Grained]
    asked: Sequence[str | None]
    _held: dict[Grain, list[pl.Series]] = field(default_factory=dict)
    _over: dict[Grain, int] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether all that is told apart fits into one number."""
        periods = max((len(g.firsts) for g in self.grains.values()), default=1)
        return (periods - 1).bit_length() + self._wide <= BITS and self.most < 1 << BITS

    @property
    def _flags(self) -> int:
        return sum(condition is not None for condition in self.asked)

    @property
    def _low(self) -> int:
        """The bits below the value: those of the split value, then of the conditions."""
        return self._flags + (self.coded.size - 1).bit_length()

    @property
    def _wide(self) -> int:
        """The bits below the period."""
        return self._low + (self.most - self.least).bit_length()

    def take(self, portion: Portion, value: str, flags: Mapping[str, int], done: int | None) -> Iterator[Count]:
        """Takes the next rows: the column of the value, and which flag says that a condition holds.

        Gives all periods of which no more rows are to come: those before the segment ``done`` (None: all). Refused where a
        value lies outside: rows have come in between.
        """
        if portion.rows[value].null_count():
            portion = portion.only(portion.rows[value].is_not_null())
        values = portion.rows[value]
        if len(values) and not values.is_between(self.least, self.most).all():
            raise Refused(Problem("rows came in while others were counted"))
        kept = [flags[condition] for condition in self.asked if condition is not None]
        numbers = (values.cast(pl.Int64) - self.least).cast(pl.UInt64) * (1 << self._low)
        for grain, grained in self.grains.items():
            fresh = numbers + portion.numbers(grained.of_day * (1 << self._wide), self._flags, kept)
            yield from self._counted(grain, grained, self._ready(grain, grained, fresh, done))

    def _ready(self, grain: Grain, grained: Grained, fresh: pl.Series, done: int | None) -> list[pl.Series]:
        """The numbers of the periods that are over; the others are held."""
        over = len(grained.firsts) if done is None else bisect_right(grained.begins, done) - 1
        limit = over << self._wide
        held, fresh_only = self._held.get(grain, []), over == self._over.get(grain, 0)
        if fresh_only and over < len(grained.firsts):  # no period has ended, and none of the rows is of an earlier one
            self._held[grain] = [*held, fresh]
            return []
        ready: list[pl.Series] = []
        self._over[grain], self._held[grain] = over, []
        for one in (*held, fresh):
            later = one >= limit
            if later.any():
                self._held[grain].append(one.filter(later))
                ready.append(one.filter(~later))
            else:
                ready.append(one)
        return ready

    def _counted(self, grain: Grain, grained: Grained, ready: Sequence[pl.Series]) -> Iterator[Count]:
        """What the periods came to: equal values are in the same part, so that the parts add up."""
        parts = -(-sum(map(len, ready)) // AT_ONCE)
        found: dict[tuple[int, str | None, Slice | None], tuple[int, int]] = {}
        # Small numbers are compared many times as fast: the part of each is worked out once.
        lies_in = [(one // (1 << self._low) % parts).cast(pl.UInt16) for one in ready] if parts > 1 else []
        for part in range(parts):
            mine = [one.filter(of == part) for one, of in zip(ready, lies_in, strict=True)] if parts > 1 else ready
            some = pl.concat(mine).sort(multithreaded=False)
            for place, n, once in self._counts(some) if len(some) else ():
                before = found.get(place, (0, 0))
                found[place] = before[0] + n, before[1] + once
        for (number, condition, slice_), (n, once) in found.items():
            yield grain, grained.firsts[number], condition, slice_, n, once

    def _counts(self, keys: pl.Series) -> Iterator[tuple[tuple[int, str | None, Slice | None], int, int]]:
        """((period, condition, slice), values, distinct ones) of sorted numbers."""
        low, flags, wide = self._low, self._flags, self._wide
        begins = range(keys[0] >> wide, (keys[-1] >> wide) + 2)
        bounds = pl.Series([number << wide for number in begins], dtype=pl.UInt64)
        place = -1
        for condition in self.asked:
            some = keys
            if condition is not None:
                place += 1
                some = keys.filter((keys & (1 << place)) != 0)
            values = some // (1 << low)
            new = (values != values.shift(1)).fill_null(value=True)
            n, once = (s.search_sorted(bounds).to_list() for s in (some, some.filter(new)))
            for at, number in enumerate(begins[:-1]):
                yield (number, condition, None), n[at + 1] - n[at], once[at + 1] - once[at]
            period, codes = some // (1 << wide), (some // (1 << flags)) & ((1 << (low - flags)) - 1)
            for named, layer in self.coded.layers:
                lies_in, size = layer.gather(codes), len(named) + 1
                first = new | (lies_in != lies_in.shift(1))
                groups = pl.LazyFrame({"g": period * size + lies_in, "first": first}).group_by("g")
                added = groups.agg(pl.len(), pl.col("first").sum()).collect(engine="streaming")
                for group, n_in, once_in in added.rows():
                    number, slice_ = divmod(group, size)
                    if slice_ < len(named):
                        yield (number, condition, named[slice_]), n_in, once_in
