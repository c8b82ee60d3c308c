"""Distinct whole numbers of all rows, by sorting: equal ones of a period follow each other, and of each only the first counts.

Period, value, split value and conditions of a row are the bits of one number (``states.keys``), so that one sort serves the
whole, all slices and all conditions of a grain.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from scorecard.ground.periods import Grain
from scorecard.measures.slices import Slice
from scorecard.measures.states.keys import Key
from scorecard.measures.states.layout import Coded, Grained

AT_ONCE = 1_000_000
"""So many are sorted at once; of more rows than these of one period the values are counted in parts, to bound memory."""
MOST = 2**63
Count = tuple[Grain, date, str | None, Slice | None, int, int]
"""(grain, the period's first day, condition, slice, values counted, distinct ones)."""


@dataclass(slots=True)
class Once:
    """Counts one value, between ``least`` and ``most``, in portions of rows in the order of days. ``asked``: under which
    conditions (None: all rows). ``portions``: the segments of each. What belongs to a period of which more days are to come
    is held until they have.
    """

    least: int
    most: int
    coded: Coded
    grains: Mapping[Grain, Grained]
    asked: Sequence[str | None]
    portions: Sequence[tuple[int, int]]
    _held: dict[Grain, list[pl.Series]] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether all that is told apart fits into one number."""
        return self.most < MOST and all(self.key(grain).fits for grain in self.grains)

    @property
    def conditions(self) -> list[str]:
        """Those that have a bit each, from the lowest on."""
        return [condition for condition in self.asked if condition is not None]

    def key(self, grain: Grain) -> Key:
        """The number of a row: its period within a portion, the value, the split value, the conditions."""
        spans = (self.periods(grain, *portion) for portion in self.portions)
        bits = max(1, (self.most - self.least).bit_length())
        return Key(max(map(len, spans), default=1), bits, len(self.conditions) + (self.coded.size - 1).bit_length())

    def periods(self, grain: Grain, begin: int, until: int) -> range:
        """Those that have days in some segments."""
        begins = self.grains[grain].begins
        return range(bisect_right(begins, begin) - 1, bisect_right(begins, until - 1))

    def take(self, grain: Grain, keys: pl.Series, begin: int, until: int) -> Iterator[Count]:
        """Takes the numbers of the next rows, those of some segments.

        Gives all periods of which no more rows are to come.
        """
        keys = keys.drop_nulls() if keys.null_count() else keys
        key, grained, periods = self.key(grain), self.grains[grain], self.periods(grain, begin, until)
        ended = bisect_right(grained.begins, until) - 1 - periods.start
        held, limit = self._held.pop(grain, []), ended << key.wide
        if not ended:
            # A copy, in any order: as it came from the engine it holds the other columns with it.
            self._held[grain] = [*held, keys.reverse()]
            return
        ready = [*held, keys]
        if ended < len(periods):  # what is held is of the next portion's first period
            later = keys >= limit
            ready[-1], rest = keys.filter(~later), keys.filter(later)
            self._held[grain] = [rest - limit]
        for (number, condition, slice_), (n, once) in self._counted(key, ready).items():
            yield grain, grained.firsts[periods.start + number], condition, slice_, n, once

    def _counted(
        self, key: Key, ready: Sequence[pl.Series]
    ) -> dict[tuple[int, str | None, Slice | None], tuple[int, int]]:
        """What the periods came to: equal values are in the same part, so that the parts add up."""
        parts = -(-sum(map(len, ready)) // AT_ONCE)
        found: dict[tuple[int, str | None, Slice | None], tuple[int, int]] = {}
        # Small numbers are compared many times as fast: the part of each is worked out once.
        small = pl.UInt8 if parts <= 256 else pl.UInt16
        lies_in = [(one // (1 << key.low) % parts).cast(small) for one in ready] if parts > 1 else []
        for part in range(parts):
            mine = [one.filter(of == part) for one, of in zip(ready, lies_in, strict=True)] if parts > 1 else ready
            some = pl.concat(mine).sort(multithreaded=False)
            for place, n, once in self._counts(key, some) if len(some) else ():
                before = found.get(place, (0, 0))
                found[place] = before[0] + n, before[1] + once
        return found

    def _counts(self, key: Key, keys: pl.Series) -> Iterator[tuple[tuple[int, str | None, Slice | None], int, int]]:
        """((period, condition, slice), values, distinct ones) of sorted numbers."""
        low, flags, wide = key.low, len(self.conditions), key.wide
        begins = range(keys[0] >> wide, (keys[-1] >> wide) + 1)
        bounds = pl.Series([number << wide for number in begins], dtype=keys.dtype)
        everything = (1 << wide + (key.places - 1).bit_length()) - 1
        place = -1
        for condition in self.asked:
            some = keys
            if condition is not None:
                place += 1
                some = keys.filter((keys & (1 << place)) != 0)
            new = _new(some & (everything >> low << low))
            n, once = ([*s.search_sorted(bounds).to_list(), len(s)] for s in (some, some.filter(new)))
            for at, number in enumerate(begins):
                yield (number, condition, None), n[at + 1] - n[at], once[at + 1] - once[at]
            period, codes = some // (1 << wide), (some // (1 << flags)) & ((1 << (low - flags)) - 1)
            for named, layer in self.coded.layers:
                size = len(named) + 1
                alone = layer.to_list() == [len(named), *range(len(named))]  # each value is a slice of its own
                lies_in = codes if alone else layer.cast(some.dtype).gather(codes)
                first = new | _new(lies_in)
                groups = pl.LazyFrame({"g": period * size + lies_in, "first": first}).group_by("g")
                added = groups.agg(pl.len(), pl.col("first").sum()).collect(engine="streaming")
                for group, n_in, once_in in added.rows():
                    number, slice_ = divmod(group, size)
                    slice_ = (slice_ - 1) % size if alone else slice_
                    if slice_ < len(named):
                        yield (number, condition, named[slice_]), n_in, once_in


def _new(values: pl.Series) -> pl.Series:
    """Whether each differs from the one before it."""
    first = pl.Series([True] * min(1, len(values)), dtype=pl.Boolean)
    return pl.concat([first, values.slice(1) != values.slice(0, max(0, len(values) - 1))], rechunk=True)
