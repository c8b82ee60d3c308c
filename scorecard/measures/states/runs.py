"""The values of quantiles, sorted once within short stretches of days and split values, for all periods and slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from scorecard.ground.periods import Grain
from scorecard.measures.ranges import Range
from scorecard.measures.slices import Slice
from scorecard.measures.states.keys import Decimals
from scorecard.measures.states.layout import Coded, Days, segment_at
from scorecard.measures.states.ranks import quantile, window
from scorecard.measures.states.settled import ALL_OF, MARGIN, ROOM, Most, margin_of
from scorecard.measures.states.sorting import Cells, Run
from scorecard.measures.states.stretches import NOTHING, Window

Found = tuple[Grain, date, Slice | None, int, int, tuple[float | None, ...]]
"""(grain, the period's first day, slice, values counted, values not finite, its quantiles)."""


@dataclass(slots=True)
class Runs:
    """Quantiles ``qs`` of one value, in portions of whole segments of days in their order; no segment comes twice.

    ``fused``: how the engine rounds between two values. ``stretches``: days from one to before another whose ``windows`` around
    the quantiles are to be remembered ((first, until) → slice → one for each quantile), with room for what comes now.
    ``decimals``: what the cells keep; None: doubles.
    """

    qs: Sequence[float]
    grains: Sequence[Grain]
    days: Days
    coded: Coded
    fused: bool
    stretches: Mapping[Range, Most] = field(default_factory=dict)
    decimals: Decimals | None = None
    windows: dict[Range, dict[Slice | None, tuple[Window, ...]]] = field(default_factory=dict)
    _runs: dict[int, Run] = field(default_factory=dict)
    _bad: dict[int, int] = field(default_factory=dict)
    _next: dict[Grain, int] = field(default_factory=dict)
    _size: int = field(init=False)

    def __post_init__(self) -> None:
        self._size = self.coded.size

    def take(self, cells: Cells, done: int) -> Iterator[Found]:
        """Takes the next rows. A cell is the segment's number × split values + the split value's.

        Gives all periods of which no more rows are to come: those before the segment ``done``.
        """
        self._runs.update(cells.runs)
        self._bad.update(cells.bad)
        ranges = self._ranges()
        for grain in self.grains:
            grained = self.days.grains[grain]
            at = self._next.get(grain, 0)
            while at < len(grained.firsts) and grained.begins[at + 1] <= done:
                segments = range(grained.begins[at], grained.begins[at + 1])
                for slice_, codes in ranges:
                    found = self._number([s * self._size + code for s in segments for code in codes])
                    if found is not None:
                        yield grain, grained.firsts[at], slice_, *found
                at += 1
            self._next[grain] = at
        for first, until in self.stretches:
            begin, end = segment_at(self.days, first), segment_at(self.days, until)
            if end <= done and (first, until) not in self.windows:
                self.windows[first, until] = self._around(
                    range(begin, end), (until - first).days, self.stretches[first, until]
                )
        self._forget()

    def _ranges(self) -> list[tuple[Slice | None, range]]:
        """The numbers of the split values of each slice; None: of all."""
        return [(None, range(self._size)), *((slice_, range(*codes)) for slice_, codes in self.coded.ranges.items())]

    def _around(self, segments: range, days: int, most: Most) -> dict[Slice | None, tuple[Window, ...]]:
        """The windows of some segments, slice by slice; there is room for many times as many values as come now."""
        found: dict[Slice | None, tuple[Window, ...]] = {}
        margin = 0.0
        for slice_, codes in self._ranges():
            runs, n, bad = self._look([s * self._size + code for s in segments for code in codes])
            if slice_ is None:
                margin = margin_of(days, n)
            if n:
                wide = min(1.0, max(margin, MARGIN + ROOM * most.get(slice_, 0) / n)) if n > ALL_OF else None
                found[slice_] = tuple(window(runs, n, bad, q, wide, self.decimals) for q in self.qs)
            elif bad:
                found[slice_] = (replace(NOTHING, bad=bad),) * len(self.qs)
        return found

    def _number(self, cells: Sequence[int]) -> tuple[int, int, tuple[float | None, ...]] | None:
        """What some cells come to together; None where there is nothing in them."""
        runs, n, bad = self._look(cells)
        if not n:
            return (0, bad, (None,) * len(self.qs)) if bad else None
        return n, bad, tuple(quantile(runs, n, q, self.decimals, fused=self.fused) for q in self.qs)

    def _look(self, cells: Sequence[int]) -> tuple[list[Run], int, int]:
        """The runs of some cells, how many values they hold, and how many are not finite."""
        runs = [run for run in map(self._runs.get, cells) if run is not None]
        bad = sum(self._bad.get(cell, 0) for cell in cells) if self._bad else 0
        return runs, sum(until - first for _, first, until in runs), bad

    def _forget(self) -> None:
        """Forgets the segments that no period rests on any more."""
        grains = [self.days.grains[grain] for grain in self.grains]
        coming = [g.begins[self._next[grain]] for grain, g in zip(self.grains, grains, strict=True)]
        coming += [segment_at(self.days, one[0]) for one in self.stretches if one not in self.windows]
        least = min(coming, default=len(self.days.begins)) * self._size
        self._runs = {cell: run for cell, run in self._runs.items() if cell >= least}
        self._bad = {cell: n for cell, n in self._bad.items() if cell >= least}
