"""How days and split values are numbered for a pass over rows: segments of days that lie in the same periods of every grain,
and raw split values so that those of a slice follow each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date

import polars as pl

from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.ranges import DAY
from scorecard.measures.slices import Slice
from scorecard.measures.states.rows import Slices

PLACES = ("day", "week", "month", "quarter", "year")
"""What ``Calendar.day_rows`` says of a day, in this order."""


@dataclass(frozen=True, slots=True)
class Grained:
    """The periods of a grain, oldest first: their first days, and where each begins among the segments (the end as well).

    ``of_day``: the number of each day's period.
    """

    firsts: tuple[date, ...]
    begins: tuple[int, ...]
    of_day: pl.Series


@dataclass(frozen=True, slots=True)
class Days:
    """Days from ``first`` on. ``of_day``: the segment of each; ``begins``: the day that each begins with, and the end."""

    first: date
    of_day: pl.Series
    begins: tuple[int, ...]
    grains: Mapping[Grain, Grained]


def days_laid_out(
    calendar: Calendar, first: date, last: date, grains: Sequence[Grain], marks: AbstractSet[date] = frozenset()
) -> Days:
    """The days from one to another in the periods of some grains (no hours). Segments are never longer than a week; at each
    of the ``marks`` one begins."""
    rows = calendar.day_rows(first, last)
    wanted = [PLACES.index(grain) for grain in dict.fromkeys(("week", *grains))]
    segments: list[int] = []
    begins: list[int] = []
    known: tuple[date, ...] = ()
    for number, row in enumerate(rows):
        lies_in = tuple(row[place] for place in wanted)
        if lies_in != known or row[0] in marks:
            begins.append(number)
            known = lies_in
        segments.append(len(begins) - 1)
    made = {}
    for grain in grains:
        firsts: list[date] = []
        at: list[int] = []
        of_day = []
        for segment, row in zip(segments, rows, strict=True):
            begin = row[PLACES.index(grain)]
            if not firsts or firsts[-1] != begin:
                firsts.append(begin)
                at.append(segment)
            of_day.append(len(firsts) - 1)
        made[grain] = Grained(tuple(firsts), (*at, len(begins)), pl.Series(of_day, dtype=pl.UInt64))
    return Days(first, pl.Series(segments, dtype=pl.UInt32), (*begins, len(rows)), made)


def segment_at(days: Days, day: date) -> int:
    """The segment that begins with a day, or the first one after it; of days after the last the one after the last."""
    return bisect_left(days.begins, (day - days.first).days)


def day_at(days: Days, segment: int) -> date:
    """The day that a segment begins with; of the last one's end: the day after."""
    return days.first + DAY * days.begins[segment]


@dataclass(frozen=True, slots=True)
class Coded:
    """Numbers of raw split values, from 1 on (0: what names no slice), so that those of each slice are consecutive.

    ``ranges``: slice → (its first number, the one after its last). ``layers``: slices of which every raw value is in at most
    one, with the place in the list for each number (the length of the list: in none).
    """

    codes: Mapping[str, int]
    ranges: Mapping[Slice, tuple[int, int]]
    layers: tuple[tuple[tuple[Slice, ...], pl.Series], ...]

    @property
    def size(self) -> int:
        return len(self.codes) + 1


def coded(slices: Slices) -> Coded | None:
    """Numbers for the raw values that name a slice; None where no order keeps those of every slice together."""
    chains = sorted((tuple(reversed(named)), raw) for raw, named in slices.items())
    codes = {raw: number for number, (_, raw) in enumerate(chains, 1)}
    ranges: dict[Slice, tuple[int, int]] = {}
    layers = []
    for depth in range(max((len(chain) for chain, _ in chains), default=0)):
        named: dict[Slice, int] = {}
        places: list[int | None] = [None]
        for number, (chain, _) in enumerate(chains, 1):
            slice_ = chain[depth] if depth < len(chain) else None
            places.append(None if slice_ is None else named.setdefault(slice_, len(named)))
            if slice_ is None:
                continue
            first, until = ranges.get(slice_, (number, number))
            if until != number:
                return None
            ranges[slice_] = (first, number + 1)
        filled = [len(named) if place is None else place for place in places]
        layers.append((tuple(named), pl.Series(filled, dtype=pl.UInt64)))
    return Coded(codes, ranges, tuple(layers))
